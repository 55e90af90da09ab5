//! Virtual hosts: by the address of the connection, and by HOST (RFC 7151).

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_client_gets_the_host_of_the_address_it_connects_to
    a_client_gets_the_host_of_the_port_it_connects_to
    host_chooses_and_the_last_one_counts
    host_is_answered_with_the_codes_of_its_rfc
    an_address_names_who_serves_there
    a_host_with_addresses_is_not_chosen_from_elsewhere
    without_hosts_there_is_no_host
    features_tell_whether_there_are_hosts
    host_comes_before_user_and_after_a_failed_login_again
    logging_out_forgets_the_host
    a_host_lets_in_only_whom_it_allows
    options_of_a_host_stand_between_those_of_all_and_those_of_a_user
    anonymous_clients_of_a_host_have_a_root_of_their_own
    a_host_has_a_limit_of_its_own
    a_slot_of_a_host_is_free_again_after_logging_out
    hosts_come_and_go_with_a_reload
}

const HOSTS: &str = r#"
    server.banner = "the server"
    host."ftp.example.org".names = ["mirror.example.org"]
    host."ftp.example.org".banner = "the mirror, %l"
    host.two.addresses = ["127.0.0.2"]
    host.two.banner = "the second"
"#;

fn at(last: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), 21).into()
}

/// A client, and what it was greeted with.
fn greeted_at(server: SocketAddr) -> (Client, String) {
    let mut client = Client::connect_to(server);
    let greeting = client.expect(220).whole();
    (client, greeting)
}

/// The code that a password is answered with.
fn attempt(client: &mut Client, user: &str) -> u16 {
    client.command(&format!("USER {user}"), 331);
    client.send(&format!("PASS {PASSWORD}"));
    client.read_reply().code
}

fn a_client_gets_the_host_of_the_address_it_connects_to() {
    let world = World::new();
    let _server = Server::start(&world, HOSTS);
    assert_eq!(greeted_at(at(1)).1, "220 the server\n");
    assert_eq!(greeted_at(at(2)).1, "220 the second\n");
    assert_eq!(greeted_at((Ipv6Addr::LOCALHOST, 21).into()).1, "220 the server\n");
}

fn a_client_gets_the_host_of_the_port_it_connects_to() {
    let world = World::new();
    let settings = "listen.addresses = [\"[::]:21\", \"[::]:2121\"]\nhost.a.addresses = [\"[::]:2121\"]\n\
                    host.a.banner = \"another port\"\n";
    let _server = Server::start(&world, settings);
    assert_eq!(greeted_at((Ipv4Addr::LOCALHOST, 2121).into()).1, "220 another port\n");
    assert_eq!(greeted_at((Ipv6Addr::LOCALHOST, 2121).into()).1, "220 another port\n");
    assert_ne!(greeted_at(at(1)).1, "220 another port\n");
}

fn host_chooses_and_the_last_one_counts() {
    let world = World::new();
    let server = Server::start(&world, HOSTS);
    let (mut client, _) = greeted_at(at(2));
    for name in ["ftp.example.org", "FTP.Example.ORG.", "mirror.example.org"] {
        assert_eq!(client.command(&format!("HOST {name}"), 220).text(), "the mirror, ftp.example.org");
        assert_eq!(client.command("HOST two", 220).text(), "the second");
    }
    // What is not there changes nothing.
    client.command("HOST elsewhere", 504);
    client.log_in("alice");
    server.wait_for_log("\"alice\" logged in at two");
}

fn host_is_answered_with_the_codes_of_its_rfc() {
    let world = World::new();
    let _server = Server::start(&world, HOSTS);
    let mut client = Client::greeted();
    for bad in ["HOST", "HOST ", "HOST a b", "HOST ftp.example.org:21", "HOST ::1", "HOST [::1", "HOST a..b"] {
        client.command(bad, 501);
    }
    for unknown in ["HOST www.example.org", "HOST 192.0.2.1", "HOST [2001:db8::1]"] {
        client.command(unknown, 504);
    }
    client.command("HOST ftp.example.org", 220);
    client.log_in("alice");
    client.command("HOST ftp.example.org", 503);
    client.command("PWD", 257);
}

fn an_address_names_who_serves_there() {
    let world = World::new();
    let _server = Server::start(&world, HOSTS);
    let (mut client, _) = greeted_at((Ipv6Addr::LOCALHOST, 21).into());
    client.command("HOST ftp.example.org", 220);
    assert_eq!(client.command("HOST [::1]", 220).text(), "the server");
    let (mut client, _) = greeted_at(at(2));
    client.command("HOST ftp.example.org", 220);
    assert_eq!(client.command("HOST 127.0.0.2", 220).text(), "the second");
    client.command("HOST 127.0.0.1", 504);
}

fn a_host_with_addresses_is_not_chosen_from_elsewhere() {
    let world = World::new();
    let _server = Server::start(&world, HOSTS);
    Client::greeted().command("HOST two", 504);
}

fn without_hosts_there_is_no_host() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("HOST ftp.example.org", 502);
    client.log_in("alice");
    client.command("HOST ftp.example.org", 503);
}

fn features_tell_whether_there_are_hosts() {
    let world = World::new();
    let tells = |client: &mut Client| client.command("FEAT", 211).lines.iter().any(|line| line == " HOST");
    let server = Server::start(&world, HOSTS);
    let mut client = Client::greeted();
    assert!(tells(&mut client));
    client.log_in("alice");
    assert!(tells(&mut client));
    server.configure("");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    let mut client = Client::greeted();
    assert!(!tells(&mut client));
    client.log_in("alice");
    assert!(!tells(&mut client));
}

fn host_comes_before_user_and_after_a_failed_login_again() {
    let world = World::new();
    let server = Server::start(&world, HOSTS);
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("HOST ftp.example.org", 503);
    client.command("PASS wrong", 530);
    client.command("HOST ftp.example.org", 220);
    client.log_in("alice");
    server.wait_for_log("\"alice\" logged in at ftp.example.org");
}

fn logging_out_forgets_the_host() {
    let world = World::new();
    let server = Server::start(&world, HOSTS);
    let (mut client, _) = greeted_at(at(2));
    client.command("HOST ftp.example.org", 220);
    assert_eq!(client.command("REIN", 220).text(), "the second");
    client.command("HOST ftp.example.org", 220);
    client.log_in("alice");
    assert_eq!(client.command("REIN", 220).text(), "the second");
    client.log_in("bob");
    server.wait_for_log("\"bob\" logged in at two");
}

fn a_host_lets_in_only_whom_it_allows() {
    let world = World::new();
    let settings = format!("{HOSTS}host.two.allow-groups = [\"staff\"]\nlogin.reject-users = [\"carol\"]\n");
    world.add(crate::accounts::Account::new("carol", 2003));
    world.group("more", 3002, &["carol"]);
    let server = Server::start(&world, &settings);
    assert_eq!(attempt(&mut greeted_at(at(2)).0, "alice"), 230);
    assert_eq!(attempt(&mut greeted_at(at(2)).0, "bob"), 530);
    server.wait_for_log("neither allow-users nor allow-groups has him");
    assert_eq!(attempt(&mut greeted_at(at(1)).0, "bob"), 230);
    assert_eq!(attempt(&mut greeted_at(at(2)).0, "carol"), 530);
}

fn options_of_a_host_stand_between_those_of_all_and_those_of_a_user() {
    let world = World::new();
    world.write("/srv/two/here.txt", "here");
    let settings = format!(
        "{HOSTS}host.two.root-dir = \"/srv/two\"\nhost.two.permissions = \"elr\"\n\
         group.staff.permissions = \"elrm\"\nuser.bob.root-dir = \"home\"\n"
    );
    let _server = Server::start(&world, &settings);
    let (mut alice, _) = greeted_at(at(2));
    alice.log_in("alice");
    assert_eq!(alice.receive_text("NLST").trim(), "here.txt");
    // The letter is hers, the directory is not.
    alice.command("MKD new", 550);
    let (mut bob, _) = greeted_at(at(2));
    bob.log_in("bob");
    assert_eq!(bob.receive_text("NLST"), "");
    bob.command("MKD new", 550);
    let mut elsewhere = Client::greeted();
    elsewhere.log_in("bob");
    elsewhere.command("MKD new", 257);
}

fn anonymous_clients_of_a_host_have_a_root_of_their_own() {
    let world = World::new();
    world.write("/srv/mirror/list.txt", "list");
    let settings = format!(
        "{HOSTS}host.\"ftp.example.org\".anonymous = true\n\
         host.\"ftp.example.org\".anonymous-root-dir = \"/srv/mirror\"\n"
    );
    let _server = Server::start(&world, &settings);
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "anonymous"), 530);
    client.command("HOST ftp.example.org", 220);
    assert_eq!(attempt(&mut client, "anonymous"), 230);
    assert_eq!(client.receive_text("NLST").trim(), "list.txt");
}

fn a_host_has_a_limit_of_its_own() {
    let world = World::new();
    let server = Server::start(&world, &format!("{HOSTS}host.two.max-sessions = 1\n"));
    let (mut first, _) = greeted_at(at(2));
    first.log_in("alice");
    let (mut second, _) = greeted_at(at(2));
    assert_eq!(attempt(&mut second, "bob"), 530);
    server.wait_for_log("max-sessions of the virtual host is reached");
    assert_eq!(attempt(&mut greeted_at(at(1)).0, "bob"), 230);
    first.command("QUIT", 221);
    wait_until("the slot is free", || (attempt(&mut greeted_at(at(2)).0, "bob") == 230).then_some(()));
}

fn a_slot_of_a_host_is_free_again_after_logging_out() {
    let world = World::new();
    let _server = Server::start(&world, &format!("{HOSTS}host.two.max-sessions = 1\n"));
    let (mut client, _) = greeted_at(at(2));
    client.log_in("alice");
    client.command("REIN", 220);
    wait_until("the slot is free", || (attempt(&mut greeted_at(at(2)).0, "bob") == 230).then_some(()));
}

fn hosts_come_and_go_with_a_reload() {
    let world = World::new();
    world.write("/etc/ftpd-banner", "from a file");
    fs::set_permissions("/etc/ftpd-banner", Permissions::from_mode(0o600)).expect("mode");
    let server = Server::start(&world, "");
    server.configure("host.two.addresses = [\"127.0.0.2\"]\nhost.two.banner-file = \"/etc/ftpd-banner\"");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    assert_eq!(greeted_at(at(2)).1, "220 from a file\n");
    let lines = server.log_length();
    server.configure("host.two.addresses = [\"127.0.0.2\"]\nhost.three.addresses = [\"127.0.0.2\"]");
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "127.0.0.2 is also that of [host.three]");
    assert_eq!(greeted_at(at(2)).1, "220 from a file\n");
}
