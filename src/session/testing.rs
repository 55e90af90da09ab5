//! A directory of its own for each test that needs files, and names for users and groups.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::authorize::Powers;
use super::files::Files;
use super::names::{Ask, Names};
use crate::config::{Config, Rules, Spot, Visitor};
use crate::protocol::path::FtpPath;

/// Removed with all that is in it when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ftpd-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The directory as the root of a client with these letters.
    pub fn files(&self, letters: &str) -> Files {
        let root = std::fs::File::open(&self.0).unwrap().into();
        let descriptors = std::fs::File::open("/proc/self/fd").unwrap().into();
        Files::new(root, powers(letters), Some(descriptors))
    }

    /// The same with rules, written as in the configuration.
    pub fn ruled(&self, letters: &str, rules: &str) -> Files {
        let root = std::fs::File::open(&self.0).unwrap().into();
        let config = Config::parse("f".as_ref(), rules).unwrap_or_else(|error| panic!("{error}"));
        let visitor = Visitor {
            user: "alice",
            groups: &[],
            anonymous: false,
            host: None,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        let rules = config.rules_for(&visitor, b"/");
        Files::new(root, Powers::new(letters.parse().unwrap(), Spot::default(), rules), None)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    pub fn make_directory(&self, name: &str) {
        std::fs::create_dir_all(self.0.join(name)).unwrap();
    }

    pub fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target, self.0.join(name)).unwrap();
    }

    pub fn set_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.0.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o7777
    }

    /// The names in the directory, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn fifo(&self, name: &str) {
        nix::unistd::mkfifo(&self.0.join(name), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What somebody may do who has these letters.
pub(super) fn powers(letters: &str) -> Powers {
    Powers::new(letters.parse().unwrap(), Spot::default(), Rules::default())
}

/// A path from the root.
pub(super) fn path(text: &str) -> FtpPath {
    FtpPath::root().join(text.as_bytes()).unwrap()
}

/// Everybody is called `someone`, every group `somegroup`.
pub(super) fn names() -> Names {
    struct Known;

    impl Ask for Known {
        fn user(&mut self, _uid: u32) -> Option<String> {
            Some("someone".into())
        }

        fn group(&mut self, _gid: u32) -> Option<String> {
            Some("somegroup".into())
        }
    }

    Names::new(Box::new(Known))
}
