//! PROCESS supervisor: listens, and keeps a worker ready for whoever comes.
//!
//! *Runs as*    root (or whoever started the daemon), from start to end; one for each daemon.
//! *Reads*      signals, listeners (it accepts), the links of workers. Never a byte of a client.
//! *May*        bind ports, fork workers, end them, answer `421` to those there is no room for.
//! *Never*      imports `protocol`, speaks to NSS or PAM, reads a key or a password file.
//! *Ends when*  it is told to (TERM, INT) and every connection is gone or the grace has passed.

mod bans;
mod caps;
pub(crate) mod certificates;
mod clients;
mod conduct;
mod control;
mod limits;
mod listen;
mod meter;
mod naming;
mod note;
mod orders;
mod penalties;
mod pool;
mod publishing;
mod rates;
mod recording;
mod shares;
mod state;
mod tally;
mod transfers;
mod turns;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use sd_notify::NotifyState;

use crate::config::{Config, ConfigSource};
use crate::ipc::control::Whom;
use crate::log;
use crate::system::memory::{self, Plugs};
use crate::system::process::DescriptorLimit;
use crate::system::signals::Signals;
use crate::system::{Doing, Failure, capabilities, landlock, mounts, title};
use crate::worker::Inheritance;
use certificates::Certificates;
use conduct::Times;
use control::Control;
use limits::Counts;
use listen::Listener;
use naming::Naming;
use note::Note;
use penalties::Penalties;
use pool::{Pool, SlotId};
use publishing::Publishing;
use rates::Rates;
use recording::Recorder;
use tally::Tally;

/// Tokens of the epoll set; those of slots have a bit of their own (pool.rs).
const SIGNALS_TOKEN: u64 = 0;
const RESOLVER_TOKEN: u64 = 1;
const EVENTS_TOKEN: u64 = 2;
const FIRST_LISTENER_TOKEN: u64 = 3;

/// How far stopping has come.
enum Phase {
    Serving,
    /// Running transfers may finish until then.
    Draining {
        until: Instant,
    },
    /// Everybody was told to end; who has not by then is killed.
    Ending {
        until: Instant,
    },
}

struct Supervisor {
    source: ConfigSource,
    descriptors: DescriptorLimit,
    inheritance: Rc<Inheritance>,
    /// Keeps what workers allocate out of the pages of what they inherit.
    plugs: Plugs,
    epoll: Epoll,
    signals: Signals,
    listeners: Vec<Listener>,
    /// The sockets came from the service manager: they stay as they are at a reload.
    activated: bool,
    accepting: bool,
    rest_until: Option<Instant>,
    counts: Counts,
    penalties: Penalties,
    times: Times,
    naming: Naming,
    /// Those who are told of events: the one of this configuration, and earlier ones that have not finished.
    recorders: Vec<Recorder>,
    pool: Pool,
    rates: Rates,
    /// Who was accepted and may not be logged in yet, in the order of their deadlines.
    logins: VecDeque<(Instant, SlotId)>,
    phase: Phase,
    /// The administrator lets no new clients in.
    draining: bool,
    control: Control,
    publishing: Publishing,
    tally: Tally,
    certificates: Certificates,
    note: Note,
    /// Who was told to go, in the order of their deadlines.
    kicks: VecDeque<(Instant, SlotId)>,
    /// Of whom everything is logged.
    traced: Vec<Whom>,
    started: SystemTime,
    /// When the configuration in force was read.
    loaded: SystemTime,
    /// Why a later one is not in force; empty: there is none.
    reload_error: String,
    last_id: u64,
    served: u64,
    refused: u64,
    unlogged_refusals: u64,
    refusal_logged: Option<Instant>,
    /// Kept in reserve, so that a client can be told 421 when descriptors have run out.
    reserve: Option<OwnedFd>,
}

/// Serves until told to stop. Errors at the start are told on standard error, and the exit status is 1.
pub fn run(config: Config, source: ConfigSource) -> ExitCode {
    match start(config, source) {
        Ok(mut supervisor) => {
            memory::give_back_stack();
            let exit = supervisor.serve();
            supervisor.finish_recording();
            exit
        }
        Err(failure) => {
            log::error(&failure);
            ExitCode::FAILURE
        }
    }
}

fn start(config: Config, source: ConfigSource) -> Result<Supervisor, Failure> {
    open_log(&config)?;
    let descriptors = DescriptorLimit::raise(descriptors_for(config.listen.max_sessions.get()))?;
    let listen::Inherited { activated: mut listeners, mut kept } = listen::inherited()?;
    let activated = !listeners.is_empty();
    let left: Vec<_> = kept.iter().map(|listener| listener.address).collect();
    if !activated {
        listeners = listen::bind(&config.listen.all_addresses(), &mut kept)?;
    }
    capabilities::trim_supervisor(config.hook.values().any(|hook| hook.account == "root"))?;
    warn_of_missing_rights(&config);
    // From here on the environment is empty but for what talks to the service manager.
    title::claim();
    title::set("ftpd: supervisor");
    let signals = Signals::watch()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| "make an epoll set".into())?;
    epoll
        .add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS_TOKEN))
        .doing(|| "watch signals".into())?;
    let (telling, recorder) = recording::prepare(&config, descriptors)?;
    let inheritance = Rc::new(Inheritance::prepare(config, descriptors, telling)?);
    let rates = Rates::new(&inheritance.config);
    let mut supervisor = Supervisor {
        source,
        descriptors,
        inheritance,
        plugs: Plugs::default(),
        epoll,
        signals,
        listeners,
        activated,
        accepting: false,
        rest_until: None,
        counts: Counts::default(),
        penalties: Penalties::default(),
        times: Times::new(Instant::now()),
        naming: Naming::default(),
        recorders: Vec::new(),
        pool: Pool::new()?,
        rates,
        logins: VecDeque::new(),
        phase: Phase::Serving,
        draining: false,
        control: Control::default(),
        publishing: Publishing::default(),
        tally: Tally::default(),
        certificates: Certificates::default(),
        note: Note::new(),
        kicks: VecDeque::new(),
        traced: Vec::new(),
        started: SystemTime::now(),
        loaded: SystemTime::now(),
        reload_error: String::new(),
        last_id: 0,
        served: 0,
        refused: 0,
        unlogged_refusals: 0,
        refusal_logged: None,
        reserve: clients::reserve(),
    };
    supervisor.begin_naming();
    supervisor.begin_recording(recorder);
    supervisor.begin_control();
    supervisor.remember_bans();
    supervisor.begin_publishing();
    supervisor.set_accepting(true)?;
    supervisor.hand_in_listeners(left);
    for listener in &supervisor.listeners {
        log::notice(format_args!("listening on {}", listener.address));
    }
    log::info(format_args!("Landlock protection of sessions: {}", landlock::offered()));
    let addresses: Vec<_> = supervisor.listeners.iter().map(|listener| listener.address).collect();
    supervisor.source.announce(&addresses);
    notify(&[NotifyState::Ready]);
    supervisor.plugs.renew();
    Ok(supervisor)
}

/// A link, a life pipe and a pidfd for each session; of spare workers too; and some of our own.
pub(crate) fn descriptors_for(max_sessions: u32) -> u64 {
    (u64::from(max_sessions) + 256) * 3 + 64
}

fn open_log(config: &Config) -> Result<(), Failure> {
    log::open(&config.log).doing(|| format!("open the log {}", config.log.to))
}

/// The service manager may be absent; nothing depends on it.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// What the configuration asks for and a service manager has taken the right to, or the sight of.
fn warn_of_missing_rights(config: &Config) {
    if let Some(problem) = config.shows_tmp().filter(|_| mounts::has_private_tmp()) {
        log::warning(problem);
    }
    if nix::unistd::geteuid().is_root()
        && !capabilities::may_give_files_away()
        && let Some(problem) = config.gives_files_away()
    {
        log::warning(problem);
    }
}
