//! How fast sessions may be: from the configuration to the pages that sessions read it from.
//!
//! What is set for one session is written there when somebody logs in, and when it changes. What several share is divided
//! anew several times a second, from what their pages say that they have moved, but only while somebody moves data: then
//! sessions call, and else nobody wakes.

mod configured;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use configured::{next_change, options, own_rates, shared_rate};

use super::limits::Key;
use super::pool::{Pool, Serving, Slot};
use super::shares::{Appetite, Debt, Flow, divide};
use crate::config::{Config, Rate, WeekMinute};
use crate::ipc::events::Direction;
use crate::ipc::page::{Activity, PageView, Sharing, Terms, Way, settle};

/// Between two looks at what moves.
const LOOK_INTERVAL: Duration = Duration::from_millis(125);

/// After nothing has moved for so long, nobody looks any more.
const LOOKS_ON: Duration = Duration::from_secs(1);

/// Whose rate is set in place of what the configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Throttled {
    /// One session, by the number of its client.
    Session(u64),
    /// All that share.
    Shared(Key),
}

/// The rates of everybody.
#[derive(Default)]
pub struct Rates {
    debts: HashMap<(Key, Way), Debt>,
    throttled: HashMap<(Throttled, Way), u64>,
    looking: Option<Looking>,
    /// When the hours of the week change something.
    changes_at: Option<Instant>,
    /// Whether the configuration sets any rate.
    any: bool,
    /// Whether one of them depends on the hours of the week.
    scheduled: bool,
}

/// While data moves that shares a rate.
struct Looking {
    next: Instant,
    last: Instant,
    /// When something was seen to move.
    moved: Instant,
}

/// What is known of how fast a session may be.
#[derive(Default)]
pub struct Pacing {
    ways: [PacingOfWay; 2],
    /// Something was set for him, if only that nothing is any more.
    is_set: bool,
}

#[derive(Default)]
struct PacingOfWay {
    /// What is set for the session alone.
    own: Terms,
    /// What it shares, with the bytes per second of each.
    pools: Vec<(Key, u64)>,
    /// Its share of them.
    allowed: u64,
    /// What its page said at the last look.
    seen: u64,
    active: bool,
    appetite: Appetite,
}

impl Rates {
    /// Those of a daemon that begins.
    pub fn new(config: &Config) -> Rates {
        Rates::default().knowing(config)
    }

    fn knowing(self, config: &Config) -> Rates {
        let rates = config.rates();
        Rates { any: !rates.is_empty(), scheduled: rates.iter().any(|rate| rate.has_hours()), ..self }
    }

    /// Somebody has logged in: tells his page how fast he may be.
    pub fn begin(&mut self, config: &Config, slot: &mut Slot) {
        let page = slot.page();
        let Some(serving) = slot.serving.as_mut() else { return };
        let has_own = serving.known.login.as_ref().is_some_and(|login| !login.rates.is_empty());
        if !self.any && !has_own && self.throttled.is_empty() && !serving.pacing.is_set {
            return;
        }
        let minute = WeekMinute::now();
        let Some(pacing) = self.pacing_of(config, serving, minute) else { return };
        let active = serving.pacing.ways.each_ref().map(|way| way.active);
        serving.pacing = pacing;
        for way in Way::ALL {
            let of_way = &mut serving.pacing.ways[way as usize];
            of_way.seen = moved(page, way);
            of_way.active = active[way as usize];
            // As if he were alone, until somebody looks.
            of_way.allowed = of_way.smallest();
            page.set_terms(way, of_way.terms());
        }
        page.set_sharing(match (serving.pacing.shares(), &self.looking) {
            (false, _) => Sharing::Nothing,
            (true, None) => Sharing::Unwatched,
            (true, Some(_)) => Sharing::Watched,
        });
        if self.scheduled && self.changes_at.is_none() {
            self.changes_at = next_change(&config.rates(), minute);
        }
        if let Some(login) = serving.known.login.as_ref().filter(|_| has_own) {
            let own = next_change(&options(config, login).rates(), minute);
            self.changes_at = [self.changes_at, own].into_iter().flatten().min();
        }
    }

    /// Something has been set anew: tells every page.
    pub fn begin_anew(&mut self, config: &Config, pool: &mut Pool) {
        *self = Rates { changes_at: None, ..std::mem::take(self).knowing(config) };
        for slot in pool.slots_mut() {
            self.begin(config, slot);
        }
        // Whoever moves data now did not have to call for it before.
        if pool.slots_mut().any(|slot| slot.serving.as_ref().is_some_and(|one| one.pacing.shares())) {
            self.look_now();
        }
    }

    /// Sets a rate in place of the configured one, in bytes per second, 0 for none; or no longer. To be followed by
    /// `begin_anew`.
    pub fn throttle(&mut self, whom: Throttled, way: Way, rate: Option<u64>) {
        match rate {
            Some(rate) => _ = self.throttled.insert((whom, way), rate),
            None => _ = self.throttled.remove(&(whom, way)),
        }
    }

    /// What is set so, for the administrator to see.
    pub fn throttled(&self) -> impl Iterator<Item = (&Throttled, Way, u64)> {
        self.throttled.iter().map(|((whom, way), rate)| (whom, *way, *rate))
    }

    /// A client is gone, and what was set for him alone.
    pub fn forget(&mut self, client: u64) {
        if !self.throttled.is_empty() {
            for way in Way::ALL {
                self.throttled.remove(&(Throttled::Session(client), way));
            }
        }
    }

    /// None: nothing is set for him, and nothing was.
    fn pacing_of(&self, config: &Config, serving: &Serving, minute: WeekMinute) -> Option<Pacing> {
        let login = serving.known.login.as_ref()?;
        let options = options(config, login);
        let ways = Way::ALL.map(|way| {
            let own = own_rates(&options, way);
            let session = self.throttled.get(&(Throttled::Session(serving.id), way)).copied();
            let at = |rate: &Rate| rate.at(minute).unwrap_or(0);
            let pools = serving.counted.iter().filter_map(|key| {
                let configured = shared_rate(config, &options, key, way)?.at(minute);
                let set = self.throttled.get(&(Throttled::Shared(key.clone()), way)).copied();
                let limit = set.or(configured).filter(|limit| *limit != 0)?;
                Some((key.clone(), limit))
            });
            PacingOfWay {
                own: Terms {
                    rate: session.unwrap_or_else(|| at(own.rate)),
                    transfer_rate: at(own.transfer_rate),
                    free: own.free,
                },
                pools: pools.collect(),
                ..PacingOfWay::default()
            }
        });
        Some(Pacing { ways, is_set: true })
    }

    /// When the clock must be looked at.
    pub fn deadline(&self) -> Option<Instant> {
        [self.looking.as_ref().map(|looking| looking.next), self.changes_at].into_iter().flatten().min()
    }

    /// A session says that data begins to move of which others have a share.
    pub fn look_now(&mut self) {
        let now = Instant::now();
        match &mut self.looking {
            // It is looked at soon anyway.
            Some(looking) => looking.moved = now,
            None => self.looking = Some(Looking { next: now, last: now, moved: now }),
        }
    }

    /// Does what the clock says.
    pub fn look_at_the_clock(&mut self, config: &Config, pool: &mut Pool, now: Instant) {
        if self.changes_at.is_some_and(|moment| now >= moment) {
            self.begin_anew(config, pool);
        }
        if self.looking.as_ref().is_some_and(|looking| now >= looking.next) {
            self.look(pool, now);
        }
    }

    /// Divides what is shared among those who move data.
    fn look(&mut self, pool: &mut Pool, now: Instant) {
        let Some(looking) = &mut self.looking else { return };
        let seconds = now.duration_since(looking.last).as_secs_f64();
        let mut flows = Flows::default();
        for slot in pool.slots_mut() {
            let page = slot.page();
            let Some(serving) = slot.serving.as_mut().filter(|serving| serving.pacing.shares()) else {
                continue;
            };
            page.set_sharing(Sharing::Watched);
            let moves = way_of(page.activity());
            for (way, of_way) in Way::ALL.into_iter().zip(&mut serving.pacing.ways) {
                if !of_way.pools.is_empty() {
                    flows.observe(way, of_way, moved(page, way), moves == Some(way), seconds);
                }
            }
        }
        let any = flows.settle(&mut self.debts, seconds);
        let limits = flows.limits(&self.debts);
        let shares = divide(&limits, &flows.flows);
        let mut shares = shares.into_iter();
        for slot in pool.slots_mut() {
            let page = slot.page();
            let Some(serving) = slot.serving.as_mut().filter(|serving| serving.pacing.shares()) else {
                continue;
            };
            for (way, of_way) in Way::ALL.into_iter().zip(&mut serving.pacing.ways) {
                if of_way.pools.is_empty() {
                    continue;
                }
                let smallest = of_way.smallest();
                of_way.allowed = match of_way.active {
                    true => of_way.appetite.allowance(shares.next().unwrap_or(0), smallest),
                    // For one who begins: what he would have as one more.
                    false => flows.share_of_one_more(way, of_way).max(1),
                };
                page.set_terms(way, of_way.terms());
            }
        }
        looking.last = now;
        looking.next = now + LOOK_INTERVAL;
        if any {
            looking.moved = now;
        } else if now >= looking.moved + LOOKS_ON {
            self.cease(pool);
        }
    }

    /// Nobody moves anything: whoever begins has to say so. One may have begun while this was written; he was told
    /// before that he need not call, and is seen.
    fn cease(&mut self, pool: &mut Pool) {
        let sharing = || Sharing::Unwatched;
        for slot in pool.slots_mut() {
            if slot.serving.as_ref().is_some_and(|serving| serving.pacing.shares()) {
                slot.page().set_sharing(sharing());
            }
        }
        settle();
        let moves = |slot: &mut Slot| {
            let shares = slot.serving.as_ref().is_some_and(|serving| serving.pacing.shares());
            shares && way_of(slot.page().activity()).is_some()
        };
        if !pool.slots_mut().any(moves) {
            self.looking = None;
            self.debts.clear();
        }
    }
}

/// All data that moves between two looks.
#[derive(Default)]
struct Flows {
    flows: Vec<Flow>,
    /// The positions of pools in what follows.
    positions: HashMap<(Key, Way), usize>,
    pools: Vec<Drawn>,
}

/// What was drawn from a pool.
struct Drawn {
    key: (Key, Way),
    limit: u64,
    bytes: f64,
    flows: u64,
}

impl Flows {
    /// One way of a session: `total` bytes have moved since it began.
    fn observe(&mut self, way: Way, of_way: &mut PacingOfWay, total: u64, moves: bool, seconds: f64) {
        let used = total.wrapping_sub(of_way.seen);
        of_way.seen = total;
        // Files may be so small that they are over between two looks.
        let active = moves || used > 0;
        if active && !of_way.active {
            of_way.appetite.begin();
        }
        let drawn = if of_way.active || active {
            of_way.appetite.observe(used, of_way.allowed, seconds)
        } else {
            0.0
        };
        of_way.active = active;
        if !active && drawn == 0.0 {
            return;
        }
        let mut positions = Vec::new();
        for (key, limit) in &of_way.pools {
            let key = (key.clone(), way);
            let position = *self.positions.entry(key.clone()).or_insert_with(|| {
                self.pools.push(Drawn { key, limit: *limit, bytes: 0.0, flows: 0 });
                self.pools.len() - 1
            });
            let pool = &mut self.pools[position];
            // Sessions of one user may differ in what they say of him.
            pool.limit = pool.limit.max(*limit);
            pool.bytes += drawn;
            pool.flows += u64::from(active);
            positions.push(position);
        }
        if active {
            let own = of_way.own.rate;
            let demand = of_way.appetite.demand().min(if own == 0 { u64::MAX } else { own });
            self.flows.push(Flow { demand, pools: positions });
        }
    }

    /// Books what was drawn. Whether anything moves.
    fn settle(&self, debts: &mut HashMap<(Key, Way), Debt>, seconds: f64) -> bool {
        debts.retain(|key, _| self.positions.contains_key(key));
        for pool in &self.pools {
            debts.entry(pool.key.clone()).or_default().draw(pool.bytes, pool.limit, seconds);
        }
        !self.flows.is_empty()
    }

    fn limits(&self, debts: &HashMap<(Key, Way), Debt>) -> Vec<u64> {
        let debt = |pool: &Drawn| debts.get(&pool.key).copied().unwrap_or_default();
        self.pools.iter().map(|pool| debt(pool).limit(pool.limit)).collect()
    }

    fn share_of_one_more(&self, way: Way, of_way: &PacingOfWay) -> u64 {
        let share = |(key, limit): &(Key, u64)| {
            let flows = self.positions.get(&(key.clone(), way)).map_or(0, |at| self.pools[*at].flows);
            limit / (flows + 1)
        };
        of_way.pools.iter().map(share).min().unwrap_or(u64::MAX)
    }
}

impl Pacing {
    /// Whether there is anything that others have a share of.
    fn shares(&self) -> bool {
        self.ways.iter().any(|way| !way.pools.is_empty())
    }
}

impl PacingOfWay {
    /// The limit of the smallest pool.
    fn smallest(&self) -> u64 {
        self.pools.iter().map(|(_, limit)| *limit).min().unwrap_or(u64::MAX)
    }

    /// What the page is told.
    fn terms(&self) -> Terms {
        let shared = if self.pools.is_empty() { 0 } else { self.allowed.max(1) };
        let rate = match (self.own.rate, shared) {
            (one, 0) => one,
            (0, other) => other,
            (one, other) => one.min(other),
        };
        Terms { rate, ..self.own }
    }
}

/// Bytes that the page says have moved this way.
fn moved(page: PageView, way: Way) -> u64 {
    match way {
        Way::Down => page.sent(),
        Way::Up => page.received(),
    }
}

/// Which way data moves, if it does so over a data connection.
fn way_of(activity: Activity) -> Option<Way> {
    match activity {
        Activity::Moving(Direction::Out | Direction::Listing) => Some(Way::Down),
        Activity::Moving(Direction::In) => Some(Way::Up),
        Activity::Moving(Direction::Digest | Direction::Copy | Direction::Removal)
        | Activity::Nothing
        | Activity::Waiting
        | Activity::Obeying => None,
    }
}
