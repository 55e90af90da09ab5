//! Free numbers for users who run as a uid of their own.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

use crate::config::UidRange;
use crate::system::accounts;

/// Where the machine says which numbers belong to the containers of its users.
const SUBORDINATES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// The numbers that shadow's newuidmap(1) may give to containers.
pub fn subordinate() -> Vec<RangeInclusive<u32>> {
    SUBORDINATES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| subordinate_in(&text).collect::<Vec<_>>())
        .collect()
}

/// What subuid(5) says: lines of name, first number and how many.
fn subordinate_in(text: &str) -> impl Iterator<Item = RangeInclusive<u32>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':').skip(1);
        let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then(|| first..=first.saturating_add(count - 1))
    })
}

/// A number that nobody has: none of `taken`, no account's and no group's, and none of a container's. From `next` on,
/// since whoever had an earlier one and is gone may have left files behind; those before it only when all others are taken.
pub fn free(range: UidRange, next: Option<u32>, taken: &BTreeSet<u32>) -> Option<u32> {
    let subordinate = subordinate();
    let is_free = |uid: &u32| {
        !taken.contains(uid)
            && !subordinate.iter().any(|range| range.contains(uid))
            && accounts::user_name(*uid).is_none()
            && accounts::group_name(*uid).is_none()
    };
    let (first, last) = range.uids().into_inner();
    let highest = taken.range(range.uids()).next_back().map(|uid| uid + 1);
    let from = next.max(highest).unwrap_or(first).clamp(first, last);
    (from..=last).chain(first..from).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_upwards_and_not_twice() {
        let range: UidRange = "3000000000-3000000003".parse().unwrap();
        let free = |next, taken: &[u32]| super::free(range, next, &taken.iter().copied().collect());
        assert_eq!(free(None, &[]), Some(3_000_000_000));
        assert_eq!(free(None, &[3_000_000_000, 5]), Some(3_000_000_001));
        // The user who had 3000000001 is gone.
        assert_eq!(free(Some(3_000_000_002), &[3_000_000_000]), Some(3_000_000_002));
        assert_eq!(free(Some(3_000_000_004), &[3_000_000_003, 3_000_000_000]), Some(3_000_000_001));
        assert_eq!(free(None, &[3_000_000_000, 3_000_000_001, 3_000_000_002, 3_000_000_003]), None);
        assert_eq!(free(Some(7), &[]), Some(3_000_000_000));
    }

    #[test]
    fn ranges_of_containers_are_read() {
        let found: Vec<_> =
            subordinate_in("alice:100000:65536\n\n# x\nbob:7:0\nbad:1:x\ncarl:5:2\n").collect();
        assert_eq!(found, [100_000..=165_535, 5..=6]);
    }
}
