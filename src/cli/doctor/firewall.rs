//! What a firewall lets through, as far as nft(8) tells: ports that no rule accepts where the rest is dropped.
//! Pure: the text of `nft --json list ruleset` in, ports out. What iptables(8) has put there is told better by itself.

use std::ops::RangeInclusive;

use serde_json::Value;

/// What the rules say of ports.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that comes in is dropped for its port.
    Open,
    /// These ports are accepted; what is in none of them is dropped.
    Only(Vec<RangeInclusive<u16>>),
}

impl Verdict {
    /// Whether all of these ports get through.
    pub fn lets_through(&self, ports: &RangeInclusive<u16>) -> bool {
        match self {
            Verdict::Open => true,
            Verdict::Only(accepted) => ports.clone().all(|port| is_in(accepted, port)),
        }
    }
}

fn is_in(ranges: &[RangeInclusive<u16>], port: u16) -> bool {
    ranges.iter().any(|range| range.contains(&port))
}

/// Reads the rules, but for those of these families whose tables are kept by iptables(8): nft does not know all that
/// stands in them. None: they are not what nft prints.
pub fn read(text: &str, kept_by_iptables: &[&str]) -> Option<Verdict> {
    let document: Value = serde_json::from_str(text).ok()?;
    let is_told_elsewhere = |entry: &&Value| {
        let of = |kind: &str| {
            let one = &entry[kind];
            one["table"] == "filter" && kept_by_iptables.iter().any(|family| one["family"] == *family)
        };
        of("chain") || of("rule")
    };
    let entries = document.get("nftables")?.as_array()?;
    let entries: Vec<&Value> = entries.iter().filter(|entry| !is_told_elsewhere(entry)).collect();
    let inputs: Vec<&Value> = entries
        .iter()
        .filter_map(|entry| entry.get("chain"))
        .filter(|chain| chain["hook"] == "input" && chain["type"] == "filter")
        .collect();
    let rules: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("rule")).collect();
    let closes = |chain: &Value| {
        let of_chain = |rule: &&&Value| {
            rule["family"] == chain["family"]
                && rule["table"] == chain["table"]
                && rule["chain"] == chain["name"]
        };
        chain["policy"] == "drop" || rules.iter().filter(of_chain).any(|rule| drops_all(rule))
    };
    if !inputs.iter().any(|chain| closes(chain)) {
        return Some(Verdict::Open);
    }
    // A rule may stand in a chain that is jumped to; which of them are reached is not asked.
    let sets: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("set")).collect();
    Some(Verdict::Only(rules.iter().flat_map(|rule| accepted(rule, &sets)).collect()))
}

fn statements(rule: &Value) -> &[Value] {
    rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn drops_all(rule: &Value) -> bool {
    let statements = statements(rule);
    let ends = |one: &Value| one.get("drop").is_some() || one.get("reject").is_some();
    statements.iter().any(ends) && !statements.iter().any(|one| one.get("match").is_some())
}

fn accepted(rule: &Value, sets: &[&Value]) -> Vec<RangeInclusive<u16>> {
    let statements = statements(rule);
    if !statements.iter().any(|one| one.get("accept").is_some()) {
        return Vec::new();
    }
    let ports = |one: &Value| {
        let comparison = one.get("match").filter(|comparison| comparison["op"] != "!=")?;
        let payload = &comparison["left"]["payload"];
        let is_tcp = payload["protocol"] == "tcp" || payload["protocol"] == "th";
        (is_tcp && payload["field"] == "dport").then(|| ranges(&comparison["right"], sets))
    };
    statements.iter().find_map(ports).unwrap_or_default()
}

/// A number, a range, a list of these, or the name of a set of them.
fn ranges(value: &Value, sets: &[&Value]) -> Vec<RangeInclusive<u16>> {
    let port = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    if let Some(one) = port(value) {
        return vec![one..=one];
    }
    if let Some(name) = value.as_str().and_then(|text| text.strip_prefix('@')) {
        let elements = sets.iter().filter(|set| set["name"] == name).map(|set| &set["elem"]);
        return elements.flat_map(|elements| ranges(elements, sets)).collect();
    }
    if let Some([first, last]) = value["range"].as_array().map(Vec::as_slice) {
        return port(first).zip(port(last)).map(|(first, last)| first..=last).into_iter().collect();
    }
    if let Some(element) = value.get("elem") {
        return ranges(&element["val"], sets);
    }
    let list = value.as_array().or_else(|| value["set"].as_array());
    list.into_iter().flatten().flat_map(|one| ranges(one, sets)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "policy": "drop"}},
        {"set": {"family": "inet", "table": "filter", "name": "transfer", "elem": [{"range": [50000, 50999]}, 990]}},
        {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}}, {"accept": null}]}},
        {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [21, 22]}}},
            {"accept": null}]}},
        {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": "@transfer"}},
            {"accept": null}]}}
    ]}"#;

    #[test]
    fn where_the_rest_is_dropped_only_what_a_rule_accepts_gets_through() {
        let verdict = read(CLOSED, &[]).unwrap();
        assert!([21..=21, 50000..=50999, 990..=990].iter().all(|ports| verdict.lets_through(ports)));
        assert!(![2121..=2121, 50500..=51000].iter().any(|ports| verdict.lets_through(ports)));
    }

    #[test]
    fn where_nothing_is_dropped_everything_gets_through() {
        let open = CLOSED.replace(r#""policy": "drop""#, r#""policy": "accept""#);
        assert_eq!(read(&open, &[]), Some(Verdict::Open));
        assert_eq!(read(r#"{"nftables": []}"#, &[]), Some(Verdict::Open));
    }

    #[test]
    fn a_chain_whose_last_rule_rejects_is_closed_whatever_its_policy() {
        let rule = r#"{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"reject": null}]}}]}"#;
        let closed = CLOSED.replace(r#""policy": "drop""#, r#""policy": "accept""#);
        let closed = format!("{}, {rule}", closed.trim_end().strip_suffix("]}").unwrap());
        assert!(!read(&closed, &[]).unwrap().lets_through(&(2121..=2121)));
    }

    #[test]
    fn tables_of_iptables_are_left_to_it() {
        let text = r#"{"nftables": [
            {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "policy": "drop"}},
            {"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{"xt": {"type": "match"}}, {"accept": null}]}}
        ]}"#;
        assert_eq!(read(text, &["ip", "ip6"]), Some(Verdict::Open));
        assert_eq!(read(text, &["ip6"]), Some(Verdict::Only(Vec::new())));
    }

    #[test]
    fn what_is_not_from_nft_says_nothing() {
        assert_eq!(read("iptables: not found", &[]), None);
    }
}
