//! How rates are divided among those who share them: pure numbers, no clock and no sessions.
//!
//! Nobody gets less than an even share so that somebody else gets more (max-min fairness); what somebody cannot use
//! goes to those who can. A session may share several rates: with its user's others, with its groups, with all.

/// Data of a session that moves one way.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The bytes per second that it could use; u64::MAX: nobody knows.
    pub demand: u64,
    /// The pools that it draws from, as positions in the list of their limits.
    pub pools: Vec<usize>,
}

/// Divides the limits of pools, in bytes per second, among flows, and says what each flow gets. A flow without pools gets
/// what it wants.
pub fn divide(limits: &[u64], flows: &[Flow]) -> Vec<u64> {
    let mut shares: Vec<Option<u64>> = flows.iter().map(|_| None).collect();
    let mut left = limits.to_vec();
    let mut waiting = vec![0u64; limits.len()];
    flows.iter().flat_map(|flow| &flow.pools).for_each(|pool| waiting[*pool] += 1);
    loop {
        // What everybody who waits would get of the pool that is the scarcest.
        let levels = left.iter().zip(&waiting).enumerate().filter(|(_, (_, waiting))| **waiting > 0);
        let scarcest = levels.map(|(pool, (left, waiting))| (left / waiting, pool)).min();
        let (level, pool) = scarcest.unwrap_or((u64::MAX, usize::MAX));
        // Who wants no more than that gets it. If nobody does, the pool is divided evenly.
        let is_modest = |at: usize| shares[at].is_none() && flows[at].demand <= level;
        let mut served: Vec<usize> = (0..flows.len()).filter(|at| is_modest(*at)).collect();
        if served.is_empty() {
            let draws = |at: &usize| shares[*at].is_none() && flows[*at].pools.contains(&pool);
            served = (0..flows.len()).filter(draws).collect();
        }
        if served.is_empty() {
            return shares.into_iter().map(|share| share.unwrap_or(0)).collect();
        }
        for at in served {
            let share = flows[at].demand.min(level);
            shares[at] = Some(share);
            for pool in &flows[at].pools {
                left[*pool] = left[*pool].saturating_sub(share);
                waiting[*pool] -= 1;
            }
        }
    }
}

/// How long a flow that uses less than it may keeps its share, in looks.
const PATIENCE: usize = 4;

/// What a flow could use, as far as can be seen from what it used.
#[derive(Clone, Debug, Default)]
pub struct Appetite {
    /// Looks since it last used what it was allowed to.
    modest: usize,
    /// At which rates it moved at the last looks.
    rates: [f64; PATIENCE],
    /// Bytes that were said to have moved beyond what was allowed, and have not been counted yet.
    beyond: f64,
}

impl Appetite {
    /// `used` bytes are said to have moved in so many seconds, in which `allowed` bytes per second might have. Returns
    /// how many of them are to be believed: of many more than allowed a part is counted later, so that who lies cannot take
    /// much from others.
    pub fn observe(&mut self, used: u64, allowed: u64, seconds: f64) -> f64 {
        let (allowed, used) = (allowed as f64 * seconds, used as f64);
        self.rates.rotate_left(1);
        self.rates[PATIENCE - 1] = used / seconds.max(0.001);
        self.modest = if used >= 0.85 * allowed { 0 } else { self.modest.saturating_add(1) };
        let said = used + self.beyond;
        let believed = said.min(1.25 * allowed);
        self.beyond = (said - believed).min(allowed);
        believed
    }

    /// Data has begun to move: nothing is known.
    pub fn begin(&mut self) {
        self.modest = 0;
    }

    /// What it needs, in bytes per second; u64::MAX: nobody knows, it uses whatever it gets.
    pub fn demand(&self) -> u64 {
        if self.modest < PATIENCE { u64::MAX } else { self.peak() as u64 }
    }

    fn peak(&self) -> f64 {
        self.rates.into_iter().fold(0.0, f64::max)
    }

    /// What it is allowed, where its share of pools is this, and the smallest of them has this limit. Who needs little is
    /// allowed somewhat more, so that it shows when that changes; should he use it, the pools are in debt.
    pub fn allowance(&self, share: u64, limit: u64) -> u64 {
        if self.modest < PATIENCE {
            return share.max(1);
        }
        let room = (1.5 * self.peak()).max(limit as f64 / 32.0).min(limit as f64);
        share.max(room as u64).max(1)
    }
}

/// What a pool has given beyond its limit, in bytes; less than zero: it could give more for a while.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debt(f64);

/// What is not used now may be used later, if that is soon.
const CREDIT_SECONDS: f64 = 0.1;
/// More than that is forgiven.
const DEBT_SECONDS: f64 = 2.0;
/// A debt is paid back in about this time.
const PAYBACK_SECONDS: f64 = 1.0;

impl Debt {
    /// So many bytes were drawn from a pool of this limit in so many seconds.
    pub fn draw(&mut self, bytes: f64, limit: u64, seconds: f64) {
        let limit = limit as f64;
        let most = DEBT_SECONDS * limit;
        self.0 = (self.0 + bytes - limit * seconds).clamp(-CREDIT_SECONDS * limit, most);
    }

    /// The limit of the pool for now: its average is the one that is set.
    pub fn limit(self, limit: u64) -> u64 {
        let set = limit as f64;
        (set - self.0 / PAYBACK_SECONDS).clamp(set / 2.0, set * 1.05) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(demand: u64, pools: &[usize]) -> Flow {
        Flow { demand, pools: pools.to_vec() }
    }

    const ALL: u64 = u64::MAX;

    #[test]
    fn what_is_shared_is_divided_evenly() {
        assert_eq!(divide(&[900], &[flow(ALL, &[0]), flow(ALL, &[0]), flow(ALL, &[0])]), [300; 3]);
    }

    #[test]
    fn what_one_cannot_use_goes_to_the_others() {
        assert_eq!(divide(&[900], &[flow(100, &[0]), flow(ALL, &[0]), flow(ALL, &[0])]), [100, 400, 400]);
        assert_eq!(divide(&[900], &[flow(100, &[0]), flow(200, &[0])]), [100, 200]);
    }

    #[test]
    fn who_shares_twice_is_held_by_the_scarcer_pool() {
        // Two of one user with a limit of his own, and somebody else, beneath the limit of all.
        let flows = [flow(ALL, &[0, 1]), flow(ALL, &[0, 1]), flow(ALL, &[0])];
        assert_eq!(divide(&[1000, 200], &flows), [100, 100, 800]);
        assert_eq!(divide(&[300, 250], &flows), [100, 100, 100]);
    }

    #[test]
    fn who_shares_nothing_gets_what_he_wants() {
        assert_eq!(divide(&[10], &[flow(ALL, &[]), flow(5, &[]), flow(ALL, &[0])]), [ALL, 5, 10]);
        assert_eq!(divide(&[], &[]), [0; 0]);
        assert_eq!(divide(&[u64::MAX, 1 << 50], &[flow(ALL, &[0, 1]), flow(ALL, &[0])])[0], 1 << 50);
    }

    fn any_flow() -> impl Strategy<Value = Flow> {
        let demand = prop_oneof![Just(u64::MAX), 1u64..2000, 1u64..1 << 40];
        let pools = proptest::collection::hash_set(0usize..4, 0..4);
        (demand, pools).prop_map(|(demand, pools)| Flow { demand, pools: pools.into_iter().collect() })
    }

    proptest! {
        #[test]
        fn no_limit_is_passed_and_nobody_could_get_more_without_taking_it_from_who_has_less(
            limits in proptest::collection::vec(prop_oneof![64u64..5000, 1u64 << 20..1 << 42], 4),
            flows in proptest::collection::vec(any_flow(), 0..40)
        ) {
            let shares = divide(&limits, &flows);
            let drawn = |pool: usize| -> (u64, u64, u64) {
                let there = flows.iter().zip(&shares).filter(|(flow, _)| flow.pools.contains(&pool));
                let shares: Vec<u64> = there.map(|(_, share)| *share).collect();
                let largest = shares.iter().max().copied().unwrap_or(0);
                (shares.iter().sum(), largest, shares.len() as u64)
            };
            for (pool, limit) in limits.iter().enumerate() {
                prop_assert!(drawn(pool).0 <= *limit);
            }
            for (flow, share) in flows.iter().zip(&shares) {
                prop_assert!(*share <= flow.demand && *share > 0);
                // Either it has what it wants, or a pool of its is empty in which nobody has more. A division leaves
                // less than a byte for each flow, and all that follow divide what is left.
                let is_held = flow.pools.iter().any(|pool| {
                    let (drawn, largest, count) = drawn(*pool);
                    drawn + count * count >= limits[*pool] && *share + count >= largest
                });
                prop_assert!(*share == flow.demand || is_held, "{flow:?} got {share} of {limits:?}");
            }
        }
    }

    /// Clients who take as much as they are allowed to, up to what they can, beneath one limit.
    struct Simulation {
        limit: u64,
        debt: Debt,
        clients: Vec<(u64, Appetite, u64)>,
    }

    const LOOK: f64 = 0.125;

    impl Simulation {
        fn new(limit: u64, able: &[u64]) -> Simulation {
            let clients = able.iter().map(|able| (*able, Appetite::default(), limit / 4)).collect();
            Simulation { limit, debt: Debt::default(), clients }
        }

        /// What moves until the next look, and what is allowed then.
        fn step(&mut self) -> f64 {
            let mut drawn = 0.0;
            let mut moved = 0.0;
            for (able, appetite, allowed) in &mut self.clients {
                let used = ((*able).min(*allowed) as f64 * LOOK) as u64;
                moved += used as f64;
                drawn += appetite.observe(used, *allowed, LOOK);
            }
            self.debt.draw(drawn, self.limit, LOOK);
            let demands = self.clients.iter().map(|(_, appetite, _)| appetite.demand());
            let flows: Vec<Flow> = demands.map(|demand| flow(demand, &[0])).collect();
            let shares = divide(&[self.debt.limit(self.limit)], &flows);
            for (client, share) in self.clients.iter_mut().zip(shares) {
                client.2 = client.1.allowance(share, self.limit);
            }
            moved
        }

        fn rates(&self) -> Vec<u64> {
            self.clients.iter().map(|(able, _, allowed)| *able.min(allowed)).collect()
        }
    }

    #[test]
    fn what_a_slow_client_leaves_is_used_within_a_second() {
        let mut simulation = Simulation::new(1_000_000, &[50_000, u64::MAX, u64::MAX]);
        (0..8).for_each(|_| _ = simulation.step());
        let rates = simulation.rates();
        assert_eq!(rates[0], 50_000);
        assert!(rates[1] > 400_000 && rates[1] == rates[2], "{rates:?}");
    }

    #[test]
    fn a_client_that_becomes_faster_gets_its_share_within_a_second() {
        let mut simulation = Simulation::new(1_000_000, &[10, u64::MAX]);
        (0..40).for_each(|_| _ = simulation.step());
        assert!(simulation.rates()[1] > 900_000);
        simulation.clients[0].0 = u64::MAX;
        (0..8).for_each(|_| _ = simulation.step());
        let rates = simulation.rates();
        assert!(rates[0].abs_diff(rates[1]) <= 1, "{rates:?}");
    }

    proptest! {
        #[test]
        fn over_five_seconds_the_limit_is_kept_and_used(
            limit in 1000u64..1 << 40, able in proptest::collection::vec(prop_oneof![Just(u64::MAX), 100u64..1 << 40], 1..20)
        ) {
            let mut simulation = Simulation::new(limit, &able);
            // All begin at once, and each moves something before anybody looks.
            let moved: f64 = (0..40).map(|_| simulation.step()).sum::<f64>() / 5.0;
            let able: f64 = able.iter().map(|able| *able as f64).sum();
            prop_assert!(moved <= limit as f64 * 1.03, "{moved} of {limit}");
            let later: f64 = (0..40).map(|_| simulation.step()).sum::<f64>() / 5.0;
            prop_assert!(later <= limit as f64 * 1.03, "{later} of {limit}");
            prop_assert!(later >= 0.96 * able.min(limit as f64) - 100.0, "{later} of {limit}");
        }

        #[test]
        fn who_lies_about_what_he_moved_takes_little_from_others(limit in 10_000u64..1 << 40, lies in proptest::collection::vec(any::<u64>(), 80)) {
            let mut simulation = Simulation::new(limit, &[u64::MAX, u64::MAX]);
            for lie in lies {
                let allowed = simulation.clients[0].2;
                let drawn = simulation.clients[0].1.observe(lie, allowed, LOOK);
                simulation.debt.draw(drawn, 0, LOOK);
                simulation.step();
            }
            prop_assert!(simulation.rates()[1] > limit / 4, "{:?} of {limit}", simulation.rates());
        }
    }
}
