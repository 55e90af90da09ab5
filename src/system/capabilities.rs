//! Capabilities: what the root processes keep, and that the others have none.
//!
//! The supervisor cuts its own sets once; workers inherit the result by fork and have nothing left to do.

use std::io;

use caps::{CapSet, Capability};
use nix::errno::Errno;

use super::{Doing, Failure};

/// All that a worker, and the PAM modules in it, can ever use.
pub const KEPT: &[Capability] = &[
    Capability::CAP_AUDIT_CONTROL, // pam_loginuid: this process and its session belong to the user
    Capability::CAP_AUDIT_WRITE,   // PAM: logins go to the audit log
    Capability::CAP_CHOWN,         // owners in rules, pam_mkhomedir: files are given away
    Capability::CAP_DAC_READ_SEARCH, // homes and files of users below directories that are closed to others
    Capability::CAP_FOWNER,        // pam_mkhomedir: modes of what has been given away already
    Capability::CAP_KILL,          // sessions run as somebody else, and must end with their worker
    Capability::CAP_NET_BIND_SERVICE, // listeners, also after a reload, and the ftp-data port
    Capability::CAP_SETGID,        // to become the user
    Capability::CAP_SETUID,        // to become the user
    Capability::CAP_SYS_CHROOT,    // the jail, and the frontend's empty root
    Capability::CAP_SYS_NICE,      // pam_limits: priorities above the default
    Capability::CAP_SYS_RESOURCE,  // pam_limits: hard limits above the supervisor's own
];

/// What stays in the bounding set where programs of the administrator run as root: they would change the firewall.
const FOR_ROOT_PROGRAMS: &[Capability] = &[Capability::CAP_NET_ADMIN];

/// Cuts every set of this process, and of all that will be forked from it, to `KEPT`. For the supervisor, before
/// the first fork. Without CAP_SETPCAP the bounding set stays: then a service manager has chosen it, or there is no
/// root whose helper programs could make use of it.
pub fn trim_supervisor(root_programs: bool) -> Result<(), Failure> {
    let now = read()?;
    if now.effective & Capability::CAP_SETPCAP.bitmask() != 0 {
        for capability in caps::all() {
            // A kernel older than the list says no to what it does not know.
            let kept = KEPT.contains(&capability) || root_programs && FOR_ROOT_PROGRAMS.contains(&capability);
            if !kept && in_bounding_set(capability) {
                caps::drop(None, CapSet::Bounding, capability)
                    .map_err(|error| io::Error::other(error.to_string()))
                    .doing(|| format!("drop {capability} from the bounding set"))?;
            }
        }
    }
    let kept = KEPT.iter().fold(0, |mask, capability| mask | capability.bitmask());
    write(Sets { effective: now.permitted & kept, permitted: now.permitted & kept, inheritable: 0 })
}

/// Keeps what it takes to start programs as other accounts and to end them again. For the events process.
pub fn keep_for_programs() -> Result<(), Failure> {
    let needed = [Capability::CAP_KILL, Capability::CAP_SETGID, Capability::CAP_SETUID];
    let kept = needed.iter().fold(0, |mask, capability| mask | capability.bitmask());
    let now = read()?;
    write(Sets { effective: now.permitted & kept, permitted: now.permitted & kept, inheritable: 0 })
}

/// Keeps what it takes to end programs of other accounts. For what keeps an eye on one.
pub(super) fn keep_for_ending() -> Result<(), Failure> {
    let kept = Capability::CAP_KILL.bitmask();
    let now = read()?;
    write(Sets { effective: now.permitted & kept, permitted: now.permitted & kept, inheritable: 0 })
}

/// Keeps what it takes to look into every directory. For a counter.
pub fn keep_to_count() -> Result<(), Failure> {
    let kept = Capability::CAP_DAC_READ_SEARCH.bitmask() & read()?.permitted;
    write(Sets { effective: kept, permitted: kept, inheritable: 0 })?;
    nix::sys::prctl::set_no_new_privs().doing(|| "set no_new_privs".into())
}

/// Whether this process may give files to others (CAP_CHOWN).
pub fn may_give_files_away() -> bool {
    read().is_ok_and(|now| now.permitted & Capability::CAP_CHOWN.bitmask() != 0)
}

/// Empties the effective, permitted and inheritable sets; the ambient set, always within them, becomes empty too.
/// The bounding set stays: it only matters to execve(2), which no_new_privs and seccomp make pointless.
pub(super) fn empty() -> Result<(), Failure> {
    write(Sets::default())
}

/// Proves that no capability is left.
pub(super) fn verify_empty() -> Result<(), Failure> {
    let now = read()?;
    if now == Sets::default() {
        return Ok(());
    }
    Err(Failure { doing: "drop capabilities".into(), cause: io::Error::other(format!("left: {now:x?}")) })
}

fn in_bounding_set(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false)
}

/// The three sets of capset(2), a bit for each capability.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// What capset(2) calls cap_user_header_t.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// What capset(2) calls cap_user_data_t: half of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: two halves.
const VERSION: u32 = 0x2008_0522;

/// The crate reads and writes one set at a time, six calls for what capset(2) does in one: too many on the way of
/// every connection.
fn write(sets: Sets) -> Result<(), Failure> {
    let header = Header { version: VERSION, pid: 0 };
    let halves = [0, 32].map(|shift| Half {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    });
    // SAFETY: both point to what version 3 of capset(2) expects: a header and two halves.
    let written = unsafe { libc::syscall(libc::SYS_capset, &header, halves.as_ptr()) };
    Errno::result(written).map(drop).doing(|| "capset".into())
}

fn read() -> Result<Sets, Failure> {
    let header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: both point to what version 3 of capget(2) expects: a header and room for two halves.
    let result = unsafe { libc::syscall(libc::SYS_capget, &header, halves.as_mut_ptr()) };
    Errno::result(result).doing(|| "capget".into())?;
    let [low, high] = halves;
    let whole = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Sets {
        effective: whole(low.effective, high.effective),
        permitted: whole(low.permitted, high.permitted),
        inheritable: whole(low.inheritable, high.inheritable),
    })
}
