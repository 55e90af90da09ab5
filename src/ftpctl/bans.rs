//! `ban`, `unban`, `bans`: who may not come in.

use clap::Args;
use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::table::{Side, Table};
use super::{Options, Outcome, print, print_json, times};
use crate::ipc::control::{Answer, Request};

/// Whom, for how long, why.
#[derive(Args, Debug)]
pub struct Ban {
    /// An address or network (192.0.2.0/24), a user (alice@), or a user from there (alice@192.0.2.1)
    #[arg(value_name = "ADDRESS|USER@|USER@ADDRESS")]
    whom: String,
    /// For how long, such as 90s, 30m, 12h or 7d; if not given, ban-time
    #[arg(short, long = "for", value_name = "TIME", value_parser = seconds)]
    time: Option<u32>,
    /// Why, for the log and for the list
    #[arg(short, long, value_name = "TEXT", default_value = "banned by the administrator")]
    why: String,
}

/// Whose ban ends.
#[derive(Args, Debug)]
pub struct Unban {
    /// As "ftpctl bans" shows him
    #[arg(value_name = "WHOM")]
    whom: String,
}

#[derive(Serialize)]
struct Held {
    whom: String,
    seconds_left: u64,
    times: u32,
    why: String,
}

#[derive(Serialize)]
struct Concerned<'a> {
    whom: &'a str,
}

fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no time, such as 90s, 30m, 12h or 7d");
    let (digits, unit) = match text.strip_suffix(|unit: char| unit.is_ascii_alphabetic()) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

impl Ban {
    /// `ban`. Whoever is connected stays; that is what `kick` is for.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let Ban { whom, time, why } = self;
        daemon.order(&Request::Ban { whom: whom.clone(), seconds: *time, why: why.clone() })?;
        if options.json { print_json(&Concerned { whom }) } else { print("banned\n") }
    }
}

impl Unban {
    /// `unban`: nobody who is banned is a failure.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let whom = &self.whom;
        if daemon.order(&Request::Unban { whom: whom.clone() })? == 0 {
            return Err(Trouble::Refused(format!("{whom} is not banned")));
        }
        if options.json { print_json(&Concerned { whom }) } else { print("no longer banned\n") }
    }
}

/// `bans`.
pub fn list(daemon: &Connection, options: &Options) -> Outcome {
    let mut held = Vec::new();
    daemon.ask(&Request::Bans, |answer| {
        if let Answer::Ban { whom, seconds_left, times, why } = answer {
            held.push(Held { whom, seconds_left, times, why });
        }
    })?;
    if options.json {
        return print_json(&held);
    }
    let mut table = Table::new(&[
        ("WHOM", Side::Left),
        ("ENDS IN", Side::Right),
        ("BAN", Side::Right),
        ("WHY", Side::Left),
    ]);
    for Held { whom, seconds_left, times, why } in held {
        table.row(vec![whom, times::span(seconds_left), times.to_string(), why]);
    }
    print(&table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        assert_eq!(["90", "90s", "2m", "1h", "7d"].map(seconds), [90, 90, 120, 3600, 604_800].map(Ok));
        for wrong in ["", "h", "1w", "1.5h", "-1s", "99999999d", "é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
