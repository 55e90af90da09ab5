//! What happened, as one process tells it to another.

use super::values::values;

values! {
    /// What a session tells: for the log, and for the worker's own watch over time.
    enum Event {
        /// A command was obeyed or refused. The argument is empty where it may hold a secret.
        Command { verb: String, argument: Vec<u8>, code: u16 },
        /// Data begins to move.
        TransferBegan { direction: Direction, path: Vec<u8> },
        /// Data still moves; sent every few seconds. `bytes` counts from the beginning of the transfer.
        Progress { bytes: u64 },
        /// Data has ceased to move.
        /// `ascii`: in TYPE A. `left`: of an upload that was cut, what has its name now.
        Transferred {
            direction: Direction,
            path: Vec<u8>,
            bytes: u64,
            micros: u64,
            ascii: bool,
            outcome: Outcome,
            left: Option<Left>,
        },
        Removed { path: Vec<u8> },
        Renamed { from: Vec<u8>, to: Vec<u8> },
        DirectoryMade { path: Vec<u8> },
        DirectoryRemoved { path: Vec<u8> },
        ModeChanged { path: Vec<u8>, mode: u32 },
        TimeChanged { path: Vec<u8> },
        GroupChanged { path: Vec<u8>, gid: u32 },
        /// A symbolic link was made.
        Linked { path: Vec<u8>, target: Vec<u8> },
        Copied { from: Vec<u8>, to: Vec<u8> },
        /// A rule of the configuration forbade it. `why` names the rule.
        Refused { operation: String, path: Vec<u8>, why: String },
    }

    /// Which way a transfer goes, seen from the server.
    enum Direction {
        /// RETR.
        Out,
        /// STOR, STOU, APPE.
        In,
        /// LIST, NLST, MLSD.
        Listing,
        /// HASH and its relatives: nothing is sent but what comes out of the bytes.
        Digest,
        /// SITE COPY and CPTO: from file to file.
        Copy,
        /// SITE RMDIR: the directory and all that is in it goes away.
        Removal,
    }

    /// How a transfer ended.
    enum Outcome {
        /// Every byte arrived and, for an upload, was written.
        Complete,
        /// The client ended it with ABOR.
        Aborted,
        /// The data connection broke, stalled, or the control connection went away.
        CutShort,
        /// The file system refused (disk full, quota, error).
        Failed,
    }

    /// What has the name of an upload that was cut.
    enum Left {
        /// Nothing.
        Nothing,
        /// What came of a new file.
        Beginning,
        /// What had it before, as it was.
        Old,
        /// A file that was there and was changed where it is (APPE, REST).
        Changed,
    }

    /// Why a client is no longer served.
    enum Leaving {
        /// QUIT.
        Quit,
        /// The control connection ended or broke.
        Vanished,
        /// 421: nothing came for too long.
        Idle,
        /// 421: no login within the login timeout.
        LoginTimeout,
        /// 530: too many failed logins.
        TooManyFailures,
        /// 421: the daemon is stopping.
        Stopping,
        /// The client broke the protocol beyond what is answered.
        Abuse,
        /// 421: a client of this address may not come in, as the supervisor found when a proxy had named him.
        Refused,
        /// 421: the administrator wants him to go.
        Kicked,
        /// 421: the hours at which he may be logged in are over.
        HoursOver,
        /// 421: his session has lasted as long as it may.
        TimeOver,
        /// 421: he says too many commands in too short a time.
        Flooding,
    }
}

impl Copy for Left {}
impl Copy for Direction {}
impl Copy for Outcome {}
impl Copy for Leaving {}
