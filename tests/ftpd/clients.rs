//! Real clients: curl, lftp, and Python's ftplib.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::accounts::PASSWORD;
use crate::server::Server;
use crate::world::World;

tests! {
    curl_uploads_and_downloads
    curl_resumes_both_ways
    curl_in_active_mode
    curl_with_pasv
    curl_over_ipv6
    curl_in_active_mode_over_ipv6
    curl_lists
    curl_makes_directories_on_its_way
    curl_downloads_five_gibibytes
    curl_is_told_of_a_wrong_password
    lftp_mirrors_down
    lftp_mirrors_up
    lftp_compresses
    lftp_fetches_in_segments
    lftp_removes_what_is_gone
    lftp_looks_around
    curl_walks_in_three_ways
    curl_asks_for_text
    curl_quotes_commands
    ftplib_in_a_jail
    ftplib_with_the_real_file_system
}

/// What is mirrored: names and lengths.
pub const FILES: &[(&str, usize)] = &[
    ("empty", 0),
    ("one byte", 1),
    ("with \"quotes\"", 100),
    ("Grüße", 1_000),
    ("-dash", 10),
    ("directory/large", 3_000_000),
    ("directory/deeper/small", 17),
];

/// The content of a file of this length.
pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 251) as u8).collect()
}

/// Runs a client to its end, which must be a good one; returns what it printed.
pub fn run(world: &World, program: &str, arguments: &[&str]) -> String {
    let output = world.command(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// curl as alice, quiet but for errors.
fn curl(world: &World, arguments: &[&str]) -> String {
    let user = format!("alice:{PASSWORD}");
    let common = ["--silent", "--show-error", "--fail", "--max-time", "120", "--user", &user];
    run(world, "curl", &[&common, arguments].concat())
}

/// A file of the client.
pub fn own_file(world: &World, name: &str, content: &[u8]) -> PathBuf {
    let path = world.own_directory("client").join(name);
    fs::write(&path, content).expect("file of the client");
    path
}

fn curl_uploads_and_downloads() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let sent = content(1_000_000);
    own_file(&world, "sent", &sent);
    curl(&world, &["--upload-file", "sent", "ftp://127.0.0.1/two%20words"]);
    assert!(fs::read("/home/alice/two words").expect("file") == sent);
    curl(&world, &["--output", "received", "ftp://127.0.0.1/two%20words"]);
    assert!(fs::read("/run/world/client/received").expect("file") == sent);
    curl(&world, &["--upload-file", "/dev/null", "ftp://127.0.0.1/empty"]);
    assert_eq!(fs::metadata("/home/alice/empty").expect("file").len(), 0);
}

fn curl_resumes_both_ways() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let whole = content(500_000);
    own_file(&world, "up", &whole);
    world.give("alice", "up", &whole[..200_000]);
    curl(&world, &["--continue-at", "-", "--upload-file", "up", "ftp://127.0.0.1/up"]);
    assert!(fs::read("/home/alice/up").expect("file") == whole);
    let down = own_file(&world, "down", &whole[..300_000]);
    curl(&world, &["--continue-at", "-", "--output", "down", "ftp://127.0.0.1/up"]);
    assert!(fs::read(down).expect("file") == whole);
    assert_eq!(curl(&world, &["--range", "0-1", "ftp://127.0.0.1/up"]).len(), 2);
}

fn curl_in_active_mode() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "file", "content");
    assert_eq!(curl(&world, &["--ftp-port", "127.0.0.1", "ftp://127.0.0.1/file"]), "content");
    assert_eq!(curl(&world, &["--ftp-port", "127.0.0.1", "--disable-eprt", "ftp://127.0.0.1/file"]), "content");
    own_file(&world, "sent", b"sent actively");
    curl(&world, &["--ftp-port", "127.0.0.1", "--upload-file", "sent", "ftp://127.0.0.1/sent"]);
    assert_eq!(fs::read("/home/alice/sent").expect("file"), b"sent actively");
}

fn curl_with_pasv() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "file", "content");
    assert_eq!(curl(&world, &["--disable-epsv", "ftp://127.0.0.1/file"]), "content");
}

fn curl_over_ipv6() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "file", "content");
    assert_eq!(curl(&world, &["ftp://[::1]/file"]), "content");
    own_file(&world, "sent", b"sent");
    curl(&world, &["--upload-file", "sent", "ftp://[::1]/sent"]);
    assert_eq!(fs::read("/home/alice/sent").expect("file"), b"sent");
}

fn curl_in_active_mode_over_ipv6() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "file", "content");
    assert_eq!(curl(&world, &["--ftp-port", "::1", "ftp://[::1]/file"]), "content");
}

fn curl_lists() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "directory/file", "content");
    assert_eq!(curl(&world, &["--list-only", "ftp://127.0.0.1/directory/"]).trim(), "file");
    assert!(curl(&world, &["ftp://127.0.0.1/"]).contains(" directory"));
    let sizes = curl(&world, &["--head", "ftp://127.0.0.1/directory/file"]);
    assert!(sizes.contains("Content-Length: 7"), "{sizes}");
}

fn curl_makes_directories_on_its_way() {
    let world = World::new();
    let _server = Server::start(&world, "");
    own_file(&world, "sent", b"sent");
    curl(&world, &["--ftp-create-dirs", "--upload-file", "sent", "ftp://127.0.0.1/one/two/sent"]);
    assert_eq!(fs::read("/home/alice/one/two/sent").expect("file"), b"sent");
}

fn curl_downloads_five_gibibytes() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let large = 5 << 30;
    let path = world.give("alice", "large", "");
    File::options().write(true).open(path).and_then(|file| file.write_all_at(b"the end", large)).expect("sparse");
    let wanted = ["--output", "/dev/null", "--write-out", "%{size_download}", "ftp://127.0.0.1/large"];
    assert_eq!(curl(&world, &wanted), (large + 7).to_string());
}

fn curl_is_told_of_a_wrong_password() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut command = world.command("curl");
    let status = command.args(["--silent", "--user", "alice:wrong", "ftp://127.0.0.1/"]).status().expect("curl");
    // "Access denied", says curl(1).
    assert_eq!(status.code(), Some(67));
}

/// Whether both directories hold `FILES`.
pub fn assert_same(one: &Path, other: &Path) {
    for (name, length) in FILES {
        for directory in [one, other] {
            let path = directory.join(name);
            let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(found == content(*length), "{} differs", path.display());
        }
    }
}

/// lftp as alice.
fn lftp(world: &World, command: &str) {
    let script = format!(
        "set cmd:fail-exit true; set net:max-retries 1; set ftp:ssl-allow false; \
         open -u alice,{PASSWORD} ftp://127.0.0.1; {command}; bye"
    );
    run(world, "lftp", &["--norc", "-c", &script]);
}

fn lftp_mirrors_down() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for (name, length) in FILES {
        world.give("alice", name, content(*length));
    }
    lftp(&world, "mirror --parallel=3 / copy");
    assert_same(Path::new("/home/alice"), Path::new("/run/world/client/copy"));
}

fn lftp_mirrors_up() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let original = world.own_directory("client/original");
    for (name, length) in FILES {
        world.write(original.join(name), content(*length));
    }
    lftp(&world, "mirror --reverse --parallel=3 original copy");
    assert_same(&original, Path::new("/home/alice/copy"));
    let time = |path: &Path| fs::metadata(path).expect("file").mtime();
    assert_eq!(time(&original.join("directory/large")), time(Path::new("/home/alice/copy/directory/large")));
    // Nothing has changed: nothing is sent again.
    let before = fs::metadata("/home/alice/copy/directory/large").expect("file").ino();
    lftp(&world, "mirror --reverse original copy");
    assert_eq!(fs::metadata("/home/alice/copy/directory/large").expect("file").ino(), before);
}

fn lftp_compresses() {
    let world = World::new();
    let server = Server::start(&world, "log.commands = true");
    let original = world.own_directory("client/original");
    for (name, length) in FILES {
        world.write(original.join(name), content(*length));
    }
    lftp(&world, "set ftp:use-mode-z true; mirror --reverse original copy; mirror copy again");
    assert!(server.log().contains("\"MODE\" \"Z\" 200"), "lftp did not compress");
    assert_same(&original, Path::new("/home/alice/copy"));
    assert_same(&original, Path::new("/run/world/client/again"));
}

fn lftp_fetches_in_segments() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let whole = content(6_000_000);
    world.give("alice", "large", &whole);
    lftp(&world, "pget -n 4 large");
    assert!(fs::read("/run/world/client/large").expect("file") == whole);
    // The beginning is there already.
    own_file(&world, "large", &whole[..2_500_000]);
    lftp(&world, "get -c large");
    assert!(fs::read("/run/world/client/large").expect("file") == whole);
}

fn lftp_removes_what_is_gone() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.write("/run/world/client/original/kept", "kept");
    world.give("alice", "copy/gone", "gone");
    world.give("alice", "copy/tree/gone", "gone");
    lftp(&world, "mirror --reverse --delete original copy");
    let left: Vec<_> = fs::read_dir("/home/alice/copy").expect("directory").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["kept"]);
}

fn lftp_looks_around() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "tree/one/file", content(5000));
    world.give("alice", "tree/two words", "content");
    lftp(
        &world,
        "cls -l tree; du -b tree; find tree; nlist tree; rels tree; chmod 600 tree/one/file; mv tree/one moved; \
         mkdir -p a/b/c; rm -r moved; glob -f echo tree/*; cat 'tree/two words'; quote STAT; quote SITE HELP; \
         set ftp:use-mlsd false; cls -l; set ftp:list-options -a; renlist; set ftp:passive-mode false; cls; \
         set ftp:prefer-epsv false; set ftp:passive-mode true; cls",
    );
    assert!(!Path::new("/home/alice/moved").exists() && Path::new("/home/alice/a/b/c").is_dir());
}

fn curl_walks_in_three_ways() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "one/two words/three", "content");
    for method in ["multicwd", "nocwd", "singlecwd"] {
        let url = "ftp://127.0.0.1/one/two%20words/three";
        assert_eq!(curl(&world, &["--ftp-method", method, url]), "content", "{method}");
        own_file(&world, "sent", method.as_bytes());
        curl(&world, &["--ftp-method", method, "--upload-file", "sent", "ftp://127.0.0.1/one/sent"]);
        assert_eq!(fs::read_to_string("/home/alice/one/sent").expect("file"), method);
    }
    // Two on one connection, which goes back to where it began.
    let urls = ["ftp://127.0.0.1/one/two%20words/three", "ftp://127.0.0.1/one/sent"];
    assert_eq!(curl(&world, &urls), "contentsinglecwd");
}

fn curl_asks_for_text() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "text", "one\ntwo\n");
    // It takes the CR off again.
    assert_eq!(curl(&world, &["ftp://127.0.0.1/text;type=a"]), "one\ntwo\n");
    own_file(&world, "sent", b"one\ntwo\n");
    curl(&world, &["--use-ascii", "--upload-file", "sent", "ftp://127.0.0.1/sent"]);
    assert_eq!(fs::read("/home/alice/sent").expect("file"), b"one\ntwo\n");
}

fn curl_quotes_commands() {
    let world = World::new();
    let _server = Server::start(&world, "");
    world.give("alice", "file", "content");
    curl(&world, &["--quote", "RNFR file", "--quote", "RNTO moved", "--quote", "*DELE missing", "ftp://127.0.0.1/moved"]);
    own_file(&world, "sent", b"sent");
    let arguments = ["--quote", "-SITE CHMOD 600 sent", "--quote", "-MFMT 20200102030405 sent"];
    curl(&world, &[&arguments[..], &["--upload-file", "sent", "ftp://127.0.0.1/sent"]].concat());
    let status = fs::metadata("/home/alice/sent").expect("file");
    assert_eq!((status.mode() & 0o777, status.mtime()), (0o600, 1_577_934_245));
}

/// A day with ftplib. The first argument is where the home directory is, as the server shows it.
const FTPLIB: &str = r#"
import ftplib, io, sys
home = sys.argv[1]
ftp = ftplib.FTP("127.0.0.1", "alice", "wonderland", timeout=30)
assert ftp.pwd() == home, ftp.pwd()
for name in ("two words", 'with "quotes"', "Grüße", "-dash", "x" * 255):
    for content in (b"", b"x", bytes(range(256)) * 1000):
        ftp.storbinary("STOR " + name, io.BytesIO(content))
        assert ftp.size(name) == len(content), name
        parts = []
        ftp.retrbinary("RETR " + name, parts.append)
        assert b"".join(parts) == content, name
    assert name in ftp.nlst(), name
    facts = dict(ftp.mlsd())[name]
    assert facts["type"] == "file" and facts["size"] == "256000", facts
lines = []
ftp.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
ftp.retrlines("RETR text", lines.append)
assert lines == ["one", "two"], lines
assert ftp.mkd('say "hi"') == home.rstrip("/") + '/say "hi"'
ftp.cwd('say "hi"')
assert ftp.pwd() == home.rstrip("/") + '/say "hi"', ftp.pwd()
ftp.cwd("..")
ftp.rename("text", "renamed")
ftp.delete("renamed")
ftp.rmd('say "hi"')
try:
    ftp.cwd("/home/bob")
    raise SystemExit("entered another home")
except ftplib.error_perm as error:
    assert str(error).startswith("550"), error
ftp.set_pasv(False)
ftp.storbinary("STOR active", io.BytesIO(b"active"))
assert "active" in ftp.nlst()
lines = []
ftp.dir(lines.append)
assert any(line.endswith(" active") for line in lines), lines
assert ftp.quit().startswith("221")
"#;

fn ftplib(settings: &str, home: &str) {
    let world = World::new();
    let _server = Server::start(&world, settings);
    run(&world, "python3", &["-c", FTPLIB, home]);
    let file = fs::metadata("/home/alice/active").expect("file");
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (2001, 2001, 0o644));
}

fn ftplib_in_a_jail() {
    ftplib("", "/");
}

fn ftplib_with_the_real_file_system() {
    ftplib("session.root-dir = \"real\"", "/home/alice");
}
