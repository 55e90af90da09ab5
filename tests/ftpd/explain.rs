//! `ftpd explain`: yes or no, and what decides it, in the words of the log.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    says_yes_and_no_with_rule_file_and_line
    says_the_same_as_the_log_and_the_daemon
    judges_renaming_as_a_pair
    explains_logins
    looks_at_what_there_is
    says_what_it_does_not_know
    names_a_quota_that_is_used_up
}

/// What the program prints, and how it ends.
fn explained(arguments: &str) -> (String, i32) {
    let mut command = Command::new(DAEMON);
    command.args(["explain", "--config", "/run/world/etc/ftpd.toml"]).args(arguments.split(' '));
    let output = command.output().expect("ftpd explain");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("UTF-8"), output.status.code().expect("exit status"))
}

fn configured(text: &str) {
    fs::create_dir_all("/run/world/etc").expect("directory");
    fs::write("/run/world/etc/ftpd.toml", text).expect("configuration");
}

fn says_yes_and_no_with_rule_file_and_line() {
    let world = World::new();
    world.give("bob", "in/there", "content");
    configured(
        "[session]\npermissions = \"elrw\"\n\n[rule.quiet]\nusers = [\"bob\"]\nnetworks = [\"192.0.2.0/24\"]\n\
         paths = [\"/in\"]\ntake = \"o\"\n\n[rule.size]\npaths = [\"/in\"]\nmax-file-size = \"1K\"\n",
    );
    let file = "/run/world/etc/ftpd.toml";
    let (text, code) = explained("--user bob --from 192.0.2.7 STOR /in/there");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("login of bob from 192.0.2.7: yes"), "{text}");
    let why = format!("STOR /in/there at /in/there: no, the rule quiet does not give o ([rule.quiet], {file}:8)");
    assert!(text.contains(&why), "{text}");
    let (text, code) = explained("--user bob --from 192.0.2.7 STOR /in/new");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("yes, the permissions have c ([session], {file}:2)")), "{text}");
    assert!(text.contains(&format!("up to 1024 bytes: the rule size limits the size of files ([rule.size], {file}:12)")));
    let (text, code) = explained("--user bob --from 198.51.100.7 STOR /in/there");
    assert_eq!(code, 0, "{text}");
    let (text, code) = explained("--user bob NOOP");
    assert!(code == 0 && text.contains("no permission is needed"), "{text}");
}

fn says_the_same_as_the_log_and_the_daemon() {
    let world = World::new();
    for name in ["box/there", "keep/file", "hidden/file", "file", "no.exe"] {
        world.give("alice", name, "content");
    }
    symlink("keep/file", "/home/alice/link").expect("link");
    let server = Server::start(
        &world,
        "rule.a.paths = [\"/box\"]\nrule.a.drop-box = true\nrule.b.paths = [\"/keep\"]\nrule.b.write-once = true\n\
         rule.c.paths = [\"/hidden\"]\nrule.c.hide = true\nrule.d.names = [\"*.exe\"]\nrule.d.forbid = true\n\
         user.alice.permissions = \"elrafmwMT\"",
    );
    let mut client = Client::logged_in("alice");
    for line in [
        "RETR box/there", "SIZE box/none", "APPE keep/file", "RNFR keep/file", "SITE CHMOD 600 link", "RETR hidden/file",
        "MKD hidden", "RETR no.exe", "MKD x.exe", "DELE file", "RNFR keep", "SITE COPY hidden/file copy", "STOR box/a/b",
        "SITE SYMLINK file x.exe", "MFMT 20200102030405 keep/file",
    ] {
        let lines = server.log_length();
        client.send(line);
        let reply = client.read_reply();
        assert!(reply.code >= 500, "{line}: {reply}");
        let logged = server.wait_for_log_after(lines, "refused");
        let (text, code) = explained(&format!("--user alice {line}"));
        assert_eq!(code, 1, "{line}: {text}");
        let reason = text.lines().find_map(|line| line.split_once(": no, ")).expect("a reason").1;
        assert!(logged.contains(reason), "{line}: {reason}\n{logged}");
    }
    for line in ["RETR keep/file", "STOR box/there", "CWD box", "MLST link", "STOR keep/new", "SITE COPY file copy"] {
        let (text, code) = explained(&format!("--user alice {line}"));
        assert_eq!(code, 0, "{line}: {text}");
    }
}

fn judges_renaming_as_a_pair() {
    let world = World::new();
    for name in ["keep/file", "open/file", "shop/a.key", "box/there"] {
        world.give("alice", name, "content");
    }
    let server = Server::start(
        &world,
        "rule.a.paths = [\"/keep\"]\nrule.a.take = \"d\"\nrule.b.paths = [\"/shop\"]\nrule.b.names = [\"*.key\"]\n\
         rule.b.take = \"r\"\nrule.c.paths = [\"/box\"]\nrule.c.drop-box = true",
    );
    let mut client = Client::logged_in("alice");
    for (from, to, code) in [
        ("keep/file", "open/new", 550),
        ("shop/a.key", "shop/a.txt", 550),
        ("open/file", "box/new", 550),
        ("open/file", "box/a/b", 550),
        ("keep/file", "keep/other", 250),
        ("open/file", "keep/new", 250),
    ] {
        let (text, ended) = explained(&format!("--user alice RNFR /{from} RNTO /{to}"));
        assert_eq!(ended, i32::from(code == 550), "{from} {to}: {text}");
        assert!(text.contains("/file: yes, ") || text.contains("/a.key: yes, "), "{text}");
        let lines = server.log_length();
        client.command(&format!("RNFR {from}"), 350);
        client.command(&format!("RNTO {to}"), code);
        if code == 550 {
            let logged = server.wait_for_log_after(lines, "refused");
            let reason = text.lines().find_map(|line| line.split_once(": no, ")).expect("a reason").1;
            assert!(logged.contains(reason), "{from} {to}: {reason}\n{logged}");
        }
    }
    // What may not be taken away is not asked about any further.
    let (text, ended) = explained("--user alice RNFR /keep rnto /other");
    assert!(ended == 1 && text.lines().count() == 2 && text.contains("at /keep: no, "), "{text}");
}

fn explains_logins() {
    let world = World::new();
    world.pam("other", "auth required pam_permit.so\n");
    configured(
        "[login]\nreject-users = [\"bob\"]\nallow-groups = [\"staff\"]\n[anonymous]\nenabled = true\n\
         [user.alice]\nlogin-networks = [\"192.0.2.0/24\"]\nrequire-tls = \"login\"\n[tls]\ncertificates = []\n",
    );
    let file = "/run/world/etc/ftpd.toml";
    fs::write(file, fs::read_to_string(file).expect("file").replace("require-tls = \"login\"\n", "")).expect("file");
    for (arguments, code, expected) in [
        ("--user bob", 1, format!("no, named in reject-users ([login], {file}:2)")),
        ("--user bob --group staff", 1, format!("no, named in reject-users ([login], {file}:2)")),
        ("--user ftpd", 1, "no, ".to_string()),
        ("--user root", 1, "no, root does not log in".to_string()),
        ("--user alice", 1, format!("no, login-networks does not have the address ([user.alice], {file}:7)")),
        ("--user alice --from 192.0.2.7", 0, "yes, known to the accounts of the machine".to_string()),
        ("--user nobody-knows", 1, "no, ".to_string()),
        ("--user anonymous", 0, "yes, known to anonymous logins".to_string()),
    ] {
        let (text, ended) = explained(arguments);
        assert!(text.contains(&expected) && ended == code, "{arguments}: {text}");
    }
    let (text, _) = explained("--user anonymous STOR /file");
    assert!(text.contains("no, the permissions lack c (the default of [anonymous])"), "{text}");
}

fn looks_at_what_there_is() {
    let world = World::new();
    world.give("alice", "private/file", "content");
    symlink("private", "/home/alice/way").expect("link");
    configured("[rule.a]\npaths = [\"/private\"]\ntake = \"r\"\n[session]\npermissions = \"elradfmcRMT\"\n");
    let (text, code) = explained("--user alice RETR /way/file");
    assert!(code == 1 && text.contains("at /private/file: no, the rule a does not give r"), "{text}");
    let (text, code) = explained("--user alice STOR private/file");
    assert!(code == 1 && text.contains("lack o"), "{text}");
    let (text, code) = explained("--user alice STOR private/new");
    assert!(code == 0 && text.contains("have c"), "{text}");
}

fn says_what_it_does_not_know() {
    let _world = World::new();
    configured("");
    for (arguments, expected) in [
        ("--user alice FROB /x", "there is no command FROB"),
        ("--user alice --host none RETR /x", "there is no virtual host \"none\""),
        ("--user alice SITE COPY /x", "SITE COPY wants two names"),
    ] {
        let (text, code) = explained(arguments);
        assert!(text.contains(expected) && code == 2, "{arguments}: {text}");
    }
    configured("[rule.a]\nfrob = 1\n");
    let (text, code) = explained("--user alice RETR /x");
    assert!(text.contains("[rule.a] frob: there is no such option") && code == 2, "{text}");
}

fn names_a_quota_that_is_used_up() {
    let world = World::new();
    fs::create_dir_all("/home/alice/in").expect("directory");
    std::os::unix::fs::chown("/home/alice/in", Some(2001), Some(2001)).expect("owner");
    let settings = "session.quota-files = 3\nquota.incoming.paths = [\"/home/alice/in\"]\nquota.incoming.bytes = \"10\"";
    let server = Server::start(&world, settings);
    configured(&server.settings());
    let mut alice = Client::logged_in("alice");
    assert_eq!(explained("--user alice STOR /in/x").1, 0);
    alice.transmit("STOR in/file", b"0123456789");
    let (text, status) = explained("--user alice STOR /in/x");
    assert!(text.contains("no, [quota.incoming] of /home/alice/in is used up: 10 of 10 bytes"), "{text}");
    assert_eq!(status, 1);
    // What takes no bytes has room; and so has what takes the place of something.
    for line in ["MKD /in/x", "STOR /in/file", "STOR /x"] {
        assert_eq!(explained(&format!("--user alice {line}")).1, 0, "{line}");
    }
    alice.command("MKD more", 257);
    let (text, _) = explained("--user alice MKD /in/x");
    assert!(text.contains("no, the quota of /home/alice is used up: 3 of 3 files"), "{text}");
}
