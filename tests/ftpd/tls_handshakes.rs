//! Handshakes that are not to become sessions: left in the middle by the hundreds, of browsers, and of nobody who speaks TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::client::{Client, connect_from, patient, reset};
use crate::process::Process;
use crate::secure::{Secure, answer, client_config, client_config_of, wrap_for};
use crate::server::{Server, wait_until};
use crate::tls_clients::start;
use crate::world::{DAEMON, World};

tests! {
    handshakes_that_are_left_in_the_middle_cost_nothing_that_lasts
    a_browser_at_the_port_is_sent_away
    processes_behind_tls_ask_the_kernel_for_nothing_they_may_not
}

/// How many handshakes begin.
const BEGINNINGS: usize = 10_000;

/// How many of them are there at the same time.
const AT_ONCE: usize = 40;

/// What a client says first.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from("ftp.example").expect("name");
    let mut client = ClientConnection::new(client_config(), name).expect("client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("hello");
    bytes
}

/// What the supervisor holds: descriptors, and memory in kB.
fn holdings(server: &Server) -> (usize, u64) {
    let supervisor = Process::read(server.pid()).expect("the supervisor");
    let memory = supervisor.field("VmRSS").trim_end_matches(" kB").trim().parse().expect("memory");
    (supervisor.descriptors().len(), memory)
}

fn handshakes_that_are_left_in_the_middle_cost_nothing_that_lasts() {
    let world = World::new();
    let settings = format!(
        "listen.max-sessions = {}\nlisten.max-sessions-per-address = {AT_ONCE}\nlisten.spare-workers = 4\n",
        AT_ONCE + 4
    );
    let server = start(&world, &settings);
    let hello = hello();
    let from: SocketAddr = (Ipv4Addr::new(127, 0, 0, 9), 0).into();
    let to: SocketAddr = (Ipv4Addr::LOCALHOST, 21).into();
    let begin = |number: usize| {
        let mut socket = patient(connect_from(from, to).expect("connection"));
        if answer(&mut socket, "").starts_with("421") {
            return None;
        }
        assert!(answer(&mut socket, "AUTH TLS\r\n").starts_with("234"));
        // From nothing to all of it, to which the server answers.
        let length = hello.len() * (number % 8) / 7;
        socket.write_all(&hello[..length]).expect("hello");
        if length == hello.len() {
            socket.read_exact(&mut [0; 100]).expect("the server's half");
        }
        Some(socket)
    };
    let mut first: Vec<TcpStream> = (0..AT_ONCE).map(|number| begin(number).expect("room")).collect();
    let (descriptors, memory) = holdings(&server);
    let mut number = AT_ONCE;
    while number < BEGINNINGS {
        // Others are served meanwhile.
        Secure::logged_in().command("NOOP", 200);
        for (index, socket) in first.drain(..).enumerate() {
            if index % 2 == 0 { reset(socket) } else { drop(socket) }
        }
        while first.len() < AT_ONCE {
            // Those before may have yet to be noticed gone.
            if let Some(socket) = begin(number) {
                first.push(socket);
                number += 1;
            }
        }
    }
    let (descriptors_then, memory_then) = holdings(&server);
    assert!(descriptors_then <= descriptors + 16, "{descriptors} and then {descriptors_then} descriptors");
    assert!(memory_then <= memory + 1024, "{memory} kB and then {memory_then} kB");
    drop(first);
    wait_until("all of it is over", || {
        let busy = server.processes().iter().filter(|process| process.title() == "ftpd: worker").count();
        (busy == 0).then_some(())
    });
    Secure::logged_in().command("NOOP", 200);
}

fn a_browser_at_the_port_is_sent_away() {
    let world = World::new();
    let server = start(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    let request = b"POST / HTTP/1.1\r\nHost: ftp.example\r\n\r\nUSER alice\r\nPASS x\r\n";
    // Without TLS; behind AUTH; and where TLS begins by itself, which is what a browser expects of a port.
    let mut client = Client::greeted();
    client.send_bytes(request);
    client.expect_end();
    let mut client = Secure::connected();
    client.stream.write_all(request).expect("request");
    let mut said = Vec::new();
    let _ = client.stream.read_to_end(&mut said);
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let mut browser = (*client_config()).clone();
    browser.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let browser = Arc::new(browser);
    let socket = TcpStream::connect("127.0.0.1:990").expect("connection");
    let mut stream = wrap_for(&browser, socket, "ftp.example");
    stream.write_all(request).expect("request");
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("220") && said.lines().count() == 1, "{said}");
    // Without TLS at a port where it begins by itself.
    let mut socket = patient(TcpStream::connect("127.0.0.1:990").expect("connection"));
    socket.write_all(request).expect("request");
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    assert!(!said.starts_with(b"220") && !said.starts_with(b"331"), "{said:?}");
    wait_until("all four are sent away", || {
        (server.log().matches("does not speak FTP").count() == 4).then_some(())
    });
}

fn processes_behind_tls_ask_the_kernel_for_nothing_they_may_not() {
    let world = World::new();
    let (configuration, trace) = (world.own_directory("etc").join("ftpd.toml"), world.own_directory("etc").join("calls"));
    drop(start(&world, "tls.client-certificates = \"request\"\nsession.clear-control = true\n"));
    let mut command = world.command("strace");
    // The daemon stays our child (-D); only calls that fail are of interest (-Z).
    command.args(["-D", "-f", "-qq", "-Z", "-o"]).arg(&trace);
    command.args([DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    world.give("alice", "file", "contents");
    let mut client = Secure::logged_in();
    assert_eq!(client.list(), "file\r\n");
    client.command("CCC", 200);
    let mut socket = client.into_plain();
    assert!(answer(&mut socket, "QUIT\r\n").starts_with("221"));
    // And one with a certificate, which is judged by a process of its own.
    let key = rcgen::KeyPair::generate().expect("key");
    let params = rcgen::CertificateParams::default();
    let own = params.self_signed(&key).expect("certificate").der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = client_config_of(&[&rustls::version::TLS13], Some((vec![own], key.into())));
    Secure::connected_as(&config).command("QUIT", 221);
    server.wait_for_log("the client has a certificate");
    wait_until("the session is over", || server.find("session").is_none().then_some(()));
    drop(server);
    let calls = std::fs::read_to_string(&trace).expect("calls");
    assert!(calls.contains("EAGAIN"), "calls are seen");
    // Every process that has dropped its rights tries to get them back, once.
    let tries = ["setuid(0)", "setresuid(-1, 0, -1)"];
    let refused: Vec<&str> = calls
        .lines()
        .filter(|line| line.contains("EPERM") || line.contains("SIGSYS"))
        .filter(|line| !tries.iter().any(|call| line.contains(call)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}
