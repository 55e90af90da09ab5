//! Programs that are started when something happens.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::client::{Client, PATIENCE, reset};
use crate::process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_program_is_told_in_its_environment_and_on_standard_input
    a_program_runs_as_its_account_with_nothing_of_the_daemons
    a_program_can_run_as_the_user_and_delete_what_was_cut_short
    a_name_of_any_bytes_reaches_the_program_as_it_is
    a_program_that_takes_too_long_is_ended_with_all_it_has_started
    what_a_program_leaves_behind_ends_with_it
    what_a_program_has_started_ends_with_the_process_that_started_it
    a_program_that_fails_is_told_of_in_the_log
    what_a_program_writes_is_in_the_log_and_bounded
    a_thousand_events_start_a_thousand_programs
    one_at_once_keeps_the_order
    what_is_too_much_for_the_queue_is_dropped_and_told
    nobody_waits_for_a_program_that_is_slow
    a_program_that_others_could_change_is_not_started
    a_hook_that_makes_no_sense_is_an_error_with_its_line
    only_a_hook_that_says_so_runs_as_root
}

/// Makes a program of this shell script, and says how it is configured.
pub fn program(world: &World, name: &str, script: &str) -> String {
    let path = format!("/run/world/hooks/{name}");
    world.write(&path, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("mode of the program");
    format!("hook.{name}.program = \"{path}\"\n")
}

/// The settings of a hook.
pub fn hook(world: &World, name: &str, events: &str, script: &str) -> String {
    format!("{}hook.{name}.events = [{events}]\n", program(world, name, script))
}

/// Waits for a file that a program puts into place, and reads it.
pub fn wait_for_file(path: &str) -> String {
    let text = wait_until(&format!("there is {path}"), || fs::read(path).ok());
    String::from_utf8_lossy(&text).into_owned()
}

fn a_program_is_told_in_its_environment_and_on_standard_input() {
    let world = World::new();
    let script = "env > /tmp/env.new; cat > /tmp/input; mv /tmp/env.new /tmp/env";
    let _server = Server::start(&world, &hook(&world, "tell", "\"file-received\"", script));
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let environment = wait_for_file("/tmp/env");
    let told: Value = serde_json::from_str(&wait_for_file("/tmp/input")).expect("one object");
    for (name, value) in [
        ("HOOK", "tell"),
        ("WHEN", "after"),
        ("EVENT", "file-received"),
        ("SESSION", "1"),
        ("PEER", "127.0.0.1"),
        ("USER", "alice"),
        ("UID", "2001"),
        ("TLS", "false"),
        ("PATH", "/file"),
        ("FILE", "/home/alice/file"),
        ("BYTES", "7"),
        ("RESULT", "complete"),
    ] {
        let line = format!("FTPD_{name}={value}");
        assert!(environment.lines().any(|found| found == line), "{line} is not in {environment}");
    }
    assert!(environment.contains(&format!("FTPD_PEER_PORT={}\n", client.own().port())), "{environment}");
    assert_eq!((&told["event"], &told["file"]), (&"file-received".into(), &"/home/alice/file".into()));
    assert_eq!((&told["bytes"], &told["user"]), (&7.into(), &"alice".into()));
    // Everything that JSON tells is in the environment, too.
    for name in told.as_object().expect("object").keys() {
        assert!(environment.contains(&format!("FTPD_{}=", name.to_uppercase())), "{name}: {environment}");
    }
}

fn a_program_runs_as_its_account_with_nothing_of_the_daemons() {
    let world = World::new();
    let script = "{ id -u; id -G;  umask; pwd; ls /proc/self/fd; cut -d' ' -f6 /proc/$$/stat; echo $$; } > /tmp/new
        env | sort > /tmp/env; grep -E '^(NoNewPrivs|CapEff|CapPrm|SigIgn|SigBlk)' /proc/self/status >> /tmp/new; mv /tmp/new /tmp/me";
    let settings = hook(&world, "me", "\"login\"", script) + "hook.me.account = \"bob\"";
    let _server = Server::start(&world, &settings);
    let _client = Client::logged_in("alice");
    let me = wait_for_file("/tmp/me");
    let lines: Vec<_> = me.lines().collect();
    assert_eq!(lines[..4], ["2002", "2002", "0022", "/"]);
    // Its three streams, and the directory that ls reads.
    assert_eq!(lines[4..8], ["0", "1", "2", "3"], "{me}");
    assert_eq!(lines[8], lines[9], "it leads its own session");
    assert!(me.contains("NoNewPrivs:\t1") && me.contains("CapEff:\t0000000000000000"), "{me}");
    assert!(me.contains("SigBlk:\t0000000000000000"), "{me}");
    // The C library's own signals are not the daemon's business.
    let ignored = me.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).expect("ignored signals");
    assert_eq!(u64::from_str_radix(ignored, 16).map(|bits| bits & 0x7fff_ffff), Ok(0), "{me}");
    let known = ["FTPD_", "HOME=/home/bob", "USER=bob", "PATH=/usr", "PWD=/", "OLDPWD=", "_=", "SHLVL="];
    for line in wait_for_file("/tmp/env").lines() {
        assert!(known.iter().any(|known| line.starts_with(known)), "{line} is the daemon's own business");
    }
}

fn a_program_can_run_as_the_user_and_delete_what_was_cut_short() {
    let world = World::new();
    let script = "rm \"$FTPD_FILE\"; id -u > /tmp/new; mv /tmp/new /tmp/me";
    let settings = hook(&world, "clean", "\"incomplete-file-received\"", script) + "hook.clean.account = \"%u\"";
    let server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"content").expect("data");
    server.wait_until_written(7);
    reset(data);
    client.expect(426);
    assert_eq!(wait_for_file("/tmp/me"), "2001\n");
    assert!(!fs::exists("/home/alice/file").expect("home"));
}

fn a_name_of_any_bytes_reaches_the_program_as_it_is() {
    let world = World::new();
    let script = "printf %s \"$FTPD_PATH\" > /tmp/new; mv /tmp/new /tmp/path";
    let _server = Server::start(&world, &hook(&world, "path", "\"directory-made\"", script));
    let mut client = Client::logged_in("alice");
    client.send_bytes(b"MKD $(touch x) `id`;'\"\x1b\xff -rf\r\n");
    client.expect(257);
    let path = wait_until("the program has run", || fs::read("/tmp/path").ok());
    assert_eq!(path, b"/$(touch x) `id`;'\"\x1b\xff -rf");
}

fn a_program_that_takes_too_long_is_ended_with_all_it_has_started() {
    let world = World::new();
    let script = "trap '' TERM; sleep 1234 & sleep 1235";
    let settings = hook(&world, "slow", "\"login\"", script) + "hook.slow.time-limit = 1";
    let server = Server::start(&world, &settings);
    let _client = Client::logged_in("alice");
    let sleeping = || process::all_of_this_world().iter().filter(|one| one.title().starts_with("sleep 123")).count();
    wait_until("the program sleeps", || (sleeping() == 2).then_some(()));
    server.wait_for_log("hook slow (login of #1) took longer than 1 s and was ended");
    wait_until("nobody sleeps", || (sleeping() == 0).then_some(()));
}

fn sleeping(title: &str) -> usize {
    process::all_of_this_world().iter().filter(|one| one.title().starts_with(title)).count()
}

fn what_a_program_leaves_behind_ends_with_it() {
    let world = World::new();
    // One of them is in a session of its own, and the child of nobody.
    let script = "sleep 1236 & setsid sh -c 'sleep 1236 & sleep 1236 &'\necho left";
    let server = Server::start(&world, &hook(&world, "fork", "\"login\"", script));
    let _client = Client::logged_in("alice");
    server.wait_for_log("hook fork (login of #1): left");
    wait_until("nobody sleeps", || (sleeping("sleep 1236") == 0).then_some(()));
    wait_until("nobody keeps anything", || server.find("keeper").is_none().then_some(()));
}

fn what_a_program_has_started_ends_with_the_process_that_started_it() {
    let world = World::new();
    let script = "sleep 1239 & setsid sh -c 'sleep 1239 & sleep 1239'";
    let settings = hook(&world, "after", "\"login\"", script)
        + &hook(&world, "before", "\"deleted\"", script)
        + "hook.before.when = \"before\"\n";
    world.give("alice", "file", "content");
    let server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    wait_until("what the program has started sleeps", || (sleeping("sleep 1239") == 3).then_some(()));
    // The keeper belongs to nobody whom the program could be, and can do nothing but end processes.
    let keeper = server.process("keeper");
    assert_eq!((keeper.uids(), keeper.capabilities("CapPrm")), (vec![0; 4], 1 << 5));
    kill(server.process("events").pid, Signal::SIGKILL).expect("kill");
    wait_until("nobody sleeps", || (sleeping("sleep 1239") == 0).then_some(()));
    client.send("DELE file");
    wait_until("what the program has started sleeps", || (sleeping("sleep 1239") == 3).then_some(()));
    kill(server.parent_of(&server.process("session")).pid, Signal::SIGKILL).expect("kill");
    client.expect_end();
    wait_until("nobody sleeps", || (sleeping("sleep 1239") == 0).then_some(()));
    assert!(fs::exists("/home/alice/file").expect("home"));
}

fn a_program_that_fails_is_told_of_in_the_log() {
    let world = World::new();
    let settings = hook(&world, "fail", "\"login\"", "exit 3")
        + &hook(&world, "dead", "\"login\"", "kill -9 $$")
        + &hook(&world, "nowhere", "\"login\"", "");
    world.write("/run/world/hooks/nowhere", "#!/no/such/interpreter\n");
    fs::set_permissions("/run/world/hooks/nowhere", Permissions::from_mode(0o755)).expect("mode");
    let server = Server::start(&world, &settings);
    let _client = Client::logged_in("alice");
    server.wait_for_log("hook fail (login of #1) failed with status 3");
    server.wait_for_log("hook dead (login of #1) was killed by SIGKILL");
    server.wait_for_log("hook nowhere (login of #1): execute /run/world/hooks/nowhere");
    server.wait_for_log("hook nowhere (login of #1) failed with status 127");
}

fn what_a_program_writes_is_in_the_log_and_bounded() {
    let world = World::new();
    // Of the two programs one says little, through both of its outputs, and the other too much.
    let script = "printf 'one\\ntwo \\033[31m\\377\\n'; echo three >&2";
    let much = "yes | head -c 1000000; printf 'last\\n'";
    let settings = [hook(&world, "loud", "\"login\"", script), hook(&world, "flood", "\"login\"", much)];
    let server = Server::start(&world, &settings.join("\n"));
    let _client = Client::logged_in("alice");
    server.wait_for_log("hook loud (login of #1): one");
    let line = server.wait_for_log("hook loud (login of #1): two");
    assert!(line.contains("two \\x1b[31m\\xff"), "{line}");
    server.wait_for_log("hook loud (login of #1): three");
    let said = || server.log().lines().filter(|line| line.ends_with(": y")).count();
    wait_until("much of what the other writes is in the log", || (said() > 1000).then_some(()));
    wait_until("the program has ended", || {
        process::all_of_this_world().iter().all(|one| !one.title().contains("hooks/flood")).then_some(())
    });
    let lines = said();
    assert!(lines > 1000 && lines < 5000, "{lines} lines");
    assert!(!server.log().contains(": last"));
}

fn a_thousand_events_start_a_thousand_programs() {
    let world = World::new();
    let settings = hook(&world, "count", "\"directory-made\", \"directory-removed\"", "echo $FTPD_EVENT >> /tmp/count")
        + "hook.count.at-once = 16\n";
    let server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    for _ in 0..500 {
        client.command("MKD d", 257);
        client.command("RMD d", 250);
    }
    let counted = || fs::read_to_string("/tmp/count").unwrap_or_default();
    wait_until("a thousand programs have run", || (counted().lines().count() == 1000).then_some(()));
    assert_eq!(counted().lines().filter(|line| *line == "directory-made").count(), 500);
    assert!(!server.log().contains("lost") && !server.log().contains("dropped"), "{}", server.log());
}

fn one_at_once_keeps_the_order() {
    let world = World::new();
    let settings = hook(&world, "order", "\"directory-made\"", "echo $FTPD_PATH >> /tmp/order")
        + "hook.order.at-once = 1\n";
    let _server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    let names: Vec<_> = (0..50).map(|number| format!("/d{number}")).collect();
    for name in &names {
        client.command(&format!("MKD {name}"), 257);
    }
    let found = wait_until("all programs have run", || {
        let text = fs::read_to_string("/tmp/order").unwrap_or_default();
        let lines: Vec<_> = text.lines().map(String::from).collect();
        (lines.len() == names.len()).then_some(lines)
    });
    assert_eq!(found, names);
}

fn what_is_too_much_for_the_queue_is_dropped_and_told() {
    let world = World::new();
    let script = "until [ -e /tmp/go ]; do sleep 0.01; done; echo $FTPD_PATH >> /tmp/done";
    let settings = hook(&world, "slow", "\"directory-made\"", script) + "hook.slow.at-once = 1\nhook.slow.queue = 2\n";
    let server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    client.command("MKD d0", 257);
    wait_until("the first program runs", || {
        process::all_of_this_world().iter().any(|one| one.title().contains("hooks/slow")).then_some(())
    });
    for number in 1..10 {
        client.command(&format!("MKD d{number}"), 257);
    }
    server.wait_for_log("hook slow: 2 events wait for it; more are dropped");
    fs::write("/tmp/go", "").expect("go");
    server.wait_for_log("hook slow: 7 events were dropped");
    assert_eq!(wait_for_file("/tmp/done"), "/d0\n/d1\n/d2\n");
}

fn nobody_waits_for_a_program_that_is_slow() {
    let world = World::new();
    let _server = Server::start(&world, &hook(&world, "slow", "\"login\", \"file-received\", \"logout\"", "sleep 1237"));
    let began = Instant::now();
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    client.command("QUIT", 221);
    client.expect_end();
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}

/// What `ftpd check` says of these settings.
fn checked(world: &World, settings: &str) -> String {
    let configuration = world.own_directory("etc").join("checked.toml");
    fs::write(&configuration, settings).expect("configuration");
    let output =
        world.command(crate::world::DAEMON).arg("check").arg("--config").arg(&configuration).output().expect("check");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn a_program_that_others_could_change_is_not_started() {
    let world = World::new();
    let settings = hook(&world, "open", "\"login\"", "touch /tmp/ran");
    let path = "/run/world/hooks/open";
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("mode");
    let said = checked(&world, &settings);
    assert!(said.contains("[hook.open] program: others can write to /run/world/hooks/open"), "{said}");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("mode");
    std::os::unix::fs::chown(path, Some(2001), None).expect("owner");
    let said = checked(&world, &settings);
    assert!(said.contains("/run/world/hooks/open belongs to uid 2001"), "{said}");
    std::os::unix::fs::chown(path, Some(0), None).expect("owner");
    fs::set_permissions("/run/world/hooks", Permissions::from_mode(0o777)).expect("mode");
    let said = checked(&world, &settings);
    assert!(said.contains("others can write to /run/world/hooks"), "{said}");
    fs::set_permissions("/run/world/hooks", Permissions::from_mode(0o755)).expect("mode");
    // What was good when the daemon began may be so no longer.
    let server = Server::start(&world, &settings);
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("mode");
    let _client = Client::logged_in("alice");
    server.wait_for_log("hook open: start /run/world/hooks/open: others can write to /run/world/hooks/open");
    assert!(!fs::exists("/tmp/ran").expect("/tmp"));
}

fn a_hook_that_makes_no_sense_is_an_error_with_its_line() {
    let world = World::new();
    let good = program(&world, "a", "true");
    for (settings, complaint) in [
        ("hook.a.events = [\"login\"]\n".to_string(), "[hook.a] program: is missing"),
        (format!("{good}hook.a.events = [\"upload\"]\n"), "checked.toml:2: [hook.a] events: \"upload\" is none of"),
        (format!("{good}hook.a.events = [\"logout\"]\nhook.a.when = \"before\"\n"), "logout cannot be refused"),
        (format!("{good}hook.a.events = [\"connect\"]\nhook.a.account = \"%u\"\n"), "connect has no session"),
        (format!("{good}hook.a.events = []\n"), "the program is never started"),
        ("hook.a.program = \"scan\"\n".to_string(), "\"scan\" is no absolute path"),
        ("hook.a.program = \"/nowhere\"\n".to_string(), "/nowhere: No such file"),
    ] {
        let said = checked(&world, &settings);
        assert!(said.contains(complaint), "{settings}: {said}");
    }
}

fn only_a_hook_that_says_so_runs_as_root() {
    let world = World::new();
    let script = "id -u > /tmp/$FTPD_HOOK.new; grep CapEff /proc/self/status >> /tmp/$FTPD_HOOK.new
        mv /tmp/$FTPD_HOOK.new /tmp/$FTPD_HOOK";
    let settings = hook(&world, "plain", "\"login\"", script)
        + &hook(&world, "root", "\"login\"", script)
        + "hook.root.account = \"root\"\n";
    let _server = Server::start(&world, &settings);
    let _client = Client::logged_in("alice");
    assert!(wait_for_file("/tmp/plain").starts_with("65533\n"));
    let root = wait_for_file("/tmp/root");
    assert!(root.starts_with("0\n"), "{root}");
    let capabilities = root.rsplit('\t').next().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    // CAP_NET_ADMIN, for programs that write bans into the firewall.
    assert!(capabilities.is_some_and(|bits| bits & 1 << 12 != 0), "{root}");
    assert!(checked(&world, &settings).contains("[hook.root] account: the program runs as root"));
}
