//! Whatever clients, administrators and the end of processes do, the daemon counts what is there: the real daemon, and
//! steps that nobody has chosen.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};

use crate::accounts::PASSWORD;
use crate::client::{Client, connect_from, reset};
use crate::process::Process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    the_daemon_counts_what_is_open_whatever_happens
    a_storm_leaves_every_count_right
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

/// What is answered to a line, if anything is: in a storm, connections end at any moment.
fn said(stream: &mut TcpStream, line: &str) -> Option<u16> {
    if !line.is_empty() {
        stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
    }
    let mut reply = Vec::new();
    let mut byte = [0];
    while !reply.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(1..) => reply.push(byte[0]),
            Ok(0) | Err(_) => return None,
        }
    }
    std::str::from_utf8(reply.get(..3)?).ok()?.parse().ok()
}

/// One of many clients, who does whatever comes to his mind; what he leaves open is told.
fn weather(seed: u64) -> Option<TcpStream> {
    let mut dice = Dice(seed);
    let mut last = None;
    for _ in 0..25 {
        let own = SocketAddr::new(IpAddr::from([127, 0, 0, 1 + dice.roll(4) as u8]), 0);
        let Ok(mut stream) = connect_from(own, SERVER) else { continue };
        if said(&mut stream, "") != Some(220) {
            continue;
        }
        let mut goes_on = true;
        for _ in 0..dice.roll(4) {
            let user = ["alice", "bob", "nobody-knows"][dice.roll(3) as usize];
            goes_on = said(&mut stream, &format!("USER {user}")).is_some()
                && said(&mut stream, &format!("PASS {PASSWORD}")).is_some()
                && said(&mut stream, ["NOOP", "REIN", "EPSV", "STAT", "HASH file"][dice.roll(5) as usize]).is_some();
            if !goes_on {
                break;
            }
        }
        match dice.roll(4) {
            0 => _ = said(&mut stream, "QUIT"),
            1 => reset(stream),
            2 => drop(stream),
            _ => last = goes_on.then_some(stream),
        }
    }
    last
}

/// Everything at once: clients who come, log in, out and go in any order, processes that die, and configurations that
/// change. When it is over, the counts are those of what is open, and the limits hold at the very number.
fn a_storm_leaves_every_count_right() {
    let world = World::new();
    let server = Server::start(&world, &configuration(3));
    let is_over = AtomicBool::new(false);
    let open: Vec<TcpStream> = thread::scope(|scope| {
        let clients: Vec<_> = (1..=6).map(|seed| scope.spawn(move || weather(seed * 0x9e37_79b9))).collect();
        let killer = scope.spawn(|| {
            let mut dice = Dice(0xd1b5_4a32_d192_ed03);
            let mut killed = 0;
            while !is_over.load(Ordering::Relaxed) {
                let own = server.pid();
                let others: Vec<_> = server.processes().into_iter().filter(|one| one.pid != own).collect();
                if !others.is_empty() {
                    let victim = &others[dice.roll(others.len() as u64) as usize];
                    // Who is gone already needs no help.
                    killed += u32::from(kill(victim.pid, Signal::SIGKILL).is_ok());
                }
                if dice.roll(3) == 0 {
                    server.configure(&configuration(dice.roll(3)));
                    server.signal(Signal::SIGHUP);
                }
                thread::sleep(Duration::from_millis(dice.roll(40)));
            }
            killed
        });
        let open = clients.into_iter().filter_map(|client| client.join().expect("a client")).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(killer.join().expect("the killer") > 10, "hardly anybody was killed");
        open
    });
    let is_there = |stream: &&TcpStream| {
        let hangup = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        poll(&mut [PollFd::new(stream.as_fd(), hangup)], PollTimeout::ZERO).expect("poll") == 0
    };
    wait_until("what is counted is what is open", || {
        let here: Vec<_> = open.iter().filter(is_there).collect();
        let addresses: BTreeSet<IpAddr> = here.iter().filter_map(|one| one.local_addr().ok()).map(|own| own.ip()).collect();
        let logged_in = serving(&server, "session").len();
        let [sessions, from, users, _] = status(&server);
        (sessions == here.len() && from == addresses.len() && users == logged_in && serving(&server, "worker").len() == sessions)
            .then_some(())
    });
    drop(open);
    wait_until("nothing is left", || (status(&server) == [0; 4]).then_some(()));
    let connect = || {
        let mut client = Client::connect_from(IpAddr::from([127, 0, 0, 1]), SERVER);
        (client.read_reply().code, client)
    };
    let admitted: Vec<_> = (0..MOST_OF_AN_ADDRESS).map(|_| connect()).collect();
    assert!(admitted.iter().all(|(code, _)| *code == 220));
    assert_eq!(connect().0, 421);
}
