//! Rules about files and directories: whom and what they are about, which of them decides, and what they do.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use crate::accounts::Account;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    a_directory_has_letters_of_its_own
    a_rule_that_is_not_recursive_stops_at_directories
    the_first_rule_that_says_something_decides
    paths_begin_at_the_root_or_at_home
    patterns_stand_for_names_and_directories
    rules_are_for_those_whom_they_name
    facts_tell_what_rules_allow
    hidden_names_are_not_there
    forbidden_names_cannot_come_into_being
    the_log_names_rule_file_and_line
    rights_to_write_for_anybody_are_warned_of
}

fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    for name in ["pub/file", "pub/sub/file", "in/there", "file"] {
        world.give("alice", name, "content");
    }
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn content(name: &str) -> String {
    fs::read_to_string(format!("/home/alice/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn exists(name: &str) -> bool {
    fs::symlink_metadata(format!("/home/alice/{name}")).is_ok()
}

/// A command that is refused, over a data connection if it wants one, with the reply.
fn refused(client: &mut Client, line: &str) -> String {
    client.send(line);
    let reply = client.read_reply();
    assert!(reply.code >= 400, "{line}: {reply}");
    format!("{reply}")
}

fn a_directory_has_letters_of_its_own() {
    let (_world, _server, mut client) = alice(
        "session.permissions = \"elr\"\nrule.a.paths = [\"/in\"]\nrule.a.give = \"cm\"\n\
         rule.b.paths = [\"/pub\"]\nrule.b.take = \"r\"\nrule.c.paths = [\"/pub/sub\"]\nrule.c.permissions = \"el\"",
    );
    client.command("STOR new", 550);
    client.transmit("STOR in/new", b"new");
    client.command("MKD in/a", 257);
    client.transmit("STOR in/a/deep", b"new");
    client.command("STOR in/there", 550);
    client.command("RETR pub/file", 550);
    assert!(client.receive_text("LIST pub").contains("file"));
    assert_eq!(client.receive_text("RETR file"), "content");
    client.command("RETR pub/sub/file", 550);
    assert_eq!((content("in/new").as_str(), content("in/a/deep").as_str()), ("new", "new"));
}

fn a_rule_that_is_not_recursive_stops_at_directories() {
    let (_world, _server, mut client) = alice(
        "rule.a.paths = [\"/pub\"]\nrule.a.recursive = false\nrule.a.permissions = \"el\"",
    );
    client.command("RETR pub/file", 550);
    client.command("STOR pub/new", 550);
    client.command("MKD pub/new", 550);
    client.command("RMD pub", 550);
    assert_eq!(client.receive_text("RETR pub/sub/file"), "content");
    client.transmit("STOR pub/sub/new", b"new");
    client.command("SITE CHMOD 711 pub/sub", 200);
}

fn the_first_rule_that_says_something_decides() {
    let (_world, _server, mut client) = alice(
        "rule.a.paths = [\"/pub/sub\"]\nrule.a.give = \"r\"\nrule.b.paths = [\"/pub\"]\nrule.b.permissions = \"l\"\n\
         rule.c.paths = [\"/\"]\nrule.c.take = \"d\"\nrule.c.give = \"r\"\nrule.c.umask = \"077\"",
    );
    assert_eq!(client.receive_text("RETR pub/sub/file"), "content");
    client.command("RETR pub/file", 550);
    client.command("DELE pub/sub/file", 550);
    client.command("DELE file", 550);
    client.transmit("STOR new", b"");
    assert_eq!(fs::metadata("/home/alice/new").expect("file").mode() & 0o777, 0o600);
}

fn paths_begin_at_the_root_or_at_home() {
    let rules = "rule.a.paths = [\"~/pub\"]\nrule.a.take = \"r\"\nrule.b.paths = [\"/in\"]\nrule.b.take = \"r\"";
    let (_world, server, mut client) = alice(rules);
    client.command("RETR pub/file", 550);
    client.command("RETR in/there", 550);
    drop((client, server));
    let world = World::new();
    world.give("alice", "pub/file", "content");
    world.give("alice", "in/there", "content");
    let _server = Server::start(&world, &format!("session.root-dir = \"real\"\n{rules}"));
    let mut client = Client::logged_in("alice");
    client.command("RETR pub/file", 550);
    client.command("RETR /home/alice/pub/file", 550);
    assert_eq!(client.receive_text("RETR in/there"), "content");
}

fn patterns_stand_for_names_and_directories() {
    let (world, _server, mut client) = alice(
        "rule.a.paths = [\"/**/secret\", \"/?n/t*\"]\nrule.a.take = \"r\"\nrule.b.names = [\"*.Key\"]\nrule.b.take = \"r\"",
    );
    for name in ["a/b/secret/file", "secret/file", "a/x.KEY", "x.key.d/file", "d.key/sub/file", "a/secrets"] {
        world.give("alice", name, "content");
    }
    for name in ["a/b/secret/file", "secret/file", "in/there", "a/x.KEY", "d.key/sub/file"] {
        client.command(&format!("RETR {name}"), 550);
    }
    for name in ["a/secrets", "x.key.d/file", "file"] {
        assert_eq!(client.receive_text(&format!("RETR {name}")), "content");
    }
}

fn rules_are_for_those_whom_they_name() {
    let world = World::new();
    world.add(Account::new("carol", 2003));
    world.group("guests", 3002, &["carol"]);
    for user in ["alice", "bob", "carol"] {
        world.give(user, "file", "content");
    }
    let _server = Server::start(
        &world,
        "anonymous.enabled = true\nlisten.addresses = [\"0.0.0.0:21\", \"0.0.0.0:2121\"]\n\
         host.other.addresses = [\"0.0.0.0:2121\"]\n\
         rule.a.users = [\"alice\"]\nrule.a.groups = [\"guests\"]\nrule.a.take = \"r\"\n\
         rule.b.anonymous = true\nrule.b.take = \"r\"\n\
         rule.c.hosts = [\"other\"]\nrule.c.take = \"l\"\n\
         rule.d.networks = [\"127.0.0.2\"]\nrule.d.take = \"e\"",
    );
    for (user, code) in [("alice", 550), ("carol", 550)] {
        Client::logged_in(user).command("RETR file", code);
    }
    let mut bob = Client::logged_in("bob");
    assert_eq!(bob.receive_text("RETR file"), "content");
    bob.command("MLST file", 250);
    bob.command("CWD /", 250);
    let mut anonymous = Client::greeted();
    anonymous.command("USER anonymous", 331);
    anonymous.command("PASS guest@", 230);
    anonymous.command("MLST welcome.txt", 250);
    anonymous.command("RETR welcome.txt", 550);
    let mut other = Client::connect_to("127.0.0.1:2121".parse().expect("address"));
    other.expect(220);
    other.log_in("bob");
    other.command("MLST file", 550);
    let mut near =
        Client::connect_from("127.0.0.2".parse().expect("address"), "127.0.0.1:21".parse().expect("address"));
    near.expect(220);
    near.log_in("bob");
    near.command("MLST file", 250);
    near.command("CWD /", 550);
}

fn facts_tell_what_rules_allow() {
    let (world, _server, mut client) = alice(
        "rule.a.paths = [\"/in\"]\nrule.a.drop-box = true\nrule.b.paths = [\"/pub\"]\nrule.b.take = \"doT\"\n\
         rule.c.paths = [\"/old\"]\nrule.c.write-once = true",
    );
    world.give("alice", "old/file", "content");
    symlink("pub/file", "/home/alice/link").expect("link");
    client.command("OPTS MLST type;perm;", 200);
    let facts = |client: &mut Client, name: &str| {
        let reply = client.command(&format!("MLST {name}"), 250).whole();
        reply.lines().nth(1).expect("facts").trim().split(' ').next().expect("facts").to_string()
    };
    assert_eq!(facts(&mut client, "file"), "type=file;perm=awrdf;");
    assert_eq!(facts(&mut client, "pub/file"), "type=file;perm=arf;");
    assert_eq!(facts(&mut client, "link"), "type=file;perm=ardf;");
    assert_eq!(facts(&mut client, "pub/sub"), "type=dir;perm=elcmf;");
    assert_eq!(facts(&mut client, "in"), "type=dir;perm=ec;");
    assert_eq!(facts(&mut client, "old/file"), "type=file;perm=r;");
    let listed = client.receive_text("MLSD old");
    assert!(listed.contains("type=file;perm=r; file"), "{listed}");
}

fn hidden_names_are_not_there() {
    let (world, server, mut client) = alice(
        "rule.a.names = [\".ht*\", \"private\"]\nrule.a.hide = true\nrule.b.paths = [\"/pub/sub\"]\nrule.b.hide = true",
    );
    for name in [".htaccess", "private/file", "pub/private/file"] {
        world.give("alice", name, "content");
    }
    symlink("private/file", "/home/alice/link").expect("link");
    symlink("private", "/home/alice/way").expect("link");
    for line in ["LIST -a", "NLST -a", "MLSD", "LIST -laR", "NLST .h*", "LIST p*", "NLST pub/*", "NLST -R"] {
        let listed = client.receive_text(line);
        assert!(!listed.contains(".ht") && !listed.contains("/sub"), "{line}: {listed}");
        let lines = listed.lines().filter(|line| !line.contains("->") && !line.contains("slink"));
        assert!(lines.into_iter().all(|line| !line.contains("private")), "{line}: {listed}");
    }
    let missing = refused(&mut client, "RETR missing");
    for name in [".htaccess", "private/file", "pub/private/file", "pub/sub/file", "link", "way/file", "private/none"] {
        for verb in [
            "RETR", "SIZE", "MDTM", "DELE", "RMD", "RNFR", "CWD", "MLSD", "LIST", "MFMT 20200102030405", "SITE CHMOD 600",
            "HASH", "SITE CPFR", "SITE RMDIR", "MLST", "STAT",
        ] {
            // The link itself can be seen, renamed and removed.
            let of_links = ["DELE", "RMD", "SITE RMDIR", "RNFR", "MLST", "LIST", "STAT"];
            if name == "link" && of_links.contains(&verb) {
                continue;
            }
            let reply = refused(&mut client, &format!("{verb} {name}"));
            assert_eq!(reply, missing, "{verb} {name}");
        }
    }
    for line in ["STOR .htaccess", "STOR .htnew", "MKD private", "MKD .htnew", "SITE SYMLINK file .htnew", "STOU .htnew"] {
        client.command(line, 553);
    }
    client.command("SITE SYMLINK private/file link2", 550);
    client.command("SITE COPY private/file copy", 550);
    client.command("RNFR file", 350);
    client.command("RNTO .htaccess", 553);
    assert_eq!(content(".htaccess"), "content");
    assert!(server.wait_for_log("refused \"RETR\" \"/private\"").contains("the rule a hides it ([rule.a], "));
}

fn forbidden_names_cannot_come_into_being() {
    let (world, _server, mut client) = alice(
        "rule.a.names = [\"*.exe\", \"con\"]\nrule.a.forbid = true\nrule.b.paths = [\"/pub/*.exe.ok\"]\nrule.b.forbid = false",
    );
    world.give("alice", "old.exe", "content");
    symlink("new.exe", "/home/alice/link").expect("link");
    for line in [
        "STOR new.exe",
        "STOR NEW.EXE",
        "STOR new.eXe",
        "STOU new.exe",
        "APPE new.exe",
        "MKD new.exe",
        "XMKD new.exe",
        "SITE MKDIR new.exe",
        "SITE MKDIR a/new.exe/b",
        "SITE COPY file new.exe",
        "SITE SYMLINK file new.exe",
        "STOR con/file",
        "STOR ./pub/../new.exe",
        "STOR //new.exe",
        "STOR link",
        "APPE link",
        "SITE COPY file link",
        "PRET STOR new.exe",
    ] {
        client.command(line, 553);
    }
    client.command("RNFR file", 350);
    client.command("RNTO new.exe", 553);
    client.command("SITE CPFR file", 350);
    client.command("SITE CPTO new.exe", 553);
    for line in ["RETR old.exe", "DELE old.exe", "STOR old.exe", "RNFR old.exe", "SITE CHMOD 777 old.exe"] {
        client.command(line, 553);
    }
    assert!(client.receive_text("NLST").contains("old.exe"));
    assert_eq!(content("old.exe"), "content");
    assert!(!exists("new.exe") && !exists("a/new.exe"));
    client.transmit("STOR new.exe.txt", b"");
}

fn the_log_names_rule_file_and_line() {
    let (_world, server, mut client) =
        alice("rule.\"a rule\".paths = [\"/pub\"]\nrule.\"a rule\".take = \"r\"\nuser.alice.permissions = \"elrw\"");
    symlink("pub/file", "/home/alice/link").expect("link");
    client.command("RETR link", 550);
    client.command("DELE file", 550);
    let line = server.wait_for_log("refused \"RETR\" \"/pub/file\"");
    let text = fs::read_to_string("/run/world/etc/ftpd.toml").expect("configuration");
    let number = 1 + text.lines().position(|line| line.contains("take")).expect("line");
    let expected = format!("the rule a rule does not give r ([rule.\"a rule\"], /run/world/etc/ftpd.toml:{number})");
    assert!(line.contains(&expected.replace('"', "\\\"")) || line.contains(&expected), "{line}");
    let number = 1 + text.lines().position(|line| line.contains("elrw")).expect("line");
    let line = server.wait_for_log("refused \"DELE\" \"/file\"");
    assert!(line.contains(&format!("lack d ([user.alice], /run/world/etc/ftpd.toml:{number})")), "{line}");
}

fn rights_to_write_for_anybody_are_warned_of() {
    let world = World::new();
    let server = Server::start(
        &world,
        "anonymous.enabled = true\nanonymous.permissions = \"elrw\"\nrule.a.paths = [\"/in\"]\nrule.a.give = \"d\"\n\
         rule.b.paths = [\"/box\"]\nrule.b.drop-box = true\nrule.b.give = \"c\"\nrule.c.users = [\"alice\"]\nrule.c.give = \"d\"",
    );
    let log = server.log();
    assert!(log.contains("[anonymous] permissions: lets anybody who can connect change files"), "{log}");
    assert!(log.contains("[rule.a] give: lets anybody who can connect change files"), "{log}");
    assert!(!log.contains("[rule.b]") && !log.contains("[rule.c]"), "{log}");
    fs::write("/run/world/etc/bad.toml", "[rule.x]\ndrop-box = true\ngive = \"r\"\ntake = \"r\"\nowner = \"root\"\n").expect("file");
    let output = Command::new(DAEMON).args(["check", "--config", "/run/world/etc/bad.toml"]).output().expect("check");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for expected in [
        "bad.toml:2: [rule.x] drop-box: needs paths: a drop box is a directory",
        "bad.toml:4: [rule.x] take: takes r, which give gives",
        "bad.toml:5: [rule.x] owner: files that clients upload never belong to root",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}
