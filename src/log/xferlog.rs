//! xferlog(5), the transfer log of wu-ftpd: a line for each file that was moved, which many programs know how to read.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::escape::is_harmful;
use super::file::Lines;
use crate::system::time_zone::offset_at;

/// What a line says.
pub struct Transfer<'a> {
    /// When it ended, in seconds since 1970.
    pub ended: i64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// The client.
    pub peer: IpAddr,
    /// How many bytes were moved.
    pub bytes: u64,
    /// The file, as the machine sees it.
    pub file: &'a [u8],
    /// Whether it was moved in TYPE A.
    pub ascii: bool,
    /// Whether it was sent to the client, or received.
    pub sent: bool,
    /// Who moved it.
    pub access: Access,
    /// His name.
    pub user: &'a str,
    /// Whether it was moved completely.
    pub complete: bool,
}

/// The access mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `a`
    Anonymous,
    /// `g`: somebody without an account on the machine.
    Guest,
    /// `r`: somebody with one.
    Real,
}

/// The file, opened when there is something to write.
#[derive(Default)]
pub struct Xferlog {
    lines: Option<Lines>,
}

impl Xferlog {
    /// Writes a line into the file of this name.
    pub fn write(&mut self, path: &Path, transfer: &Transfer<'_>) -> io::Result<()> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            missing => missing.insert(Lines::open(path)?),
        };
        lines.write(&transfer.line())
    }
}

impl Transfer<'_> {
    /// The line with its end. The fields stand in their order, with one space between them.
    fn line(&self) -> Vec<u8> {
        // wu-ftpd counts whole seconds, and never less than one.
        let seconds = self.micros.saturating_add(500_000) / 1_000_000;
        let mut line = format!(
            "{} {} {} {} ",
            local_time(self.ended),
            seconds.max(1),
            self.peer.to_canonical(),
            self.bytes
        )
        .into_bytes();
        line.extend(without_spaces(self.file));
        let kind = if self.ascii { 'a' } else { 'b' };
        let direction = if self.sent { 'o' } else { 'i' };
        let access = match self.access {
            Access::Anonymous => 'a',
            Access::Guest => 'g',
            Access::Real => 'r',
        };
        line.extend_from_slice(format!(" {kind} _ {direction} {access} ").as_bytes());
        line.extend(without_spaces(self.user.as_bytes()));
        let complete = if self.complete { 'c' } else { 'i' };
        line.extend_from_slice(format!(" ftp 0 * {complete}\n").as_bytes());
        line
    }
}

/// Spaces and control characters become `_`, as wu-ftpd has it; so do other characters that terminals obey. An empty name
/// is one, too.
fn without_spaces(name: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_whitespace() || is_harmful(character) {
                found.push(b'_');
            } else {
                found.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        // Bytes that are no UTF-8 are letters of some other encoding, but for the control characters among them.
        found.extend(
            chunk.invalid().iter().map(|byte| if (0x80..0xa0).contains(byte) { b'_' } else { *byte }),
        );
    }
    if found.is_empty() { b"_".to_vec() } else { found }
}

/// Local time as ctime(3) has it: `Thu Nov  5 09:00:00 2026`.
pub fn local_time(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = seconds + offset_at(seconds);
    let Ok(moment) = time::OffsetDateTime::from_unix_timestamp(local) else { return String::new() };
    let day = DAYS[local.div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS[usize::from(u8::from(moment.month())) - 1];
    format!(
        "{day} {month} {:>2} {:02}:{:02}:{:02} {}",
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
        moment.year()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(file: &[u8], user: &str) -> Vec<u8> {
        let peer = "::ffff:192.0.2.1".parse().unwrap();
        let (ascii, sent, complete) = (false, true, true);
        let (ended, micros, bytes, access) = (1_772_366_405, 1_500_000, 7, Access::Real);
        Transfer { ended, micros, peer, bytes, file, ascii, sent, access, user, complete }.line()
    }

    #[test]
    fn a_line_is_as_wu_ftpd_writes_it() {
        let line = String::from_utf8(line(b"/home/a b\n/c", "alice")).unwrap();
        // The date depends on the time zone of the machine.
        assert_eq!(&line[24..], " 2 192.0.2.1 7 /home/a_b_/c b _ o r alice ftp 0 * c\n");
        assert_eq!(local_time(1_772_366_405).len(), 24);
    }

    proptest! {
        #[test]
        fn whatever_a_name_is_there_are_eighteen_words(file: Vec<u8>, user: String) {
            let line = line(&file, &user);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let words: Vec<_> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(words.len(), 18);
        }
    }
}
