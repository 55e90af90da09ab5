//! `make bench`: this daemon beside the distribution's FTP servers, in one interleaved run.
//!
//! The program runs twice. Outside, it fetches the peers it needs. Then it starts itself inside namespaces of its
//! own (mounts, network, processes), where the world of `world.rs` hides the machine's accounts, and measures there.
//! Nothing on the machine is changed, and whatever runs inside dies with it.

#[path = "../../tests/ftpd/anybody.rs"]
mod anybody;
mod client;
mod install;
mod measures;
mod process;
mod servers;
mod table;
mod tls;
mod world;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use measures::{Door, MEASURES, Measure, Need, Settings, Stage};
use servers::{SERVERS, Server};
use table::{Rows, Table};

/// Set for the copy of this program that runs inside the namespaces.
const INSIDE: &str = "FTPD_BENCH_INSIDE";

/// How long a measurement may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures ftpd beside vsftpd, ProFTPD, Pure-FTPd and pyftpdlib. Needs root.
#[derive(Parser)]
struct Arguments {
    /// How often everything is measured; the table shows medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure only what has this in its name. May be given again for more.
    #[arg(long, value_name = "WORDS")]
    only: Vec<String>,
    /// Measure only these servers.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    servers: Vec<String>,
    /// Size of the large file in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    size: u64,
    /// How long each rate (connections, logins, round trips) is measured.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The daemon to measure, if not the one beside this program.
    // The copy inside is told again, with the whole path.
    #[arg(long, value_name = "PATH", overrides_with = "ftpd")]
    ftpd: Option<PathBuf>,
    /// Start every server under this command, such as "strace -f -c -o /tmp/calls".
    #[arg(long, value_name = "COMMAND")]
    under: Option<String>,
    /// Write the table into README.md and docs/performance.md of this source tree.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["only", "servers"])]
    publish: Option<PathBuf>,
    /// Name the servers and the measurements, and stop.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        list();
        return ExitCode::SUCCESS;
    }
    let done = match std::env::var_os(INSIDE) {
        Some(_) => measure(&arguments),
        None => prepare(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ftpd-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("Servers:");
    for server in SERVERS {
        println!("  {:16} {}", server.name, server.about);
    }
    println!("Measurements:");
    for row in MEASURES.iter().flat_map(|measure| measure.rows) {
        println!("  {} [{}]", row.name, row.unit.name());
    }
}

/// The half that runs outside: fetch, then start the half that measures.
fn prepare(arguments: &Arguments) -> Result<ExitCode, String> {
    if !geteuid().is_root() {
        return Err("the servers serve real accounts: run me as root".into());
    }
    let place = install::Place::new(arguments.ftpd.clone())?;
    for server in chosen_servers(arguments)? {
        if let Err(error) = place.fetch(&server.package) {
            eprintln!("{} is left out: {error}", server.name);
        }
    }
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC,
    )
    .map_err(|error| format!("namespaces: {error}"))?;
    let status = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .arg(format!("--ftpd={}", place.ours.display()))
        .env(INSIDE, "1")
        .env("FTPD_BENCH_STORE", &place.store)
        .status()
        .map_err(|error| format!("starting inside the namespaces: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The half that runs inside, as process 1.
fn measure(arguments: &Arguments) -> Result<ExitCode, String> {
    let place = install::Place::inside(arguments.ftpd.clone())?;
    let size = arguments.size << 20;
    world::build(size, &place.ours).map_err(|error| format!("building the world: {error}"))?;

    let settings = Settings { size, seconds: arguments.seconds };
    let servers: Vec<(&Server, install::Installed)> = chosen_servers(arguments)?
        .into_iter()
        .filter_map(|server| place.find(&server.package).map(|installed| (server, installed)))
        .collect();
    if servers.is_empty() {
        return Err("there is no server to measure".into());
    }
    let measures: Vec<&Measure> = MEASURES.iter().filter(|measure| wanted(arguments, measure)).collect();
    let mut table = Table::new(&servers, &measures);

    for round in 0..arguments.rounds {
        for measure in &measures {
            for turn in 0..servers.len() {
                // Each round begins with another server, so that none always runs behind the same one.
                let index = (turn + round as usize) % servers.len();
                let (server, installed) = &servers[index];
                let values = one(server, installed, measure, &settings, arguments.under.as_deref());
                eprintln!("{}/{} {}", round + 1, arguments.rounds, table::progress(server, measure, &values));
                table.add(index, measure, values);
            }
        }
    }
    let render = |rows| table.render(arguments.rounds, &settings, rows);
    print!("{}", render(Rows::All));
    if let Some(tree) = &arguments.publish {
        table::publish(tree, render)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One server, one measurement, once, in a process tree of its own.
fn one(
    server: &Server,
    installed: &install::Installed,
    measure: &Measure,
    settings: &Settings,
    under: Option<&str>,
) -> Result<Vec<Option<f64>>, String> {
    if server.lacks.iter().any(|lacking| measure.needs(*lacking)) {
        return Ok(vec![None; measure.rows.len()]);
    }
    world::empty_uploads().map_err(|error| format!("emptying the uploads: {error}"))?;
    let mut running = process::Running::start(server, installed, measure, under)?;
    let door = Door { address: running.address, tls: measure.needs(Need::Tls) };
    // Whatever happens, the whole run ends: without its server, a measurement does.
    let (done, waiting) = mpsc::channel::<()>();
    let values = std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                process::kill_all();
            }
        });
        let values = (measure.run)(&mut Stage { running: &mut running, door, settings });
        drop(done);
        values
    });
    running.stop();
    let log = running.last_words();
    values.map_err(|error| if log.is_empty() { error } else { format!("{error} ({log})") })
}

fn wanted(arguments: &Arguments, measure: &Measure) -> bool {
    let names: Vec<String> = measure.rows.iter().map(|row| row.name.to_lowercase()).collect();
    arguments.only.is_empty()
        || arguments.only.iter().any(|word| names.iter().any(|name| name.contains(&word.to_lowercase())))
}

fn chosen_servers(arguments: &Arguments) -> Result<Vec<&'static Server>, String> {
    for name in &arguments.servers {
        if !SERVERS.iter().any(|server| server.name == name) {
            return Err(format!("there is no server {name}; --list names them"));
        }
    }
    Ok(SERVERS
        .iter()
        .filter(|server| match arguments.servers.is_empty() {
            true => server.usual,
            false => arguments.servers.iter().any(|name| name == server.name),
        })
        .collect())
}
