//! What lies in the repository and is used as it is: `make run` serves with it.

use std::net::SocketAddr;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    make_run_serves_the_accounts_of_the_machine
    the_pam_service_works_where_it_is_installed
}

/// The files themselves may be out of sight in a world.
const CONFIGURATION: &str = include_str!("../../etc/ftpd.toml");
const PAM_SERVICE: &str = include_str!("../../etc/pam.d/ftpd");

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
