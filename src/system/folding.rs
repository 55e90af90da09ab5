//! Directories in which a file answers to more than one spelling of its name: ext4 and tmpfs with casefold, vfat, exFAT, NTFS,
//! shares of SMB, whatever FUSE serves. Capital and small letters are the same there, and some have short names beside long ones.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use nix::sys::statfs::fstatfs;
use unicode_normalization::UnicodeNormalization;

use super::directory::Entries;
use super::status::{self, Look};

/// Types of file systems (statfs(2)) that do it everywhere: vfat, exFAT, NTFS, CIFS, SMB 2 and 3, HFS, HFS+.
const ALWAYS: &[u64] = &[0x4d44, 0x2011_bab0, 0x7366_746e, 0xff53_4d42, 0xfe53_4d42, 0x4244, 0x482b];
/// Those that do it in directories with a flag, and nowhere else: ext4, f2fs, tmpfs, bcachefs, btrfs.
const FLAGGED: &[u64] = &[0xef53, 0xf2f5_2010, 0x0102_1994, 0xca45_1a4e, 0x9123_683e];
/// FS_CASEFOLD_FL of linux/fs.h.
const CASEFOLD: libc::c_int = 0x4000_0000;
/// Names of a directory that are tried, where it has to be found out by trying.
const TRIED: usize = 32;

/// Whether letters are the same in this directory, whether large or small. `name` is one that may be in it. None: it cannot
/// be told.
pub fn folds(directory: BorrowedFd<'_>, name: &[u8]) -> Option<bool> {
    let kind =
        fstatfs(directory).map(|system| system.filesystem_type().0.cast_unsigned()).unwrap_or_default();
    if ALWAYS.contains(&kind) {
        return Some(true);
    }
    let readable = readable(directory);
    if FLAGGED.contains(&kind)
        && let Some(flags) = readable.as_ref().and_then(flags)
    {
        return Some(flags & CASEFOLD != 0);
    }
    same_in_other_letters(directory, name).or_else(|| {
        let mut entries = Entries::of(readable?);
        for _ in 0..TRIED {
            let (directory, entry) = entries.next().ok()??;
            if let Some(same) = same_in_other_letters(directory, entry.name.to_bytes()) {
                return Some(same);
            }
        }
        None
    })
}

/// How many of these names, which lead down from `root`, are in directories that tell letters apart.
pub fn exact_names(root: OwnedFd, names: &[&[u8]]) -> usize {
    let mut directory = root;
    for (at, name) in names.iter().enumerate() {
        if folds(directory.as_fd(), name).unwrap_or(true) {
            return at;
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match fcntl::openat(&directory, *name, flags, Mode::empty()) {
            Ok(next) => directory = next,
            Err(_) => break,
        }
    }
    usize::MAX
}

/// What the directory itself calls the file that it has under this name. None: it has none, or does not tell.
pub fn spelling(directory: BorrowedFd<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let meant = identity(directory, name)?;
    let mut entries = Entries::of(readable(directory)?);
    let (looked_for, mut same_file) = (folded(name), None);
    while let Ok(Some((directory, entry))) = entries.next() {
        let (inode, found) = (entry.inode, entry.name.to_bytes());
        if found == name || folded(found) == looked_for && identity(directory, found) == Some(meant) {
            return Some(found.to_vec());
        }
        // A short name is like nothing that can be seen.
        if same_file.is_none() && inode == meant.1 && identity(directory, found) == Some(meant) {
            same_file = Some(found.to_vec());
        }
    }
    same_file
}

/// The name in small letters, without accents of its own, invisible signs, and the dots and blanks at its end that some file
/// systems take off: names that are the same to any file system are the same so.
pub fn folded(name: &[u8]) -> Vec<u8> {
    let end = name.iter().rposition(|byte| !b". ".contains(byte)).map_or(name.len(), |last| last + 1);
    letters(&name[..end])
}

/// The same for a part of a name, or a pattern: what is at the end stays.
pub fn letters(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    match std::str::from_utf8(name) {
        Ok(text) => {
            let seen = text.nfd().filter(|letter| !is_ignorable(*letter));
            // By way of the large letter, since some small ones have one in common.
            let small = seen.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
            small.nfd().collect::<String>().into_bytes()
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// Default_Ignorable_Code_Point of Unicode, which casefold of Linux leaves out when it compares.
fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether the name with large letters for small ones, and the other way round, is the same file. None: there is no such
/// file, or no such letter.
fn same_in_other_letters(directory: BorrowedFd<'_>, name: &[u8]) -> Option<bool> {
    let other: Vec<u8> =
        name.iter().map(|byte| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { *byte }).collect();
    if other == name {
        return None;
    }
    let meant = identity(directory, name)?;
    Some(identity(directory, &other) == Some(meant))
}

/// Which file it is, by device and inode.
fn identity(directory: BorrowedFd<'_>, name: &[u8]) -> Option<(u64, u64)> {
    let status = status::status_at(directory, &CString::new(name).ok()?, Look::default()).ok()?;
    Some((status.device, status.inode))
}

fn readable(directory: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    fcntl::openat(directory, c".", flags, Mode::empty()).ok()
}

fn flags(directory: &OwnedFd) -> Option<libc::c_int> {
    // The number of the call says that it is a long, and the kernel writes an int.
    let mut flags = [0; 2];
    // SAFETY: there is room for a long where the pointer leads, and the call writes no more.
    let result = unsafe { libc::ioctl(directory.as_raw_fd(), libc::FS_IOC_GETFLAGS, flags.as_mut_ptr()) };
    (result == 0).then_some(flags[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_any_file_system_takes_for_the_same_is_the_same() {
        for (one, other) in [
            ("Secret.TXT", "sECRET.txt"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{17f}ecret", "Secret"),
            ("\u{212a}ey", "KEY"),
            ("Gr\u{f6}\u{df}e", "GRO\u{308}SSE"),
            ("sec\u{200d}ret\u{ad}", "secret"),
            ("\u{3c3}\u{3c2}", "\u{3a3}\u{3a3}"),
            ("a.exe.", "A.EXE .. "),
        ] {
            assert_eq!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("a.b", "ab"), ("e", "\u{e9}"), ("..", "."), (" ", "."), (".a", "a")]
        {
            assert_ne!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        assert_eq!(folded(b"A\xff"), b"a\xff");
    }

    #[test]
    fn an_ordinary_directory_tells_letters_apart() {
        let path = std::env::temp_dir().join(format!("ftpd-folding-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        for name in ["File", "file", "short"] {
            std::fs::write(path.join(name), "").unwrap();
        }
        let directory = std::fs::File::open(&path).unwrap();
        assert_eq!(folds(directory.as_fd(), b"none"), Some(false));
        assert_eq!(same_in_other_letters(directory.as_fd(), b"file"), Some(false));
        assert_eq!(same_in_other_letters(directory.as_fd(), b"none"), None);
        assert_eq!(spelling(directory.as_fd(), b"file"), Some(b"file".to_vec()));
        assert_eq!(spelling(directory.as_fd(), b"FILE"), None);
        std::fs::remove_dir_all(path).unwrap();
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name: Vec<u8>, text: String) {
            for name in [name, text.into_bytes()] {
                let once = letters(&name);
                prop_assert_eq!(letters(&once), once);
            }
        }
    }
}
