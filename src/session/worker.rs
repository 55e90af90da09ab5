//! The worker, as the session sees it: told what happened, asked for favours, obeyed when it says that the daemon is
//! stopping.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};

use nix::unistd::{Gid, fchown, getegid, getgroups};

use super::End;
use super::error::Error;
use super::names::Ask;
use super::protection::Holder;
use super::quota::covering::Keeper;
use crate::ipc::messages::{Event, FavourLink, FromSession, Leaving, ToSession};
use crate::system::ledger::Ledger;

/// What the worker has said unasked, also while it was asked for something else.
#[derive(Default)]
pub struct Orders {
    /// End as soon as nothing is being transferred.
    finishing: OnceLock<Leaving>,
    /// End now.
    leaving: OnceLock<Leaving>,
    /// What was to be counted has been, or could not be.
    counted: Mutex<Option<bool>>,
}

impl Orders {
    pub fn finish(&self, why: Leaving) {
        let _ = self.finishing.set(why);
    }

    /// Told twice, the client goes for the first reason.
    pub fn leave(&self, why: Leaving) {
        let _ = self.leaving.set(why);
    }

    /// Something has been counted.
    pub fn counted(&self, done: bool) {
        if let Ok(mut counted) = self.counted.lock() {
            *counted = Some(done);
        }
    }
}

/// This end of the link.
pub struct Worker {
    link: Arc<FavourLink>,
    /// What happened since the last wait: the client is told first.
    events: RefCell<Vec<Event>>,
    orders: Arc<Orders>,
    /// It was asked to have something counted, and has not answered yet.
    counts: Cell<bool>,
    /// The worker is gone, or broke the rules: nothing can be logged or asked any more.
    gone: Cell<bool>,
}

impl Worker {
    /// The session that uses the link, and what asks for names, share it.
    pub fn new(link: FavourLink) -> Rc<Worker> {
        Rc::new(Worker {
            link: Arc::new(link),
            events: RefCell::default(),
            orders: Arc::default(),
            counts: Cell::new(false),
            gone: Cell::new(false),
        })
    }

    /// Whether the session shall end as soon as nothing is being transferred, and why.
    pub fn must_finish(&self) -> Option<Leaving> {
        self.orders.finishing.get().copied()
    }

    /// Whether the session shall end now, whatever is being transferred, and why.
    pub fn must_leave(&self) -> Option<Leaving> {
        self.orders.leaving.get().copied()
    }

    /// Whether the session must end at once.
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// The client has been greeted.
    pub fn ready(&self, place: u8) {
        self.tell(&FromSession::Ready { place });
    }

    /// The session cannot begin.
    pub fn not_ready(&self, why: String) {
        self.tell(&FromSession::NotReady { why, text: "The session could not begin.".into() });
    }

    /// Something happened. The worker hears of it with the next wait.
    pub fn report(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    /// Tells the worker what happened.
    pub fn tell_events(&self) {
        for event in self.events.take() {
            self.tell(&FromSession::Event(event));
        }
    }

    /// Data begins to move that others have to share a rate with.
    pub fn moves(&self) {
        self.tell(&FromSession::Moves);
    }

    /// The session ends.
    pub fn left(&self, why: Leaving) {
        self.tell_events();
        self.tell(&FromSession::Left { why });
    }

    /// The session ends, and the client goes on; `ahead` is what is for whoever serves him next, `greeted` whether he has
    /// had his 220, `stays` whether he is still at this virtual host.
    pub fn reinitialize(&self, ahead: Vec<u8>, greeted: bool, stays: bool) {
        self.tell(&FromSession::Reinitialize { ahead, greeted, stays });
    }

    /// What asks for signatures.
    pub fn key_holder(&self) -> Holder {
        Holder { link: Arc::clone(&self.link), orders: Arc::clone(&self.orders) }
    }

    /// Asks for a favour and waits for the answer.
    pub fn ask(&self, question: &FromSession) -> Result<(ToSession, Option<OwnedFd>), End> {
        self.tell(question);
        self.answer()
    }

    /// Has an upload given to whom the rules say of a file of this name, or of its own if that is empty. Not `really`:
    /// asks whether that could be done. False: it is not possible, and the worker has said why.
    pub fn give_away(&self, file: BorrowedFd<'_>, name: &[u8], really: bool) -> Result<bool, End> {
        let message = FromSession::GiveAway { name: name.to_vec(), really };
        if self.gone.get() || self.link.send_with(&message, file).is_err() {
            self.gone.set(true);
        }
        match self.answer()? {
            (ToSession::Given { done: false, group: Some(gid) }, None) => {
                let group = Gid::from_raw(gid);
                Ok(match really {
                    true => fchown(file, None, Some(group)).is_ok(),
                    false => getegid() == group || getgroups().is_ok_and(|all| all.contains(&group)),
                })
            }
            (ToSession::Given { done, .. }, None) => Ok(done),
            _ => Err(self.misbehaves()),
        }
    }

    /// Has this counted. The answer comes when it comes; if one is still to come, that is the one to wait for.
    pub fn have_counted(&self, question: &FromSession, directory: Option<BorrowedFd<'_>>) {
        if self.counts.replace(true) || self.gone.get() {
            return;
        }
        let sent = match directory {
            Some(directory) => self.link.send_with(question, directory),
            None => self.link.send(question),
        };
        if sent.is_err() {
            self.gone.set(true);
        }
    }

    /// The answer, if it has come.
    pub fn take_counted(&self) -> Option<bool> {
        let done = self.orders.counted.lock().ok()?.take()?;
        self.counts.set(false);
        Some(done)
    }

    fn answer(&self) -> Result<(ToSession, Option<OwnedFd>), End> {
        while !self.gone.get() {
            match self.link.receive() {
                Ok(Some((ToSession::Counted { done }, _))) => self.orders.counted(done),
                Ok(Some((ToSession::Finish(why), _))) => self.orders.finish(why),
                Ok(Some((ToSession::Leave(why), _))) => self.orders.leave(why),
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) | Err(_) => self.gone.set(true),
            }
        }
        Err(End::WorkerGone)
    }

    /// Takes what the worker says unasked: that the daemon is stopping, that the client has to go, or that it is gone
    /// itself.
    pub fn hear(&self) -> Result<(), End> {
        match self.link.receive() {
            Ok(Some((ToSession::Finish(why), _))) => {
                self.orders.finish(why);
                Ok(())
            }
            Ok(Some((ToSession::Leave(why), _))) => {
                self.orders.leave(why);
                Ok(())
            }
            Ok(Some((ToSession::Counted { done }, _))) => {
                self.orders.counted(done);
                Ok(())
            }
            Ok(Some((
                ToSession::Name { .. }
                | ToSession::DataSocket
                | ToSession::Given { .. }
                | ToSession::Ledger { .. }
                | ToSession::NoLedger
                | ToSession::Doubted
                | ToSession::NoDataSocket { .. }
                | ToSession::Verdict { .. }
                | ToSession::Cleared { .. }
                | ToSession::NotCleared
                | ToSession::Signature { .. },
                _,
            )))
            | Ok(None)
            | Err(_) => Err(self.misbehaves()),
        }
    }

    /// An answer that fits no question: the session cannot go on.
    pub fn misbehaves(&self) -> End {
        self.gone.set(true);
        End::WorkerGone
    }

    fn tell(&self, message: &FromSession) {
        if !self.gone.get() && self.link.send(message).is_err() {
            self.gone.set(true);
        }
    }

    fn ask_name(&self, question: &FromSession) -> Option<String> {
        match self.ask(question).ok()? {
            (ToSession::Name { name }, None) => Some(name),
            _ => {
                self.misbehaves();
                None
            }
        }
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Ask for Rc<Worker> {
    fn user(&mut self, uid: u32) -> Option<String> {
        self.ask_name(&FromSession::UserName { uid })
    }

    fn group(&mut self, gid: u32) -> Option<String> {
        self.ask_name(&FromSession::GroupName { gid })
    }
}

impl Keeper for Rc<Worker> {
    fn open(&self, section: &str, directory: &OwnedFd, writable: bool) -> Result<(String, Ledger), Error> {
        let question = FromSession::OpenLedger { section: section.to_string() };
        if self.gone.get() || self.link.send_with(&question, directory.as_fd()).is_err() {
            self.gone.set(true);
        }
        match self.answer() {
            Ok((ToSession::Ledger { name }, Some(file))) => Ok((name, Ledger::of(file, writable)?)),
            Ok((ToSession::NoLedger, None)) => Err(Error::Busy),
            // Without a worker the session ends as soon as it has answered.
            Ok(_) | Err(_) => {
                self.misbehaves();
                Err(Error::Busy)
            }
        }
    }

    fn doubt(&self, uid: u32) {
        // Once the client knows that something has changed, its owner must know it, too.
        if !matches!(self.ask(&FromSession::Doubt { uid }), Ok((ToSession::Doubted, None))) {
            self.misbehaves();
        }
    }
}
