//! What rules make of uploads: drop boxes, files that are written once, the largest size, modes and owners.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
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
    what_cannot_be_given_away_leaves_what_was_there
    what_was_given_away_before_can_be_written_further
    a_replaced_file_is_given_away_also_where_names_of_others_stay
    a_link_on_the_way_to_a_rule_is_no_way_around_it
    members_give_files_to_their_group_without_any_right_of_the_daemon
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

/// The owner of a file, and what is in it.
fn state(name: &str) -> (u32, String) {
    (fs::metadata(format!("/home/alice/{name}")).expect("file").uid(), content(name))
}

fn what_cannot_be_given_away_leaves_what_was_there() {
    let (world, server, mut client) = alice("rule.a.paths = [\"/in\"]\nrule.a.owner = \"ghost\"");
    world.give("alice", "in/two", "content");
    fs::hard_link("/home/alice/in/two", "/home/alice/other").expect("link");
    let mut data = client.passive();
    client.command("STOR in/there", 150);
    data.write_all(b"in its place").expect("data");
    drop(data);
    client.expect(451);
    // What is written where it is, is refused before a byte of it is.
    for lines in [&["APPE in/there"][..], &["REST 2", "STOR in/there"], &["STOR in/two"], &["APPE in/two"]] {
        let _data = client.passive();
        let (last, before) = lines.split_last().expect("a line");
        before.iter().for_each(|line| _ = client.command(line, 350));
        client.command(last, 451);
    }
    client.command("SITE COPY file in/there", 451);
    client.command("SITE COPY file in/two", 451);
    for name in ["in/there", "in/two"] {
        assert_eq!(state(name), (2001, "content".to_string()), "{name}");
    }
    assert_eq!(names("in"), ["there", "two"]);
    server.wait_for_log("there is no account \"ghost\"");
}

fn what_was_given_away_before_can_be_written_further() {
    let (_world, _server, mut client) = alice(
        "rule.a.paths = [\"/in\"]\nrule.a.owner = \"bob\"\nrule.a.group = \"staff\"\nrule.a.file-mode = \"664\"",
    );
    client.transmit("STOR in/there", b"given");
    assert_eq!(state("in/there"), (2002, "given".to_string()));
    client.transmit("APPE in/there", b" away");
    assert_eq!(state("in/there"), (2002, "given away".to_string()));
    client.transmit("STOR in/there", b"again");
    assert_eq!(state("in/there"), (2002, "again".to_string()));
    let status = fs::metadata("/home/alice/in/there").expect("file");
    assert_eq!((status.gid(), status.mode() & 0o777), (3001, 0o664));
    assert_eq!(names("in"), ["there"]);
}

fn a_replaced_file_is_given_away_also_where_names_of_others_stay() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/in\"]\nrule.a.owner = \"bob\"");
    std::os::unix::fs::chown("/home/alice/in", Some(0), Some(0)).expect("owner");
    fs::set_permissions("/home/alice/in", std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("mode");
    client.transmit("STOR in/there", b"given");
    client.transmit("STOR in/new", b"given");
    for name in ["in/there", "in/new"] {
        assert_eq!(state(name), (2002, "given".to_string()), "{name}");
    }
    assert_eq!(names("in"), ["new", "there"]);
}

fn a_link_on_the_way_to_a_rule_is_no_way_around_it() {
    let world = World::new();
    world.give("alice", "data/there", "content");
    symlink("data", "/home/alice/way").expect("link");
    let _server = Server::start(&world, "rule.a.paths = [\"/way\"]\nrule.a.owner = \"bob\"");
    let mut client = Client::logged_in("alice");
    for name in ["way/one", "data/two"] {
        client.transmit(&format!("STOR {name}"), b"given");
        assert_eq!(state(name), (2002, "given".to_string()), "{name}");
    }
}

/// As the unit starts it, which does not let the daemon give files away.
fn members_give_files_to_their_group_without_any_right_of_the_daemon() {
    let world = World::new();
    for name in ["in/there", "out/there", "file"] {
        world.give("alice", name, "content");
    }
    world.group("others", 3002, &["bob"]);
    let configuration = world.own_directory("etc").join("ftpd.toml");
    let rules = "[log]\nto = \"stderr\"\n[rule.a]\npaths = [\"/in\"]\ngroup = \"staff\"\n[rule.b]\npaths = [\"/out\"]\n\
                 group = \"others\"\n[rule.c]\npaths = [\"/\"]\nrecursive = false\nowner = \"bob\"\n";
    fs::write(&configuration, rules).expect("configuration");
    let mut command = world.command("setpriv");
    command.args(["--bounding-set", "-chown", DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    server.wait_for_log("group: needs CAP_CHOWN for users who are not in the group");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR in/new", b"new");
    client.transmit("STOR in/there", b"new");
    client.transmit("APPE in/there", b"er");
    for name in ["in/new", "in/there"] {
        assert_eq!(fs::metadata(format!("/home/alice/{name}")).expect("file").gid(), 3001, "{name}");
    }
    assert_eq!(content("in/there"), "newer");
    for (directory, line) in [("out", "STOR out/new"), ("out", "STOR out/there"), (".", "STOR file")] {
        let data = client.passive();
        client.command(line, 150);
        drop(data);
        client.expect(451);
        assert!(!exists(&format!("{directory}/new")), "{line}");
    }
    let _data = client.passive();
    client.command("APPE out/there", 451);
    assert_eq!((content("out/there"), content("file")), ("content".into(), "content".into()));
}
