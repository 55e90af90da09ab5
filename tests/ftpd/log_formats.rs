//! The log in a file, in every form: parsed back from what the real daemon wrote; and nothing that a client says can
//! forge any. See also `log_receivers` and `xferlog`.

use std::fs;
use std::io::{Read, Write};

use serde_json::Value;

use crate::client::Client;
use crate::logging::start_silently;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    json_lines_are_objects_with_the_facts
    json_lines_cannot_be_forged
    a_prefix_and_a_transfer_line_of_ones_own
    a_format_that_means_nothing_is_an_error
}

/// Names that would do harm in one form or another.
pub const HOSTILE: [&[u8]; 4] = [
    b"a\rb\x1b[31m",
    b"x\" ] } = [z@1 q=\"1\"]",
    b"\xfe\xc2\x85\xe2\x80\xa8\xe2\x80\xaed",
    b"MESSAGE=forged PRIORITY=0 \x07\x7f",
];

/// A client makes a file of each name, sends it and fetches it.
pub fn move_hostile_files(client: &mut Client) {
    client.command("TYPE I", 200);
    for name in HOSTILE {
        for verb in [&b"STOR "[..], b"RETR "] {
            let mut data = client.passive();
            client.send_bytes(&[verb, name, b"\r\n"].concat());
            client.expect(150);
            if verb == b"STOR " {
                data.write_all(b"content").expect("data");
            } else {
                data.read_to_end(&mut Vec::new()).expect("data");
            }
            drop(data);
            client.expect(226);
        }
    }
}

const LOG: &str = "/run/world/ftpd.log";

/// Waits until the log has a line of JSON of which this is true.
fn wait_for_json(is_it: impl Fn(&Value) -> bool) -> Value {
    wait_until("the line is in the log", || {
        let text = fs::read_to_string(LOG).unwrap_or_default();
        let whole = &text[..text.rfind('\n').unwrap_or_default()];
        whole.lines().map(|line| serde_json::from_str(line).expect(line)).find(|line| is_it(line))
    })
}

fn json_lines_are_objects_with_the_facts() {
    let world = World::new();
    let _server = start_silently(
        &world,
        "log.to = \"/run/world/ftpd.log\"\nlog.format = \"json\"\nlog.commands = true",
    );
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let line = wait_for_json(|line| line["verb"] == "STOR" && line["bytes"] == 7);
    assert_eq!((&line["level"], &line["user"], &line["peer"]), (&"info".into(), &"alice".into(), &"127.0.0.1".into()));
    assert_eq!((&line["path"], &line["result"]), (&"/file".into(), &"complete".into()));
    assert!(line["session"].as_u64().is_some() && line["pid"].as_u64().is_some(), "{line}");
    assert!(line["seconds"].as_f64().is_some(), "{line}");
    assert_eq!(line["peer_port"], client.own().port());
    let time = line["time"].as_str().expect("time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    assert!(line["message"].as_str().is_some_and(|text| text.starts_with("STOR \"/file\" completed=1")), "{line}");
    let line = wait_for_json(|line| line["verb"] == "TYPE");
    assert_eq!((&line["argument"], &line["code"]), (&"I".into(), &200.into()));
    let line = wait_for_json(|line| line["message"].as_str().is_some_and(|text| text.contains("listening on")));
    assert!(line["session"].is_null() && line["peer"].is_null());
}

fn json_lines_cannot_be_forged() {
    let world = World::new();
    let _server = start_silently(&world, "log.to = \"/run/world/ftpd.log\"\nlog.format = \"json\"");
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    client.transmit("STOR end", b"");
    wait_for_json(|line| line["path"] == "/end");
    let text = fs::read_to_string(LOG).expect("log");
    let wild = text.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{2028}'..='\u{202e}'));
    assert!(wild.is_none(), "{wild:?} is in the log as it is");
    for name in HOSTILE {
        let path = [b"/", name].concat();
        let told = text.lines().filter(|line| {
            let line: Value = serde_json::from_str(line).expect(line);
            match std::str::from_utf8(&path) {
                Ok(text) => line["path"] == text,
                Err(_) => line["path_hex"] == path.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            }
        });
        assert_eq!(told.count(), 2, "{}", name.escape_ascii());
    }
}

fn a_prefix_and_a_transfer_line_of_ones_own() {
    let world = World::new();
    let settings = "log.prefix = \"%a:%p-[%u] %i %l:%P%h 100%%\"\n\
                    log.transfers = \"%v %f %F %b %c %r %s %u@%a\"";
    let server = Server::start(&world, settings);
    let mut client = Client::logged_in("alice");
    let port = client.own().port();
    client.transmit("STOR a b", b"content");
    server.wait_for_log(&format!(" 127.0.0.1:{port}-[] 1 127.0.0.1:21 100% FTP session opened"));
    let line = server.wait_for_log("STOR");
    let start = format!(
        " 127.0.0.1:{port}-[alice] 1 127.0.0.1:21 100% STOR \"/a b\" \"/home/alice/a b\" 7 1 complete 0."
    );
    assert!(line.contains(&start) && line.ends_with(" alice@127.0.0.1"), "{line}");
    // Listings are no transfers of files.
    client.receive_text("LIST");
    server.wait_for_log("LIST \"/\" completed=1");
}

fn a_format_that_means_nothing_is_an_error() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("checked.toml");
    for (settings, complaint) in [
        ("log.prefix = \"%f\"", "[log] prefix: %f stands for nothing"),
        ("log.transfers = \"%x\"", "[log] transfers: %x stands for nothing"),
        ("log.format = \"xml\"", "[log] format: \"xml\" is none of \"text\", \"json\""),
        ("log.xferlog = \"/nowhere/xferlog\"", "[log] xferlog: /nowhere"),
        ("log.to = \"journal\"\nlog.format = \"json\"", "[log] format: has no effect in the journal"),
    ] {
        fs::write(&configuration, settings).expect("configuration");
        let output =
            world.command(crate::world::DAEMON).arg("check").arg("--config").arg(&configuration).output().expect("check");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(complaint), "{settings}: {said}");
    }
}
