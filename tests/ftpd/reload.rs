//! SIGHUP: a new configuration for new clients, if it is a good one.

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    new_clients_get_the_new_configuration
    clients_who_are_served_keep_the_old_one
    a_bad_configuration_changes_nothing
    a_missing_configuration_changes_nothing
    listens_where_the_new_configuration_says
    an_address_that_cannot_be_had_changes_nothing
    many_reloads_in_a_row_do_no_harm
}

const HELLO: &str = "server.banner = \"Hello.\"";
const GOOD_DAY: &str = "server.banner = \"Good day.\"";

/// Reloads and waits until that is done.
fn reload(server: &Server, outcome: &str) {
    let before = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(before, outcome);
}

fn greeting() -> String {
    Client::connect().expect(220).whole()
}

fn wait_for_greeting(text: &str) {
    wait_until("new clients are greeted with the new words", || greeting().contains(text).then_some(()));
}

fn new_clients_get_the_new_configuration() {
    let world = World::new();
    let server = Server::start(&world, HELLO);
    assert!(greeting().contains("Hello."));
    server.configure(GOOD_DAY);
    assert!(greeting().contains("Hello."), "the configuration is read without being asked to");
    server.signal(Signal::SIGHUP);
    wait_for_greeting("Good day.");
    // From now on, everybody: no spare worker of the old times is left.
    (0..10).for_each(|_| assert!(greeting().contains("Good day.")));
}

fn clients_who_are_served_keep_the_old_one() {
    let world = World::new();
    let server = Server::start(&world, "session.permissions = \"elradfmwMT\"");
    let mut served = Client::logged_in("alice");
    server.configure("session.permissions = \"el\"\nserver.banner = \"New.\"");
    server.signal(Signal::SIGHUP);
    wait_for_greeting("New.");
    served.transmit("STOR file", b"content");
    assert_eq!(served.receive_text("RETR file"), "content");
    let mut new = Client::logged_in("alice");
    let _data = new.passive();
    new.command("RETR file", 550);
}

fn a_bad_configuration_changes_nothing() {
    let world = World::new();
    let server = Server::start(&world, HELLO);
    let mut served = Client::logged_in("alice");
    for bad in ["listen.max-sesions = 3", "session.umask = \"999\"", "this is not TOML", "login.max-failures = \"three\""] {
        server.configure_exactly(&format!("{GOOD_DAY}\n{bad}\n"));
        reload(&server, "ftpd.toml");
        assert!(greeting().contains("Hello."), "after {bad}");
    }
    served.command("PWD", 257);
    server.configure(GOOD_DAY);
    server.signal(Signal::SIGHUP);
    wait_for_greeting("Good day.");
}

fn a_missing_configuration_changes_nothing() {
    let world = World::new();
    let server = Server::start(&world, HELLO);
    std::fs::remove_file("/run/world/etc/ftpd.toml").expect("removed");
    reload(&server, "ftpd.toml");
    assert!(greeting().contains("Hello."));
}

fn listens_where_the_new_configuration_says() {
    let world = World::new();
    let server = Server::start(&world, "listen.addresses = [\"127.0.0.1:21\"]");
    let mut served = Client::logged_in("alice");
    server.configure("listen.addresses = [\"127.0.0.1:2121\", \"[::1]:2121\"]");
    server.signal(Signal::SIGHUP);
    for address in ["127.0.0.1:2121", "[::1]:2121"] {
        let address = address.parse().expect("address");
        wait_until("the new address is served", || std::net::TcpStream::connect(address).ok());
        Client::connect_to(address).expect(220);
    }
    wait_until("the old address is not served any more", || {
        std::net::TcpStream::connect("127.0.0.1:21").is_err().then_some(())
    });
    served.command("PWD", 257);
}

fn an_address_that_cannot_be_had_changes_nothing() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:2121").expect("listener");
    let server = Server::start(&world, "listen.addresses = [\"127.0.0.1:21\"]");
    server.configure("listen.addresses = [\"127.0.0.1:21\", \"127.0.0.1:2121\"]");
    reload(&server, "127.0.0.1:2121");
    Client::logged_in("alice");
    drop(taken);
}

fn many_reloads_in_a_row_do_no_harm() {
    let world = World::new();
    let server = Server::start(&world, HELLO);
    let mut served = Client::logged_in("alice");
    for _ in 0..50 {
        server.signal(Signal::SIGHUP);
        served.command("NOOP", 200);
    }
    server.configure(GOOD_DAY);
    server.signal(Signal::SIGHUP);
    wait_for_greeting("Good day.");
    Client::logged_in("alice");
}
