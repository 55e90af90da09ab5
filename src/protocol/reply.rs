//! Replies: a code of three digits, and one line of text or more (RFC 959 4.2).

use std::net::Ipv4Addr;

/// What a reply says, by its number, named for the situation. Order and meaning: RFC 959 4.2.2 and its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// The data connection is about to be used.
    Opening = 150,
    /// Done.
    Ok = 200,
    /// Nothing was done, because nothing had to be.
    Superfluous = 202,
    /// The state of the server, or what it can do.
    SystemStatus = 211,
    /// A listing over the control connection.
    DirectoryStatus = 212,
    /// A fact about a file, or the state of a transfer.
    FileStatus = 213,
    /// For people.
    Help = 214,
    /// The name of the system.
    SystemType = 215,
    /// The greeting.
    Ready = 220,
    /// Goodbye.
    Closing = 221,
    /// ABOR came when nothing was being transferred.
    NothingToAbort = 225,
    /// Every byte was sent, or written.
    TransferComplete = 226,
    /// PASV listens.
    Passive = 227,
    /// EPSV listens (RFC 2428).
    ExtendedPassive = 229,
    /// The session begins.
    LoggedIn = 230,
    /// 232: the same, and no password was needed (RFC 2228).
    LoggedInBySecurity = 232,
    /// AUTH: the handshake may begin (RFC 4217 4).
    Secure = 234,
    /// A change to the file system was made.
    FileOk = 250,
    /// The digest of a file, with its name (draft-twine-ftpmd5).
    FileDigest = 251,
    /// A directory was made, or this is the working directory.
    PathCreated = 257,
    /// A password, or the answer to a prompt.
    NeedPassword = 331,
    /// One more command is needed: RNTO, or a transfer after REST.
    NeedMore = 350,
    /// The connection is about to be closed by the server.
    NotAvailable = 421,
    /// There is no data connection.
    CannotOpenData = 425,
    /// The data connection broke, or ABOR ended it.
    TransferAborted = 426,
    /// The file is busy; the same command may work later.
    FileBusy = 450,
    /// The server failed while it was about it.
    LocalError = 451,
    /// No space.
    InsufficientStorage = 452,
    /// No such verb.
    Unrecognized = 500,
    /// The argument is wrong, or missing.
    BadArgument = 501,
    /// A verb of the RFCs that this server does not have.
    NotImplemented = 502,
    /// Something else has to come first.
    BadSequence = 503,
    /// The verb is known, this argument is not.
    NotImplementedForArgument = 504,
    /// Data connections have to be protected (RFC 4217 10.1).
    ProtectionRequired = 521,
    /// EPRT or EPSV named another network protocol (RFC 2428).
    UnknownProtocol = 522,
    /// Log in first; or: the login failed.
    NotLoggedIn = 530,
    /// 533: what is not protected cannot be cleared (RFC 2228).
    NotProtected = 533,
    /// It cannot be done so for reasons of policy (RFC 2228).
    DeniedByPolicy = 534,
    /// This level of protection does not exist here (RFC 4217 9).
    NoSuchProtection = 536,
    /// There is no such file, or it may not be used.
    FileUnavailable = 550,
    /// A quota or a limit was reached.
    StorageExceeded = 552,
    /// This name cannot be given to a file.
    NameNotAllowed = 553,
    /// REST asked for a place that the file does not have (RFC 3659 5.1).
    BadRestart = 554,
}

impl Code {
    /// All of them, in the order of their numbers.
    pub const ALL: &[Code] = &[
        Code::Opening,
        Code::Ok,
        Code::Superfluous,
        Code::SystemStatus,
        Code::DirectoryStatus,
        Code::FileStatus,
        Code::Help,
        Code::SystemType,
        Code::Ready,
        Code::Closing,
        Code::NothingToAbort,
        Code::TransferComplete,
        Code::Passive,
        Code::ExtendedPassive,
        Code::LoggedIn,
        Code::LoggedInBySecurity,
        Code::Secure,
        Code::FileOk,
        Code::FileDigest,
        Code::PathCreated,
        Code::NeedPassword,
        Code::NeedMore,
        Code::NotAvailable,
        Code::CannotOpenData,
        Code::TransferAborted,
        Code::FileBusy,
        Code::LocalError,
        Code::InsufficientStorage,
        Code::Unrecognized,
        Code::BadArgument,
        Code::NotImplemented,
        Code::BadSequence,
        Code::NotImplementedForArgument,
        Code::ProtectionRequired,
        Code::UnknownProtocol,
        Code::NotLoggedIn,
        Code::NotProtected,
        Code::DeniedByPolicy,
        Code::NoSuchProtection,
        Code::FileUnavailable,
        Code::StorageExceeded,
        Code::NameNotAllowed,
        Code::BadRestart,
    ];
    /// TLS on the data connection failed, or is not that of this client (RFC 4217 10.1). RFC 2428 has the same number.
    pub const DATA_NOT_PROTECTED: Code = Code::UnknownProtocol;

    /// The number.
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// A reply, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reply {
    code: Code,
    lines: Vec<Vec<u8>>,
    closes: bool,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: Code, text: impl Into<Vec<u8>>) -> Reply {
        Reply { code, lines: vec![text.into()], closes: matches!(code, Code::Closing | Code::NotAvailable) }
    }

    /// A reply of several lines. FEAT's and similar inner lines bring the space they begin with (RFC 2389 3.2).
    pub fn lines<L: Into<Vec<u8>>>(code: Code, lines: impl IntoIterator<Item = L>) -> Reply {
        let mut reply = Reply::new(code, "");
        let lines: Vec<Vec<u8>> = lines.into_iter().map(Into::into).collect();
        if !lines.is_empty() {
            reply.lines = lines;
        }
        reply
    }

    /// 257 with a path: in quotes, quotes within it doubled (RFC 959 appendix II).
    pub fn path_created(path: &[u8], comment: &str) -> Reply {
        let mut text = Vec::with_capacity(path.len() + comment.len() + 3);
        text.push(b'"');
        for &byte in path {
            text.push(byte);
            if byte == b'"' {
                text.push(byte);
            }
        }
        text.extend_from_slice(b"\" ");
        text.extend_from_slice(comment.as_bytes());
        Reply::new(Code::PathCreated, text)
    }

    /// 227: the address and port to connect to (RFC 959 4.1.2).
    pub fn passive(address: Ipv4Addr, port: u16) -> Reply {
        let [a, b, c, d] = address.octets();
        let [high, low] = port.to_be_bytes();
        Reply::new(Code::Passive, format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})."))
    }

    /// 229: the port to connect to (RFC 2428 3).
    pub fn extended_passive(port: u16) -> Reply {
        Reply::new(Code::ExtendedPassive, format!("Entering Extended Passive Mode (|||{port}|)."))
    }

    /// The same reply, after which the connection is closed.
    pub fn and_close(mut self) -> Reply {
        self.closes = true;
        self
    }

    /// What the reply says.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether the server closes the control connection behind this reply.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Appends what goes over the wire. An inner line that begins with a digit is indented, so that nobody takes it
    /// for the end of the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (last, inner) = self.lines.split_last().expect("a reply has at least one line");
        for (index, line) in inner.iter().enumerate() {
            if index == 0 {
                out.extend_from_slice(format!("{}-", self.code.number()).as_bytes());
                put_line(line, out);
            } else {
                encode_inner(line, out);
            }
        }
        out.extend_from_slice(format!("{} ", self.code.number()).as_bytes());
        put_line(last, out);
    }
}

/// Appends an inner line of a reply that is too long to be held in memory: the frame is made by whoever sends it.
pub fn encode_inner(line: &[u8], out: &mut Vec<u8>) {
    if line.first().is_some_and(u8::is_ascii_digit) {
        out.push(b' ');
    }
    put_line(line, out);
}

/// A line can hold no end of line: what it quotes was sent by somebody, or is the name of a file.
fn put_line(line: &[u8], out: &mut Vec<u8>) {
    out.extend(line.iter().map(|&byte| if matches!(byte, b'\r' | b'\n' | 0) { b'?' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_and_several() {
        assert_eq!(encoded(&Reply::new(Code::FileOk, "Renamed.")), "250 Renamed.\r\n");
        assert_eq!(
            encoded(&Reply::lines(Code::SystemStatus, ["Features:", " MDTM", "End"])),
            "211-Features:\r\n MDTM\r\n211 End\r\n"
        );
        assert_eq!(encoded(&Reply::lines(Code::Ok, [""; 0])), "200 \r\n");
    }

    #[test]
    fn inner_lines_that_begin_with_digits_are_indented() {
        assert_eq!(
            encoded(&Reply::lines(Code::LoggedIn, ["1st", "230 not the end", "2 left"])),
            "230-1st\r\n 230 not the end\r\n230 2 left\r\n"
        );
    }

    #[test]
    fn quotes_in_a_path_are_doubled() {
        assert_eq!(encoded(&Reply::path_created(b"/a \"b\"", "made.")), "257 \"/a \"\"b\"\"\" made.\r\n");
    }

    #[test]
    fn addresses_are_written_as_the_rfcs_say() {
        assert_eq!(
            encoded(&Reply::passive(Ipv4Addr::new(192, 0, 2, 7), 50001)),
            "227 Entering Passive Mode (192,0,2,7,195,81).\r\n"
        );
        assert_eq!(
            encoded(&Reply::extended_passive(50001)),
            "229 Entering Extended Passive Mode (|||50001|).\r\n"
        );
    }

    #[test]
    fn goodbyes_close_and_others_only_when_told() {
        assert!(Reply::new(Code::Closing, "").closes() && Reply::new(Code::NotAvailable, "").closes());
        assert!(!Reply::new(Code::NotLoggedIn, "").closes());
        assert!(Reply::new(Code::NotLoggedIn, "").and_close().closes());
    }

    proptest! {
        #[test]
        fn a_client_finds_the_end_of_every_reply(lines: Vec<Vec<u8>>) {
            let mut out = Vec::new();
            Reply::lines(Code::FileStatus, lines.clone()).encode(&mut out);
            let sent: Vec<&[u8]> = out.strip_suffix(b"\r\n").unwrap().split(|byte| *byte == b'\n').collect();
            prop_assert_eq!(sent.len(), lines.len().max(1));
            let last = sent.len() - 1;
            for (index, line) in sent.iter().enumerate() {
                prop_assert_eq!(index == last, line.starts_with(b"213 "));
                prop_assert_eq!(line.iter().filter(|byte| **byte == b'\r').count(), usize::from(index != last));
            }
        }
    }
}
