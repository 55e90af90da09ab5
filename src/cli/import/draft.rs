//! A configuration that is being made out of another server's, and what is to be said about it.

use std::collections::BTreeSet;
use std::fmt;

use toml::{Table, Value};

use crate::config::Permissions;

/// Something that another server can be told.
pub struct Row {
    /// Its name there.
    pub theirs: &'static str,
    /// What it means when it is not said; empty: nothing that would have to be said here.
    pub default: &'static str,
    /// What it is here.
    pub ours: Ours,
}

/// What becomes of a setting.
pub enum Ours {
    /// The same thing, under this name: section, key, and how the value is written.
    Key(&'static str, &'static str, Kind),
    /// Nothing has to be said: it is so, or another setting says it too, in these words.
    Already(&'static str),
    /// Several settings together have the same effect, in these words.
    By(&'static str, fn(&mut Draft, &str) -> Result<(), String>),
    /// The daemon behaves as if this value were set, for the reason in words; empty: there is nothing like it.
    Fixed(&'static str, &'static str),
}

/// How a value is written there.
#[derive(Clone, Copy)]
pub enum Kind {
    /// YES or NO, on or off.
    Flag,
    /// The same, turned around.
    NotFlag,
    /// A number above 0, where 0 means that there is no limit.
    Count,
    /// The same, with a text for who is refused behind it, or `none`.
    Most,
    /// Seconds.
    Seconds,
    /// Minutes, which become seconds.
    Minutes,
    Text,
    Path,
    /// One more of a list.
    OneOf,
    /// A mode in octal.
    Octal,
}

/// Somebody who reads what was made must know this.
struct Remark {
    /// The line in the other file.
    line: usize,
    text: String,
}

/// The configuration so far.
#[derive(Default)]
pub struct Draft {
    tables: Table,
    remarks: Vec<Remark>,
    line: usize,
}

impl Draft {
    /// What follows is about this line.
    pub fn at(&mut self, line: usize) {
        self.line = line;
    }

    /// Says something about the present line.
    pub fn remark(&mut self, text: impl Into<String>) {
        // It may quote what was in the file, and is shown at a terminal.
        let text = text.into().replace(char::is_control, "?");
        self.remarks.push(Remark { line: self.line, text });
    }

    /// Everything that was said, a line each: `12: text`.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.remarks.iter().map(|Remark { line, text }| match line {
            0 => format!(" {text}"),
            line => format!("{line}: {text}"),
        })
    }

    /// Sets a key of a section such as `session` or, between dots, `user.bob`. A later value replaces an earlier one.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<Value>) {
        self.table(section).insert(key.to_string(), value.into());
    }

    /// The same, where the name between the brackets may have dots.
    pub fn set_named(&mut self, section: &str, name: &str, key: &str, value: impl Into<Value>) {
        let table = self.table(section).entry(name).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(key.to_string(), value.into());
        }
    }

    /// Adds to a list.
    pub fn push(&mut self, section: &str, key: &str, value: &str) -> Result<(), String> {
        let list = self.table(section).entry(key).or_insert_with(|| Value::Array(Vec::new()));
        match list {
            Value::Array(list) => {
                list.push(Value::from(value));
                Ok(())
            }
            _ => Err("stands beside something else".to_string()),
        }
    }

    /// Takes back what was set.
    pub fn remove(&mut self, section: &str, key: &str) {
        self.table(section).remove(key);
    }

    /// Takes a letter from everybody.
    pub fn forbid(&mut self, letter: char) {
        let all = Permissions::all().to_string();
        let present = self.get("session", "permissions").and_then(Value::as_str).unwrap_or(&all);
        // The letter w is all of writing: creating, overwriting, resuming.
        let letters = if "coR".contains(letter) { present.replace('w', "coR") } else { present.to_string() };
        self.set("session", "permissions", letters.replace(letter, ""));
    }

    /// Gives a letter back.
    pub fn allow(&mut self, letter: char) {
        if let Some(present) = self.get("session", "permissions").and_then(Value::as_str)
            && !present.contains([letter, 'w'])
        {
            let letters = format!("{present}{letter}");
            self.set("session", "permissions", letters);
        }
    }

    /// What was said stands in no line of one file.
    pub fn without_lines(&mut self) {
        self.remarks.iter_mut().for_each(|remark| remark.line = 0);
    }

    /// What was set.
    pub fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.tables.get(section)?.get(key)
    }

    fn table(&mut self, section: &str) -> &mut Table {
        section.split('.').fold(&mut self.tables, |table, name| {
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            entry.as_table_mut().expect("it was made one")
        })
    }

    /// Obeys a row.
    pub fn take(&mut self, row: &Row, value: &str) {
        let taken = match row.ours {
            Ours::Key(section, key, kind) => self.take_value(section, key, kind, value),
            Ours::Already(_) => Ok(()),
            Ours::By(_, take) => take(self, value),
            Ours::Fixed(is, words) => match is.eq_ignore_ascii_case(value) && !is.is_empty() {
                true => Ok(()),
                false => Err(words.to_string()),
            },
        };
        if let Err(reason) = taken {
            let theirs = row.theirs;
            self.remark(format!("{theirs} {value}: {reason}"));
        }
    }

    fn take_value(&mut self, section: &str, key: &str, kind: Kind, value: &str) -> Result<(), String> {
        let value = match kind {
            Kind::Flag => Value::Boolean(flag(value)?),
            Kind::NotFlag => Value::Boolean(!flag(value)?),
            Kind::Count => match number(value)? {
                // No limit.
                0 => return Ok(()),
                count => Value::Integer(count),
            },
            Kind::Most => match value.split_whitespace().next() {
                None | Some("none") => return Ok(()),
                Some(count) => Value::Integer(number(count)?),
            },
            Kind::Seconds => Value::Integer(number(value)?),
            Kind::Minutes => Value::Integer(number(value)? * 60),
            Kind::OneOf => return self.push(section, key, value),
            Kind::Text => Value::String(value.to_string()),
            Kind::Path if value.starts_with('/') => Value::String(value.to_string()),
            Kind::Path => return Err("is no absolute path".to_string()),
            Kind::Octal => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| "is no mode in octal")?;
                Value::String(format!("{mode:03o}"))
            }
        };
        self.set(section, key, value);
        Ok(())
    }
}

/// YES, TRUE, 1 and on, or their opposites.
pub fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" | "none" => Ok(false),
        _ => Err("is neither yes nor no".to_string()),
    }
}

/// A number that is not negative.
pub fn number(value: &str) -> Result<i64, String> {
    value.parse::<u32>().map(i64::from).map_err(|_| "is no number".to_string())
}

/// The names in a file, a line each; comments and empty lines are none.
pub fn names_in(path: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(names.map(str::to_string).collect::<BTreeSet<_>>().into_iter().collect())
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.remarks.is_empty() {
            f.write_str("# What does not map, with the line there:\n")?;
        }
        for remark in self.remarks() {
            writeln!(f, "#  {remark}")?;
        }
        write!(f, "\n{}", toml::to_string(&self.tables).map_err(|_| fmt::Error)?)
    }
}
