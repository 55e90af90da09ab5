//! How numbers, times and modes are written in listings, into a buffer that is there already.

use crate::protocol::civil::Civil;
use crate::system::status::Kind;
use crate::system::time_zone;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// Half a year, for ls: half of the 365.2425 days of a Gregorian year. In seconds.
const HALF_A_YEAR: i64 = 15_778_476;
/// How far the clock of a file server may be ahead before a time counts as the future. In seconds.
const SKEW: i64 = 3600;

/// The zone of the times in LIST, with the last offset it had.
pub struct Clock {
    local: bool,
    now: i64,
    quarter: i64,
    offset: i64,
}

impl Clock {
    /// Local time or UTC; `now` in seconds since 1970, UTC, decides between the time of day and the year.
    pub fn new(local: bool, now: i64) -> Clock {
        Clock { local, now, quarter: i64::MIN, offset: 0 }
    }

    /// The date as ls(1) writes it: `Nov 20 12:00`, or `Nov 20  2024` if half a year ago or in the future.
    pub fn date(&mut self, out: &mut Vec<u8>, seconds: i64) {
        // No zone changes its offset but at a quarter of an hour.
        let quarter = seconds.div_euclid(900);
        if self.local && quarter != self.quarter {
            self.quarter = quarter;
            self.offset = time_zone::offset_at(seconds);
        }
        let civil = Civil::of(seconds.saturating_add(self.offset));
        out.extend_from_slice(MONTHS[civil.month as usize - 1]);
        out.push(b' ');
        padded(out, u64::from(civil.day), 2, b' ');
        out.push(b' ');
        if seconds > self.now - HALF_A_YEAR && seconds <= self.now + SKEW {
            padded(out, u64::from(civil.seconds / 3600), 2, b'0');
            out.push(b':');
            padded(out, u64::from(civil.seconds / 60 % 60), 2, b'0');
        } else {
            padded(out, civil.year.max(0).unsigned_abs(), 5, b' ');
        }
    }
}

/// A time as RFC 3659 2.3 writes it, in UTC: `20261121123456`.
pub fn stamp(out: &mut Vec<u8>, seconds: i64) {
    let civil = Civil::of(seconds);
    padded(out, civil.year.max(0).unsigned_abs(), 4, b'0');
    padded(out, u64::from(civil.month), 2, b'0');
    padded(out, u64::from(civil.day), 2, b'0');
    padded(out, u64::from(civil.seconds / 3600), 2, b'0');
    padded(out, u64::from(civil.seconds / 60 % 60), 2, b'0');
    padded(out, u64::from(civil.seconds % 60), 2, b'0');
}

/// What `stamp` has written, as MFMT brings it. A fraction of a second is allowed, and forgotten.
pub fn parse_stamp(text: &[u8]) -> Option<i64> {
    let (digits, fraction) = text.split_at_checked(14)?;
    let fraction_is_good = match fraction {
        [] => true,
        [b'.', fraction @ ..] => !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !fraction_is_good || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits[from..to].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    };
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    // 60 is a leap second (RFC 3659 2.3); the calendar of 1970 has none, it is the second after.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let day = Civil { year: i64::from(number(0, 4)), month: number(4, 6), day: number(6, 8), seconds: 0 };
    if !(1..=12).contains(&day.month) || Civil::of(day.seconds()) != day {
        return None;
    }
    Some(day.seconds() + i64::from(hour * 3600 + minute * 60 + second))
}

/// A number.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    padded(out, number, 1, b' ');
}

/// A number with at least so many places, filled from the left.
pub fn padded(out: &mut Vec<u8>, mut number: u64, width: usize, filling: u8) {
    let mut digits = [filling; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width)..]);
}

/// A size as `ls -h` writes it: three places and a letter, rounded up.
pub fn human(out: &mut Vec<u8>, bytes: u64, width: usize) {
    let mut tenths = u128::from(bytes) * 10;
    let mut letter = None;
    for next in b"KMGTPE" {
        if tenths < 10_240 {
            break;
        }
        tenths = tenths.div_ceil(1024);
        letter = Some(*next);
    }
    let text = match letter {
        None => bytes.to_string(),
        Some(letter) if tenths < 100 => format!("{}.{}{}", tenths / 10, tenths % 10, char::from(letter)),
        Some(letter) => format!("{}{}", tenths.div_ceil(10), char::from(letter)),
    };
    out.extend(std::iter::repeat_n(b' ', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// Kind and mode in ten letters, as ls(1) writes them.
pub fn mode(out: &mut Vec<u8>, kind: Kind, mode: u32) {
    let first = match kind {
        Kind::File => b'-',
        Kind::Directory => b'd',
        Kind::Symlink => b'l',
        Kind::Fifo => b'p',
        Kind::Socket => b's',
        Kind::BlockDevice => b'b',
        Kind::CharacterDevice => b'c',
    };
    let letter = |bit: u32, letter: u8| if mode & bit != 0 { letter } else { b'-' };
    let execute = |bit: u32, special: u32, both: u8, alone: u8| match (mode & special != 0, mode & bit != 0) {
        (true, true) => both,
        (true, false) => alone,
        (false, true) => b'x',
        (false, false) => b'-',
    };
    out.extend_from_slice(&[
        first,
        letter(0o400, b'r'),
        letter(0o200, b'w'),
        execute(0o100, 0o4000, b's', b'S'),
        letter(0o040, b'r'),
        letter(0o020, b'w'),
        execute(0o010, 0o2000, b's', b'S'),
        letter(0o004, b'r'),
        letter(0o002, b'w'),
        execute(0o001, 0o1000, b't', b'T'),
    ]);
}

/// A word with at least so many places, filled from the right.
pub fn word(out: &mut Vec<u8>, word: &[u8], width: usize) {
    out.extend_from_slice(word);
    out.extend(std::iter::repeat_n(b' ', width.saturating_sub(word.len())));
}

/// A name of a file, byte for byte, except for what would end the line.
pub fn name(out: &mut Vec<u8>, name: &[u8]) {
    let start = out.len();
    out.extend_from_slice(name);
    if memchr::memchr2(b'\r', b'\n', name).is_some() {
        for byte in &mut out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b'?';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_date_has_the_time_or_the_year() {
        let now = parse_stamp(b"20261121120000").unwrap();
        let date =
            |stamp: &[u8]| written(|out| Clock::new(false, now).date(out, parse_stamp(stamp).unwrap()));
        assert_eq!(date(b"20261120000102"), "Nov 20 00:01");
        assert_eq!(date(b"20261121125959"), "Nov 21 12:59");
        assert_eq!(date(b"20260523120000"), "May 23 12:00");
        assert_eq!(date(b"20260521120000"), "May 21  2026");
        assert_eq!(date(b"20261122120000"), "Nov 22  2026");
        assert_eq!(date(b"19700101000000"), "Jan  1  1970");
        assert_eq!(date(b"20000229000000"), "Feb 29  2000");
    }

    #[test]
    fn stamps_that_name_no_time_are_refused() {
        for bad in [
            "",
            "2026",
            "20261321000000",
            "20260229000000",
            "20260101240000",
            "20260101000061",
            "2026010100000x",
            "20260101000000.",
            "20260101000000,5",
            "99990000000000",
        ] {
            assert_eq!(parse_stamp(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_stamp(b"19700101000001.123"), Some(1));
        assert_eq!(parse_stamp(b"20240229235960"), parse_stamp(b"20240301000000"));
    }

    #[test]
    fn modes_are_written_as_ls_does() {
        assert_eq!(written(|out| mode(out, Kind::File, 0o644)), "-rw-r--r--");
        assert_eq!(written(|out| mode(out, Kind::Directory, 0o1777)), "drwxrwxrwt");
        assert_eq!(written(|out| mode(out, Kind::File, 0o6750)), "-rwsr-s---");
        assert_eq!(written(|out| mode(out, Kind::File, 0o7000)), "---S--S--T");
    }

    #[test]
    fn human_sizes_are_rounded_up() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10_240, "10K"),
            (1 << 20, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(written(|out| human(out, bytes, 1)), text);
        }
    }

    #[test]
    fn line_ends_in_names_become_question_marks() {
        assert_eq!(written(|out| name(out, b"a\r\nb")), "a??b");
    }

    proptest! {
        #[test]
        fn a_stamp_is_read_back(seconds in -62_167_219_200i64..253_402_300_800) {
            prop_assert_eq!(parse_stamp(written(|out| stamp(out, seconds)).as_bytes()), Some(seconds));
        }

        #[test]
        fn numbers_are_written_as_everybody_does(number: u64, width in 1usize..20) {
            prop_assert_eq!(written(|out| padded(out, number, width, b' ')), format!("{number:width$}"));
        }

        #[test]
        fn no_bytes_make_a_stamp_stumble(text in prop::collection::vec(any::<u8>(), 0..20)) {
            parse_stamp(&text);
        }
    }
}
