//! The few things that a session may ask for because only root can do them.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use super::Client;
use super::giving::{Given, Giving};
use super::keys::KeyHolder;
use crate::ipc::link::Error;
use crate::ipc::messages::{SessionLink, ToSession};
use crate::log;
use crate::system::privileges::Account;
use crate::system::{accounts, socket};

/// The port that active data connections come from (RFC 959 5.2, ftp-data).
const FTP_DATA_PORT: u16 = 20;

/// Ports below this belong to services; nobody gets a connection of ours to them, unless the configuration says so.
const FIRST_ORDINARY_PORT: u16 = 1024;

/// What this uid is called, or nothing. Who has a number of his own goes by his name, which no database knows.
pub fn user_name(link: &SessionLink, own: &Account, uid: u32) -> Result<(), Error> {
    let own_name = || (uid == own.uid).then(|| own.name.clone());
    link.send(&ToSession::Name { name: accounts::user_name(uid).or_else(own_name).unwrap_or_default() })
}

/// What this gid is called, or nothing. The same holds for the group of such a number.
pub fn group_name(link: &SessionLink, own: &Account, gid: u32) -> Result<(), Error> {
    let own_name = || (gid == own.gid).then(|| own.name.clone());
    link.send(&ToSession::Name { name: accounts::group_name(gid).or_else(own_name).unwrap_or_default() })
}

/// A signature for the handshake of a data connection. `budget`: how many there may be.
pub fn signature(
    link: &SessionLink,
    keys: &mut KeyHolder,
    scheme: u16,
    message: &[u8],
    budget: u32,
) -> Result<(), Error> {
    link.send(&ToSession::Signature { bytes: keys.sign(scheme, message, budget).unwrap_or_default() })
}

/// A connection from the ftp-data port to a port of this client's own address. The session says which port and no more:
/// it cannot have a connection to anybody else.
pub fn data_socket(
    link: &SessionLink,
    client: &Client,
    port: u16,
    privileged: bool,
    dscp: Option<u32>,
) -> Result<(), Error> {
    if port < FIRST_ORDINARY_PORT && !privileged || port == 0 {
        return link.send(&ToSession::NoDataSocket { errno: libc::EACCES as u32 });
    }
    let local = SocketAddr::new(client.here.ip(), FTP_DATA_PORT);
    let peer = with_port(client.peer, port);
    match socket::connect_from(local, peer, dscp) {
        Ok(connection) => link.send_with(&ToSession::DataSocket, connection.as_fd()),
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO) as u32;
            link.send(&ToSession::NoDataSocket { errno })
        }
    }
}

/// Gives an upload to whom the rules say, or, if not `really`, finds out whether that could be done. The file is closed before
/// the answer: a writer's lock lasts as long as one descriptor of his file, and he may let go of it as soon as he knows.
pub fn give_away(
    link: &SessionLink,
    giving: Option<&Giving>,
    file: OwnedFd,
    name: &[u8],
    really: bool,
) -> Result<(), Error> {
    let given = giving.ok_or_else(|| "no rule gives anything away".to_string());
    let (done, group) = match given.and_then(|giving| giving.give(&file, name, really)) {
        Ok(Given::Done) => (true, None),
        Ok(Given::ByTheUser(group)) => (false, Some(group)),
        Err(why) => {
            log::error(format_args!("an upload cannot be given to whom it should belong: {why}"));
            (false, None)
        }
    };
    drop(file);
    link.send(&ToSession::Given { done, group })
}

/// Keeps the scope of a link-local address, which belongs to it.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}
