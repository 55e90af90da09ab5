//! A client behind TLS who does what a test wants, not what a library thinks is right.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};

use crate::accounts::PASSWORD;
use crate::anybody::Anybody;
use crate::client::patient;

/// A connection behind TLS.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client behind TLS, with the sessions that he can resume.
pub struct Secure {
    pub stream: Stream,
    pub config: Arc<ClientConfig>,
    unread: Vec<u8>,
}

/// A certificate, and its key.
pub type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Of a client who remembers his sessions.
pub fn client_config() -> Arc<ClientConfig> {
    client_config_of(&[&TLS13, &TLS12], None)
}

/// The same, with these versions and this certificate.
pub fn client_config_of(
    versions: &[&'static SupportedProtocolVersion],
    credentials: Option<Credentials>,
) -> Arc<ClientConfig> {
    let schemes = default_provider().signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(schemes)));
    let mut config = match credentials {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("certificate"),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// Puts TLS around a connection.
pub fn wrap(config: &Arc<ClientConfig>, socket: TcpStream) -> Stream {
    wrap_for(config, socket, "ftp.example")
}

/// The same, for a server of this name.
pub fn wrap_for(config: &Arc<ClientConfig>, socket: TcpStream, name: &str) -> Stream {
    let name = ServerName::try_from(name.to_string()).expect("name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("client");
    StreamOwned::new(connection, patient(socket))
}

/// What the server says to one line, or to none: its last line.
pub fn answer(socket: &mut TcpStream, line: &str) -> String {
    socket.write_all(line.as_bytes()).expect("the server takes what we send");
    let mut said = Vec::new();
    let is_last = |said: &[u8]| {
        let line = said
            .strip_suffix(b"\r\n")
            .unwrap_or_default()
            .rsplit(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        line.len() > 3 && line[3] == b' ' && line[..3].iter().all(u8::is_ascii_digit)
    };
    while !is_last(&said) {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a reply");
        said.push(byte[0]);
    }
    String::from_utf8_lossy(&said).trim_end().rsplit('\n').next().unwrap_or_default().to_string()
}

impl Secure {
    /// Says AUTH and shakes hands.
    pub fn connected() -> Secure {
        Secure::connected_as(&client_config())
    }

    /// The same, with a configuration of its own.
    pub fn connected_as(config: &Arc<ClientConfig>) -> Secure {
        let mut socket = patient(TcpStream::connect("127.0.0.1:21").expect("connection"));
        assert!(answer(&mut socket, "").starts_with("220"));
        Secure::upgraded(socket, config, "ftp.example")
    }

    /// AUTH, on a connection that has been greeted, to a server of this name.
    pub fn upgraded(mut socket: TcpStream, config: &Arc<ClientConfig>, name: &str) -> Secure {
        assert!(answer(&mut socket, "AUTH TLS\r\n").starts_with("234"));
        Secure { stream: wrap_for(config, socket, name), config: Arc::clone(config), unread: Vec::new() }
    }

    /// A client whose connection is protected already.
    pub fn over(stream: Stream, config: &Arc<ClientConfig>) -> Secure {
        Secure { stream, config: Arc::clone(config), unread: Vec::new() }
    }

    /// Whether both sides are content with the handshake; else why not.
    pub fn is_welcome(&mut self) -> Result<(), String> {
        self.stream.write_all(b"NOOP\r\n").map_err(|error| error.to_string())?;
        let mut byte = [0];
        match self.stream.read(&mut byte).map_err(|error| error.to_string())? {
            0 => Err("the end".into()),
            _ => {
                self.unread.push(byte[0]);
                self.expect(200);
                Ok(())
            }
        }
    }

    /// The same, logged in as alice with private data connections and TYPE I.
    pub fn logged_in() -> Secure {
        let mut client = Secure::connected();
        client.command("USER alice", 331);
        client.command(&format!("PASS {PASSWORD}"), 230);
        client.command("PBSZ 0", 200);
        client.command("PROT P", 200);
        client.command("TYPE I", 200);
        client
    }

    pub fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).expect("the server takes what we send");
    }

    /// All that the next reply says.
    pub fn command_whole(&mut self, line: &str) -> String {
        self.send(line);
        let mut whole = String::new();
        loop {
            let line = self.line();
            whole.push_str(&line);
            if line.len() > 3
                && line.as_bytes()[3] == b' '
                && line.as_bytes()[..3].iter().all(u8::is_ascii_digit)
            {
                return whole;
            }
        }
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            let text = line.as_bytes();
            if text.len() > 3 && text[..3].iter().all(u8::is_ascii_digit) && text[3] == b' ' {
                return line.trim_end().to_string();
            }
        }
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).expect("a reply");
            assert!(length > 0, "the server closed the connection");
            self.unread.extend_from_slice(&bytes[..length]);
        }
    }

    pub fn expect(&mut self, code: u16) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(&code.to_string()), "expected {code}, got {reply}");
        reply
    }

    pub fn command(&mut self, line: &str, code: u16) -> String {
        self.send(line);
        self.expect(code)
    }

    /// A data connection without TLS yet.
    pub fn passive(&mut self) -> TcpStream {
        let reply = self.command("EPSV", 229);
        let port: u16 = reply.split('|').nth(3).and_then(|port| port.parse().ok()).expect("port");
        patient(TcpStream::connect(("127.0.0.1", port)).expect("data connection"))
    }
    /// The names in the working directory.
    pub fn list(&mut self) -> String {
        let data = self.passive();
        self.command("NLST", 150);
        let mut listing = String::new();
        wrap(&self.config, data).read_to_string(&mut listing).expect("a clean end");
        self.expect(226);
        listing
    }
    /// Ends TLS, as the server does; the connection goes on without it.
    pub fn into_plain(mut self) -> TcpStream {
        self.stream.conn.send_close_notify();
        self.stream.flush().expect("the server takes what we send");
        assert_eq!(self.stream.read(&mut [0; 100]).expect("the server's goodbye"), 0);
        self.stream.sock
    }
}
