//! Who gets in, and what those who do not are told.

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    logs_in_with_the_system_password
}

fn logs_in_with_the_system_password() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wonderland", 230);
}
