//! LIST, NLST, MLSD, MLST and STAT.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    lists_as_people_and_clients_expect_it
    lists_a_single_file
    lists_what_matches_a_pattern
    ignores_the_options_of_ls
    an_empty_directory_is_an_empty_listing
    a_missing_directory_is_refused
    names_owners_also_in_a_jail
    lists_names_only
    lists_facts_for_machines
    tells_the_facts_of_one_file
    selects_facts
    a_line_end_in_a_name_cannot_forge_an_entry
    shows_where_links_lead
    lists_twenty_thousand_files
    a_huge_directory_begins_at_once_and_takes_no_memory
    sorts_names
    stat_lists_over_the_control_connection
    a_listing_says_when_it_may_not_look
}

/// A daemon that shows alice her home, in which there are a file, a directory and a hidden file.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file.txt", "content");
    world.give("alice", "directory/inner", "");
    world.give("alice", ".hidden", "");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// The names at the end of the lines of LIST.
fn names(listing: &str) -> Vec<&str> {
    listing.lines().filter_map(|line| line.split_whitespace().nth(8)).collect()
}

fn lists_as_people_and_clients_expect_it() {
    let (_world, _server, mut client) = alice("");
    fs::set_permissions("/home/alice/file.txt", PermissionsExt::from_mode(0o640)).expect("mode");
    let listing = client.receive_text("LIST");
    assert!(listing.ends_with("\r\n") && !listing.starts_with("total"), "{listing:?}");
    let file = listing.lines().find(|line| line.ends_with(" file.txt")).expect("the file is listed");
    let fields: Vec<_> = file.split_whitespace().collect();
    assert_eq!(fields.len(), 9, "{file}");
    assert_eq!((fields[0], fields[1], fields[4]), ("-rw-r-----", "1", "7"));
    let directory = listing.lines().find(|line| line.ends_with(" directory")).expect("the directory is listed");
    assert!(directory.starts_with("drwx"), "{directory}");
}

fn lists_a_single_file() {
    let (_world, _server, mut client) = alice("");
    let listing = client.receive_text("LIST file.txt");
    assert_eq!(names(&listing), ["file.txt"]);
    assert_eq!(names(&client.receive_text("LIST directory")), ["inner"]);
}

fn lists_what_matches_a_pattern() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "other.txt", "");
    world.give("alice", "picture.png", "");
    assert_eq!(names(&client.receive_text("LIST *.txt")), ["file.txt", "other.txt"]);
    assert_eq!(client.receive_text("NLST *.p?g"), "picture.png\r\n");
}

fn ignores_the_options_of_ls() {
    let (_world, _server, mut client) = alice("");
    let listing = client.receive_text("LIST -la");
    assert!(names(&listing).contains(&".hidden"), "{listing}");
    assert!(names(&client.receive_text("LIST -al directory")).contains(&"inner"));
}

fn an_empty_directory_is_an_empty_listing() {
    let (_world, _server, mut client) = alice("");
    client.command("MKD empty", 257);
    for command in ["LIST empty", "NLST empty"] {
        assert_eq!(client.receive_text(command), "", "{command}");
    }
}

fn a_missing_directory_is_refused() {
    let (_world, _server, mut client) = alice("");
    for command in ["LIST missing", "MLSD missing", "MLSD file.txt", "MLST missing"] {
        if command.starts_with("MLST") {
            client.command(command, 550);
            continue;
        }
        let _data = client.passive();
        client.send(command);
        let code = client.read_reply().code;
        assert!([550, 501, 450].contains(&code), "{command}: {code}");
    }
}

fn names_owners_also_in_a_jail() {
    let (_world, _server, mut client) = alice("");
    let listing = client.receive_text("LIST");
    let file = listing.lines().find(|line| line.ends_with(" file.txt")).expect("the file is listed");
    let fields: Vec<_> = file.split_whitespace().collect();
    assert_eq!((fields[2], fields[3]), ("alice", "alice"));
}

fn lists_names_only() {
    let (_world, _server, mut client) = alice("");
    let listing = client.receive_text("NLST");
    let names: Vec<_> = listing.split_terminator("\r\n").filter(|name| !name.starts_with('.')).collect();
    assert_eq!(names, ["directory", "file.txt"]);
}

/// The facts of a line of MLSD or MLST, in lower case, by name.
fn facts(line: &str) -> std::collections::BTreeMap<String, String> {
    let (facts, _) = line.trim_start().split_once(' ').expect("facts, a space, a name");
    facts
        .split_terminator(';')
        .map(|fact| fact.split_once('=').expect("name=value"))
        .map(|(name, value)| (name.to_lowercase(), value.to_lowercase()))
        .collect()
}

fn lists_facts_for_machines() {
    let (_world, _server, mut client) = alice("");
    let listing = client.receive_text("MLSD");
    let file = listing.lines().find(|line| line.ends_with(" file.txt")).expect("the file is listed");
    let file = facts(file);
    assert_eq!((file["type"].as_str(), file["size"].as_str()), ("file", "7"));
    assert_eq!(file["modify"].len(), 14);
    assert!(file["perm"].contains('r') && file["perm"].contains('w'));
    let directory = listing.lines().find(|line| line.ends_with(" directory")).expect("the directory is listed");
    assert_eq!(facts(directory)["type"], "dir");
    for line in listing.lines() {
        assert!(facts(line).contains_key("unique"), "{line}");
    }
}

fn tells_the_facts_of_one_file() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("MLST file.txt", 250);
    assert_eq!(reply.lines.len(), 3, "{reply}");
    assert!(reply.lines[1].starts_with(' ') && reply.lines[1].ends_with(" /file.txt"), "{reply}");
    assert_eq!(facts(&reply.lines[1])["size"], "7");
    assert_eq!(facts(&client.command("MLST", 250).lines[1])["type"], "dir");
}

fn selects_facts() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("OPTS MLST type;size;nonsense;", 200);
    assert!(reply.text().to_lowercase().starts_with("mlst opts type;size;"), "{reply}");
    let line = client.command("MLST file.txt", 250).lines[1].clone();
    assert_eq!(facts(&line).into_keys().collect::<Vec<_>>(), ["size", "type"]);
    let feat = client.command("FEAT", 211).whole().to_lowercase();
    assert!(feat.contains("type*;size*;") || (feat.contains("type*;") && feat.contains("modify;")), "{feat}");
}

fn a_line_end_in_a_name_cannot_forge_an_entry() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "evil\r\n-rw-r--r-- 1 root root 1 Jan 1 00:00 forged", "");
    world.give("alice", "evil\nforged", "");
    for command in ["LIST", "NLST", "MLSD"] {
        let listing = client.receive_text(command);
        let forged = listing.lines().any(|line| line.starts_with("-rw-r--r-- 1 root") || line == "forged");
        assert!(!forged, "{command}: {listing}");
    }
    for line in client.command("STAT .", 213).lines {
        assert!(!line.starts_with("forged") && !line.starts_with("-rw-r--r-- 1 root"), "{line}");
    }
}

fn shows_where_links_lead() {
    let (_world, _server, mut client) = alice("");
    symlink("file.txt", "/home/alice/link").expect("link");
    symlink("missing", "/home/alice/broken").expect("link");
    let listing = client.receive_text("LIST");
    assert!(listing.lines().any(|line| line.starts_with('l') && line.ends_with(" link -> file.txt")), "{listing}");
    assert!(listing.lines().any(|line| line.ends_with(" broken -> missing")), "{listing}");
}

fn lists_twenty_thousand_files() {
    let (world, _server, mut client) = alice("session.sort-limit = 10000");
    for number in 0..20_000 {
        fs::write(format!("/home/alice/directory/{number:05}"), "").expect("file");
    }
    world.give("alice", "directory/last", "");
    for command in ["LIST directory", "NLST directory", "MLSD directory"] {
        let listing = client.receive_text(command);
        let numbered = listing.lines().filter(|line| line.len() >= 5 && line[line.len() - 5..].parse::<u32>().is_ok());
        assert_eq!(numbered.count(), 20_000, "{command}");
        assert!(listing.contains("last\r\n"), "{command}");
    }
}

/// The first bytes are due within 50 ms; tests that run side by side are given more.
fn a_huge_directory_begins_at_once_and_takes_no_memory() {
    let (_world, server, mut client) = alice("session.sort-limit = 0");
    for number in 0..200_000 {
        fs::write(format!("/home/alice/directory/{number:06}"), "").expect("file");
    }
    let session = server.process("session");
    let memory = || -> u64 { session.field("VmHWM").trim_end_matches(" kB").parse().expect("VmHWM") };
    // What every listing needs, and stays.
    client.receive("LIST");
    let before = memory();
    for command in ["LIST directory", "NLST directory", "MLSD directory"] {
        let mut data = client.passive();
        let began = Instant::now();
        client.command(command, 150);
        data.read_exact(&mut [0; 10]).expect("the first bytes");
        assert!(began.elapsed() < Duration::from_millis(1_000), "{command}: {:?}", began.elapsed());
        let mut listing = Vec::new();
        data.read_to_end(&mut listing).expect("listing");
        client.expect(226);
        assert!(listing.iter().filter(|byte| **byte == b'\n').count() >= 200_000, "{command}");
    }
    assert!(memory() < before + 2_000, "{before} kB became {} kB", memory());
}

fn sorts_names() {
    let (world, _server, mut client) = alice("");
    for name in ["b", "a", "c", "B"] {
        world.give("alice", format!("directory/{name}"), "");
    }
    assert_eq!(client.receive_text("NLST directory").replace("directory/", ""), "B\r\na\r\nb\r\nc\r\ninner\r\n");
}

fn stat_lists_over_the_control_connection() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("STAT directory", 213);
    assert!(reply.whole().contains(" inner\n"), "{reply}");
    client.command("STAT", 211);
    client.send("STAT missing");
    let code = client.read_reply().code;
    assert!([450, 550].contains(&code), "{code}");
}

fn a_listing_says_when_it_may_not_look() {
    let (_world, _server, mut client) = alice("session.root-dir = \"real\"");
    let _data = client.passive();
    client.command("LIST /home/bob", 550);
}
