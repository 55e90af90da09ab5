//! Numbers for those who collect them: that they are right, whatever dies, and that every collector reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::certificates_of_hosts::with_hosts;
use crate::client::Client;
use crate::control::json;
use crate::server::{Server, wait_until};
use crate::tls_clients::start as start_with_tls;
use crate::world::{CONTROL, World};

tests! {
    counts_clients_logins_and_refusals
    counts_transfers_by_direction_and_result
    counts_what_a_killed_session_has_done
    counts_bytes_while_they_move
    counts_passive_ports_in_use
    tells_how_long_certificates_are_valid
    tells_of_the_certificates_of_hosts_and_in_days
    both_formats_are_what_collectors_read
    promtool_takes_the_metrics
    promtool_takes_the_alerts
    dashboard_and_alerts_ask_for_what_there_is
    a_textfile_is_replaced_at_once
    hands_them_out_over_http
    http_is_spoken_without_rights
    a_metrics_process_that_died_is_replaced
    strangers_keep_nobody_waiting_over_http
}

/// Every sample of the text, by name and labels.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn metrics_text(world: &World, arguments: &[&str]) -> String {
    let output = world.command(CONTROL).arg("metrics").args(arguments).output().expect("ftpctl runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn numbers(world: &World) -> BTreeMap<String, f64> {
    parsed(&metrics_text(world, &[]))
}

fn wait_for(world: &World, name: &str, value: f64) {
    wait_until(&format!("{name} is {value}"), || (numbers(world).get(name) == Some(&value)).then_some(()));
}

fn counts_clients_logins_and_refusals() {
    let world = World::new();
    let _server = Server::start(&world, "listen.max-sessions = 3\nsession.max-sessions-per-user = 1");
    let alice = Client::logged_in("alice");
    let mut again = Client::greeted();
    again.command("USER alice", 331);
    again.command(&format!("PASS {}", crate::accounts::PASSWORD), 530);
    again.command("USER alice", 331);
    again.command("PASS wrong", 530);
    let _third = Client::greeted();
    Client::connect().expect(421);
    let found = numbers(&world);
    assert_eq!(found["ftpd_sessions{state=\"idle\"}"], 1.0);
    assert_eq!(found["ftpd_sessions{state=\"logging_in\"}"], 2.0);
    assert_eq!(found["ftpd_sessions_limit"], 3.0);
    assert_eq!(found["ftpd_connections_total"], 3.0);
    assert_eq!(found["ftpd_logins_total{result=\"success\"}"], 1.0);
    assert_eq!(found["ftpd_logins_total{result=\"refused\"}"], 1.0);
    assert_eq!(found["ftpd_logins_total{result=\"failure\"}"], 1.0);
    assert_eq!(found["ftpd_refusals_total{reason=\"full\"}"], 1.0);
    assert_eq!(found["ftpd_refusals_total{reason=\"user\"}"], 1.0);
    assert_eq!(found["ftpd_spare_workers"], 2.0);
    assert_eq!(found["ftpd_configuration_reload_failed"], 0.0);
    drop(alice);
    wait_for(&world, "ftpd_sessions{state=\"idle\"}", 0.0);
}

fn counts_transfers_by_direction_and_result() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    alice.transmit("STOR file", &[7; 5000]);
    assert_eq!(alice.receive("RETR file").len(), 5000);
    assert_eq!(alice.receive("RETR file").len(), 5000);
    alice.receive("LIST");
    let mut data = alice.passive();
    alice.command("STOR half", 150);
    data.write_all(&[7; 300]).expect("sent");
    crate::client::reset(data);
    alice.expect(426);
    let check = |found: BTreeMap<String, f64>| {
        let transfers = |direction: &str, result: &str| {
            let labels = format!("{{direction=\"{direction}\",result=\"{result}\"}}");
            (found[&format!("ftpd_transfers_total{labels}")], found[&format!("ftpd_transfer_bytes_total{labels}")])
        };
        assert_eq!(transfers("download", "complete"), (2.0, 10_000.0));
        assert_eq!(transfers("upload", "complete"), (1.0, 5000.0));
        assert_eq!(transfers("upload", "cut_short").0, 1.0);
        assert_eq!(transfers("listing", "complete").0, 1.0);
        assert_eq!(found["ftpd_transfer_duration_seconds_count{direction=\"download\"}"], 2.0);
        assert_eq!(found["ftpd_transfer_duration_seconds_bucket{direction=\"download\",le=\"+Inf\"}"], 2.0);
        assert!(found["ftpd_data_bytes_total{direction=\"sent\"}"] > 10_000.0);
        assert!(found["ftpd_data_bytes_total{direction=\"received\"}"] >= 5000.0);
    };
    check(numbers(&world));
    // The numbers of a session outlive it.
    alice.command("QUIT", 221);
    wait_for(&world, "ftpd_sessions{state=\"idle\"}", 0.0);
    check(numbers(&world));
}

fn counts_what_a_killed_session_has_done() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    alice.transmit("STOR file", &[7; 5000]);
    let mut data = alice.passive();
    alice.command("STOR half", 150);
    data.write_all(&[7; 300]).expect("sent");
    server.wait_until_written(300);
    kill(server.process("session").pid, Signal::SIGKILL).expect("killed");
    wait_for(&world, "ftpd_transfers_total{direction=\"upload\",result=\"cut_short\"}", 1.0);
    let found = numbers(&world);
    assert_eq!(found["ftpd_transfers_total{direction=\"upload\",result=\"complete\"}"], 1.0);
    assert_eq!(found["ftpd_transfer_bytes_total{direction=\"upload\",result=\"cut_short\"}"], 300.0);
    assert_eq!(found["ftpd_data_bytes_total{direction=\"received\"}"], 5300.0);
}

fn counts_bytes_while_they_move() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    let mut data = alice.passive();
    alice.command("STOR file", 150);
    data.write_all(&[7; 70_000]).expect("sent");
    server.wait_until_written(70_000);
    wait_for(&world, "ftpd_data_bytes_total{direction=\"received\"}", 70_000.0);
    let found = numbers(&world);
    assert_eq!(found["ftpd_sessions{state=\"uploading\"}"], 1.0);
    assert_eq!(found["ftpd_transfers_total{direction=\"upload\",result=\"complete\"}"], 0.0);
    drop(data);
    alice.expect(226);
}

fn counts_passive_ports_in_use() {
    let world = World::new();
    let _server = Server::start(&world, "data.passive-ports = \"50000-50009\"");
    let mut alice = Client::logged_in("alice");
    assert_eq!(numbers(&world)["ftpd_passive_ports_in_use"], 0.0);
    assert_eq!(numbers(&world)["ftpd_passive_ports"], 10.0);
    let mut data = alice.passive();
    wait_for(&world, "ftpd_passive_ports_in_use", 1.0);
    alice.command("STOR file", 150);
    data.write_all(b"content").expect("sent");
    assert_eq!(numbers(&world)["ftpd_passive_ports_in_use"], 1.0);
    drop(data);
    alice.expect(226);
    wait_for(&world, "ftpd_passive_ports_in_use", 0.0);
}

fn tells_how_long_certificates_are_valid() {
    let world = World::new();
    let _server = start_with_tls(&world, "");
    let left: Vec<f64> = numbers(&world)
        .into_iter()
        .filter(|(name, _)| name.starts_with("ftpd_certificate_remaining_seconds{file="))
        .map(|(_, seconds)| seconds)
        .collect();
    assert!(!left.is_empty() && left.iter().all(|seconds| *seconds > 3600.0), "{left:?}");
}

fn tells_of_the_certificates_of_hosts_and_in_days() {
    let world = World::new();
    let _server = with_hosts(&world, "");
    let numbers = numbers(&world);
    let told = |name: &str| numbers.keys().any(|one| one.contains("certificate_remaining") && one.contains(name));
    assert!(told("one.example") && told("two.example"), "{numbers:?}");
    let status = json(&world, &["status"]);
    let certificates = status["certificates"].as_array().expect("list");
    assert_eq!(certificates.len(), 3, "{status}");
    let days = certificates[0]["days_left"].as_i64().expect("days");
    assert!(crate::control::told(&world, &["status"]).contains(&format!(": {days} days left")), "{days}");
}

/// Feeds a program with a text; what it says if it does not like it.
fn complaint(mut command: Command, text: &str) -> Option<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("input").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success() || !said.is_empty()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// Parses with the library of Prometheus, and fails where something is lost on the way.
const PARSE: &str = "
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
text = sys.stdin.read()
read = (openmetrics if sys.argv[1] == 'openmetrics' else parser).text_string_to_metric_families(text)
samples = sum(len(family.samples) for family in read)
lines = sum(not line.startswith('#') for line in text.splitlines())
sys.exit(0 if samples == lines > 50 else f'{samples} samples of {lines} lines')
";

fn both_formats_are_what_collectors_read() {
    let world = World::new();
    let _server = start_with_tls(&world, "");
    Client::logged_in("alice").transmit("STOR file", b"content");
    let open = metrics_text(&world, &[]);
    let older = metrics_text(&world, &["--format", "prometheus"]);
    assert!(open.ends_with("# EOF\n") && !older.contains("EOF"));
    for (format, text) in [("openmetrics", &open), ("prometheus", &older)] {
        // That of the distribution, which has the library.
        let mut python = world.command("/usr/bin/python3");
        python.args(["-c", PARSE, format]);
        assert_eq!(complaint(python, text), None, "{text}");
    }
}

/// Whether there is promtool, which distributions have in the package of Prometheus alone.
pub fn has_promtool() -> bool {
    Command::new("promtool").arg("--version").output().is_ok()
}

fn promtool_takes_the_metrics() {
    let world = World::new();
    let _server = start_with_tls(&world, "");
    Client::logged_in("alice").transmit("STOR file", b"content");
    let text = metrics_text(&world, &["--format", "prometheus"]);
    let mut promtool = world.command("promtool");
    promtool.args(["check", "metrics"]);
    assert_eq!(complaint(promtool, &text), None, "{text}");
}

fn promtool_takes_the_alerts() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/monitoring/alerts.yml");
    let output = Command::new("promtool").args(["check", "rules", rules]).output().expect("promtool runs");
    assert!(output.status.success(), "{output:?}");
    // What raises each of them, and what does not.
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerts.yml");
    let output = Command::new("promtool").args(["test", "rules", cases]).output().expect("promtool runs");
    assert!(output.status.success(), "{output:?}");
}

/// The names of metrics in an expression, or in the text that a daemon prints.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_of_name(c)).filter(|word| word.starts_with("ftpd_"));
    words.map(str::to_owned).collect()
}

/// The files themselves may be out of sight in a world.
const DASHBOARD: &str = include_str!("../../packaging/monitoring/grafana.json");
const ALERTS: &str = include_str!("../../packaging/monitoring/alerts.yml");

fn dashboard_and_alerts_ask_for_what_there_is() {
    let world = World::new();
    let settings = "data.passive-ports = \"50000-50009\"\nlisten.max-sessions = 1";
    let _server = start_with_tls(&world, settings);
    let _alice = Client::logged_in("alice");
    Client::connect().expect(421);
    let samples = numbers(&world);
    let there: BTreeSet<String> = samples.keys().flat_map(|name| names_in(name)).collect();
    for (file, text) in [("grafana.json", DASHBOARD), ("alerts.yml", ALERTS)] {
        let asked = names_in(text);
        assert!(asked.len() > 5 && asked.is_subset(&there), "{file} asks for {:?}", asked.difference(&there));
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 8));
}

fn a_textfile_is_replaced_at_once() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let path = world.own_directory("textfile").join("ftpd.prom");
    let file = path.to_str().expect("UTF-8");
    metrics_text(&world, &["--textfile", file]);
    let first = std::fs::metadata(&path).expect("file");
    assert_eq!(first.permissions().mode() & 0o777, 0o644);
    metrics_text(&world, &["--textfile", file]);
    let second = std::fs::metadata(&path).expect("file");
    assert_ne!(
        std::os::unix::fs::MetadataExt::ino(&first),
        std::os::unix::fs::MetadataExt::ino(&second),
        "it was written over"
    );
    assert!(parsed(&std::fs::read_to_string(&path).expect("text")).contains_key("ftpd_connections_total"));
    assert_eq!(std::fs::read_dir(path.parent().expect("directory")).expect("directory").count(), 1);
}

const HTTP: &str = "127.0.0.1:9721";

/// Sends a request, and reads all of the answer: status line and headers, and the rest.
fn http(request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(HTTP).expect("connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    (head.to_owned(), body.to_owned())
}

fn hands_them_out_over_http() {
    let world = World::new();
    let server = Server::start(&world, &format!("metrics.addresses = [\"{HTTP}\"]"));
    let _alice = Client::logged_in("alice");
    let (head, body) = http("GET /metrics HTTP/1.1\r\nHost: here\r\nAccept: text/plain\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert_eq!(parsed(&body)["ftpd_sessions{state=\"idle\"}"], 1.0);
    let open = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    assert!(http(open).1.ends_with("# EOF\n"));
    assert!(http("HEAD /metrics HTTP/1.1\r\n\r\n").1.is_empty());
    assert!(http("GET / HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 404"));
    assert!(http("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n").0.starts_with("HTTP/1.1 405"));
    // With the configuration it goes.
    server.configure("");
    server.signal(Signal::SIGHUP);
    wait_until("nobody listens any more", || TcpStream::connect(HTTP).is_err().then_some(()));
    wait_until("the process is gone", || server.find("metrics").is_none().then_some(()));
}

fn http_is_spoken_without_rights() {
    let world = World::new();
    let server = Server::start(&world, &format!("metrics.addresses = [\"{HTTP}\"]"));
    let process = server.process("metrics");
    wait_until("it is locked up", || {
        let process = crate::process::Process::read(process.pid)?;
        (process.field("Seccomp") == "2").then_some(())
    });
    let process = server.process("metrics");
    assert!(process.uids().iter().all(|uid| *uid == 990) && process.groups().iter().all(|gid| *gid == 990));
    assert_eq!(process.capabilities("CapBnd") & process.capabilities("CapEff"), 0);
    assert_eq!(process.field("NoNewPrivs"), "1");
    assert_eq!(std::fs::read_dir(process.root()).map(|directory| directory.count()).unwrap_or(0), 0);
}

fn a_metrics_process_that_died_is_replaced() {
    let world = World::new();
    let server = Server::start(&world, &format!("metrics.addresses = [\"{HTTP}\"]"));
    let first = server.process("metrics").pid;
    kill(first, Signal::SIGKILL).expect("killed");
    server.wait_for_log("the metrics process has died");
    wait_until("there is another", || server.find("metrics").filter(|process| process.pid != first));
    assert!(http("GET /metrics HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 200"));
}

fn strangers_keep_nobody_waiting_over_http() {
    let world = World::new();
    let _server = Server::start(&world, &format!("metrics.addresses = [\"{HTTP}\"]"));
    let silent: Vec<_> = (0..3).map(|_| TcpStream::connect(HTTP).expect("connection")).collect();
    let mut rude = TcpStream::connect(HTTP).expect("connection");
    let _ = rude.write_all(&[b'x'; 100_000]);
    assert!(http("GET /metrics HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 200"));
    Client::logged_in("alice");
    drop(silent);
}
