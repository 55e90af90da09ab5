//! Programs of the administrator: started as an account that can become nobody else, with an environment and an input that
//! are given, and an end that is certain.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::{self, pipe2};

use super::keeper::{self, Kept};
use super::limits::PROGRAM;
use super::poll::{PollFlags, wait, wait_for_any};
use super::privileges::{Account, Drop, Keyring, drop_to};
use super::process::{close_all_except, let_signals_end_us};
use super::{Doing, Failure};

/// Of each of its outputs, so much is kept; the rest is read and forgotten, so that the program need not wait.
const KEPT_OUTPUT: usize = 8 << 10;

/// How often an output is read before something else has its turn.
const READS_A_TURN: usize = 32;

/// What a shell says when it cannot start something.
pub(super) const NOT_STARTED: i32 = 127;

/// A program, and how it is to be started.
pub struct Program<'a> {
    /// Its file.
    pub path: &'a Path,
    /// What it is called with, without its own name.
    pub arguments: &'a [String],
    /// Its environment, all of it.
    pub environment: Vec<(OsString, OsString)>,
    /// Who it runs as; `None`: whoever this process is.
    pub account: Option<&'a Account>,
    /// What it can read from standard input, at its own pace.
    pub input: &'a [u8],
}

/// A program that was started. If it is dropped, it is ended.
pub struct Running {
    kept: Kept,
    outputs: [Output; 2],
}

/// One of its outputs.
struct Output {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal.
    Killed(Signal),
    /// It took too long and was ended, with all that it had started.
    OutOfTime,
    /// Nobody needed its answer any more, and it was ended likewise.
    NotNeeded,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    pub how: How,
    /// What it wrote to standard output, as far as it was kept.
    pub output: Vec<u8>,
    /// The same of standard error.
    pub complaints: Vec<u8>,
}

/// Why a program is not to be trusted: it, or a directory above it, belongs to somebody else than root (and than this
/// process), or others can write there. `None`: it is.
pub fn distrust(path: &Path) -> Option<String> {
    let own = unistd::geteuid().as_raw();
    // What symbolic links lead to counts, and who could turn them.
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    match real.metadata() {
        Ok(found) if !found.is_file() => return Some(format!("{} is no file", path.display())),
        Ok(found) if found.mode() & 0o111 == 0 => {
            return Some(format!("{} cannot be executed", path.display()));
        }
        Ok(_) => {}
        Err(error) => return Some(format!("{}: {error}", path.display())),
    }
    for part in path.ancestors().skip(1).chain(real.ancestors()) {
        let Ok(found) = part.metadata() else {
            return Some(format!("{} cannot be looked at", part.display()));
        };
        if found.uid() != 0 && found.uid() != own {
            return Some(format!("{} belongs to uid {}", part.display(), found.uid()));
        }
        // In a directory where everybody removes only what is his own, nobody can replace what is root's.
        let sticky = found.is_dir() && found.mode() & 0o1000 != 0;
        if found.mode() & 0o022 != 0 && !sticky {
            return Some(format!("others can write to {}", part.display()));
        }
    }
    None
}

impl Program<'_> {
    /// Starts it, in a session and process group of its own, with a keeper that ends all that it has started when it has
    /// ended itself, or when this process has.
    pub fn start(&self) -> Result<Running, Failure> {
        let doing = || format!("start {}", self.path.display());
        let input = memfd_create(c"input", MFdFlags::MFD_CLOEXEC).doing(doing)?;
        let mut file = std::fs::File::from(input);
        io::Write::write_all(&mut file, self.input).doing(doing)?;
        io::Seek::rewind(&mut file).doing(doing)?;
        let (output, written) = pipe2(OFlag::O_CLOEXEC).doing(doing)?;
        let (complaints, complained) = pipe2(OFlag::O_CLOEXEC).doing(doing)?;
        let arguments = self.arguments()?;
        let environment = self.environment()?;
        let ends = [file.as_fd(), written.as_fd(), complained.as_fd()];
        let kept = keeper::start(&ends, |parent| {
            let failure = self.become_it(ends, &arguments, &environment, parent.as_raw() as u32);
            // Standard error is the pipe by now, or the log of the daemon still.
            eprintln!("{failure}");
        })?;
        let outputs = [output, complaints].map(|pipe| {
            // Of the other end this says nothing: the program waits when it must.
            let _ = fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
            Output { pipe: Some(pipe), kept: Vec::new() }
        });
        Ok(Running { kept, outputs })
    }

    fn arguments(&self) -> Result<Vec<CString>, Failure> {
        let name = self.path.as_os_str().as_bytes();
        let all = std::iter::once(name).chain(self.arguments.iter().map(String::as_bytes));
        let made: Result<Vec<_>, _> = all.map(CString::new).collect();
        made.map_err(io::Error::other).doing(|| "make the arguments of a program".into())
    }

    /// A variable cannot hold a zero byte; no file name can either.
    fn environment(&self) -> Result<Vec<CString>, Failure> {
        let one = |(name, value): &(OsString, OsString)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            CString::new(variable.into_vec().into_iter().filter(|byte| *byte != 0).collect::<Vec<_>>())
        };
        let made: Result<Vec<_>, _> = self.environment.iter().map(one).collect();
        made.map_err(io::Error::other).doing(|| "make the environment of a program".into())
    }

    /// In the child: everything up to execve(2). Returns only if it fails.
    fn become_it(
        &self,
        [input, output, complaints]: [BorrowedFd<'_>; 3],
        arguments: &[CString],
        environment: &[CString],
        parent: u32,
    ) -> Failure {
        let prepare = || -> Result<(), Failure> {
            unistd::setsid().doing(|| "begin a session".into())?;
            unistd::dup2_stdin(input).doing(|| "connect standard input".into())?;
            unistd::dup2_stdout(output).doing(|| "connect standard output".into())?;
            unistd::dup2_stderr(complaints).doing(|| "connect standard error".into())?;
            close_all_except(&[]);
            if let Some(account) = self.account {
                let keyring = Keyring::New;
                drop_to(account, &Drop { root: None, umask: 0o022, limits: PROGRAM, keyring, parent })?;
            } else {
                unistd::chdir("/").doing(|| "chdir /".into())?;
                nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
                super::process::die_with_parent(unistd::Pid::from_raw(parent as i32))?;
            }
            let_signals_end_us();
            Ok(())
        };
        if let Err(failure) = prepare() {
            return failure;
        }
        let path = &arguments[0];
        let Err(errno) = unistd::execve(path, arguments, environment);
        Failure { doing: format!("execute {}", self.path.display()), cause: errno.into() }
    }
}

impl Running {
    /// What to wait for: that it ends, or writes something.
    pub fn watched(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let pipes = self.outputs.iter().filter_map(|output| output.pipe.as_ref().map(AsFd::as_fd));
        [self.kept.as_fd()]
            .into_iter()
            .chain(pipes)
            .map(|descriptor| (descriptor, PollFlags::POLLIN))
            .collect()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.kept.has_ended()
    }

    /// Reads what it has written since.
    pub fn read(&mut self) {
        self.outputs.iter_mut().for_each(Output::read);
    }

    /// Ends it, if it has not ended, and all that it has started.
    pub fn end(mut self) -> Done {
        let out_of_time = !self.has_ended();
        let status = self.kept.end();
        self.read();
        let how = match status {
            Some(WaitStatus::Exited(_, status)) => How::Exited(status),
            _ if out_of_time => How::OutOfTime,
            Some(WaitStatus::Signaled(_, signal, _)) => How::Killed(signal),
            _ => How::Killed(Signal::SIGKILL),
        };
        let [output, complaints] = self.outputs.each_mut().map(|output| std::mem::take(&mut output.kept));
        Done { how, output, complaints }
    }

    /// Waits until it has ended, at most until the deadline, and only as long as there is nothing to see of who needs it.
    pub fn wait(mut self, deadline: Instant, needed_by: Option<(BorrowedFd<'_>, PollFlags)>) -> Done {
        let mut is_needed = true;
        while is_needed && !self.has_ended() && Instant::now() < deadline {
            let watched: Vec<_> = self.watched().into_iter().chain(needed_by).collect();
            if wait_for_any(&watched, Some(deadline)).is_err() {
                break;
            }
            drop(watched);
            self.read();
            is_needed = !needed_by.is_some_and(|seen| is_ready(seen));
        }
        let done = self.end();
        if is_needed { done } else { Done { how: How::NotNeeded, ..done } }
    }
}

fn is_ready(seen: (BorrowedFd<'_>, PollFlags)) -> bool {
    matches!(wait([seen], Some(Instant::now())), Ok([ready]) if !ready.is_empty())
}

impl Output {
    fn read(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let mut buffer = [0; 4096];
        // Not for ever, though there may be more and more.
        for _ in 0..READS_A_TURN {
            match unistd::read(pipe, &mut buffer) {
                Ok(0) => return self.pipe = None,
                Ok(count) => {
                    let room = KEPT_OUTPUT.saturating_sub(self.kept.len()).min(count);
                    self.kept.extend_from_slice(&buffer[..room]);
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}
