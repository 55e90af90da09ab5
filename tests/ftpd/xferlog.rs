//! xferlog, as analyzers of it expect it.

use std::fs;
use std::io::{Read, Write};

use crate::client::{Client, reset};
use crate::log_formats::{HOSTILE, move_hostile_files};
use crate::logging::start_silently;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    xferlog_is_as_wu_ftpd_writes_it
    xferlog_cannot_be_forged
    xferlog_follows_a_file_that_was_moved_away
}

const XFERLOG: &str = "/run/world/xferlog";

/// Waits until there are so many lines of xferlog, each of which is strictly one; returns their words.
fn transfers(count: usize) -> Vec<Vec<String>> {
    let text = wait_until(&format!("{count} transfers are in xferlog"), || {
        let text = fs::read(XFERLOG).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text.lines().count() >= count && text.ends_with('\n')).then_some(text)
    });
    text.lines()
        .map(|line| {
            // The day of the month has two columns.
            let (date, rest) = line.split_at_checked(24).expect("a date");
            let date: Vec<_> = date.split_whitespace().collect();
            assert!(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&date[0]), "{line}");
            assert!(date.len() == 5 && date[3].len() == 8 && date[4].len() == 4, "{line}");
            assert!(line.as_bytes()[8..10].iter().all(|byte| byte.is_ascii_digit() || *byte == b' '), "{line}");
            let words: Vec<_> = rest.strip_prefix(' ').expect("a space").split(' ').map(String::from).collect();
            assert_eq!(words.len(), 13, "{line}");
            assert!(words[0].parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{line}");
            assert!(words[1].parse::<std::net::IpAddr>().is_ok() && words[2].parse::<u64>().is_ok(), "{line}");
            for (word, choices) in [(4, "ab"), (5, "_"), (6, "oi"), (7, "agr"), (9, "ftp"), (10, "0"), (11, "*"), (12, "ci")] {
                assert!(words[word] == choices || choices.split("").any(|one| one == words[word]), "{line}");
            }
            words
        })
        .collect()
}

fn xferlog_is_as_wu_ftpd_writes_it() {
    let world = World::new();
    world.give("alice", "a dir/file", "some\ncontent\n");
    let settings = format!("log.xferlog = \"{XFERLOG}\"\nlog.level = \"warning\"\nanonymous.enabled = true\nlog.to = \"/run/world/ftpd.log\"");
    let server = start_silently(&world, &settings);
    let mut client = Client::logged_in("alice");
    client.receive("RETR a dir/file");
    client.command("TYPE A", 200);
    let mut data = client.passive();
    client.command("RETR a dir/file", 150);
    data.read_to_end(&mut Vec::new()).expect("data");
    client.expect(226);
    client.command("TYPE I", 200);
    client.transmit("STOR new", b"content");
    let mut data = client.passive();
    client.command("STOR cut", 150);
    data.write_all(b"half").expect("data");
    server.wait_until_written(4);
    reset(data);
    client.expect(426);
    client.receive_text("LIST");
    let mut anonymous = Client::greeted();
    anonymous.command("USER ftp", 331);
    anonymous.command("PASS me@example.org", 230);
    anonymous.command("TYPE I", 200);
    anonymous.receive("RETR welcome.txt");
    let found: Vec<String> = transfers(5).iter().map(|words| words[1..].join(" ")).collect();
    assert_eq!(
        found,
        [
            "127.0.0.1 13 /home/alice/a_dir/file b _ o r alice ftp 0 * c",
            "127.0.0.1 15 /home/alice/a_dir/file a _ o r alice ftp 0 * c",
            "127.0.0.1 7 /home/alice/new b _ i r alice ftp 0 * c",
            "127.0.0.1 4 /home/alice/cut b _ i r alice ftp 0 * i",
            "127.0.0.1 9 /srv/ftp/welcome.txt b _ o a anonymous ftp 0 * c",
        ]
    );
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(XFERLOG).expect("xferlog"));
    assert_eq!(mode & 0o777, 0o640);
}

fn xferlog_cannot_be_forged() {
    let world = World::new();
    let settings = format!("log.xferlog = \"{XFERLOG}\"");
    let _server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    let found = transfers(HOSTILE.len() * 2);
    assert_eq!(found.len(), HOSTILE.len() * 2);
    let names: Vec<_> = found.iter().step_by(2).map(|words| words[3].as_str()).collect();
    assert_eq!(names[0], "/home/alice/a_b_[31m");
    assert_eq!(names[1], "/home/alice/x\"_]_}_=_[z@1_q=\"1\"]");
    assert!(!names[2].contains('\u{85}') && !names[2].contains('\u{202e}'), "{}", names[2]);
    assert_eq!(names[3], "/home/alice/MESSAGE=forged_PRIORITY=0___");
}

fn xferlog_follows_a_file_that_was_moved_away() {
    let world = World::new();
    let _server = Server::start(&world, &format!("log.xferlog = \"{XFERLOG}\""));
    let mut client = Client::logged_in("alice");
    client.transmit("STOR one", b"content");
    transfers(1);
    fs::rename(XFERLOG, "/run/world/xferlog.1").expect("rename");
    client.transmit("STOR two", b"content");
    assert_eq!(transfers(1)[0][3], "/home/alice/two");
}
