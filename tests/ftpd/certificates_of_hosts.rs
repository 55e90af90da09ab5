//! Which certificate a client is shown: of the virtual host that he has chosen, by SNI, HOST (RFC 7151) or address; and what
//! its issuer says of it (OCSP).

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::accounts::PASSWORD;
use crate::client::patient;
use crate::secure::{Secure, answer, client_config, wrap_for};
use crate::server::Server;
use crate::tls_clients::{certificate, run, s_client, start};
use crate::world::World;

tests! {
    a_client_is_shown_the_certificate_of_the_host_he_names
    a_client_is_shown_the_certificate_of_the_host_he_connects_to
    host_and_the_name_of_the_handshake_agree
    logging_out_forgets_the_name_of_the_handshake
    certificates_of_hosts_are_checked
    what_the_issuer_says_is_shown_while_it_is_good
}

/// A daemon with two hosts besides, each with a certificate.
pub fn with_hosts(world: &World, settings: &str) -> Server {
    let one = certificate(world, "one.example");
    let two = certificate(world, "two.example");
    start(
        world,
        &format!(
            "host.\"one.example\".certificates = [{one:?}]\nhost.\"one.example\".names = [\"alias.example\"]\n\
             host.\"one.example\".banner = \"This is one.\"\nhost.\"two.example\".certificates = [{two:?}]\n\
             host.\"two.example\".banner = \"This is two.\"\n{settings}"
        ),
    )
}

/// The names in the certificate that the server has shown.
fn shown(client: &Secure) -> Vec<String> {
    let certificates = client.stream.conn.peer_certificates().expect("certificates");
    let text = String::from_utf8_lossy(&certificates[0]).into_owned();
    ["ftp.example", "one.example", "two.example"]
        .into_iter()
        .filter(|name| text.contains(name))
        .map(String::from)
        .collect()
}

fn greeted(address: &str) -> TcpStream {
    let mut socket = patient(TcpStream::connect(address).expect("connection"));
    assert!(answer(&mut socket, "").starts_with("220"));
    socket
}

/// Logged in behind TLS, at the server of this name.
fn logged_in(socket: TcpStream, name: &str) -> Secure {
    let mut client = Secure::upgraded(socket, &client_config(), name);
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client
}

fn a_client_is_shown_the_certificate_of_the_host_he_names() {
    let world = World::new();
    let server = with_hosts(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    for (name, found) in
        [("one.example", "one.example"), ("two.example", "two.example"), ("ftp.example", "ftp.example"), ("other.example", "ftp.example")]
    {
        let lines = server.log_length();
        let client = logged_in(greeted("127.0.0.1:21"), name);
        assert_eq!(shown(&client), [found], "{name}");
        // The name has chosen the host, too.
        let line = server.wait_for_log_after(lines, "logged in");
        assert_eq!(line.contains(&format!("at {name}")), name == found && name != "ftp.example", "{line}");
    }
    // By HOST, where the handshake has no name.
    let mut socket = greeted("127.0.0.1:21");
    assert!(answer(&mut socket, "HOST two.example\r\n").starts_with("220"));
    assert_eq!(shown(&logged_in(socket, "127.0.0.1")), ["two.example"]);
    // Where TLS comes first, the banner is that of the host.
    let config = client_config();
    let socket = TcpStream::connect("127.0.0.1:990").expect("connection");
    let mut client = Secure::over(wrap_for(&config, socket, "two.example"), &config);
    assert!(client.expect(220).contains("This is two."));
}

fn a_client_is_shown_the_certificate_of_the_host_he_connects_to() {
    let world = World::new();
    let three = certificate(&world, "two.example");
    let _server = start(
        &world,
        &format!("host.three.addresses = [\"127.0.0.3\"]\nhost.three.certificates = [{three:?}]\n"),
    );
    assert_eq!(shown(&logged_in(greeted("127.0.0.3:21"), "127.0.0.3")), ["two.example"]);
    assert_eq!(shown(&logged_in(greeted("127.0.0.1:21"), "127.0.0.1")), ["ftp.example"]);
    // A name that none of its certificates has gets one of those of all.
    assert_eq!(shown(&logged_in(greeted("127.0.0.3:21"), "ftp.example")), ["ftp.example"]);
}

fn host_and_the_name_of_the_handshake_agree() {
    let world = World::new();
    let server = with_hosts(&world, "");
    // The handshake comes after HOST.
    let mut socket = greeted("127.0.0.1:21");
    assert!(answer(&mut socket, "HOST two.example\r\n").starts_with("220"));
    let refused = Secure::upgraded(socket, &client_config(), "one.example").is_welcome();
    assert!(refused.as_ref().is_err_and(|error| error.contains("UnrecognisedName")), "{refused:?}");
    server.wait_for_log("another host");
    let mut socket = greeted("127.0.0.1:21");
    assert!(answer(&mut socket, "HOST alias.example\r\n").starts_with("220"));
    assert_eq!(shown(&logged_in(socket, "one.example")), ["one.example"]);
    // HOST comes after the handshake.
    let mut client = Secure::upgraded(greeted("127.0.0.1:21"), &client_config(), "one.example");
    client.command("HOST two.example", 504);
    client.command("HOST alias.example", 220);
    client.command("HOST one.example", 220);
    client.command("HOST two.example", 504);
    let mut client = Secure::upgraded(greeted("127.0.0.1:21"), &client_config(), "ftp.example");
    client.command("HOST two.example", 504);
    let mut client = Secure::upgraded(greeted("127.0.0.1:21"), &client_config(), "127.0.0.1");
    client.command("HOST two.example", 220);
}

fn logging_out_forgets_the_name_of_the_handshake() {
    let world = World::new();
    let _server = with_hosts(&world, "");
    let config = Arc::clone(&client_config());
    let mut client = Secure::upgraded(greeted("127.0.0.1:21"), &config, "one.example");
    client.command("REIN", 220);
    let mut socket = client.into_plain();
    assert!(answer(&mut socket, "HOST two.example\r\n").starts_with("220"));
    let mut client = logged_in(socket, "two.example");
    assert_eq!(shown(&client), ["two.example"]);
    client.command("REIN", 220);
    assert_eq!(shown(&logged_in(client.into_plain(), "one.example")), ["one.example"]);
}

fn certificates_of_hosts_are_checked() {
    let world = World::new();
    let server = with_hosts(&world, "");
    let settings = server.settings();
    for (wrong, complaint) in [
        ("host.\"two.example\".keys = [\"/a\", \"/b\"]", "as many as there are certificates"),
        ("host.\"two.example\".ocsp-responses = [\"/a\", \"/b\"]", "not more than there are certificates"),
        ("host.three.certificates = [\"/missing.pem\"]", "/missing.pem"),
    ] {
        server.configure(&format!("{settings}\n{wrong}\n"));
        let lines = server.log_length();
        server.signal(Signal::SIGHUP);
        server.wait_for_log_after(lines, complaint);
    }
    fs::write(world.own_directory("etc").join("two.example.pem"), "nonsense").expect("file");
    server.configure(&settings);
    let lines = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "there is no certificate");
    // The old configuration serves on, with the last that was good.
    assert_eq!(shown(&logged_in(greeted("127.0.0.1:21"), "two.example")), ["two.example"]);
}

/// Runs openssl; `@` stands for where its files are.
fn openssl(world: &World, arguments: &str) {
    let directory = world.own_directory("etc");
    let arguments = arguments.replace('@', &format!("{}/", directory.display()));
    run(world, "openssl", &arguments.split(' ').collect::<Vec<_>>());
}

/// Makes an authority, a certificate, and a word of the authority about it; where they are.
fn responder(world: &World) -> String {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(world, &format!("req -x509 {key} -days 30 -subj /CN=authority -keyout @ca.key -out @ca.pem"));
    let name = "-subj /CN=stapled.example -addext subjectAltName=DNS:stapled.example";
    openssl(world, &format!("req {key} {name} -keyout @stapled.key -out @stapled.csr"));
    let by = "-CA @ca.pem -CAkey @ca.key -set_serial 0x1234 -days 20 -copy_extensions copyall";
    openssl(world, &format!("x509 -req -in @stapled.csr {by} -out @stapled.pem"));
    openssl(world, "ocsp -issuer @ca.pem -cert @stapled.pem -no_nonce -reqout @request.der");
    speak(world, "V\t20991231235959Z\t\t1234\tunknown\t/CN=stapled.example\n");
    world.own_directory("etc").join("stapled").display().to_string()
}

/// What the authority says, by the line of its index.
fn speak(world: &World, line: &str) {
    fs::write(world.own_directory("etc").join("index.txt"), line).expect("index");
    let by = "-index @index.txt -CA @ca.pem -rsigner @ca.pem -rkey @ca.key";
    openssl(world, &format!("ocsp {by} -reqin @request.der -ndays 7 -respout @stapled.ocsp"));
}

fn what_the_issuer_says_is_shown_while_it_is_good() {
    let world = World::new();
    let at = responder(&world);
    let settings = format!(
        "tls.certificates = [\"{at}.pem\"]\ntls.keys = [\"{at}.key\"]\ntls.ocsp-responses = [\"{at}.ocsp\"]\n"
    );
    let server = Server::start(&world, &settings);
    let seen = s_client(&world, &["-status", "-tls1_3"]);
    assert!(seen.contains("OCSP Response Status: successful") && seen.contains("Cert Status: good"), "{seen}");
    assert!(s_client(&world, &["-status", "-tls1_2"]).contains("Cert Status: good"));
    // One that is renewed is shown to the next client, and one that is of no use to nobody.
    speak(&world, "R\t20991231235959Z\t250101000000Z\t1234\tunknown\t/CN=stapled.example\n");
    assert!(s_client(&world, &["-status"]).contains("no response sent"));
    server.wait_for_log("revoked; clients are not shown it");
    fs::write(format!("{at}.ocsp"), "nonsense").expect("file");
    assert!(s_client(&world, &["-status"]).contains("no response sent"));
    server.wait_for_log("cannot be understood");
    // It keeps nobody from being served.
    logged_in(greeted("127.0.0.1:21"), "127.0.0.1").command("NOOP", 200);
}
