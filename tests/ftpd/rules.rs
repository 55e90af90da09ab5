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
    a_drop_box_takes_files_and_tells_nothing
    two_uploads_of_one_name_into_a_drop_box_are_two_files
    a_cut_upload_leaves_nothing_in_a_drop_box
    what_was_written_once_stays
    what_was_written_once_can_go_when_its_time_is_over
    files_end_at_the_largest_size
    what_is_announced_as_too_large_need_not_come
    uploads_have_the_modes_of_the_rule
    uploads_are_given_to_whom_the_rule_says
    an_upload_that_cannot_be_given_away_is_not_kept
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

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(format!("/home/alice/{directory}")).expect("directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect();
    names.sort();
    names
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

const BOX: &str = "rule.a.paths = [\"/in\"]\nrule.a.drop-box = true";

fn a_drop_box_takes_files_and_tells_nothing() {
    let (world, _server, mut client) = alice(BOX);
    world.give("alice", "in/directory/file", "content");
    symlink("/pub/file", "/home/alice/in/link").expect("link");
    symlink("in/there", "/home/alice/way").expect("link");
    // Whatever is asked, the answer is the same for what is there and for what is not.
    for verb in [
        "RETR %", "SIZE %", "MDTM %", "MLST %", "MLSD %", "LIST %", "NLST %", "STAT %", "CWD %", "DELE %", "RMD %", "RNFR %",
        "MKD %", "SITE MKDIR %", "SITE RMDIR %", "SITE CHMOD 777 %", "SITE CHGRP staff %", "MFMT 20200102030405 %",
        "SITE UTIME 20200102030405 %", "MFF Modify=20200102030405; %", "HASH %", "XCRC %", "MD5 %", "SITE CPFR %",
        "SITE COPY % copy", "SITE SYMLINK % copy", "SITE SYMLINK file %", "APPE %", "PRET RETR %", "PRET APPE %", "STOR %/x",
        "RETR %/x", "LIST %*", "NLST %*/x", "LIST -d %", "AVBL %",
    ] {
        let answers: Vec<String> = ["there", "directory", "link", "missing"]
            .iter()
            .map(|name| refused(&mut client, &verb.replace('%', &format!("in/{name}"))).replace(name, "%"))
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{verb}: {answers:?}");
    }
    for name in ["in/there", "in/missing"] {
        client.command("REST 2", 350);
        client.command(&format!("STOR {name}"), 550);
        client.command("RNFR file", 350);
        client.command(&format!("RNTO {name}"), 550);
    }
    for line in ["LIST in", "NLST in", "MLSD in", "STAT in", "RMD in", "RNFR in", "SITE RMDIR in", "SITE CHMOD 777 in", "RETR way"] {
        client.command(line, 550);
    }
    let listed = client.receive_text("LIST -R");
    assert!(listed.lines().all(|line| line.contains("->") || !line.contains("there")), "{listed}");
    assert!(!client.receive_text("NLST */t*").contains("in/"), "a pattern looks into the box");
    client.command("CWD in", 250);
    client.command("LIST", 550);
    client.transmit("STOR new", b"new");
    client.command("CDUP", 250);
    assert_eq!((content("in/new").as_str(), content("in/there").as_str()), ("new", "content"));
}

fn two_uploads_of_one_name_into_a_drop_box_are_two_files() {
    let (_world, server, mut client) = alice(BOX);
    client.transmit("STOR in/there", b"second");
    // The administrator, and the programs that he has started, are told the name that it really got.
    let other = names("in").into_iter().find(|name| name != "there").expect("another file");
    server.wait_for_log(&format!("STOR \"/in/{other}\" completed=1"));
    client.transmit("STOR in/there", b"third");
    client.command("SITE COPY file in/there", 250);
    assert_eq!(content("in/there"), "content");
    let found: Vec<String> = names("in").iter().map(|name| content(&format!("in/{name}"))).collect();
    assert_eq!(names("in").len(), 4);
    assert!(found.contains(&"second".into()) && found.contains(&"third".into()), "{found:?}");
    // A unique name tells nothing of others, either.
    let mut told = Vec::new();
    for name in ["in/there", "in/fresh"] {
        let data = client.passive();
        let reply = client.command(&format!("STOU {name}"), 150);
        drop(data);
        client.expect(226);
        let name = reply.text().trim_start_matches("FILE: ").to_string();
        assert!(exists(name.trim_start_matches('/')), "{name}");
        told.push(name.len() - name.rfind('.').expect("something behind the name"));
    }
    assert_eq!(told, [17, 17]);
}

fn a_cut_upload_leaves_nothing_in_a_drop_box() {
    let (_world, _server, mut client) = alice(BOX);
    let data = client.passive();
    client.command("STOR in/new", 150);
    use std::io::Write;
    (&data).write_all(b"the beginning").expect("data");
    crate::client::reset(data);
    client.expect(426);
    assert_eq!(names("in"), ["there"]);
}

fn what_was_written_once_stays() {
    let (_world, server, mut client) = alice("rule.a.paths = [\"/pub\"]\nrule.a.write-once = true");
    client.transmit("STOR pub/new", b"new");
    client.transmit("STOU pub/new", b"other");
    client.command("SITE COPY file pub/copy", 250);
    client.command("MKD pub/directory", 257);
    client.command("RMD pub/directory", 250);
    for line in [
        "STOR pub/new", "APPE pub/new", "DELE pub/new", "RNFR pub/new", "SITE CHMOD 777 pub/new", "MFMT 20200102030405 pub/new",
        "MFF Modify=20200102030405; pub/new", "SITE UTIME 20200102030405 pub/new", "SITE CHGRP staff pub/new",
        "SITE COPY file pub/new", "SITE RMDIR pub", "SITE RMDIR pub/sub", "RNFR pub", "RNFR pub/sub",
    ] {
        client.command(line, 550);
    }
    client.command("REST 3", 350);
    client.command("STOR pub/new", 550);
    client.command("RNFR file", 350);
    client.command("RNTO pub/new", 550);
    symlink("pub/new", "/home/alice/link").expect("link");
    for line in ["STOR link", "APPE link", "SITE CHMOD 777 link"] {
        client.command(line, 550);
    }
    assert_eq!(client.receive_text("RETR pub/new"), "new");
    assert!(server.wait_for_log("refused \"DELE\" \"/pub/new\"").contains("the rule a keeps it as it was written"));
    // A cut upload would be a file for ever.
    let data = client.passive();
    client.command("STOR pub/cut", 150);
    use std::io::Write;
    (&data).write_all(b"the beginning").expect("data");
    crate::client::reset(data);
    client.expect(426);
    assert!(!exists("pub/cut") && exists("pub/sub/file"));
}

fn what_was_written_once_can_go_when_its_time_is_over() {
    let (_world, server, mut client) =
        alice("rule.a.paths = [\"/pub\"]\nrule.a.write-once = true\nrule.a.retention-days = 3");
    // The time of modification is the user's to set, and no proof of age.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(10 * 86400);
    fs::File::options().write(true).open("/home/alice/pub/file").expect("file").set_modified(old).expect("time");
    client.command("DELE pub/file", 550);
    drop((client, server));
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/in\"]\nrule.a.write-once = true");
    client.command("DELE pub/file", 250);
}

fn files_end_at_the_largest_size() {
    let (world, server, mut client) =
        alice("rule.a.paths = [\"/in\"]\nrule.a.max-file-size = \"1000\"\nsession.permissions = \"elradfmwMT\"");
    world.give("alice", "large", vec![7; 1001]);
    let send = |client: &mut Client, lines: &[&str], bytes: usize| {
        use std::io::Write;
        let mut data = client.passive();
        for line in &lines[..lines.len() - 1] {
            client.send(line);
            client.read_reply();
        }
        client.command(lines[lines.len() - 1], 150);
        let _ = data.write_all(&vec![7; bytes]);
        drop(data);
        client.read_reply().code
    };
    assert_eq!(send(&mut client, &["STOR in/exact"], 1000), 226);
    assert_eq!(send(&mut client, &["STOR in/more"], 1001), 552);
    assert_eq!(send(&mut client, &["STOR in/much"], 3_000_000), 552);
    assert_eq!(send(&mut client, &["STOU in/unique"], 1001), 552);
    assert_eq!(send(&mut client, &["STOR in/exact"], 1001), 552);
    assert_eq!(send(&mut client, &["APPE in/exact"], 1), 552);
    assert_eq!(send(&mut client, &["REST 999", "STOR in/exact"], 1), 226);
    assert_eq!(send(&mut client, &["REST 1000", "STOR in/exact"], 1), 552);
    assert_eq!(send(&mut client, &["APPE in/there"], 993), 226);
    assert_eq!(send(&mut client, &["APPE in/there"], 1), 552);
    assert_eq!(send(&mut client, &["TYPE A", "STOR in/text"], 1001), 552);
    client.command("TYPE I", 200);
    client.command("SITE COPY large in/copy", 552);
    client.command("SITE COPY large copy", 250);
    assert_eq!(names("in"), ["exact", "there"]);
    for name in ["in/exact", "in/there"] {
        assert_eq!(fs::metadata(format!("/home/alice/{name}")).expect("file").len(), 1000, "{name}");
    }
    assert_eq!(send(&mut client, &["STOR unlimited"], 100_000), 226);
    assert!(server.wait_for_log("refused \"STOR\" \"/in/more\"").contains("the rule a limits the size of files"));
}

fn what_is_announced_as_too_large_need_not_come() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/in\"]\nrule.a.max-file-size = \"1K\"");
    client.command("ALLO 1025", 202);
    let data = client.passive();
    client.command("STOR in/new", 552);
    drop(data);
    assert!(!exists("in/new"));
    client.command("CWD in", 250);
    client.command("ALLO 1025", 552);
    client.command("ALLO 1024", 202);
    client.transmit("STOR new", &[7; 1024]);
    // It is about one upload.
    client.command("CWD /", 250);
    client.command("ALLO 2000", 202);
    client.transmit("STOR large", &[7; 2000]);
    client.transmit("STOR in/small", b"");
}

fn uploads_have_the_modes_of_the_rule() {
    let (_world, _server, mut client) = alice(
        "rule.a.paths = [\"/in\"]\nrule.a.umask = \"077\"\nrule.b.paths = [\"/pub\"]\nrule.b.file-mode = \"604\"\n\
         rule.b.directory-mode = \"705\"",
    );
    client.command("SITE UMASK 000", 200);
    client.transmit("STOR in/file", b"");
    client.transmit("STOU in/file", b"");
    client.command("MKD in/directory", 257);
    client.command("SITE COPY pub/file in/copy", 250);
    client.transmit("STOR pub/new", b"");
    client.command("MKD pub/directory", 257);
    client.command("SITE MKDIR pub/a/b", 257);
    client.command("SITE COPY file pub/copy", 250);
    client.transmit("STOR pub/file", b"over");
    client.transmit("STOR elsewhere", b"");
    let mode = |name: &str| fs::metadata(format!("/home/alice/{name}")).expect("file").mode() & 0o777;
    for name in ["in/file", "in/file.1", "in/copy"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    for name in ["pub/new", "pub/copy", "pub/file"] {
        assert_eq!(mode(name), 0o604, "{name}");
    }
    for name in ["pub/directory", "pub/a", "pub/a/b"] {
        assert_eq!(mode(name), 0o705, "{name}");
    }
    assert_eq!((mode("in/directory"), mode("elsewhere")), (0o700, 0o666));
}

fn uploads_are_given_to_whom_the_rule_says() {
    let (_world, _server, mut client) = alice(
        "rule.a.paths = [\"/in\"]\nrule.a.owner = \"bob\"\nrule.a.group = \"staff\"\nrule.b.paths = [\"/pub\"]\n\
         rule.b.owner = \"bob\"\nrule.b.drop-box = true",
    );
    client.transmit("STOR in/new", b"new");
    client.transmit("STOU in/new", b"new");
    client.command("SITE COPY file in/copy", 250);
    client.transmit("STOR pub/dropped", b"new");
    client.transmit("STOR mine", b"new");
    let owner = |name: &str| {
        let file = fs::metadata(format!("/home/alice/{name}")).expect("file");
        (file.uid(), file.gid())
    };
    for name in ["in/new", "in/new.1", "in/copy"] {
        assert_eq!(owner(name), (2002, 3001), "{name}");
    }
    assert_eq!(owner("pub/dropped"), (2002, 2001));
    assert_eq!((owner("mine"), owner("in")), ((2001, 2001), (2001, 2001)));
    // What she has given away is no longer hers to write.
    client.command("APPE in/new", 550);
    client.command("SITE CHMOD 777 in/new", 550);
}

fn an_upload_that_cannot_be_given_away_is_not_kept() {
    let (_world, server, mut client) = alice("rule.a.paths = [\"/in\"]\nrule.a.owner = \"ghost\"");
    let data = client.passive();
    client.command("STOR in/new", 150);
    drop(data);
    client.expect(451);
    assert_eq!(names("in"), ["there"]);
    server.wait_for_log("there is no account \"ghost\"");
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
