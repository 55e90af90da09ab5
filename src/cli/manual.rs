//! The manual pages in mdoc(7): prose from man/*.in, with the lists of this program put in its places.

use clap::{Arg, CommandFactory};

use super::Ftpd;
use super::generate::{as_written, wrap};
use crate::config::users::UserOptions;
use crate::config::{EventName, LOG_TOKENS, Letter, NAMED_SECTIONS, OptionDoc, SECTIONS, TRANSFER_TOKENS};
use crate::events::facts::FACTS;
use crate::events::hooks::VARIABLES;
use crate::ftpctl;
use crate::protocol::message::Placeholder;
use crate::session::ENTRIES;

/// Columns of the source of a manual page.
const WIDTH: usize = 78;

/// man/ftpd.8.
pub fn command() -> String {
    let (synopsis, list) = commands(Ftpd::command());
    include_str!("../../man/ftpd.8.in")
        .replace("@SYNOPSIS@\n", &synopsis)
        .replace("@COMMANDS@\n", &list)
        .replace("@VERBS@\n", &verbs())
}

/// man/ftpctl.8.
pub fn control() -> String {
    let (synopsis, list) = commands(ftpctl::command());
    let options: String = ftpctl::command()
        .get_arguments()
        .map(|argument| format!(".It {}\n{}", forms(argument), prose(&sentence(argument.get_help()))))
        .collect();
    include_str!("../../man/ftpctl.8.in")
        .replace("@SYNOPSIS@\n", &synopsis)
        .replace("@OPTIONS@\n", &options)
        .replace("@COMMANDS@\n", &list)
}

/// The synopsis of all commands, and what each does, as items of a list.
fn commands(mut program: clap::Command) -> (String, String) {
    program.build();
    let mut synopsis = String::new();
    let mut list = String::new();
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        // What serves clients does so without its name, too.
        match command.get_name() {
            "serve" => describe(command, "", ".Op Cm serve\n", &mut synopsis, &mut list),
            name => describe(command, "", &format!(".Cm {name}\n"), &mut synopsis, &mut list),
        }
    }
    (synopsis, list)
}

/// A command with its arguments, or with its commands. `above`: the names before its own; `called`: all of them, in the
/// synopsis.
fn describe(command: &clap::Command, above: &str, called: &str, synopsis: &mut String, list: &mut String) {
    let name = format!("{above}{}", command.get_name());
    list.push_str(&format!(".It Cm {name}\n"));
    list.push_str(&prose(&sentence(command.get_about())));
    let mut below = command.get_subcommands().filter(|command| command.get_name() != "help").peekable();
    if below.peek().is_some() {
        for command in below {
            let called = format!(".Cm {name} {}\n", command.get_name());
            describe(command, &format!("{name} "), &called, synopsis, list);
        }
        return;
    }
    synopsis.push_str(".Nm\n");
    synopsis.push_str(called);
    let mut arguments =
        command.get_arguments().filter(|one| one.get_id() != "help" && !one.is_global_set()).peekable();
    if arguments.peek().is_none() {
        return;
    }
    list.push_str(".Bl -tag -width Ds\n");
    for argument in arguments {
        let optional = if argument.is_required_set() { "" } else { "Op " };
        synopsis.push_str(&format!(".{optional}{}\n", brief(argument)));
        list.push_str(&format!(".It {}\n{}", forms(argument), prose(&sentence(argument.get_help()))));
        if let Some(value) = argument.get_default_values().first().filter(|_| value_of(argument).is_some()) {
            list.push_str(&format!("Default:\n.Ql {} .\n", value.to_string_lossy()));
        }
    }
    list.push_str(".El\n");
}

/// The commands of the protocol as items of a list.
fn verbs() -> String {
    let mut text = String::new();
    for verb in ENTRIES {
        let (usage, meaning) = verb.help.split_once(": ").unwrap_or((verb.name, verb.help));
        let origin = match verb.rfc.starts_with(|letter: char| letter.is_ascii_digit()) {
            true => format!("RFC {}", verb.rfc),
            false => verb.rfc.to_string(),
        };
        let letter = verb.permission.map(|letter| format!("; letter {letter}")).unwrap_or_default();
        let meaning = format!("{}{} ({origin}{letter}).", meaning[..1].to_uppercase(), &meaning[1..]);
        text.push_str(&format!(".It Ic {}\n{}", quoted(usage), prose(&meaning)));
    }
    text
}

/// man/ftpd.toml.5.
pub fn configuration() -> String {
    let mut sections = String::new();
    for section in SECTIONS {
        sections.push_str(&format!(".Ss [{}]\\&\n{}", section.name, prose(&section.text.concat())));
        sections.push_str(".Bl -tag -width Ds\n");
        section.options.iter().for_each(|option| sections.push_str(&item(option)));
        sections.push_str(".El\n");
    }
    let mut letters = String::new();
    for letter in Letter::ALL {
        letters.push_str(&format!(
            ".It Ql {}\n{}",
            letter.letter(),
            prose(&format!("{}.", letter.meaning()))
        ));
    }
    let mut placeholders = String::new();
    for placeholder in Placeholder::ALL {
        let rule = if placeholder.is_of_sessions() { "; not in banners" } else { "" };
        placeholders.push_str(&format!(".It Ql \\&%{}\n", placeholder.letter()));
        let meaning = placeholder.meaning();
        placeholders.push_str(&prose(&format!("{}{}{rule}.", meaning[..1].to_uppercase(), &meaning[1..])));
    }
    let mut events = String::new();
    for event in EventName::ALL {
        events.push_str(&format!(".It Ql {event}\n{}", prose(event.meaning())));
    }
    let mut facts = String::new();
    for fact in FACTS {
        facts.push_str(&format!(".It Ql {}\n{}", fact.name, prose(fact.meaning)));
    }
    let mut variables = String::new();
    for (name, meaning) in VARIABLES {
        variables.push_str(&format!(".It Ev {name}\n{}", prose(meaning)));
    }
    include_str!("../../man/ftpd.toml.5.in")
        .replace("@EVENTS@\n", &events)
        .replace("@FACTS@\n", &facts)
        .replace("@SECTIONS@\n", &sections)
        .replace("@LOGTOKENS@\n", &tokens(LOG_TOKENS))
        .replace("@TRANSFERTOKENS@\n", &tokens(TRANSFER_TOKENS))
        .replace("@HOOK@\n", &named("hook"))
        .replace("@VARIABLES@\n", &variables)
        .replace("@HOST@\n", &named("host"))
        .replace("@LISTENER@\n", &named("listener"))
        .replace("@NETWORK@\n", &named("network"))
        .replace("@QUOTA@\n", &named("quota"))
        .replace("@RULE@\n", &named("rule"))
        .replace("@PLACEHOLDERS@\n", &placeholders)
        .replace("@LETTERS@\n", &letters)
}

/// Letters that stand for something behind a percent sign.
fn tokens(tokens: &[(char, &str)]) -> String {
    tokens.iter().map(|(letter, meaning)| format!(".It Ql \\&%{letter}\n{}", prose(meaning))).collect()
}

/// The options of sections that have names of their own.
fn named(section: &str) -> String {
    let sections = NAMED_SECTIONS.iter().filter(|found| found.name == section);
    sections.flat_map(|section| section.options).map(item).collect()
}

/// man/ftpd-users.5.
pub fn users() -> String {
    let own: String = UserOptions::DOC.options.iter().map(item).collect();
    include_str!("../../man/ftpd-users.5.in").replace("@OPTIONS@\n", &own)
}

/// An option as an item of a list.
fn item(option: &OptionDoc) -> String {
    let mut text = format!(".It Ic {} No = Ar {}\n", option.key, quoted(&(option.kind)()));
    text.push_str(&prose(&option.text.concat()));
    for (what, value) in [("Default", option.default), ("Example", option.example)] {
        if let Some(value) = value {
            text.push_str(&format!("{what}:\n.Ql {} .\n", quoted(&as_written(value))));
        }
    }
    text
}

/// The help text of an argument as a sentence.
fn sentence(help: Option<&clap::builder::StyledStr>) -> String {
    help.map(|help| format!("{help}.")).unwrap_or_default()
}

fn value_of(argument: &Arg) -> Option<&str> {
    let takes = argument.get_action().takes_values();
    argument.get_value_names().filter(|_| takes)?.first().map(|name| name.as_str())
}

/// An argument as the synopsis has it: its short form, if it has one.
fn brief(argument: &Arg) -> String {
    let repeated = if matches!(argument.get_action(), clap::ArgAction::Append) { " ..." } else { "" };
    let form = match (argument.get_short(), argument.get_long()) {
        (Some(short), _) => format!("Fl {short} "),
        (None, Some(long)) => format!("Fl -{long} "),
        (None, None) => String::new(),
    };
    let value = value_of(argument).map(|value| format!("Ar {value}")).unwrap_or_default();
    format!("{}{repeated}", format!("{form}{value}").trim_end())
}

/// An argument in all its forms.
fn forms(argument: &Arg) -> String {
    let value = value_of(argument).map(|value| format!(" Ar {value}")).unwrap_or_default();
    let mut forms: Vec<String> =
        argument.get_short().map(|short| format!("Fl {short}{value}")).into_iter().collect();
    let long = argument.get_long().into_iter().chain(argument.get_visible_aliases().into_iter().flatten());
    forms.extend(long.map(|long| format!("Fl -{long}{value}")));
    if forms.is_empty() { value.trim_start().to_string() } else { forms.join(" , ") }
}

/// Text as mdoc: a line for each sentence, `code` and names of manual pages marked.
fn prose(text: &str) -> String {
    let mut lines = String::new();
    let mut plain = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let word = first_word(rest);
        rest = rest[word.len()..].trim_start();
        match marked(word) {
            Some(line) => {
                flush(&mut lines, &mut plain);
                lines.push_str(&line);
            }
            None => {
                plain.push_str(word);
                plain.push(' ');
                if word.ends_with(['.', '?']) {
                    flush(&mut lines, &mut plain);
                }
            }
        }
    }
    flush(&mut lines, &mut plain);
    lines
}

/// Up to the next space that is not between backticks.
fn first_word(text: &str) -> &str {
    let mut quoted = false;
    let end = text.find(|letter: char| {
        quoted ^= letter == '`';
        letter.is_whitespace() && !quoted
    });
    &text[..end.unwrap_or(text.len())]
}

/// The line of a word that is more than text.
fn marked(word: &str) -> Option<String> {
    let open = if word.starts_with('(') { "( " } else { "" };
    let inner = word.trim_start_matches('(');
    let end = inner.rfind(|letter: char| !",.;:".contains(letter)).map_or(0, |at| at + 1);
    let (mut inner, mut close) = (&inner[..end], inner[end..].to_string());
    let is_page = |text: &str| text.ends_with(')') && text.contains('(');
    if let Some(shorter) = inner.strip_suffix(')')
        && !is_page(inner)
    {
        inner = shorter;
        close = format!("){close}");
    }
    let close: String = close.chars().map(|letter| format!(" {letter}")).collect();
    let middle = if let Some(code) = inner.strip_prefix('`').and_then(|code| code.strip_suffix('`')) {
        format!("Ql {}", quoted(code))
    } else if let Some((page, section)) = inner.strip_suffix(')').and_then(|inner| inner.split_once('('))
        && section.parse::<u8>().is_ok()
    {
        format!("Xr {page} {section}")
    } else if inner.starts_with("/etc/") {
        format!("Pa {inner}")
    } else {
        return None;
    };
    Some(match open {
        "" => format!(".{middle}{close}\n"),
        _ => format!(".Pq {middle}{}\n", close.replacen(" )", "", 1)),
    })
}

/// Writes the text that has gathered, in lines that are not too long.
fn flush(lines: &mut String, plain: &mut String) {
    if !plain.trim().is_empty() {
        for line in wrap(plain, WIDTH) {
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            lines.push_str(&format!("{guard}{}\n", line.replace('\\', "\\e")));
        }
    }
    plain.clear();
}

/// An argument of a macro: spaces and quotes do not end it.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('"', "\\(dq");
    match text.contains(' ') || text.len() <= 2 {
        true => format!("\"{text}\""),
        false => text,
    }
}
