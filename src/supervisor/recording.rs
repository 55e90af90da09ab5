//! The events process: forked for each configuration that wants one, replaced when it dies, and left to finish what it has
//! to do when there is a new configuration.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::wait::WaitStatus;

use super::limits::Refusal;
use super::pool::{Buried, Serving};
use super::{EVENTS_TOKEN, Supervisor};
use crate::config::Config;
use crate::events::{self, Ear, Plan, Telling};
use crate::exit::Exit;
use crate::ipc::occurrences::{What, Whom};
use crate::log;
use crate::system::process::{
    Child, DescriptorLimit, Forked, close_all_except, fork, silence_standard_input,
};
use crate::system::{Doing, Failure, capabilities, title};

/// One that died is replaced this much later.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

/// How long the last one may take to finish when the daemon has stopped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// An events process, and what the next one needs that takes its place.
pub struct Recorder {
    plan: Rc<Plan>,
    ear: Ear,
    descriptors: DescriptorLimit,
    child: Option<Child>,
    again: Option<Instant>,
}

/// What a configuration needs of an events process, made before it is in force.
pub fn prepare(
    config: &Config,
    descriptors: DescriptorLimit,
) -> Result<(Option<Telling>, Option<Recorder>), Failure> {
    let Some(plan) = Plan::of(config)? else { return Ok((None, None)) };
    let plan = Rc::new(plan);
    let (teller, ear) = plan.pair()?;
    let recorder = Recorder { plan: Rc::clone(&plan), ear, descriptors, child: None, again: None };
    Ok((Some(Telling { teller, plan }), Some(recorder)))
}

impl Supervisor {
    /// Tells of something that happened; costs nothing where nobody wants to know.
    pub(super) fn tell(&self, whom: &Whom, what: What) {
        if let Some(telling) = &self.inheritance.telling {
            telling.teller.tell(whom, what);
        }
    }

    /// From here on this one hears what happens. Earlier ones end when the last worker has that could tell them something.
    pub(super) fn begin_recording(&mut self, recorder: Option<Recorder>) {
        self.recorders.extend(recorder);
        self.fork_recorders();
    }

    /// Forks those that have no process.
    pub(super) fn fork_recorders(&mut self) {
        let now = Instant::now();
        for recorder in &mut self.recorders {
            if recorder.child.is_some() || recorder.again.is_some_and(|moment| now < moment) {
                continue;
            }
            recorder.again = None;
            let forked = recorder.fork().and_then(|child| {
                self.epoll
                    .add(&child, EpollEvent::new(EpollFlags::EPOLLIN, EVENTS_TOKEN))
                    .doing(|| "watch the events process".into())?;
                Ok(child)
            });
            match forked {
                Ok(child) => recorder.child = Some(child),
                Err(failure) => {
                    log::error(&failure);
                    recorder.again = Some(now + REPLACED_AFTER);
                }
            }
        }
    }

    /// One of them has ended: because it is not needed any more, or it will be replaced.
    pub(super) fn bury_recorders(&mut self) {
        let epoll = &self.epoll;
        self.recorders.retain_mut(|recorder| {
            if !recorder.child.as_ref().is_some_and(Child::has_ended) {
                return true;
            }
            let Some(child) = recorder.child.take() else { return true };
            let _ = epoll.delete(&child);
            match child.reap_within(Duration::ZERO) {
                WaitStatus::Exited(_, status) if status == Exit::Served as i32 => false,
                status => {
                    log::error(format_args!("the events process has died ({status:?}); it is replaced"));
                    recorder.again = Some(Instant::now() + REPLACED_AFTER);
                    true
                }
            }
        });
    }

    /// A client was turned away.
    pub(super) fn tell_of_refusal(&self, peer: SocketAddr, local: Option<SocketAddr>, refusal: &Refusal) {
        let whom = Whom { peer: Some(peer), local, ..Whom::default() };
        self.tell(&whom, What::Refused { why: refusal.to_string() });
    }

    /// A worker that ended as it should has told of the end itself.
    pub(super) fn tell_of_the_end(&self, buried: &Buried) {
        let Some(serving) = &buried.serving else { return };
        let told = [Exit::Served as i32, Exit::PeerGone as i32];
        if matches!(buried.status, WaitStatus::Exited(_, status) if told.contains(&status)) {
            return;
        }
        let why = "its worker has failed".to_string();
        let what = What::Disconnected { why, files: 0, sent: 0, received: 0, micros: 0 };
        self.tell(&whom(serving.id, serving), what);
    }

    /// When the next is to be forked.
    pub(super) fn next_recorder(&self) -> Option<Instant> {
        self.recorders.iter().filter_map(|recorder| recorder.again).min()
    }

    /// The daemon ends: what was told is still dealt with, for a while.
    pub(super) fn finish_recording(self) {
        if let Some(telling) = &self.inheritance.telling {
            telling.teller.tell_of_the_end(LAST_WORDS.as_secs() as u32);
        }
        // With it goes the last end through which something could be told.
        drop(self.inheritance);
        let deadline = Instant::now() + 2 * LAST_WORDS;
        for child in self.recorders.into_iter().filter_map(|recorder| recorder.child) {
            child.reap_within(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// Whom the supervisor has accepted.
fn whom(session: u64, serving: &Serving) -> Whom {
    let login = serving.known.login.as_ref();
    Whom {
        session,
        peer: Some(serving.peer),
        local: Some(serving.local),
        host: login.map(|login| login.host.clone()).unwrap_or_default(),
        user: login.map(|login| login.user.clone()).unwrap_or_default(),
        ..Whom::default()
    }
}

impl Recorder {
    fn fork(&self) -> Result<Child, Failure> {
        match fork()? {
            Forked::Child => self.become_recorder(),
            Forked::Parent(child) => Ok(child),
        }
    }

    fn become_recorder(&self) -> ! {
        title::set("ftpd: events");
        log::set_subject(log::Subject::default());
        let exit = match self.confine() {
            Ok(()) => events::run(&self.plan, &self.ear),
            Err(failure) => {
                log::error(&failure);
                Exit::NotConfined
            }
        };
        exit.now()
    }

    /// It outlives the supervisor until it has done what it was told of. What a terminal sends is not for it.
    fn confine(&self) -> Result<(), Failure> {
        nix::unistd::setsid().doing(|| "leave the terminal".into())?;
        let mut kept = vec![self.ear.as_fd().as_raw_fd()];
        kept.extend(log::descriptor());
        close_all_except(&kept);
        silence_standard_input()?;
        self.descriptors.restore()?;
        capabilities::keep_for_programs()
    }
}
