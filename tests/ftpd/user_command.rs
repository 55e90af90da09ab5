//! `ftpd user`: the users file, changed from the command line.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};

use nix::fcntl::{Flock, FlockArg};
use nix::pty::openpty;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::{DAEMON, World};

tests! {
    who_was_added_can_log_in
    a_password_is_asked_for_twice_and_not_shown
    an_interrupted_question_changes_nothing_and_leaves_the_terminal_as_it_was
    a_new_password_takes_the_place_of_the_old_one
    numbers_are_given_once
    comments_order_owner_and_mode_stay
    a_link_to_the_file_stays_a_link
    two_at_a_time_wait_for_each_other
    what_others_may_read_is_not_written
    what_would_not_work_is_not_written
    who_is_there_already_is_not_added_again
    options_are_set_and_removed
    who_was_removed_cannot_log_in
    a_list_and_an_entry_show_no_hash
    an_entry_in_one_line_is_one_like_others
    a_check_finds_what_is_wrong
    a_range_that_others_have_is_told_of
    takes_over_users_of_apache
    takes_over_users_of_proftpd
    takes_over_users_of_pure_ftpd
    takes_over_accounts_of_ftp_py
    a_dry_run_changes_nothing
}

const FILE: &str = "/etc/ftpd-users.toml";
const CONFIGURATION: &str = "[login]\nusers-file = \"/etc/ftpd-users.toml\"\nuid-range = \"70000-70009\"\n";
/// The same for a running daemon.
const SETTINGS: &str = "login.users-file = \"/etc/ftpd-users.toml\"\nlogin.uid-range = \"70000-70009\"";
/// "letmein" by sha512-crypt, with few rounds.
const HASH: &str = "$6$rounds=1000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/";

/// What `ftpd user` said, on both outputs, and whether it succeeded.
struct Said {
    text: String,
    succeeded: bool,
}

impl Said {
    fn ok(self) -> String {
        assert!(self.succeeded, "{}", self.text);
        self.text
    }

    fn refused(self, why: &str) -> String {
        assert!(!self.succeeded && self.text.contains(why), "{}", self.text);
        self.text
    }
}

/// A world with a configuration.
fn world() -> World {
    let world = World::new();
    world.write("/etc/ftpd.toml", CONFIGURATION);
    world
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(DAEMON);
    command.arg("user").args(arguments).args(["--config", "/etc/ftpd.toml"]);
    command
}

/// Runs `ftpd user` with this standard input.
fn user(world: &World, arguments: &[&str], input: &str) -> Said {
    let mut command = command(world, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    // Who reads nothing is no failure.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("output");
    let text = [output.stdout, output.stderr].concat();
    Said { text: String::from_utf8(text).expect("text"), succeeded: output.status.success() }
}

fn file() -> String {
    fs::read_to_string(FILE).expect("users file")
}

fn write(world: &World, text: &str) {
    world.write(FILE, text);
    fs::set_permissions(FILE, Permissions::from_mode(0o600)).expect("mode");
}

fn log_in(name: &str, password: &str, code: u16) {
    let mut client = Client::greeted();
    client.command(&format!("USER {name}"), 331);
    client.command(&format!("PASS {password}"), code);
}

fn who_was_added_can_log_in() {
    let world = world();
    let said = user(&world, &["add", "anne", "--home", "/srv/ftp", "--password-stdin"], "s3cret\n").ok();
    assert_eq!(said, "anne was added and runs as uid 70000\n");
    user(&world, &["add", "bob", "--account", "ftp", "--password-stdin", "--permissions", "el"], "other\n").ok();
    user(&world, &["add", "carl", "--account", "ftp", "--hash-stdin"], HASH).ok();
    let found = fs::metadata(FILE).expect("users file");
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, 0));
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "s3cret", 230);
    log_in("anne", "other", 530);
    log_in("bob", "other", 230);
    log_in("carl", "letmein", 230);
}

/// Runs `ftpd user` at a terminal, types these lines when it asks, and returns what could be seen there.
fn at_a_terminal(world: &World, arguments: &[&str], lines: &[&str]) -> (String, bool) {
    let pair = openpty(None, None).expect("a terminal");
    // setsid(1) makes it the terminal of the command.
    let mut command = world.command("setsid");
    command.args(["--ctty", "--wait", DAEMON, "user"]).args(arguments).args(["--config", "/etc/ftpd.toml"]);
    let side = || pair.slave.try_clone().expect("a side");
    command.stdin(side()).stdout(side()).stderr(side());
    let mut child = command.spawn().expect("the command starts");
    drop(command);
    let mut terminal = File::from(pair.master);
    let mut seen = String::new();
    for line in lines {
        let length = seen.len();
        wait_for_question(&mut terminal, &mut seen, length);
        terminal.write_all(line.as_bytes()).expect("typed");
    }
    let status = child.wait().expect("the command ends");
    let flags = nix::sys::termios::tcgetattr(&pair.slave).expect("terminal").local_flags;
    assert!(flags.contains(nix::sys::termios::LocalFlags::ECHO), "the terminal stays silent");
    drop(pair.slave);
    let mut rest = Vec::new();
    // A terminal that nobody has open any more ends with an error.
    let _ = terminal.read_to_end(&mut rest);
    seen.push_str(&String::from_utf8_lossy(&rest));
    (seen, status.success())
}

/// Reads until there is a new text that ends as questions do.
fn wait_for_question(terminal: &mut File, seen: &mut String, from: usize) {
    let mut byte = [0];
    while !seen[from..].ends_with(": ") {
        assert_eq!(terminal.read(&mut byte).expect("terminal"), 1, "{seen}");
        seen.push(char::from(byte[0]));
    }
}

fn a_password_is_asked_for_twice_and_not_shown() {
    let world = world();
    let add = ["add", "anne", "--home", "/srv/ftp"];
    let (seen, succeeded) = at_a_terminal(&world, &add, &["s3cret\n", "s3cret\n"]);
    assert!(succeeded && seen.contains("New password of anne: ") && seen.contains("The same again: "), "{seen}");
    assert!(!seen.contains("s3cret"), "{seen}");
    let (seen, succeeded) = at_a_terminal(&world, &["passwd", "anne"], &["one\n", "two\n"]);
    assert!(!succeeded && seen.contains("these are two passwords"), "{seen}");
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "s3cret", 230);
}

fn an_interrupted_question_changes_nothing_and_leaves_the_terminal_as_it_was() {
    let world = world();
    let (seen, succeeded) = at_a_terminal(&world, &["add", "anne", "--home", "/srv/ftp"], &["s3c\x03"]);
    assert!(!succeeded && seen.contains("nothing was changed"), "{seen}");
    assert!(!fs::exists(FILE).expect("directory"), "a file that was made for nothing is gone");
}

fn a_new_password_takes_the_place_of_the_old_one() {
    let world = world();
    user(&world, &["add", "anne", "--account", "ftp", "--password-stdin"], "one\n").ok();
    user(&world, &["passwd", "anne", "--password-stdin"], "two\n").ok();
    user(&world, &["passwd", "bob", "--password-stdin"], "two\n").refused("there is no user \"bob\"");
    user(&world, &["passwd", "anne", "--password-stdin"], "\n").refused("empty");
    user(&world, &["passwd", "anne", "--hash-stdin"], "$1$saltsalt$w/Ivy2gobQNOjDXinAHvO.").refused("md5-crypt");
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "one", 530);
    log_in("anne", "two", 230);
}

fn numbers_are_given_once() {
    let world = world();
    world.add(crate::accounts::Account::new("owner", 70001));
    world.write("/etc/subuid", "owner:70003:2\n");
    let add = |name: &str| user(&world, &["add", name, "--password-stdin"], "s3cret\n");
    assert!(add("anne").ok().contains("uid 70000"));
    assert!(add("bob").ok().contains("uid 70002"), "70001 is an account's");
    assert!(add("carl").ok().contains("uid 70005"), "70003 and 70004 are a container's");
    user(&world, &["del", "carl"], "").ok();
    assert!(add("dora").ok().contains("uid 70006"), "what carl has left behind is not dora's");
    for name in ["e", "f", "g", "h"] {
        add(name).ok();
    }
    assert!(file().contains("uid = 70005"), "at last the number of somebody who is gone");
    add("i").refused("all of uid-range, 70000-70009, is taken");
}

fn comments_order_owner_and_mode_stay() {
    let world = world();
    let before = format!("# Ours.\n\n# Zoe first.\n[zoe] # of accounting\npassword = '{HASH}' # weak\naccount = \"ftp\"\n");
    write(&world, &before);
    fs::set_permissions(FILE, Permissions::from_mode(0o640)).expect("mode");
    chown(FILE, Some(0), Some(990)).expect("owner");
    user(&world, &["add", "anne", "--account", "ftp", "--hash-stdin"], HASH).ok();
    user(&world, &["set", "zoe", "expires=2999-01-01"], "").ok();
    let found = fs::metadata(FILE).expect("users file");
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 0, 990));
    let text = file();
    assert!(text.starts_with(&format!("{before}expires = \"2999-01-01\"\n\n[anne]\n")), "{text}");
    let left: Vec<_> = fs::read_dir("/etc")
        .expect("directory")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
        .filter(|name| name.starts_with(".ftpd-users"))
        .collect();
    assert!(left.is_empty(), "{left:?} stayed behind");
}

fn a_link_to_the_file_stays_a_link() {
    let world = world();
    fs::create_dir("/srv/kept").expect("directory");
    symlink("/srv/kept/users", FILE).expect("link");
    fs::write("/srv/kept/users", "").expect("file");
    fs::set_permissions("/srv/kept/users", Permissions::from_mode(0o600)).expect("mode");
    user(&world, &["add", "anne", "--account", "ftp", "--hash-stdin"], HASH).ok();
    assert!(fs::symlink_metadata(FILE).expect("link").is_symlink());
    assert!(fs::read_to_string("/srv/kept/users").expect("file").contains("[anne]"));
}

fn two_at_a_time_wait_for_each_other() {
    let world = world();
    write(&world, "");
    let ours = Flock::lock(File::open(FILE).expect("file"), FlockArg::LockExclusive).expect("lock");
    let names: Vec<String> = (0..4).map(|number| format!("user{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = command(&world, &["add", name, "--hash-stdin"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the command starts");
            child.stdin.take().expect("standard input").write_all(HASH.as_bytes()).expect("hash");
            child
        })
        .collect();
    // Each has the file open and cannot go on.
    for child in &children {
        let descriptors = format!("/proc/{}/fd", child.id());
        wait_until("a command has the file open", || {
            let entries = fs::read_dir(&descriptors).ok()?;
            entries.flatten().find(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.ends_with("ftpd-users.toml")))
        });
    }
    assert_eq!(file(), "");
    drop(ours);
    for mut child in children {
        assert!(child.wait().expect("the command ends").success());
    }
    let text = file();
    for (name, uid) in names.iter().zip(70000..) {
        assert!(text.contains(&format!("[{name}]")) && text.contains(&format!("uid = {uid}\n")), "{text}");
    }
}

fn what_others_may_read_is_not_written() {
    let world = world();
    write(&world, "");
    fs::set_permissions(FILE, Permissions::from_mode(0o644)).expect("mode");
    let add = ["add", "anne", "--account", "ftp", "--hash-stdin"];
    user(&world, &add, HASH).refused("chmod 600");
    assert_eq!(file(), "");
    user(&world, &["check"], "").refused("is open to others");
}

fn what_would_not_work_is_not_written() {
    let world = world();
    let add = |name: &str, more: &[&str], why: &str| {
        let arguments = [&["add", name, "--hash-stdin"], more].concat();
        user(&world, &arguments, HASH).refused(why);
        assert!(!fs::exists(FILE).expect("directory"));
    };
    add("anne", &["--account", "nobody1"], "there is no account \"nobody1\"");
    add("anne", &["--account", "root"], "cannot be root");
    add("anne", &["--uid", "70010"], "is not within uid-range, 70000-70009");
    add("anne", &["--permissions", "xyz"], "is no permission letter");
    add("anne", &["--expires", "tomorrow"], "is no date");
    add("anne", &["--system"], "there is no account \"anne\"");
    add("anne", &["--shared"], "users-account");
    add("a/b", &[], "nobody can log in with");
    user(&world, &["add", "anne", "--hash-stdin"], "letmein").refused("the password itself");
    write(&world, "[anne]\npassword = secret\n");
    user(&world, &["add", "bob", "--hash-stdin"], HASH).refused("ftpd-users.toml:2:12: text stands in quotes");
}

fn who_is_there_already_is_not_added_again() {
    let world = world();
    user(&world, &["add", "anne", "--hash-stdin"], HASH).ok();
    let before = file();
    user(&world, &["add", "anne", "--hash-stdin"], HASH).refused("there is a user \"anne\" already");
    assert_eq!(file(), before);
}

fn options_are_set_and_removed() {
    let world = world();
    write(&world, &format!("[anne]\npassword = '{HASH}'\naccount = \"ftp\"\n"));
    user(&world, &["set", "anne", "permissions=elr", "login-message=Hello, %u.", "disabled=true"], "").ok();
    assert!(file().ends_with("permissions = \"elr\"\nlogin-message = \"Hello, %u.\"\ndisabled = true\n"));
    user(&world, &["set", "anne", "disabled=", "permissions=el"], "").ok();
    assert!(file().ends_with("permissions = \"el\"\nlogin-message = \"Hello, %u.\"\n"));
    user(&world, &["set", "anne", "expires="], "").refused("expires: is not set");
    user(&world, &["set", "anne", "permission=elr"], "").refused("did you mean permissions?");
    user(&world, &["set", "anne", "password=letmein"], "").refused("ftpd user passwd");
}

fn who_was_removed_cannot_log_in() {
    let world = world();
    write(&world, &format!("[anne]\npassword = '{HASH}'\naccount = \"ftp\"\n"));
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "letmein", 230);
    user(&world, &["del", "anne"], "").ok();
    log_in("anne", "letmein", 530);
    user(&world, &["del", "anne"], "").refused("there is no user \"anne\"");
}

fn a_list_and_an_entry_show_no_hash() {
    let world = world();
    write(
        &world,
        &format!(
            "[anne]\npassword = '{HASH}'\nuid = 70000\nhome = \"/srv/anne\"\n# Who he is.\n[bob]\npassword = '{HASH}'\n\
             account = \"ftp\"\nexpires = \"2020-01-01\"\n[carl]\nuidd = 1\n"
        ),
    );
    let list = user(&world, &["list"], "").ok();
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(rows[1], ["anne", "uid 70000", "/srv/anne", "sha512-crypt"]);
    assert_eq!(rows[2], ["bob", "ftp", "home", "sha512-crypt", "expired 2020-01-01"]);
    assert!(rows[3].contains(&"faulty, see ftpd user check"), "{list}");
    let shown = user(&world, &["show", "bob"], "").ok();
    assert_eq!(shown, "[bob]\naccount = \"ftp\"\nexpires = \"2020-01-01\"\n# password: sha512-crypt\n");
    assert!(!list.contains("saltsalt"));
}

fn an_entry_in_one_line_is_one_like_others() {
    let world = world();
    write(&world, &format!("# Anne.\nanne = {{ password = '{HASH}', account = \"ftp\" }}\n"));
    let shown = user(&world, &["show", "anne"], "").ok();
    assert!(shown.contains("account") && !shown.contains("saltsalt"), "{shown}");
    user(&world, &["passwd", "anne", "--password-stdin"], "s3cret\n").ok();
    assert!(file().contains("# Anne.\n[anne]\n"), "{}", file());
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "s3cret", 230);
    user(&world, &["del", "anne"], "").ok();
    log_in("anne", "s3cret", 530);
}

fn a_check_finds_what_is_wrong() {
    let world = world();
    write(&world, &format!("[anne]\npassword = '{HASH}'\nuid = 70000\n"));
    let said = user(&world, &["check"], "").ok();
    assert!(said.contains("anne: hashed with sha512-crypt; a new password would be hashed with argon2id"), "{said}");
    assert!(said.contains("1 users, ok"));
    write(&world, &format!("[anne]\npassword = '{HASH}'\nuid = 70000\n[bob]\npassword = '{HASH}'\nuid = 70000\n[carl]\npassword = 'x'\nuid = 1\n"));
    let said = user(&world, &["check"], "").refused(":6: [bob] uid: 70000 is also the uid of \"anne\"");
    for line in [":8: [carl] password: is no hash but", ":9: [carl] uid: is not within uid-range"] {
        assert!(said.contains(line), "{said}");
    }
}

fn a_range_that_others_have_is_told_of() {
    let world = world();
    write(&world, "");
    world.add(crate::accounts::Account::new("owner", 70001));
    world.write("/etc/subuid", "owner:70009:65536\n");
    let output = world.command(DAEMON).args(["check", "--config", "/etc/ftpd.toml"]).output().expect("output");
    let said = String::from_utf8(output.stderr).expect("text");
    for what in ["70001 is the uid of the account owner", "70001 is the gid of the group owner", "70009-135544 is for containers"] {
        assert!(said.contains(&format!("/etc/ftpd.toml:3: [login] uid-range: {what}")), "{said}");
    }
}

/// Writes a foreign file and imports it.
fn import(world: &World, format: &str, text: &str, more: &[&str]) -> Said {
    world.write("/srv/foreign", text);
    user(world, &[&["import", "--from", format, "/srv/foreign"], more].concat(), "")
}

fn takes_over_users_of_apache() {
    let world = world();
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuPT0cs.zGMMB9aUG3xKmxLeI//6s0m5C".replace("$2b$", "$2y$");
    let text = format!("# staff\nanne:{bcrypt}\nbob:$apr1$salt$x\ncarl:{{SHA}}x\ndora:letmein\nemil:{HASH}\n");
    let said = import(&world, "htpasswd", &text, &["--account", "ftp"]).refused("2 of 5 users were added");
    assert!(said.contains("/srv/foreign:3: bob: NOT ADDED: the password is hashed with Apache's md5-crypt"), "{said}");
    assert!(said.contains(":4: carl: NOT ADDED") && said.contains(":5: dora: NOT ADDED"), "{said}");
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "letmein", 230);
    log_in("emil", "letmein", 230);
}

fn takes_over_users_of_proftpd() {
    let world = world();
    let text = format!("anne:{HASH}:991:991:Anne:/srv/ftp:/bin/false\nbob:{HASH}:5001:5001::/srv/ftp:/bin/false\ncarl:{HASH}:0:0::/:/bin/sh\n");
    let said = import(&world, "proftpd", &text, &[]).refused("2 of 3 users were added");
    assert!(said.contains("bob: the uid 5001 is no account's and not within uid-range"), "{said}");
    assert!(said.contains("carl: NOT ADDED: ran as uid 0"), "{said}");
    let text = file();
    assert!(text.contains("account = \"ftp\"\ncomment = \"Anne\"\nhome = \"/srv/ftp\""), "{text}");
    let server = Server::start(&world, SETTINGS);
    log_in("anne", "letmein", 230);
    log_in("bob", "letmein", 230);
    server.wait_for_log("\"bob\" logged in (uid 70000)");
}

fn takes_over_users_of_pure_ftpd() {
    let world = world();
    let scrypt = "$7$A6....1....abcdefgh$kMEqCoSU.IPc7BP06sb71Em0rcVGRW/9hDH1oUOC5.B";
    let text = format!("anne:{scrypt}:991:991::/srv/ftp/./:65536:131072:::3:::::127.0.0.0/8::\nbob:$1$s$x:991:991::/srv/ftp/./::::::::::::\n");
    let said = import(&world, "pure-ftpd", &text, &[]).refused("1 of 2 users were added");
    assert!(said.contains("bob: NOT ADDED: the password is hashed with md5-crypt"), "{said}");
    let text = file();
    for line in ["upload-rate = \"65536\"", "download-rate = \"131072\"", "home = \"/srv/ftp\"", "max-sessions-per-user = 3", "login-networks = [\"127.0.0.0/8\"]"] {
        assert!(text.contains(line), "{text}");
    }
    let _server = Server::start(&world, SETTINGS);
    log_in("anne", "letmein", 230);
}

fn takes_over_accounts_of_ftp_py() {
    let world = world();
    let text = r#"{"account_info": {
        "anne": {"pass": "letmein", "home_dir": "/srv/ftp", "runas_user": "ftp"},
        "anonymous": {"pass": "", "home_dir": "/srv/ftp", "runas_user": "www-data"},
        "bob": {"pass": "letmein", "home_dir": "/srv/ftp", "runas_user": "root"}
    }}"#;
    let said = import(&world, "ftp-py", text, &[]).refused("1 of 3 users were added");
    assert!(said.contains(":3: anonymous: NOT ADDED: has no password"), "{said}");
    assert!(said.contains(":4: bob: NOT ADDED: ran as root"), "{said}");
    assert!(!file().contains("letmein"), "what was plain is hashed");
    let server = Server::start(&world, SETTINGS);
    log_in("anne", "letmein", 230);
    server.wait_for_log("\"anne\" logged in (uid 991)");
}

fn a_dry_run_changes_nothing() {
    let world = world();
    let said = import(&world, "htpasswd", &format!("anne:{HASH}\n"), &["--dry-run"]).ok();
    assert!(said.contains("1 of 1 users would be added"), "{said}");
    assert!(!fs::exists(FILE).expect("directory"));
    import(&world, "htpasswd", &format!("anne:{HASH}\n"), &[]).ok();
    import(&world, "htpasswd", &format!("anne:{HASH}\n"), &[]).refused("there is a user of this name already");
    import(&world, "htpasswd", &format!("anne:{HASH}\n"), &["--replace", "--account", "ftp"]).ok();
    assert_eq!(file().matches("[anne]").count(), 1);
    assert!(file().contains("account = \"ftp\""));
}
