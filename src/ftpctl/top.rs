//! `top`: who is connected and what he does, again and again, with keys to sort and to send away.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap::Args;

use super::connection::{Connection, Trouble};
use super::screen::{Key, Screen};
use super::status::Status;
use super::table::{self, Table};
use super::who::{self, COLUMNS, Seen};
use super::{Outcome, amounts, print, times};
use crate::ipc::control::{Request, Whom};
use crate::log::escaped;

/// How it refreshes.
#[derive(Args, Debug)]
pub struct Top {
    /// Look again after so many seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=3600))]
    delay: u32,
    /// Print one table after the other, for a file or another program
    #[arg(short, long)]
    batch: bool,
    /// End after so many tables
    #[arg(short = 'n', long, value_name = "NUMBER")]
    count: Option<u32>,
}

/// What rows are sorted by, with the key for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Number,
    User,
    Address,
    Idle,
    Rate,
}

const HELP: &str = "sort by: n number, u user, a address, i idle, r rate; R reverse; arrows, k kick, q quit";

/// One look, and what goes on since the one before.
struct View {
    delay: Duration,
    order: Order,
    reversed: bool,
    /// Who is marked, by his number.
    marked: Option<u64>,
    seen: Vec<Seen>,
    /// Bytes a second since the last look, by number: to clients, from clients.
    rates: HashMap<u64, (u64, u64)>,
    looked: Option<Instant>,
    heading: String,
    /// What the last key did, or what is asked.
    note: String,
}

impl Top {
    /// Until a key, a signal or the number of tables ends it.
    pub fn run(&self, daemon: &Connection) -> Outcome {
        let mut view = View {
            delay: Duration::from_secs(self.delay.into()),
            order: Order::Rate,
            reversed: false,
            marked: None,
            seen: Vec::new(),
            rates: HashMap::new(),
            looked: None,
            heading: String::new(),
            note: HELP.to_string(),
        };
        if self.batch { self.print_tables(daemon, &mut view) } else { self.show(daemon, &mut view) }
    }

    fn print_tables(&self, daemon: &Connection, view: &mut View) -> Outcome {
        for number in 1.. {
            view.look(daemon)?;
            let lines = view.table().lines(None);
            print(&format!("{}\n{}\n\n", view.heading, lines.join("\n")))?;
            if self.count.is_some_and(|count| number >= count) {
                break;
            }
            std::thread::sleep(view.delay);
        }
        Ok(())
    }

    fn show(&self, daemon: &Connection, view: &mut View) -> Outcome {
        let screen = Screen::take().map_err(|error| {
            Trouble::Refused(format!("top needs a terminal ({error}); there is also top --batch"))
        })?;
        let mut shown = 0;
        loop {
            view.look(daemon)?;
            view.draw(&screen)?;
            shown += 1;
            if self.count.is_some_and(|count| shown >= count) {
                return Ok(());
            }
            let until = Instant::now() + view.delay;
            while Instant::now() < until {
                match screen.key(until) {
                    Key::Nothing => {}
                    Key::End => return Ok(()),
                    Key::Resized => view.draw(&screen)?,
                    key => {
                        if !view.obey(key, daemon, &screen)? {
                            return Ok(());
                        }
                        view.draw(&screen)?;
                    }
                }
            }
        }
    }
}

impl View {
    /// Asks the daemon.
    fn look(&mut self, daemon: &Connection) -> Outcome {
        let status = Status::of(daemon)?;
        let before: HashMap<u64, (u64, u64)> =
            self.seen.iter().map(|one| (one.id, (one.sent, one.received))).collect();
        self.seen = who::ask(daemon)?;
        let now = Instant::now();
        let millis = self.looked.map_or(0, |looked| (now - looked).as_millis() as u64);
        self.looked = Some(now);
        self.rates = self
            .seen
            .iter()
            .filter_map(|one| {
                let (sent, received) = before.get(&one.id)?;
                let rate = |now: u64, then: u64| amounts::rate(now.saturating_sub(then), millis);
                Some((one.id, (rate(one.sent, *sent)?, rate(one.received, *received)?)))
            })
            .collect();
        let total = |way: fn(&(u64, u64)) -> u64| {
            amounts::bytes(self.rates.values().map(way).fold(0, u64::saturating_add))
        };
        self.heading = format!(
            "{}  {}, down {}/s, up {}/s",
            times::local(times::now()),
            status.in_short(),
            total(|rate| rate.0),
            total(|rate| rate.1)
        );
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        let rate = |one: &Seen| self.rates.get(&one.id).map_or(0, |(down, up)| down.saturating_add(*up));
        match self.order {
            Order::Number => self.seen.sort_by_key(|one| one.id),
            Order::User => self.seen.sort_by_key(Seen::name),
            Order::Address => self.seen.sort_by_key(|one| (one.address, one.port)),
            Order::Idle => self.seen.sort_by_key(|one| Reverse(one.idle)),
            Order::Rate => self.seen.sort_by_key(|one| (Reverse(rate(one)), one.transfer.is_none(), one.id)),
        }
        if self.reversed {
            self.seen.reverse();
        }
    }

    fn table(&self) -> Table {
        let now = times::now();
        let mut table = Table::new(COLUMNS);
        for one in &self.seen {
            let since = self.rates.get(&one.id).map(|(down, up)| down.saturating_add(*up));
            // Before the second look, what a transfer tells of itself is all that is known.
            let rate = since.or(one.transfer.as_ref().and_then(|transfer| transfer.rate));
            table.row(who::row(one, rate.filter(|rate| *rate > 0 || one.transfer.is_some()), now));
        }
        table
    }

    fn draw(&self, screen: &Screen) -> Outcome {
        let (width, height) = screen.size();
        let mut lines = vec![table::cut(&self.heading, width), String::new()];
        let rows = self.table().lines(Some(width));
        let room = height.saturating_sub(lines.len() + 2).max(1);
        let at = self.marked_row();
        // Whoever is marked is on the screen.
        let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
        lines.extend(rows.first().map(|heading| screen.bold(heading)));
        for (number, row) in rows.iter().skip(1).enumerate().skip(first).take(room) {
            lines.push(if at == Some(number) { screen.reversed(row, width) } else { row.clone() });
        }
        lines.truncate(height.saturating_sub(1));
        lines.resize(height.saturating_sub(1), String::new());
        lines.push(table::cut(&self.note, width));
        screen.show(&lines).map_err(Trouble::Output)
    }

    fn marked_row(&self) -> Option<usize> {
        self.marked.and_then(|id| self.seen.iter().position(|one| one.id == id))
    }

    /// False: the end.
    fn obey(&mut self, key: Key, daemon: &Connection, screen: &Screen) -> Result<bool, Trouble> {
        self.note = HELP.to_string();
        let order = match key {
            Key::Letter('q') => return Ok(false),
            Key::Letter('n') => Order::Number,
            Key::Letter('u') => Order::User,
            Key::Letter('a') => Order::Address,
            Key::Letter('i') => Order::Idle,
            Key::Letter('r') => Order::Rate,
            Key::Letter('R') => {
                self.reversed = !self.reversed;
                self.order
            }
            Key::Letter('k') => {
                self.kick(daemon, screen)?;
                return Ok(true);
            }
            Key::Down | Key::Up => {
                let last = self.seen.len().saturating_sub(1);
                let at = match (self.marked_row(), key) {
                    (None, _) => 0,
                    (Some(at), Key::Down) => (at + 1).min(last),
                    (Some(at), _) => at.saturating_sub(1),
                };
                self.marked = self.seen.get(at).map(|one| one.id);
                return Ok(true);
            }
            Key::Letter(_) | Key::Nothing | Key::Resized | Key::End => return Ok(true),
        };
        self.order = order;
        self.sort();
        Ok(true)
    }

    fn kick(&mut self, daemon: &Connection, screen: &Screen) -> Outcome {
        let Some(one) = self.marked_row().and_then(|at| self.seen.get(at)) else {
            self.note = "Mark somebody with the arrows first.".to_string();
            return Ok(());
        };
        let (id, name) = (one.id, escaped(one.name().as_bytes()).to_string());
        self.note = format!("Send away {name} of {} (#{id})? y or n", one.address);
        self.draw(screen)?;
        let sure = loop {
            match screen.key(Instant::now() + Duration::from_secs(60)) {
                Key::Letter('y') => break true,
                Key::Resized => self.draw(screen)?,
                _ => break false,
            }
        };
        self.note = match sure {
            true => {
                let count = daemon.order(&Request::Kick { whom: Whom::Id(id) })?;
                if count == 0 { format!("{name} is gone already.") } else { format!("{name} is sent away.") }
            }
            false => "Nobody is sent away.".to_string(),
        };
        Ok(())
    }
}
