//! What is committed under man/, etc/ and docs/ is what the program prints, and says all there is to say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ftpd::config::users::UserOptions;
use ftpd::config::{Config, Finding, NAMED_SECTIONS, OptionDoc, SECTIONS};

/// Files that are printed by `ftpd generate`, and what they are called there.
const GENERATED: &[(&str, &str)] = &[
    ("man-command", "man/ftpd.8"),
    ("man-control", "man/ftpctl.8"),
    ("man-conf", "man/ftpd.toml.5"),
    ("man-users", "man/ftpd-users.5"),
    ("sample", "etc/ftpd.toml"),
    ("verbs", "docs/verbs.md"),
    ("migrating", "docs/migrating.md"),
    ("bash", "etc/completions/ftpd"),
    ("fish", "etc/completions/ftpd.fish"),
    ("zsh", "etc/completions/_ftpd"),
    ("control-bash", "etc/completions/ftpctl"),
    ("control-fish", "etc/completions/ftpctl.fish"),
    ("control-zsh", "etc/completions/_ftpctl"),
];

fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn committed(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn options() -> impl Iterator<Item = &'static OptionDoc> {
    SECTIONS.iter().chain(NAMED_SECTIONS).flat_map(|section| section.options)
}

/// Those that only entries of users files have.
fn options_of_entries() -> impl Iterator<Item = &'static OptionDoc> {
    UserOptions::DOC.options.iter()
}

#[test]
fn generated_documents_are_committed_as_they_are() {
    for (name, path) in GENERATED {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpd")).args(["generate", name]).output().unwrap();
        assert!(output.status.success());
        assert!(
            String::from_utf8(output.stdout).unwrap() == committed(path),
            "{path} is not what the program says; run: make documents"
        );
    }
}

#[test]
fn manual_pages_are_good_mdoc() {
    // What mandoc says of manual pages that are not installed here says nothing of ours.
    let Ok(output) = Command::new("mandoc")
        .args(["-T", "lint", "-W", "style"])
        .args(["man/ftpd.8", "man/ftpctl.8", "man/ftpd.toml.5", "man/ftpd-users.5"].map(repository))
        .output()
    else {
        eprintln!("skipped: there is no mandoc");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let ours: Vec<&str> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

#[test]
fn every_option_says_what_it_does_and_what_it_may_be() {
    for option in options().chain(options_of_entries()) {
        let text = option.text.concat();
        assert!(
            text.len() > 15 && text.trim_end().ends_with('.'),
            "[{}] {}: {text:?}",
            option.section,
            option.key
        );
        assert!(!(option.kind)().is_empty());
        // A default that says what a value looks like is an example, too.
        let shows_nothing = option.default.is_none_or(|default| ["[]", "\"\"", "\"0\""].contains(&default));
        assert!(
            shows_nothing == option.example.is_some(),
            "[{}] {} has a default that shows how it is written, or an example",
            option.section,
            option.key
        );
    }
}

#[test]
fn every_example_beside_a_default_is_accepted() {
    for option in options().filter(|option| option.default.is_some()) {
        let Some(example) = option.example else { continue };
        let section = match NAMED_SECTIONS.iter().find(|section| section.name == option.section) {
            Some(section) if section.name == "listener" => "listener.\"[::1]:21\"".to_string(),
            Some(section) => format!("{}.\"ftp.example.org\"", section.name),
            None => option.section.to_string(),
        };
        let text = format!("[{section}]\n{} = {example}\n", option.key);
        if let Err(error) = Config::parse(Path::new("example"), &text) {
            panic!("{error}\n{text}");
        }
    }
}

#[test]
fn every_page_has_the_sections_that_people_look_for() {
    for (page, more) in [
        ("man/ftpd.8", &["SYNOPSIS", "SIGNALS", "EXIT STATUS"][..]),
        ("man/ftpctl.8", &["SYNOPSIS", "EXIT STATUS"]),
        ("man/ftpd.toml.5", &[]),
        ("man/ftpd-users.5", &[]),
    ] {
        let text = committed(page);
        for section in ["NAME", "DESCRIPTION", "EXAMPLES", "FILES", "SEE ALSO", "SECURITY CONSIDERATIONS"]
            .iter()
            .chain(more)
        {
            assert!(text.contains(&format!(".Sh {section}\n")), "{page} has no {section}");
        }
    }
}

#[test]
fn man_has_no_warnings_about_manual_pages() {
    let pages = ["man/ftpd.8", "man/ftpctl.8", "man/ftpd.toml.5", "man/ftpd-users.5"].map(repository);
    let mut man = Command::new("man");
    man.args(["--warnings", "--encoding=UTF-8", "--local-file"]).args(pages).env("MANPAGER", "cat");
    let Ok(output) = man.env("MANROFFSEQ", "").output() else {
        eprintln!("skipped: there is no man");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn no_option_is_declared_twice() {
    let mut seen = BTreeSet::new();
    for option in options() {
        assert!(seen.insert((option.section, option.key)), "[{}] {}", option.section, option.key);
    }
}

/// The sample with each option in force, as somebody would write it who removes every `#` in front of one.
fn sample_in_force() -> String {
    let keys: BTreeSet<&str> = options().map(|option| option.key).collect();
    let mut text = String::new();
    for line in committed("etc/ftpd.toml").lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        let is_option = bare.split_once(" = ").is_some_and(|(key, _)| keys.contains(key));
        text.push_str(if is_option || bare.starts_with('[') { bare } else { line });
        text.push('\n');
    }
    text
}

#[test]
fn the_sample_means_the_defaults() {
    assert_eq!(Config::parse(Path::new("etc/ftpd.toml"), &committed("etc/ftpd.toml")), Ok(Config::default()));
}

#[test]
fn every_default_and_example_is_accepted_as_it_is_documented() {
    let text = sample_in_force();
    let mut config =
        Config::parse(Path::new("etc/ftpd.toml"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for option in options() {
        assert!(text.contains(&format!("\n{} = ", option.key)), "{} is not in the sample", option.key);
    }
    assert_eq!(config.user.len() + config.group.len(), 2);
    let named = [
        config.host.len(),
        config.listener.len(),
        config.network.len(),
        config.hook.len(),
        config.quota.len(),
    ];
    assert_eq!((named, config.rules.len()), ([1; 5], 1));
    // Examples apart, that is the default configuration.
    let default = Config::default();
    config.host.clear();
    config.listener.clear();
    config.hook.clear();
    config.rules.clear();
    config.network.clear();
    config.quota.clear();
    config.limits.max_sessions_per_network = None;
    config.limits.max_transfers = None;
    config.limits.max_transfers_per_address = None;
    config.session.max_transfers_per_user = None;
    config.limits.connection_rate = None;
    config.limits.max_load = None;
    config.session.max_sessions_per_user = None;
    config.session.command_rate = None;
    config.session.max_sessions_per_user_and_address = None;
    config.session.max_sessions_per_group = None;
    config.anonymous.max_sessions = None;
    config.server.banner_file = None;
    config.user.clear();
    config.group.clear();
    config.login.pam_directory = None;
    config.login.users_file = None;
    config.login.users_account = None;
    config.login.uid_range = None;
    config.check.program = None;
    config.anonymous.root_dir = None;
    config.session.missing_home = None;
    config.session.home_skeleton = None;
    config.data.passive_ports = None;
    config.data.masquerade_address = None;
    config.data.dscp = None;
    config.listen.dscp = None;
    config.events.log = None;
    config.log.prefix = None;
    config.log.transfers = None;
    config.log.xferlog = None;
    assert_eq!(config, default);
}

#[test]
fn examples_are_good_but_for_what_is_not_on_this_machine() {
    let examples = std::fs::read_dir(repository("docs/examples")).unwrap();
    let paths: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 6);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let config = Config::parse(&path, &text).unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(config, Config::default());
        for finding in config.check() {
            let (Finding::Error(problem) | Finding::Warning(problem)) = finding;
            let problem = problem.to_string();
            assert!(
                problem.contains("No such file")
                    || problem.contains("there is no /etc/pam.d")
                    || problem.ends_with("the program runs as root"),
                "{problem}"
            );
        }
    }
}

/// All of the source but the configuration and the command line, which know every option without obeying any; but
/// which virtual host is chosen, which address is told, and what that means, is the configuration's business.
fn source(directory: &Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("src/config") {
            for obeyed in ["data.rs", "hosts.rs", "networks.rs", "rules.rs", "texts.rs"] {
                text.push_str(&std::fs::read_to_string(path.join(obeyed)).unwrap());
            }
        }
        if path.ends_with("src/config") || path.ends_with("src/cli") {
            continue;
        }
        if path.is_dir() {
            source(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_option_is_used() {
    let mut text = String::new();
    source(Path::new(&repository("src")), &mut text);
    let fields: BTreeSet<&str> = text
        .split('.')
        .filter_map(|rest| rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next())
        .collect();
    // A comment is for people.
    let of_entries = options_of_entries().filter(|option| option.key != "comment");
    let unused: Vec<&str> = options()
        .chain(of_entries)
        .map(|option| option.key)
        .filter(|key| !fields.contains(key.replace('-', "_").as_str()))
        .collect();
    assert!(unused.is_empty(), "nothing obeys {unused:?}");
}

/// A row of docs/coming-from-pyftpdlib.md: what theirs is called, and the names of its tests.
fn rows() -> Vec<(String, String)> {
    let text = committed("docs/coming-from-pyftpdlib.md");
    let mut seen = std::collections::BTreeSet::new();
    let mut section = String::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            section = line.to_string();
        }
        // What goes on about the row above begins with dots.
        if let Some((theirs, _)) = line.strip_prefix("| ").and_then(|row| row.split_once(" | "))
            && !theirs.starts_with('…')
            && theirs != "theirs"
        {
            assert!(seen.insert((section.clone(), theirs)), "{section}: there are two rows about {theirs}");
        }
    }
    let rows = text.lines().filter_map(|line| {
        // A bar in code is written with a backslash in front of it.
        let cells: Vec<String> = line
            .strip_prefix("| ")?
            .replace("\\|", "\u{1}")
            .split(" | ")
            .map(|cell| cell.trim_end_matches(" |").to_string())
            .collect();
        assert_eq!(cells.len(), 3, "{line}");
        Some((cells[0].clone(), cells[2].clone()))
    });
    rows.filter(|(_, test)| test != "test").collect()
}

/// Whether there is a test of this name, as docs/coming-from-pyftpdlib.md names tests.
fn is_a_test(name: &str) -> bool {
    let Some((place, test)) = name.rsplit_once("::") else { return false };
    if place == "conversation" {
        return Path::new(&repository(&format!("tests/ftpd/conversations/{test}.txt"))).exists();
    }
    let file = match place.starts_with("src/") || place.starts_with("tests/") {
        true => repository(place),
        false => repository(&format!("tests/ftpd/{place}.rs")),
    };
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}

#[test]
fn every_row_about_pyftpdlib_names_a_test_that_exists() {
    let rows = rows();
    assert!(rows.len() > 100, "the table is found");
    let mut missing = Vec::new();
    for (theirs, tests) in &rows {
        let named = tests.split(", ").map(|name| name.trim_matches('`'));
        missing.extend(
            named.filter(|name| *name != "—" && !is_a_test(name)).map(|name| format!("{theirs}: {name}")),
        );
    }
    assert!(missing.is_empty(), "there are no such tests:\n{}", missing.join("\n"));
}
