//! An FTP client that costs next to nothing: downloads are discarded in the kernel, uploads are sent from the page
//! cache, so that what is measured is the server.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, recv};
use rustls::ClientConfig;

use crate::tls::{self, Wire};
use crate::world::{self, Account, PASSWORD};

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much one call moves at most.
const SLICE: usize = 4 << 20;

/// A control connection.
pub struct Client {
    control: Wire,
    /// With TLS around the control connection, there is TLS around data connections too.
    tls: Option<Arc<ClientConfig>>,
    buffer: Box<[u8; 4096]>,
    start: usize,
    end: usize,
    line: Vec<u8>,
    /// Where downloads go: never written, so never more than addresses.
    nowhere: Vec<u8>,
}

/// An upload of which nothing but the bytes is missing.
pub struct Upload {
    data: Wire,
    encrypted: Option<File>,
    size: u64,
}

/// What came of a listing.
pub struct Listed {
    /// Lines received.
    pub lines: usize,
    /// From the command to the first data.
    pub first: Duration,
    /// From the command to the reply that ends it.
    pub whole: Duration,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let control = TcpStream::connect(address)?;
        control.set_read_timeout(Some(PATIENCE))?;
        let (buffer, line, nowhere) = (Box::new([0; 4096]), Vec::new(), Vec::new());
        let mut client =
            Client { control: Wire::plain(control), tls: None, buffer, start: 0, end: 0, line, nowhere };
        client.expect(220)?;
        Ok(client)
    }

    /// AUTH TLS, with a handshake that resumes nothing.
    pub fn protect(&mut self) -> io::Result<()> {
        self.command("AUTH TLS", 234)?;
        let config = tls::config()?;
        self.control.protect(Arc::clone(&config))?;
        self.tls = Some(config);
        Ok(())
    }

    /// Has TLS around data connections too.
    pub fn protect_data(&mut self) -> io::Result<()> {
        self.command("PBSZ 0", 200)?;
        self.command("PROT P", 200)
    }

    /// Logs in.
    pub fn log_in(&mut self, account: &Account) -> io::Result<()> {
        self.send(&format!("USER {}", account.login))?;
        match self.reply()? {
            // Pure-FTPd wants no password of the anonymous.
            230 => Ok(()),
            331 => self.command(&format!("PASS {PASSWORD}"), 230),
            _ => Err(io::Error::other(format!("USER {}: {}", account.login, self.text()))),
        }
    }

    /// TYPE I.
    pub fn binary(&mut self) -> io::Result<()> {
        self.command("TYPE I", 200)
    }

    /// One round trip.
    pub fn noop(&mut self) -> io::Result<()> {
        // The replies differ: 200 as in RFC 959, 220 and 250 elsewhere.
        self.send("NOOP")?;
        match self.reply()? / 100 {
            2 => Ok(()),
            class => Err(io::Error::other(format!("NOOP answered {class}xx: {}", self.text()))),
        }
    }

    /// Says good-bye and waits for the answer.
    pub fn quit(mut self) -> io::Result<()> {
        self.command("QUIT", 221)
    }

    /// Downloads a file and forgets it; how many bytes came. With TLS those are the encrypted ones: nobody decrypts
    /// them, and since nobody sees the server say that it was all, this end says so when it must have come: vsftpd waits
    /// for that.
    pub fn retrieve(&mut self, path: &str, size: u64) -> io::Result<u64> {
        let mut enough = self.tls.is_some().then(|| tls::least_encrypted(size));
        let data = self.begin(&format!("RETR {path}"))?;
        if self.nowhere.is_empty() {
            self.nowhere = vec![0; SLICE];
        }
        let mut bytes = 0;
        loop {
            // TCP discards what is received with MSG_TRUNC.
            match recv(data.as_raw_fd(), &mut self.nowhere, MsgFlags::MSG_TRUNC) {
                Ok(0) => break,
                Ok(count) => bytes += count as u64,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if enough.take_if(|enough| bytes >= *enough).is_some() {
                data.say_end()?;
            }
        }
        // Some servers wait for this before they reply.
        drop(data);
        self.expect(226)?;
        Ok(bytes)
    }

    /// Downloads a file over a data connection that resumes the session of the last one, and decrypts it.
    pub fn retrieve_resuming(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let mut data = self.begin(&format!("RETR {path}"))?;
        if !data.is_resumed() {
            return Err(io::Error::other("the data connection was not resumed"));
        }
        let mut content = Vec::new();
        data.read_to_end(&mut content)?;
        drop(data);
        self.expect(226)?;
        Ok(content)
    }

    /// Uploads the first `size` bytes of a file.
    pub fn store(&mut self, path: &str, file: &File, size: u64) -> io::Result<()> {
        let upload = self.begin_store(path, file, size)?;
        self.finish_store(upload, file)
    }

    /// Begins to: everything but the bytes. With TLS, they are encrypted here.
    pub fn begin_store(&mut self, path: &str, file: &File, size: u64) -> io::Result<Upload> {
        let mut data = self.begin(&format!("STOR {path}"))?;
        Ok(match data.encrypt(&mut file.take(size), world::scratch_file()?)? {
            Some(encrypted) => Upload { data, size: encrypted.metadata()?.len(), encrypted: Some(encrypted) },
            None => Upload { data, encrypted: None, size },
        })
    }

    /// Goes on: the bytes, and the reply.
    pub fn finish_store(&mut self, upload: Upload, file: &File) -> io::Result<()> {
        let Upload { data, encrypted, size } = upload;
        let source = encrypted.as_ref().unwrap_or(file);
        let mut offset = 0;
        while (offset as u64) < size {
            let slice = (size - offset as u64).min(SLICE as u64) as usize;
            match sendfile64(&data, source, Some(&mut offset), slice) {
                Ok(0) => return Err(io::Error::other("the file to be sent is too short")),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        data.close()?;
        self.expect(226)
    }

    /// LIST or MLSD of a directory.
    pub fn list(&mut self, verb: &str, path: &str) -> io::Result<Listed> {
        let mut data = self.data_connection()?;
        let began = Instant::now();
        self.announce(&format!("{verb} {path}"))?;
        let mut buffer = vec![0; 256 << 10];
        let mut lines = 0;
        let mut first = None;
        loop {
            let count = data.read(&mut buffer)?;
            first.get_or_insert_with(|| began.elapsed());
            if count == 0 {
                break;
            }
            lines += memchr::memchr_iter(b'\n', &buffer[..count]).count();
        }
        drop(data);
        self.expect(226)?;
        Ok(Listed { lines, first: first.unwrap_or_default(), whole: began.elapsed() })
    }

    /// PASV, which every server has, and the connection.
    fn data_connection(&mut self) -> io::Result<Wire> {
        self.command("PASV", 227)?;
        let text = self.text();
        let numbers: Vec<u8> = text[4..]
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let [a, b, c, d, high, low] = numbers[..] else {
            return Err(io::Error::other(format!("no address in: {text}")));
        };
        let port = u16::from_be_bytes([high, low]);
        let data = TcpStream::connect((Ipv4Addr::new(a, b, c, d), port))?;
        data.set_read_timeout(Some(PATIENCE))?;
        Ok(Wire::plain(data))
    }

    /// Begins a transfer: PASV, the command, and the handshake.
    fn begin(&mut self, command: &str) -> io::Result<Wire> {
        let mut data = self.data_connection()?;
        self.announce(command)?;
        if let Some(config) = &self.tls {
            data.protect(Arc::clone(config))?;
        }
        Ok(data)
    }

    /// Says what is to be transferred.
    fn announce(&mut self, command: &str) -> io::Result<()> {
        self.send(command)?;
        match self.reply()? {
            125 | 150 => Ok(()),
            _ => Err(io::Error::other(format!("{command}: {}", self.text()))),
        }
    }

    fn command(&mut self, command: &str, code: u16) -> io::Result<()> {
        self.send(command)?;
        self.expect(code)
    }

    fn send(&mut self, command: &str) -> io::Result<()> {
        let mut line = String::with_capacity(command.len() + 2);
        line.push_str(command);
        line.push_str("\r\n");
        self.control.write_all(line.as_bytes())
    }

    fn expect(&mut self, code: u16) -> io::Result<()> {
        match self.reply()? == code {
            true => Ok(()),
            false => Err(io::Error::other(format!("expected {code}: {}", self.text()))),
        }
    }

    /// Reads a whole reply; its last line stays in `line`.
    fn reply(&mut self) -> io::Result<u16> {
        loop {
            self.read_line()?;
            if let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] = self.line[..] {
                return Ok([a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')));
            }
        }
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', unread) {
                self.line.extend_from_slice(&unread[..at]);
                self.start += at + 1;
                return Ok(());
            }
            self.line.extend_from_slice(unread);
            self.start = 0;
            self.end = self.control.read(&mut self.buffer[..])?;
            if self.end == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.line).trim_end().to_string()
    }
}
