//! How lines of the log look: the formats there are, and formats of one's own.

use std::fmt;
use std::str::FromStr;

use super::value::text_values;
use super::values::words;

words! {
    /// What a line of the log is, on standard error and in a file.
    LogFormat {
        /// Text, as it has always been.
        Text = "text",
        /// An object of JSON.
        Json = "json",
    }
    /// What a message to syslog looks like.
    SyslogFormat {
        /// RFC 3164, which every syslog daemon understands.
        Rfc3164 = "rfc3164",
        /// RFC 5424, with the facts of a line as structured data.
        Rfc5424 = "rfc5424",
    }
    /// As what syslog and the journal file the lines (syslog(3)).
    Facility {
        /// File transfers.
        Ftp = "ftp",
        /// Logins, to be read by few.
        Authpriv = "authpriv",
        /// Logins.
        Auth = "auth",
        /// Daemons.
        Daemon = "daemon",
        /// For whatever the machine uses it.
        Local0 = "local0",
        /// Likewise.
        Local1 = "local1",
        /// Likewise.
        Local2 = "local2",
        /// Likewise.
        Local3 = "local3",
        /// Likewise.
        Local4 = "local4",
        /// Likewise.
        Local5 = "local5",
        /// Likewise.
        Local6 = "local6",
        /// Likewise.
        Local7 = "local7",
    }
}

impl Facility {
    /// Its number (RFC 5424 6.2.1).
    pub fn number(self) -> u8 {
        match self {
            Facility::Ftp => 11,
            Facility::Authpriv => 10,
            Facility::Auth => 4,
            Facility::Daemon => 3,
            Facility::Local0 => 16,
            Facility::Local1 => 17,
            Facility::Local2 => 18,
            Facility::Local3 => 19,
            Facility::Local4 => 20,
            Facility::Local5 => 21,
            Facility::Local6 => 22,
            Facility::Local7 => 23,
        }
    }
}

/// What a letter behind a percent sign stands for, in formats of one's own.
pub const LOG_TOKENS: &[(char, &str)] = &[
    ('i', "The number of the connection."),
    ('a', "The client's address."),
    ('p', "The client's port."),
    ('u', "The user; empty before the login."),
    ('h', "The virtual host; empty if there is none."),
    ('l', "The address of the server that the client connected to."),
    ('P', "Its port."),
    ('%', "A percent sign."),
];

/// The same, of transfers alone.
pub const TRANSFER_TOKENS: &[(char, &str)] = &[
    ('v', "RETR or STOR."),
    ('f', "The file, as the client sees it, in quotes."),
    ('F', "The file, as the machine sees it, in quotes."),
    ('b', "How many bytes were moved."),
    ('s', "How many seconds it took, to the millisecond."),
    ('c', "1 if the file was moved completely, otherwise 0."),
    ('r', "How it ended: complete, aborted, broken or failed."),
];

/// What stands before every line about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePrefix(String);

/// What a line about a transfer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferLine(String);

impl LinePrefix {
    /// The text with the values of the letters.
    pub fn expand(&self, value: impl Fn(char) -> String) -> String {
        expand(&self.0, value)
    }
}

impl TransferLine {
    /// The text with the values of the letters.
    pub fn expand(&self, value: impl Fn(char) -> String) -> String {
        expand(&self.0, value)
    }
}

fn expand(format: &str, value: impl Fn(char) -> String) -> String {
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => match letters.next() {
                Some('%') | None => text.push('%'),
                Some(token) => text.push_str(&value(token)),
            },
            other => text.push(other),
        }
    }
    text
}

/// A line without control characters, in which every percent sign has a letter that means something.
fn check(text: &str, tokens: &[&[(char, &str)]]) -> Result<String, String> {
    if let Some(control) = text.chars().find(|letter| letter.is_control()) {
        return Err(format!("contains the control character {control:?}"));
    }
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter == '%' {
            let token = rest.next();
            if !tokens.iter().copied().flatten().any(|(known, _)| Some(*known) == token) {
                let token = token.map(String::from).unwrap_or_default();
                return Err(format!("%{token} stands for nothing"));
            }
        }
    }
    Ok(text.to_string())
}

impl FromStr for LinePrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<LinePrefix, String> {
        check(text, &[LOG_TOKENS]).map(LinePrefix)
    }
}

impl FromStr for TransferLine {
    type Err = String;

    fn from_str(text: &str) -> Result<TransferLine, String> {
        check(text, &[LOG_TOKENS, TRANSFER_TOKENS]).map(TransferLine)
    }
}

impl fmt::Display for LinePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TransferLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_values! {
    LinePrefix: "text with letters behind %".into();
    TransferLine: "text with letters behind %".into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_letters_that_mean_something() {
        let format: TransferLine = "%u 100%% %v %f".parse().unwrap();
        assert_eq!(format.expand(|token| format!("<{token}>")), "<u> 100% <v> <f>");
        assert_eq!("%f".parse::<LinePrefix>().unwrap_err(), "%f stands for nothing");
        assert_eq!("50%".parse::<TransferLine>().unwrap_err(), "% stands for nothing");
        assert!("a\nb".parse::<LinePrefix>().is_err());
    }
}
