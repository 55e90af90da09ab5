//! The workers: forked ahead, handed a client each, and buried when every process of their connection is gone.
//!
//! A worker and all of its children hold the write end of one life pipe. Its end of file is the only thing that frees
//! a slot, so a slot is freed once, whoever of them died first and however.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, pipe2};

use super::caps::Known;
use super::limits::Key;
use super::rates::Pacing;
use crate::ipc::link::Link;
use crate::ipc::messages::{ToWorker, WorkerLink};
use crate::ipc::page::{Activity, PageView};
use crate::system::process::{Forked, fork, reap, signal};
use crate::system::shared_pages::Arena;
use crate::system::{Doing, Failure};
use crate::worker::Newborn;

/// Not more spare workers than this are forked in one turn of the loop, so that clients who are there are served first.
const LARGEST_BATCH: usize = 32;

/// After a spare worker died by itself, the next is forked this much later, and twice that each time it happens again.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Names a slot for as long as it is occupied; a stale one finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId {
    index: u32,
    generation: u32,
}

/// What of a slot an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The worker has sent a message, or has died.
    Link,
    /// Every process of the connection is gone.
    Life,
}

/// Tokens of events: the highest bits tell slots from everything else.
const SLOT_BIT: u64 = 1 << 63;
const LIFE_BIT: u64 = 1 << 62;

impl SlotId {
    /// Where the slot stands among all.
    pub fn index(self) -> usize {
        self.index as usize
    }

    fn token(self, part: Part) -> u64 {
        let life = if part == Part::Life { LIFE_BIT } else { 0 };
        SLOT_BIT | life | u64::from(self.generation & 0x3fff_ffff) << 32 | u64::from(self.index)
    }

    /// The slot that an event is about, if it is about one.
    pub fn of_token(token: u64) -> Option<(SlotId, Part)> {
        if token & SLOT_BIT == 0 {
            return None;
        }
        let part = if token & LIFE_BIT == 0 { Part::Link } else { Part::Life };
        let generation = (token >> 32) as u32 & 0x3fff_ffff;
        Some((SlotId { index: token as u32, generation }, part))
    }
}

/// A worker's connection.
pub struct Serving {
    /// The number of the connection, given when a worker gets it; 0 before.
    pub id: u64,
    /// When he came.
    pub since: SystemTime,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// The proxy that speaks for the client, and has named him.
    pub proxy: Option<SocketAddr>,
    /// What limits look at.
    pub known: Known,
    /// What he is counted by.
    pub counted: Vec<Key>,
    /// How fast he may be.
    pub pacing: Pacing,
    /// Whether the control connection of the session is behind TLS.
    pub tls: bool,
    /// The client was told to go.
    pub kicked: bool,
    /// Everything about him is logged.
    pub traced: bool,
    /// He was let move a file, and has not been seen without one since.
    pub moves_a_file: bool,
}

/// A worker and what belongs to it.
pub struct Slot {
    pid: Pid,
    link: WorkerLink,
    life: OwnedFd,
    /// What its session tells without a message.
    page: PageView,
    /// The pidfd of the session, to end it when the worker cannot.
    session: Option<OwnedFd>,
    /// None: spare.
    pub serving: Option<Box<Serving>>,
    retired: bool,
}

/// A slot that has become free.
pub struct Buried {
    pub pid: Pid,
    pub serving: Option<Box<Serving>>,
    pub status: WaitStatus,
}

/// All workers.
pub struct Pool {
    /// A page for each slot, with the number of the slot.
    pages: Arena,
    slots: Vec<(u32, Option<Slot>)>,
    free: Vec<u32>,
    spare: Vec<SlotId>,
    batch: usize,
    backoff: Duration,
    not_before: Option<Instant>,
}

impl Pool {
    pub fn new() -> Result<Pool, Failure> {
        Ok(Pool {
            pages: Arena::new()?,
            slots: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            batch: 1,
            backoff: FIRST_BACKOFF,
            not_before: None,
        })
    }

    /// How many workers wait for a client.
    pub fn spare(&self) -> usize {
        self.spare.len()
    }

    /// How many slots are occupied, by spare workers and serving ones.
    pub fn occupied(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many sessions say that they move data.
    pub fn transferring(&self) -> usize {
        let slots = self.slots.iter().filter_map(|(_, slot)| slot.as_ref());
        slots.filter(|slot| matches!(slot.page().activity(), Activity::Moving(_))).count()
    }

    /// All occupied slots.
    pub fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter_map(|(_, slot)| slot.as_mut())
    }

    /// Workers that serve somebody, in the order of their slots, which begin with `first`.
    pub fn serving_from(&self, first: usize) -> impl Iterator<Item = (SlotId, &Slot, &Serving)> {
        self.slots.iter().enumerate().skip(first).filter_map(|(index, (generation, slot))| {
            let slot = slot.as_ref()?;
            let id = SlotId { index: index as u32, generation: *generation };
            Some((id, slot, slot.serving.as_deref()?))
        })
    }

    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        let (generation, slot) = self.slots.get_mut(id.index as usize)?;
        if *generation != id.generation {
            return None;
        }
        slot.as_mut()
    }

    /// When spare workers may be forked again, if that is not now.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// How many spare workers to fork in this turn: more each turn while clients come faster than they are made.
    pub fn wanted(&mut self, spare_workers: usize, now: Instant) -> usize {
        if self.not_before.is_some_and(|moment| now < moment) {
            return 0;
        }
        self.not_before = None;
        let missing = spare_workers.saturating_sub(self.spare.len());
        let wanted = missing.min(self.batch);
        self.batch = if missing > wanted { (self.batch * 2).min(LARGEST_BATCH) } else { 1 };
        wanted
    }

    /// Forks a spare worker, which runs `worker` and never returns.
    pub fn spawn(&mut self, epoll: &Epoll, worker: impl FnOnce(Newborn)) -> Result<SlotId, Failure> {
        let (ours, theirs) = Link::pair().doing(|| "make the link of a worker".into())?;
        let (life, held) =
            pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).doing(|| "make the life pipe of a worker".into())?;
        let supervisor = nix::unistd::getpid();
        let index = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let page = PageView::new(self.pages.page(index as usize)?);
        // Whoever had it before is gone, with everything that could have written to it.
        page.clear();
        let claim = self.pages.claim(index as usize);
        let child = match fork()? {
            Forked::Child => {
                worker(Newborn { link: theirs, life: held, page: claim, supervisor });
                unreachable!("a worker ends its process")
            }
            Forked::Parent(child) => child,
        };
        if self.free.pop().is_none() {
            self.slots.push((0, None));
        }
        let (generation, slot) = &mut self.slots[index as usize];
        *generation = (*generation + 1) & 0x3fff_ffff;
        let id = SlotId { index, generation: *generation };
        let occupant =
            Slot { pid: child.pid(), link: ours, life, page, session: None, serving: None, retired: false };
        epoll
            .add(&occupant.link, EpollEvent::new(EpollFlags::EPOLLIN, id.token(Part::Link)))
            .and_then(|()| {
                epoll.add(&occupant.life, EpollEvent::new(EpollFlags::EPOLLIN, id.token(Part::Life)))
            })
            .doing(|| "watch a worker".into())?;
        *slot = Some(occupant);
        self.spare.push(id);
        Ok(id)
    }

    /// Hands a client to a spare worker. None: there is no spare worker left.
    pub fn serve(
        &mut self,
        serving: Box<Serving>,
        message: &ToWorker,
        client: BorrowedFd<'_>,
    ) -> Result<SlotId, Box<Serving>> {
        while let Some(id) = self.spare.pop() {
            let Some(slot) = self.get_mut(id) else { continue };
            // A worker that died meanwhile is found out here; its life pipe buries it.
            if slot.link.send_with(message, client).is_ok() {
                slot.serving = Some(serving);
                self.backoff = FIRST_BACKOFF;
                return Ok(id);
            }
        }
        Err(serving)
    }

    /// Spare workers go, since they have an old configuration or the daemon stops. They end with their links.
    pub fn retire_spare(&mut self, epoll: &Epoll) {
        for id in std::mem::take(&mut self.spare) {
            if let Some(slot) = self.get_mut(id) {
                slot.retired = true;
                let _ = slot.link.send(&ToWorker::End);
                let _ = epoll.delete(&slot.link);
            }
        }
    }

    /// Every process of this slot is gone: reaps the worker and frees the slot.
    pub fn bury(&mut self, epoll: &Epoll, id: SlotId) -> Option<Buried> {
        self.get_mut(id)?;
        let slot = self.slots[id.index as usize].1.take()?;
        self.free.push(id.index);
        self.spare.retain(|spare| *spare != id);
        // Closing them is not enough: a worker that was just forked holds them until it has closed what it does not
        // need, and for so long they would go on telling of their end.
        let _ = epoll.delete(&slot.life);
        // A retired worker's link has left the set already.
        let _ = epoll.delete(&slot.link);
        let status = reap(slot.pid);
        let ended_well = slot.retired || slot.serving.is_some();
        if !ended_well {
            self.not_before = Some(Instant::now() + self.backoff);
            self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        }
        Some(Buried { pid: slot.pid, serving: slot.serving, status })
    }
}

impl Slot {
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What its session says that it is doing.
    pub fn page(&self) -> PageView {
        self.page
    }

    /// The link to the worker.
    pub fn link(&self) -> &WorkerLink {
        &self.link
    }

    /// The client goes on with another worker; what is left of this one is no session any more.
    pub fn give_up_client(&mut self) -> Option<Box<Serving>> {
        self.retired = true;
        self.serving.take()
    }

    /// Remembers the session.
    pub fn set_session(&mut self, pidfd: OwnedFd) {
        self.session = Some(pidfd);
    }

    /// Ends the session of a worker that is gone: one that is stopped would not see that its link has ended.
    pub fn end_session(&self) {
        if let Some(session) = &self.session {
            let _ = signal(session.as_fd(), Signal::SIGKILL);
        }
    }

    /// Ends every process of the connection, whatever they do.
    pub fn kill(&self) {
        let _ = nix::sys::signal::kill(self.pid, Signal::SIGKILL);
        self.end_session();
    }
}
