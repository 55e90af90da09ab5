//! A users file that is being changed: locked against others who change it, and replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use toml_edit::{DocumentMut, Item, Value};

use crate::config::users::UsersText;

/// How long somebody else who changes the file is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether he has done.
const LOOK: Duration = Duration::from_millis(50);
/// The largest file that is read, in bytes; the daemon reads no larger one either.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The file, as long as nobody else can change it with these commands.
pub struct Edited {
    path: PathBuf,
    lock: Flock<File>,
    /// It was not there before, and goes away again if nothing comes of it.
    is_new: bool,
    before: String,
    /// What is to stand in it.
    pub document: DocumentMut,
}

impl Edited {
    /// Opens and locks a file. `may_make`: it need not be there.
    pub fn open(path: &Path, may_make: bool) -> Result<Edited, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        // A link stays a link: what it leads to is replaced.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => path.to_path_buf(),
            Err(error) => return Err(failed(error)),
        };
        let (lock, is_new) = locked(&path, may_make)?;
        // From here on a file of ours goes away if something is wrong.
        let mut edited = Edited { path, lock, is_new, before: String::new(), document: DocumentMut::new() };
        edited.read()?;
        Ok(edited)
    }

    fn read(&mut self) -> Result<(), String> {
        let path = self.path.display().to_string();
        let found = self.lock.metadata().map_err(|error| format!("{path}: {error}"))?;
        if !found.is_file() {
            return Err(format!("{path}: is no file"));
        }
        if found.mode() & 0o027 != 0 {
            return Err(format!(
                "{path}: is open to others, who could read the hashes or change them; first: chmod 600 {path}"
            ));
        }
        if found.len() > MAX_FILE {
            return Err(format!("{path}: has more than {MAX_FILE} bytes"));
        }
        self.lock.read_to_string(&mut self.before).map_err(|error| format!("{path}: {error}"))?;
        UsersText::parse(Some(&self.path), &self.before).map_err(|error| error.to_string())?;
        self.document = self.before.parse().map_err(|error| format!("{path}: {error}"))?;
        unfold(&mut self.document);
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts what the document says in the place of the file.
    pub fn commit(mut self) -> Result<(), String> {
        let text = self.document.to_string();
        UsersText::parse(Some(&self.path), &text).map_err(|error| error.to_string())?;
        let path = self.path.clone();
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.path.with_file_name(format!(".{name}.{}", std::process::id()));
        let replaced = self.write(&temporary, &text).and_then(|()| {
            if !self.is_unchanged()? {
                return Err(io::Error::other("somebody has changed it meanwhile; nothing was written"));
            }
            fs::rename(&temporary, &self.path)
        });
        if let Err(error) = replaced {
            let _ = fs::remove_file(&temporary);
            return Err(failed(error));
        }
        self.is_new = false;
        // The name counts only when the directory is on the disk.
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// A file that only its owner can open until it has the owner and the mode of the one that it replaces.
    fn write(&self, temporary: &Path, text: &str) -> io::Result<()> {
        let before = self.lock.metadata()?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(text.as_bytes())?;
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
        file.sync_all()
    }

    /// An editor asks for no lock.
    fn is_unchanged(&mut self) -> io::Result<bool> {
        let mut now = String::new();
        File::open(&self.path)?.take(MAX_FILE + 1).read_to_string(&mut now)?;
        Ok(now == self.before)
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Entries may be written in one line, as in `bob = { … }`. They become sections, with the comments in front of them.
fn unfold(document: &mut DocumentMut) {
    let names: Vec<String> = document
        .iter()
        .filter(|(_, item)| item.is_inline_table())
        .map(|(name, _)| name.to_string())
        .collect();
    for name in names {
        let comments =
            document.key(&name).and_then(|key| key.leaf_decor().prefix()?.as_str()).map(String::from);
        if let Some(Item::Value(Value::InlineTable(entry))) = document.remove(&name) {
            let mut table = entry.into_table();
            table
                .decor_mut()
                .set_prefix(format!("\n{}", comments.unwrap_or_default().trim_start_matches('\n')));
            document.insert(&name, Item::Table(table));
        }
    }
}

/// The file, locked, and whether it was made for this.
fn locked(path: &Path, may_make: bool) -> Result<(Flock<File>, bool), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let until = Instant::now() + PATIENCE;
    loop {
        let (mut file, is_new) = open(path, may_make).map_err(failed)?;
        let lock = loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((returned, nix::errno::Errno::EWOULDBLOCK)) if Instant::now() < until => {
                    file = returned;
                    std::thread::sleep(LOOK);
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                    return Err(format!("{}: somebody else is changing it", path.display()));
                }
                Err((_, error)) => return Err(failed(error.into())),
            }
        };
        // Who had the lock before may have put another file in the place of this one.
        let is_same = |found: fs::Metadata| -> io::Result<bool> {
            let ours = lock.metadata()?;
            Ok((ours.dev(), ours.ino()) == (found.dev(), found.ino()))
        };
        match fs::symlink_metadata(path).and_then(is_same) {
            Ok(true) => return Ok((lock, is_new)),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn open(path: &Path, may_make: bool) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => {
            match options.create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(path, false),
                made => made.map(|file| (file, true)),
            }
        }
        opened => opened.map(|file| (file, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_in_one_line_becomes_a_section() {
        let mut document: DocumentMut =
            "# Bob.\nbob = { uid = 7, home = \"/srv\" }\n[anne]\nuid = 8\n".parse().unwrap();
        unfold(&mut document);
        let text = document.to_string();
        assert!(text.contains("# Bob.\n[bob]\nuid = 7\nhome = \"/srv\"\n"), "{text}");
        assert!(text.contains("[anne]\nuid = 8\n"), "{text}");
        assert!(document["bob"].is_table());
    }
}
