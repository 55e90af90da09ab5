//! Clients that people type at: tnftp, the `ftp` of the BSDs, and ncftp's programs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use crate::accounts::PASSWORD;
use crate::clients::{FILES, assert_same, content, own_file, run};
use crate::server::Server;
use crate::world::World;

tests! {
    tnftp_spends_a_day
    tnftp_in_active_mode
    tnftp_over_ipv6
    tnftp_resumes_a_download
    tnftp_takes_urls_both_ways
    ncftp_uploads_and_downloads_trees
    ncftp_resumes_a_download_and_appends
    ncftp_lists
}

/// tnftp as alice, with these lines typed; returns what it showed.
fn tnftp(world: &World, arguments: &[&str], host: &str, lines: &str) -> String {
    let mut command = world.command("tnftp");
    command.args(["-n", "-i", "-v"]).args(arguments).arg(host);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("tnftp");
    let typed = format!("user alice {PASSWORD}\nbinary\n{lines}\nbye\n");
    child.stdin.take().expect("standard input").write_all(typed.as_bytes()).expect("lines for tnftp");
    let output = child.wait_with_output().expect("tnftp");
    let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && shown.contains("\n221 "), "{}\n{shown}", output.status);
    shown
}

fn tnftp_spends_a_day() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for (name, length) in [("one.txt", 10), ("two.txt", 100_000), ("three", 17)] {
        own_file(&world, name, &content(length));
    }
    let shown = tnftp(
        &world,
        &[],
        "127.0.0.1",
        "mkdir day\ncd day\npwd\nmput one.txt two.txt three\nsize two.txt\nls\nnlist\nmodtime two.txt\nrename three four\n\
         chmod 600 four\ndelete one.txt\nget two.txt copy\nlcd /run/world/client\nmget t*.txt\nascii\nput one.txt text\n\
         get text text\nbinary\nrstatus\nsystem\nfeatures\nmlsd\nmlst four\ncdup\nrhelp",
    );
    assert!(shown.contains("Remote directory: /day\n"), "{shown}");
    let refused = |line: &str| line.starts_with('5') && line.get(1..4).is_some_and(|rest| rest.ends_with(' '));
    assert!(!shown.lines().any(|line| refused(line) && !line.contains("bytes")), "{shown}");
    assert!(fs::read("/run/world/client/copy").expect("copy") == content(100_000));
    assert_eq!(fs::read("/run/world/client/text").expect("text"), content(10));
    let mut names: Vec<_> = fs::read_dir("/home/alice/day").expect("directory").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["four", "text", "two.txt"]);
    assert_eq!(fs::metadata("/home/alice/day/four").expect("file").mode() & 0o777, 0o600);
}

fn tnftp_in_active_mode() {
    let world = World::new();
    let _server = Server::start(&world, "");
    own_file(&world, "sent", &content(300_000));
    tnftp(&world, &["-A"], "127.0.0.1", "put sent\nget sent received\nls");
    assert!(fs::read("/run/world/client/received").expect("file") == content(300_000));
}

fn tnftp_over_ipv6() {
    let world = World::new();
    let _server = Server::start(&world, "");
    own_file(&world, "sent", &content(300_000));
    tnftp(&world, &[], "::1", "put sent\nget sent received\nls");
    assert!(fs::read("/run/world/client/received").expect("file") == content(300_000));
}

fn tnftp_resumes_a_download() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let whole = content(500_000);
    world.give("alice", "large", &whole);
    let own = own_file(&world, "large", &whole[..123_456]);
    let shown = tnftp(&world, &[], "127.0.0.1", "reget large");
    assert!(shown.contains("350 "), "{shown}");
    assert!(fs::read(own).expect("file") == whole);
}

fn tnftp_takes_urls_both_ways() {
    let world = World::new();
    let _server = Server::start(&world, "");
    fs::create_dir(world.own_directory("client").join("up")).expect("directory");
    own_file(&world, "sent", &content(50_000));
    let url = |path: &str| format!("ftp://alice:{PASSWORD}@127.0.0.1/{path}");
    // It takes the path of an upload as it is.
    run(&world, "tnftp", &["-V", "-u", &url("two words"), "sent"]);
    assert!(fs::read("/home/alice/two words").expect("file") == content(50_000));
    run(&world, "tnftp", &["-V", "-o", "received", &url("two%20words")]);
    assert!(fs::read("/run/world/client/received").expect("file") == content(50_000));
}

/// One of ncftp's programs, as alice.
fn ncftp(world: &World, program: &str, arguments: &[&str]) -> String {
    run(world, program, &[&["-u", "alice", "-p", PASSWORD, "-t", "30"], arguments].concat())
}

fn ncftp_uploads_and_downloads_trees() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let original = world.own_directory("client/original");
    for (name, length) in FILES {
        world.write(original.join(name), content(*length));
    }
    ncftp(&world, "ncftpput", &["-R", "127.0.0.1", "/", "original"]);
    assert_same(&original, Path::new("/home/alice/original"));
    let copy = world.own_directory("client/copy");
    ncftp(&world, "ncftpget", &["-R", "127.0.0.1", "copy", "/original"]);
    assert_same(&original, &copy.join("original"));
    // It asks for the times and keeps them.
    let time = |path: &Path| fs::metadata(path).expect("file").mtime();
    assert_eq!(
        time(&copy.join("original/directory/large")),
        time(Path::new("/home/alice/original/directory/large"))
    );
}

fn ncftp_resumes_a_download_and_appends() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let whole = content(500_000);
    world.give("alice", "down", &whole);
    let down = own_file(&world, "down", &whole[..300_000]);
    ncftp(&world, "ncftpget", &["-z", "127.0.0.1", ".", "/down"]);
    assert!(fs::read(down).expect("file") == whole);
    // It cannot resume an upload: behind REST it sends the file from its beginning (ncftp 3.2.6). But it can append.
    own_file(&world, "up", &whole[200_000..]);
    world.give("alice", "up", &whole[..200_000]);
    ncftp(&world, "ncftpput", &["-A", "127.0.0.1", "/", "up"]);
    assert!(fs::read("/home/alice/up").expect("file") == whole);
}

fn ncftp_lists() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "directory/two words", "content");
    let url = "ftp://127.0.0.1/directory/";
    assert_eq!(ncftp(&world, "ncftpls", &["-1", url]).trim(), "two words");
    let long = ncftp(&world, "ncftpls", &["-l", url]);
    assert!(long.contains(" 7 ") && long.trim_end().ends_with("two words"), "{long}");
    let listed = ncftp(&world, "ncftpls", &["-m", url]);
    assert!(listed.contains("type=file;") && listed.contains("size=7;"), "{listed}");
}
