//! Who gets in, and what those who do not are told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::accounts::Account;
use crate::client::{Client, Reply};
use crate::process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    logs_in_with_the_system_password
    logs_in_with_a_password_hashed_by_yescrypt
    logs_in_over_ipv6
    logs_in_after_a_failure
    refuses_a_wrong_password
    refuses_an_empty_password_even_if_the_account_has_none
    refuses_locked_accounts
    refuses_root_and_accounts_of_the_system
    refuses_those_in_ftpusers
    refuses_those_without_a_valid_shell
    takes_any_shell_when_told_to
    refuses_rejected_users_and_groups
    admits_only_allowed_users
    admits_allowed_groups
    tells_nothing_about_unknown_users
    answers_all_failures_after_the_same_time
    gives_up_after_three_failures
    ends_slow_logins
    a_login_in_many_small_steps_is_slow_too
    refuses_an_expired_account_clearly
    refuses_an_expired_password_clearly
    without_a_pam_service_nobody_gets_in
    users_without_a_home_are_told_so
    users_without_a_home_start_in_the_fallback
    anonymous_users_may_read
    anonymous_users_may_not_write
    anonymous_users_are_refused_by_default
    anonymous_users_may_have_to_give_an_address
    anonymous_users_have_options_of_their_own
    a_start_warns_of_anonymous_users_who_may_write
    networks_are_allowed_and_rejected
    failures_take_as_long_for_names_that_nobody_has
    a_session_cannot_become_another_user
}

/// One attempt to log in; returns the answer to PASS.
fn attempt(client: &mut Client, user: &str, password: &str) -> Reply {
    client.command(&format!("USER {user}"), 331);
    client.send(&format!("PASS {password}"));
    client.read_reply()
}

/// Whoever tries this is told what everybody else is told, and the log says `why`.
fn refused(server: &Server, user: &str, password: &str, why: &str) {
    let mut client = Client::greeted();
    let before = server.log_length();
    let reply = attempt(&mut client, user, password);
    assert_eq!(reply.lines, ["530 Login incorrect."]);
    let line = server.wait_for_log_after(before, user);
    assert!(line.contains(why), "the log does not say {why:?}: {line}");
    client.command("PWD", 530);
}

fn logs_in_with_the_system_password() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wonderland", 230);
    client.command("PWD", 257);
    client.command("QUIT", 221);
    client.expect_end();
}

fn logs_in_with_a_password_hashed_by_yescrypt() {
    let world = World::new();
    world.add(Account::new("carol", 2003).yescrypt());
    let _server = Server::start(&world, "");
    Client::logged_in("carol").command("PWD", 257);
}

fn logs_in_over_ipv6() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::connect_to("[::1]:21".parse().expect("address"));
    client.expect(220);
    client.log_in("alice");
    client.command("PWD", 257);
}

fn logs_in_after_a_failure() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "alice", "wrong").code, 530);
    client.log_in("alice");
}

fn refuses_a_wrong_password() {
    let world = World::new();
    let server = Server::start(&world, "");
    refused(&server, "alice", "looking-glass", "Authentication failure");
}

fn refuses_an_empty_password_even_if_the_account_has_none() {
    let world = World::new();
    world.add(Account::new("carol", 2003).without_password());
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER carol", 331);
    client.command("PASS ", 530);
    refused(&server, "carol", "anything", "");
}

fn refuses_locked_accounts() {
    let world = World::new();
    world.add(Account::new("carol", 2003).locked());
    let server = Server::start(&world, "");
    refused(&server, "carol", "wonderland", "");
}

fn refuses_root_and_accounts_of_the_system() {
    let world = World::new();
    world.add(Account::new("toor", 0));
    world.add(Account::new("daemon-account", 999));
    let server = Server::start(&world, "");
    refused(&server, "toor", "wonderland", "");
    refused(&server, "daemon-account", "wonderland", "min-uid");
}

fn refuses_those_in_ftpusers() {
    let world = World::new();
    world.write("/etc/ftpusers", "# not these\nroot\nalice\n");
    let server = Server::start(&world, "");
    refused(&server, "alice", "wonderland", "ftpusers");
    Client::logged_in("bob");
}

fn refuses_those_without_a_valid_shell() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    let server = Server::start(&world, "");
    refused(&server, "carol", "wonderland", "shell");
}

fn takes_any_shell_when_told_to() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    let _server = Server::start(&world, "login.require-valid-shell = false");
    Client::logged_in("carol");
}

fn refuses_rejected_users_and_groups() {
    let world = World::new();
    world.add(Account::new("carol", 2003));
    let server = Server::start(&world, "login.reject-users = [\"bob\"]\nlogin.reject-groups = [\"staff\"]");
    refused(&server, "bob", "wonderland", "reject");
    refused(&server, "alice", "wonderland", "reject");
    Client::logged_in("carol");
}

fn admits_only_allowed_users() {
    let world = World::new();
    let server = Server::start(&world, "login.allow-users = [\"bob\"]");
    refused(&server, "alice", "wonderland", "allow");
    Client::logged_in("bob");
}

fn admits_allowed_groups() {
    let world = World::new();
    let server = Server::start(&world, "login.allow-groups = [\"staff\"]");
    refused(&server, "bob", "wonderland", "allow");
    Client::logged_in("alice");
}

fn tells_nothing_about_unknown_users() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut known = Client::greeted();
    let mut unknown = Client::greeted();
    assert_eq!(known.command("USER alice", 331).text(), unknown.command("USER nobody-at-all", 331).text());
    known.send("PASS wrong");
    unknown.send("PASS wrong");
    assert_eq!(known.read_reply().lines, unknown.read_reply().lines);
    refused(&server, "nobody-at-all", "wrong", "");
}

fn answers_all_failures_after_the_same_time() {
    let world = World::new();
    world.add(Account::new("carol", 2003).locked());
    world.add(Account::new("dave", 2004).yescrypt());
    let _server = Server::start(&world, "login.failure-delay = 1\nlogin.max-failures = 10");
    for user in ["alice", "carol", "dave", "root", "nobody-at-all"] {
        let mut client = Client::greeted();
        client.command(&format!("USER {user}"), 331);
        let asked = Instant::now();
        client.command("PASS wrong", 530);
        let taken = asked.elapsed();
        assert!(taken >= Duration::from_millis(990), "{user} was refused after {taken:?}");
        // Nothing but a machine that is too busy makes it later.
        assert!(taken < Duration::from_secs(5), "{user} was refused after {taken:?}");
    }
}

fn gives_up_after_three_failures() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    for _ in 0..3 {
        assert_eq!(attempt(&mut client, "alice", "wrong").code, 530);
    }
    client.expect_end();
}

fn ends_slow_logins() {
    let world = World::new();
    let _server = Server::start(&world, "login.login-timeout = 1");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.expect(421);
    client.expect_end();
}

fn a_login_in_many_small_steps_is_slow_too() {
    let world = World::new();
    let _server = Server::start(&world, "login.login-timeout = 1");
    let mut client = Client::greeted();
    let began = Instant::now();
    loop {
        client.send("NOOP");
        if client.read_reply().code == 421 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "NOOP keeps a login alive");
        std::thread::sleep(Duration::from_millis(100));
    }
    client.expect_end();
}

fn refuses_an_expired_account_clearly() {
    let world = World::new();
    world.add(Account::new("carol", 2003).expired());
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    let reply = attempt(&mut client, "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().contains("expired"), "not clear: {reply}");
    server.wait_for_log("expired");
    // Who does not know the password learns nothing about the account.
    assert_eq!(attempt(&mut client, "carol", "wrong").lines, ["530 Login incorrect."]);
}

fn refuses_an_expired_password_clearly() {
    let world = World::new();
    world.add(Account::new("carol", 2003).password_expired());
    let server = Server::start(&world, "");
    let reply = attempt(&mut Client::greeted(), "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().contains("password"), "not clear: {reply}");
    server.wait_for_log("carol");
}

fn without_a_pam_service_nobody_gets_in() {
    let world = World::new();
    let server = Server::start(&world, "login.pam-service = \"missing\"");
    refused(&server, "alice", "wonderland", "");
}

fn users_without_a_home_are_told_so() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/nowhere/carol"));
    let server = Server::start(&world, "");
    let reply = attempt(&mut Client::greeted(), "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().to_lowercase().contains("home"), "not clear: {reply}");
    server.wait_for_log("/nowhere/carol");
}

fn users_without_a_home_start_in_the_fallback() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/nowhere/carol"));
    world.write("/srv/guests/hello.txt", "Hello.");
    let _server = Server::start(&world, "session.missing-home = \"/srv/guests\"");
    let mut client = Client::logged_in("carol");
    assert_eq!(client.receive_text("RETR hello.txt"), "Hello.");
}

fn log_in_anonymously() -> Client {
    let mut client = Client::greeted();
    client.command("USER anonymous", 331);
    client.command("PASS guest@example.org", 230);
    client.command("TYPE I", 200);
    client
}

fn anonymous_users_may_read() {
    let world = World::new();
    let server = Server::start(&world, "anonymous.enabled = true");
    let mut client = log_in_anonymously();
    assert_eq!(client.receive_text("RETR welcome.txt"), "Welcome.\n");
    assert!(client.receive_text("LIST").contains("welcome.txt"));
    assert_eq!(server.process("session").uids(), [991; 4]);
}

fn anonymous_users_may_not_write() {
    let world = World::new();
    let open_to_all = PermissionsExt::from_mode(0o777);
    fs::set_permissions("/srv/ftp", open_to_all).expect("mode");
    let _server = Server::start(&world, "anonymous.enabled = true");
    let mut client = log_in_anonymously();
    for command in ["MKD new", "DELE welcome.txt", "RNFR welcome.txt", "SITE CHMOD 777 welcome.txt"] {
        client.command(command, 550);
    }
    let _data = client.passive();
    client.command("STOR new.txt", 550);
    assert!(!fs::exists("/srv/ftp/new.txt").expect("exists"));
}

fn anonymous_users_are_refused_by_default() {
    let world = World::new();
    let server = Server::start(&world, "");
    refused(&server, "anonymous", "guest@example.org", "");
}

fn anonymous_users_may_have_to_give_an_address() {
    let world = World::new();
    let settings = "anonymous.enabled = true\nanonymous.allow-emails = [\"*@*.*\"]\nanonymous.reject-emails = [\"*@spam.example\"]";
    let server = Server::start(&world, settings);
    let mut client = Client::greeted();
    let reply = attempt(&mut client, "anonymous", "guest");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().contains("Please give your e-mail address as the password."), "{reply}");
    assert_eq!(attempt(&mut client, "ftp", "eve@spam.example").code, 530);
    assert_eq!(attempt(&mut client, "ftp", "alice@example.org").code, 230);
    server.wait_for_log("the anonymous client calls himself \"alice@example.org\"");
}

fn anonymous_users_have_options_of_their_own() {
    let world = World::new();
    let settings = "anonymous.enabled = true\nanonymous.login-message = \"Hello, stranger.\"\nsession.login-message = \"No.\"";
    let _server = Server::start(&world, settings);
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "anonymous", "").text(), "Hello, stranger.");
}

fn a_start_warns_of_anonymous_users_who_may_write() {
    let world = World::new();
    let server = Server::start(&world, "host.public.anonymous = true\nanonymous.permissions = \"elrw\"");
    server.wait_for_log("[anonymous] permissions: lets anybody who can connect change files");
}

fn networks_are_allowed_and_rejected() {
    let world = World::new();
    let server = Server::start(
        &world,
        "anonymous.enabled = true\nlogin.allow-networks = [\"127.0.0.0/8\"]\nlogin.reject-networks = [\"127.0.0.9\"]",
    );
    let from = |own: &str, name: &str, code| {
        let own: std::net::IpAddr = own.parse().expect("address");
        let server = if own.is_ipv4() { "127.0.0.1:21" } else { "[::1]:21" };
        let mut client = Client::connect_from(own, server.parse().expect("address"));
        client.expect(220);
        assert_eq!(attempt(&mut client, name, "wonderland").code, code);
    };
    for name in ["alice", "anonymous"] {
        from("127.0.0.1", name, 230);
        from("127.0.0.9", name, 530);
        from("::1", name, 530);
    }
    server.wait_for_log("127.0.0.9/32 is named in reject-networks");
    server.wait_for_log("the address is in none of allow-networks");
}

fn failures_take_as_long_for_names_that_nobody_has() {
    let world = World::new();
    // So dear that nothing else about a login counts: about a fifth of a second, on a slow machine more.
    let hash = "$6$rounds=200000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/";
    world.write("/etc/ftpd-users.toml", format!("[carl]\npassword = '{hash}'\naccount = \"ftp\"\n"));
    fs::set_permissions("/etc/ftpd-users.toml", PermissionsExt::from_mode(0o600)).expect("mode");
    let settings = "login.users-file = \"/etc/ftpd-users.toml\"\nlogin.sources = [\"users-file\"]\nlogin.max-failures = 100";
    let _server = Server::start(&world, settings);
    let mut client = Client::greeted();
    let mut time = |name: &str| {
        let began = Instant::now();
        assert_eq!(attempt(&mut client, name, "wrong").code, 530);
        began.elapsed()
    };
    // The fastest of some: what is above it is the machine's load.
    let best = |name: &str, time: &mut dyn FnMut(&str) -> Duration| (0..5).map(|_| time(name)).min().expect("five");
    let (known, unknown) = (best("carl", &mut time), best("nobody-knows", &mut time));
    assert!(known > Duration::from_millis(20), "a hash costs time: {known:?}");
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "carl {known:?}, nobody {unknown:?}");
}

fn a_session_cannot_become_another_user() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let session = server.process("session");
    // Another login is another process (reinitialize.rs); this one is alice as long as it lives.
    client.command("PASS wonderland", 503);
    client.command("USER bob", 331);
    wait_until("her session has ended", || match process::Process::read(session.pid) {
        Some(still) => (still.uids() != [2001; 4]).then(|| panic!("{:?}", still.uids())),
        None => Some(()),
    });
    client.command("MKD new", 530);
}
