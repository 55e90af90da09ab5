//! PROCESS session: serves somebody who has logged in.
//!
//! *Runs as*    the user, for good: no capabilities, no new privileges, not dumpable, seccomp, Landlock; one for each login.
//! *Reads*      the client, files and data connections of the user, the worker's answers.
//! *May*        what the kernel lets this user do beneath the root directory of his session.
//! *Never*      becomes somebody else, starts a program, sees a password, a key or another session.
//! *Ends when*  the client leaves or is silent for too long, or the worker is gone.

pub mod authorize;
pub mod error;
pub mod facts;
pub mod files;
pub mod format;
mod glob;
mod lines;
mod list_options;
pub mod listing;
pub mod names;
mod targets;
mod temporary;
pub mod upload;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::config::{Data, SessionOptions};
use crate::exit::Exit;
use crate::ipc::messages::{FavourLink, FromSession};
use crate::protocol::verb::Entry;
use crate::system::privileges::Dropped;

/// All verbs there are, for the process that speaks with clients before their login.
pub const ENTRIES: &[Entry] = &[];

/// What a session begins with.
pub struct Start {
    /// The name that was proved.
    pub user: String,
    /// The options of this user.
    pub options: SessionOptions,
    /// How data connections are made.
    pub data: Data,
    /// The root directory: the jail, or `/`.
    pub root: OwnedFd,
    /// Where in it the session starts, absolute.
    pub home: Vec<u8>,
    /// /proc/self/fd, if there is a /proc: to give a name to a file that has none.
    pub descriptors: Option<OwnedFd>,
    /// The control connection.
    pub control: OwnedFd,
    /// The link to the worker.
    pub worker: FavourLink,
    /// The client's end of the control connection.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What the client is told when he is logged in (230), before the last line.
    pub greeting: Vec<String>,
}

/// Serves the client until he leaves. The first message to the worker is `Ready`.
pub fn run(_dropped: Dropped, start: Start) -> Exit {
    let _ = start.worker.send(&FromSession::Ready);
    Exit::Served
}
