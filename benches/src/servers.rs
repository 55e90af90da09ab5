//! The servers, as data: where each comes from, how it is configured and started.
//!
//! All get the same: root, one port on loopback, real accounts through PAM (pyftpdlib, which has none, reads the
//! password file) locked into their homes, anonymous, sendfile, no logging of what they do, no name lookups, no
//! limits in the way; for measurements of TLS the same certificate, and a session that data connections may resume. Whatever else a distribution's default does, stays.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::install::{Installed, Package};
use crate::measures::Need;
use crate::world::{self, ROOT};

/// A server that can be measured.
pub struct Server {
    /// What it is called in the table and on the command line.
    pub name: &'static str,
    /// What is special about it.
    pub about: &'static str,
    /// Where it comes from.
    pub package: Package,
    /// Measured unless other servers are asked for.
    pub usual: bool,
    /// Whether it serves all connections from a few processes. Such a server does not change to the user it serves,
    /// so it is shown for reference and not counted among the peers.
    pub event_loop: bool,
    /// What it cannot do.
    pub lacks: &'static [Need],
    /// The port it listens on.
    pub port: u16,
    /// The arguments it is started with, after whatever configuration they name has been written.
    arguments: fn(&Start) -> io::Result<Vec<String>>,
}

/// What a server is started with.
struct Start<'a> {
    server: &'a Server,
    installed: &'a Installed,
    /// Whether it shall have a certificate.
    tls: bool,
}

/// Every server that can be measured, ours first.
pub const SERVERS: &[Server] = &[
    Server {
        name: "ftpd",
        about: "this daemon",
        package: Package::Ours,
        usual: true,
        event_loop: false,
        lacks: &[],
        port: 2121,
        arguments: ours,
    },
    Server {
        name: "vsftpd",
        about: "as the distribution builds it, with isolation and seccomp",
        package: Package::Debian(&["vsftpd"], "vsftpd"),
        usual: true,
        event_loop: false,
        lacks: &[Need::Mlsd],
        port: 2122,
        arguments: |start| vsftpd(start, ""),
    },
    Server {
        name: "vsftpd-open",
        about: "vsftpd without namespaces and seccomp",
        package: Package::Debian(&["vsftpd"], "vsftpd"),
        usual: false,
        event_loop: false,
        lacks: &[Need::Mlsd],
        port: 2123,
        arguments: |start| vsftpd(start, "isolate=NO\nisolate_network=NO\nseccomp_sandbox=NO\n"),
    },
    Server {
        name: "proftpd",
        about: "ProFTPD",
        package: Package::Debian(&["proftpd-core", "proftpd-mod-crypto"], "proftpd"),
        usual: true,
        event_loop: false,
        lacks: &[],
        port: 2124,
        arguments: proftpd,
    },
    Server {
        name: "pure-ftpd",
        about: "Pure-FTPd",
        package: Package::Debian(&["pure-ftpd"], "pure-ftpd"),
        usual: true,
        event_loop: false,
        lacks: &[Need::Resuming],
        port: 2125,
        arguments: pure_ftpd,
    },
    Server {
        name: "pyftpdlib",
        about: "pyftpdlib with a process for each session",
        package: Package::Python("pyftpdlib"),
        usual: true,
        event_loop: false,
        // It has TLS with pyOpenSSL, which copies every byte once more; that is not measured.
        lacks: &[Need::Tls],
        port: 2126,
        arguments: |start| pyftpdlib(start, "MultiprocessFTPServer", ""),
    },
    Server {
        name: "pyftpdlib-loop",
        about: "pyftpdlib with an event loop in each of two processes",
        package: Package::Python("pyftpdlib"),
        usual: true,
        event_loop: true,
        // It has TLS with pyOpenSSL, which copies every byte once more; that is not measured.
        lacks: &[Need::Tls],
        port: 2127,
        arguments: |start| pyftpdlib(start, "FTPServer", "worker_processes=2"),
    },
];

impl Server {
    /// Writes its configuration; the command that starts it in the foreground.
    pub fn command(&self, installed: &Installed, tls: bool) -> io::Result<Vec<OsString>> {
        let mut command = vec![installed.program.clone().into_os_string()];
        let start = Start { server: self, installed, tls };
        command.extend((self.arguments)(&start)?.into_iter().map(OsString::from));
        Ok(command)
    }

    /// Writes a configuration file and says where it is.
    fn write(&self, text: &str) -> io::Result<String> {
        let path = Path::new(ROOT).join(format!("{}.conf", self.name));
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

fn ours(Start { server, tls, .. }: &Start) -> io::Result<Vec<String>> {
    let certificates =
        if *tls { format!("[tls]\ncertificates = [{:?}]\n", world::certificate()) } else { String::new() };
    let configuration = format!(
        r#"
[listen]
addresses = ["127.0.0.1:{}"]
max-sessions = 10000
max-sessions-per-address = 10000

[login]
pam-service = "ftpd"

[anonymous]
enabled = true

[log]
to = "stderr"
level = "error"

{certificates}"#,
        server.port
    );
    Ok(vec!["serve".into(), "--config".into(), server.write(&configuration)?])
}

fn vsftpd(Start { server, tls, .. }: &Start, more: &str) -> io::Result<Vec<String>> {
    let tls = match tls {
        true => format!(
            "ssl_enable=YES
force_local_data_ssl=NO
force_local_logins_ssl=NO
ssl_ciphers=HIGH
require_ssl_reuse=YES
rsa_cert_file={0}
rsa_private_key_file={0}
",
            world::certificate().display()
        ),
        false => String::new(),
    };
    let configuration = format!(
        "listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
listen_port={}
background=NO
max_clients=0
max_per_ip=0
secure_chroot_dir={ROOT}/empty
pam_service_name=vsftpd
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
anonymous_enable=YES
no_anon_password=NO
use_sendfile=YES
xferlog_enable=NO
dirmessage_enable=NO
tcp_wrappers=NO
{tls}{more}",
        server.port
    );
    Ok(vec![server.write(&configuration)?])
}

fn proftpd(Start { server, installed, tls }: &Start) -> io::Result<Vec<String>> {
    let tls = match (tls, installed.program.parent().and_then(Path::parent)) {
        (true, Some(usr)) => format!(
            "ModulePath {}
LoadModule mod_tls.c
TLSEngine on
TLSLog none
TLSRequired off
TLSECCertificateFile {1}
TLSECCertificateKeyFile {1}
",
            usr.join("lib/proftpd").display(),
            world::certificate().display()
        ),
        (true | false, _) => String::new(),
    };
    let configuration = format!(
        "ServerName bench
ServerType standalone
DefaultServer on
DefaultAddress 127.0.0.1
Port {}
UseIPv6 off
UseReverseDNS off
User nobody
Group nogroup
MaxInstances none
PidFile {ROOT}/proftpd.pid
ScoreboardFile {ROOT}/proftpd.scoreboard
TransferLog none
SystemLog none
WtmpLog off
DelayEngine off
AuthPAM on
AuthPAMConfig proftpd
AuthOrder mod_auth_pam.c* mod_auth_unix.c
DefaultRoot ~
RequireValidShell off
AllowOverwrite on
UseSendfile on
{tls}<Anonymous ~ftp>
  User ftp
  Group ftp
  UserAlias anonymous ftp
  RequireValidShell off
</Anonymous>
",
        server.port
    );
    Ok(vec!["--nodaemon".into(), "--quiet".into(), "--config".into(), server.write(&configuration)?])
}

fn pure_ftpd(Start { server, tls, .. }: &Start) -> io::Result<Vec<String>> {
    let tls = if *tls { format!(" -Y 1 -2 {}", world::certificate().display()) } else { String::new() };
    let arguments = format!(
        "-4 -S 127.0.0.1,{} -c 10000 -C 10000 -l pam -A -u 100 -H -f none -L 1000000:5 -g {ROOT}/pure-ftpd.pid{tls}",
        server.port
    );
    Ok(arguments.split(' ').map(String::from).collect())
}

fn pyftpdlib(Start { server, .. }: &Start, class: &str, how: &str) -> io::Result<Vec<String>> {
    let configuration = format!(
        "import logging
from pyftpdlib.authorizers import UnixAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import {class}

logging.basicConfig(level=logging.CRITICAL)
FTPHandler.use_sendfile = True
FTPHandler.authorizer = UnixAuthorizer(anonymous_user='ftp', require_valid_shell=False)
server = {class}(('127.0.0.1', {}), FTPHandler)
server.max_cons = 10000
server.serve_forever({how})
",
        server.port
    );
    Ok(vec![server.write(&configuration)?])
}
