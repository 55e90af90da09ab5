//! An FTP client that says exactly what it is told to say, and reads replies as RFC 959 section 4.2 defines them.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use ftpd::VERBS;
use ftpd::protocol::command::Command;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, bind, connect, send, setsockopt, socket,
    sockopt,
};

use crate::accounts::PASSWORD;

/// No answer of a healthy server takes this long: a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the server said.
pub struct Reply {
    pub code: u16,
    /// Every line, without its line end; the first and the last begin with the code.
    pub lines: Vec<String>,
}

impl Reply {
    /// The text of the last line.
    pub fn text(&self) -> &str {
        self.lines.last().and_then(|line| line.get(4..)).unwrap_or_default()
    }

    /// Whether it has the form of RFC 959 4.2: no inner line can be taken for the last one.
    pub fn in_form(&self) -> bool {
        let Some((_, before)) = self.lines.split_last() else { return false };
        before.iter().skip(1).all(|line| !line.starts_with(|first: char| first.is_ascii_digit()))
    }

    /// All lines, each followed by a line feed.
    pub fn whole(&self) -> String {
        self.lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join(" | "))
    }
}

/// A control connection.
pub struct Client {
    reader: BufReader<TcpStream>,
    last: String,
    /// Whether `last` waits for its final reply; `None` since several commands were under way at once, so that nobody
    /// knows which reply is whose.
    awaiting: Option<bool>,
}

impl Client {
    /// Connects to port 21 of 127.0.0.1; does not read the greeting.
    pub fn connect() -> Client {
        Client::connect_to((Ipv4Addr::LOCALHOST, 21).into())
    }

    pub fn connect_to(server: SocketAddr) -> Client {
        Client::over(TcpStream::connect(server).expect("connection to the server"))
    }

    /// Connects from this address of ours.
    pub fn connect_from(own: IpAddr, server: SocketAddr) -> Client {
        Client::over(connect_from(SocketAddr::new(own, 0), server).expect("connection to the server"))
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("write timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { reader: BufReader::new(stream), last: "(connected)".into(), awaiting: Some(true) }
    }

    /// Connects and reads the greeting.
    pub fn greeted() -> Client {
        let mut client = Client::connect();
        client.expect(220);
        client
    }

    /// Connects, logs in with the usual password, and asks for files as they are: at first, they are text.
    pub fn logged_in(user: &str) -> Client {
        let mut client = Client::greeted();
        client.log_in(user);
        client.command("TYPE I", 200);
        client
    }

    pub fn log_in(&mut self, user: &str) {
        self.command(&format!("USER {user}"), 331);
        self.command(&format!("PASS {PASSWORD}"), 230);
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.last = line.into();
        let awaiting = self.awaiting;
        self.send_bytes(format!("{line}\r\n").as_bytes());
        self.awaiting = (awaiting == Some(false)).then_some(true);
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.awaiting = None;
        self.reader.get_mut().write_all(bytes).expect("the server takes what we send");
    }

    /// Sends bytes of which the last is urgent.
    pub fn send_urgent(&self, bytes: &[u8]) {
        let sent = send(self.reader.get_ref().as_raw_fd(), bytes, MsgFlags::MSG_OOB);
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// Reads a reply; fails the test if there is none or it is malformed.
    pub fn read_reply(&mut self) -> Reply {
        self.next_reply().unwrap_or_else(|| panic!("the server closed the connection after {}", self.last))
    }

    /// Reads a reply, or `None` if the server closed the connection instead. Its form must be right, and the row of the
    /// verb that it answers must promise its code.
    pub fn next_reply(&mut self) -> Option<Reply> {
        let reply = self.read_lines()?;
        assert!(reply.in_form(), "an inner line that begins with a digit: {reply}");
        if self.awaiting == Some(true) {
            let verb = Command::parse(self.last.as_bytes()).verb;
            let row = VERBS.iter().find(|row| row.name == verb);
            let promised = row.is_none_or(|row| row.may_answer(reply.code));
            assert!(promised, "the row of {verb} does not promise: {reply}");
        }
        if reply.code >= 200 {
            self.awaiting = self.awaiting.map(|_| false);
        }
        Some(reply)
    }

    fn read_lines(&mut self) -> Option<Reply> {
        let first = self.read_line()?;
        let code = first.get(..3).and_then(|digits| digits.parse().ok());
        let code: u16 = code.unwrap_or_else(|| panic!("not a reply to {}: {first:?}", self.last));
        let several = match first.as_bytes().get(3) {
            Some(b' ') => false,
            Some(b'-') => true,
            _ => panic!("neither space nor hyphen behind the code: {first:?}"),
        };
        let mut lines = vec![first];
        if !several {
            return Some(Reply { code, lines });
        }
        loop {
            let line = self.read_line().expect("the rest of a reply of several lines");
            let ends = line.strip_prefix(&code.to_string()).is_some_and(|rest| rest.starts_with(' '));
            lines.push(line);
            if ends {
                return Some(Reply { code, lines });
            }
        }
    }

    /// Reads so many bytes that are no reply, such as those of Telnet.
    pub fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).expect("bytes of the server");
        bytes
    }

    fn read_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no reply to {}: {error}", self.last),
        }
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a line without CR LF: {line:?}"));
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "a stray line end: {line:?}");
        Some(String::from_utf8_lossy(line).into_owned())
    }

    /// Reads a reply, which must have this code.
    pub fn expect(&mut self, code: u16) -> Reply {
        let reply = self.read_reply();
        assert_eq!(reply.code, code, "to {} the server said: {reply}", self.last);
        reply
    }

    /// Sends a line and reads the reply, which must have this code.
    pub fn command(&mut self, line: &str, code: u16) -> Reply {
        self.send(line);
        self.expect(code)
    }

    /// The server has nothing more to say: the next thing is the end of the connection.
    pub fn expect_end(&mut self) {
        if let Some(reply) = self.next_reply() {
            panic!("expected the end of the connection, got: {reply}");
        }
    }

    /// Whether the server has not ended the connection, as far as that has been seen; takes nothing that it has said.
    pub fn is_open(&self) -> bool {
        let hangup = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        let mut watched = [PollFd::new(self.reader.get_ref().as_fd(), hangup)];
        poll(&mut watched, PollTimeout::ZERO).expect("poll") == 0
    }

    /// The server's address, as this connection has it.
    pub fn server(&self) -> SocketAddr {
        self.reader.get_ref().peer_addr().expect("address of the server")
    }

    /// Our address, as this connection has it.
    pub fn own(&self) -> SocketAddr {
        self.reader.get_ref().local_addr().expect("own address")
    }

    /// Asks for a passive port with EPSV; does not connect.
    pub fn passive_address(&mut self) -> SocketAddr {
        let reply = self.command("EPSV", 229);
        let port = reply.text().split('|').nth(3).and_then(|port| port.parse().ok());
        SocketAddr::new(self.server().ip(), port.unwrap_or_else(|| panic!("no port in: {reply}")))
    }

    /// A passive data connection.
    pub fn passive(&mut self) -> TcpStream {
        let address = self.passive_address();
        patient(TcpStream::connect(address).expect("data connection"))
    }

    /// Asks for an active data connection with EPRT; the server will connect to this listener.
    pub fn active(&mut self) -> TcpListener {
        let own = self.own().ip();
        let listener = TcpListener::bind((own, 0)).expect("listener for the data connection");
        let port = listener.local_addr().expect("its address").port();
        let family = if own.is_ipv4() { 1 } else { 2 };
        self.command(&format!("EPRT |{family}|{own}|{port}|"), 200);
        listener
    }

    /// What a command such as RETR or LIST sends over a data connection; ends with 226.
    pub fn receive(&mut self, line: &str) -> Vec<u8> {
        let mut data = self.passive();
        self.command(line, 150);
        let mut content = Vec::new();
        data.read_to_end(&mut content).expect("data");
        self.expect(226);
        content
    }

    /// The same as text.
    pub fn receive_text(&mut self, line: &str) -> String {
        String::from_utf8(self.receive(line)).expect("UTF-8")
    }

    /// Sends data to a command such as STOR; ends with 226.
    pub fn transmit(&mut self, line: &str, content: &[u8]) {
        let mut data = self.passive();
        self.command(line, 150);
        data.write_all(content).expect("data");
        drop(data);
        self.expect(226);
    }

    /// Ends our direction of the connection.
    pub fn shut_down_sending(&self) {
        self.reader.get_ref().shutdown(Shutdown::Write).expect("shutdown");
    }

    /// The connection itself.
    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    /// Breaks the connection: the server sees a reset.
    pub fn reset(self) {
        reset(self.reader.into_inner());
    }
}

/// Gives up after `PATIENCE` instead of waiting for ever.
pub fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("write timeout");
    stream
}

/// Closes a connection so that the other side gets a reset, not an end of file.
pub fn reset(stream: TcpStream) {
    let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &at_once).expect("linger");
}

/// Connects from a certain address.
pub fn connect_from(own: SocketAddr, server: SocketAddr) -> nix::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(own))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(server))?;
    Ok(patient(TcpStream::from(socket)))
}
