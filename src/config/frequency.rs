//! How often something may happen: `"60/m"`, `"20/10m"`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::value::text_values;

/// The letters of spans of time, the longest first, and their seconds.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// The longest span and the highest number that make sense.
const LONGEST: u32 = 30 * 86_400;
const MOST: u32 = 1_000_000;

/// So many times in a span of time, and never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    times: u32,
    seconds: u32,
}

impl Frequency {
    /// How many times.
    pub fn times(self) -> u32 {
        self.times
    }

    /// Within what time.
    pub fn span(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// What lies between two times that are spread evenly.
    pub fn interval(self) -> Duration {
        self.span() / self.times
    }
}

/// How often one has done something, as one number: when all of it would be paid off, were it spread evenly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tempo {
    paid: Option<Instant>,
}

impl Tempo {
    /// It is to happen once more: it has, or it may not before the moment that is returned.
    pub fn strike(&mut self, most: Frequency, now: Instant) -> Result<(), Instant> {
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + most.interval();
        match paid.checked_duration_since(now + most.span()) {
            Some(over) if !over.is_zero() => Err(now + over),
            Some(_) | None => {
                self.paid = Some(paid);
                Ok(())
            }
        }
    }
}

impl FromStr for Frequency {
    type Err = String;

    fn from_str(text: &str) -> Result<Frequency, String> {
        let number =
            |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let parsed = text.split_once('/').and_then(|(times, span)| {
            let (at, letter) = span.char_indices().next_back()?;
            let (_, seconds) = UNITS.into_iter().find(|(unit, _)| *unit == letter)?;
            let count = if at == 0 { 1 } else { number(&span[..at])? };
            Some(Frequency { times: number(times)?, seconds: count.checked_mul(seconds)? })
        });
        parsed
            .filter(|parsed| (1..=MOST).contains(&parsed.times) && (1..=LONGEST).contains(&parsed.seconds))
            .ok_or_else(|| format!("{text:?} is no frequency, such as \"60/m\" or \"20/10m\""))
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.into_iter().find(|(_, seconds)| self.seconds.is_multiple_of(*seconds));
        let (letter, seconds) = whole.unwrap_or(('s', 1));
        match self.seconds / seconds {
            1 => write!(f, "{}/{letter}", self.times),
            count => write!(f, "{}/{count}{letter}", self.times),
        }
    }
}

text_values! {
    Frequency: "frequency, such as \"60/m\" or \"20/10m\" (with s, m, h or d)".into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_read_and_written_alike() {
        for (text, times, seconds) in
            [("1/s", 1, 1), ("60/m", 60, 60), ("20/10m", 20, 600), ("5/90s", 5, 90), ("7/2h", 7, 7200)]
        {
            assert_eq!(text.parse(), Ok(Frequency { times, seconds }));
            assert_eq!(Frequency { times, seconds }.to_string(), text);
        }
        assert_eq!("1/60s".parse::<Frequency>().unwrap().to_string(), "1/m");
        for text in [
            "",
            "1",
            "1/",
            "/m",
            "0/m",
            "1/0m",
            "+1/m",
            "1/+1m",
            "1/x",
            "1/99d",
            "1/m ",
            "1/4294967295d",
            "1/ß",
        ] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
    }

    #[test]
    fn who_keeps_the_tempo_never_waits_and_who_does_not_waits_for_an_interval() {
        let (mut tempo, now, most) = (Tempo::default(), Instant::now(), "4/s".parse().unwrap());
        let step = Duration::from_millis(250);
        for _ in 0..4 {
            assert_eq!(tempo.strike(most, now), Ok(()));
        }
        assert_eq!(tempo.strike(most, now), Err(now + step));
        for late in 1..20 {
            assert_eq!(tempo.strike(most, now + step * late), Ok(()));
        }
    }

    #[test]
    fn what_is_spread_evenly_comes_in_intervals() {
        assert_eq!("20/10m".parse::<Frequency>().unwrap().interval(), Duration::from_secs(30));
        assert_eq!("4/s".parse::<Frequency>().unwrap().interval(), Duration::from_millis(250));
    }
}
