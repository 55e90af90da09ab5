//! Bytes and rates, as people read them.

/// What stands behind a number, each 1024 times the one before.
const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// Three digits and a unit: `0`, `999`, `1.0K`, `12M`.
pub fn bytes(number: u64) -> String {
    let mut unit = 0;
    let mut scaled = number as f64;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => number.to_string(),
        _ if scaled < 9.95 => format!("{scaled:.1}{}", UNITS[unit]),
        _ => format!("{scaled:.0}{}", UNITS[unit]),
    }
}

/// So many bytes in so many milliseconds; None: no time has passed.
pub fn rate(bytes: u64, millis: u64) -> Option<u64> {
    (u128::from(bytes) * 1000).checked_div(millis.into()).and_then(|rate| u64::try_from(rate).ok())
}

/// How much of it, in per cent; a session may say what it likes, and never has more than all of it.
pub fn per_cent(part: u64, whole: u64) -> Option<u64> {
    (u128::from(part) * 100).checked_div(whole.into()).map(|share| share.min(100) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_three_digits_at_most() {
        let texts = [0, 999, 1000, 1024, 10_240, 1 << 20, 5 << 40, u64::MAX].map(bytes);
        assert_eq!(texts, ["0", "999", "1.0K", "1.0K", "10K", "1.0M", "5.0T", "16E"]);
    }

    proptest! {
        #[test]
        fn whatever_a_session_says_can_be_shown(a: u64, b: u64) {
            prop_assert!(bytes(a).len() <= 4);
            prop_assert!(per_cent(a, b).is_none_or(|share| share <= 100));
            prop_assert!(rate(a, b).is_some() || b == 0 || a > 1 << 50);
        }
    }
}
