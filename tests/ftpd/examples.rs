//! The example configurations, on machines as they say they are for: nothing of them is complained of, and clients get
//! what they promise.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::accounts::{Account, PASSWORD};
use crate::client::{Client, connect_from, patient, reset};
use crate::events;
use crate::network::add_address;
use crate::server::{Server, wait_until};
use crate::virtual_users::hash;
use crate::world::{DAEMON, World};

tests! {
    accounts_of_the_machine
    several_sites
    a_mirror
    a_box_for_cameras
    behind_a_router
    behind_a_proxy
    programs_for_what_happens
}

/// Starts the daemon with exactly this configuration, of which `ftpd check` has nothing to say.
fn started(world: &World, example: &str) -> Server {
    world.write("/etc/ftpd/ftpd.toml", example);
    let checked = world.command(DAEMON).arg("check").output().expect("ftpd check");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    assert_eq!(said, "/etc/ftpd/ftpd.toml: ok\n");
    let mut command = world.command(DAEMON);
    command.args(["serve", "--log", "stderr"]);
    let server = Server::run(command, "/etc/ftpd/ftpd.toml".into());
    server.wait_for_log("listening on");
    server
}

fn refused(user: &str) {
    let mut client = Client::greeted();
    client.command(&format!("USER {user}"), 331);
    client.command(&format!("PASS {PASSWORD}"), 530);
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).expect("status").permissions().mode() & 0o7777
}

fn accounts_of_the_machine() {
    let world = World::new();
    world.group("users", 3100, &["bob"]);
    world.add(Account::new("carol", 2003));
    let _server = started(&world, include_str!("../../docs/examples/accounts.toml"));
    let mut bob = Client::logged_in("bob");
    assert!(bob.command("PWD", 257).text().starts_with("\"/\""));
    bob.transmit("STOR new", b"content");
    assert_eq!(mode("/home/bob/new"), 0o640);
    // Of the staff.
    let mut alice = Client::logged_in("alice");
    assert!(alice.command("PWD", 257).text().starts_with("\"/home/alice\""));
    alice.command("CWD /etc", 250);
    refused("carol");
}

fn several_sites() {
    let world = World::new();
    let secret = hash(&world, PASSWORD);
    for (file, user) in [("users.toml", "oscar"), ("users.example.org.toml", "olga"), ("users.example.net.toml", "nora")] {
        let path = format!("/etc/ftpd/{file}");
        world.write(&path, format!("[{user}]\npassword = '{secret}'\naccount = \"alice\"\nroot-dir = \"/srv/%u\"\n"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode of the users file");
        let root = format!("/srv/{user}");
        fs::create_dir_all(&root).expect("root directory");
        chown(root, Some(2001), Some(2001)).expect("its owner");
    }
    let address = Ipv4Addr::new(192, 0, 2, 2);
    add_address(address);
    add_address("2001:db8::2".parse::<std::net::Ipv6Addr>().expect("address"));
    let _server = started(&world, include_str!("../../docs/examples/hosting.toml"));
    let mut olga = Client::greeted();
    assert!(olga.command("HOST ftp.example.org", 220).whole().contains("The files of example.org."));
    olga.log_in("olga");
    olga.command("TYPE I", 200);
    olga.transmit("STOR page.html", b"content");
    let status = fs::metadata("/srv/olga/page.html").expect("stored");
    assert_eq!((status.uid(), mode("/srv/olga/page.html")), (2001, 0o644));
    let mut nora = Client::connect_to((address, 21).into());
    assert!(nora.expect(220).whole().contains("The files of example.net."));
    nora.log_in("nora");
    // She is unknown where she does not belong.
    refused("nora");
}

fn a_mirror() {
    let world = World::new();
    let _server = started(&world, include_str!("../../docs/examples/mirror.toml"));
    let mut client = Client::connect();
    assert!(client.expect(220).whole().contains("A mirror of free software."));
    client.command("USER anonymous", 331);
    client.command("PASS guest@example.org", 230);
    client.command("TYPE I", 200);
    assert_eq!(client.receive_text("RETR welcome.txt"), "Welcome.\n");
    assert!((40000..50000).contains(&client.passive_address().port()));
    client.command("STOR new", 550);
    refused("alice");
}

fn a_box_for_cameras() {
    let world = World::new();
    world.add(Account::new("camera", 2003).shell("/usr/sbin/nologin"));
    world.group("cameras", 3100, &["camera"]);
    world.group("viewers", 3101, &["bob"]);
    fs::create_dir_all("/srv/cameras").expect("the box");
    chown("/srv/cameras", None, Some(3101)).expect("its group");
    fs::set_permissions("/srv/cameras", Permissions::from_mode(0o2773)).expect("its mode");
    let _server = started(&world, include_str!("../../docs/examples/cameras.toml"));
    let mut camera = Client::logged_in("camera");
    camera.command("MKD today", 257);
    camera.transmit("STOR today/picture.jpg", b"picture");
    camera.command("NLST", 550);
    camera.command("RETR today/picture.jpg", 550);
    camera.command("DELE today/picture.jpg", 550);
    let mut bob = Client::logged_in("bob");
    assert_eq!(bob.receive_text("RETR today/picture.jpg"), "picture");
    bob.command("DELE today/picture.jpg", 250);
    bob.command("STOR more", 550);
    refused("alice");
}

/// The address in the reply to PASV.
fn told(client: &mut Client) -> String {
    let reply = client.command("PASV", 227);
    let numbers = reply.text().split(['(', ')']).nth(1).expect("numbers");
    numbers.split(',').take(4).collect::<Vec<_>>().join(".")
}

/// A passive data connection from this address of ours.
fn data_from(own: IpAddr, client: &mut Client) -> TcpStream {
    let address = client.passive_address();
    patient(connect_from(SocketAddr::new(own, 0), address).expect("data connection"))
}

fn behind_a_router() {
    let world = World::new();
    world.write("/etc/hosts", "127.0.0.1 localhost\n203.0.113.9 ftp.example.org\n");
    for address in [Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 1)] {
        add_address(address);
    }
    let server = started(&world, include_str!("../../docs/examples/router.toml"));
    server.wait_for_log("203.0.113.9");
    let here = SocketAddr::from(([10, 0, 0, 1], 21));
    let mut outside = Client::connect_from(IpAddr::from([198, 51, 100, 7]), here);
    outside.expect(220);
    outside.log_in("alice");
    assert_eq!(told(&mut outside), "203.0.113.9");
    let mut data = data_from([198, 51, 100, 7].into(), &mut outside);
    assert!((50000..50100).contains(&data.peer_addr().expect("port").port()));
    outside.command("STOR new", 150);
    data.write_all(b"content").expect("data");
    drop(data);
    outside.expect(226);
    outside.command("PORT 198,51,100,7,200,1", 502);
    let mut inside = Client::connect_from(IpAddr::from([10, 0, 0, 7]), here);
    inside.expect(220);
    inside.log_in("alice");
    assert_eq!(told(&mut inside), "10.0.0.1");
}

fn behind_a_proxy() {
    let world = World::new();
    world.give("alice", "file", "content");
    let proxy = Ipv4Addr::new(192, 0, 2, 10);
    add_address(proxy);
    let server = started(&world, include_str!("../../docs/examples/proxy.toml"));
    // What HAProxy sends with send-proxy-v2: a client at 198.51.100.7, port 40000, of port 21.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([198, 51, 100, 7, 203, 0, 113, 7, 0x9c, 0x40, 0, 21]);
    let mut client = Client::connect_from(proxy.into(), ([127, 0, 0, 1], 21).into());
    client.send_bytes(&header);
    client.expect(220);
    client.log_in("alice");
    client.command("TYPE I", 200);
    assert!(server.wait_for_log("logged in").contains("198.51.100.7:40000"));
    assert_eq!(told(&mut client), "203.0.113.7");
    let mut data = data_from(proxy.into(), &mut client);
    data.write_all(&header).expect("header");
    client.command("RETR file", 150);
    let mut content = String::new();
    data.read_to_string(&mut content).expect("content");
    client.expect(226);
    assert_eq!(content, "content");
    // Nobody else is believed.
    let mut other = Client::connect();
    other.expect(421);
}

/// The programs are those that stand in the example.
fn programs_for_what_happens() {
    let world = World::new();
    world.add(Account::system("mail", 8, "/var/mail"));
    // /usr and /var/log are the host's.
    let example = include_str!("../../docs/examples/hooks.toml")
        .replace("/usr/local/lib/ftpd/", "/run/world/hooks/")
        .replace("/var/log/ftpd-events.json", events::LOG);
    let mut programs = 0;
    for about in example.split("\n[hook.").skip(1) {
        let path = about.split("program = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a program");
        let script = about.split_once("# #!/bin/sh\n").expect("a script").1;
        let lines = script.lines().map_while(|line| line.strip_prefix("# "));
        world.write(path, format!("#!/bin/sh\n{}\n", lines.collect::<Vec<_>>().join("\n")));
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("mode");
        programs += 1;
    }
    assert_eq!(programs, 6);
    world.write("/etc/ftpd/ftpd.toml", &example);
    let mut command = world.command(DAEMON);
    command.args(["serve", "--log", "stderr"]);
    let server = Server::run(command, "/etc/ftpd/ftpd.toml".into());
    server.wait_for_log("listening on");

    world.write("/etc/ftpd/closed", "Closed until noon.\nAsk Anne.\n");
    assert_eq!(Client::connect().expect(421).text(), "Closed until noon.");
    fs::remove_file("/etc/ftpd/closed").expect("file");

    world.give("alice", "old", "old");
    let mut client = Client::logged_in("alice");
    for name in ["old", "new"] {
        let mut data = client.passive();
        client.command(&format!("STOR {name}"), 150);
        data.write_all(b"content").expect("data");
        server.wait_until_written(7);
        reset(data);
        client.expect(426);
        events::wait_for("incomplete-file-received", if name == "old" { 1 } else { 2 });
    }
    wait_until("what came of the new file is gone", || (!fs::exists("/home/alice/new").expect("home")).then_some(()));
    wait_until("the programs have ended", || server.find("keeper").is_none().then_some(()));
    assert_eq!(fs::read_to_string("/home/alice/old").expect("file"), "old");

    let hour = world.command("date").arg("+%-H").output().expect("date").stdout;
    let hour: u32 = String::from_utf8_lossy(&hour).trim().parse().expect("an hour");
    if (8..18).contains(&hour) {
        client.command("DELE old", 250);
    } else {
        assert_eq!(client.command("DELE old", 550).text(), "Nothing is deleted at night.");
    }
}
