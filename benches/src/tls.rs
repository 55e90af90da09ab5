//! TLS as the client speaks it: one version, one cipher and one group for every server, and certificates that nobody
//! looks at, so that what is measured is the server. What a large upload has to say is encrypted before the clock starts.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, SignatureScheme, Stream};

use crate::anybody::Anybody;

/// What every connection uses, for the text above the table.
pub const WHAT: &str = "TLS 1.3 with AES-256-GCM, and P-256 for keys and certificate";
/// The name in the certificate.
pub const NAME: &str = "localhost";
/// How much is encrypted in one go.
const PIECE: usize = 256 << 10;

/// What so many bytes need at the least, in the largest records there are (RFC 8446 5.2), but for a few that were read
/// with the handshake.
pub fn least_encrypted(bytes: u64) -> u64 {
    const RECORD: u64 = 1 << 14;
    const OVERHEAD: u64 = 5 + 1 + 16;
    (bytes + (bytes / RECORD) * OVERHEAD).saturating_sub(RECORD)
}

/// What the connections of one session have in common: data connections resume the control connection's session.
pub fn config() -> io::Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![kx_group::SECP256R1],
        ..default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(vec![SignatureScheme::ECDSA_NISTP256_SHA256])))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Ok(Arc::new(config))
}

/// A connection, with TLS around it or without.
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Without TLS.
    pub fn plain(socket: TcpStream) -> Wire {
        Wire { socket, tls: None }
    }

    /// Puts TLS around it.
    pub fn protect(&mut self, config: Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let mut tls = Box::new(ClientConnection::new(config, name).map_err(io::Error::other)?);
        while tls.is_handshaking() {
            tls.complete_io(&mut self.socket)?;
        }
        self.tls = Some(tls);
        Ok(())
    }

    /// Whether the handshake resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Writes to a file what has to go through the socket to say all of `source`, and that it is all. The file can
    /// then be sent as it is.
    pub fn encrypt(&mut self, source: &mut impl Read, mut into: File) -> io::Result<Option<File>> {
        let Some(tls) = &mut self.tls else { return Ok(None) };
        tls.set_buffer_limit(None);
        let mut piece = vec![0; PIECE];
        loop {
            let length = source.read(&mut piece)?;
            if length == 0 {
                tls.send_close_notify();
            }
            tls.writer().write_all(&piece[..length])?;
            while tls.wants_write() {
                tls.write_tls(&mut into)?;
            }
            if length == 0 {
                return Ok(Some(into));
            }
        }
    }

    /// Says without TLS that there is no more.
    pub fn say_end(&self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    /// Closes it. Behind TLS the other end is waited for: closing a socket that holds something unread, such as a
    /// ticket, would take back what was sent.
    pub fn close(mut self) -> io::Result<()> {
        if self.tls.is_none() {
            return Ok(());
        }
        self.say_end()?;
        let mut nowhere = [0; 4096];
        while self.socket.read(&mut nowhere)? > 0 {}
        Ok(())
    }
}

impl Read for Wire {
    /// With a timeout set, the kernel does not resume what stopping the process has interrupted.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let done = match &mut self.tls {
                None => self.socket.read(buffer),
                Some(tls) => Stream::new(&mut **tls, &mut self.socket).read(buffer),
            };
            match done {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.flush(),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
