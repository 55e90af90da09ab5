//! Landlock: what the kernel itself refuses below a process, whatever its uid may do. Best effort: the level that
//! this kernel offers is in force, and reported.
//!
//! The second wall behind the empty root, the chroot and `openat2`, and the only one of them for sessions without
//! root. It does not cover stat, chmod, chown and times; those are left to the first wall and to seccomp.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Doing, Failure};

/// The newest version of the interface that was tried. Whatever newer kernels could refuse besides is not asked for.
const TRIED: ABI = ABI::V7;

/// How much of what was asked for the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// All of it.
    Full,
    /// What an older kernel knows.
    Partial,
    /// Nothing: Landlock is not there, or too old to let files move between directories.
    None,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::Full => "full",
            Protection::Partial => "partial",
            Protection::None => "none",
        })
    }
}

/// What a session may do to files, as far as the configuration of its user goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and list.
    Read,
    /// Read, list, write, make, move and remove.
    Write,
}

/// Takes the whole file system away from a frontend, and new TCP connections with it. Needs no_new_privs.
pub fn confine_frontend() -> Result<Protection, Failure> {
    let nothing = || -> Result<Protection, RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(TRIED))?
            .handle_access(AccessNet::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?;
        enforce(ruleset)
    };
    nothing().map_err(io::Error::other).doing(|| "confining the frontend with Landlock".into())
}

/// Leaves a session what is beneath its root directory: the jail, or "/" where it sees the real file system. Nothing
/// is executable, no device takes an ioctl, and no process outside is reached by signals or abstract sockets.
/// Needs no_new_privs.
pub fn confine_session(root: BorrowedFd<'_>, access: Access) -> Result<Protection, Failure> {
    let beneath = || -> Result<Protection, RulesetError> {
        let ruleset = Ruleset::default()
            // Kernels before 5.19 can only forbid to move files between directories: then rather nothing.
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?
            .add_rule(PathBeneath::new(root, allowed(access)))?;
        enforce(ruleset)
    };
    beneath().map_err(io::Error::other).doing(|| "confining the session with Landlock".into())
}

fn allowed(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => AccessFs::ReadFile | AccessFs::ReadDir,
        // Making sockets, pipes and devices stays: moving them is the same right. mknod(2) is left to seccomp.
        Access::Write => AccessFs::from_all(TRIED) & !(AccessFs::Execute | AccessFs::IoctlDev),
    }
}

fn enforce(ruleset: RulesetCreated) -> Result<Protection, RulesetError> {
    let status = ruleset.no_new_privs(false).restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Protection::Full,
        RulesetStatus::PartiallyEnforced => Protection::Partial,
        RulesetStatus::NotEnforced => Protection::None,
    })
}
