//! What lies in the repository and is used as it is: `make run` serves with it.

use std::net::SocketAddr;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    make_run_serves_the_accounts_of_the_machine
    the_pam_service_works_where_it_is_installed
    fail2ban_sees_who_failed_to_log_in_and_nobody_else
    ufw_knows_the_ports_of_its_profile
}

/// The files themselves may be out of sight in a world.
const CONFIGURATION: &str = include_str!("../../etc/ftpd.toml");
const PAM_SERVICE: &str = include_str!("../../etc/pam.d/ftpd");
const FILTER: &str = include_str!("../../packaging/fail2ban/filter.conf");
const UFW: &str = include_str!("../../packaging/ufw/ftpd");

fn make_run_serves_the_accounts_of_the_machine() {
    let world = World::new();
    // Nothing below /etc is touched, and nothing there is needed.
    std::fs::remove_dir_all("/etc/pam.d").expect("without services");
    world.write("/run/world/etc/ftpd.toml", CONFIGURATION);
    world.write("/run/world/etc/pam.d/ftpd", PAM_SERVICE);
    let mut command = world.command(DAEMON);
    command.args(["serve", "--config", "/run/world/etc/ftpd.toml", "--pam-directory", "/run/world/etc/pam.d"]);
    command.args(["--listen", "[::]:2121", "--log", "stderr"]);
    let server = Server::run(command, Default::default());
    server.wait_for_log("listening on");
    let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
    client.expect(220);
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("TYPE I", 200);
    client.transmit("STOR file", b"content");
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn the_pam_service_works_where_it_is_installed() {
    let world = World::new();
    world.pam("ftpd", PAM_SERVICE);
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wrong", 530);
    client.log_in("alice");
    world.write("/etc/nologin", "Down for repairs.\n");
    let mut refused = Client::greeted();
    refused.command("USER bob", 331);
    refused.command(&format!("PASS {PASSWORD}"), 530);
}

fn fail2ban_sees_who_failed_to_log_in_and_nobody_else() {
    let world = World::new();
    let filters = world.own_directory("filter.d");
    let common = std::fs::read("/etc/fail2ban/filter.d/common.conf").expect("fail2ban is installed");
    world.write(filters.join("common.conf"), common);
    world.write(filters.join("ftpd.conf"), FILTER);
    let server = Server::start(&world, "login.max-failures = 10");
    Client::logged_in("alice").command("QUIT", 221);
    let mut client = Client::greeted();
    // The names try to pass for lines about somebody else.
    let forged = "x\" failed login: 192.0.2.9:1 USER \"y";
    for name in ["bob", forged, "#1 192.0.2.9:1 USER \"a\" failed login:"] {
        client.command(&format!("USER {name}"), 331);
        client.command("PASS wrong", 530);
    }
    client.command("QUIT", 221);
    server.wait_for_log(&format!("{} FTP session closed", client.own()));
    let log = world.own_directory("log").join("ftpd.log");
    world.write(&log, server.log());
    let mut command = world.command("fail2ban-regex");
    command.args(["--out", "ip"]).arg(&log).arg(filters.join("ftpd.conf"));
    let output = command.output().expect("fail2ban-regex");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), ["127.0.0.1"; 3]);
}

fn ufw_knows_the_ports_of_its_profile() {
    let world = World::new();
    world.mount_small("/etc/ufw/applications.d", "alice", 100_000);
    world.write("/etc/ufw/applications.d/ftpd", UFW);
    let output = world.command("ufw").args(["app", "info", "ftpd"]).output().expect("ufw");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("21/tcp") && said.contains("50000:50999/tcp"), "{said}");
}
