//! Every verb of the table, by a loop: said with the right argument, with none, with a silly one, before the login,
//! and without the permission. A verb that has no cases fails the tests; so does a reply that its row does not promise.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::Shutdown;
use std::path::Path;

use ftpd::VERBS;
use ftpd::config::Permissions;
use ftpd::protocol::verb::{Access, Entry};

use crate::accounts::Account;
use crate::client::Client;
use crate::server::Server;
use crate::world::World;

mod cases;

use cases::{CASES, Case};

tests! {
    every_verb_has_cases_and_every_case_a_verb
    with_the_right_argument
    without_an_argument
    with_a_silly_argument
    before_the_login
    without_the_permission
    in_any_order_with_anything
}

/// What RFC 959 4.2 and its successors know: 2228, 2428, 2640, 3659, 4217 (521), and the drafts of HASH (556) and MD5 (251).
const KNOWN_CODES: &[u16] = &[
    110, 120, 125, 150, 200, 202, 211, 212, 213, 214, 215, 220, 221, 225, 226, 227, 229, 230, 232, 234, 235, 250, 251, 257,
    331, 332, 334, 335, 336, 350, 421, 425, 426, 431, 450, 451, 452, 500, 501, 502, 503, 504, 521, 522, 530, 532, 533, 534,
    535, 536, 537, 550, 551, 552, 553, 554, 555, 556,
];

fn every_verb_has_cases_and_every_case_a_verb() {
    for verb in VERBS {
        let cases = CASES.iter().filter(|case| case.verb == verb.name).count();
        assert_eq!(cases, 1, "tests/ftpd/every_verb/cases.rs has {cases} cases of {}", verb.name);
        for code in verb.replies.split(' ') {
            let code = code.parse().expect("a code");
            assert!(KNOWN_CODES.contains(&code), "{} promises {code}", verb.name);
        }
    }
    for case in CASES {
        assert!(VERBS.iter().any(|verb| verb.name == case.verb), "there is no verb {}", case.verb);
    }
}

fn with_the_right_argument() {
    let world = World::new();
    let _server = Server::start(&world, "");
    each(|verb, case| said_by(&world, "alice", verb, case, &line(verb, case.right), case.right_codes));
}

fn without_an_argument() {
    let world = World::new();
    let _server = Server::start(&world, "");
    each(|verb, case| said_by(&world, "alice", verb, case, verb.name, case.bare_codes));
}

fn with_a_silly_argument() {
    let world = World::new();
    let _server = Server::start(&world, "");
    each(|verb, case| said_by(&world, "alice", verb, case, &line(verb, case.silly), case.silly_codes));
}

fn before_the_login() {
    let world = World::new();
    let _server = Server::start(&world, "");
    each(|verb, case| {
        let expected = match verb.access {
            Access::User => "530",
            Access::Anybody => case.stranger_codes,
        };
        let mut client = Client::greeted();
        say(&mut client, verb, &line(verb, case.right), expected);
        goes_on(&mut client, expected);
    });
}

fn without_the_permission() {
    let world = World::new();
    let letters: BTreeSet<char> = VERBS.iter().filter_map(|verb| verb.permission).collect();
    let mut settings = String::new();
    for (letter, uid) in letters.iter().zip(2100..) {
        let user = user_without(*letter);
        world.add(Account::new(&user, uid));
        let others = Permissions::all().without(letter.to_string().parse().expect("a letter"));
        settings.push_str(&format!("user.{user}.permissions = \"{others}\"\n"));
    }
    let _server = Server::start(&world, &settings);
    each(|verb, case| {
        let Some(letter) = verb.permission else { return };
        let user = user_without(letter);
        said_by(&world, &user, verb, case, &line(verb, case.right), case.forbidden_codes);
    });
}

/// What somebody might say who knows the verbs and means nothing: the replies must still be those that the rows promise,
/// one to a line, and the session must live.
fn in_any_order_with_anything() {
    const ARGUMENTS: &[&str] = &[
        "", " ", "file", "directory", "missing", "empty", "..", "/", "~", "\0", "%n%s", "-la", "-R /", "*", "[", "a b", "\"", "\"a",
        "99999999999999999999999", "-1", "0", "7", "1 2", "2 1", "127,0,0,1,200,1", "|1|127.0.0.1|51201|", "||||", "ALL", "u+x file",
        "644 file", "20200102030405 file", "20209999999999 file", "Modify=20200102030405; file", "file copy", "\"file\" \"a b\"",
        "file 0 3", "ON", "A", "I", "L 8", "S", "Z", "Z LEVEL 9", "F", "type;size;", "MD5", "RETR file", "staff file", "\u{1b}[2J", "é",
    ];
    let world = World::new();
    let _server = Server::start(&world, "");
    furnish(&world, "alice");
    let verbs: Vec<&Entry> = VERBS
        .iter()
        // These end the session, change how long it may be silent, or let it wait for data.
        .filter(|verb| !["QUIT", "BYE", "REIN", "USER", "SITE IDLE", "PASV", "P@SW", "EPSV"].contains(&verb.name))
        .collect();
    let mut client = Client::logged_in("alice");
    let mut random = 1u32;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % limit
    };
    let long = "x".repeat(4_000);
    for _ in 0..3_000 {
        let verb = verbs[below(verbs.len())];
        let argument = if below(50) == 0 { &long } else { ARGUMENTS[below(ARGUMENTS.len())] };
        let data = (verb.replies.contains("150") && below(2) == 0).then(|| client.passive());
        let line = line(verb, argument);
        client.send(&line);
        let reply = client.read_reply();
        assert!(KNOWN_CODES.contains(&reply.code), "{line}: {reply}");
        if reply.code == 150 {
            // Without data: PORT has named a place where nobody listens, and there will be 425.
            if let Some(mut data) = data {
                _ = data.shutdown(Shutdown::Write);
                _ = data.read_to_end(&mut Vec::new());
            }
            client.read_reply();
        }
    }
    // No reply is left over.
    client.command("SYST", 215);
    client.command("QUIT", 221);
    client.expect_end();
}

/// Names of accounts are small letters.
fn user_without(letter: char) -> String {
    let size = if letter.is_ascii_uppercase() { "large" } else { "small" };
    format!("no-{size}-{}", letter.to_ascii_lowercase())
}

/// Does this for every verb, and fails at the end, with all that was wrong.
fn each(mut test: impl FnMut(&Entry, &Case)) {
    let mut failures = Vec::new();
    for verb in VERBS {
        let Some(case) = CASES.iter().find(|case| case.verb == verb.name) else { continue };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(verb, case)));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().map_or("panicked", |text| text);
            failures.push(format!("{}: {text}", verb.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn line(verb: &Entry, argument: &str) -> String {
    format!("{} {argument}", verb.name).trim_end().to_string()
}

/// A user logs in, says what has to be said before, and the line.
fn said_by(world: &World, user: &str, verb: &Entry, case: &Case, line: &str, expected: &str) {
    furnish(world, user);
    let mut client = Client::logged_in(user);
    for line in case.before {
        client.send(line);
        client.read_reply();
    }
    say(&mut client, verb, line, expected);
    goes_on(&mut client, expected);
}

/// What the cases find in a home directory: `file`, `directory` with something inside, and `empty`.
fn furnish(world: &World, user: &str) {
    let home = world.account(user).home;
    for entry in std::fs::read_dir(&home).expect("home directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.expect("removed");
    }
    world.give(user, "file", "content");
    world.give(user, "directory/inside", "content");
    world.give(user, "empty/gone", "");
    std::fs::remove_file(home.join(Path::new("empty/gone"))).expect("removed");
}

/// Sends the line and compares the codes of the replies, each of which must be promised by the row and in form.
fn say(client: &mut Client, verb: &Entry, line: &str, expected: &str) {
    let data = expected.starts_with("150").then(|| client.passive());
    client.send(line);
    let mut codes = Vec::new();
    for number in expected.split(' ') {
        let reply = client.next_reply().unwrap_or_else(|| panic!("{line}: the connection ended"));
        codes.push(reply.code.to_string());
        assert!(reply.in_form(), "{line}: {reply}");
        assert!(KNOWN_CODES.contains(&reply.code), "{line}: {reply}");
        assert!(verb.may_answer(reply.code), "{line}: the row of {} does not promise: {reply}", verb.name);
        assert_eq!(reply.code.to_string(), number, "{line}: {reply}");
        if let Some(mut data) = data.as_ref().filter(|_| reply.code == 150) {
            data.shutdown(Shutdown::Write).expect("end of data");
            data.read_to_end(&mut Vec::new()).expect("data");
        }
    }
}

/// After 221 the connection ends; after anything else it is as good as before.
fn goes_on(client: &mut Client, said: &str) {
    if said == "221" {
        client.expect_end();
    } else {
        client.command("NOOP", 200);
    }
}
