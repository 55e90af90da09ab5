//! FTPS with the clients people have: curl (OpenSSL), lftp (GnuTLS), and Python's ftplib.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::accounts::PASSWORD;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    curl_with_every_version
    curl_on_an_implicit_listener
    lftp_mirrors_behind_tls
    lftp_with_every_version
    lftp_on_an_implicit_listener
    ftplib_without_resuming
    ftplib_must_resume_where_that_is_required
    ftplib_resumes_in_active_mode
    ftplib_moves_a_thousand_files_in_one_session
    a_renewed_certificate_is_used_by_the_next_client
    openssl_sees_what_is_configured
}

/// Makes a certificate; returns its file.
pub fn certificate(world: &World, name: &str) -> PathBuf {
    let path = world.own_directory("etc").join(format!("{name}.pem"));
    let file = path.to_str().expect("UTF-8");
    let names = ["--name", name, "--name", "localhost", "--name", "127.0.0.1"];
    let mut arguments = vec!["cert", "self-signed"];
    arguments.extend(names);
    arguments.push(file);
    run(world, DAEMON, &arguments);
    path
}

/// A daemon with a certificate.
pub fn start(world: &World, settings: &str) -> Server {
    let certificate = certificate(world, "ftp.example");
    Server::start(world, &format!("tls.certificates = [{certificate:?}]\n{settings}"))
}

/// Runs a client to its end, which may be a bad one.
pub fn attempt(world: &World, program: &str, arguments: &[&str]) -> Output {
    world.command(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a client to its end, which must be a good one; returns what it printed.
pub fn run(world: &World, program: &str, arguments: &[&str]) -> String {
    let output = attempt(world, program, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// curl as alice, who trusts the certificate of `start` and nothing else.
pub fn curl(world: &World, arguments: &[&str]) -> String {
    let user = format!("alice:{PASSWORD}");
    let trusted = world.own_directory("etc").join("ftp.example.pem");
    let trusted = trusted.to_str().expect("UTF-8");
    let common = ["--silent", "--show-error", "--fail", "--max-time", "120", "--user", &user, "--cacert", trusted];
    run(world, "curl", &[&common, arguments].concat())
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 251) as u8).collect()
}

fn curl_with_every_version() {
    let world = World::new();
    for reuse in ["off", "prefer", "require"] {
        let _ = fs::remove_file(world.own_directory("etc").join("ftp.example.pem"));
        let server = start(&world, &format!("tls.session-reuse = {reuse:?}\nsession.require-tls = \"all\"\n"));
        for version in ["--tlsv1.3", "--tls-max 1.2"] {
            let version: Vec<&str> = version.split(' ').collect();
            let base = "ftp://localhost/";
            let put = world.own_directory("client").join("up");
            fs::write(&put, content(3_000_000)).expect("file");
            let with = |more: &[&str]| curl(&world, &[&["--ssl-reqd"], &version[..], more].concat());
            with(&["--upload-file", "up", &format!("{base}up")]);
            with(&["--output", "down", &format!("{base}up")]);
            assert!(fs::read(world.own_directory("client").join("down")).expect("file") == content(3_000_000));
            assert!(with(&[base]).contains(" up\n"), "a listing");
        }
        drop(server);
    }
}

fn curl_on_an_implicit_listener() {
    let world = World::new();
    let _server = start(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    world.give("alice", "file", "contents");
    assert_eq!(curl(&world, &["ftps://localhost/file"]), "contents");
}

pub fn lftp(world: &World, url: &str, commands: &str) -> String {
    let trusted = world.own_directory("etc").join("ftp.example.pem");
    let script = format!(
        "set net:max-retries 2; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:check-hostname no; \
         set ssl:ca-file {}; open -u alice,{PASSWORD} {url}; {commands}",
        trusted.display()
    );
    run(world, "lftp", &["-c", &script])
}

fn lftp_mirrors_behind_tls() {
    let world = World::new();
    let _server = start(&world, "session.require-tls = \"all\"\n");
    for (name, length) in [("up/empty", 0), ("up/a/one", 1), ("up/a/large", 1_500_000), ("up/b", 70_000)] {
        let path = world.own_directory("client").join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, content(length)).expect("file");
    }
    lftp(&world, "ftp://127.0.0.1", "mirror -R up there; mirror --parallel=3 there back");
    for (name, length) in [("back/empty", 0), ("back/a/one", 1), ("back/a/large", 1_500_000), ("back/b", 70_000)] {
        assert!(fs::read(world.own_directory("client").join(name)).expect("file") == content(length), "{name}");
    }
}

fn lftp_with_every_version() {
    let world = World::new();
    world.give("alice", "file", "contents");
    for reuse in ["off", "prefer", "require"] {
        let _ = fs::remove_file(world.own_directory("etc").join("ftp.example.pem"));
        let server = start(&world, &format!("tls.session-reuse = {reuse:?}\nsession.require-tls = \"all\"\n"));
        for version in ["TLS1.3", "TLS1.2"] {
            let only = format!("set ssl:priority NORMAL:-VERS-ALL:+VERS-{version}; cat file; ls; cat file");
            let printed = lftp(&world, "ftp://127.0.0.1", &only);
            assert!(printed.matches("contents").count() == 2 && printed.contains(" file\n"), "{version}: {printed}");
        }
        drop(server);
    }
}

fn lftp_on_an_implicit_listener() {
    let world = World::new();
    let _server = start(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    world.give("alice", "file", "contents");
    assert_eq!(lftp(&world, "ftps://127.0.0.1", "cat file"), "contents");
}

/// A client that resumes the session of the control connection on data connections, which ftplib itself does not.
const RESUMING: &str = r#"
import ftplib, io, ssl, sys

class Resuming(ftplib.FTP_TLS):
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if sys.argv[1] == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2

def connect(kind, password):
    ftp = kind(context=context)
    ftp.connect("127.0.0.1", 21, timeout=60)
    ftp.login("alice", password)
    ftp.prot_p()
    return ftp
"#;

fn python(world: &World, version: &str, script: &str) -> String {
    let script = format!("{RESUMING}\npassword = {PASSWORD:?}\n{script}");
    run(world, "/usr/bin/python3", &["-c", &script, version])
}

fn ftplib_without_resuming() {
    let world = World::new();
    let _server = start(&world, "");
    for version in ["1.2", "1.3"] {
        let out = python(
            &world,
            version,
            r#"
ftp = connect(ftplib.FTP_TLS, password)
data = bytes(range(256)) * 3000
print(ftp.storbinary("STOR file", io.BytesIO(data))[:3])
back = io.BytesIO()
print(ftp.retrbinary("RETR file", back.write)[:3], back.getvalue() == data)
back = io.BytesIO()
print(ftp.retrbinary("RETR file", back.write, rest=700000)[:3], back.getvalue() == data[700000:])
print(ftp.nlst())
ftp.prot_c()
print(ftp.nlst())
print(ftp.quit()[:3])
"#,
        );
        assert_eq!(out, "226\n226 True\n226 True\n['file']\n['file']\n221\n", "TLS {version}");
    }
}

fn ftplib_must_resume_where_that_is_required() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    world.give("alice", "file", "contents");
    for version in ["1.2", "1.3"] {
        let out = python(
            &world,
            version,
            r#"
ftp = connect(Resuming, password)
print(ftp.nlst())
ftp = connect(ftplib.FTP_TLS, password)
try:
    print(ftp.nlst())
except ftplib.error_perm as error:
    print(str(error)[:3])
except (ssl.SSLError, OSError):
    print("cut")
"#,
        );
        assert!(out == "['file']\n522\n" || out == "['file']\ncut\n", "TLS {version}: {out}");
    }
}

fn ftplib_resumes_in_active_mode() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    let out = python(
        &world,
        "1.3",
        r#"
ftp = connect(Resuming, password)
ftp.set_pasv(False)
data = bytes(range(256)) * 3000
print(ftp.storbinary("STOR file", io.BytesIO(data))[:3])
back = io.BytesIO()
print(ftp.retrbinary("RETR file", back.write)[:3], back.getvalue() == data)
print(ftp.storlines("STOR text", io.BytesIO(b"a\nb\n"))[:3])
ftp.voidcmd("TYPE I")
print(ftp.nlst())
"#,
    );
    assert_eq!(out, "226\n226 True\n226\n['file', 'text']\n");
}

fn ftplib_moves_a_thousand_files_in_one_session() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    let out = python(
        &world,
        "1.3",
        r#"
ftp = connect(Resuming, password)
for number in range(500):
    ftp.storbinary("STOR %d" % number, io.BytesIO(b"x" * number))
total = 0
for number in range(500):
    got = []
    ftp.retrbinary("RETR %d" % number, got.append)
    total += sum(map(len, got))
print(total)
"#,
    );
    assert_eq!(out, format!("{}\n", 499 * 500 / 2));
}

pub fn s_client(world: &World, arguments: &[&str]) -> String {
    let common = ["s_client", "-connect", "127.0.0.1:21", "-starttls", "ftp"];
    let output = attempt(world, "openssl", &[&common, arguments].concat());
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn a_renewed_certificate_is_used_by_the_next_client() {
    let world = World::new();
    let server = start(&world, "");
    assert!(s_client(&world, &[]).contains("CN = ftp.example"));
    let renewed = certificate(&world, "renewed.example");
    let path = world.own_directory("etc").join("ftp.example.pem");
    fs::rename(renewed, &path).expect("rename");
    assert!(s_client(&world, &[]).contains("CN = renewed.example"));
    fs::write(&path, "nonsense").expect("file");
    assert!(s_client(&world, &[]).contains("CN = ftp.example"), "the last that was good at the start");
    server.wait_for_log("the last good one is used");
    fs::remove_file(&path).expect("removed");
    assert!(s_client(&world, &[]).contains("CN = ftp.example"));
}

fn openssl_sees_what_is_configured() {
    let world = World::new();
    let rsa = world.own_directory("etc").join("rsa.pem");
    let (key, chain) = (rsa.with_extension("key"), rsa.with_extension("crt"));
    let (key, chain) = (key.to_str().expect("UTF-8"), chain.to_str().expect("UTF-8"));
    let subject = ["-subj", "/CN=rsa.example", "-addext", "subjectAltName=DNS:rsa.example"];
    let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain, "-days", "30"];
    run(&world, "openssl", &[&request[..], &subject].concat());
    let ecdsa = certificate(&world, "ftp.example");
    let _server = Server::start(
        &world,
        &format!(
            "tls.certificates = [{ecdsa:?}, {chain:?}]\ntls.keys = [{ecdsa:?}, {key:?}]\n\
             tls.groups = [\"secp384r1\"]\n"
        ),
    );
    let seen = s_client(&world, &["-tls1_3", "-alpn", "ftp"]);
    assert!(seen.contains("CN = ftp.example") && seen.contains("ALPN protocol: ftp"), "{seen}");
    assert!(seen.contains("secp384r1"), "{seen}");
    assert!(s_client(&world, &["-alpn", "http/1.1"]).contains("CN = ftp.example"), "others are let be");
    assert!(s_client(&world, &["-servername", "rsa.example"]).contains("CN = rsa.example"));
    assert!(s_client(&world, &["-servername", "other.example"]).contains("CN = ftp.example"));
    let seen = s_client(&world, &["-tls1_2", "-sigalgs", "RSA+SHA256"]);
    assert!(seen.contains("CN = rsa.example"), "who knows no ECDSA: {seen}");
    assert!(!s_client(&world, &["-tls1_1"]).contains("BEGIN CERTIFICATE"));
    assert!(!s_client(&world, &["-groups", "P-256"]).contains("BEGIN CERTIFICATE"));
}
