//! Reading a configuration file. Everything that is wrong is found, not only the first thing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declare::Options;
use super::error::{Error, Problem, plain};
use super::value::{Value, Wrong};
use super::values::quote;
use super::{
    Anonymous, Config, HookOptions, Host, HostName, ListenerOptions, NetworkOptions, QuotaOptions, Rule,
    RuleOptions, SECTIONS, SessionOverrides,
};

/// The sections that have names of their own.
const NAMED: [&str; 8] = ["hook", "host", "listener", "network", "quota", "rule", "user", "group"];

/// Those of them that have no options but those of `[session]`.
const SESSIONS: [&str; 2] = ["user", "group"];

/// Where in which file the options of a configuration stand.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The file, unless the configuration came from the command line.
    path: Option<PathBuf>,
    /// Section, option and line.
    lines: Vec<(String, String, usize)>,
}

/// Two configurations that say the same are equal, wherever it is written.
impl PartialEq for Places {
    fn eq(&self, _: &Places) -> bool {
        true
    }
}

impl Places {
    /// A problem with an option, wherever it stands.
    pub fn problem(&self, section: &str, key: &str, reason: String) -> Problem {
        Problem {
            path: self.path.clone(),
            line: self.line(section, key),
            column: None,
            place: Some(format!("[{section}] {key}")),
            reason,
        }
    }

    /// Whether the file sets this option.
    pub fn sets(&self, section: &str, key: &str) -> bool {
        self.line(section, key).is_some()
    }

    /// The options of a section that the file sets, and the line of each.
    pub fn lines_of(&self, section: &str) -> Vec<(String, usize)> {
        let own = self.lines.iter().filter(|(of, _, _)| of == section);
        own.map(|(_, key, line)| (key.clone(), *line)).collect()
    }

    /// Forgets where an option stands: the command line has replaced it.
    pub fn replaced(&mut self, section: &str, key: &str) {
        self.lines.retain(|(of, name, _)| (of.as_str(), name.as_str()) != (section, key));
    }

    /// The file.
    pub fn file(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The line where the file sets this option.
    pub fn line(&self, section: &str, key: &str) -> Option<usize> {
        self.lines.iter().find(|(of, name, _)| of == section && name == key).map(|(_, _, line)| *line)
    }
}

/// A file that is being read.
pub struct Reader<'a> {
    text: &'a str,
    places: Places,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A text that is about to be read.
    pub fn of(path: Option<&Path>, text: &'a str) -> Reader<'a> {
        let places = Places { path: path.map(Path::to_path_buf), lines: Vec::new() };
        Reader { text, places, problems: Vec::new() }
    }

    /// The text as TOML.
    pub fn document(&mut self) -> Result<DeTable<'a>, Error> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(document.into_inner());
        }
        errors.iter().for_each(|error| self.not_toml(error));
        Err(Error { problems: std::mem::take(&mut self.problems) })
    }

    /// Where everything stands; or everything that is wrong.
    pub fn finish(mut self) -> Result<Places, Error> {
        if self.problems.is_empty() {
            return Ok(self.places);
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(Error { problems: self.problems })
    }
}

impl Reader<'_> {
    /// Takes the value of one option into its field.
    pub fn take<T: Value>(
        &mut self,
        section: &str,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        field: &mut T,
    ) {
        self.places.lines.push((
            section.to_string(),
            key.get_ref().to_string(),
            self.line_of(key.span().start),
        ));
        match T::read(value) {
            Ok(value) => *field = value,
            Err(Wrong { at, reason }) => self.wrong(at, format!("[{section}] {}", key.get_ref()), reason),
        }
    }

    /// There is no such option in this section.
    pub fn unknown_option(&mut self, section: &str, key: &Spanned<Cow<'_, str>>, known: &[&str]) {
        let guess =
            closest(key.get_ref(), known).map(|key| format!(" (did you mean {key}?)")).unwrap_or_default();
        let reason = format!("there is no such option{guess}");
        self.wrong(key.span().start, format!("[{section}] {}", key.get_ref()), reason);
    }

    /// What stands here is wrong.
    pub fn wrong(&mut self, at: usize, place: String, reason: String) {
        self.problems.push(Problem {
            path: self.places.path.clone(),
            line: Some(self.line_of(at)),
            column: None,
            place: Some(place),
            reason,
        });
    }

    /// The line of a byte, counted from 1.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    /// Text that is no TOML.
    fn not_toml(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(self.text.len(), |span| span.start);
        let (before, after) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let before = before.rsplit('\n').next().unwrap_or_default();
        self.problems.push(Problem {
            path: self.places.path.clone(),
            line: Some(self.line_of(at)),
            column: Some(1 + before.chars().count()),
            place: None,
            reason: match is_bare_text(before, after) {
                true => "text stands in quotes".to_string(),
                false => error.message().lines().collect::<Vec<_>>().join(", "),
            },
        });
    }

    /// Sections with a name of their own, such as `[user.NAME]`.
    fn named<T: Default>(
        &mut self,
        kind: &str,
        value: &Spanned<DeValue<'_>>,
        found: &mut BTreeMap<String, T>,
        read: fn(&mut T, &DeTable<'_>, &mut Reader<'_>, &str),
    ) {
        let Some(names) = value.get_ref().as_table() else {
            let reason = format!("wants sections of the form [{kind}.NAME]");
            return self.wrong(value.span().start, format!("[{kind}]"), reason);
        };
        for (name, value) in names {
            let place = format!("{kind}.{}", bare_or_quoted(name.get_ref()));
            let Some(table) = value.get_ref().as_table() else {
                let options = if SESSIONS.contains(&kind) { "options of [session]" } else { "options" };
                let reason = format!("wants sections of the form [{kind}.NAME], with {options} in them");
                self.wrong(name.span().start, format!("[{kind}] {}", name.get_ref()), reason);
                continue;
            };
            read(found.entry(name.get_ref().to_string()).or_default(), table, self, &place);
        }
    }

    /// Rules, in the order of the file.
    fn rules(&mut self, value: &Spanned<DeValue<'_>>, found: &mut Vec<Rule>) {
        let mut by_name = BTreeMap::new();
        self.named("rule", value, &mut by_name, RuleOptions::read);
        let mut names: Vec<_> =
            value.get_ref().as_table().into_iter().flat_map(|names| names.keys()).collect();
        names.sort_by_key(|name| name.span().start);
        for name in names {
            let options = by_name.remove(name.get_ref().as_ref());
            found.extend(options.map(|options| Rule { name: name.get_ref().to_string(), options }));
        }
    }

    /// Names of hosts are names of the DNS; a host without options is one, too.
    fn hosts(&mut self, value: &Spanned<DeValue<'_>>, found: &mut BTreeMap<String, Host>) {
        self.named("host", value, found, Host::read);
        for name in value.get_ref().as_table().into_iter().flat_map(|names| names.keys()) {
            if let Err(reason) = name.get_ref().parse::<HostName>() {
                self.wrong(name.span().start, format!("[host.{}]", bare_or_quoted(name.get_ref())), reason);
            }
        }
    }
}

/// Reads a file. What options say together is not looked at.
pub fn read(path: &Path) -> Result<Config, Error> {
    let problem =
        |reason| Problem { path: Some(path.to_path_buf()), line: None, column: None, place: None, reason };
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(path, &text),
            Err(error) => {
                let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count();
                let problem = Problem { line: Some(line), ..problem("not UTF-8".to_string()) };
                Err(Error { problems: vec![problem] })
            }
        },
        Err(error) => Err(Error { problems: vec![problem(plain(&error))] }),
    }
}

/// Reads the text of a file. What options say together is not looked at.
pub fn parse(path: &Path, text: &str) -> Result<Config, Error> {
    let mut reader = Reader::of(Some(path), text);
    let document = reader.document()?;
    let mut config = Config::default();
    for (name, value) in &document {
        match name.get_ref().as_ref() {
            "host" => reader.hosts(value, &mut config.host),
            "hook" => reader.named("hook", value, &mut config.hook, HookOptions::read),
            "listener" => reader.named("listener", value, &mut config.listener, ListenerOptions::read),
            "network" => reader.named("network", value, &mut config.network, NetworkOptions::read),
            "quota" => reader.named("quota", value, &mut config.quota, QuotaOptions::read),
            "rule" => reader.rules(value, &mut config.rules),
            "user" => reader.named("user", value, &mut config.user, SessionOverrides::read),
            "group" => reader.named("group", value, &mut config.group, SessionOverrides::read),
            section => read_section(&mut config, &mut reader, section, name.span().start, value),
        }
    }
    config.places = reader.finish()?;
    Ok(config)
}

fn read_section(
    config: &mut Config,
    reader: &mut Reader<'_>,
    section: &str,
    at: usize,
    value: &Spanned<DeValue<'_>>,
) {
    let Some(table) = value.get_ref().as_table() else {
        let reason =
            match SECTIONS.iter().flat_map(|section| section.options).find(|option| option.key == section) {
                Some(option) => format!("stands in no section; it belongs into [{}]", option.section),
                None => "there is no such option outside of a section".to_string(),
            };
        return reader.wrong(at, section.to_string(), reason);
    };
    if section == "anonymous" {
        return read_anonymous(config, table, reader);
    }
    if !config.read_section(section, table, reader) {
        let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).chain(NAMED).collect();
        let guess =
            closest(section, &known).map(|name| format!(" (did you mean [{name}]?)")).unwrap_or_default();
        reader.wrong(at, format!("[{section}]"), format!("there is no such section{guess}"));
    }
}

/// Options of its own, and any of `[session]`.
fn read_anonymous(config: &mut Config, table: &DeTable<'_>, reader: &mut Reader<'_>) {
    for (key, value) in table {
        if !config.anonymous.read_option(key, value, reader, "anonymous")
            && !config.anonymous_overrides.read_option(key, value, reader, "anonymous")
        {
            let known = [Anonymous::KEYS, SessionOverrides::KEYS].concat();
            reader.unknown_option("anonymous", key, &known);
        }
    }
}

/// Whether what follows is text without quotes, the commonest mistake: TOML takes `info` for a number that fails.
fn is_bare_text(before: &str, after: &str) -> bool {
    before.trim_end().ends_with('=')
        && after.starts_with(|letter: char| letter.is_alphabetic() || letter == '/')
}

/// The value of a default, from its TOML.
pub fn default_value<T: Value>(source: &str) -> T {
    let text = format!("value = {source}");
    let table = DeTable::parse(&text).expect("defaults are TOML, a test says");
    T::read(&table.get_ref()["value"]).expect("defaults are good, a test says")
}

/// A name as TOML writes it between the dots of a section.
pub fn bare_or_quoted(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(bare) { name.to_string() } else { quote(name) }
}

/// The known name that differs by the fewest letters, if they are few.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, best) = known.iter().map(|known| (distance(name, known), *known)).min()?;
    (distance <= 1 + name.len() / 4).then_some(best)
}

/// How many letters must be added, removed or changed to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, same) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *same);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
