//! What outlives the daemon: the bans, in a file below `state-directory`. It is written at once under another name and
//! then given its own, so it is always whole; it is written a moment after a change, so that a flood of bans is none of
//! writes. Nobody waits for the disk: what a power failure takes was not older than that.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::bans::{Ban, Bans, Subject};

/// Between two writes.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(1);

const NAME: &str = "bans";
const NEW_NAME: &str = "bans.new";
const HEADING: &str =
    "# ftpd bans: until (seconds since 1970), the how manyth, who, why; written by the daemon\n";

/// Files larger than the largest that is ever written are not ours.
const LARGEST: u64 = 64 << 20;

/// Writes all bans.
pub fn save(directory: &Path, bans: &Bans, now: Instant) -> io::Result<()> {
    if !directory.exists() {
        DirBuilder::new().mode(0o700).create(directory)?;
    }
    let new = directory.join(NEW_NAME);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(to_text(bans, now, SystemTime::now()).as_bytes())?;
    fs::rename(new, directory.join(NAME))
}

/// Reads all bans; there are none where there is no file. Lines that say nothing are passed over.
pub fn load(directory: &Path, now: Instant) -> io::Result<Bans> {
    let path = directory.join(NAME);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Bans::default()),
        Err(error) => return Err(error),
        Ok(status) if !status.is_file() || status.len() > LARGEST => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no file of bans"));
        }
        Ok(_) => {}
    }
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    Ok(from_text(&text, now, SystemTime::now()))
}

fn to_text(bans: &Bans, now: Instant, wall: SystemTime) -> String {
    let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = HEADING.to_owned();
    for (subject, ban) in bans.all() {
        let until = match ban.until.checked_duration_since(now) {
            Some(left) => wall + left,
            None => wall.saturating_sub(now - ban.until),
        };
        text.push_str(&format!("{}\t{}\t{subject}\t{}\n", until.as_secs(), ban.times, ban.why));
    }
    text
}

fn from_text(text: &str, now: Instant, wall: SystemTime) -> Bans {
    let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut bans = Bans::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((subject, ban)) = from_line(line, now, wall) {
            bans.put(subject, ban);
        }
    }
    bans.unsaved = false;
    bans
}

fn from_line(line: &str, now: Instant, wall: Duration) -> Option<(Subject, Ban)> {
    let [until, times, subject, why] = <[&str; 4]>::try_from(line.split('\t').collect::<Vec<_>>()).ok()?;
    let until = Duration::from_secs(until.parse().ok()?);
    let until = match until.checked_sub(wall) {
        Some(left) => now.checked_add(left)?,
        None => now.checked_sub(wall - until)?,
    };
    Some((subject.parse().ok()?, Ban { until, times: times.parse().ok()?, why: why.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        // Long after the machine has started, so that there is a past.
        let now = Instant::now() + Duration::from_secs(100_000);
        let wall = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut bans = Bans::default();
        for (subject, until) in
            [("192.0.2.1", now + SAVE_INTERVAL * 90), ("a b@2001:db8::/64", now - SAVE_INTERVAL * 60)]
        {
            bans.put(subject.parse().unwrap(), Ban { until, times: 3, why: "wrong logins".into() });
        }
        let text = to_text(&bans, now, wall);
        assert!(text.contains("\n1700000090\t3\t192.0.2.1\twrong logins\n"), "{text}");
        let later = Duration::from_secs(10);
        let read = from_text(&text, now + later, wall + later);
        assert_eq!(read.all().collect::<Vec<_>>(), bans.all().collect::<Vec<_>>());
        assert_eq!(read.list(now + later).count(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text: String) {
            from_text(&text, Instant::now(), SystemTime::now());
        }

        #[test]
        fn no_line_makes_it_stumble(until: u64, times: u32, subject in "[a-z0-9.:/@]{0,12}") {
            from_text(&format!("{until}\t{times}\t{subject}\t"), Instant::now(), SystemTime::now());
        }
    }
}
