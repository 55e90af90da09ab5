//! A named Unix socket of packets, for those alone who may speak to the daemon (unix(7)).

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, getsockopt, listen, socket,
    sockopt,
};
use nix::sys::stat::{Mode, umask};

/// How many may wait to be accepted.
const BACKLOG: i32 = 16;

/// Longer is no name of a socket (unix(7)): some bytes are left for the name it has at first.
const LONGEST_NAME: usize = 100;

/// A listening socket with a name, which goes with it.
pub struct LocalListener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode of the name, so that nobody else's is removed.
    identity: (u64, u64),
}

impl LocalListener {
    /// Listens at `path`, without blocking, for its owner alone (mode 0600), and makes the directory if there is none. What a
    /// daemon has left behind that is gone is replaced; where somebody listens already, that is `AddrInUse`.
    pub fn bind(path: &Path) -> io::Result<LocalListener> {
        if path.as_os_str().len() > LONGEST_NAME {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
            fs::DirBuilder::new().mode(0o755).recursive(true).create(directory)?;
        }
        refuse_what_is_in_use(path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        // Bound beside its place and then put there, so that the name is never that of a socket nobody listens at.
        let temporary = path.with_extension(std::process::id().to_string());
        let _ = fs::remove_file(&temporary);
        let mask = umask(Mode::from_bits_truncate(0o177));
        let bound = bind(socket.as_raw_fd(), &UnixAddr::new(&temporary)?);
        umask(mask);
        bound?;
        let placed = listen(&socket, Backlog::new(BACKLOG)?)
            .map_err(io::Error::from)
            .and_then(|()| fs::symlink_metadata(&temporary))
            .and_then(|metadata| fs::rename(&temporary, path).map(|()| metadata));
        if placed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let metadata = placed?;
        Ok(LocalListener { socket, path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a connection, if one waits, and says which user is at its other end. The connection does not block.
    pub fn accept(&self) -> io::Result<(OwnedFd, u32)> {
        let raw = accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        // SAFETY: the kernel has just made this descriptor for us.
        let connection = unsafe { OwnedFd::from_raw_fd(raw) };
        let uid = peer_uid(&connection)?;
        Ok((connection, uid))
    }
}

impl AsFd for LocalListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        if found.is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects to who listens at `path`, and says which user that is.
pub fn connect_to(path: &Path) -> io::Result<(OwnedFd, u32)> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let uid = peer_uid(&socket)?;
    Ok((socket, uid))
}

/// The user at the other end: who connected, or who listened (SO_PEERCRED).
fn peer_uid(connection: &OwnedFd) -> io::Result<u32> {
    Ok(getsockopt(connection, sockopt::PeerCredentials)?.uid())
}

/// What is at this place may be a socket that nobody listens at any more, and nothing else.
fn refuse_what_is_in_use(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(Errno::ENOTSOCK.into()),
        Ok(_) => {}
    }
    // Who listens there may not be accepting, and is not waited for.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(Errno::EAGAIN) => Err(io::ErrorKind::AddrInUse.into()),
        Err(Errno::ECONNREFUSED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
