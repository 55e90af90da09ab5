//! `ftpd doctor`: what it says of a machine that is well, and of one that is not.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    finds_nothing_wrong_with_a_daemon_that_serves
    names_the_program_that_has_the_port
    names_a_module_of_pam_that_is_not_there
    sees_ports_that_the_firewall_drops
    counts_ports_and_sessions
    looks_at_the_masquerade_address
    says_that_anonymous_clients_could_own_their_root
    fails_for_a_configuration_that_cannot_be_read
}

/// What the doctor says, and whether all is well.
fn ask(world: &World, configuration: &Path) -> (bool, String) {
    let mut command = world.command(DAEMON);
    let output = command.args(["doctor", "--config"]).arg(configuration).output().expect("doctor");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

/// What the doctor says of this configuration.
fn ask_about(world: &World, settings: &str) -> (bool, String) {
    let path = world.own_directory("etc").join("doctor.toml");
    world.write(&path, settings);
    ask(world, &path)
}

/// The line about something, with its mark, and the advice below it.
fn about(said: &str, subject: &str, text: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !(line[9..].starts_with(subject) && line.contains(text)));
    let line = lines.next().unwrap_or_else(|| panic!("nothing about {subject} with {text:?}:\n{said}"));
    let advice = lines.next().filter(|line| line.trim_start().starts_with("->")).unwrap_or_default();
    format!("{line} {}", advice.trim())
}

fn finds_nothing_wrong_with_a_daemon_that_serves() {
    let world = World::new();
    let settings = "data.passive-ports = \"50000-50999\"\nlog.to = \"stderr\"";
    let _server = Server::start(&world, settings);
    let (well, said) = ask(&world, &world.own_directory("etc").join("ftpd.toml"));
    assert!(well, "{said}");
    assert!(about(&said, "listener", "[::]:21").starts_with("ok"), "{said}");
    assert!(about(&said, "PAM", "service ftpd").starts_with("ok"), "{said}");
    assert!(about(&said, "frontend", "account ftpd").starts_with("ok"), "{said}");
    assert!(about(&said, "kernel", "openat2").starts_with("ok"), "{said}");
    assert!(said.ends_with("errors: 0, warnings: 0\n"), "{said}");
}

fn names_the_program_that_has_the_port() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:2121").expect("listener");
    let other = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("client");
        std::io::Write::write_all(&mut client, b"SSH-2.0-other\r\n").expect("greeting");
    });
    let (well, said) = ask_about(&world, "listen.addresses = [\"127.0.0.1:2121\"]");
    other.join().expect("the other program");
    assert!(!well);
    let line = about(&said, "listener", "no FTP server: \"SSH-2.0-other\"");
    assert!(line.starts_with("error") && line.contains("ss -ltnp"), "{line}");
}

fn names_a_module_of_pam_that_is_not_there() {
    let world = World::new();
    world.pam("ftpd", "auth required pam_unix.so\naccount required pam_absent.so\n-session optional pam_other.so\n");
    let (well, said) = ask_about(&world, "");
    assert!(!well);
    assert!(about(&said, "PAM", "pam_absent.so is named and not there").starts_with("error"), "{said}");
    assert!(!said.contains("pam_other"), "{said}");
}

fn sees_ports_that_the_firewall_drops() {
    let world = World::new();
    let rules = world.own_directory("etc").join("rules");
    world.write(&rules, "table inet filter {\n\
        set transfer { type inet_service; flags interval; elements = { 50000-50499 }; }\n\
        chain input { type filter hook input priority 0; policy drop;\n\
            iif lo accept\n ct state established accept\n tcp dport { 21, 22 } accept\n tcp dport @transfer accept\n }\n}\n");
    let loaded = world.command("nft").arg("--file").arg(&rules).status().expect("nft");
    assert!(loaded.success());
    let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50999\"");
    let line = about(&said, "firewall", "no rule accepts port 50000-50999");
    assert!(line.starts_with("warning") && line.contains("ufw allow 50000:50999/tcp"), "{line}");
    assert!(!said.contains("accepts port 21,"), "{said}");
    let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50499\"\nlisten.max-sessions = 100");
    assert!(about(&said, "firewall", "lets clients through").starts_with("ok"), "{said}");
    let (_, said) = ask_about(&world, "");
    assert!(about(&said, "firewall", "passive mode uses any port").starts_with("warning"), "{said}");
}

fn counts_ports_and_sessions() {
    let world = World::new();
    let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50009\"\nlisten.max-sessions = 11");
    assert!(about(&said, "passive ports", "10 ports for up to 11 sessions").starts_with("warning"), "{said}");
    let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50009\"\nlisten.max-sessions = 10");
    assert!(about(&said, "passive ports", "10 ports for up to 10 sessions").starts_with("ok"), "{said}");
}

fn looks_at_the_masquerade_address() {
    let world = World::new();
    let (_, said) = ask_about(&world, "data.masquerade-address = \"203.0.113.7\"");
    assert!(about(&said, "masquerade", "PASV tells 203.0.113.7").starts_with("ok"), "{said}");
    let (_, said) = ask_about(&world, "data.masquerade-address = \"no-such-name.invalid\"");
    assert!(about(&said, "masquerade", "no-such-name.invalid has no IPv4").starts_with("warning"), "{said}");
}

fn says_that_anonymous_clients_could_own_their_root() {
    let world = World::new();
    let root = world.own_directory("mirror");
    let settings = format!("anonymous.enabled = true\nanonymous.account = \"alice\"\nanonymous.root-dir = {root:?}");
    let (_, said) = ask_about(&world, &settings);
    assert!(about(&said, "anonymous", "as alice").starts_with("ok"), "{said}");
    fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("mode");
    let (_, said) = ask_about(&world, &settings);
    let line = about(&said, "anonymous", "can be written by alice");
    assert!(line.starts_with("warning") && line.contains("chmod 755"), "{line}");
}

fn fails_for_a_configuration_that_cannot_be_read() {
    let world = World::new();
    let (well, said) = ask_about(&world, "listen.max-sessions = \"many\"");
    assert!(!well);
    assert!(about(&said, "configuration", "max-sessions").starts_with("error"), "{said}");
}
