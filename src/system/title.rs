//! What `ps` shows of a process: the memory that held the command line is written anew (proc(5), cmdline).

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What talks to the service manager (sd_notify(3)), as long as the supervisor lives.
const KEPT: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"];

static AREA: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// How much of the memory holds the last title: at first, all of it may hold something.
static SHOWN: AtomicUsize = AtomicUsize::new(0);

/// Remembers where the kernel looks for the command line. Must run before the first title is set and after the
/// environment was read for the last time: it is emptied but for `KEPT`, since titles may run into its memory.
pub fn claim() {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // Fields are counted behind the command name, which may hold spaces: arg_start is field 48, env_end 51.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return };
    let field = |number: usize| fields.split(' ').nth(number - 3).and_then(|text| text.parse::<usize>().ok());
    let (Some(start), Some(end), Some(env_start), Some(env_end)) =
        (field(48), field(49), field(50), field(51))
    else {
        return;
    };
    // PAM modules log by syslog(3), whose default for the name of the program is in the memory of the command line.
    // SAFETY: the name is static, and no other thread exists that could log.
    unsafe { libc::openlog(c"ftpd".as_ptr(), libc::LOG_PID, libc::LOG_AUTHPRIV) };
    let variables: Vec<_> = std::env::vars_os().collect();
    for (name, value) in variables {
        // SAFETY: no other thread exists that could read the environment.
        unsafe {
            std::env::remove_var(&name);
            if KEPT.iter().any(|kept| name == *kept) {
                // Copied to memory of its own.
                std::env::set_var(name, value);
            }
        }
    }
    let end = if env_start == end { env_end } else { end };
    if start == 0 || end <= start {
        return;
    }
    AREA.store(start as *mut u8, Ordering::Relaxed);
    LENGTH.store(end - start, Ordering::Relaxed);
    SHOWN.store(end - start, Ordering::Relaxed);
}

/// Shows this title. Cut where there is no room; without `claim` nothing happens.
pub fn set(title: &str) {
    let area = AREA.load(Ordering::Relaxed);
    let length = LENGTH.load(Ordering::Relaxed);
    if area.is_null() || length < 2 {
        return;
    }
    let shown = &title.as_bytes()[..title.len().min(length - 1)];
    let before = SHOWN.swap(shown.len(), Ordering::Relaxed);
    // SAFETY: the kernel put the command line and environment of this process there: `length` writable bytes that
    // live as long as the process. Rust's own copies of the arguments point into it and are not used after `claim`.
    unsafe {
        std::ptr::copy_nonoverlapping(shown.as_ptr(), area, shown.len());
        // What the last title left behind, and no more: a page that is not touched need not be copied.
        let rest = before.saturating_sub(shown.len());
        std::ptr::write_bytes(area.add(shown.len()), 0, rest);
    }
}
