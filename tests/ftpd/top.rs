//! ftpctl top, in a terminal.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::control::{refused, told};
use crate::server::{Server, wait_until};
use crate::world::{CONTROL, World};

tests! {
    top_shows_sorts_and_sends_away
    top_leaves_the_terminal_as_it_was
    top_prints_tables_for_programs
}

/// ftpctl in a terminal of its own.
struct Terminal {
    master: std::fs::File,
    child: std::process::Child,
    seen: String,
}

impl Terminal {
    fn run(world: &World, arguments: &[&str]) -> Terminal {
        let pty = nix::pty::openpty(
            &nix::pty::Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 },
            None,
        )
        .expect("a terminal");
        let slave = || Stdio::from(pty.slave.try_clone().expect("terminal"));
        let mut command = world.command(CONTROL);
        command.args(arguments).stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().expect("ftpctl runs");
        nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("flag");
        Terminal { master: pty.master.into(), child, seen: String::new() }
    }

    /// Waits until the terminal has been sent this.
    fn wait_for(&mut self, text: &str) {
        wait_until(&format!("the terminal shows {text:?}"), || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = std::io::Read::read(&mut self.master, &mut buffer) {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            self.seen.contains(text).then_some(())
        });
    }

    fn press(&mut self, keys: &str) {
        self.seen.clear();
        std::io::Write::write_all(&mut self.master, keys.as_bytes()).expect("keys");
    }

    /// Whether what is typed is shown, as a shell expects it.
    fn echoes(&self) -> bool {
        use nix::sys::termios::{LocalFlags, tcgetattr};
        let flags = tcgetattr(&self.master).expect("terminal").local_flags;
        flags.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    fn wait_for_end(&mut self) -> std::process::ExitStatus {
        wait_until("ftpctl ends", || self.child.try_wait().expect("wait"))
    }
}

fn top_shows_sorts_and_sends_away() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    let mut bob = Client::logged_in("bob");
    let mut top = Terminal::run(&world, &["top"]);
    top.wait_for("bob");
    top.wait_for("2 of 512 clients, 2 logged in");
    let position = |seen: &str, name: &str| seen.rfind(name).expect("shown");
    top.press("u");
    top.wait_for("bob");
    assert!(position(&top.seen, "alice ") < position(&top.seen, "bob "));
    top.press("R");
    top.wait_for("alice");
    assert!(position(&top.seen, "bob ") < position(&top.seen, "alice "));
    // The first is bob.
    top.press("k");
    top.wait_for("Mark somebody");
    top.press("\x1b[B");
    top.wait_for("\x1b[7m");
    top.press("k");
    top.wait_for("Send away bob of 127.0.0.1");
    top.press("n");
    top.wait_for("Nobody is sent away");
    top.press("k");
    top.wait_for("Send away bob");
    top.press("y");
    top.wait_for("bob is sent away");
    bob.expect(421);
    alice.command("NOOP", 200);
    top.press("q");
    assert!(top.wait_for_end().success());
}

fn top_leaves_the_terminal_as_it_was() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    let _alice = Client::logged_in("alice");
    for how in ["q", "signal", "\x03", "the daemon ends"] {
        let mut top = Terminal::run(&world, &["top"]);
        top.wait_for("alice");
        assert!(!top.echoes());
        match how {
            "signal" => kill(Pid::from_raw(top.child.id() as i32), Signal::SIGTERM).expect("signal"),
            // The test is no session leader, so the terminal does not make a signal of it.
            "\x03" => kill(Pid::from_raw(top.child.id() as i32), Signal::SIGINT).expect("signal"),
            "the daemon ends" => {
                told(&world, &["stop", "--now"]);
                server.wait_for_end();
            }
            keys => top.press(keys),
        }
        top.wait_for("\x1b[?1049l");
        top.wait_for_end();
        assert!(top.echoes(), "after {how}");
    }
    assert_eq!(refused(&world, &["top"], 3).lines().count(), 1);
}

fn top_prints_tables_for_programs() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let _alice = Client::logged_in("alice");
    let text = told(&world, &["top", "--batch", "--count", "2", "--delay", "1"]);
    assert_eq!(text.matches("alice").count(), 2, "{text}");
    assert!(refused(&world, &["top"], 1).contains("--batch"));
}
