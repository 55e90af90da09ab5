//! A client behind a proxy: who he is, before he is greeted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::farewell;
use crate::exit::Exit;
use crate::ipc::messages::{Admission, FromFrontend, Leaving, LoginLink, ToFrontend};
use crate::protocol::proxy::Header;
use crate::protocol::reply::{Code, Reply};

/// How long the proxy may take for its header, which it sends unasked.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// Reads the header of the proxy, and asks whether the client may be served; says who he is and where he connected to.
/// `ends`: those of the connection that the proxy made.
pub fn learn(
    connection: &mut Connection,
    worker: &LoginLink,
    ends: (SocketAddr, SocketAddr),
) -> Result<(SocketAddr, SocketAddr), Exit> {
    let (peer, local) = match connection.read_header(worker, Instant::now() + HEADER_LIMIT) {
        Ok(Header::Client { peer, local }) => (peer, local),
        Ok(Header::Itself) => ends,
        Err(why) => {
            let reply = match why {
                Leaving::Stopping | Leaving::Kicked => farewell(why),
                Leaving::Vanished => return Err(leave(worker, why)),
                _ => Reply::new(Code::NotAvailable, "This port is for a proxy."),
            };
            connection.send(&reply);
            return Err(leave(worker, why));
        }
    };
    if worker.send(&FromFrontend::Proxied { peer, local }).is_err() {
        return Err(Exit::PeerGone);
    }
    if !connection.await_worker(worker) {
        return Err(leave(worker, Leaving::Vanished));
    }
    match worker.receive() {
        Ok(Some((ToFrontend::Welcome(Admission::Yes), None))) => Ok((peer, local)),
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
