//! Who is logged in, and who was: utmp(5), wtmp(5) and the file of last logins, as who(1), last(1) and lastlog(8) read
//! them. A file that does not exist is not made: then nobody wants it.

use std::ffi::c_char;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{SystemTime, UNIX_EPOCH};

const WTMP: &str = "/var/log/wtmp";
const LASTLOG: &str = "/var/log/lastlog";

/// Above this, the number of an account was made up by somebody, and a file with a place for everybody would be huge.
const LARGEST_UID: u32 = 0x00ff_ffff;

/// A login, as these files have it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where he comes from.
    pub peer: IpAddr,
    /// The process that stands for him.
    pub pid: u32,
    /// His account, if the user is one.
    pub uid: Option<u32>,
}

impl Login {
    /// He has logged in.
    pub fn begin(&self) -> io::Result<()> {
        let record = self.record(libc::USER_PROCESS);
        put(&record);
        append(&record)?;
        match self.uid.filter(|uid| *uid <= LARGEST_UID) {
            Some(uid) => self.note_last(uid),
            None => Ok(()),
        }
    }

    /// He is gone.
    pub fn end(&self) -> io::Result<()> {
        let record = self.record(libc::DEAD_PROCESS);
        put(&record);
        append(&record)
    }

    /// What stands where others have their terminal.
    fn line(&self) -> String {
        format!("ftpd{}", self.pid)
    }

    fn record(&self, kind: i16) -> libc::utmpx {
        // SAFETY: zeros are a valid value of every field: numbers and texts.
        let mut record: libc::utmpx = unsafe { std::mem::zeroed() };
        record.ut_type = kind;
        record.ut_pid = self.pid as libc::pid_t;
        copy(&mut record.ut_line, self.line().as_bytes());
        // Four letters that only this process has: numbers of processes have no more than 22 bits.
        const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
        let id = [18, 12, 6, 0].map(|shift| LETTERS[(self.pid >> shift) as usize % LETTERS.len()]);
        copy(&mut record.ut_id, &id);
        if kind == libc::USER_PROCESS {
            copy(&mut record.ut_user, self.user.as_bytes());
            copy(&mut record.ut_host, self.peer.to_canonical().to_string().as_bytes());
            let address = match self.peer.to_canonical() {
                IpAddr::V4(v4) => [u32::from_ne_bytes(v4.octets()), 0, 0, 0],
                IpAddr::V6(v6) => {
                    let octets = v6.octets();
                    [0, 4, 8, 12].map(|at: usize| {
                        u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
                    })
                }
            };
            record.ut_addr_v6 = address.map(|part| part as i32);
        }
        let now = now();
        record.ut_tv.tv_sec = now.0 as _;
        record.ut_tv.tv_usec = now.1 as _;
        record
    }

    /// The place of an account in the file of last logins: a time of 32 bits, a terminal, a host.
    fn note_last(&self, uid: u32) -> io::Result<()> {
        const LINE: usize = 32;
        const HOST: usize = 256;
        let mut place = Vec::with_capacity(4 + LINE + HOST);
        place.extend_from_slice(&(now().0 as u32).to_ne_bytes());
        for (text, length) in [(self.line(), LINE), (self.peer.to_canonical().to_string(), HOST)] {
            let mut field = text.into_bytes();
            field.resize(length, 0);
            place.extend_from_slice(&field);
        }
        let length = place.len() as u64;
        match OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(LASTLOG) {
            Ok(file) => file.write_all_at(&place, u64::from(uid) * length),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Seconds and microseconds since 1970.
fn now() -> (u64, u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs(), now.subsec_micros())
}

fn copy(field: &mut [c_char], text: &[u8]) {
    for (place, byte) in field.iter_mut().zip(text) {
        *place = *byte as c_char;
    }
}

/// The C library knows where utmp is, and locks it.
fn put(record: &libc::utmpx) {
    // SAFETY: the record is valid for the call; there is one thread.
    unsafe {
        libc::setutxent();
        libc::pututxline(record);
        libc::endutxent();
    }
}

/// One write(2) at the end of the file: nobody's record is torn.
fn append(record: &libc::utmpx) -> io::Result<()> {
    let length = std::mem::size_of::<libc::utmpx>();
    // SAFETY: the record was zeroed before its fields were set, so that the bytes between them are initialized, too.
    let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast::<u8>(), length) };
    match OpenOptions::new().append(true).custom_flags(libc::O_NOFOLLOW).open(WTMP) {
        Ok(mut file) => file.write_all(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
