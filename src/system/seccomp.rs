//! What a frontend and a session may ask of the kernel, as seccomp(2) filters: compiled once, loaded in each child.
//!
//! The frontend has a list of what it may do; a call that is forbidden to it for a reason ends it, the rest fails
//! with EPERM, which a C library survives. The session has a list of what it may not do: it lives among its user's
//! files, and new ways to read a file must not break it. Filters come last: they forbid what makes the other walls.

mod calls;
mod filter;

use std::io;

use seccompiler::BpfProgram;

use self::calls::{
    CHANGES, CHMOD, DESCRIPTOR_FLAGS, FRONTEND, HARMLESS_PRCTLS, NEVER, NOT_IN_A_FRONTEND, OPEN,
    SESSION_IOCTLS, SIGNALS, SOCKET_IOCTLS, SOCKET_OPTIONS, SOCKET_TYPE, WRITES,
};
use self::filter::{Condition, Table, Verdict};
use super::landlock::Access;
use super::{Doing, Failure};

/// The filters of all processes that serve a client.
#[derive(Debug)]
pub struct Filters {
    frontend: BpfProgram,
    reader: BpfProgram,
    writer: BpfProgram,
    resolver: BpfProgram,
    metrics: BpfProgram,
}

impl Filters {
    /// Makes the filters: for the supervisor, before it forks.
    pub fn compile() -> Filters {
        Filters {
            frontend: frontend().compile(),
            reader: session(Access::Read).compile(),
            writer: session(Access::Write).compile(),
            resolver: resolver().compile(),
            metrics: metrics().compile(),
        }
    }

    /// From here on this process is a frontend: it can use the sockets that it has, and no others.
    pub fn confine_frontend(&self) -> Result<(), Failure> {
        load(&self.frontend)
    }

    /// From here on this process is the resolver: it can read files and use the network, and change nothing.
    pub fn confine_resolver(&self) -> Result<(), Failure> {
        load(&self.resolver)
    }

    /// From here on this process hands out metrics: it can use the sockets that it has, and accept.
    pub fn confine_metrics(&self) -> Result<(), Failure> {
        load(&self.metrics)
    }

    /// From here on this process is a session: it can use files and TCP, and change nothing about itself.
    pub fn confine_session(&self, access: Access) -> Result<(), Failure> {
        load(match access {
            Access::Read => &self.reader,
            Access::Write => &self.writer,
        })
    }
}

fn load(program: &BpfProgram) -> Result<(), Failure> {
    seccompiler::apply_filter(program).map_err(io::Error::other).doing(|| "load the seccomp filter".into())
}

fn frontend() -> Table {
    let refused = Verdict::Refuse(libc::EPERM);
    let mut table = Table::new(refused);
    table.always(NEVER, Verdict::Kill);
    table.always(NOT_IN_A_FRONTEND, Verdict::Kill);
    // abort(3) tries these and copes without; a frontend of the same uid must be out of reach.
    table.always(SIGNALS, refused);
    table.always(FRONTEND, Verdict::Allow);
    let options = vec![
        vec![Condition::one_of(1, &[libc::IPPROTO_TCP])],
        vec![Condition::one_of(1, &[libc::SOL_SOCKET]), Condition::one_of(2, SOCKET_OPTIONS)],
    ];
    table.allow_if(libc::SYS_mmap, only(Condition::without(2, libc::PROT_EXEC)), refused);
    table.allow_if(libc::SYS_mprotect, only(Condition::without(2, libc::PROT_EXEC)), refused);
    table.allow_if(libc::SYS_prctl, only(Condition::one_of(0, HARMLESS_PRCTLS)), refused);
    table.allow_if(libc::SYS_fcntl, only(Condition::one_of(1, DESCRIPTOR_FLAGS)), refused);
    table.allow_if(libc::SYS_ioctl, only(Condition::one_of(1, SOCKET_IOCTLS)), refused);
    table.allow_if(libc::SYS_setsockopt, options, refused);
    table
}

fn session(access: Access) -> Table {
    let refused = Verdict::Refuse(libc::EPERM);
    let mut table = Table::new(Verdict::Allow);
    table.always(NEVER, refused);
    table.always(SIGNALS, refused);
    // The C library tries clone(2) instead, and that is refused.
    table.always(&[libc::SYS_clone3], Verdict::Refuse(libc::ENOSYS));
    let tcp = vec![vec![
        Condition::one_of(0, &[libc::AF_INET, libc::AF_INET6]),
        Condition::masked(1, SOCKET_TYPE, libc::SOCK_STREAM),
        Condition::one_of(2, &[0, libc::IPPROTO_TCP]),
    ]];
    table.allow_if(libc::SYS_socket, tcp, Verdict::Refuse(libc::EAFNOSUPPORT));
    table.allow_if(libc::SYS_mmap, only(Condition::without(2, libc::PROT_EXEC)), refused);
    table.allow_if(libc::SYS_mprotect, only(Condition::without(2, libc::PROT_EXEC)), refused);
    table.allow_if(libc::SYS_prctl, only(Condition::one_of(0, HARMLESS_PRCTLS)), refused);
    table.allow_if(libc::SYS_ioctl, only(Condition::one_of(1, SESSION_IOCTLS)), refused);
    // Nothing but the question how much a user may still write.
    let asks = only(Condition::one_of(1, &[super::quota::ASK_FOR_USER]));
    table.allow_if(libc::SYS_quotactl_fd, asks, refused);
    for &(call, mode) in CHMOD {
        table.allow_if(call, only(Condition::without(mode, libc::S_ISUID as i32)), refused);
    }
    if access == Access::Read {
        let read_only = Verdict::Refuse(libc::EACCES);
        table.always(CHANGES, read_only);
        for &(call, flags) in OPEN {
            table.allow_if(call, only(Condition::without(flags, WRITES)), read_only);
        }
    }
    table
}

/// A session that reads, with what name services need: sockets of all kinds, and modules that are loaded when they are
/// first used.
fn resolver() -> Table {
    let mut table = session(Access::Read);
    table.always(&[libc::SYS_socket, libc::SYS_mmap, libc::SYS_mprotect], Verdict::Allow);
    table
}

/// A frontend that accepts clients itself.
fn metrics() -> Table {
    let mut table = frontend();
    table.always(&[libc::SYS_accept4], Verdict::Allow);
    table
}

/// One condition, and no alternative to it.
fn only(condition: Condition) -> Vec<Vec<Condition>> {
    vec![vec![condition]]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use libc::c_long;
    use nix::errno::Errno;

    use super::*;

    /// Loads a filter in a thread of its own, since it is there for good. What is returned is looked at outside.
    fn confined<T: Send + 'static>(load: fn(&Filters), test: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(move || {
            load(&Filters::compile());
            test()
        });
        thread.join().unwrap()
    }

    /// The errno that a call without arguments of its own fails with.
    fn error_of(call: c_long, arguments: [c_long; 3]) -> Errno {
        let [first, second, third] = arguments;
        // SAFETY: no call in these tests is given an address.
        let result = unsafe { libc::syscall(call, first, second, third, 0, 0, 0) };
        Errno::result(result).expect_err("the filter lets it through")
    }

    #[test]
    fn a_session_starts_no_programs_and_reaches_nobody() {
        let (program, calls) = confined(
            |filters| filters.confine_session(Access::Write).unwrap(),
            || {
                let calls = [
                    error_of(libc::SYS_kill, [1, 0, 0]),
                    error_of(libc::SYS_ptrace, [0, 0, 0]),
                    error_of(libc::SYS_setuid, [0, 0, 0]),
                    error_of(libc::SYS_unshare, [0, 0, 0]),
                    error_of(libc::SYS_keyctl, [0, -3, 0]),
                    error_of(libc::SYS_prctl, [c_long::from(libc::PR_SET_DUMPABLE), 1, 0]),
                    error_of(libc::SYS_ioctl, [0, libc::TIOCSTI as c_long, 0]),
                    error_of(libc::SYS_mprotect, [0, 0, c_long::from(libc::PROT_EXEC)]),
                ];
                (Command::new("true").spawn().map(drop), calls)
            },
        );
        assert!(program.is_err());
        assert_eq!(calls, [Errno::EPERM; 8]);
    }

    #[test]
    fn a_session_asks_for_its_quota_and_sets_none() {
        let asked = confined(
            |filters| filters.confine_session(Access::Write).unwrap(),
            || {
                let ask = c_long::from(super::super::quota::ASK_FOR_USER);
                let set = ask + 0x100;
                [ask, set, ask + 1].map(|command| error_of(libc::SYS_quotactl_fd, [-1, command, 0]))
            },
        );
        assert_eq!(asked, [Errno::EBADF, Errno::EPERM, Errno::EPERM]);
    }

    #[test]
    fn a_session_has_files_and_tcp_and_no_other_sockets() {
        let (file, tcp, udp, unix) = confined(
            |filters| filters.confine_session(Access::Write).unwrap(),
            || {
                let path = std::env::temp_dir().join(format!("ftpd-seccomp-{}", std::process::id()));
                let file = fs::write(&path, "x").and_then(|()| fs::remove_file(&path));
                (file, TcpListener::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"), UnixStream::pair())
            },
        );
        file.unwrap();
        tcp.unwrap();
        assert!(udp.is_err());
        assert!(unix.is_err());
    }

    #[test]
    fn a_reader_opens_files_for_reading_only() {
        let (read, write, list, times) = confined(
            |filters| filters.confine_session(Access::Read).unwrap(),
            || {
                let write = fs::File::options().append(true).open("/dev/null");
                let times = error_of(libc::SYS_utimensat, [0, 0, 0]);
                (fs::File::open("/dev/null"), write, fs::read_dir("/"), times)
            },
        );
        read.unwrap();
        list.unwrap();
        assert_eq!(write.unwrap_err().raw_os_error(), Some(libc::EACCES));
        assert_eq!(times, Errno::EACCES);
    }

    #[test]
    fn a_frontend_keeps_its_memory_its_clock_and_its_sockets() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (length, calls) = confined(
            |filters| filters.confine_frontend().unwrap(),
            move || {
                use std::io::Write;
                let bytes = vec![7; 3 << 20];
                let now = std::time::Instant::now();
                (&ours).write_all(b"220").unwrap();
                ours.set_read_timeout(Some(now.elapsed().max(std::time::Duration::from_millis(1)))).unwrap();
                let calls = [
                    error_of(libc::SYS_tgkill, [0, 0, 0]),
                    error_of(libc::SYS_prctl, [4, 1, 0]),
                    error_of(463, [0; 3]),
                ];
                (bytes.len(), calls)
            },
        );
        let mut greeting = String::new();
        std::io::Read::read_to_string(&mut theirs, &mut greeting).unwrap();
        assert_eq!((length, greeting.as_str()), (3 << 20, "220"));
        assert_eq!(calls, [Errno::EPERM, Errno::EPERM, Errno::ENOSYS]);
    }
}
