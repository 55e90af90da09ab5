//! How often something happens, of many at once, in memory that is bounded whatever they do. Pure.
//!
//! Each subject has one number: the moment at which all that it has done would be paid off, were it spread evenly (the
//! generic cell rate algorithm). So "20 in 10 minutes" lets 20 happen at once, and then one in 30 seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::config::Frequency;

/// So many subjects are remembered in each of two generations. A flood of new ones makes it forget the oldest ones: then
/// too much is allowed to them, never too little to anybody.
const GENERATION: usize = 32_768;

/// What happens, by who does it.
#[derive(Debug)]
pub struct Meter<K> {
    young: HashMap<K, Instant>,
    old: HashMap<K, Instant>,
    size: usize,
}

impl<K: Eq + Hash + Clone> Default for Meter<K> {
    fn default() -> Meter<K> {
        Meter::of_size(GENERATION)
    }
}

impl<K: Eq + Hash + Clone> Meter<K> {
    fn of_size(size: usize) -> Meter<K> {
        Meter { young: HashMap::new(), old: HashMap::new(), size }
    }

    /// Whether it may happen once more; then it has happened.
    pub fn allow(&mut self, subject: &K, most: Frequency, now: Instant) -> bool {
        let paid = self.debt(subject, now) + most.interval();
        if paid > most.span() {
            return false;
        }
        self.set(subject, now + paid);
        true
    }

    /// It has happened. Says whether it happened as often as `most` now, and how many times more. What is more than
    /// twice that is not remembered, so that it is forgotten in time.
    pub fn count(&mut self, subject: &K, most: Frequency, now: Instant) -> Option<u32> {
        let paid = (self.debt(subject, now) + most.interval()).min(most.span() * 2);
        self.set(subject, now + paid);
        // Roundings of the interval are no reason to wait for one more.
        let over = (paid + most.interval() / 2).checked_sub(most.span())?;
        u32::try_from(over.as_nanos() / most.interval().as_nanos().max(1)).ok()
    }

    /// What this subject has done is forgiven.
    pub fn forget(&mut self, subject: &K) {
        self.young.remove(subject);
        self.old.remove(subject);
    }

    /// How many are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn debt(&self, subject: &K, now: Instant) -> Duration {
        let known = self.young.get(subject).or_else(|| self.old.get(subject));
        known.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(now))
    }

    fn set(&mut self, subject: &K, paid: Instant) {
        if self.young.len() >= self.size && !self.young.contains_key(subject) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(subject.clone(), paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn frequency(text: &str) -> Frequency {
        text.parse().unwrap()
    }

    #[test]
    fn so_many_may_happen_at_once_and_then_one_in_each_interval() {
        let (mut meter, now, most) = (Meter::default(), Instant::now(), frequency("3/m"));
        let mut allow = |seconds: u32| meter.allow(&1, most, now + SECOND * seconds);
        assert_eq!([allow(0), allow(0), allow(0), allow(0)], [true, true, true, false]);
        assert_eq!(
            [allow(19), allow(20), allow(20), allow(39), allow(40)],
            [false, true, false, false, true]
        );
        assert_eq!([allow(600), allow(600), allow(600), allow(600)], [true, true, true, false]);
    }

    #[test]
    fn counting_tells_when_it_is_often_and_how_much_too_often() {
        let (mut meter, now, most) = (Meter::default(), Instant::now(), frequency("3/10m"));
        let mut count = |seconds: u32| meter.count(&1, most, now + SECOND * seconds);
        assert_eq!(
            [count(0), count(0), count(0), count(0), count(0)],
            [None, None, Some(0), Some(1), Some(2)]
        );
        assert_eq!([count(0), count(0), count(0)], [Some(3), Some(3), Some(3)]);
        assert_eq!(count(1200), None);
    }

    #[test]
    fn what_is_forgiven_begins_anew() {
        let (mut meter, now, most) = (Meter::default(), Instant::now(), frequency("2/m"));
        assert_eq!([meter.count(&1, most, now), meter.count(&1, most, now)], [None, Some(0)]);
        meter.forget(&1);
        assert_eq!(meter.count(&1, most, now), None);
    }

    #[test]
    fn a_flood_of_subjects_takes_no_more_than_its_memory() {
        let (mut meter, now, most) = (Meter::of_size(100), Instant::now(), frequency("1/h"));
        for subject in 0..10_000 {
            meter.allow(&subject, most, now);
            assert!(meter.len() <= 200);
        }
        assert!(!meter.allow(&9_999, most, now) && !meter.allow(&9_950, most, now));
        assert!(meter.allow(&0, most, now));
    }

    proptest! {
        /// In no window of one span does more than twice the number happen, and whoever keeps to the intervals is
        /// never refused.
        #[test]
        fn what_is_allowed_is_bounded(gaps in proptest::collection::vec(0u64..40_000, 1..200), times in 1u32..20) {
            let most = frequency(&format!("{times}/m"));
            let (mut meter, begin) = (Meter::default(), Instant::now());
            let (mut at, mut allowed) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                at += Duration::from_millis(gap);
                if meter.allow(&(), most, begin + at) {
                    allowed.push(at);
                }
            }
            for (index, first) in allowed.iter().enumerate() {
                let window = allowed[index..].iter().take_while(|at| **at < *first + most.span()).count();
                prop_assert!(window as u32 <= 2 * times);
            }
            let mut steady = Meter::default();
            for step in 0..100u32 {
                prop_assert!(steady.allow(&(), most, begin + most.interval() * step));
            }
        }
    }
}
