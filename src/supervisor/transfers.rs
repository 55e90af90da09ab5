//! How many files move at the same time. Where there is a limit, sessions ask before each, and are counted by what their
//! pages say: a page says that a file has moved before the client hears of it, and who is gone has no page.

use super::Supervisor;
use super::clients::answer;
use super::limits::{Key, Refusal, Rule};
use super::pool::{Serving, Slot, SlotId};
use crate::config::{Config, Count, Network};
use crate::ipc::events::Direction;
use crate::ipc::messages::ToWorker;
use crate::ipc::page::{Activity, PageView};

/// Tells the page of a session whether it has to ask. What moves already, is counted.
pub fn tell(config: &Config, slot: &mut Slot) {
    let page = slot.page();
    let Some(serving) = slot.serving.as_mut() else { return };
    page.set_asks(rules(config, serving).iter().any(|rule| rule.most.is_some()));
    serving.moves_a_file = is_moving(page);
}

fn is_moving(page: PageView) -> bool {
    matches!(page.activity(), Activity::Moving(Direction::In | Direction::Out))
}

/// By what a transfer of somebody who is logged in is counted, and how many there may be.
fn rules(config: &Config, serving: &Serving) -> Vec<Rule> {
    let (Some(address), Some(login)) = (serving.known.address, &serving.known.login) else {
        return Vec::new();
    };
    let rule = |key, most, refusal| Rule { key, most, refusal };
    let there = Key::Address(Network::of_client(address));
    let user = serving.counted.iter().find(|key| matches!(key, Key::User(_))).cloned();
    let limits = &config.limits;
    [
        Some(rule(Key::All, limits.max_transfers.map(Count::get), Refusal::Transfers)),
        Some(rule(there, limits.max_transfers_per_address.map(Count::get), Refusal::TransfersThere)),
        user.map(|user| rule(user, login.transfers, Refusal::TransfersOfUser)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Supervisor {
    /// A session is about to move a file, and its page says so: may it?
    pub(super) fn may_move(&mut self, id: SlotId) {
        let Some(slot) = self.pool.get_mut(id) else { return };
        // A worker asks for a session.
        let Some(serving) = slot.serving.as_ref().filter(|one| one.known.login.is_some()) else {
            return slot.kill();
        };
        let (own, rules) = (serving.id, rules(&self.inheritance.config, serving));
        let mut counts = vec![0; rules.len()];
        for slot in self.pool.slots_mut() {
            let page = slot.page();
            let Some(other) = slot.serving.as_mut().filter(|one| one.moves_a_file && one.id != own) else {
                continue;
            };
            other.moves_a_file = is_moving(page);
            if other.moves_a_file {
                for (rule, count) in rules.iter().zip(&mut counts) {
                    *count += u32::from(other.counted.contains(&rule.key));
                }
            }
        }
        let is_full = |(rule, count): &(&Rule, &u32)| rule.most.is_some_and(|most| **count >= most);
        let allowed = match rules.iter().zip(&counts).find(is_full) {
            Some((rule, _)) => Err(rule.refusal.clone()),
            None => Ok(()),
        };
        if let Err(refusal) = &allowed {
            self.tally.refused(refusal);
        }
        let Some(slot) = self.pool.get_mut(id) else { return };
        if let Some(serving) = slot.serving.as_mut() {
            serving.moves_a_file = allowed.is_ok();
        }
        let _ = slot.link().send(&ToWorker::Admitted(answer(&allowed)));
    }
}
