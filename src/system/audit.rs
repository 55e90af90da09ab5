//! The audit log of the kernel (audit(7)): a record for each login and its end, which auditd(8) writes down.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// Numbers of linux/audit.h.
const AUDIT_USER_LOGIN: u16 = 1112;
const AUDIT_USER_LOGOUT: u16 = 1113;

/// linux/netlink.h: this is a request.
const NLM_F_REQUEST: u16 = 1;

/// Somebody logs in or out.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user, as he said it.
    pub user: &'a str,
    /// The account, once it is known.
    pub uid: Option<u32>,
    /// Where he comes from.
    pub peer: IpAddr,
}

impl Login<'_> {
    /// He has logged in, or has tried to.
    pub fn attempt(&self, success: bool) -> io::Result<()> {
        send(AUDIT_USER_LOGIN, &self.text("login", success))
    }

    /// He is gone.
    pub fn end(&self) -> io::Result<()> {
        send(AUDIT_USER_LOGOUT, &self.text("logout", true))
    }

    /// The fields in the order in which login programs write them.
    fn text(&self, operation: &str, success: bool) -> String {
        let who = match self.uid {
            Some(uid) => format!("id={uid}"),
            None => format!("acct={}", value(self.user)),
        };
        let program = std::env::current_exe().unwrap_or_default();
        let program = value(&program.to_string_lossy());
        let peer = self.peer.to_canonical();
        let result = if success { "success" } else { "failed" };
        format!("op={operation} {who} exe={program} hostname={peer} addr={peer} terminal=ftp res={result}")
    }
}

/// Text that others have chosen: in quotes, or, where that could be misread, in hexadecimal.
fn value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    match !text.is_empty() && text.bytes().all(plain) {
        true => format!("\"{text}\""),
        false => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
    }
}

/// A netlink message (netlink(7)): a header of 16 bytes, and the text. The answer is not waited for.
fn send(kind: u16, text: &str) -> io::Result<()> {
    let mut message = Vec::with_capacity(16 + text.len() + 4);
    message.extend_from_slice(&(16 + text.len() as u32 + 1).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(text.as_bytes());
    message.push(0);
    while message.len() % 4 != 0 {
        message.push(0);
    }
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket(2) takes three integers and returns a new descriptor or -1.
    let raw = Errno::result(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_AUDIT) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // An unconnected netlink socket sends to the kernel.
    nix::sys::socket::send(socket.as_raw_fd(), &message, nix::sys::socket::MsgFlags::MSG_DONTWAIT)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_add_a_field() {
        let peer = "::ffff:192.0.2.1".parse().unwrap();
        let login = Login { user: "alice", uid: Some(2001), peer };
        let text = login.text("login", true);
        assert!(text.starts_with("op=login id=2001 exe="), "{text}");
        assert!(text.ends_with(" hostname=192.0.2.1 addr=192.0.2.1 terminal=ftp res=success"), "{text}");
        let login = Login { user: "x\" res=success \n", uid: None, peer };
        let text = login.text("login", false);
        assert!(text.contains(" acct=7822207265733D73756363657373200A exe="), "{text}");
        assert!(text.ends_with(" res=failed"), "{text}");
    }
}
