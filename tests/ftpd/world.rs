//! A world for one test: mounts, network, accounts and home directories of its own.
//!
//! The thread that makes it leaves the host's namespaces for good; programs it starts are born inside. Nothing on
//! the host changes, and worlds that exist side by side can use the same ports.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::accounts::{self, Account, Group};
use crate::network;

/// Where a world keeps what is its own.
const OWN: &str = "/run/world";
/// The daemon, as seen inside.
pub const DAEMON: &str = "/run/world/ftpd";
/// What controls it.
pub const CONTROL: &str = "/run/world/ftpctl";

/// What the accounts of a world may be asked by PAM when nothing else is said.
const PLAIN_PAM: &str = "\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_permit.so
";

/// The namespaces of the current thread, and who lives there.
pub struct World {
    accounts: RefCell<Vec<Account>>,
    groups: RefCell<Vec<Group>>,
}

impl World {
    /// Enters a new world. Inhabitants: `alice` (2001), `bob` (2002), group `staff` (3001) with alice in it, the
    /// system accounts `ftpd` (990) and `ftp` (991, home /srv/ftp). Everybody's password is `accounts::PASSWORD`.
    pub fn new() -> World {
        leave_host().expect("a world of its own");
        network::bring_up_loopback();
        let world = World { accounts: RefCell::default(), groups: RefCell::default() };
        for (name, gid) in [("nogroup", 65534), ("tty", 5)] {
            world.group(name, gid, &[]);
        }
        world.add(Account::system("root", 0, "/root").shell("/bin/sh"));
        world.add(Account::system("nobody", 65533, "/nonexistent"));
        world.add(Account::system("ftpd", 990, "/nonexistent"));
        world.add(Account::system("ftp", 991, "/srv/ftp"));
        world.add(Account::new("alice", 2001));
        world.add(Account::new("bob", 2002));
        world.group("staff", 3001, &["alice"]);
        world.write("/srv/ftp/welcome.txt", "Welcome.\n");
        world.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n");
        world.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        world.write("/etc/shells", "/bin/sh\n/bin/bash\n");
        world.write("/etc/ftpusers", "root\n");
        world.pam("ftpd", PLAIN_PAM);
        world.pam(
            "other",
            "auth required pam_deny.so\naccount required pam_deny.so\nsession required pam_deny.so\n",
        );
        world
    }

    /// One more account; makes its home directory if that is below /home.
    pub fn add(&self, account: Account) {
        if account.home.starts_with("/home") {
            fs::create_dir(&account.home).expect("home directory");
            fs::set_permissions(&account.home, Permissions::from_mode(0o700))
                .expect("mode of home directory");
            chown(&account.home, Some(account.uid), Some(account.gid)).expect("owner of home directory");
        }
        let mut accounts = self.accounts.borrow_mut();
        accounts.retain(|other| other.name != account.name);
        accounts.push(account);
        drop(accounts);
        self.write_accounts();
    }

    /// One more group.
    pub fn group(&self, name: &str, gid: u32, members: &[&str]) {
        let members = members.iter().map(|&member| member.into()).collect();
        self.groups.borrow_mut().push(Group { name: name.into(), gid, members });
        self.write_accounts();
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Account {
        self.accounts.borrow().iter().find(|a| a.name == name).expect("account").clone()
    }

    /// Writes /etc/pam.d/`service`.
    pub fn pam(&self, service: &str, text: &str) {
        self.write(format!("/etc/pam.d/{service}"), text);
    }

    /// Writes a file that belongs to root, and the directories above it.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = path.as_ref();
        fs::create_dir_all(path.parent().expect("parent directory")).expect("directory");
        if path.starts_with("/etc") && path.is_symlink() {
            // It leads to the host's file, which is not ours to write.
            fs::remove_file(path).expect("link in /etc");
        }
        assert!(
            !path.canonicalize().is_ok_and(|path| path.starts_with(Path::new(OWN).join("host-etc"))),
            "{} belongs to the host",
            path.display()
        );
        fs::write(path, content).expect("file");
    }

    /// Writes a file below the home directory of `user` that belongs to him, and the directories above it.
    pub fn give(&self, user: &str, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let account = self.account(user);
        let path = account.home.join(&name);
        let mut parents: Vec<_> = path.ancestors().skip(1).take_while(|&p| p != account.home).collect();
        parents.reverse();
        for directory in parents {
            if !directory.exists() {
                fs::create_dir(directory).expect("directory");
                chown(directory, Some(account.uid), Some(account.gid)).expect("owner of directory");
            }
        }
        fs::write(&path, content).expect("file");
        chown(&path, Some(account.uid), Some(account.gid)).expect("owner of file");
        path
    }

    /// A directory for what the test itself needs, such as the files of a client.
    pub fn own_directory(&self, name: &str) -> PathBuf {
        let path = Path::new(OWN).join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    /// Mounts a file system of so many bytes, empty, that belongs to `user`.
    pub fn mount_small(&self, path: impl AsRef<Path>, user: &str, bytes: u64) {
        let account = self.account(user);
        fs::create_dir_all(&path).expect("mount point");
        let options = format!("size={bytes},mode=755,uid={},gid={}", account.uid, account.gid);
        mount_tmpfs(path.as_ref(), &options).expect("small file system");
    }

    /// The same, with a quota for the user and not for the rest; see `has_quotas`.
    pub fn mount_with_quota(&self, path: impl AsRef<Path>, user: &str, bytes: u64) {
        let account = self.account(user);
        let options =
            format!("usrquota_block_hardlimit={bytes},mode=755,uid={},gid={}", account.uid, account.gid);
        mount_tmpfs(path.as_ref(), &options).expect("a tmpfs with quotas");
    }

    /// Gives this world a /dev of its own, with the devices that every program expects.
    pub fn own_devices(&self) {
        const NONE: Option<&str> = None;
        let devices = ["null", "zero", "full", "random", "urandom", "tty"];
        let kept = self.own_directory("devices");
        for device in devices {
            fs::write(kept.join(device), "").expect("place for a device");
            let source = Path::new("/dev").join(device);
            mount(Some(&source), &kept.join(device), NONE, MsFlags::MS_BIND, NONE).expect("device");
        }
        mount_tmpfs(Path::new("/dev"), "mode=755").expect("/dev");
        for device in devices {
            let target = Path::new("/dev").join(device);
            fs::write(&target, "").expect("place for a device");
            mount(Some(&kept.join(device)), &target, NONE, MsFlags::MS_BIND, NONE).expect("device");
        }
    }

    /// A program that runs in this world, with a home directory of its own.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.own_directory("client-home")).current_dir(self.own_directory("client"));
        command
    }

    /// Puts the account files in place, each at once: a daemon may be reading them.
    fn write_accounts(&self) {
        let (accounts, groups) = (self.accounts.borrow(), self.groups.borrow());
        let files = [
            ("passwd", accounts::passwd(&accounts), 0o644),
            ("shadow", accounts::shadow(&accounts), 0o600),
            ("group", accounts::group(&accounts, &groups), 0o644),
        ];
        for (name, text, mode) in files {
            let temporary = format!("/etc/{name}.new");
            fs::write(&temporary, text).expect("account file");
            fs::set_permissions(&temporary, Permissions::from_mode(mode)).expect("mode of account file");
            fs::rename(temporary, format!("/etc/{name}")).expect("account file in its place");
        }
    }
}

/// Whether this kernel keeps quotas of tmpfs (Linux 6.6, where it was built so).
pub fn has_quotas() -> bool {
    let attempt = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS).is_ok() && {
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .is_ok()
                && mount_tmpfs(Path::new("/mnt"), "usrquota_block_hardlimit=1048576").is_ok()
        }
    });
    attempt.join().unwrap_or(false)
}

/// Whether this process may make worlds; if not, why.
pub fn possible() -> Result<(), &'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root");
    }
    let attempt = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET));
    match attempt.join() {
        Ok(Ok(())) => Ok(()),
        _ => Err("needs namespaces"),
    }
}

/// Moves the calling thread into new mount and network namespaces and covers what must not be the host's.
fn leave_host() -> nix::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
    mount(NONE, "/", NONE, MsFlags::MS_PRIVATE | MsFlags::MS_REC, NONE)?;
    // The mask belongs to this thread alone by now, as do its mounts.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));

    // The repository may be below /home or /tmp, which are about to be covered, or are since the test's first world.
    let programs = [(DAEMON, env!("CARGO_BIN_EXE_ftpd")), (CONTROL, env!("CARGO_BIN_EXE_ftpctl"))];
    let programs = programs.map(|(place, built)| {
        let file = fs::File::open(built).or_else(|_| fs::File::open(place)).expect("the program");
        (place, file)
    });
    mount_tmpfs(Path::new("/run"), "mode=755")?;
    fs::create_dir(OWN).expect("own directory");
    for (place, file) in &programs {
        fs::write(place, "").expect("place for the daemon");
        let opened = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        mount(Some(opened.as_str()), *place, NONE, MsFlags::MS_BIND, NONE)?;
    }

    // /etc: the host's, seen through links, so that a file can be replaced whether or not the host has it.
    let host_etc = Path::new(OWN).join("host-etc");
    fs::create_dir(&host_etc).expect("place for the host's /etc");
    mount(Some("/etc"), &host_etc, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    // What is written through a link by mistake would be the host's.
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(NONE, &host_etc, NONE, read_only, NONE)?;
    mount_tmpfs(Path::new("/etc"), "mode=755")?;
    const OURS: [&str; 11] = [
        "hosts",
        "passwd",
        "shadow",
        "group",
        "gshadow",
        "shells",
        "ftpusers",
        "nsswitch.conf",
        "pam.d",
        "pam.conf",
        "nologin",
    ];
    for entry in fs::read_dir(&host_etc).expect("the host's /etc") {
        let name = entry.expect("entry of /etc").file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            symlink(host_etc.join(&name), Path::new("/etc").join(&name)).expect("link in /etc");
        }
    }

    let own = [("/home", "mode=755"), ("/srv", "mode=755"), ("/var/lib", "mode=755"), ("/tmp", "mode=1777")];
    for (path, options) in own {
        mount_tmpfs(Path::new(path), options)?;
    }
    // The directory in which the tests were started may be covered now.
    nix::unistd::chdir("/")
}

fn mount_tmpfs(path: &Path, options: &str) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options))
}
