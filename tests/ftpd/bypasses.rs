//! Ways around permissions that other servers had, each as its own test: side commands, links, other spellings, renaming.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    site_copy_reads_nothing_that_retr_may_not
    cpfr_and_cpto_reach_nothing_that_retr_and_stor_may_not
    site_rmdir_removes_no_forbidden_names
    site_rmdir_leaves_what_a_rule_keeps
    uploads_obey_the_filter_of_names
    forbidden_names_have_no_other_spelling
    a_copy_of_a_link_is_asked_about_what_it_leads_to
    rnfr_through_proc_is_no_way_around_rules
    renaming_is_no_way_out_of_a_rule
    rnto_follows_no_link_to_somewhere_else
    stou_is_refused_before_there_is_a_file
    rnfr_tells_nothing_of_files_of_others
    links_into_a_forbidden_directory_tell_nothing
    patterns_do_not_look_into_what_may_not_be_listed
    digests_read_nothing_that_may_not_be_read
    directories_by_site_mkdir_have_the_mask_of_the_rule
    no_file_of_the_users_own_changes_his_permissions
    rest_is_no_way_around_the_largest_size
    a_failed_upload_where_nothing_may_be_overwritten_destroys_nothing
    a_hash_or_a_size_is_no_listing
    no_verb_makes_a_hard_link
    no_directory_brings_forbidden_names_along
    renaming_is_no_way_around_the_largest_size
    nothing_takes_the_place_of_a_directory_that_a_rule_expects
    a_directory_takes_the_rules_of_any_place_along
}

fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    for name in ["secret/file", "public/file", "public/sub/file"] {
        world.give("alice", name, "content");
    }
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn exists(name: &str) -> bool {
    fs::symlink_metadata(format!("/home/alice/{name}")).is_ok()
}

fn content(name: &str) -> String {
    fs::read_to_string(format!("/home/alice/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const UNREADABLE: &str = "rule.a.paths = [\"/secret\"]\nrule.a.take = \"r\"";

/// ProFTPD issue 2095.
fn site_copy_reads_nothing_that_retr_may_not() {
    let (_world, _server, mut client) = alice(UNREADABLE);
    client.command("RETR secret/file", 550);
    for line in ["SITE COPY secret/file public/copy", "SITE COPY ./secret/../secret//file copy", "SITE COPY \"/secret/file\" copy"] {
        client.command(line, 550);
    }
    assert!(!exists("public/copy") && !exists("copy"));
}

/// ProFTPD, CVE-2015-3306 (nobody was logged in) and CVE-2019-12815 (`<Limit>` did not count).
fn cpfr_and_cpto_reach_nothing_that_retr_and_stor_may_not() {
    let (_world, _server, mut client) =
        alice("rule.a.paths = [\"/secret\"]\nrule.a.take = \"r\"\nrule.b.paths = [\"/public\"]\nrule.b.take = \"co\"");
    client.command("SITE CPFR secret/file", 550);
    client.command("SITE CPTO copy", 503);
    client.command("SITE CPFR public/file", 350);
    client.command("SITE CPTO public/copy", 550);
    client.command("SITE CPFR public/file", 350);
    client.command("SITE CPTO public/sub/file", 550);
    let mut stranger = Client::greeted();
    for line in ["SITE CPFR /etc/passwd", "SITE CPTO /home/alice/passwd", "SITE COPY /etc/passwd /home/alice/passwd"] {
        stranger.command(line, 530);
    }
    assert!(!exists("public/copy") && !exists("passwd"));
}

/// ProFTPD issue 2175.
fn site_rmdir_removes_no_forbidden_names() {
    let (world, _server, mut client) = alice("rule.a.names = [\"keep*\"]\nrule.a.forbid = true");
    world.give("alice", "keep/file", "content");
    world.give("alice", "tree/keep.txt", "content");
    client.command("RMD keep", 553);
    client.command("SITE RMDIR keep", 553);
    client.command("SITE RMDIR tree", 553);
    assert_eq!((content("keep/file"), content("tree/keep.txt")), ("content".into(), "content".into()));
}

fn site_rmdir_leaves_what_a_rule_keeps() {
    let (_world, _server, mut client) =
        alice("rule.a.paths = [\"/public/sub\"]\nrule.a.take = \"d\"\nrule.b.paths = [\"/secret/file\"]\nrule.b.hide = true");
    client.command("SITE RMDIR public", 550);
    assert_eq!(content("public/sub/file"), "content");
    let reply = client.command("SITE RMDIR secret", 550);
    assert!(!reply.text().contains("No such"), "{reply}");
    assert_eq!(content("secret/file"), "content");
}

/// ProFTPD issue 1860: what was called so could not be removed, but uploaded.
fn uploads_obey_the_filter_of_names() {
    let (_world, _server, mut client) = alice("rule.a.names = [\"*.php\"]\nrule.a.forbid = true");
    for line in ["STOR a.php", "APPE a.php", "STOU a.php", "STOR public/a.php", "STOR /home/../a.php"] {
        client.command(line, 553);
    }
    client.transmit("STOR a.txt", b"");
    client.command("RNFR a.txt", 350);
    client.command("RNTO a.php", 553);
    // The first free name of STOU may be one that is forbidden.
    let (_world, _server, mut client) = alice("rule.a.names = [\"*.1\"]\nrule.a.forbid = true");
    client.transmit("STOU unique", b"");
    client.command("STOU unique", 553);
    assert!(exists("unique") && !exists("unique.1"));
}

/// vsftpd, CVE-2015-1419: `deny_file` compared what was said.
fn forbidden_names_have_no_other_spelling() {
    let (world, _server, mut client) = alice(
        "rule.a.paths = [\"/secret\"]\nrule.a.permissions = \"\"\nrule.b.names = [\"*.exe\"]\nrule.b.forbid = true",
    );
    world.give("alice", "a.exe", "content");
    for name in [
        "secret/file", "/secret/file", "./secret/file", "//secret//file", "secret/./file", "public/../secret/file",
        "secret/../secret/file", "public/sub/../../secret/file", "missing/../secret/file", "~/../secret/file",
        "/../../secret/file", "secret/file/", "secret//./file/.",
    ] {
        client.command(&format!("RETR {name}"), 550);
        client.command(&format!("SIZE {name}"), 550);
        client.command(&format!("DELE {name}"), 550);
    }
    for name in ["a.exe", "A.EXE", "./a.exe", "a.exe/", "public/../a.exe", "//a.exe"] {
        client.command(&format!("RETR {name}"), 553);
        client.command(&format!("STOR {name}"), 553);
    }
    client.command("CWD public", 250);
    client.command("RETR ../secret/file", 550);
    client.command("CWD ../secret", 550);
    assert_eq!(content("secret/file"), "content");
}

/// pyftpdlib issues 9, 55 and 150, for rules in place of roots.
fn a_copy_of_a_link_is_asked_about_what_it_leads_to() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.permissions = \"l\"");
    symlink("../secret/file", "/home/alice/public/link").expect("link");
    symlink("secret", "/home/alice/way").expect("link");
    symlink("/way", "/home/alice/public/farther").expect("link");
    for name in ["public/link", "way/file", "public/farther/file"] {
        for line in [
            "RETR %", "STOR %", "APPE %", "SITE COPY % copy", "SITE CPFR %", "SITE COPY public/file %", "SITE CHMOD 777 %",
            "MFMT 20200102030405 %", "HASH %",
        ] {
            client.command(&line.replace('%', name), 550);
        }
    }
    for line in ["CWD way", "CWD public/farther", "MKD way/new", "DELE way/file", "RNFR way/file", "STOR way/new", "SITE RMDIR way/x"] {
        client.command(line, 550);
    }
    // A link made for the purpose helps no more.
    client.command("SITE SYMLINK secret/file mine", 250);
    client.command("RETR mine", 550);
    client.command("SITE SYMLINK secret door", 250);
    client.command("CWD door", 550);
    client.command("RETR door/file", 550);
    assert_eq!(content("secret/file"), "content");
    assert!(!exists("copy") && !exists("secret/new"));
}

/// ProFTPD issue 2170: names below /proc/self/root matched no `<Directory>`.
fn rnfr_through_proc_is_no_way_around_rules() {
    let world = World::new();
    world.give("alice", "secret/file", "content");
    let _server = Server::start(
        &world,
        "session.root-dir = \"real\"\nrule.a.paths = [\"~/secret\"]\nrule.a.permissions = \"el\"",
    );
    let mut client = Client::logged_in("alice");
    for prefix in ["/proc/self/root", "/proc/self/cwd/", "/proc/thread-self/root", "/proc/1/root", ""] {
        for verb in ["RNFR", "RETR", "DELE", "STOR", "HASH"] {
            client.command(&format!("{verb} {prefix}/home/alice/secret/file"), 550);
        }
    }
    assert_eq!(content("secret/file"), "content");
}

/// What may not be removed must not be removable elsewhere, and what may not be read must not be readable there.
fn renaming_is_no_way_out_of_a_rule() {
    let (_world, server, mut client) = alice(
        "rule.a.paths = [\"/public\"]\nrule.a.take = \"d\"\nrule.b.paths = [\"/secret\"]\nrule.b.take = \"r\"\n\
         rule.c.paths = [\"/box\"]\nrule.c.drop-box = true",
    );
    for (from, to) in [("public/file", "file"), ("public/sub", "sub"), ("secret/file", "public/new")] {
        client.command(&format!("RNFR {from}"), 350);
        client.command(&format!("RNTO {to}"), 550);
    }
    for name in ["public", "secret"] {
        client.command(&format!("RNFR {name}"), 550);
    }
    let line = server.wait_for_log("refused \"RNTO\" \"/file\"");
    assert!(line.contains("does not give d, which would be had under the new name"), "{line}");
    // Within the rule nothing is gained.
    client.command("RNFR public/file", 350);
    client.command("RNTO public/other", 250);
    // Nor is a directory put where a rule expects one.
    client.command("MKD mine", 257);
    client.command("RNFR mine", 350);
    client.command("RNTO box", 550);
}

/// ProFTPD issue 2256: across file systems it copied, and followed a link at the target.
fn rnto_follows_no_link_to_somewhere_else() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.permissions = \"el\"");
    symlink("secret/file", "/home/alice/link").expect("link");
    client.command("RNFR public/file", 350);
    client.command("RNTO link", 250);
    assert_eq!(content("secret/file"), "content");
    assert!(fs::symlink_metadata("/home/alice/link").expect("file").is_file());
}

/// pyftpdlib makes the file and looks for the permission then.
fn stou_is_refused_before_there_is_a_file() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/public\"]\nrule.a.take = \"c\"");
    client.command("STOU public/new", 550);
    client.command("CWD public", 250);
    client.command("STOU", 550);
    let names = fs::read_dir("/home/alice/public").expect("directory").count();
    assert_eq!(names, 2);
}

/// pyftpdlib asks as root whether there is such a file.
fn rnfr_tells_nothing_of_files_of_others() {
    let world = World::new();
    world.write("/root/.bashrc", "");
    world.give("bob", "file", "content");
    let _server = Server::start(&world, "session.root-dir = \"real\"");
    let mut client = Client::logged_in("alice");
    for directory in ["/root", "/home/bob"] {
        for verb in ["RNFR", "SIZE", "MDTM", "MLST", "STAT", "DELE", "CWD", "RETR"] {
            let there = client.command(&format!("{verb} {directory}/.bashrc"), 550);
            let missing = client.command(&format!("{verb} {directory}/missing"), 550);
            assert_eq!(there.text(), missing.text(), "{verb} {directory}");
        }
    }
}

fn links_into_a_forbidden_directory_tell_nothing() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.hide = true");
    for (target, link) in [("secret/file", "there"), ("secret/none", "missing")] {
        symlink(target, format!("/home/alice/{link}")).expect("link");
    }
    for verb in ["RETR", "SIZE", "MDTM", "CWD", "MLSD", "HASH", "STOR", "APPE"] {
        let there = client.command(&format!("{verb} there"), 550);
        let missing = client.command(&format!("{verb} missing"), 550);
        assert_eq!(there.text(), missing.text(), "{verb}");
    }
    let facts = client.receive_text("MLSD");
    let of = |name: &str| facts.lines().find(|line| line.ends_with(&format!(" {name}"))).expect("entry");
    assert!(of("there").contains("slink") && of("missing").contains("slink"), "{facts}");
    assert!(!of("there").contains("size="), "{facts}");
    let listed = client.receive_text("LIST -L");
    assert!(listed.lines().filter(|line| line.contains("->")).all(|line| line.starts_with('l')), "{listed}");
}

fn patterns_do_not_look_into_what_may_not_be_listed() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.take = \"l\"");
    for line in ["NLST */f*", "NLST */file", "LIST */fil?", "LIST s*/*", "NLST -R", "LIST -laR", "LIST -lR /*"] {
        client.send("EPSV");
        let port = client.read_reply();
        let port: u16 = port.text().split('|').nth(3).and_then(|port| port.parse().ok()).expect("port");
        let data = std::net::TcpStream::connect(("127.0.0.1", port)).expect("data connection");
        client.send(line);
        let mut listed = String::new();
        if client.read_reply().code == 150 {
            std::io::Read::read_to_string(&mut &data, &mut listed).expect("listing");
            client.read_reply();
        }
        assert!(!listed.contains("secret/file") && !listed.contains("secret:\r\n"), "{line}: {listed}");
    }
    let status = client.command("STAT */*", 213).whole();
    assert!(status.contains("sub") && !status.contains("secret/"), "{status}");
    client.command("STAT secret", 550);
    client.command("STAT secret/file", 550);
}

fn digests_read_nothing_that_may_not_be_read() {
    let (_world, _server, mut client) = alice(UNREADABLE);
    for verb in ["HASH", "XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512", "MD5"] {
        client.command(&format!("{verb} secret/file"), 550);
    }
    client.command("XCRC secret/file 0 1", 550);
    client.command("XCRC \"secret/file\" 0 1", 550);
    client.command("PRET RETR secret/file", 550);
    client.command("RANG 0 3", 350);
    client.command("RETR secret/file", 550);
}

/// ProFTPD bug 4311.
fn directories_by_site_mkdir_have_the_mask_of_the_rule() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/public\"]\nrule.a.umask = \"077\"");
    client.command("SITE MKDIR public/a/b", 257);
    client.command("SITE COPY secret/file public/copy", 250);
    for (name, mode) in [("public/a", 0o700), ("public/a/b", 0o700), ("public/copy", 0o600)] {
        assert_eq!(fs::metadata(format!("/home/alice/{name}")).expect("file").mode() & 0o777, mode, "{name}");
    }
}

/// ProFTPD issue 2282: a file in the directory said what is allowed there, and could be replaced.
fn no_file_of_the_users_own_changes_his_permissions() {
    let (_world, _server, mut client) = alice(UNREADABLE);
    for name in [".ftpaccess", ".ftpd.toml", ".ftpquota", ".banner"] {
        client.transmit(&format!("STOR secret/{name}"), b"<Limit ALL>\nAllowAll\n</Limit>\n[rule.a]\ngive = \"r\"\n");
    }
    client.command("RETR secret/file", 550);
    let mut again = Client::logged_in("alice");
    again.command("RETR secret/file", 550);
}

/// Pure-FTPd, CVE-2021-40524: what was there already did not count.
fn rest_is_no_way_around_the_largest_size() {
    let (world, _server, mut client) = alice("rule.a.paths = [\"/public\"]\nrule.a.max-file-size = \"10\"");
    world.give("alice", "public/ten", "0123456789");
    for before in ["REST 10", "REST 9", "NOOP"] {
        let mut data = client.passive();
        client.send(before);
        client.read_reply();
        client.command(if before == "NOOP" { "APPE public/ten" } else { "STOR public/ten" }, 150);
        data.write_all(b"ab").expect("data");
        drop(data);
        client.expect(552);
        assert_eq!(fs::metadata("/home/alice/public/ten").expect("file").len(), 10, "{before}");
    }
    // A file that grows elsewhere cannot be brought in by another name.
    client.transmit("STOR large", b"0123456789a");
    client.command("SITE COPY large public/large", 552);
}

/// Pure-FTPd issue 6 and ProFTPD pull request 1365: the file that was there was emptied, or removed.
fn a_failed_upload_where_nothing_may_be_overwritten_destroys_nothing() {
    let (_world, _server, mut client) =
        alice("rule.a.paths = [\"/public\"]\nrule.a.take = \"o\"\nrule.b.paths = [\"/secret\"]\nrule.b.max-file-size = \"3\"");
    client.command("STOR public/file", 550);
    let mut data = client.passive();
    client.command("STOR secret/file", 150);
    data.write_all(b"too much").expect("data");
    drop(data);
    client.expect(552);
    assert_eq!((content("public/file"), content("secret/file")), ("content".into(), "content".into()));
}

fn a_hash_or_a_size_is_no_listing() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.permissions = \"e\"");
    for verb in ["SIZE", "MDTM", "MLST", "STAT", "LIST", "NLST", "HASH", "RNFR", "DELE"] {
        let there = client.command(&format!("{verb} secret/file"), 550);
        let missing = client.command(&format!("{verb} secret/missing"), 550);
        assert_eq!(there.text(), missing.text(), "{verb}");
    }
}

/// Rules are about names: a second name for a file in another place would be a way around them.
fn no_verb_makes_a_hard_link() {
    let (_world, _server, mut client) = alice("rule.a.paths = [\"/secret\"]\nrule.a.take = \"r\"");
    for verb in ["LINK", "LN", "HARDLINK", "SYMLINK -P"] {
        client.send(&format!("SITE {verb} secret/file public/hard"));
        assert!(client.read_reply().code >= 500, "{verb}");
    }
    client.command("SITE SYMLINK secret/file public/soft", 250);
    client.command("SITE COPY public/file public/copy", 250);
    client.transmit("STOR public/new", b"new");
    client.transmit("STOR public/new", b"newer");
    client.transmit("STOU public/new", b"new");
    client.command("RNFR public/copy", 350);
    client.command("RNTO public/file", 250);
    for directory in ["secret", "public"] {
        for entry in fs::read_dir(format!("/home/alice/{directory}")).expect("directory").flatten() {
            let status = fs::symlink_metadata(entry.path()).expect("file");
            assert!(status.is_dir() || status.nlink() == 1, "{:?}", entry.path());
        }
    }
    client.command("RETR public/soft", 550);
}

/// What has the name already, in a directory that gets a name where it may not be.
fn no_directory_brings_forbidden_names_along() {
    let (world, server, mut client) = alice(
        "rule.a.paths = [\"/public\"]\nrule.a.names = [\"*.php\"]\nrule.a.forbid = true\n\
         rule.b.names = [\"*.exe\"]\nrule.b.forbid = true",
    );
    world.give("alice", "mine/a.php", "content");
    world.give("alice", "public/old/file", "content");
    for to in ["public/mine", "public/sub/mine"] {
        client.command("RNFR mine", 350);
        client.command(&format!("RNTO {to}"), 550);
    }
    let line = server.wait_for_log("refused \"RNTO\" \"/public/mine\"");
    assert!(line.contains("the rule a may forbid what is in it"), "{line}");
    client.command("RNFR mine/a.php", 350);
    client.command("RNTO public/a.php", 553);
    // What comes from where the same holds brings nothing new.
    client.command("RNFR public/old", 350);
    client.command("RNTO public/sub/new", 250);
    client.command("RNFR mine", 350);
    client.command("RNTO other", 250);
    client.command("RNFR secret/file", 350);
    client.command("RNTO public/new", 250);
    assert!(exists("other/a.php") && exists("public/sub/new/file"));
}

fn renaming_is_no_way_around_the_largest_size() {
    let (world, server, mut client) = alice("rule.a.paths = [\"/public\"]\nrule.a.max-file-size = \"10\"");
    world.give("alice", "mine/large", "0123456789a");
    client.command("RNFR mine/large", 350);
    client.command("RNTO public/large", 550);
    client.command("RNFR mine", 350);
    client.command("RNTO public/mine", 550);
    let line = server.wait_for_log("refused \"RNTO\" \"/public/large\"");
    assert!(line.contains("the rule a limits the size of files"), "{line}");
    client.command("RNFR secret/file", 350);
    client.command("RNTO public/small", 250);
    client.command("RNFR public/sub", 350);
    client.command("RNTO public/other", 250);
    assert!(exists("mine/large") && !exists("public/large"));
}

/// What a rule names need not be there yet: a directory of that name must not come from elsewhere, nor a link to one.
fn nothing_takes_the_place_of_a_directory_that_a_rule_expects() {
    let (world, _server, mut client) = alice(
        "rule.a.paths = [\"/later/kept\"]\nrule.a.permissions = \"el\"\nrule.b.paths = [\"/www\"]\nrule.b.names = [\"*.php\"]\n\
         rule.b.forbid = true\nrule.c.paths = [\"/**/private\"]\nrule.c.take = \"r\"",
    );
    world.give("alice", "mine/kept/a.php", "content");
    for line in ["SITE SYMLINK mine later", "SITE SYMLINK mine www", "SITE SYMLINK public/sub later/kept"] {
        client.command(line, 550);
    }
    for to in ["later", "www"] {
        client.send("RNFR public/sub");
        if client.read_reply().code == 350 {
            client.command(&format!("RNTO {to}"), 550);
        }
    }
    // Whoever makes the directory has what the rule leaves him there.
    client.command("MKD later", 257);
    client.command("MKD later/kept", 550);
    client.command("MKD www", 257);
    client.command("STOR www/a.php", 553);
    client.command("SITE SYMLINK mine elsewhere", 250);
    client.command("SITE SYMLINK public/file www/link", 250);
    assert!(!exists("www/a.php"));
}

/// A rule about a name in any directory keeps nobody from renaming those around it.
fn a_directory_takes_the_rules_of_any_place_along() {
    let (world, _server, mut client) = alice("rule.a.paths = [\"/**/private\"]\nrule.a.take = \"r\"");
    world.give("alice", "public/sub/private/file", "content");
    client.command("RNFR public/sub", 350);
    client.command("RNTO moved", 250);
    client.command("RETR moved/private/file", 550);
    client.command("RNFR moved/private", 550);
    client.command("RNFR moved/private/file", 350);
    client.command("RNTO moved/file", 550);
    client.command("RNFR moved", 350);
    client.command("RNTO public/private", 250);
    client.command("RETR public/private/private/file", 550);
}
