//! The design of the processes, as /proc shows it while clients are served.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::client::Client;
use crate::process::Process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_client_who_is_not_logged_in_speaks_to_a_process_without_rights
    the_frontend_leaves_after_the_login
    a_session_is_the_user_and_nothing_more
    a_jailed_session_has_the_home_as_its_root
    a_session_with_the_real_file_system_has_its_root
    the_worker_keeps_only_the_capabilities_it_needs
    processes_hold_only_the_descriptors_they_need
    the_supervisor_holds_no_client
    titles_name_roles_and_no_users
    titles_name_users_when_told_to
    nobody_may_trace_a_session
    nothing_stays_of_a_client_who_left
    nothing_stays_of_a_client_who_was_reset_away
    nothing_stays_when_the_worker_is_killed
    nothing_stays_when_the_session_is_killed
    nothing_stays_when_the_frontend_is_killed
    a_stopped_session_ends_with_its_client
    a_stopped_session_is_not_served_for_ever
    a_session_leaks_nothing
    a_session_shares_the_memory_of_what_was_prepared_for_it
    spare_workers_are_replaced
}

/// Logs in as alice and starts a download that does not end by itself.
fn in_the_middle_of_a_download(world: &World) -> (Client, std::net::TcpStream) {
    let path = world.give("alice", "large", "");
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(1 << 30)).expect("a large file");
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("RETR large", 150);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    (client, data)
}

/// What every process that a client can reach must be.
fn assert_confined(process: &Process) {
    let title = process.title();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(process.capabilities(set), 0, "{set} of {title}");
    }
    assert_eq!(process.field("NoNewPrivs"), "1", "NoNewPrivs of {title}");
    assert_eq!(process.field("Seccomp"), "2", "Seccomp of {title}");
    assert_eq!(process.field("Threads"), "1", "threads of {title}");
    assert_eq!(process.capabilities("SigCgt"), 0, "signal handlers of {title}");
    assert_eq!(process.capabilities("SigBlk"), 0, "blocked signals of {title}");
}

fn a_client_who_is_not_logged_in_speaks_to_a_process_without_rights() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let frontend = server.serving("frontend");
    assert_confined(&frontend);
    assert_eq!(frontend.uids(), [990; 4]);
    assert_eq!(frontend.gids(), [990; 4]);
    assert!(frontend.groups().is_empty() || frontend.groups() == [990], "groups: {:?}", frontend.groups());
    let root = std::fs::read_dir(format!("/proc/{}/root/", frontend.pid)).expect("its root");
    assert_eq!(root.count(), 0, "the root of the frontend is empty");
}

fn the_frontend_leaves_after_the_login() {
    let world = World::new();
    let server = Server::start(&world, "listen.spare-workers = 1");
    let mut client = Client::greeted();
    let frontend = server.serving("frontend");
    client.log_in("alice");
    wait_until("the frontend has left", || (!frontend.is_there()).then_some(()));
    client.command("PWD", 257);
}

fn a_session_is_the_user_and_nothing_more() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _transfer = in_the_middle_of_a_download(&world);
    let session = server.process("session");
    assert_confined(&session);
    assert_eq!(session.uids(), [2001; 4]);
    assert_eq!(session.gids(), [2001; 4]);
    assert_eq!(BTreeSet::from_iter(session.groups()), BTreeSet::from([2001, 3001]));
}

fn a_jailed_session_has_the_home_as_its_root() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _transfer = in_the_middle_of_a_download(&world);
    assert_eq!(server.process("session").root(), Path::new("/home/alice"));
}

fn a_session_with_the_real_file_system_has_its_root() {
    let world = World::new();
    let server = Server::start(&world, "session.root-dir = \"real\"");
    let _transfer = in_the_middle_of_a_download(&world);
    let session = server.process("session");
    assert_eq!(session.root(), Path::new("/"));
    assert_confined(&session);
}

fn the_worker_keeps_only_the_capabilities_it_needs() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _transfer = in_the_middle_of_a_download(&world);
    let worker = server.parent_of(&server.process("session"));
    assert_eq!(worker.uids(), [0; 4]);
    // CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_MKNOD: never.
    for never in [16, 17, 19, 21, 22, 27] {
        for set in ["CapBnd", "CapEff", "CapPrm"] {
            assert_eq!(worker.capabilities(set) & (1 << never), 0, "capability {never} in {set}");
        }
    }
}

fn processes_hold_only_the_descriptors_they_need() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _transfer = in_the_middle_of_a_download(&world);
    let supervisor = server.process("supervisor").descriptors();
    let listeners: BTreeSet<_> = supervisor.values().filter(|what| what.starts_with("socket:")).collect();
    let session = server.process("session");
    let worker = server.parent_of(&session);
    for process in [&session, &worker, &server.process("spare")] {
        let descriptors = process.descriptors();
        for (number, what) in &descriptors {
            assert!(!listeners.contains(what), "{} shares {number}, {what}, with the supervisor", process.title());
        }
        assert!(descriptors.len() < 20, "{} has {descriptors:?}", process.title());
    }
    let files = session.descriptors().into_values().filter(|what| what.starts_with('/'));
    for file in files {
        // The last one gives an uploaded file its name.
        let own_descriptors = format!("/proc/{}/fd", session.pid);
        let expected = file.starts_with("/home/alice") || file == "/dev/null" || file == own_descriptors;
        assert!(expected, "the session has {file} open");
    }
}

fn the_supervisor_holds_no_client() {
    let world = World::new();
    let server = Server::start(&world, "");
    let before = settled(&server);
    let clients: Vec<_> = (0..4).map(|_| Client::logged_in("alice")).collect();
    let during = server.process("supervisor").descriptors().len();
    drop(clients);
    wait_until("the sessions are gone", || server.find("session").is_none().then_some(()));
    wait_until("the supervisor has closed what belonged to them", || {
        (server.process("supervisor").descriptors().len() <= before).then_some(())
    });
    assert!(during <= before + 4 * 5, "{before} descriptors became {during} for four clients");
}

fn titles_name_roles_and_no_users() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _transfer = in_the_middle_of_a_download(&world);
    wait_until("there are two spare workers", || (spare(&server) == 2).then_some(()));
    let titles: BTreeSet<_> = server.processes().iter().map(Process::title).collect();
    for role in ["supervisor", "worker", "session", "spare"] {
        assert!(titles.contains(&format!("ftpd: {role}")), "no {role} in {titles:?}");
    }
    assert!(titles.iter().all(|title| !title.contains("alice") && !title.contains("127.0.0.1")), "{titles:?}");
}

fn titles_name_users_when_told_to() {
    let world = World::new();
    let server = Server::start(&world, "server.process-titles = \"full\"");
    let _client = Client::logged_in("alice");
    let title = server.process("session").title();
    assert!(title.contains("alice") && title.contains("127.0.0.1"), "{title}");
}

fn nobody_may_trace_a_session() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    let pid = server.process("session").pid;
    // What is not dumpable belongs to root in /proc, and its user may not look into it.
    let status = world
        .command("setpriv")
        .args(["--reuid=2001", "--regid=2001", "--clear-groups", "cat", &format!("/proc/{pid}/environ")])
        .output()
        .expect("setpriv");
    assert!(!status.status.success(), "the user can look into his session");
}

/// Serves a client and ends him as `end` does; then everything must be as it was before he came.
fn nothing_stays_when(logged_in: bool, end: impl FnOnce(&Server, Client)) {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    if logged_in {
        client.log_in("alice");
    }
    end(&server, client);
    wait_until("only spare workers stay", || {
        let titles: Vec<_> = server.processes().iter().map(Process::title).collect();
        let expected = |title: &str| titles.iter().filter(|t| t.ends_with(title)).count();
        (expected("session") == 0 && expected("worker") == 0 && expected("spare") == 2 && expected("frontend") <= 2)
            .then_some(())
    });
    Client::logged_in("alice");
}

fn nothing_stays_of_a_client_who_left() {
    nothing_stays_when(true, |_, mut client| {
        client.command("QUIT", 221);
    });
}

fn nothing_stays_of_a_client_who_was_reset_away() {
    nothing_stays_when(true, |_, client| client.reset());
}

fn nothing_stays_when_the_worker_is_killed() {
    nothing_stays_when(true, |server, mut client| {
        let worker = server.parent_of(&server.process("session"));
        kill(worker.pid, Signal::SIGKILL).expect("kill");
        client.expect_end();
    });
}

fn nothing_stays_when_the_session_is_killed() {
    nothing_stays_when(true, |server, mut client| {
        kill(server.process("session").pid, Signal::SIGKILL).expect("kill");
        client.expect_end();
    });
}

fn nothing_stays_when_the_frontend_is_killed() {
    nothing_stays_when(false, |server, mut client| {
        kill(server.serving("frontend").pid, Signal::SIGKILL).expect("kill");
        client.expect_end();
    });
}

fn a_stopped_session_ends_with_its_client() {
    let world = World::new();
    let server = Server::start(&world, "session.idle-timeout = 1");
    let client = Client::logged_in("alice");
    let session = server.process("session");
    kill(session.pid, Signal::SIGSTOP).expect("stop");
    drop(client);
    wait_until("the stopped session is ended by its worker", || (!session.is_there()).then_some(()));
}

fn a_stopped_session_is_not_served_for_ever() {
    let world = World::new();
    let server = Server::start(&world, "session.idle-timeout = 1");
    let mut client = Client::logged_in("alice");
    let session = server.process("session");
    kill(session.pid, Signal::SIGSTOP).expect("stop");
    // The client stays; the session cannot watch the time, so its worker must.
    while client.next_reply().is_some() {}
    wait_until("the stopped session is ended by its worker", || (!session.is_there()).then_some(()));
}

fn a_session_leaks_nothing() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let session = server.process("session");
    let worker = server.parent_of(&session);
    let descriptors = || (session.descriptors().len(), worker.descriptors().len());
    let mut once = || {
        client.transmit("STOR file", b"content");
        client.receive("RETR file");
        client.receive("MLSD");
        drop(client.active());
        client.command("RETR file", 425);
        client.passive_address();
        client.command("RETR missing", 550);
        client.command("MKD directory", 257);
        client.command("RMD directory", 250);
    };
    // A few ports that nobody came to are held for a while: after some rounds they are as many as they can be.
    (0..5).for_each(|_| once());
    let before = descriptors();
    (0..50).for_each(|_| once());
    assert_eq!(descriptors(), before);
}

fn a_session_shares_the_memory_of_what_was_prepared_for_it() {
    let world = World::new();
    let server = Server::start(&world, "");
    let has_little_of_its_own = |when: &str| {
        let _client = Client::logged_in("alice");
        let (own, all) = server.process("session").heap();
        assert!(own > 0 && own * 3 < all, "{when} a session has {own} of {all} KiB for itself");
    };
    has_little_of_its_own("from the start");
    wait_until("nobody is logged in", || server.find("session").is_none().then_some(()));
    let lines = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    has_little_of_its_own("after a reload");
}

fn spare_workers_are_replaced() {
    let world = World::new();
    let server = Server::start(&world, "listen.spare-workers = 3");
    let _clients: Vec<_> = (0..5).map(|_| Client::logged_in("alice")).collect();
    wait_until("there are three spare workers again", || (spare(&server) == 3).then_some(()));
}

/// How many spare workers there are.
fn spare(server: &Server) -> usize {
    server.processes().iter().filter(|process| process.title() == "ftpd: spare").count()
}

/// How many descriptors the supervisor has when all its spare workers have told it of their children.
fn settled(server: &Server) -> usize {
    let mut last = (0, Instant::now());
    wait_until("the supervisor has nothing to do", || {
        let now = server.process("supervisor").descriptors().len();
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(200)).then_some(now)
    })
}
