//! Which loop moves a file through TLS for the least CPU time: how much is read, encrypted and sent at once. The loops
//! are those of the daemon's data connections, reduced to what costs; docs/performance.md tells what came of it.
//!
//! `cargo run --release -p ftpd-bench --bin tls-loops`, which wants 128 MiB in /dev/shm, and the daemon beside it for
//! a certificate.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::time::{ClockId, clock_gettime};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SignatureScheme};

#[path = "../../../tests/ftpd/anybody.rs"]
mod anybody;

use anybody::Anybody;

const SIZE: u64 = 64 << 20;
const ROUNDS: usize = 5;
const KIB: usize = 1 << 10;

/// A loop, with one number to choose.
struct Loop {
    name: &'static str,
    run: fn(&mut ServerConnection, &mut TcpStream, &File, usize) -> io::Result<()>,
    uploads: bool,
    sizes: &'static [usize],
}

const SIZES: &[usize] = &[16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB];

const LOOPS: &[Loop] = &[
    Loop { name: "download: pread, write, writev", run: send_vectored, uploads: false, sizes: SIZES },
    Loop {
        name: "download: pread, write, one send a record",
        run: send_records,
        uploads: false,
        sizes: SIZES,
    },
    Loop {
        name: "upload: recv into a buffer of our own, pwrite of as much",
        run: receive_own,
        uploads: true,
        sizes: SIZES,
    },
    Loop {
        name: "upload: rustls reads the socket, pwrite of",
        run: receive_direct,
        uploads: true,
        sizes: SIZES,
    },
    Loop {
        name: "upload: the same, pwrite of what rustls has decrypted",
        run: receive_chunks,
        uploads: true,
        sizes: &[64 * KIB],
    },
];

/// The kernel gathers the records: as many at once as rustls may buffer.
fn send_vectored(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    file: &File,
    piece: usize,
) -> io::Result<()> {
    tls.set_buffer_limit(Some(piece));
    send(tls, file, piece, |tls| tls.write_tls(socket))
}

/// What a socket does that has no writev.
fn send_records(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    file: &File,
    piece: usize,
) -> io::Result<()> {
    struct Unvectored<'a>(&'a mut TcpStream);
    impl Write for Unvectored<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    tls.set_buffer_limit(Some(piece));
    send(tls, file, piece, |tls| tls.write_tls(&mut Unvectored(socket)))
}

fn send(
    tls: &mut ServerConnection,
    file: &File,
    piece: usize,
    mut flush: impl FnMut(&mut ServerConnection) -> io::Result<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; piece];
    let mut at = 0;
    while at < SIZE {
        let read = file.read_at(&mut buffer, at)?;
        at += read as u64;
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let taken = tls.writer().write(rest)?;
            rest = &rest[taken..];
            while tls.wants_write() {
                flush(tls)?;
            }
        }
    }
    tls.send_close_notify();
    while tls.wants_write() {
        flush(tls)?;
    }
    Ok(())
}

/// The socket is read into a buffer of the loop's, which rustls reads.
fn receive_own(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    file: &File,
    piece: usize,
) -> io::Result<()> {
    let mut incoming = vec![0; piece];
    let (mut from, mut to) = (0, 0);
    receive(tls, file, piece, |tls| {
        if from == to {
            (from, to) = (0, socket.read(&mut incoming)?);
        }
        let mut waiting = &incoming[from..to];
        tls.read_tls(&mut waiting)?;
        from = to - waiting.len();
        Ok(())
    })
}

/// rustls reads the socket.
fn receive_direct(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    file: &File,
    piece: usize,
) -> io::Result<()> {
    receive(tls, file, piece, |tls| tls.read_tls(socket).map(drop))
}

fn receive(
    tls: &mut ServerConnection,
    file: &File,
    piece: usize,
    mut take_in: impl FnMut(&mut ServerConnection) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; piece];
    let (mut filled, mut at) = (0, 0);
    loop {
        match tls.reader().read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                take_in(tls)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            Err(error) => return Err(error),
        }
        if filled == buffer.len() {
            file.write_all_at(&buffer, at)?;
            at += filled as u64;
            filled = 0;
        }
    }
    file.write_all_at(&buffer[..filled], at)
}

/// No buffer behind rustls: each record is written as it was decrypted.
fn receive_chunks(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    file: &File,
    piece: usize,
) -> io::Result<()> {
    use std::io::BufRead;
    let mut incoming = vec![0; piece];
    let (mut from, mut to, mut at) = (0, 0, 0);
    loop {
        let mut reader = tls.reader();
        match reader.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => {
                file.write_all_at(bytes, at)?;
                let length = bytes.len();
                at += length as u64;
                reader.consume(length);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if from == to {
                    (from, to) = (0, socket.read(&mut incoming)?);
                }
                let mut waiting = &incoming[from..to];
                tls.read_tls(&mut waiting)?;
                from = to - waiting.len();
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, client) = configurations()?;
    let source = scratch(true)?;
    let mut seconds: Vec<Vec<f64>> =
        LOOPS.iter().flat_map(|one| one.sizes.iter().map(|_| Vec::new())).collect();
    for _ in 0..ROUNDS {
        let all = LOOPS.iter().flat_map(|one| one.sizes.iter().map(move |size| (one, *size)));
        for ((one, size), seconds) in all.zip(&mut seconds) {
            seconds.push(measure(one, size, &server, &client, &source)?);
        }
    }
    println!(
        "CPU seconds of the server for a GiB, medians of {ROUNDS} interleaved rounds, TLS 1.3 with AES-256-GCM:\n"
    );
    println!("| | 16 KiB | 32 KiB | 64 KiB | 128 KiB | 256 KiB |\n|---|---:|---:|---:|---:|---:|");
    let mut medians = seconds.iter_mut().map(|seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[ROUNDS / 2]
    });
    for one in LOOPS {
        let cells = SIZES.iter().map(|size| match one.sizes.contains(size) {
            true => medians.next().map_or_else(String::new, |median| format!("{median:.2}")),
            false => String::new(),
        });
        println!("| {} | {} |", one.name, cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// CPU seconds of the serving thread, for a GiB.
fn measure(
    one: &Loop,
    size: usize,
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    source: &File,
) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let target = scratch(false)?;
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| be_client(TcpStream::connect(address)?, client, one.uploads));
        let (mut socket, _) = listener.accept()?;
        let mut tls = ServerConnection::new(Arc::clone(server)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let before = cpu()?;
        (one.run)(&mut tls, &mut socket, if one.uploads { &target } else { source }, size)?;
        let used = cpu()? - before;
        drop(socket);
        peer.join().map_err(|_| io::Error::other("the client panicked"))??;
        if one.uploads && target.metadata()?.len() != SIZE {
            return Err(io::Error::other("the upload is not whole"));
        }
        Ok(used * (1u64 << 30) as f64 / SIZE as f64)
    })
}

fn be_client(mut socket: TcpStream, config: &Arc<ClientConfig>, uploads: bool) -> io::Result<()> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    if uploads {
        let piece = vec![7; 64 * KIB];
        for _ in 0..SIZE / piece.len() as u64 {
            tls.writer().write_all(&piece)?;
            while tls.wants_write() {
                tls.write_tls(&mut socket)?;
            }
        }
        tls.send_close_notify();
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
    }
    let mut nowhere = vec![0; 256 * KIB];
    while socket.read(&mut nowhere)? > 0 {}
    Ok(())
}

/// Seconds of this thread.
fn cpu() -> io::Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

fn scratch(filled: bool) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_TMPFILE | nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(nix::fcntl::AT_FDCWD, "/dev/shm", flags, nix::sys::stat::Mode::S_IRUSR)?;
    let mut file = File::from(file);
    let block = vec![7; 1 << 20];
    for _ in 0..if filled { SIZE >> 20 } else { 0 } {
        file.write_all(&block)?;
    }
    Ok(file)
}

fn configurations() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Box<dyn std::error::Error>> {
    let path = Path::new("/dev/shm").join(format!("tls-loops-{}.pem", std::process::id()));
    let ftpd = std::env::current_exe()?.with_file_name("ftpd");
    let mut make = Command::new(ftpd);
    make.args(["cert", "self-signed", "--name", "localhost"]).arg(&path).stdout(Stdio::null());
    if !make.status()?.success() {
        return Err("ftpd cert self-signed failed".into());
    }
    let chain = CertificateDer::pem_file_iter(&path)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&path)?;
    std::fs::remove_file(&path)?;
    let versions = &[&rustls::version::TLS13];
    let mut server = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.send_tls13_tickets = 0;
    let client = ClientConfig::builder_with_protocol_versions(versions)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(vec![SignatureScheme::ECDSA_NISTP256_SHA256])))
        .with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}
