//! Users who have no account on the machine: their file, and the hashes in it. Used by the worker, which alone decides
//! logins, and by the command line. What an entry may say is declared in `config/users.rs`.

pub mod examine;
pub mod file;
pub mod hashes;
pub mod uids;

/// Whether a name may go on to the databases: they cannot be trusted with just anything.
pub fn is_plausible_name(name: &str) -> bool {
    let is_length_fine = (1..=256).contains(&name.len());
    let is_character_fine = |character: char| !character.is_control() && !matches!(character, '/' | ':');
    is_length_fine && name.chars().all(is_character_fine) && !name.starts_with(['-', '+', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_databases_choke_on_are_not_plausible() {
        let long = "x".repeat(257);
        for name in ["", "a\0b", "a\nb", "../x", "a/b", "a:b", "-x", "+", long.as_str()] {
            assert!(!is_plausible_name(name), "{name:?}");
        }
        for name in ["alice", "DOMAIN\\alice", "alice@example.org", "jürgen", "a b", "_www", "x$"] {
            assert!(is_plausible_name(name), "{name:?}");
        }
    }
}
