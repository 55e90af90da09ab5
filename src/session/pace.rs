//! How fast data moves: no faster than the page says, which the supervisor may change at any time. Where it says nothing,
//! this costs a look into memory.
//!
//! A session waits in small steps, so that data flows evenly, and obeys its client meanwhile. That it waits is nobody's
//! fault: neither the time of silence nor that of a stalled transfer runs.

use std::time::{Duration, Instant};

use super::Session;
use super::watch::Interrupted;
use crate::ipc::page::{Terms, Way};

/// Rates change while somebody waits: no wait is longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What a second is divided into for the pieces that are moved at once, and what one that comes late may still move.
const PIECES: u64 = 32;
const SMALL_PIECES: u64 = 20;
const BURSTS: u64 = 10;

/// A packet's worth: slow transfers move smaller pieces only where a packet would be more than their burst allows.
const PACKET: u64 = 1400;

/// Bytes are counted in billionths, so that nothing is lost at any rate.
const NANO: i128 = 1_000_000_000;

/// What may move at a rate. Pure.
#[derive(Debug)]
struct Bucket {
    /// Billionths of bytes that may move now.
    credit: i128,
    filled: Instant,
    /// Nothing has moved for a while: what may move at once is one piece.
    rested: bool,
}

impl Bucket {
    fn new(now: Instant) -> Bucket {
        Bucket { credit: 0, filled: now, rested: true }
    }

    /// The time that has passed becomes bytes that may move.
    fn fill(&mut self, rate: u64, now: Instant) {
        let nanos = now.saturating_duration_since(self.filled).as_nanos().min(NANO as u128) as i128;
        self.filled = now;
        let most = if self.rested { piece(rate) } else { (rate / BURSTS).max(1) };
        self.rested = false;
        self.credit = (self.credit + i128::from(rate) * nanos).min(i128::from(most) * NANO);
    }

    /// How many of `wanted` bytes may move now, or how long to wait until it is worth while.
    fn allows(&self, wanted: u64, rate: u64) -> Result<u64, Duration> {
        let enough = i128::from(wanted.min(piece(rate)).max(1)) * NANO;
        if self.credit >= enough {
            let whole = u64::try_from(self.credit / NANO).unwrap_or(u64::MAX);
            return Ok(whole.min(wanted.max(1)));
        }
        let nanos = (enough - self.credit) / i128::from(rate.max(1)) + 1;
        Err(u64::try_from(nanos).map_or(LONGEST_WAIT, Duration::from_nanos).min(LONGEST_WAIT))
    }

    fn spend(&mut self, bytes: u64) {
        self.credit -= i128::from(bytes) * NANO;
    }
}

/// What moves at once, at this rate.
fn piece(rate: u64) -> u64 {
    (rate / PIECES).max(PACKET.min(rate / SMALL_PIECES)).max(1)
}

/// How fast a session moves data.
#[derive(Debug)]
pub struct Pace {
    bucket: Bucket,
    /// Bytes of this transfer, on the wire.
    carried: u64,
    /// What moves now is slowed.
    slowed: bool,
}

impl Pace {
    /// Of a session that has not moved anything yet.
    pub fn new() -> Pace {
        Pace { bucket: Bucket::new(Instant::now()), carried: 0, slowed: false }
    }

    /// A transfer begins.
    fn begin(&mut self) {
        self.carried = 0;
        self.bucket.rested = true;
    }

    fn carry(&mut self, bytes: u64) {
        self.carried = self.carried.saturating_add(bytes);
        if self.slowed {
            self.bucket.spend(bytes);
        }
    }

    /// How many of `wanted` bytes may move now, or how long to wait.
    fn allows(&mut self, wanted: u64, terms: Terms, now: Instant) -> Result<u64, Duration> {
        let free = match terms.transfer_rate {
            0 => u64::MAX,
            _ => terms.free.saturating_sub(self.carried),
        };
        let of_transfer = if free > 0 { 0 } else { terms.transfer_rate };
        let rate = [terms.rate, of_transfer].into_iter().filter(|rate| *rate != 0).min();
        let wanted = if free > 0 { wanted.min(free) } else { wanted };
        self.slowed = rate.is_some();
        let Some(rate) = rate else { return Ok(wanted) };
        self.bucket.fill(rate, now);
        self.bucket.allows(wanted, rate)
    }
}

impl Session {
    /// A transfer begins: the supervisor is told, if it has to divide what several share.
    pub(super) fn begin_pace(&mut self) {
        self.pace.begin();
        if self.page.must_call() {
            self.worker.moves();
        }
    }

    /// How many of `wanted` bytes may move over the data connection, at least one. Waits until some may.
    pub(super) fn may_move(&mut self, wanted: usize) -> Result<usize, Interrupted> {
        let way = if self.is_sending() { Way::Down } else { Way::Up };
        loop {
            let terms = self.page.terms(way);
            if terms == Terms::default() {
                self.pace.slowed = false;
                return Ok(wanted);
            }
            match self.pace.allows(wanted as u64, terms, Instant::now()) {
                Ok(bytes) => return Ok(bytes as usize),
                Err(wait) => {
                    self.tell_progress();
                    self.watch(None, Some(Instant::now() + wait))?;
                    self.obey_out_of_turn(false)?;
                }
            }
        }
    }

    /// So many bytes have passed over the data connection.
    pub(super) fn carried(&mut self, bytes: usize) {
        self.pace.carry(bytes as u64);
        if self.is_sending() {
            self.page.tell_sent(bytes as u64);
        } else {
            self.page.tell_received(bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Moves data for a time as a session does that is woken `late` after each wait; says when how much has moved.
    fn run(
        pace: &mut Pace,
        terms: Terms,
        begin: Instant,
        lasts: Duration,
        late: Duration,
    ) -> Vec<(Duration, u64)> {
        let mut moved = Vec::new();
        let mut now = begin;
        while now < begin + lasts {
            // Large enough that high rates need not be simulated byte by byte.
            let wanted = (terms.rate / 1000).max(4 << 20);
            match pace.allows(wanted, terms, now) {
                Ok(bytes) => {
                    assert!(bytes > 0);
                    pace.carry(bytes);
                    moved.push((now - begin, bytes));
                    now += Duration::from_micros(10);
                }
                Err(wait) => now += wait + late,
            }
        }
        moved
    }

    fn total(moved: &[(Duration, u64)]) -> u64 {
        moved.iter().map(|(_, bytes)| bytes).sum()
    }

    const SECONDS: Duration = Duration::from_secs(5);

    fn rate(rate: u64) -> Terms {
        Terms { rate, ..Terms::default() }
    }

    #[test]
    fn nothing_set_slows_nothing() {
        let now = Instant::now();
        assert_eq!(Pace::new().allows(1 << 40, Terms::default(), now), Ok(1 << 40));
    }

    #[test]
    fn the_free_bytes_of_a_transfer_move_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new();
        let terms = Terms { rate: 0, transfer_rate: 1000, free: 5000 };
        pace.begin();
        assert_eq!(pace.allows(8000, terms, now), Ok(5000));
        pace.carry(5000);
        let moved = run(&mut pace, terms, now, SECONDS, Duration::ZERO);
        assert!((4850..=5150).contains(&total(&moved)), "{}", total(&moved));
        pace.begin();
        assert_eq!(pace.allows(8000, terms, now + SECONDS), Ok(5000));
    }

    #[test]
    fn the_lower_rate_counts() {
        let now = Instant::now();
        let terms = Terms { rate: 2000, transfer_rate: 1000, free: 0 };
        let moved = total(&run(&mut Pace::new(), terms, now, SECONDS, Duration::ZERO));
        assert!((4850..=5150).contains(&moved), "{moved}");
        let terms = Terms { rate: 1000, transfer_rate: 2000, free: 0 };
        let moved = total(&run(&mut Pace::new(), terms, now, SECONDS, Duration::ZERO));
        assert!((4850..=5150).contains(&moved), "{moved}");
    }

    #[test]
    fn a_rate_that_changes_counts_from_then_on() {
        let now = Instant::now();
        let mut pace = Pace::new();
        run(&mut pace, rate(1 << 30), now, SECONDS, Duration::ZERO);
        let moved = total(&run(&mut pace, rate(1000), now + SECONDS, SECONDS, Duration::ZERO));
        assert!((4850..=5150).contains(&moved), "{moved}");
        let moved = total(&run(&mut pace, rate(1 << 20), now + 2 * SECONDS, SECONDS, Duration::ZERO));
        assert!((5_085_000..=5_400_000).contains(&moved), "{moved}");
    }

    proptest! {
        /// Any rate, from a byte per second to terabytes, is kept within 3 % over 5 s (or a byte, where that is more), and
        /// no tenth of a second sees more than twice its share, however late the session wakes.
        #[test]
        fn every_rate_is_kept_and_even(power in 0u32..42, factor in 1u64..1000, late in 0u64..25) {
            let rated = (1u64 << power).saturating_mul(factor).min(1 << 42);
            let late = Duration::from_millis(late);
            let moved = run(&mut Pace::new(), rate(rated), Instant::now(), SECONDS, late);
            let wanted = (5 * rated) as f64;
            let error = (total(&moved) as f64 - wanted).abs();
            prop_assert!(error <= (0.03 * wanted).max(2.0), "{} of {wanted}", total(&moved));
            let share = (rated / BURSTS).max(1);
            for (at, (begin, _)) in moved.iter().enumerate().step_by(moved.len() / 50 + 1) {
                let tenth = moved[at..].iter().take_while(|(now, _)| *now < *begin + Duration::from_millis(100));
                let bytes: u64 = tenth.map(|(_, bytes)| bytes).sum();
                prop_assert!(bytes <= 2 * share + 1, "{bytes} at a rate of {rated}");
            }
        }
    }
}
