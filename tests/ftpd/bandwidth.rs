//! How fast data may move: rates of sessions, and what several share. The rates are so low that any machine could move
//! more, and the times are those of the daemon's log or of many pieces, so that a busy one measures the same.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use flate2::read::ZlibDecoder;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::entries_of_users;
use crate::server::{Server, wait_until};
use crate::tls_clients;
use crate::transfers::noise;
use crate::virtual_users::{self, USERS};
use crate::world::World;

tests! {
    a_download_keeps_to_its_rate
    an_upload_keeps_to_its_rate
    every_kind_of_transfer_keeps_to_its_rate
    data_flows_evenly
    a_rate_is_that_of_all_transfers_of_a_session
    a_transfer_has_free_bytes
    listings_are_downloads
    nothing_else_is_slowed
    a_slow_transfer_is_neither_stalled_nor_idle
    commands_are_obeyed_while_a_transfer_waits
    sessions_of_a_user_share_his_rate
    what_one_cannot_use_goes_to_the_others
    members_of_a_group_share_its_rate
    all_share_the_rate_of_the_daemon
    a_listener_and_a_host_have_rates_of_their_own
    an_entry_of_the_users_file_has_its_own_rate
    a_reload_changes_running_transfers
    a_rate_holds_at_its_hours
    a_rate_changes_with_the_hour_in_the_middle_of_a_transfer
    the_supervisor_sleeps_when_nothing_is_shared
}

/// A file of noise in the home directory of each.
fn give_noise(users: &[&str], length: usize) {
    for user in users {
        let path = Path::new("/home").join(user).join("noise");
        fs::write(&path, noise(length)).expect("file");
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("mode");
    }
}

/// Bytes and seconds of the last transfer that the log tells of, as the daemon has measured them.
fn logged(server: &Server, before: usize, verb: &str) -> (f64, f64) {
    let line = server.wait_for_log_after(before, &format!("{verb} \""));
    let value = |name: &str| -> f64 {
        let text = line.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
        text.split_whitespace().next().and_then(|number| number.parse().ok()).expect("number")
    };
    (value("bytes="), value("seconds="))
}

/// Within 3 % over five seconds; over less, half of what a tenth of a second allows is added.
fn assert_rate(bytes: f64, seconds: f64, rate: f64) {
    let error = bytes / (seconds * rate) - 1.0;
    let tolerance = if seconds >= 4.9 { 0.03 } else { 0.03 + 0.05 / seconds };
    assert!(error.abs() < tolerance, "{bytes} bytes in {seconds} s are no {rate} bytes per second: {error:+.3}");
}

/// Downloads for a time; how many bytes came.
fn download_for(data: &mut TcpStream, time: Duration) -> f64 {
    let begin = Instant::now();
    let mut bytes = 0;
    let mut buffer = vec![0; 64 * 1024];
    while begin.elapsed() < time {
        bytes += data.read(&mut buffer).expect("data");
    }
    bytes as f64
}

/// A download that has begun.
fn begun(user: &str) -> (Client, TcpStream) {
    let mut client = Client::logged_in(user);
    let data = client.passive();
    client.command("RETR noise", 150);
    (client, data)
}

/// A download of which nothing is read, and for which there is little room on its way.
fn stuck(user: &str) -> (Client, TcpStream) {
    let mut client = Client::logged_in(user);
    let listener = client.active();
    setsockopt(&listener, sockopt::RcvBuf, &4096).expect("small buffer");
    // The other end has room for a number of segments.
    setsockopt(&listener, sockopt::TcpMaxSeg, &536).expect("small segments");
    client.send("RETR noise");
    let (data, _) = listener.accept().expect("data connection");
    client.expect(150);
    (client, data)
}

fn a_download_keeps_to_its_rate() {
    let world = World::new();
    give_noise(&["alice"], 1_000_000);
    let server = Server::start(&world, "session.download-rate = \"200000\"");
    let before = server.log_length();
    let mut client = Client::logged_in("alice");
    let (mut data, begin) = (client.passive(), Instant::now());
    client.command("RETR noise", 150);
    let mut content = Vec::new();
    data.read_to_end(&mut content).expect("data");
    assert_rate(content.len() as f64, begin.elapsed().as_secs_f64(), 200_000.0);
    client.expect(226);
    assert!(content == noise(1_000_000));
    let (bytes, seconds) = logged(&server, before, "RETR");
    assert_rate(bytes, seconds, 200_000.0);
}

fn an_upload_keeps_to_its_rate() {
    let world = World::new();
    let server = Server::start(&world, "session.upload-rate = \"200K\"\nsession.download-rate = \"1\"");
    let before = server.log_length();
    Client::logged_in("alice").transmit("STOR file", &noise(1_024_000));
    let (bytes, seconds) = logged(&server, before, "STOR");
    assert_rate(bytes, seconds, 204_800.0);
    assert!(fs::read("/home/alice/file").expect("file") == noise(1_024_000));
}

/// All at the same time, each in a session of its own: large pieces by splice and sendfile, TLS, MODE Z, TYPE A.
fn every_kind_of_transfer_keeps_to_its_rate() {
    const RATE: f64 = 4_000_000.0;
    let world = World::new();
    let server = tls_clients::start(&world, "session.download-rate = \"4000000\"\nsession.upload-rate = \"4000000\"");
    let content = noise(10_000_000);
    give_noise(&["alice"], content.len());
    fs::write(world.own_directory("client").join("up"), &content).expect("file");
    let before = server.log_length();
    thread::scope(|scope| {
        let mut client = Client::logged_in("alice");
        let content = &content;
        scope.spawn(move || client.transmit("STOR plain", content));
        let mut client = Client::logged_in("alice");
        scope.spawn(move || assert!(client.receive("RETR noise") == *content));
        let mut client = Client::logged_in("alice");
        scope.spawn(move || {
            client.command("MODE Z", 200);
            let mut plain = Vec::new();
            ZlibDecoder::new(&client.receive("RETR noise")[..]).read_to_end(&mut plain).expect("a whole stream");
            assert!(plain == *content);
        });
        let mut client = Client::logged_in("alice");
        scope.spawn(move || {
            client.command("TYPE A", 200);
            client.transmit("STOR text", content);
        });
        tls_clients::curl(&world, &["--ssl-reqd", "--upload-file", "up", "ftp://localhost/secret"]);
        tls_clients::curl(&world, &["--ssl-reqd", "--output", "down", "ftp://localhost/secret"]);
    });
    assert!(fs::read(world.own_directory("client").join("down")).expect("file") == content);
    wait_until("all are logged", || (server.log().matches("completed=1").count() >= 6).then_some(()));
    let log = server.log();
    let lines: Vec<&str> = log.lines().skip(before).filter(|line| line.contains("completed=1")).collect();
    for line in lines {
        let seconds: f64 = line.split("seconds=").nth(1).expect("seconds").trim().parse().expect("number");
        let error = 10_000_000.0 / (seconds * RATE) - 1.0;
        assert!(error.abs() < 0.05, "{line}: {error:+.3}");
    }
}

fn data_flows_evenly() {
    let world = World::new();
    give_noise(&["alice", "bob"], 1_000_000);
    // A rate of one session, one of a user and one of all.
    let _server = Server::start(
        &world,
        "user.alice.download-rate = \"100000\"\nuser.bob.download-rate-per-user = \"100000\"\nlimits.total-download-rate = \"1M\"",
    );
    let mut downloads = [begun("alice"), begun("bob")];
    thread::scope(|scope| {
        for (_, data) in &mut downloads {
            scope.spawn(|| {
                // What came while the other one logged in.
                download_for(data, Duration::from_millis(300));
                let begin = Instant::now();
                let mut tenths = [0; 30];
                let mut buffer = vec![0; 64 * 1024];
                while let Some(tenth) = tenths.get_mut((begin.elapsed().as_millis() / 100) as usize) {
                    *tenth += data.read(&mut buffer).expect("data");
                }
                // What came late on a busy machine comes in the next tenth, and no more than that.
                assert!(tenths.iter().all(|bytes| *bytes <= 21_000), "{tenths:?}");
                assert!(tenths.iter().filter(|bytes| **bytes > 2_000).count() > 25, "{tenths:?}");
            });
        }
    });
}

fn a_rate_is_that_of_all_transfers_of_a_session() {
    let world = World::new();
    give_noise(&["alice"], 20_000);
    let _server = Server::start(&world, "session.download-rate = \"200000\"");
    let mut client = Client::logged_in("alice");
    let begin = Instant::now();
    (0..25).for_each(|_| assert_eq!(client.receive("RETR noise").len(), 20_000));
    let seconds = begin.elapsed().as_secs_f64();
    // What is not moved between two transfers is not made up for.
    assert!((2.3..3.5).contains(&seconds), "500000 bytes took {seconds} s");
}

fn a_transfer_has_free_bytes() {
    let world = World::new();
    give_noise(&["alice"], 1_000_000);
    let server = Server::start(
        &world,
        "session.transfer-download-rate = \"100000\"\nsession.free-download = \"800000\"\n\
         session.transfer-upload-rate = \"1\"\nsession.free-upload = \"1M\"",
    );
    let mut client = Client::logged_in("alice");
    let before = server.log_length();
    client.receive("RETR noise");
    let (_, seconds) = logged(&server, before, "RETR");
    assert!((1.9..2.4).contains(&seconds), "200000 bytes at 100000 bytes per second took {seconds} s");
    // Each transfer has its own.
    let begin = Instant::now();
    (0..3).for_each(|_| client.transmit("STOR file", &noise(1_000_000)));
    assert!(begin.elapsed() < Duration::from_secs(20));
}

fn listings_are_downloads() {
    let world = World::new();
    for number in 0..200 {
        File::create(format!("/home/alice/{number:0200}")).expect("file");
    }
    let _server = Server::start(&world, "session.download-rate = \"20000\"");
    let mut client = Client::logged_in("alice");
    let begin = Instant::now();
    let length = client.receive("NLST").len();
    assert!(length > 40_000);
    assert_rate(length as f64, begin.elapsed().as_secs_f64(), 20_000.0);
}

fn nothing_else_is_slowed() {
    let world = World::new();
    give_noise(&["alice"], 1_000_000);
    let _server = Server::start(&world, "session.download-rate = \"1\"\nsession.upload-rate = \"1\"");
    let mut client = Client::logged_in("alice");
    client.command("XCRC noise", 250);
    client.command("SITE COPY noise copy", 250);
    client.command("STAT .", 213);
}

fn a_slow_transfer_is_neither_stalled_nor_idle() {
    let world = World::new();
    give_noise(&["alice"], 3072);
    let _server = Server::start(
        &world,
        "session.download-rate = \"1K\"\nsession.upload-rate = \"1K\"\n\
         session.stall-timeout = 1\nsession.idle-timeout = 1",
    );
    let mut client = Client::logged_in("alice");
    let begin = Instant::now();
    client.transmit("STOR file", &noise(3072));
    assert_eq!(client.receive("RETR noise").len(), 3072);
    let seconds = begin.elapsed().as_secs_f64();
    assert!((5.7..6.6).contains(&seconds), "{seconds} s");
}

fn commands_are_obeyed_while_a_transfer_waits() {
    let world = World::new();
    give_noise(&["alice"], 100_000);
    let _server = Server::start(&world, "session.download-rate = \"1\"");
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("RETR noise", 150);
    let begin = Instant::now();
    client.command("NOOP", 200);
    let status = client.command("STAT", 213).whole();
    assert!(status.contains("Sending /noise"), "{status}");
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let mut content = Vec::new();
    let _ = data.read_to_end(&mut content);
    assert!(content.len() < 10);
    client.command("NOOP", 200);
}

/// What several downloads get in so many seconds, after one in which they begin.
fn measured(downloads: &mut [(Client, TcpStream)], seconds: f64) -> Vec<f64> {
    let measure = |data: &mut TcpStream| {
        download_for(data, Duration::from_secs(1));
        let begin = Instant::now();
        let bytes = download_for(data, Duration::from_secs_f64(seconds));
        bytes / begin.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = downloads.iter_mut().map(|(_, data)| scope.spawn(move || measure(data))).collect();
        threads.into_iter().map(|thread| thread.join().expect("measurement")).collect()
    })
}

/// The sum is what is set, and each has an even share of it. What was on its way when the measurement began counts, too,
/// and is less of five seconds than of two.
fn assert_shared(rates: &[f64], set: f64) {
    assert_shared_within(rates, set, 0.05);
}

fn assert_shared_within(rates: &[f64], set: f64, tolerance: f64) {
    let sum: f64 = rates.iter().sum();
    assert!((sum / set - 1.0).abs() < tolerance, "{rates:?} are no {set}");
    let even = sum / rates.len() as f64;
    assert!(rates.iter().all(|rate| (rate / even - 1.0).abs() < 0.1), "{rates:?} are not even");
}

fn sessions_of_a_user_share_his_rate() {
    let world = World::new();
    give_noise(&["alice", "bob"], 4_000_000);
    let _server = Server::start(&world, "user.alice.download-rate-per-user = \"200000\"\nuser.bob.download-rate = \"100000\"");
    let mut downloads = [begun("alice"), begun("alice"), begun("bob")];
    let rates = measured(&mut downloads, 5.0);
    assert_shared_within(&rates[..2], 200_000.0, 0.03);
    assert_shared_within(&rates[2..], 100_000.0, 0.03);
}

fn what_one_cannot_use_goes_to_the_others() {
    let world = World::new();
    give_noise(&["alice", "bob"], 4_000_000);
    let _server = Server::start(
        &world,
        "limits.total-download-rate = \"300000\"\nuser.bob.download-rate = \"30000\"\nuser.bob.download-rate-per-user = \"1M\"",
    );
    // One is slowed by a rate of his own, another by not reading.
    let mut downloads = [begun("alice"), begun("bob")];
    let _stuck = stuck("alice");
    let rates = measured(&mut downloads, 4.0);
    assert_shared(&rates[1..], 30_000.0);
    assert!((250_000.0..290_000.0).contains(&rates[0]), "{rates:?}");
}

fn members_of_a_group_share_its_rate() {
    let world = World::new();
    world.group("writers", 3002, &["alice", "bob"]);
    give_noise(&["alice", "bob"], 4_000_000);
    let _server = Server::start(&world, "group.writers.download-rate-per-group = \"200000\"");
    let mut downloads = [begun("alice"), begun("bob")];
    assert_shared(&measured(&mut downloads, 3.0), 200_000.0);
}

fn all_share_the_rate_of_the_daemon() {
    let world = World::new();
    give_noise(&["alice", "bob"], 4_000_000);
    let server = Server::start(&world, "limits.total-download-rate = \"400000\"\nlimits.total-upload-rate = \"300000\"");
    let mut downloads: Vec<_> = ["alice", "bob", "alice", "bob"].map(begun).into();
    let before = server.log_length();
    thread::scope(|scope| {
        let mut client = Client::logged_in("alice");
        scope.spawn(move || client.transmit("STOR file", &noise(900_000)));
        assert_shared_within(&measured(&mut downloads, 5.0), 400_000.0, 0.03);
    });
    let (bytes, seconds) = logged(&server, before, "STOR");
    assert_rate(bytes, seconds, 300_000.0);
    // One who is alone has everything.
    downloads.truncate(1);
    assert_shared(&measured(&mut downloads, 2.0), 400_000.0);
}

fn a_listener_and_a_host_have_rates_of_their_own() {
    let world = World::new();
    give_noise(&["alice", "bob"], 4_000_000);
    let _server = Server::start(
        &world,
        "listen.addresses = [\"127.0.0.1:21\", \"127.0.0.2:21\", \"127.0.0.3:21\"]\n\
         listener.\"127.0.0.1:21\".total-download-rate = \"100000\"\n\
         host.two.addresses = [\"127.0.0.2\"]\nhost.two.total-download-rate = \"150000\"\n\
         network.here.addresses = [\"127.0.0.0/8\"]\nnetwork.here.total-download-rate = \"500000\"",
    );
    let at = |address: &str| {
        let mut client = Client::connect_to(format!("{address}:21").parse().expect("address"));
        client.expect(220);
        client.log_in("alice");
        client.command("TYPE I", 200);
        let data = client.passive();
        client.command("RETR noise", 150);
        (client, data)
    };
    let rates = measured(&mut [at("127.0.0.1"), at("127.0.0.2"), at("127.0.0.3")], 4.0);
    assert_shared(&rates[..1], 100_000.0);
    assert_shared(&rates[1..2], 150_000.0);
    assert_shared(&rates[2..], 250_000.0);
}

fn an_entry_of_the_users_file_has_its_own_rate() {
    let world = World::new();
    give_noise(&["alice"], 4_000_000);
    let entry = "account = \"alice\"\nroot-dir = \"/home/alice\"\ndownload-rate-per-user = \"150000\"";
    virtual_users::write_users(&world, &format!("[carl]\npassword = {:?}\n{entry}\n", virtual_users::hash(&world, PASSWORD)));
    let settings = format!("{USERS}\nsession.download-rate-per-user = \"30000\"");
    let server = Server::start(&world, &settings);
    let mut downloads = [begun("carl"), begun("carl")];
    assert_shared(&measured(&mut downloads, 2.0), 150_000.0);
    // What the file says of a user stands above what a new configuration says.
    let before = server.log_length();
    server.configure(&format!("{USERS}\nsession.download-rate-per-user = \"20000\""));
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(before, "configuration reloaded");
    assert_shared(&measured(&mut downloads, 2.0), 150_000.0);
}

fn a_reload_changes_running_transfers() {
    let world = World::new();
    give_noise(&["alice"], 4_000_000);
    let server = Server::start(&world, "session.download-rate = \"50000\"");
    let mut downloads = [begun("alice"), begun("alice")];
    let rates = measured(&mut downloads, 2.0);
    assert_shared(&rates, 100_000.0);
    let mut reload = |settings: &str| {
        server.configure(settings);
        server.signal(Signal::SIGHUP);
        measured(&mut downloads, 2.0)
    };
    assert_shared(&reload("session.download-rate-per-user = \"300000\""), 300_000.0);
    assert_shared(&reload("session.download-rate = \"1M\"\nsession.transfer-download-rate = \"40000\""), 80_000.0);
    let server_is_unlimited = Instant::now();
    server.configure("");
    server.signal(Signal::SIGHUP);
    for (client, data) in &mut downloads {
        data.read_to_end(&mut Vec::new()).expect("data");
        client.expect(226);
    }
    assert!(server_is_unlimited.elapsed() < Duration::from_secs(10));
}

fn a_rate_holds_at_its_hours() {
    let world = World::new();
    give_noise(&["alice"], 200_000);
    let server = Server::start(&world, "session.download-rate = [\"100000 Mon-Sun\", \"1\"]");
    let before = server.log_length();
    Client::logged_in("alice").receive("RETR noise");
    let (bytes, seconds) = logged(&server, before, "RETR");
    assert_rate(bytes, seconds, 100_000.0);
}

/// Two rates of sessions and one that is shared, and noon comes while data moves.
fn a_rate_changes_with_the_hour_in_the_middle_of_a_transfer() {
    let world = World::new();
    give_noise(&["alice", "bob"], 8_000_000);
    let noon = UNIX_EPOCH.elapsed().expect("clock").as_secs() as i64 + 7;
    entries_of_users::set_zone(&world, (43_200 - noon % 86_400) as i32);
    let _server = Server::start(
        &world,
        "user.alice.download-rate = [\"40000 00:00-12:00\", \"300000\"]\n\
         user.bob.download-rate-per-user = [\"300000 00:00-12:00\", \"40000 12:00-24:00\"]",
    );
    let mut downloads = [begun("alice"), begun("bob")];
    let until_noon = || noon as f64 - UNIX_EPOCH.elapsed().expect("clock").as_secs_f64();
    let rate_for = |data: &mut TcpStream, seconds: f64| {
        let begin = Instant::now();
        let bytes = download_for(data, Duration::from_secs_f64(seconds));
        bytes / begin.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        for ((_, data), (morning, afternoon)) in downloads.iter_mut().zip([(40_000.0, 300_000.0), (300_000.0, 40_000.0)]) {
            scope.spawn(move || {
                download_for(data, Duration::from_millis(500));
                let left = until_noon() - 0.3;
                assert!(left > 2.0, "the machine was too slow: {left} s are left until noon");
                let before = rate_for(data, left);
                // The change itself, and what was on its way.
                download_for(data, Duration::from_secs_f64(until_noon() + 1.0));
                let after = rate_for(data, 3.0);
                let is = |measured: f64, set: f64| (measured / set - 1.0).abs() < 0.06;
                assert!(is(before, morning) && is(after, afternoon), "{before} and {after}: no {morning} and {afternoon}");
            });
        }
    });
}

/// How often the supervisor has waited for something.
fn wakes(server: &Server) -> u64 {
    server.process("supervisor").field("voluntary_ctxt_switches").parse().expect("number")
}

fn the_supervisor_sleeps_when_nothing_is_shared() {
    let world = World::new();
    give_noise(&["alice"], 1_000_000);
    let server = Server::start(&world, "session.download-rate = \"100000\"\ngroup.staff.upload-rate-per-group = \"200000\"");
    let mut download = begun("alice");
    wait_until("the spare workers are there", || {
        let before = wakes(&server);
        thread::sleep(Duration::from_millis(300));
        (wakes(&server) == before).then_some(())
    });
    let before = wakes(&server);
    download_for(&mut download.1, Duration::from_secs(2));
    assert!(wakes(&server) <= before + 2, "{} wakes while nothing is shared", wakes(&server) - before);
    let mut client = Client::logged_in("bob");
    drop(client.passive());
    let mut client = Client::logged_in("alice");
    let before = wakes(&server);
    client.transmit("STOR file", &noise(200_000));
    assert!(wakes(&server) > before + 5, "{} wakes while something is shared", wakes(&server) - before);
    wait_until("the supervisor sleeps again", || {
        let before = wakes(&server);
        thread::sleep(Duration::from_millis(500));
        (wakes(&server) == before).then_some(())
    });
}
