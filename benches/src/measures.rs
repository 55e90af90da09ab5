//! What is measured: a list of measurements, each a function and the rows of the table that it fills.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::client::{Client, Upload};
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
    /// The way in.
    pub door: Door,
    /// What the command line says.
    pub settings: &'a Settings,
}

/// A measurement.
pub struct Measure {
    /// The rows it fills, in the order of its values.
    pub rows: &'static [Row],
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// Does it.
    pub run: fn(&mut Stage) -> Values,
}

/// What a measurement may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The server's CPU time, the counting of which costs the server something.
    Cpu,
    /// MLSD.
    Mlsd,
    /// A certificate.
    Tls,
    /// That sessions of TLS 1.3 can be resumed.
    Resuming,
}

impl Measure {
    /// Whether it cannot do without this.
    pub fn needs(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }
}

/// A value for each row, or why there is none.
pub type Values = Result<Vec<Option<f64>>, String>;

/// A row of the table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// In what.
    pub unit: Unit,
    /// Whether it is for readers in a hurry.
    pub headline: bool,
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
    ($($([$($need:ident)+])? $($name:literal $unit:ident $($headline:ident)?),+ => $run:expr;)*) => {
        /// Everything that can be measured, in the order of the table.
        pub const MEASURES: &[Measure] = &[$(Measure {
            rows: &[$(Row { name: $name, unit: Unit::$unit, headline: measures!(@is $($headline)?) }),+],
            needs: &[$($(Need::$need),+)?],
            run: $run,
        }),*];
    };
    (@is headline) => { true };
    (@is) => { false };
}

measures! {
    "Connect to greeting, 1 client" PerSecond => |stage| connects(stage, 1);
    "Connect to greeting, 32 clients" PerSecond headline => |stage| connects(stage, 32);
    "Anonymous login, 1 client" PerSecond => |stage| logins(stage, &ANONYMOUS, 1);
    "Anonymous login, 8 clients" PerSecond headline => |stage| logins(stage, &ANONYMOUS, 8);
    "PAM login, yescrypt, 1 client" PerSecond => |stage| logins(stage, &USUAL, 1);
    "PAM login, yescrypt, 8 clients" PerSecond => |stage| logins(stage, &USUAL, 8);
    "PAM login, sha256-crypt, 1 client" PerSecond headline => |stage| logins(stage, &CHEAP, 1);
    "PAM login, sha256-crypt, 8 clients" PerSecond headline => |stage| logins(stage, &CHEAP, 8);
    [Tls] "PAM login over TLS, 1 client" PerSecond headline => |stage| logins(stage, &CHEAP, 1);
    [Tls] "PAM login over TLS, 8 clients" PerSecond headline => |stage| logins(stage, &CHEAP, 8);
    [Cpu] "RETR, 1 client" Megabytes headline, "RETR, 1 client, server" CpuPerGib
        => |stage| large(stage, 1, Way::Down);
    [Cpu] "RETR, 8 clients" Megabytes headline, "RETR, 8 clients, server" CpuPerGib headline
        => |stage| large(stage, 8, Way::Down);
    [Cpu] "STOR, 1 client" Megabytes headline, "STOR, 1 client, server" CpuPerGib
        => |stage| large(stage, 1, Way::Up);
    [Cpu] "STOR, 8 clients" Megabytes headline, "STOR, 8 clients, server" CpuPerGib
        => |stage| large(stage, 8, Way::Up);
    [Tls Cpu] "RETR over TLS, 1 client" Megabytes headline, "RETR over TLS, 1 client, server" CpuPerGib headline
        => |stage| large(stage, 1, Way::Down);
    [Tls Cpu] "RETR over TLS, 8 clients" Megabytes headline, "RETR over TLS, 8 clients, server" CpuPerGib
        => |stage| large(stage, 8, Way::Down);
    [Tls Cpu] "STOR over TLS, 1 client" Megabytes headline, "STOR over TLS, 1 client, server" CpuPerGib headline
        => |stage| large(stage, 1, Way::Up);
    [Tls Cpu] "STOR over TLS, 8 clients" Megabytes headline, "STOR over TLS, 8 clients, server" CpuPerGib
        => |stage| large(stage, 8, Way::Up);
    "RETR of 1 KiB files" PerSecond headline => |stage| small(stage, &SMALL[0], Way::Down);
    "STOR of 1 KiB files" PerSecond headline => |stage| small(stage, &SMALL[0], Way::Up);
    [Tls Resuming] "RETR of 1 KiB files over TLS, resumed" PerSecond headline => |stage| resumed(stage, &SMALL[0]);
    "RETR of 10 KiB files" PerSecond => |stage| small(stage, &SMALL[1], Way::Down);
    "RETR of 100 KiB files" PerSecond => |stage| small(stage, &SMALL[2], Way::Down);
    "LIST of 10 000 files" Milliseconds, "LIST of 10 000 files, first line" Milliseconds
        => |stage| list(stage, "LIST", LISTED[0]);
    "LIST of 100 000 files" Milliseconds headline, "LIST of 100 000 files, first line" Milliseconds
        => |stage| list(stage, "LIST", LISTED[1]);
    [Mlsd] "MLSD of 10 000 files" Milliseconds, "MLSD of 10 000 files, first line" Milliseconds
        => |stage| list(stage, "MLSD", LISTED[0]);
    [Mlsd] "MLSD of 100 000 files" Milliseconds headline, "MLSD of 100 000 files, first line" Milliseconds
        => |stage| list(stage, "MLSD", LISTED[1]);
    "NOOP round trips" PerSecond headline => noops;
    "Memory for an idle session, of 200" Kib headline => memory;
    [Tls] "Memory for an idle session with TLS, of 200" Kib headline => memory;
}

/// How clients get in.
#[derive(Clone, Copy)]
pub struct Door {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Whether they speak TLS.
    pub tls: bool,
}

impl Door {
    fn log_in(self, account: &Account) -> io::Result<Client> {
        let mut client = Client::connect(self.address)?;
        if self.tls {
            client.protect()?;
        }
        client.log_in(account)?;
        Ok(client)
    }

    /// A session of the cheap account, ready for binary transfers.
    fn enter(self) -> io::Result<Client> {
        let mut client = self.log_in(&CHEAP)?;
        if self.tls {
            client.protect_data()?;
        }
        client.binary()?;
        Ok(client)
    }
}

/// Which way files go.
#[derive(Clone, Copy)]
enum Way {
    Down,
    Up,
}

fn connects(stage: &mut Stage, clients: usize) -> Values {
    rate(stage, clients, |door| Client::connect(door.address).map(drop))
}

fn logins(stage: &mut Stage, account: &'static Account, clients: usize) -> Values {
    rate(stage, clients, |door| door.log_in(account)?.quit())
}

/// How often a second some clients together do something.
fn rate(stage: &Stage, clients: usize, act: impl Fn(Door) -> io::Result<()> + Sync) -> Values {
    let door = stage.door;
    let span = Duration::from_secs_f64(stage.settings.seconds);
    let began = Instant::now();
    let counts = together(clients, |_| {
        let mut count = 0;
        while began.elapsed() < span {
            act(door)?;
            count += 1;
        }
        Ok(count)
    })?;
    Ok(vec![Some(f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64())])
}

/// The large file, with the server's CPU time from before the first byte to after the last reply.
fn large(stage: &mut Stage, clients: usize, way: Way) -> Values {
    let door = stage.door;
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
                    let ready = Transfer::prepare(door, number, size, way);
                    start.wait();
                    ready?.run()
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

/// A client who is about to transfer a large file.
struct Transfer {
    client: Client,
    source: File,
    /// What he uploads, and as what.
    upload: Option<(Upload, PathBuf)>,
    size: u64,
}

impl Transfer {
    fn prepare(door: Door, number: usize, size: u64, way: Way) -> io::Result<Transfer> {
        let mut client = door.enter()?;
        let source = File::open(world::home(&CHEAP).join("large"))?;
        let upload = match way {
            Way::Down => None,
            Way::Up => {
                let upload = client.begin_store(&format!("uploads/{number}"), &source, size)?;
                Some((upload, world::uploads().join(number.to_string())))
            }
        };
        Ok(Transfer { client, source, upload, size })
    }

    fn run(self) -> io::Result<Client> {
        let Transfer { mut client, source, upload, size } = self;
        let length = match upload {
            None => client.retrieve("large", size)?,
            Some((upload, path)) => {
                client.finish_store(upload, &source)?;
                std::fs::metadata(path)?.len()
            }
        };
        // A download that nobody decrypted is longer than the file.
        match length >= size {
            true => Ok(client),
            false => Err(io::Error::other("the transfer is not whole")),
        }
    }
}

/// Uses as much memory as the uploads will, and gives it back. A virtual machine has not all the memory it believes
/// to have: a page that its host must find first costs more than the upload that goes into it.
fn touch_memory(bytes: u64) {
    let mut memory = vec![0u8; bytes as usize];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

/// Many files, one after the other, on one control connection.
fn small(stage: &mut Stage, files: &Small, way: Way) -> Values {
    let mut client = stage.door.enter().map_err(|error| error.to_string())?;
    let source = File::open(world::home(&CHEAP).join("large")).map_err(|error| error.to_string())?;
    let began = Instant::now();
    for number in 0..files.count {
        let done = match way {
            Way::Down => client.retrieve(&format!("{}/{number}", files.folder), files.size as u64).map(drop),
            Way::Up => client.store(&format!("uploads/{number}"), &source, files.size as u64),
        };
        done.map_err(|error| format!("file {number}: {error}"))?;
    }
    Ok(vec![Some(files.count as f64 / began.elapsed().as_secs_f64())])
}

/// Many files, each over a data connection that resumes the session of the last one.
fn resumed(stage: &mut Stage, files: &Small) -> Values {
    let mut client = stage.door.enter().map_err(|error| error.to_string())?;
    let began = Instant::now();
    for number in 0..files.count {
        let content = client.retrieve_resuming(&format!("{}/{number}", files.folder));
        match content.map_err(|error| format!("file {number}: {error}"))?.len() == files.size {
            true => {}
            false => return Err(format!("file {number} is not whole")),
        }
    }
    Ok(vec![Some(files.count as f64 / began.elapsed().as_secs_f64())])
}

fn list(stage: &mut Stage, verb: &str, entries: usize) -> Values {
    let mut client = stage.door.enter().map_err(|error| error.to_string())?;
    let listed = client.list(verb, &world::listed(entries)).map_err(|error| error.to_string())?;
    if listed.lines < entries {
        return Err(format!("{verb} has only {} of {entries} lines", listed.lines));
    }
    Ok([listed.whole, listed.first].map(|span| Some(span.as_secs_f64() * 1e3)).to_vec())
}

fn noops(stage: &mut Stage) -> Values {
    let mut client = stage.door.enter().map_err(|error| error.to_string())?;
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
    let door = stage.door;
    let sessions =
        together(DOORS, |_| (0..SESSIONS / DOORS).map(|_| door.enter()).collect::<io::Result<Vec<_>>>())?;
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
