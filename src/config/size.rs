//! Sizes in bytes, for people: `"64G"`.

use std::fmt;
use std::str::FromStr;

use super::value::text_values;

/// The letters, each 1024 times the one before it.
const UNITS: &str = "KMGT";

/// A number of bytes; 0 stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// How many bytes; None: there is no limit.
    pub fn bytes(self) -> Option<u64> {
        (self.0 != 0).then_some(self.0)
    }

    /// Whether so many bytes are more than this.
    pub fn is_exceeded_by(self, bytes: u64) -> bool {
        self.0 != 0 && bytes > self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (digits, shift) = match text.char_indices().next_back() {
            Some((at, letter)) if let Some(power) = UNITS.find(letter.to_ascii_uppercase()) => {
                (&text[..at], (power as u32 + 1) * 10)
            }
            _ => (text, 0),
        };
        let bytes = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        bytes
            .and_then(|bytes| bytes.checked_mul(1 << shift))
            .map(Size)
            .ok_or_else(|| format!("{text:?} is no size, such as \"500M\" or \"64G\""))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (power, letter) in UNITS.char_indices().rev() {
            let shift = (power as u32 + 1) * 10;
            if self.0 != 0 && self.0 & ((1 << shift) - 1) == 0 {
                return write!(f, "{}{letter}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

text_values! {
    Size: "size in bytes, such as \"500M\" or \"64G\", or \"0\" for no limit".into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in
            [("0", 0), ("1", 1), ("1K", 1024), ("1500K", 1_536_000), ("64G", 64 << 30), ("3T", 3 << 40)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!("2048m".parse::<Size>().unwrap().to_string(), "2G");
        for text in ["", "G", "-1", "+1", "1.5G", "1GB", "99999999999T", "ß"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_exceeds_no_limit() {
        assert!(!Size(0).is_exceeded_by(u64::MAX));
        assert!(Size(1).is_exceeded_by(2) && !Size(1).is_exceeded_by(1));
    }
}
