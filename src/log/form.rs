//! What a line looks like: as text, as JSON, as messages to syslog (RFC 3164, RFC 5424) and to the journal. Pure, but for
//! the time.

use std::fmt::Write;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::escape::escaped;
use super::json::Object;
use super::{Fact, Subject};
use crate::config::{Facility, LogLevel as Level};

/// The name that the lines are filed under.
const NAME: &str = "ftpd";

/// Who has defined the structured data: nobody in particular (RFC 5612).
const DATA: &str = "ftpd@32473";

/// A line of the log, in its parts.
pub struct Line<'a> {
    pub level: Level,
    pub subject: &'a Subject,
    pub prefix: &'a str,
    /// Without anything that could end a line.
    pub message: &'a str,
    pub facts: &'a [(&'a str, Fact<'a>)],
}

impl Line<'_> {
    /// As text, without time and level.
    pub fn text(&self) -> String {
        if self.prefix.is_empty() {
            self.message.to_owned()
        } else {
            format!("{} {}", self.prefix, self.message)
        }
    }

    /// What is known of whom it is about, and what it is about.
    fn facts(&self, mut tell: impl FnMut(&str, Fact<'_>)) {
        if self.subject.session > 0 {
            tell("session", Fact::Number(self.subject.session));
        }
        if let Some(peer) = self.subject.peer {
            tell("peer", Fact::Text(&peer.ip().to_canonical().to_string()));
            tell("peer_port", Fact::Number(peer.port().into()));
        }
        for (name, value) in [("user", &self.subject.user), ("host", &self.subject.host)] {
            if let Some(value) = value {
                tell(name, Fact::Text(value));
            }
        }
        for (name, fact) in self.facts {
            tell(
                name,
                match fact {
                    Fact::Text(text) => Fact::Text(text),
                    Fact::Bytes(bytes) => Fact::Bytes(bytes),
                    Fact::Number(number) => Fact::Number(*number),
                    Fact::Micros(micros) => Fact::Micros(*micros),
                },
            );
        }
    }

    /// As an object of JSON.
    pub fn json(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.text("time", &time_to_the_microsecond());
        object.text("level", &self.level.to_string());
        object.number("pid", std::process::id().into());
        object.text("message", self.message);
        self.facts(|name, fact| match fact {
            Fact::Text(text) => object.text(name, text),
            Fact::Bytes(bytes) => object.bytes(name, bytes),
            Fact::Number(number) => object.number(name, number),
            Fact::Micros(micros) => object.seconds(name, micros),
        });
        object.finish()
    }

    /// As a message to the syslog daemon of this machine (RFC 3164 4.1): without a host, and in local time.
    pub fn rfc3164(&self, facility: Facility, message: &str) -> Vec<u8> {
        let stamp = local_stamp();
        format!("<{}>{stamp} {NAME}[{}]: {message}", self.priority(facility), std::process::id()).into_bytes()
    }

    /// As RFC 5424 has it, with the facts as structured data.
    pub fn rfc5424(&self, facility: Facility, message: &str) -> Vec<u8> {
        let mut data = String::new();
        self.facts(|name, fact| {
            let value = shown(&fact).replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
            let _ = write!(data, " {name}=\"{value}\"");
        });
        let data = if data.is_empty() { "-".to_owned() } else { format!("[{DATA}{data}]") };
        let host = host_name();
        let (priority, time, pid) = (self.priority(facility), time_to_the_microsecond(), std::process::id());
        format!("<{priority}>1 {time} {host} {NAME} {pid} - {data} {message}").into_bytes()
    }

    /// As the journal's own protocol has it: a field in a line each. No value has an end of line in it.
    pub fn journal(&self, facility: Facility) -> Vec<u8> {
        let mut text = format!(
            "MESSAGE={}\nPRIORITY={}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER={NAME}\nSYSLOG_PID={}\n",
            self.text(),
            severity(self.level),
            facility.number(),
            std::process::id()
        );
        self.facts(|name, fact| {
            let _ = writeln!(text, "FTPD_{}={}", name.to_uppercase(), shown(&fact));
        });
        text.into_bytes()
    }

    fn priority(&self, facility: Facility) -> u8 {
        facility.number() * 8 + severity(self.level)
    }
}

fn shown(fact: &Fact<'_>) -> String {
    match fact {
        Fact::Text(text) => escaped(text.as_bytes()).to_string(),
        Fact::Bytes(bytes) => escaped(bytes).to_string(),
        Fact::Number(number) => number.to_string(),
        Fact::Micros(micros) => format!("{:.6}", *micros as f64 / 1e6),
    }
}

/// The severity of syslog(3).
pub fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// What the machine is called; `-` if it does not say.
fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name: String = name.to_string_lossy().chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// The time to the second, in UTC (RFC 3339).
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

/// The same to the microsecond.
fn time_to_the_microsecond() -> String {
    format!("{}.{:06}Z", now().trim_end_matches('Z'), OffsetDateTime::now_utc().microsecond())
}

/// The time as RFC 3164 has it, "Nov  5 09:00:00", in local time.
fn local_stamp() -> String {
    let stamp = super::xferlog::local_time(OffsetDateTime::now_utc().unix_timestamp());
    // "Thu Nov  5 09:00:00 2026"
    stamp.get(4..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(value: &[u8], with: impl Fn(&Line<'_>)) {
        let text = String::from_utf8_lossy(value).into_owned();
        let subject = Subject { session: 3, user: Some(text), ..Subject::default() };
        let message = escaped(value).to_string();
        let facts = [("path", Fact::Bytes(value))];
        with(&Line { level: Level::Info, subject: &subject, prefix: "#3", message: &message, facts: &facts });
    }

    #[test]
    fn what_ends_a_value_of_structured_data_is_escaped() {
        lines(b"a\"]b\\", |line| {
            let text = String::from_utf8(line.rfc5424(Facility::Ftp, "m")).unwrap();
            assert!(text.ends_with(r#" path="a\"\]b\\"] m"#), "{text}");
            assert!(text.starts_with("<94>1 20"), "{text}");
        });
    }

    #[test]
    fn no_value_can_begin_a_field_of_the_journal() {
        lines(b"a\nPRIORITY=0\x1b", |line| {
            let text = String::from_utf8(line.journal(Facility::Ftp)).unwrap();
            assert_eq!(text.lines().filter(|line| line.starts_with("PRIORITY=")).count(), 1, "{text}");
            assert!(!text.contains('\x1b'), "{text}");
        });
    }

    #[test]
    fn a_line_of_json_has_the_bytes_of_names() {
        lines(b"a\n\xff", |line| {
            let json = line.json();
            assert!(!json.contains(&b'\n'));
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!((&value["level"], &value["path_hex"]), (&"info".into(), &"610aff".into()));
            assert_eq!(value["user"], "a\n\u{fffd}");
        });
    }
}
