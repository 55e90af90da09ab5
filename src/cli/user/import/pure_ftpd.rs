//! What users look like in pureftpd.passwd, the text that pure-pw(8) makes its database of.

use super::Foreign;
use super::formats::{about, lines, number, secret};
use crate::config::users::UserEntry;

/// The fields of a line behind the home directory, as the manual of Pure-FTPd counts them.
const UPLOAD_RATE: usize = 6;
const DOWNLOAD_RATE: usize = 7;
const RATIOS: [usize; 2] = [8, 9];
const CONNECTIONS: usize = 10;
const FILES: usize = 11;
const SIZE: usize = 12;
const ALLOWED_SERVERS: usize = 13;
const REFUSED_SERVERS: usize = 14;
const ALLOWED_CLIENTS: usize = 15;
const REFUSED_CLIENTS: usize = 16;
const HOURS: usize = 17;

/// Lines of 18 fields.
pub fn read(text: &str) -> Vec<Foreign> {
    lines(text)
        .map(|(line, text)| {
            // Addresses of IPv6 have colons, too; pure-pw puts them in brackets.
            let fields = split(text);
            let field = |index: usize| fields.get(index).map(|field| field.trim()).unwrap_or_default();
            let mut foreign = Foreign {
                line,
                name: field(0).into(),
                secret: secret(field(1)),
                identity: number(field(2)),
                ..Foreign::default()
            };
            if !field(3).is_empty() && field(3) != field(2) {
                foreign.lost.push(format!("the gid {}", field(3)));
            }
            about(&mut foreign, field(4), &home(field(5)));
            for (index, keys, what) in [
                (UPLOAD_RATE, ["upload-rate", "upload-rate-per-session"], "upload bandwidth"),
                (DOWNLOAD_RATE, ["download-rate", "download-rate-per-session"], "download bandwidth"),
                (CONNECTIONS, ["max-sessions-per-user", ""], "number of connections"),
                (FILES, ["quota-files", ""], "quota of files"),
                (SIZE, ["quota-bytes", "quota-size"], "quota of bytes"),
            ] {
                option(&mut foreign, field(index), &keys, what);
            }
            for index in RATIOS {
                if !["", "0"].contains(&field(index)) {
                    foreign.lost.push(format!("the ratio {}", field(index)));
                }
            }
            for (index, what) in [(ALLOWED_SERVERS, "allowed"), (REFUSED_SERVERS, "refused")] {
                if !field(index).is_empty() {
                    foreign.lost.push(format!("the {what} addresses of the server, {}", field(index)));
                }
            }
            networks(&mut foreign, field(ALLOWED_CLIENTS), field(REFUSED_CLIENTS));
            hours(&mut foreign, field(HOURS));
            foreign
        })
        .collect()
}

/// The fields of a line. What stands in brackets is an address.
fn split(line: &str) -> Vec<&str> {
    let mut depth = 0;
    line.split(|letter: char| {
        depth += match letter {
            '[' => 1,
            ']' => -1,
            _ => 0,
        };
        letter == ':' && depth <= 0
    })
    .collect()
}

/// Everybody is locked in there. `/./` at the end says so and divides nothing.
fn home(field: &str) -> String {
    let home = field.strip_suffix("/./").unwrap_or(field);
    if home.is_empty() && !field.is_empty() { "/".into() } else { home.into() }
}

/// A number that limits something; the first of the keys that this program has.
fn option(foreign: &mut Foreign, value: &str, keys: &[&'static str], what: &str) {
    if ["", "0"].contains(&value) {
        return;
    }
    let known = UserEntry::keys();
    match keys.iter().find(|key| known.contains(*key)) {
        Some(key) => foreign.options.push((*key, value.into())),
        None => foreign.lost.push(format!("the {what}, {value}")),
    }
}

fn networks(foreign: &mut Foreign, allowed: &str, refused: &str) {
    let list = |field: &str, mark: &str| -> Vec<String> {
        let networks = field.split(',').map(str::trim).filter(|network| !network.is_empty());
        networks.map(|network| format!("\"{mark}{}\"", network.replace(['[', ']'], ""))).collect()
    };
    let all = [list(allowed, ""), list(refused, "!")].concat();
    if !all.is_empty() {
        foreign.options.push(("login-networks", format!("[{}]", all.join(", "))));
    }
}

/// `hhmm-hhmm`, every day.
fn hours(foreign: &mut Foreign, field: &str) {
    if field.is_empty() {
        return;
    }
    let time = |text: &str| {
        let is_time = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_time.then(|| format!("{}:{}", &text[..2], &text[2..]))
    };
    let times = field.split_once('-').map(|(from, to)| (time(from), time(to)));
    match times {
        Some((Some(from), Some(to))) => {
            foreign.options.push(("login-hours", format!("[\"{from}-{to}\"]")));
        }
        _ => foreign.lost.push(format!("the hours {field}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_eighteen_fields() {
        let text = "anne:$7$x:1001:1001:Anne:/srv/anne/./:::::4:::::192.0.2.0/24,[2001:db8::]/32:198.51.100.1:0800-1730\n\
                    bob:$6$y:1002:100::/srv/bob::::1::::10.0.0.1::::x\n";
        let found = read(text);
        assert_eq!(
            found[0].options,
            [
                ("comment", "Anne".to_string()),
                ("home", "/srv/anne".to_string()),
                ("max-sessions-per-user", "4".to_string()),
                (
                    "login-networks",
                    "[\"192.0.2.0/24\", \"2001:db8::]/32\", \"!198.51.100.1\"]".replace("::]", "::")
                ),
                ("login-hours", "[\"08:00-17:30\"]".to_string()),
            ]
        );
        assert!(found[0].lost.is_empty());
        assert_eq!(
            found[1].lost,
            ["the gid 100", "the ratio 1", "the allowed addresses of the server, 10.0.0.1", "the hours x"]
        );
    }

    #[test]
    fn quotas_are_taken_over() {
        let found = read("carl:$7$x:1003:1003::/srv/carl::::::100:1048576:::::\n");
        assert_eq!(
            found[0].options[1..],
            [("quota-files", "100".to_string()), ("quota-bytes", "1048576".to_string())]
        );
        assert!(found[0].lost.is_empty());
    }

    #[test]
    fn the_dot_at_the_end_of_a_home_divides_nothing() {
        assert_eq!(home("/srv/anne/./"), "/srv/anne");
        assert_eq!(home("/srv/team/./anne"), "/srv/team/./anne");
        assert_eq!(home("/./"), "/");
        assert_eq!(home(""), "");
    }
}
