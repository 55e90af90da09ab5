//! `ftpd doctor`: what it says of a machine that is well, and of one that is not.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::accounts::Account;
use crate::server::Server;
use crate::tls_clients::{certificate, run};
use crate::world::{DAEMON, World};

tests! {
    finds_nothing_wrong_with_a_daemon_that_serves
    names_the_program_that_has_the_port
    names_a_module_of_pam_that_is_not_there
    sees_ports_that_the_firewall_drops
    sees_ports_that_iptables_drops
    says_whose_shell_is_not_listed
    looks_at_certificates_and_the_rights_of_keys
    holds_the_unit_against_the_configuration
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

fn sees_ports_that_iptables_drops() {
    // As ufw does it, whichever half of the kernel keeps the rules.
    for (save, iptables) in [("iptables-nft-save", "iptables-nft"), ("iptables-legacy-save", "iptables-legacy")] {
        let world = World::new();
        let rules = [
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -p tcp -m tcp --dport 21 -j ACCEPT",
            "-A INPUT -p tcp -m multiport --dports 50000:50499 -j ACCEPT",
            "-P INPUT DROP",
        ];
        for rule in rules {
            let set = world.command(iptables).args(rule.split(' ')).output().expect(iptables);
            assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
        }
        let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50999\"");
        let line = about(&said, "firewall", "no rule accepts port 50000-50999");
        assert!(line.contains("firewall-cmd --permanent --add-port=50000-50999/tcp"), "{save}: {line}");
        assert!(!said.contains("accepts port 21,"), "{said}");
        let (_, said) = ask_about(&world, "data.passive-ports = \"50000-50499\"\nlisten.max-sessions = 100");
        assert!(about(&said, "firewall", "lets clients through").starts_with("ok"), "{save}: {said}");
    }
}

fn says_whose_shell_is_not_listed() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    let (_, said) = ask_about(&world, "");
    let line = about(&said, "shells", "1 cannot log in");
    assert!(line.contains("carol (/usr/sbin/nologin)") && line.contains("require-valid-shell"), "{line}");
}

fn looks_at_certificates_and_the_rights_of_keys() {
    let world = World::new();
    let good = certificate(&world, "ftp.example");
    let settings = format!("tls.certificates = [{good:?}]");
    let (_, said) = ask_about(&world, &settings);
    assert!(about(&said, "certificate", "ftp.example.pem: 36").starts_with("ok"), "{said}");
    fs::set_permissions(&good, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("mode");
    let (_, said) = ask_about(&world, &settings);
    let line = about(&said, "configuration", "every user of the machine can read the key");
    assert!(line.starts_with("warning") && line.contains("ftp.example.pem"), "{line}");
    let short = world.own_directory("etc").join("short.pem");
    run(&world, DAEMON, &["cert", "self-signed", "--days", "3", short.to_str().expect("name")]);
    let (_, said) = ask_about(&world, &format!("tls.certificates = [{short:?}]"));
    assert!(about(&said, "certificate", "short.pem: ").starts_with("warning"), "{said}");
    let (well, said) = ask_about(&world, "tls.certificates = [\"/nowhere/cert.pem\"]");
    assert!(!well && about(&said, "configuration", "/nowhere/cert.pem").starts_with("error"), "{said}");
    let (_, said) = ask_about(&world, "");
    assert!(about(&said, "certificate", "there is none").starts_with("note"), "{said}");
}

fn holds_the_unit_against_the_configuration() {
    let world = World::new();
    world.write("/run/systemd/system/x", "");
    // What systemd would tell of the unit.
    let told = "case $* in\n*LoadState*) echo loaded;;\n*ActiveState*) echo active;;\n*NRestarts*) echo 2;;\n\
                *PrivateTmp*) echo yes;;\n*CapabilityBoundingSet*) echo cap_setuid cap_kill;;\n*TasksMax*) echo 100;;\n\
                *LimitNOFILE*) echo 524288;;\nesac\n";
    let directory = world.own_directory("programs");
    world.write(directory.join("systemctl"), format!("#!/bin/sh\n{told}"));
    fs::set_permissions(directory.join("systemctl"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let path = world.own_directory("etc").join("doctor.toml");
    world.write(&path, "session.root-dir = \"real\"\n[rule.incoming]\npaths = [\"/in\"]\nowner = \"bob\"\n");
    let mut command = world.command(DAEMON);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", directory.display()));
    let output = command.args(["doctor", "--config"]).arg(&path).output().expect("doctor");
    let said = String::from_utf8(output.stdout).expect("text");
    for (text, mark) in [
        ("runs", "ok"),
        ("was started anew 2 times", "warning"),
        ("PrivateTmp=no", "warning"),
        ("CapabilityBoundingSet=CAP_CHOWN", "warning"),
        ("max-sessions needs TasksMax=1600, and the unit has 100", "warning"),
    ] {
        assert!(about(&said, "service", text).starts_with(mark), "{text}: {said}");
    }
    assert!(!said.contains("LimitNOFILE"), "{said}");
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
