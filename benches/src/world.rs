//! The world inside the namespaces: a loopback interface, accounts, PAM services and files in memory, all of it
//! in one tmpfs on /run that hides the machine's own.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};

use crate::tls;

/// Everything the servers may write lies under this folder, their configurations too.
pub const ROOT: &str = "/run/ftpd-bench";
/// The password of every account.
pub const PASSWORD: &str = "bench";

/// Somebody who logs in.
#[derive(Clone, Copy)]
pub struct Account {
    /// What he says with USER.
    pub login: &'static str,
    name: &'static str,
    uid: u32,
    hash: &'static str,
}

/// Nobody in particular.
pub const ANONYMOUS: Account = Account { login: "anonymous", name: "ftp", uid: 990, hash: "*" };
/// An account with the usual, deliberately slow hash (yescrypt): its cost dominates a login.
pub const USUAL: Account = Account {
    login: "usual",
    name: "usual",
    uid: 2001,
    hash: "$y$j9T$ftpdbenchftpdbenchftp/$q/dYS2E1VNZxi4wk8TVQ4GtDa8i0RO3YWnVB0wZ9fP3",
};
/// An account with the cheapest hash (sha256-crypt, 1000 rounds), so that the server's own cost shows.
pub const CHEAP: Account = Account {
    login: "cheap",
    name: "cheap",
    uid: 2002,
    hash: "$5$rounds=1000$ftpdbench$GQEgPg.HHbmcoOOPc6AR4XWOD91xof.uP5ejzbf0V//",
};

const ACCOUNTS: [Account; 3] = [ANONYMOUS, USUAL, CHEAP];
/// PAM services; all alike, so that no server does less than another.
const SERVICES: [&str; 5] = ["ftpd", "other", "proftpd", "pure-ftpd", "vsftpd"];
const SERVICE: &str =
    "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n";

/// Small files: folder, number, size in bytes.
pub const SMALL: [Small; 3] = [
    Small { folder: "small-1k", count: 1000, size: 1 << 10 },
    Small { folder: "small-10k", count: 200, size: 10 << 10 },
    Small { folder: "small-100k", count: 200, size: 100 << 10 },
];

/// A folder of files of one size, named 0, 1, 2 …
pub struct Small {
    /// Its name in the home directory.
    pub folder: &'static str,
    /// How many files.
    pub count: usize,
    /// The size of each in bytes.
    pub size: usize,
}

/// How many entries the folders to be listed have.
pub const LISTED: [usize; 2] = [10_000, 100_000];

/// The home directory of an account.
pub fn home(account: &Account) -> PathBuf {
    Path::new(ROOT).join("home").join(account.name)
}

/// The folder in the home directory that uploads go into.
pub fn uploads() -> PathBuf {
    home(&CHEAP).join("uploads")
}

/// The certificate of every server, with its key.
pub fn certificate() -> PathBuf {
    Path::new(ROOT).join("certificate.pem")
}

/// The folder with this many entries, as a client names it.
pub fn listed(count: usize) -> String {
    format!("list-{count}")
}

/// Builds all of it. Inside the namespaces only, before any thread. `size`: bytes of the large file; `ftpd`: the daemon,
/// which makes the certificate.
pub fn build(size: u64, ftpd: &Path) -> io::Result<()> {
    // Should the copy outside be killed, this one and all servers must not stay behind.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    raise_descriptor_limit()?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=90%"))?;
    raise_loopback()?;
    // Ports in TIME_WAIT add up in thousands of connections a second. Read-only in some containers: no harm.
    let _ = fs::write("/proc/sys/net/ipv4/ip_local_port_range", "10000 65000");
    // What the kernel has by default. Where the machine prefers BBR, that paces the loopback interface by what it believes
    // of it, and the same transfer takes one or three times as long.
    let _ = fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "cubic");
    build_accounts()?;
    build_files(size)?;
    build_certificate(ftpd)
}

fn build_certificate(ftpd: &Path) -> io::Result<()> {
    let mut command = Command::new(ftpd);
    command.args(["cert", "self-signed", "--name", tls::NAME]).arg(certificate());
    match command.stdin(Stdio::null()).stdout(Stdio::null()).status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("{} cert self-signed: {status}", ftpd.display()))),
    }
}

/// A file in memory that nobody else sees, for a client.
pub fn scratch_file() -> io::Result<fs::File> {
    nix::fcntl::openat(
        nix::fcntl::AT_FDCWD,
        ROOT,
        nix::fcntl::OFlag::O_TMPFILE | nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::S_IRUSR,
    )
    .map(fs::File::from)
    .map_err(Into::into)
}

/// Removes what the last measurement uploaded.
pub fn empty_uploads() -> io::Result<()> {
    for entry in fs::read_dir(uploads())? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Sets the loopback interface up, with rtnetlink(7): a header, an ifinfomsg, and the kernel's answer.
fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const LOOPBACK: i32 = 1;
    const IFF_UP: u32 = 1;
    let mut request = Vec::new();
    request.extend(32u32.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    request.extend([0; 8]); // sequence number and port: one question, one answer
    request.extend([0; 4]); // any family, any type
    request.extend(LOOPBACK.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());

    let netlink = socket::socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    use std::os::fd::AsRawFd;
    socket::send(netlink.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = socket::recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    match answer.get(16..20).and_then(|field| field.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) if length >= 20 => Ok(()),
        Some(error) => Err(Errno::from_raw(-error).into()),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn build_accounts() -> io::Result<()> {
    let etc = Path::new(ROOT).join("etc");
    let services = etc.join("pam.d");
    fs::create_dir_all(&services)?;
    for service in SERVICES {
        fs::write(services.join(service), SERVICE)?;
    }

    let mut passwd =
        String::from("root:x:0:0::/root:/bin/sh\nftpd:x:991:991::/nonexistent:/usr/sbin/nologin\n");
    passwd += "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
    let mut group = String::from("root:x:0:\nftpd:x:991:\nnogroup:x:65534:\n");
    let mut shadow = String::from("root:*:19000:0:99999:7:::\n");
    for Account { name, uid, hash, .. } in ACCOUNTS {
        passwd += &format!("{name}:x:{uid}:{uid}::{ROOT}/home/{name}:/bin/sh\n");
        group += &format!("{name}:x:{uid}:\n");
        shadow += &format!("{name}:{hash}:19000:0:99999:7:::\n");
    }
    let files = [
        ("passwd", passwd.as_str(), 0o644),
        ("group", &group, 0o644),
        ("shadow", &shadow, 0o600),
        ("shells", "/bin/sh\n", 0o644),
        ("ftpusers", "root\n", 0o644),
        ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n", 0o644),
        ("hosts", "127.0.0.1 localhost\n", 0o644),
    ];
    for (name, text, mode) in files {
        fs::write(etc.join(name), text)?;
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(mode))?;
        hide(&etc, name)?;
    }
    hide(&etc, "pam.d")
}

/// Puts our file or folder in the place of the machine's. One that the machine lacks cannot mislead a server.
fn hide(etc: &Path, name: &str) -> io::Result<()> {
    let theirs = Path::new("/etc").join(name);
    match theirs.exists() {
        true => Ok(mount(Some(&etc.join(name)), &theirs, None::<&str>, MsFlags::MS_BIND, None::<&str>)?),
        false => Ok(()),
    }
}

fn build_files(size: u64) -> io::Result<()> {
    // vsftpd wants an empty folder that nobody can write to.
    fs::create_dir_all(Path::new(ROOT).join("empty"))?;
    for account in &ACCOUNTS {
        fs::create_dir_all(home(account))?;
    }
    // Anonymous must not own the root directory it is locked into; others own their homes.
    for account in [&USUAL, &CHEAP] {
        chown(home(account), Some(account.uid), Some(account.uid))?;
    }
    let home = home(&CHEAP);
    fs::create_dir(uploads())?;
    chown(uploads(), Some(CHEAP.uid), Some(CHEAP.uid))?;

    let block: Vec<u8> = (0..1u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut large = fs::File::create(home.join("large"))?;
    for _ in 0..size / block.len() as u64 {
        large.write_all(&block)?;
    }
    for small in &SMALL {
        let folder = home.join(small.folder);
        fs::create_dir(&folder)?;
        for number in 0..small.count {
            fs::write(folder.join(number.to_string()), &block[..small.size])?;
        }
    }
    for count in LISTED {
        let folder = home.join(listed(count));
        fs::create_dir(&folder)?;
        for number in 0..count {
            // They are the account's, like nearly everything in a home.
            let file = fs::File::create(folder.join(format!("file-{number:07}.dat")))?;
            fchown(&file, Some(CHEAP.uid), Some(CHEAP.uid))?;
        }
    }
    Ok(())
}
