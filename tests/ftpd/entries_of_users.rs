//! What the entry of a user says: whom he runs as, what he may, and when, from where and how he can log in.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::accounts::Account;
use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::virtual_users::{USERS, hash, log_in, with_carl, write_users};
use crate::world::World;

tests! {
    a_virtual_user_may_do_what_the_file_says
    a_user_runs_as_a_number_of_his_own
    a_number_that_somebody_has_is_nobody_elses
    users_without_an_account_share_one
    an_entry_may_have_any_option_of_a_session
    a_group_of_the_file_has_options_and_stands_in_lists
    an_account_has_another_password_for_ftp
    an_account_with_a_password_for_ftp_is_an_account_for_all_else
    an_entry_expires
    a_disabled_entry_shuts_out_its_user
    a_user_comes_from_his_networks_alone
    a_user_comes_at_his_hours_alone
    a_session_ends_with_the_hours_of_its_user
    a_user_needs_tls_if_his_entry_says_so
    a_user_has_as_many_sessions_as_his_entry_says
    a_slash_dot_slash_divides_the_jail_from_the_start
}

/// `USERS`, and numbers for users of the file.
const OWN_UIDS: &str = "login.users-file = \"/etc/ftpd-users.toml\"\nlogin.uid-range = \"70000-70009\"";

fn a_virtual_user_may_do_what_the_file_says() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\npermissions = \"elr\"");
    fs::set_permissions("/srv/ftp", Permissions::from_mode(0o777)).expect("mode");
    let _server = Server::start(&world, USERS);
    log_in("carl", "tweedle", 230).command("MKD new", 550);
    with_carl(&world, "account = \"ftp\"\npermissions = \"elrm\"");
    log_in("carl", "tweedle", 230).command("MKD new", 257);
}

fn a_user_runs_as_a_number_of_his_own() {
    let world = World::new();
    let hash = hash(&world, "tweedle");
    let entry = |name: &str, more: &str| {
        format!("[{name}]\npassword = '{hash}'\nhome = \"/srv/{name}\"\n{more}\n")
    };
    write_users(
        &world,
        &(entry("carl", "uid = 70000")
            + &entry("dora", "uid = 70001\nroot-dir = \"/srv/carl\"")
            + &entry("emil", "uid = 70002\ngroup = \"staff\"")),
    );
    for (name, uid, gid) in [("carl", 70000, 70000), ("emil", 70002, 3001)] {
        let home = format!("/srv/{name}");
        fs::create_dir(&home).expect("home");
        fs::set_permissions(&home, Permissions::from_mode(0o755)).expect("mode");
        chown(&home, Some(uid), Some(gid)).expect("owner");
    }
    let server = Server::start(&world, OWN_UIDS);
    let mut carl = log_in("carl", "tweedle", 230);
    let session = server.process("session");
    assert_eq!([session.uids(), session.gids()], [[70000; 4]; 2]);
    carl.command("SITE UMASK 077", 200);
    carl.transmit("STOR secret.txt", b"secret");
    assert!(carl.receive_text("LIST").contains("carl"), "his number goes by his name");
    carl.command("QUIT", 221);
    // The same directory, and the kernel says no.
    let mut dora = log_in("dora", "tweedle", 230);
    dora.passive();
    dora.command("RETR secret.txt", 550);
    dora.passive();
    dora.command("STOR other.txt", 550);
    dora.command("QUIT", 221);
    let mut emil = log_in("emil", "tweedle", 230);
    emil.transmit("STOR shared.txt", b"shared");
    let found = fs::metadata("/srv/emil/shared.txt").expect("what was stored");
    assert_eq!((found.uid(), found.gid()), (70002, 3001));
}

fn a_number_that_somebody_has_is_nobody_elses() {
    let world = World::new();
    write_users(&world, "");
    world.add(Account::new("owner", 70000));
    world.group("owners", 70001, &[]);
    let server = Server::start(&world, OWN_UIDS);
    for (uid, why) in [(70000, "the account \"owner\""), (70001, "the group \"owners\""), (70010, "uid-range")] {
        with_carl(&world, &format!("uid = {uid}"));
        let before = server.log_length();
        log_in("carl", "tweedle", 530);
        let line = server.wait_for_log_after(before, "carl");
        assert!(line.contains(why), "{line}");
    }
}

fn users_without_an_account_share_one() {
    let world = World::new();
    with_carl(&world, "");
    let server = Server::start(&world, &format!("{USERS}\nlogin.users-account = \"ftp\""));
    let _carl = log_in("carl", "tweedle", 230);
    assert_eq!(server.process("session").uids(), [991; 4]);
}

fn an_entry_may_have_any_option_of_a_session() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\nlogin-message = \"Hello, %u.\"\nquit-message = \"So long.\"\n");
    let _server = Server::start(&world, &format!("{USERS}\nuser.carl.login-message = \"No.\""));
    let mut client = Client::greeted();
    client.command("USER carl", 331);
    assert_eq!(client.command("PASS tweedle", 230).text(), "Hello, carl.");
    assert_eq!(client.command("QUIT", 221).text(), "So long.");
}

fn a_group_of_the_file_has_options_and_stands_in_lists() {
    let world = World::new();
    write_users(&world, "");
    let settings = format!("{USERS}\ngroup.readers.permissions = \"elr\"\nlogin.reject-groups = [\"gone\"]");
    let server = Server::start(&world, &settings);
    with_carl(&world, "account = \"ftp\"\ngroups = [\"readers\"]");
    log_in("carl", "tweedle", 230).command("MKD new", 550);
    with_carl(&world, "account = \"ftp\"\ngroups = [\"readers\", \"gone\"]");
    log_in("carl", "tweedle", 530);
    server.wait_for_log("the group gone is named in reject-groups");
}

fn an_account_has_another_password_for_ftp() {
    let world = World::new();
    fs::create_dir("/srv/elsewhere").expect("directory");
    write_users(
        &world,
        &format!(
            "[alice]\npassword = '{}'\nsystem = true\nhome = \"/srv/elsewhere\"\npermissions = \"elr\"\n\
             login-message = \"For FTP alone.\"\n",
            hash(&world, "tweedle")
        ),
    );
    world.write("/srv/elsewhere/here.txt", "Here.");
    let server = Server::start(&world, USERS);
    log_in("alice", "wonderland", 530);
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    assert_eq!(client.command("PASS tweedle", 230).text(), "For FTP alone.");
    let session = server.process("session");
    assert_eq!(session.uids(), [2001; 4]);
    assert!(session.groups().contains(&3001), "her groups are those of the account");
    assert_eq!(client.receive_text("RETR here.txt"), "Here.");
    client.command("MKD new", 550);
}

fn an_account_with_a_password_for_ftp_is_an_account_for_all_else() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    world.add(Account::new("dave", 2004).expired());
    world.add(Account::new("system1", 500));
    let hash = hash(&world, "tweedle");
    let entry = |name| format!("[{name}]\npassword = '{hash}'\nsystem = true\n");
    write_users(&world, &["carol", "dave", "system1", "ghost", "root"].map(entry).concat());
    let server = Server::start(&world, USERS);
    for (name, why) in
        [("carol", "shell"), ("dave", "PAM account"), ("system1", "min-uid"), ("ghost", "there is none"), ("root", "root")]
    {
        let before = server.log_length();
        log_in(name, "tweedle", 530);
        let line = server.wait_for_log_after(before, name);
        assert!(line.contains(why), "{name}: {line}");
    }
}

fn an_entry_expires() {
    let world = World::new();
    write_users(&world, "");
    let server = Server::start(&world, USERS);
    with_carl(&world, "account = \"ftp\"\nexpires = \"2999-01-01\"");
    log_in("carl", "tweedle", 230);
    with_carl(&world, "account = \"ftp\"\nexpires = \"2020-01-01\"");
    let mut client = Client::greeted();
    client.command("USER carl", 331);
    assert!(client.command("PASS tweedle", 530).whole().contains("Your account has expired."));
    server.wait_for_log("has expired on 2020-01-01");
    // Who does not know the password learns nothing of it.
    client.command("USER carl", 331);
    assert_eq!(client.command("PASS wrong", 530).lines, ["530 Login incorrect."]);
}

fn a_disabled_entry_shuts_out_its_user() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\ndisabled = true");
    let server = Server::start(&world, USERS);
    let mut client = Client::greeted();
    client.command("USER carl", 331);
    assert_eq!(client.command("PASS tweedle", 530).lines, ["530 Login incorrect."]);
    server.wait_for_log("the entry is disabled");
}

fn a_user_comes_from_his_networks_alone() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\nlogin-networks = [\"127.0.0.0/8\", \"!127.0.0.9\"]");
    let server = Server::start(&world, USERS);
    let from = |own: &str, code| {
        let mut client = Client::connect_from(own.parse().expect("address"), ([127, 0, 0, 1], 21).into());
        client.expect(220);
        client.command("USER carl", 331);
        client.command("PASS tweedle", code);
    };
    from("127.0.0.1", 230);
    from("127.0.0.9", 530);
    server.wait_for_log("login-networks does not have the address");
}

/// Sets the clock of the world so far ahead of universal time, in seconds.
pub fn set_zone(world: &World, ahead: i32) {
    // tzfile(5): a header and a zone, for readers of 32 bits, and again for others.
    let counts = [0u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    let half = [&b"TZif2"[..], &[0; 15], &counts, &ahead.to_be_bytes(), &[0, 0], b"XXX\0"].concat();
    world.write("/etc/localtime", [&half[..], &half, b"\n\n"].concat());
}

/// Seconds since 1970.
fn seconds() -> i64 {
    std::time::UNIX_EPOCH.elapsed().expect("clock").as_secs() as i64
}

fn a_user_comes_at_his_hours_alone() {
    let world = World::new();
    // It is noon there.
    set_zone(&world, (43_200 - seconds() % 86_400) as i32);
    with_carl(&world, "account = \"ftp\"\nlogin-hours = [\"11:00-13:00\"]");
    let server = Server::start(&world, USERS);
    log_in("carl", "tweedle", 230);
    with_carl(&world, "account = \"ftp\"\nlogin-hours = [\"13:00-11:00\"]");
    let mut client = Client::greeted();
    client.command("USER carl", 331);
    let reply = client.command("PASS tweedle", 530);
    assert!(reply.whole().contains("You cannot log in at this hour."), "{reply}");
    server.wait_for_log("login-hours does not have this hour");
}

fn a_session_ends_with_the_hours_of_its_user() {
    let world = World::new();
    // In ten seconds it is noon there.
    set_zone(&world, (43_190 - seconds() % 86_400) as i32);
    with_carl(&world, "account = \"ftp\"\npermissions = \"elradfmw\"\nlogin-hours = [\"11:00-12:00\"]");
    fs::set_permissions("/srv/ftp", Permissions::from_mode(0o777)).expect("mode");
    let server = Server::start(&world, USERS);
    let mut idle = log_in("carl", "tweedle", 230);
    let mut busy = log_in("carl", "tweedle", 230);
    let mut data = busy.passive();
    busy.command("STOR file", 150);
    assert_eq!(idle.expect(421).text(), "Your hours are over. Goodbye.");
    idle.expect_end();
    // What has begun may end.
    data.write_all(b"all of it").expect("data");
    drop(data);
    busy.expect(226);
    busy.expect(421);
    busy.expect_end();
    assert_eq!(fs::read("/srv/ftp/file").expect("file"), b"all of it");
    server.wait_for_log("the hours of login-hours are over");
    log_in("carl", "tweedle", 530);
}

fn a_user_needs_tls_if_his_entry_says_so() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\nrequire-tls = \"login\"");
    let server = Server::start(&world, USERS);
    let mut client = Client::greeted();
    client.command("USER carl", 331);
    let reply = client.command("PASS tweedle", 530);
    assert!(reply.whole().contains("This login needs TLS"), "{reply}");
    server.wait_for_log("it came without TLS");
    log_in("alice", "wonderland", 230);
}

fn a_user_has_as_many_sessions_as_his_entry_says() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\nmax-sessions-per-user = 1");
    let _server = Server::start(&world, USERS);
    let mut first = log_in("carl", "tweedle", 230);
    log_in("carl", "tweedle", 530);
    first.command("QUIT", 221);
    first.expect_end();
    wait_until("his place is free", || {
        let mut client = Client::greeted();
        client.command("USER carl", 331);
        client.send("PASS tweedle");
        (client.read_reply().code == 230).then_some(())
    });
}

fn a_slash_dot_slash_divides_the_jail_from_the_start() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/srv/team/./carol"));
    world.write("/srv/team/carol/own.txt", "Own.");
    world.write("/srv/team/common.txt", "Common.");
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("carol");
    assert!(client.command("PWD", 257).text().contains("\"/carol\""));
    assert_eq!(client.receive_text("RETR own.txt"), "Own.");
    assert_eq!(client.receive_text("RETR /common.txt"), "Common.");
}
