//! A client before he is greeted: who he is, if a proxy speaks for him, and whether he may come in.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::farewell;
use crate::exit::Exit;
use crate::ipc::messages::{Admission, FromFrontend, Leaving, LoginLink, ToFrontend};
use crate::protocol::proxy::Header;
use crate::protocol::reply::{Code, Reply};

/// How long the proxy may take for its header, which it sends unasked.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// Reads the header of the proxy.
pub fn learn(connection: &mut Connection, worker: &LoginLink) -> Result<Header, Exit> {
    connection.read_header(worker, Instant::now() + HEADER_LIMIT).map_err(|why| {
        let reply = match why {
            Leaving::Stopping | Leaving::Kicked => farewell(why),
            Leaving::Vanished => return leave(worker, why),
            _ => Reply::new(Code::NotAvailable, "This port is for a proxy."),
        };
        connection.send(&reply);
        leave(worker, why)
    })
}

/// Waits until the worker has said that the client may come in. If not, the client is told why.
pub fn await_it(connection: &mut Connection, worker: &LoginLink) -> Result<(), Exit> {
    if !connection.await_worker(worker) {
        return Err(leave(worker, Leaving::Vanished));
    }
    match worker.receive() {
        Ok(Some((ToFrontend::Welcome(Admission::Yes), None))) => Ok(()),
        Ok(Some((ToFrontend::Welcome(Admission::No { text, .. }), None))) => {
            connection.send(&Reply::new(Code::NotAvailable, text));
            Err(Exit::Served)
        }
        Ok(Some((ToFrontend::Finish(why), None))) => {
            connection.send(&farewell(why));
            Err(leave(worker, why))
        }
        _ => Err(Exit::PeerGone),
    }
}

fn leave(worker: &LoginLink, why: Leaving) -> Exit {
    match worker.send(&FromFrontend::Left { why }) {
        Ok(()) => Exit::Served,
        Err(_) => Exit::PeerGone,
    }
}
