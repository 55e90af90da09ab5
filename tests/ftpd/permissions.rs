//! Permission letters: every letter, alone and as the only one that lacks, against every verb, on a file, on a directory and
//! on a name that nothing has.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ftpd::config::{Letter, Permissions};

use crate::accounts::Account;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    every_letter_allows_its_verbs_and_no_others
    no_verb_that_needs_a_letter_is_forgotten
    overwriting_needs_its_letter_whatever_the_verb
    resuming_needs_its_letter
    what_moves_no_files_needs_no_letter
    commands_that_are_refused_are_not_obeyed_by_any_name
    a_check_knows_the_names_of_commands
}

/// What is said of a name, and which letters it takes where the name is a file, a directory, or nothing's.
struct Case {
    before: &'static [&'static str],
    /// `%` is the name.
    line: &'static str,
    letters: [&'static str; 3],
}

const fn case(line: &'static str, letters: [&'static str; 3]) -> Case {
    Case { before: &[], line, letters }
}

const fn same(line: &'static str, letters: &'static str) -> Case {
    case(line, [letters; 3])
}

/// What is refused for other reasons needs no letter here: then the codes need only be alike.
const CASES: &[Case] = &[
    same("CWD %", "e"),
    same("XCWD %", "e"),
    same("CDUP", "e"),
    same("XCUP", "e"),
    same("LIST %", "l"),
    same("NLST %", "l"),
    same("MLSD %", "l"),
    same("MLST %", "l"),
    same("STAT %", "l"),
    same("SIZE %", "l"),
    same("MDTM %", "l"),
    same("RETR %", "r"),
    same("HASH %", "r"),
    same("XCRC %", "r"),
    same("XMD5 %", "r"),
    same("MD5 %", "r"),
    same("XSHA %", "r"),
    same("XSHA1 %", "r"),
    same("XSHA256 %", "r"),
    same("XSHA512 %", "r"),
    same("SITE CPFR %", "r"),
    same("APPE %", "a"),
    case("STOR %", ["o", "co", "c"]),
    Case { before: &["REST 2"], line: "STOR %", letters: ["Ro", "R", "R"] },
    Case { before: &["REST 7"], line: "STOR %", letters: ["R", "R", "R"] },
    same("STOU %", "c"),
    same("DELE %", "d"),
    same("RMD %", "d"),
    same("XRMD %", "d"),
    same("SITE RMDIR %", "d"),
    same("RNFR %", "f"),
    case("RNTO %", ["fo", "f", "f"]),
    same("MKD %", "m"),
    same("XMKD %", "m"),
    same("SITE MKDIR %", "m"),
    same("SITE CHMOD 700 %", "M"),
    same("SITE UMASK 027", "M"),
    same("SITE QUOTA", "l"),
    same("SITE CHGRP 2100 %", "M"),
    same("MFF UNIX.mode=600; %", "M"),
    same("MFF Modify=20200102030405; %", "T"),
    same("MFF Modify=20200102030405;UNIX.mode=600; %", "TM"),
    same("MFMT 20200102030405 %", "T"),
    same("SITE UTIME 20200102030405 %", "T"),
    same("SITE SYMLINK % /link", "cl"),
    same("SITE SYMLINK /other %", "cl"),
    case("SITE COPY /other %", ["ro", "rco", "rc"]),
    same("SITE COPY % /copy", "rc"),
    case("SITE CPTO %", ["ro", "rco", "rc"]),
    case("PRET STOR %", ["o", "co", "c"]),
    same("PRET RETR %", "r"),
    same("PRET APPE %", "a"),
    same("AVBL %", "c"),
];

const NAMES: [&str; 3] = ["/file", "/directory", "/missing"];

/// The home of a user, as every command finds it.
fn furnish(home: &Path, uid: u32) {
    for entry in fs::read_dir(home).expect("home").flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("removed");
    }
    fs::create_dir(home.join("directory")).expect("directory");
    for name in ["file", "other", "directory/inside"] {
        fs::write(home.join(name), "content").expect("file");
    }
    for name in ["directory", "file", "other", "directory/inside"] {
        std::os::unix::fs::chown(home.join(name), Some(uid), Some(uid)).expect("owner");
    }
}

/// Says it, and what belongs before it, and tells the last code.
fn said(client: &mut Client, case: &Case, name: &str) -> u16 {
    client.command("NOOP", 200);
    for line in case.before {
        client.send(line);
        client.read_reply();
    }
    for (verb, before) in [("RNTO", "RNFR /other"), ("SITE CPTO", "SITE CPFR /other")] {
        if case.line.starts_with(verb) {
            client.send(before);
            let reply = client.read_reply();
            if reply.code >= 400 {
                return reply.code;
            }
        }
    }
    let moves = ["LIST", "NLST", "MLSD", "RETR", "STOR", "APPE", "STOU"];
    let data = moves.iter().any(|verb| case.line.starts_with(verb));
    let mut data = data.then(|| {
        // A passive connection takes REST along; it is said before both.
        client.passive()
    });
    client.send(&case.line.replace('%', name));
    let reply = client.read_reply();
    if reply.code != 150 {
        return reply.code;
    }
    if let Some(mut data) = data.take() {
        if case.line.starts_with(['S', 'A']) {
            data.write_all(b"new").expect("data");
        } else {
            data.read_to_end(&mut Vec::new()).expect("data");
        }
    }
    client.read_reply().code
}

fn every_letter_allows_its_verbs_and_no_others() {
    let world = World::new();
    let all = Permissions::all();
    let mut sets = vec![all, Permissions::default()];
    for letter in Letter::ALL {
        let alone: Permissions = letter.letter().to_string().parse().expect("a letter");
        sets.extend([alone, all.without(alone)]);
    }
    sets.push("elr".parse().expect("letters"));
    sets.push("elradfmwT".parse().expect("letters"));
    let mut settings = String::new();
    for (number, set) in sets.iter().enumerate() {
        world.add(Account::new(&format!("user{number}"), 2100 + number as u32));
        settings.push_str(&format!("user.user{number}.permissions = \"{set}\"\n"));
    }
    let _server = Server::start(&world, &settings);
    let mut usual: Vec<[u16; 3]> = Vec::new();
    let mut failures = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let home = PathBuf::from(format!("/home/user{number}"));
        let mut client = Client::logged_in(&format!("user{number}"));
        for (index, case) in CASES.iter().enumerate() {
            let codes = NAMES.map(|name| {
                furnish(&home, 2100 + number as u32);
                client.command("TYPE I", 200);
                // CHGRP knows the user's own group, whatever its number.
                let own = format!("SITE CHGRP {} %", 2100 + number);
                let line: &'static str = match case.line.starts_with("SITE CHGRP") {
                    true => Box::leak(own.into_boxed_str()),
                    false => case.line,
                };
                said(&mut client, &Case { line, ..*case }, name)
            });
            if number == 0 {
                usual.push(codes);
                continue;
            }
            for (at, name) in NAMES.iter().enumerate() {
                let needed: Permissions = case.letters[at].parse().expect("letters");
                let allowed = needed.without(*set).is_empty();
                let expected = usual[index][at];
                let right = match (allowed, expected) {
                    (true, expected) => codes[at] == expected,
                    (false, ..400) => codes[at] == 550,
                    // It would not have worked anyway.
                    (false, _) => codes[at] >= 400,
                };
                if !right {
                    let said = case.line.replace('%', name);
                    failures.push(format!("{said} with {set:?}: {} and not {expected}", codes[at]));
                }
            }
        }
    }
    // The letters make a difference at all.
    let works = |line: &str| {
        let index = CASES.iter().position(|case| case.line == line && case.before.is_empty());
        usual[index.expect("case")]
    };
    assert_eq!(works("STOR %"), [226, 550, 226]);
    assert_eq!(works("RETR %"), [226, 550, 550]);
    assert_eq!(works("MKD %"), [550, 550, 257]);
    assert_eq!(works("RNTO %")[0], 250);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whoever adds a verb adds it here, too.
fn no_verb_that_needs_a_letter_is_forgotten() {
    let tested = |name: &str| {
        let is_it = |case: &Case| case.line == name || case.line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
        CASES.iter().any(is_it)
    };
    let verbs = ftpd::VERBS.iter().filter(|row| row.permission.is_some());
    let forgotten: Vec<&str> = verbs.map(|row| row.name).filter(|name| !tested(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

fn alice(permissions: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file", "content");
    world.give("alice", "other", "other content");
    let server = Server::start(&world, &format!("session.permissions = \"{permissions}\""));
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn content(name: &str) -> String {
    fs::read_to_string(format!("/home/alice/{name}")).expect("file")
}

/// Whoever may create files and rename them must not be able to replace one by that, or by a link, a copy, or REST.
fn overwriting_needs_its_letter_whatever_the_verb() {
    let (_world, server, mut client) = alice("elradfmcRMT");
    for line in ["STOR file", "SITE COPY other file", "PRET STOR file"] {
        client.command(line, 550);
    }
    client.command("SITE SYMLINK file link", 250);
    client.command("STOR link", 550);
    client.command("RNFR /other", 350);
    client.command("RNTO file", 550);
    client.command("REST 0", 350);
    client.command("STOR file", 550);
    client.command("REST 1", 350);
    client.command("STOR file", 550);
    assert_eq!(content("file"), "content");
    assert!(server.wait_for_log("refused").contains("the permissions lack o ([session], "));
    client.transmit("STOR new", b"new");
    client.transmit("APPE file", b", more");
    assert_eq!((content("new").as_str(), content("file").as_str()), ("new", "content, more"));
}

fn resuming_needs_its_letter() {
    let (_world, _server, mut client) = alice("elradfmcMT");
    client.command("REST 7", 350);
    client.command("STOR file", 550);
    // And nothing but resuming comes of it, where nothing may be overwritten.
    let (_world, _server, mut client) = alice("elR");
    client.command("REST 7", 350);
    client.transmit("STOR file", b", more");
    assert_eq!(content("file"), "content, more");
    client.command("REST 3", 350);
    client.command("STOR file", 550);
    client.command("STOR new", 550);
    client.command("STOR file", 550);
    client.command("APPE file", 550);
}

fn what_moves_no_files_needs_no_letter() {
    let (_world, _server, mut client) = alice("");
    for (line, code) in [
        ("PWD", 257),
        ("XPWD", 257),
        ("ALLO 1", 202),
        ("MODE S", 200),
        ("STRU F", 200),
        ("TYPE A", 200),
        ("TYPE I", 200),
        ("OPTS UTF8 ON", 200),
        ("EPSV", 229),
        ("PASV", 227),
        ("ABOR", 225),
        ("REST 0", 350),
        ("STAT", 211),
        ("SYST", 215),
        ("FEAT", 211),
        ("HELP", 214),
        ("SITE HELP", 214),
        ("NOOP", 200),
        ("REIN", 220),
    ] {
        client.command(line, code);
    }
}

fn commands_that_are_refused_are_not_obeyed_by_any_name() {
    let world = World::new();
    world.give("alice", "file", "content");
    let settings = "session.refused-commands = [\"mkd\", \"SITE\", \"MFMT\"]\nuser.bob.refused-commands = []";
    let server = Server::start(&world, settings);
    let mut client = Client::logged_in("alice");
    for line in ["MKD d", "XMKD d", "SITE CHMOD 600 file", "SITE HELP", "SITE", "MFMT 20200101000000 file"] {
        client.command(line, 500);
    }
    assert!(!world.account("alice").home.join("d").exists());
    client.command("RMD d", 550);
    assert!(!client.command("FEAT", 211).whole().contains("MFMT"));
    let line = server.wait_for_log("refused \"MKD\"");
    assert!(line.contains("refused-commands: MKD"), "{line}");
    let mut other = Client::logged_in("bob");
    other.command("XMKD d", 257);
    assert!(other.command("FEAT", 211).whole().contains("MFMT"));
}

fn a_check_knows_the_names_of_commands() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("checked.toml");
    for (settings, said) in [
        ("session.refused-commands = [\"SITE\", \"APPE\", \"P@SW\"]", "ok"),
        ("session.refused-commands = [\"MAKE\"]", "[session] refused-commands: there is no command MAKE"),
        ("group.staff.refused-commands = [\"SITE CHOWN\"]", "[group.staff] refused-commands: there is no command SITE CHOWN"),
        ("session.refused-commands = [\"QUIT\"]", "QUIT cannot be refused"),
    ] {
        world.write(&configuration, settings);
        let output = world.command(DAEMON).arg("check").arg("--config").arg(&configuration).output().expect("check");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(said), "{settings}: {text}");
        assert_eq!(text.contains("there is no"), said.contains("there is no"), "{text}");
    }
}
