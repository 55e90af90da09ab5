//! FTPS with what programs are built on: libcurl with GnuTLS, Perl's Net::FTP and Net::FTPSSL, and rclone. Each with
//! TLS 1.2 and 1.3, resuming sessions and not, at servers that never resume, prefer to, and require it.

use std::fs;
use std::process::{Command, Stdio};

use crate::accounts::PASSWORD;
use crate::tls_clients::{attempt, run, start};
use crate::world::World;

tests! {
    curl_with_gnutls
    perl_with_net_ftp
    perl_with_net_ftpssl
    rclone
}

/// Whether Python's curl is the one with GnuTLS, as Debian builds it.
pub fn has_curl_with_gnutls() -> bool {
    succeeds("/usr/bin/python3", "import pycurl; assert 'GnuTLS' in pycurl.version")
}

/// Whether there is Net::FTPSSL, which Fedora has as a package and Debian has not.
pub fn has_net_ftpssl() -> bool {
    succeeds("perl", "use Net::FTPSSL")
}

fn succeeds(interpreter: &str, script: &str) -> bool {
    let option = if interpreter == "perl" { "-e" } else { "-c" };
    let mut command = Command::new(interpreter);
    command.args([option, script]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a client does about sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resuming {
    /// It resumes the last one.
    Always,
    /// It is told to, and does not on every data connection.
    AtTimes,
    /// It is told not to.
    Never,
}

use Resuming::{Always, AtTimes, Never};

/// How a client connects.
#[derive(Clone, Copy, Debug)]
struct Way {
    version: &'static str,
    resuming: Resuming,
}

impl Way {
    /// For scripts.
    fn arguments(self) -> [&'static str; 2] {
        let resume = match self.resuming {
            Always | AtTimes => "resume",
            Never => "anew",
        };
        [self.version, resume]
    }
}

/// Has a client upload `up`, list the directory and download the file to `down`: with TLS 1.2 and 1.3, resuming (as
/// well as it does that in each) and not, at every kind of server. It must fail where it does not resume and has to,
/// and nowhere else.
fn in_every_way(in_1_2: Resuming, in_1_3: Resuming, client: impl Fn(&World, Way) -> Result<(), String>) {
    let world = World::new();
    let (up, down) = (world.own_directory("client").join("up"), world.own_directory("client").join("down"));
    let content: Vec<u8> = (0..300_000).map(|n: u32| (n * 7 % 251) as u8).collect();
    fs::write(&up, &content).expect("file");
    for reuse in ["off", "prefer", "require"] {
        let _ = fs::remove_file(world.own_directory("etc").join("ftp.example.pem"));
        let _server = start(&world, &format!("tls.session-reuse = {reuse:?}\nsession.require-tls = \"all\"\n"));
        for (version, resuming) in [("1.2", in_1_2), ("1.2", Never), ("1.3", in_1_3), ("1.3", Never)] {
            let way = Way { version, resuming };
            let welcome = match (reuse, resuming) {
                ("require", AtTimes) => continue,
                ("require", Never) => false,
                _ => true,
            };
            let _ = fs::remove_file(&down);
            let done = client(&world, way);
            let same = fs::read(&down).is_ok_and(|received| received == content);
            assert_eq!(done.is_ok() && same, welcome, "{reuse}, {way:?}: {done:?}");
        }
    }
}

/// Runs a script to its end, which may be a bad one.
fn script(world: &World, interpreter: &str, text: &str, way: Way) -> Result<(), String> {
    let trusted = world.own_directory("etc").join("ftp.example.pem");
    let option = if interpreter == "perl" { "-e" } else { "-c" };
    let arguments = [&[option, text], &way.arguments()[..], &[trusted.to_str().expect("UTF-8"), PASSWORD]];
    let output = attempt(world, interpreter, &arguments.concat());
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn curl_with_gnutls() {
    const SCRIPT: &str = r#"
import io, pycurl, sys
version, resume, trusted, password = sys.argv[1:]
TLS_1_2_AT_MOST = 6 << 16
curl = pycurl.Curl()
curl.setopt(pycurl.USERPWD, "alice:" + password)
curl.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
curl.setopt(pycurl.CAINFO, trusted)
curl.setopt(pycurl.TIMEOUT, 60)
curl.setopt(pycurl.SSL_SESSIONID_CACHE, resume == "resume")
only = {"1.2": pycurl.SSLVERSION_TLSv1_2 | TLS_1_2_AT_MOST, "1.3": pycurl.SSLVERSION_TLSv1_3}
curl.setopt(pycurl.SSLVERSION, only[version])
with open("up", "rb") as file:
    curl.setopt(pycurl.URL, "ftp://localhost/file")
    curl.setopt(pycurl.UPLOAD, 1)
    curl.setopt(pycurl.READDATA, file)
    curl.perform()
curl.setopt(pycurl.UPLOAD, 0)
listing = io.BytesIO()
curl.setopt(pycurl.URL, "ftp://localhost/")
curl.setopt(pycurl.WRITEDATA, listing)
curl.perform()
assert b" file" in listing.getvalue(), listing.getvalue()
with open("down", "wb") as file:
    curl.setopt(pycurl.URL, "ftp://localhost/file")
    curl.setopt(pycurl.WRITEDATA, file)
    curl.perform()
"#;
    // With TLS 1.3 it keeps what it knows of the session before the ticket has come.
    in_every_way(Always, AtTimes, |world, way| script(world, "/usr/bin/python3", SCRIPT, way));
}

fn perl_with_net_ftp() {
    const SCRIPT: &str = r#"
use strict; use warnings; use Net::FTP;
my ($version, $resume, $trusted, $password) = @ARGV;
my $only = $version eq "1.2" ? "TLSv1_2" : "TLSv1_3";
my @cache = $resume eq "resume" ? () : (SSL_session_cache_size => 0);
my $ftp = Net::FTP->new("localhost", Timeout => 60, SSL_ca_file => $trusted, SSL_version => $only, @cache)
    or die "connect: $@";
sub good { my ($what, $done) = @_; die "$what: " . $ftp->message unless $done }
good("starttls", $ftp->starttls);
good("login", $ftp->login("alice", $password));
good("prot", $ftp->prot("P"));
good("binary", $ftp->binary);
good("put", $ftp->put("up", "file"));
good("ls", grep { $_ eq "file" } $ftp->ls);
good("get", $ftp->get("file", "down"));
good("quit", $ftp->quit);
"#;
    in_every_way(AtTimes, AtTimes, |world, way| script(world, "perl", SCRIPT, way));
}

fn perl_with_net_ftpssl() {
    const SCRIPT: &str = r#"
use strict; use warnings; use Net::FTPSSL;
my ($version, $resume, $trusted, $password) = @ARGV;
my $only = $version eq "1.2" ? "TLSv1_2" : "TLSv1_3";
my %reuse = $resume eq "resume" ? (ReuseSession => 10) : ();
my $ftp = Net::FTPSSL->new("localhost", Encryption => EXP_CRYPT, DataProtLevel => DATA_PROT_PRIVATE, Timeout => 60,
    SSL_Client_Certificate => { SSL_ca_file => $trusted, SSL_version => $only, SSL_verifycn_name => "localhost" },
    %reuse) or die "connect: $Net::FTPSSL::ERRSTR";
sub good { my ($what, $done) = @_; die "$what: " . $ftp->last_message unless $done }
good("login", $ftp->login("alice", $password));
good("binary", $ftp->binary);
good("put", $ftp->put("up", "file"));
good("nlst", grep { $_ eq "file" } $ftp->nlst);
good("get", $ftp->get("file", "down"));
$ftp->quit;
"#;
    in_every_way(AtTimes, AtTimes, |world, way| script(world, "perl", SCRIPT, way));
}

fn rclone() {
    in_every_way(Always, Always, |world, way| {
        let password = run(world, "rclone", &["obscure", PASSWORD]);
        let remote = format!(
            ":ftp,host=localhost,user=alice,pass={},explicit_tls=true,no_check_certificate=true,disable_tls13={},\
             tls_cache_size={},concurrency=1:file",
            password.trim(),
            way.version == "1.2",
            if way.resuming == Never { 0 } else { 8 }
        );
        let common = ["--config=", "--retries=1", "--low-level-retries=1", "--contimeout=60s", "copyto"];
        for (from, to) in [("up", remote.as_str()), (remote.as_str(), "down")] {
            let output = attempt(world, "rclone", &[&common[..], &[from, to]].concat());
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        Ok(())
    });
}
