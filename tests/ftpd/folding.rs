//! Rules in directories that take capital and small letters for the same: a file system of Windows, as FUSE serves it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::{DAEMON, World};

tests! {
    rules_hold_whatever_the_spelling
    a_name_can_be_spelled_in_another_way
    letters_differ_where_the_file_system_says_so
}

/// Whether there are FUSE and a file system that folds letters.
pub fn has_file_system() -> bool {
    let is_there = |name: &str| {
        let output = Command::new(name).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        output.is_ok()
    };
    Path::new("/dev/fuse").exists() && is_there("lowntfs-3g") && is_there("mkntfs")
}

const DISK: &str = "/home/alice/disk";

/// What is mounted there: the program that serves it must not outlive the daemon.
struct Disk<'a>(&'a Server);

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        nix::mount::umount2(DISK, nix::mount::MntFlags::MNT_DETACH).expect("unmounted");
        let serves = || self.0.processes().iter().any(|one| one.title().starts_with("lowntfs"));
        wait_until("the file system is gone", || (!serves()).then_some(()));
    }
}

/// Mounts one that is empty and belongs to alice.
fn mount(world: &World) {
    let image = world.own_directory("image").join("ntfs");
    fs::File::create(&image).expect("image").set_len(8 << 20).expect("size");
    fs::create_dir(DISK).expect("mount point");
    let succeeds = |command: &mut Command| {
        let output = command.output().expect("a program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    succeeds(world.command("mkntfs").args(["-Q", "-F", "-q"]).arg(&image));
    let options = "ignore_case,uid=2001,gid=2001,umask=022,silent";
    succeeds(world.command("lowntfs-3g").args(["-o", options]).arg(&image).arg(DISK));
}

/// Gives a file the short name that Windows would have given it.
fn shorten(world: &World, name: &str, short: &str) {
    let script = format!("import os; os.setxattr({name:?}, 'system.ntfs_dos_name', {short:?}.encode())");
    assert!(world.command("python3").args(["-c", &script]).status().expect("python3").success());
}

fn rules_hold_whatever_the_spelling() {
    let world = World::new();
    mount(&world);
    for directory in ["Secret", "Box", "Keep", "Hidden", "Gr\u{f6}\u{df}e"] {
        fs::create_dir(format!("{DISK}/{directory}")).expect("directory");
        fs::write(format!("{DISK}/{directory}/file"), "content").expect("file");
    }
    for name in ["long name of a file.text", "a.Key", "virus.exe"] {
        fs::write(format!("{DISK}/{name}"), "content").expect("file");
    }
    shorten(&world, &format!("{DISK}/long name of a file.text"), "LONGNA~1.TEX");
    let server = Server::start(
        &world,
        "rule.a.paths = [\"/disk/Secret\", \"/disk/*.key\", \"/disk/Gr\u{f6}\u{df}e\", \"/disk/Long name of a file.text\"]\n\
         rule.a.take = \"rod\"\n\
         rule.b.paths = [\"/disk/box\"]\nrule.b.drop-box = true\nrule.c.paths = [\"/disk/Keep\"]\nrule.c.write-once = true\n\
         rule.d.paths = [\"/disk/HIDDEN\"]\nrule.d.hide = true\nrule.e.paths = [\"/disk/Later\"]\nrule.e.forbid = true\n\
         rule.f.names = [\"*.exe\"]\nrule.f.forbid = true",
    );
    let _disk = Disk(&server);
    let mut client = Client::logged_in("alice");
    let kept = [
        "Secret/file", "SECRET/file", "secret/FILE", "sEcReT/./File", "a.Key", "A.KEY", "gr\u{f6}\u{df}e/file", "GR\u{d6}\u{df}E/FILE",
        "long name of a file.text", "LONG NAME OF A FILE.TEXT", "LONGNA~1.TEX", "longna~1.tex",
    ];
    for name in kept {
        for line in ["RETR", "STOR", "DELE", "HASH", "SITE CPFR", "PRET RETR"] {
            client.command(&format!("{line} disk/{name}"), 550);
        }
        client.command("REST 1", 350);
        client.command(&format!("STOR disk/{name}"), 550);
    }
    for name in ["BOX", "box", "Box"] {
        client.command(&format!("LIST disk/{name}"), 550);
        client.command(&format!("RETR disk/{name}/FILE"), 550);
        client.transmit(&format!("STOR disk/{name}/FILE"), b"another");
    }
    for name in ["KEEP/file", "keep/FILE", "Keep/File"] {
        for line in ["STOR", "APPE", "DELE", "RNFR", "MFMT 20200102030405", "SITE RMDIR"] {
            client.command(&format!("{line} disk/{name}"), 550);
        }
        client.command("RNFR disk/box", 550);
        client.command("MKD disk/dir", 257);
        client.command("RNFR disk/dir", 350);
        client.command(&format!("RNTO disk/{name}"), 550);
        client.command("RMD disk/dir", 250);
    }
    let missing = client.command("RETR disk/missing", 550).text().to_string();
    for name in ["hidden/file", "HIDDEN/FILE", "hiddeN"] {
        for line in ["RETR", "SIZE", "DELE", "RNFR", "CWD", "MLST"] {
            assert_eq!(client.command(&format!("{line} disk/{name}"), 550).text(), missing, "{line} {name}");
        }
    }
    for listing in ["LIST disk", "NLST disk", "MLSD disk", "LIST -R", "NLST disk/H*"] {
        assert!(!client.receive_text(listing).to_lowercase().contains("hidden"), "{listing}");
    }
    for line in [
        "MKD disk/LATER", "MKD disk/later", "STOR disk/laTer", "SITE MKDIR disk/LATER/x", "MKD disk/Later.", "RETR disk/VIRUS.EXE",
        "STOR disk/new.EXE", "STOR disk/new.exe.", "STOR disk/new.exe. .", "MKD disk/new.e\u{200b}xe",
    ] {
        client.command(line, 553);
    }
    for (from, to) in [("secret", "other"), ("KEEP", "other"), ("a.KEY", "b.txt")] {
        client.send(&format!("RNFR disk/{from}"));
        if client.read_reply().code == 350 {
            client.command(&format!("RNTO disk/{to}"), 550);
        }
    }
    assert!(fs::exists(format!("{DISK}/secret/file")).expect("exists"));
    assert_eq!(fs::read_to_string(format!("{DISK}/keep/file")).expect("file"), "content");
    let why = server.wait_for_log("refused \"RETR\" \"/disk/secret/file\"");
    assert!(why.contains("the rule a does not give r"), "{why}");
    let mut explain = Command::new(DAEMON);
    explain.args(["explain", "--config", "/run/world/etc/ftpd.toml", "--user", "alice", "RETR", "/disk/SECRET/file"]);
    let text = String::from_utf8(explain.output().expect("ftpd explain").stdout).expect("UTF-8");
    assert!(text.contains("no, the rule a does not give r"), "{text}");
}

fn a_name_can_be_spelled_in_another_way() {
    let world = World::new();
    mount(&world);
    fs::write(format!("{DISK}/file"), "content").expect("file");
    let server = Server::start(&world, "rule.a.paths = [\"/disk/kept\"]\nrule.a.take = \"d\"");
    let _disk = Disk(&server);
    let mut client = Client::logged_in("alice");
    client.command("RNFR disk/file", 350);
    client.command("RNTO disk/FILE", 250);
    client.transmit("STOR disk/File", b"new");
    assert_eq!(client.receive_text("RETR disk/fiLe"), "new");
    assert_eq!(fs::read_dir(DISK).expect("directory").count(), 1);
}

/// Where they are two files, a rule about one says nothing of the other.
fn letters_differ_where_the_file_system_says_so() {
    let world = World::new();
    for name in ["Secret/file", "secret/file"] {
        world.give("alice", name, "content");
    }
    let _server = Server::start(
        &world,
        "rule.a.paths = [\"/Secret\"]\nrule.a.take = \"r\"\nrule.b.paths = [\"/Later\"]\nrule.b.forbid = true",
    );
    let mut client = Client::logged_in("alice");
    client.command("RETR Secret/file", 550);
    assert_eq!(client.receive_text("RETR secret/file"), "content");
    client.command("MKD Later", 553);
    client.command("MKD later", 257);
}
