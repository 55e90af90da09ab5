//! Whatever clients, administrators and the end of processes do, the daemon counts what is there: the real daemon, and
//! steps that nobody has chosen.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::sys::signal::{Signal, kill};

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::process::Process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    the_daemon_counts_what_is_open_whatever_happens
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 21);
const MOST_OF_A_USER: usize = 3;
const MOST_OF_AN_ADDRESS: usize = 4;

/// Steps that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

struct Open {
    client: Client,
    address: u8,
    user: Option<&'static str>,
    gone: bool,
}

fn configuration(spare: u64) -> String {
    format!(
        "listen.max-sessions-per-address = {MOST_OF_AN_ADDRESS}\nsession.max-sessions-per-user = {MOST_OF_A_USER}\n\
         listen.spare-workers = {}\ngroup.staff.max-sessions-per-group = {MOST_OF_A_USER}",
        spare + 1
    )
}

/// What the daemon says that is open: sessions, addresses, logged in, users.
fn status(server: &Server) -> [usize; 4] {
    let lines = server.log_length();
    server.signal(Signal::SIGUSR1);
    let line = server.wait_for_log_after(lines, "status: ");
    let numbers: Vec<usize> = line
        .split_once("status: ")
        .expect("status")
        .1
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    [numbers[0], numbers[1], numbers[2], numbers[3]]
}

/// The processes of this role that serve a client.
fn serving(server: &Server, role: &str) -> Vec<Process> {
    let processes = server.processes();
    let is = |process: &Process, role: &str| process.title() == format!("ftpd: {role}");
    let workers: Vec<_> = processes.iter().filter(|one| is(one, "worker")).map(|one| one.pid).collect();
    let serves = |one: &&Process| workers.contains(&one.pid) || workers.contains(&one.parent());
    processes.iter().filter(|one| is(one, role)).filter(serves).cloned().collect()
}

fn the_daemon_counts_what_is_open_whatever_happens() {
    let world = World::new();
    let server = Server::start(&world, &configuration(1));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut open: Vec<Open> = Vec::new();
    for step in 0..160 {
        match dice.roll(9) {
            0..=2 => {
                let address = 1 + dice.roll(4) as u8;
                let here = open.iter().filter(|one| one.address == address).count();
                let mut client = Client::connect_from(IpAddr::from([127, 0, 0, address]), SERVER);
                let code = client.read_reply().code;
                assert_eq!(code, if here < MOST_OF_AN_ADDRESS { 220 } else { 421 }, "step {step}");
                if code == 220 {
                    open.push(Open { client, address, user: None, gone: false });
                }
            }
            3..=4 => {
                let user = ["alice", "bob"][dice.roll(2) as usize];
                let logged_in = open.iter().filter(|one| one.user == Some(user)).count();
                if let Some(one) = open.iter_mut().find(|one| one.user.is_none()) {
                    one.client.command(&format!("USER {user}"), 331);
                    one.client.send(&format!("PASS {PASSWORD}"));
                    let code = one.client.read_reply().code;
                    assert_eq!(code, if logged_in < MOST_OF_A_USER { 230 } else { 530 }, "step {step}");
                    one.user = (code == 230).then_some(user);
                    // A third wrong login would end the connection: this one was not wrong, and is not tried again.
                    one.gone = code == 530;
                }
            }
            5 => {
                if let Some(one) = open.iter_mut().find(|one| one.user.is_some()) {
                    one.client.command("REIN", 220);
                    one.user = None;
                }
            }
            6 => {
                if let Some(one) = open.last_mut() {
                    one.client.send("QUIT");
                    one.gone = true;
                }
            }
            7 => {
                // Somebody's process dies: whose, his connection tells.
                let role = ["frontend", "session", "worker"][dice.roll(3) as usize];
                let victim = serving(&server, role).into_iter().next();
                if let Some(victim) = victim {
                    kill(victim.pid, Signal::SIGKILL).expect("kill");
                    wait_until("the client of a killed process has no connection", || {
                        open.iter().any(|one| !one.client.is_open()).then_some(())
                    });
                }
            }
            _ => {
                let lines = server.log_length();
                server.configure(&configuration(dice.roll(3)));
                server.signal(Signal::SIGHUP);
                server.wait_for_log_after(lines, "configuration reloaded");
            }
        }
        // Whoever has been told to go, or whose process has died, finds his connection at its end.
        wait_until(&format!("what is counted is what is open, after step {step}"), || {
            open.retain(|one| !one.gone && one.client.is_open());
            let addresses: BTreeSet<u8> = open.iter().map(|one| one.address).collect();
            let users: Vec<&str> = open.iter().filter_map(|one| one.user).collect();
            let distinct: BTreeSet<&str> = users.iter().copied().collect();
            let there = ["worker", "session", "frontend"].map(|role| serving(&server, role).len());
            (there == [open.len(), users.len(), open.len() - users.len()]
                && status(&server) == [open.len(), addresses.len(), users.len(), distinct.len()])
            .then_some(())
        });
    }
    drop(open);
    wait_until("nothing is left", || (status(&server) == [0; 4]).then_some(()));
}
