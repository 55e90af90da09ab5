//! Where a daemon hears ftpctl(8): the one option that another program reads.

use std::io;
use std::path::Path;

use toml::de::DeTable;

use super::{AbsolutePath, Control, value::Value};

/// `socket` in `[control]`. Whatever else is wrong with the file is not asked: a daemon whose configuration has gone bad
/// still has to be told things. An error means that the file cannot be read.
pub fn control_socket(path: &Path) -> io::Result<AbsolutePath> {
    let text = std::fs::read(path)?;
    Ok(socket_in(&String::from_utf8_lossy(&text)).unwrap_or_else(|| Control::default().socket))
}

fn socket_in(text: &str) -> Option<AbsolutePath> {
    // What stands above the section may be no TOML at all.
    let section = text.find("\n[control]").and_then(|at| text.get(at..));
    read(text).or_else(|| read(section?))
}

fn read(text: &str) -> Option<AbsolutePath> {
    let (document, _) = DeTable::parse_recoverable(text);
    let value = document.get_ref().get("control")?.get_ref().get("socket")?;
    AbsolutePath::read(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_whatever_else_is_wrong() {
        for text in [
            "[control]\nsocket = \"/run/a\"\n",
            "control.socket = \"/run/a\"",
            "nonsense\n[control]\nsocket = \"/run/a\"\n",
            "[listen]\nmax-sessions = \"many\"\nnonsense = \n[control]\nsocket = \"/run/a\"\n",
        ] {
            assert_eq!(socket_in(text).as_deref(), Some(Path::new("/run/a")), "{text}");
        }
        for text in ["", "control = 3", "[control]\nsocket = 3", "[control]\nsocket = \"run/a\"", "[[["] {
            assert_eq!(socket_in(text), None, "{text}");
        }
    }
}
