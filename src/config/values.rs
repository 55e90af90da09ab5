//! Values that cannot be bad: each type refuses, with a reason, what makes no sense.

use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

use super::permissions::Permissions;
use super::value::{Value, Wrong, text_values};

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// The number, if it is within the bounds.
    pub fn new(number: u32) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Count(number))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Value for Count<MIN, MAX> {
    fn kind() -> String {
        match MAX {
            u32::MAX => "number".to_string(),
            _ => format!("number from {MIN} to {MAX}"),
        }
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let Some(integer) = value.get_ref().as_integer() else {
            return Err(Wrong::kind::<Self>(value));
        };
        i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .and_then(Count::new)
            .ok_or_else(|| Wrong::new(value, format!("{} is not from {MIN} to {MAX}", integer.as_str())))
    }

    fn write(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A span of time in whole seconds, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds<const MIN: u32 = 1, const MAX: u32 = 86400>(Count<MIN, MAX>);

impl<const MIN: u32, const MAX: u32> Seconds<MIN, MAX> {
    /// The number of seconds.
    pub fn seconds(self) -> u32 {
        self.0.get()
    }

    /// The same as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.get().into())
    }
}

impl<const MIN: u32, const MAX: u32> Value for Seconds<MIN, MAX> {
    fn kind() -> String {
        format!("seconds, from {MIN} to {MAX}")
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        match value.get_ref().is_integer() {
            true => Count::read(value).map(Seconds),
            false => Err(Wrong::kind::<Self>(value)),
        }
    }

    fn write(&self) -> Option<String> {
        self.0.write()
    }
}

/// A range of port numbers that is not empty, first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports, in order.
    pub fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let port = |text: &str| text.trim().parse().ok().filter(|port| *port > 0);
        let ends = text.split_once('-').map(|(first, last)| (port(first), port(last)));
        let Some((Some(first), Some(last))) = ends else {
            return Err(format!("{text:?} is no range of ports, such as \"50000-50999\""));
        };
        if first > last {
            return Err(format!("{first}-{last} is an empty range"));
        }
        Ok(PortRange { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Permission bits, written in octal as text: `"022"`. Never more than 0777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OctalMode(u32);

impl OctalMode {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for OctalMode {
    type Err = String;

    fn from_str(text: &str) -> Result<OctalMode, String> {
        u32::from_str_radix(text, 8)
            .ok()
            .filter(|bits| *bits <= 0o777 && !text.starts_with('+'))
            .map(OctalMode)
            .ok_or_else(|| format!("{text:?} is no octal number from \"000\" to \"777\""))
    }
}

impl fmt::Display for OctalMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// An absolute path, in UTF-8 like the file it is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsolutePath(String);

impl Deref for AbsolutePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for AbsolutePath {
    type Err = String;

    fn from_str(text: &str) -> Result<AbsolutePath, String> {
        match text.starts_with('/') && !text.contains('\0') {
            true => Ok(AbsolutePath(text.to_string())),
            false => Err(format!("{text:?} is no absolute path")),
        }
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A path with blanks: `%u` is the user's name, `%g` that of his group, `%h` his home directory, `%%` a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl From<&AbsolutePath> for Template {
    /// The template that is always this path.
    fn from(path: &AbsolutePath) -> Template {
        Template(path.0.replace('%', "%%"))
    }
}

impl Template {
    /// The path, if it is the same for all users.
    pub fn constant(&self) -> Option<PathBuf> {
        let without = self.0.replace("%%", "");
        (!without.contains('%')).then(|| self.0.replace("%%", "%").into())
    }

    /// The path for this user; `None` where a name would have to be a component of it that can be none.
    pub fn expand(&self, user: &str, group: &str, home: &Path) -> Option<PathBuf> {
        let is_plain = |name: &str| {
            let mut components = Path::new(name).components();
            matches!((components.next(), components.next()), (Some(Component::Normal(same)), None) if same == name)
        };
        let needs_group = self.0.replace("%%", "").contains("%g");
        if !is_plain(user) || needs_group && !is_plain(group) {
            return None;
        }
        let mut path = std::ffi::OsString::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            path.push(before);
            match after.as_bytes().first() {
                Some(b'u') => path.push(user),
                Some(b'g') => path.push(group),
                Some(b'h') => path.push(home),
                _ => path.push("%"),
            }
            rest = &after[1..];
        }
        path.push(rest);
        Some(path.into()).filter(|path: &PathBuf| path.is_absolute())
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Template, String> {
        if !text.starts_with('/') && text != "%h" && !text.starts_with("%h/") || text.contains('\0') {
            return Err(format!("{text:?} is no absolute path"));
        }
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('%') {
            if !after.starts_with(['u', 'g', 'h', '%']) {
                return Err(format!("{text:?} has a % that is none of %u, %g, %h and %%"));
            }
            rest = &after[1..];
        }
        Ok(Template(text.to_string()))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session sees as `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootDir {
    /// The user's home directory, from which there is no way out.
    Home,
    /// The whole file system; the session starts in the home directory.
    Real,
    /// A directory named by a template, from which there is no way out.
    Template(Template),
}

impl FromStr for RootDir {
    type Err = String;

    fn from_str(text: &str) -> Result<RootDir, String> {
        match text {
            "home" => Ok(RootDir::Home),
            "real" => Ok(RootDir::Real),
            path if path.starts_with(['/', '%']) => path.parse().map(RootDir::Template),
            _ => Err(format!("{text:?} is neither \"home\" nor \"real\" nor an absolute path")),
        }
    }
}

impl fmt::Display for RootDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootDir::Home => f.write_str("home"),
            RootDir::Real => f.write_str("real"),
            RootDir::Template(template) => template.fmt(f),
        }
    }
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// syslog(3), facility ftp.
    Syslog,
    /// The journal of systemd, in its own protocol.
    Journal,
    /// Standard error.
    Stderr,
    /// The end of this file.
    File(AbsolutePath),
}

impl FromStr for LogTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<LogTarget, String> {
        match text {
            "syslog" => Ok(LogTarget::Syslog),
            "journal" => Ok(LogTarget::Journal),
            "stderr" => Ok(LogTarget::Stderr),
            path if path.starts_with('/') => path.parse().map(LogTarget::File),
            _ => Err(format!(
                "{text:?} is neither \"syslog\" nor \"journal\" nor \"stderr\" nor an absolute path"
            )),
        }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::Syslog => f.write_str("syslog"),
            LogTarget::Journal => f.write_str("journal"),
            LogTarget::Stderr => f.write_str("stderr"),
            LogTarget::File(path) => path.fmt(f),
        }
    }
}

/// Enums that are written as one of a few words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("{text:?} is none of {}", [$(concat!("\"", $word, "\"")),+].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($name::$variant => $word,)+ })
            }
        }

        crate::config::value::text_values! { $name: [$(concat!("\"", $word, "\"")),+].join(" or "); }
    )+};
}

words! {
    /// How much is logged: this and everything graver.
    LogLevel {
        /// What stops the daemon or a session from working.
        Error = "error",
        /// What an administrator should look at.
        Warning = "warning",
        /// What is normal but rare.
        Notice = "notice",
        /// Sessions, logins and transfers.
        Info = "info",
        /// Everything.
        Debug = "debug",
    }
    /// What ps(1) shows of a process.
    ProcessTitles {
        /// Its role alone.
        Role = "role",
        /// Also user, address and file.
        Full = "full",
    }
    /// What becomes of a client who says more commands than `command-rate` allows.
    CommandExcess {
        /// They are obeyed later.
        Slow = "slow",
        /// 421, and the end of the connection.
        End = "end",
        /// The same, and a ban of his address.
        Ban = "ban",
    }
    /// In which time zone LIST shows times.
    ListingTimes {
        /// Coordinated universal time, as in MLSD and MDTM.
        Utc = "utc",
        /// The time zone of the machine.
        Local = "local",
    }
}

pub(super) use words;

text_values! {
    AbsolutePath: "absolute path".into();
    LogTarget: "\"syslog\", \"journal\", \"stderr\" or the absolute path of a file".into();
    OctalMode: "octal mode as text".into();
    Permissions: "permission letters".into();
    PortRange: "range of ports, such as \"50000-50999\"".into();
    RootDir: "\"home\", \"real\" or an absolute path with %u, %g and %h".into();
    Template: "absolute path with %u, %g and %h".into();
}

/// A string as TOML writes it.
pub fn quote(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}
