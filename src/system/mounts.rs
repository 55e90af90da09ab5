//! What is mounted, as this process sees it.

use std::fs;

/// Whether the service manager has given this service a /tmp and a /var/tmp of its own (PrivateTmp=).
pub fn has_private_tmp() -> bool {
    fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| shows_private_tmp(&text))
}

/// The lines are those of proc_pid_mountinfo(5): the fourth field is the directory that is mounted, the fifth says where.
fn shows_private_tmp(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        match (fields.next(), fields.next()) {
            (Some(directory), Some("/tmp" | "/var/tmp")) => directory.contains("/systemd-private-"),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_tmp_is_known_by_the_directory_behind_it() {
        assert!(shows_private_tmp(
            "36 35 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
             99 36 8:1 /tmp/systemd-private-1a2b-ftpd.service-Xy/tmp /tmp rw shared:9 - ext4 /dev/sda1 rw\n"
        ));
        assert!(!shows_private_tmp(
            "36 35 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n40 36 0:36 / /tmp rw shared:9 - tmpfs tmpfs rw\n"
        ));
    }
}
