//! What is measured: a list of measurements, each a function and the rows of the table that it fills.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::process::Running;
use crate::world::{self, ANONYMOUS, Account, CHEAP, LISTED, SMALL, Small, USUAL};

/// How many sessions are open while memory is measured.
const SESSIONS: usize = 200;
/// How many of those log in at the same time.
const DOORS: usize = 8;

/// What the command line says about all measurements.
pub struct Settings {
    /// Bytes of the large file.
    pub size: u64,
    /// How long a rate is measured.
    pub seconds: f64,
}

/// A server that was started for one measurement.
pub struct Stage<'a> {
    /// The server.
    pub running: &'a mut Running,
    /// What the command line says.
    pub settings: &'a Settings,
}

/// A measurement.
pub struct Measure {
    /// The rows it fills, in the order of its values.
    pub rows: &'static [Row],
    /// Whether it asks for the server's CPU time, the counting of which costs the server something.
    pub counts_cpu: bool,
    /// Whether it needs MLSD.
    pub needs_mlsd: bool,
    /// Does it.
    pub run: fn(&mut Stage) -> Values,
}

/// A value for each row, or why there is none.
pub type Values = Result<Vec<Option<f64>>, String>;

/// A row of the table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// In what.
    pub unit: Unit,
}

/// Units; each knows which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Something done, each second.
    PerSecond,
    /// 10⁶ bytes a second.
    Megabytes,
    /// CPU seconds of the server for 2³⁰ bytes.
    CpuPerGib,
    /// A time.
    Milliseconds,
    /// Memory.
    Kib,
}

impl Unit {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Unit::PerSecond => "/s",
            Unit::Megabytes => "MB/s",
            Unit::CpuPerGib => "CPU s/GiB",
            Unit::Milliseconds => "ms",
            Unit::Kib => "KiB",
        }
    }

    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        match self {
            Unit::PerSecond | Unit::Megabytes => true,
            Unit::CpuPerGib | Unit::Milliseconds | Unit::Kib => false,
        }
    }
}

macro_rules! measures {
    ($($([$flag:ident])? $($name:literal $unit:ident),+ => $run:expr;)*) => {
        /// Everything that can be measured, in the order of the table.
        pub const MEASURES: &[Measure] = &[$(measures!(
            @one $($flag)?, Measure {
                rows: &[$(Row { name: $name, unit: Unit::$unit }),+],
                counts_cpu: false,
                needs_mlsd: false,
                run: $run,
            }
        )),*];
    };
    (@one , $measure:expr) => { $measure };
    (@one cpu, $measure:expr) => { Measure { counts_cpu: true, ..$measure } };
    (@one mlsd, $measure:expr) => { Measure { needs_mlsd: true, ..$measure } };
}

measures! {
    "Connect to greeting, 1 client" PerSecond => |stage| connects(stage, 1);
    "Connect to greeting, 32 clients" PerSecond => |stage| connects(stage, 32);
    "Anonymous login, 1 client" PerSecond => |stage| logins(stage, &ANONYMOUS, 1);
    "Anonymous login, 8 clients" PerSecond => |stage| logins(stage, &ANONYMOUS, 8);
    "PAM login, yescrypt, 1 client" PerSecond => |stage| logins(stage, &USUAL, 1);
    "PAM login, yescrypt, 8 clients" PerSecond => |stage| logins(stage, &USUAL, 8);
    "PAM login, sha256-crypt, 1 client" PerSecond => |stage| logins(stage, &CHEAP, 1);
    "PAM login, sha256-crypt, 8 clients" PerSecond => |stage| logins(stage, &CHEAP, 8);
    [cpu] "RETR, 1 client" Megabytes, "RETR, 1 client, server" CpuPerGib => |stage| large(stage, 1, Way::Down);
    [cpu] "RETR, 8 clients" Megabytes, "RETR, 8 clients, server" CpuPerGib => |stage| large(stage, 8, Way::Down);
    [cpu] "STOR, 1 client" Megabytes, "STOR, 1 client, server" CpuPerGib => |stage| large(stage, 1, Way::Up);
    [cpu] "STOR, 8 clients" Megabytes, "STOR, 8 clients, server" CpuPerGib => |stage| large(stage, 8, Way::Up);
    "RETR of 1 KiB files" PerSecond => |stage| small(stage, &SMALL[0], Way::Down);
    "STOR of 1 KiB files" PerSecond => |stage| small(stage, &SMALL[0], Way::Up);
    "RETR of 10 KiB files" PerSecond => |stage| small(stage, &SMALL[1], Way::Down);
    "RETR of 100 KiB files" PerSecond => |stage| small(stage, &SMALL[2], Way::Down);
    "LIST of 10 000 files" Milliseconds, "LIST of 10 000 files, first line" Milliseconds
        => |stage| list(stage, "LIST", LISTED[0]);
    "LIST of 100 000 files" Milliseconds, "LIST of 100 000 files, first line" Milliseconds
        => |stage| list(stage, "LIST", LISTED[1]);
    [mlsd] "MLSD of 10 000 files" Milliseconds, "MLSD of 10 000 files, first line" Milliseconds
        => |stage| list(stage, "MLSD", LISTED[0]);
    [mlsd] "MLSD of 100 000 files" Milliseconds, "MLSD of 100 000 files, first line" Milliseconds
        => |stage| list(stage, "MLSD", LISTED[1]);
    "NOOP round trips" PerSecond => noops;
    "Memory for an idle session, of 200" Kib => memory;
}

/// Which way files go.
#[derive(Clone, Copy)]
enum Way {
    Down,
    Up,
}

fn connects(stage: &mut Stage, clients: usize) -> Values {
    rate(stage, clients, |address| Client::connect(address).map(drop))
}

fn logins(stage: &mut Stage, account: &'static Account, clients: usize) -> Values {
    rate(stage, clients, |address| {
        let mut client = Client::connect(address)?;
        client.log_in(account)?;
        client.quit()
    })
}

/// How often a second some clients together do something.
fn rate(stage: &Stage, clients: usize, act: impl Fn(SocketAddr) -> io::Result<()> + Sync) -> Values {
    let address = stage.running.address;
    let span = Duration::from_secs_f64(stage.settings.seconds);
    let began = Instant::now();
    let counts = together(clients, |_| {
        let mut count = 0;
        while began.elapsed() < span {
            act(address)?;
            count += 1;
        }
        Ok(count)
    })?;
    Ok(vec![Some(f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64())])
}

/// The large file, with the server's CPU time from before the first transfer to after the last.
fn large(stage: &mut Stage, clients: usize, way: Way) -> Values {
    let address = stage.running.address;
    let size = match way {
        Way::Down => stage.settings.size,
        // Together they send one large file, so that memory need not hold eight.
        Way::Up => stage.settings.size / clients as u64,
    };
    if matches!(way, Way::Up) {
        touch_memory(stage.settings.size);
    }
    let start = Barrier::new(clients + 1);
    let (elapsed, cpu) = std::thread::scope(|scope| {
        let transfers: Vec<_> = (0..clients)
            .map(|number| {
                let start = &start;
                scope.spawn(move || -> io::Result<Client> {
                    let client = enter(address);
                    start.wait();
                    let mut client = client?;
                    transfer_large(&mut client, number, size, way)?;
                    Ok(client)
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        let before = stage.running.cpu_seconds()?;
        // The sessions stay open until the clock is read: how a server ends one is not measured here.
        let sessions: Vec<_> = transfers.into_iter().map(joined).collect::<Result<_, String>>()?;
        let elapsed = began.elapsed().as_secs_f64();
        let cpu = stage.running.cpu_seconds()? - before;
        drop(sessions);
        Ok::<_, String>((elapsed, cpu))
    })?;
    let bytes = (size * clients as u64) as f64;
    Ok(vec![Some(bytes / elapsed / 1e6), Some(cpu * (1u64 << 30) as f64 / bytes)])
}

/// Uses as much memory as the uploads will, and gives it back. A virtual machine has not all the memory it believes
/// to have: a page that its host must find first costs more than the upload that goes into it.
fn touch_memory(bytes: u64) {
    let mut memory = vec![0u8; bytes as usize];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

fn transfer_large(client: &mut Client, number: usize, size: u64, way: Way) -> io::Result<()> {
    match way {
        Way::Down => match client.retrieve("large")? == size {
            true => Ok(()),
            false => Err(io::Error::other("the download is not whole")),
        },
        Way::Up => {
            client.store(
                &format!("uploads/{number}"),
                &File::open(world::home(&CHEAP).join("large"))?,
                size,
            )?;
            match std::fs::metadata(world::uploads().join(number.to_string()))?.len() == size {
                true => Ok(()),
                false => Err(io::Error::other("the upload is not whole")),
            }
        }
    }
}

/// Many files, one after the other, on one control connection.
fn small(stage: &mut Stage, files: &Small, way: Way) -> Values {
    let mut client = enter(stage.running.address).map_err(|error| error.to_string())?;
    let source = File::open(world::home(&CHEAP).join("large")).map_err(|error| error.to_string())?;
    let began = Instant::now();
    for number in 0..files.count {
        let done = match way {
            Way::Down => client.retrieve(&format!("{}/{number}", files.folder)).map(drop),
            Way::Up => client.store(&format!("uploads/{number}"), &source, files.size as u64),
        };
        done.map_err(|error| format!("file {number}: {error}"))?;
    }
    Ok(vec![Some(files.count as f64 / began.elapsed().as_secs_f64())])
}

fn list(stage: &mut Stage, verb: &str, entries: usize) -> Values {
    let mut client = enter(stage.running.address).map_err(|error| error.to_string())?;
    let listed = client.list(verb, &world::listed(entries)).map_err(|error| error.to_string())?;
    if listed.lines < entries {
        return Err(format!("{verb} has only {} of {entries} lines", listed.lines));
    }
    Ok([listed.whole, listed.first].map(|span| Some(span.as_secs_f64() * 1e3)).to_vec())
}

fn noops(stage: &mut Stage) -> Values {
    let mut client = enter(stage.running.address).map_err(|error| error.to_string())?;
    let span = Duration::from_secs_f64(stage.settings.seconds);
    let began = Instant::now();
    let mut count = 0u32;
    while began.elapsed() < span {
        client.noop().map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(vec![Some(f64::from(count) / began.elapsed().as_secs_f64())])
}

/// All memory of the server, divided by its sessions: what it uses for itself is in it.
fn memory(stage: &mut Stage) -> Values {
    let address = stage.running.address;
    let sessions =
        together(DOORS, |_| (0..SESSIONS / DOORS).map(|_| enter(address)).collect::<io::Result<Vec<_>>>())?;
    let pss = settled(|| stage.running.pss_kib());
    drop(sessions);
    Ok(vec![Some(pss as f64 / SESSIONS as f64)])
}

/// A value once it has ceased to move: processes that a login leaves behind may still be on their way out.
fn settled(read: impl Fn() -> u64) -> u64 {
    let mut last = read();
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        let now = read();
        if now.abs_diff(last) <= last / 500 {
            return now;
        }
        last = now;
    }
    last
}

/// A session of the cheap account, ready for binary transfers.
fn enter(address: SocketAddr) -> io::Result<Client> {
    let mut client = Client::connect(address)?;
    client.log_in(&CHEAP)?;
    client.binary()?;
    Ok(client)
}

/// Does something in several threads at once.
fn together<T: Send>(threads: usize, act: impl Fn(usize) -> io::Result<T> + Sync) -> Result<Vec<T>, String> {
    std::thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || act(number))).collect();
        running.into_iter().map(joined).collect()
    })
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, io::Result<T>>) -> Result<T, String> {
    match thread.join() {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the client panicked".into()),
    }
}
