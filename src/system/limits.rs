//! Resource limits of the processes that serve a client. They are only ever lowered: what PAM set stays in force.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{Doing, Failure};

/// The most of a resource, in the unit of setrlimit(2).
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    resource: Resource,
    most: u64,
}

/// A frontend has its sockets and its memory, nothing else. NOFILE counts descriptor numbers: there are links to the
/// worker and to the session, the client's socket and standard error, and room for what a poll needs.
pub const FRONTEND: &[Limit] = &[
    Limit { resource: Resource::RLIMIT_CORE, most: 0 },
    Limit { resource: Resource::RLIMIT_FSIZE, most: 0 },
    Limit { resource: Resource::RLIMIT_NPROC, most: 0 },
    Limit { resource: Resource::RLIMIT_NOFILE, most: 32 },
    Limit { resource: Resource::RLIMIT_DATA, most: 64 << 20 },
];

/// A verifier reads lists of revoked certificates, which may be large.
pub const VERIFIER: &[Limit] = &[
    Limit { resource: Resource::RLIMIT_CORE, most: 0 },
    Limit { resource: Resource::RLIMIT_FSIZE, most: 0 },
    Limit { resource: Resource::RLIMIT_NPROC, most: 0 },
    Limit { resource: Resource::RLIMIT_NOFILE, most: 32 },
    Limit { resource: Resource::RLIMIT_DATA, most: 512 << 20 },
];

/// A session forks nothing, leaves no core with the user's data, and stays small however large a directory is.
pub const SESSION: &[Limit] = &[
    Limit { resource: Resource::RLIMIT_CORE, most: 0 },
    Limit { resource: Resource::RLIMIT_NPROC, most: 0 },
    Limit { resource: Resource::RLIMIT_NOFILE, most: 256 },
    Limit { resource: Resource::RLIMIT_DATA, most: 256 << 20 },
];

/// A program of the administrator does what it likes, but leaves no core with the names of other people's files.
pub const PROGRAM: &[Limit] = &[Limit { resource: Resource::RLIMIT_CORE, most: 0 }];

/// Lowers soft and hard limits to these; a limit that is lower already stays.
pub(super) fn apply(limits: &[Limit]) -> Result<(), Failure> {
    for &Limit { resource, most } in limits {
        // Nothing is below zero: no need to ask.
        let (soft, hard) = match most {
            0 => (0, 0),
            _ => getrlimit(resource).doing(|| format!("getrlimit {resource:?}"))?,
        };
        if hard > most || soft > most || most == 0 {
            setrlimit(resource, soft.min(most), hard.min(most))
                .doing(|| format!("setrlimit {resource:?} {most}"))?;
        }
    }
    Ok(())
}

/// While this lives, the process makes no file larger than so many bytes: whatever would ends with EFBIG at the byte. The
/// kernel keeps it, however the bytes get there; SIGXFSZ must be ignored.
#[derive(Debug)]
pub struct SizeLimit {
    before: (u64, u64),
}

impl SizeLimit {
    /// Sets the limit. A lower one that is in force already stays.
    pub fn of(bytes: u64) -> io::Result<SizeLimit> {
        let before = getrlimit(Resource::RLIMIT_FSIZE)?;
        setrlimit(Resource::RLIMIT_FSIZE, before.0.min(bytes), before.1)?;
        Ok(SizeLimit { before })
    }
}

impl Drop for SizeLimit {
    fn drop(&mut self) {
        // What was in force before can be in force again.
        let _ = setrlimit(Resource::RLIMIT_FSIZE, self.before.0, self.before.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Core files are the one limit that the other tests of this process do not feel.
    #[test]
    fn limits_are_lowered_and_never_raised() {
        let resource = Resource::RLIMIT_CORE;
        let most = getrlimit(resource).unwrap().1.min(4096);
        apply(&[Limit { resource, most }]).unwrap();
        assert!(getrlimit(resource).unwrap().0 <= most);
        apply(&[Limit { resource, most: 0 }]).unwrap();
        assert_eq!(getrlimit(resource).unwrap(), (0, 0));
        apply(&[Limit { resource, most: 4096 }]).unwrap();
        assert_eq!(getrlimit(resource).unwrap(), (0, 0));
    }
}
