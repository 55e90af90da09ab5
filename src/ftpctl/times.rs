//! Moments and spans of time, for people and for programs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serializer;

use crate::protocol::civil::Civil;
use crate::system::time_zone;

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// A moment in the time of this machine: `2026-11-21 15:04:05`.
pub fn local(seconds: u64) -> String {
    let Civil { year, month, day, seconds } = civil_here(seconds);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The same in less space: the time if it was today, else the date.
pub fn short(seconds: u64, now: u64) -> String {
    let (then, today) = (civil_here(seconds), civil_here(now));
    match (then.year, then.month, then.day) == (today.year, today.month, today.day) {
        true => format!("{:02}:{:02}", then.seconds / 3600, then.seconds / 60 % 60),
        false => format!("{:02}-{:02} {:02}h", then.month, then.day, then.seconds / 3600),
    }
}

fn civil_here(seconds: u64) -> Civil {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX / 2);
    Civil::of(seconds + time_zone::offset_at(seconds))
}

/// A span: `12s`, `5m07s`, `3h12m`, `4d06h`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// RFC 3339, in UTC.
pub fn as_rfc3339<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let moment = i64::try_from(*seconds).ok().and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok());
    let text = moment.and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok());
    serializer.serialize_str(&text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let texts: Vec<String> = [0, 59, 60, 3599, 3600, 86_399, 86_400, 1_000_000].map(span).into();
        assert_eq!(texts, ["0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d00h", "11d13h"]);
    }

    #[test]
    fn what_was_on_another_day_has_its_date() {
        time_zone::load();
        let noon = 1_700_000_000;
        assert!(short(noon, noon).contains(':'));
        assert!(short(noon - 200_000, noon).ends_with('h'));
    }
}
