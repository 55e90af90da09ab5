//! Passwords on the command line: read from standard input, or asked for at the terminal without being shown.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

use super::{print, refuse};
use crate::config::HashKind;
use crate::ipc::messages::Password;
use crate::users::hashes;

/// The longest line that is taken.
const MAX_LINE: usize = 1024;
/// What Ctrl-C and Ctrl-\ are while they end a line instead of the program.
const CONTROL_C: u8 = 0x03;
const CONTROL_BACKSLASH: u8 = 0x1c;

/// `ftpd hash-password`.
#[derive(Args, Debug)]
pub struct HashPassword {
    /// What to make the hash with: argon2id, yescrypt, scrypt, bcrypt, sha512-crypt or sha256-crypt
    #[arg(long, value_name = "KIND", default_value_t = HashKind::Argon2id)]
    kind: HashKind,
}

impl HashPassword {
    /// Prints the hash.
    pub fn run(self) -> ExitCode {
        match from_stdin().and_then(|password| hash(self.kind, &password)) {
            Ok(hash) => print(&format!("{hash}\n")),
            Err(reason) => refuse(&reason),
        }
    }
}

/// The hash of a password, as the users file has it.
pub fn hash(kind: HashKind, password: &Password) -> Result<String, String> {
    hashes::make(kind, password.as_bytes()).map_err(|failure| failure.to_string())
}

/// The first line of standard input.
pub fn from_stdin() -> Result<Password, String> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    line(&mut File::from(input)).map_err(|reason| format!("standard input: {reason}"))
}

/// A new password, asked for twice at the terminal.
pub fn ask_for_new(user: &str) -> Result<Password, String> {
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| "there is no terminal to ask at; use --password-stdin".to_string())?;
    let first = ask(&mut terminal, &format!("New password of {user}: "))?;
    if first.as_bytes().is_empty() {
        return Err("the password is empty".into());
    }
    let again = ask(&mut terminal, "The same again: ")?;
    if first != again {
        return Err("these are two passwords; nothing was changed".into());
    }
    Ok(first)
}

/// Asks for one line that is not shown.
fn ask(terminal: &mut File, prompt: &str) -> Result<Password, String> {
    let say = |terminal: &mut File, text: &str| {
        terminal.write_all(text.as_bytes()).map_err(|error| format!("the terminal: {error}"))
    };
    let hidden = Hidden::on(terminal)?;
    say(terminal, prompt)?;
    let password = line(terminal).map_err(|reason| format!("the terminal: {reason}"));
    say(terminal, "\n")?;
    drop(hidden);
    let password = password?;
    match password.as_bytes().last() {
        Some(&(CONTROL_C | CONTROL_BACKSLASH)) => Err("nothing was changed".into()),
        Some(_) | None => Ok(password),
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped. The keys that would end the program end the
/// line, so that nobody is left with a terminal that stays silent.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn on(terminal: &File) -> Result<Hidden, String> {
        let failed = |error: io::Error| format!("the terminal: {error}");
        let terminal = terminal.try_clone().map_err(failed)?;
        let before = tcgetattr(&terminal).map_err(|error| failed(error.into()))?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ISIG);
        silent.control_chars[SpecialCharacterIndices::VEOL as usize] = CONTROL_C;
        silent.control_chars[SpecialCharacterIndices::VEOL2 as usize] = CONTROL_BACKSLASH;
        // What was typed before the question is no answer to it.
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent).map_err(|error| failed(error.into()))?;
        Ok(Hidden { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

/// One line, without its end. Byte by byte into room that does not move: no copy is left behind in a buffer.
fn line(input: &mut File) -> Result<Password, String> {
    let mut line = Vec::with_capacity(MAX_LINE);
    let mut byte = [0];
    while input.read(&mut byte).map_err(|error| error.to_string())? == 1 && byte[0] != b'\n' {
        if line.len() == line.capacity() {
            return Err("the password is too long".into());
        }
        line.push(byte[0]);
        if [CONTROL_C, CONTROL_BACKSLASH].contains(&byte[0]) {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Password::new(line))
}
