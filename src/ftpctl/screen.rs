//! The terminal, taken over and given back: whatever ends the program, it is left as it was found.

use std::cell::OnceCell;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use unicode_width::UnicodeWidthStr;

use crate::system::poll::{PollFlags, wait};

/// Another screen, so that what was on the terminal is there again afterwards; no cursor (xterm, and all that follow it).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

thread_local! {
    /// What the terminal was set to, also for who panics.
    static BEFORE: OnceCell<Termios> = const { OnceCell::new() };
}

/// What was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Letter(char),
    Up,
    Down,
    /// The terminal has another size.
    Resized,
    /// Somebody wants the program to end: Ctrl-C, a signal, a terminal that is gone.
    End,
    /// Nothing, until the time was over.
    Nothing,
}

/// The terminal, as long as this value lives.
pub struct Screen {
    ended: Arc<AtomicBool>,
    resized: Arc<AtomicBool>,
}

impl Screen {
    /// Takes it over: keys come one by one, and are not shown.
    pub fn take() -> io::Result<Screen> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other("standard input and output are none"));
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = BEFORE.with(|kept| kept.get_or_init(|| before).clone());
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        // Nobody would give the terminal back while the program is stopped.
        raw.control_chars[SpecialCharacterIndices::VSUSP as usize] = libc::_POSIX_VDISABLE;
        let screen = Screen { ended: Arc::default(), resized: Arc::default() };
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&screen.ended))?;
        }
        signal_hook::flag::register(SIGWINCH, Arc::clone(&screen.resized))?;
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        print!("{ENTER}");
        io::stdout().flush()?;
        Ok(screen)
    }

    /// Columns and lines.
    pub fn size(&self) -> (usize, usize) {
        terminal_size::terminal_size_of(io::stdout())
            .map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)))
    }

    /// Shows these lines from the top.
    pub fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (number, line) in lines.iter().enumerate() {
            let end = if number + 1 < lines.len() { "\x1b[K\r\n" } else { "\x1b[K" };
            text.push_str(line);
            text.push_str(end);
        }
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    }

    /// A line that stands out.
    pub fn bold(&self, line: &str) -> String {
        format!("\x1b[1m{line}\x1b[0m")
    }

    /// A line that is marked, as wide as the terminal.
    pub fn reversed(&self, line: &str, width: usize) -> String {
        let blank = " ".repeat(width.saturating_sub(line.width()));
        format!("\x1b[7m{line}{blank}\x1b[0m")
    }

    /// Waits for a key, until then.
    pub fn key(&self, until: Instant) -> Key {
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Key::End;
            }
            if self.resized.swap(false, Ordering::Relaxed) {
                return Key::Resized;
            }
            // A signal does not end the wait itself, so it is looked for now and then.
            let soon = Instant::now() + std::time::Duration::from_millis(100);
            match wait([(io::stdin().as_fd(), PollFlags::POLLIN)], Some(until.min(soon))) {
                Ok([ready]) if !ready.is_empty() => return read_key(),
                Ok(_) if Instant::now() >= until => return Key::Nothing,
                Ok(_) => {}
                Err(_) => return Key::End,
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    BEFORE.with(|kept| {
        if let Some(before) = kept.get() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    });
    print!("{LEAVE}");
    let _ = io::stdout().flush();
}

fn read_key() -> Key {
    let mut bytes = [0; 16];
    // One call: what a key sends comes in one piece.
    let Ok(length @ 1..) = io::stdin().lock().read(&mut bytes) else { return Key::End };
    match &bytes[..length] {
        b"\x1b[A" | b"\x1bOA" => Key::Up,
        b"\x1b[B" | b"\x1bOB" => Key::Down,
        [letter, ..] if letter.is_ascii_graphic() => Key::Letter(char::from(*letter)),
        _ => Key::Letter(' '),
    }
}
