//! The connection to the daemon: a request, then its answers.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::ipc::control::{Answer, AskingLink, PROTOCOL, Request};
use crate::ipc::link::Link;
use crate::system::local_socket;

/// A daemon that listens.
pub struct Connection {
    link: AskingLink,
}

/// Why something was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The configuration that the command line names cannot be read.
    Configuration { path: PathBuf, cause: io::Error },
    /// There is no daemon at the socket, or none that may be spoken to.
    Unreachable { path: PathBuf, cause: io::Error },
    /// The process that listens at the socket belongs neither to root nor to who asks.
    Stranger { path: PathBuf, uid: u32 },
    /// The daemon speaks another language.
    OtherVersion(String),
    /// The daemon has ended, or has had enough of us.
    Gone,
    /// The daemon does not do it, and says why.
    Refused(String),
    /// It cannot be printed.
    Output(io::Error),
}

impl Trouble {
    /// See `main`.
    pub fn exit_status(&self) -> u8 {
        match self {
            Trouble::Refused(_) | Trouble::Output(_) => 1,
            Trouble::Configuration { .. } => 2,
            Trouble::Unreachable { .. }
            | Trouble::Stranger { .. }
            | Trouble::OtherVersion(_)
            | Trouble::Gone => 3,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Configuration { path, cause } => write!(f, "{}: {cause}", path.display()),
            Trouble::Unreachable { path, cause } => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    write!(f, "no daemon listens at {}", path.display())
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "{}: only root may control the daemon", path.display())
                }
                _ => write!(f, "{}: {cause}", path.display()),
            },
            Trouble::Stranger { path, uid } => {
                write!(f, "{}: who listens there is not root, but uid {uid}", path.display())
            }
            Trouble::OtherVersion(version) => write!(
                f,
                "the daemon that runs is version {version}, and this is ftpctl {}; restart the daemon",
                env!("CARGO_PKG_VERSION")
            ),
            Trouble::Gone => f.write_str("the daemon has closed the connection"),
            Trouble::Refused(why) => f.write_str(why),
            Trouble::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl Connection {
    /// Connects, and makes sure of who is there.
    pub fn open(path: &Path) -> Result<Connection, Trouble> {
        let path = path.to_owned();
        let (socket, uid) = match local_socket::connect_to(&path) {
            Ok(connected) => connected,
            Err(cause) => return Err(Trouble::Unreachable { path, cause }),
        };
        if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
            return Err(Trouble::Stranger { path, uid });
        }
        let connection = Connection { link: Link::over(socket) };
        match connection.link.receive() {
            Ok(Some((Answer::Welcome { protocol: PROTOCOL, .. }, None))) => Ok(connection),
            Ok(Some((Answer::Welcome { version, .. }, None))) => Err(Trouble::OtherVersion(version)),
            // Whoever may not speak to the daemon is not told so by it.
            Ok(None) => Err(Trouble::Unreachable { path, cause: io::ErrorKind::PermissionDenied.into() }),
            Ok(Some(_)) | Err(_) => Err(Trouble::OtherVersion("(unknown)".into())),
        }
    }

    /// Asks, hands over each answer but the last, and returns the number in that one.
    pub fn ask(&self, request: &Request, mut each: impl FnMut(Answer)) -> Result<u64, Trouble> {
        // A daemon that has closed the connection may have said before why.
        let _ = self.link.send(request);
        loop {
            match self.link.receive() {
                Ok(Some((Answer::Done { count }, None))) => return Ok(count),
                Ok(Some((Answer::Failed { why }, None))) => return Err(Trouble::Refused(why)),
                Ok(Some((answer, None))) => each(answer),
                Ok(None | Some((_, Some(_)))) | Err(_) => return Err(Trouble::Gone),
            }
        }
    }

    /// Asks for something that has no answer but that it was done, for so many.
    pub fn order(&self, request: &Request) -> Result<u64, Trouble> {
        self.ask(request, |_| {})
    }

    /// Waits until the daemon has ended.
    pub fn wait_for_end(&self) {
        while let Ok(Some(_)) = self.link.receive() {}
    }
}
