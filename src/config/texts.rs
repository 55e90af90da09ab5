//! What clients read: messages, the banner, and the names of files that hold such.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;

use super::error::plain;
use super::value::{Value, Wrong, text_values, write_text};
use super::{AbsolutePath, Config, Host};
use crate::protocol::message;

/// The most that a banner file may hold, in bytes: more than anybody reads.
const MAX_FILE: u64 = 8 * 1024;

/// A text for clients who are logged in, of one line or more, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(String);

/// A text for clients before they are logged in, of one line or more, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner(String);

impl Message {
    /// The text, with its placeholders.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Banner {
    /// The text, with its placeholders.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What a file says.
    fn of_file(path: &Path) -> Result<Banner, Unreadable> {
        let unreadable = |error: &io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => Unreadable::Forbidden(plain(error)),
            _ => Unreadable::Bad(plain(error)),
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(Unreadable::Bad("is no file".into()));
        }
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Unreadable::Bad(format!("is longer than {MAX_FILE} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Unreadable::Bad("is not UTF-8".into()))?;
        match message::objection(&text, true) {
            Some(objection) => Err(Unreadable::Bad(objection)),
            None => Ok(Banner(text)),
        }
    }
}

/// Why there is no banner in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Whoever asks may not read it; the daemon may.
    Forbidden(String),
    /// Nobody could.
    Bad(String),
}

impl Config {
    /// Reads the banner files: the processes that send banners have no files. What is wrong with one is found by
    /// [`Config::check`].
    pub(super) fn read_banner_files(&mut self) {
        let paths = self.banner_files().map(|(_, path)| path.to_path_buf());
        self.banners = paths.filter_map(|path| Some((path.clone(), Banner::of_file(&path).ok()?))).collect();
    }

    /// The banner files that sections name, with why nothing can be read from them.
    pub(super) fn unreadable_banner_files(
        &self,
    ) -> impl Iterator<Item = (String, &AbsolutePath, Unreadable)> {
        self.banner_files().filter_map(|(section, path)| Some((section, path, Banner::of_file(path).err()?)))
    }

    fn banner_files(&self) -> impl Iterator<Item = (String, &AbsolutePath)> {
        let of_hosts = self.host.iter().map(|(name, host)| (Host::section(name), &host.own.banner_file));
        std::iter::once(("server".to_string(), &self.server.banner_file))
            .chain(of_hosts)
            .filter_map(|(section, path)| Some((section, path.as_ref()?)))
    }

    /// What clients of a virtual host, or of none, read first: a file wins over a text, what the host says over what
    /// the server says. A file is as it was when the configuration was read.
    pub fn banner(&self, host: Option<&str>) -> &Banner {
        let host = host.and_then(|name| self.host.get(name)).map(|host| &host.own);
        let read = |path: &Option<AbsolutePath>| path.as_ref().and_then(|path| self.banners.get(&**path));
        host.and_then(|host| read(&host.banner_file).or(host.banner.as_ref()))
            .or_else(|| read(&self.server.banner_file))
            .unwrap_or(&self.server.banner)
    }
}

/// The banners that were read from files, by path.
pub(super) type Banners = BTreeMap<PathBuf, Banner>;

/// The name of a file, without a directory; empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// The name, if there is one.
    pub fn name(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|name| !name.is_empty())
    }
}

impl FromStr for FileName {
    type Err = String;

    fn from_str(text: &str) -> Result<FileName, String> {
        match text.contains(['/', '\0']) || text == "." || text == ".." || text.len() > 255 {
            true => Err(format!("{text:?} is no name of a file; directories cannot be part of it")),
            false => Ok(FileName(text.to_string())),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_values! {
    FileName: "name of a file, or nothing between the quotes".into();
}

/// Texts that may have several lines.
macro_rules! text_of_lines {
    ($($kind:ident, before login: $before_login:literal;)+) => {$(
        impl Value for $kind {
            fn kind() -> String {
                "text".to_string()
            }

            fn read(value: &Spanned<DeValue<'_>>) -> Result<$kind, Wrong> {
                let text = value.get_ref().as_str().ok_or_else(|| Wrong::kind::<$kind>(value))?;
                let is_stray = |letter: &char| letter.is_control() && !matches!(letter, '\n' | '\t');
                if let Some(letter) = text.replace("\r\n", "\n").chars().find(is_stray) {
                    return Err(Wrong::new(value, format!("contains the control character {letter:?}")));
                }
                match message::objection(text, $before_login) {
                    Some(objection) => Err(Wrong::new(value, objection)),
                    None => Ok($kind(text.to_string())),
                }
            }

            fn write(&self) -> Option<String> {
                write_text(&self.0)
            }
        }
    )+};
}

text_of_lines! {
    Message, before login: false;
    Banner, before login: true;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("f"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn messages_may_have_lines_and_read_back_as_themselves() {
        let config = read("[session]\nlogin-message = \"\"\"\nHello %u,\n\"you\" \\\\o/.\"\"\"\n").unwrap();
        assert_eq!(config.session.login_message.text(), "Hello %u,\n\"you\" \\o/.");
        assert_eq!(read(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn placeholders_must_stand_for_something() {
        assert_eq!(
            read("[session]\nquit-message = \"100% done\"").unwrap_err(),
            "f:2: [session] quit-message: %  stands for nothing; %% stands for a percent sign"
        );
        assert_eq!(
            read("[server]\nbanner = \"Hello %u\"").unwrap_err(),
            "f:2: [server] banner: %u means nothing before somebody is logged in"
        );
    }

    #[test]
    fn the_file_of_a_directory_is_a_name_alone() {
        for bad in ["a/b", "..", "/etc/motd"] {
            assert!(read(&format!("[session]\ndirectory-message = \"{bad}\"")).is_err(), "{bad}");
        }
        let off = read("[session]\ndirectory-message = \"\"").unwrap();
        assert_eq!(off.session.directory_message.name(), None);
    }

    #[test]
    fn a_file_wins_over_a_text_and_a_host_over_the_server() {
        let text = "[server]\nbanner = \"server\"\nbanner-file = \"/server\"\n[host.a]\n[host.b]\nbanner = \"b\"\n\
                    [host.c]\nbanner-file = \"/c\"\n";
        let mut config = read(text).unwrap();
        assert_eq!(config.banner(Some("a")).text(), "server");
        assert_eq!(config.banner(Some("b")).text(), "b");
        for path in ["/server", "/c"] {
            config.banners.insert(path.into(), Banner(format!("file {path}")));
        }
        assert_eq!(config.banner(None).text(), "file /server");
        assert_eq!(config.banner(Some("a")).text(), "file /server");
        assert_eq!(config.banner(Some("b")).text(), "b");
        assert_eq!(config.banner(Some("c")).text(), "file /c");
    }
}
