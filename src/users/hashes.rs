//! Hashes of passwords in the form of crypt(5): which kinds are taken, what they may cost to check, how they are made.
//!
//! The code of each kind is a library's; here is what it may be fed with. A cost that stands in a hash is believed only
//! up to a bound: checking it must not stop the machine.
//!
//! argon2, scrypt, sha-crypt and yescrypt are the RustCrypto project's, which keeps them together. For bcrypt it has nothing in
//! this form; the crate that is taken is a thin layer over its Blowfish and changes little, as bcrypt does. crypt(3) of the
//! system knows all but argon2id, and was not taken: it is another library on each distribution and less on some, and C that
//! would have to be called as root. What it makes is what all of these are tested with.

use std::io;

use argon2::password_hash::phc;
use argon2::{Argon2, Params as ArgonCosts};
use bcrypt::HashParts;
use scrypt::password_hash::{PasswordHasher, PasswordVerifier};
use scrypt::{Scrypt, mcf};
use sha_crypt::{Algorithm, ShaCrypt};
use yescrypt::Yescrypt;

use crate::config::HashKind;
use crate::system::{Doing, Failure};

/// What a hash may cost to check: KiB of memory, KiB that are gone through in all passes over it, lanes.
const MAX_MEMORY: u64 = 256 * 1024;
const MAX_WORK: u64 = 16 * MAX_MEMORY;
const MAX_LANES: u32 = 16;
/// Rounds of sha256-crypt and sha512-crypt; about two seconds.
const MAX_ROUNDS: u32 = 5_000_000;
/// bcrypt doubles its work with each; about four seconds.
const MAX_BCRYPT_COST: u32 = 16;
/// What bcrypt is made with: like the others, some tens of milliseconds.
const BCRYPT_COST: u32 = 10;
/// Rounds of what is made with sha256-crypt and sha512-crypt.
const SHA_ROUNDS: u32 = 100_000;
/// What scrypt is made with: 32 MiB, as libcrypt has it.
const SCRYPT_LOG_N: u8 = 15;
/// The longest password that is tried, as in crypt(3); some kinds cost the more the longer it is.
const MAX_PASSWORD: usize = 512;

/// A hash of a kind that is taken, at a cost that is.
pub struct Hash<'a> {
    /// What made it.
    pub kind: HashKind,
    text: &'a str,
}

impl<'a> Hash<'a> {
    /// Recognizes a hash. An error is a sentence that says why it cannot be used, and nothing of the hash.
    pub fn read(text: &'a str) -> Result<Hash<'a>, String> {
        let kind = kind_of(text)?;
        let is_affordable = is_affordable(kind, text).ok_or_else(|| format!("is no {kind} hash"))?;
        match is_affordable {
            true => Ok(Hash { kind, text }),
            false => Err(format!("is hashed with {kind}, and costs too much to check")),
        }
    }

    /// Whether this is the password. Takes as long as the hash demands, whatever the answer.
    pub fn is_of(&self, password: &[u8]) -> bool {
        // Nobody has an empty password, and nobody one that crypt(3) would not take. Their time is that of others.
        let (password, is_possible) =
            match (1..=MAX_PASSWORD).contains(&password.len()) && !password.contains(&0) {
                true => (password, true),
                false => (&b"*"[..], false),
            };
        let is_right = match self.kind {
            HashKind::Argon2id => phc::PasswordHash::new(self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            HashKind::Yescrypt => Yescrypt::default().verify_password(password, self.text).is_ok(),
            HashKind::Scrypt => mcf::PasswordHashRef::new(self.text)
                .is_ok_and(|hash| Scrypt::default().verify_password(password, hash).is_ok()),
            HashKind::Bcrypt => bcrypt::verify(password, self.text).unwrap_or(false),
            HashKind::Sha512Crypt | HashKind::Sha256Crypt => mcf::PasswordHashRef::new(self.text)
                .is_ok_and(|hash| ShaCrypt::default().verify_password(password, hash).is_ok()),
        };
        is_right && is_possible
    }
}

/// A hash of this password for a users file, with a salt of its own.
pub fn make(kind: HashKind, password: &[u8]) -> Result<String, Failure> {
    let failed =
        |reason: String| Failure { doing: "hash a password".into(), cause: io::Error::other(reason) };
    if password.is_empty() {
        return Err(failed("it is empty".into()));
    }
    if password.len() > MAX_PASSWORD || password.contains(&0) {
        return Err(failed(format!("it is longer than {MAX_PASSWORD} bytes, or has a zero byte in it")));
    }
    let doing = || "hash a password".to_string();
    let other = |error: scrypt::password_hash::Error| io::Error::other(error);
    match kind {
        HashKind::Argon2id => {
            let hash: Result<phc::PasswordHash, _> = Argon2::default().hash_password(password);
            hash.map(|hash| hash.to_string()).map_err(other).doing(doing)
        }
        HashKind::Yescrypt => Yescrypt::default()
            .hash_password(password)
            .map(|hash| hash.to_string())
            .map_err(other)
            .doing(doing),
        HashKind::Scrypt => {
            let costs = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).map_err(io::Error::other).doing(doing)?;
            let hash: Result<mcf::PasswordHash, _> = Scrypt::new_with_params(costs).hash_password(password);
            hash.map(|hash| hash.to_string()).map_err(other).doing(doing)
        }
        // What goes beyond 72 bytes would not be looked at; `non_truncating` refuses it.
        HashKind::Bcrypt => {
            bcrypt::non_truncating_hash(password, BCRYPT_COST).map_err(io::Error::other).doing(doing)
        }
        HashKind::Sha512Crypt => sha(Algorithm::Sha512Crypt, password),
        HashKind::Sha256Crypt => sha(Algorithm::Sha256Crypt, password),
    }
}

fn sha(algorithm: Algorithm, password: &[u8]) -> Result<String, Failure> {
    let doing = || "hash a password".to_string();
    let costs = sha_crypt::Params::new(SHA_ROUNDS).map_err(io::Error::other).doing(doing)?;
    let hash = ShaCrypt::new(algorithm, costs).hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(io::Error::other).doing(doing)
}

/// Does the work of a check that nobody has asked for, so that the time of an answer tells nothing: at the price of
/// somebody else's hash, or of a new one of this kind.
pub fn waste_time(like: Option<&str>, kind: HashKind, password: &[u8]) {
    let like = like.and_then(|text| Hash::read(text).ok());
    match like {
        Some(hash) => drop(std::hint::black_box(hash.is_of(password))),
        None => drop(std::hint::black_box(make(kind, b"*"))),
    }
}

/// The kind of a hash, from how it begins; or why it is none that is taken.
fn kind_of(text: &str) -> Result<HashKind, String> {
    const WEAK: &str = "which can be guessed too fast; give the user a new password (ftpd user passwd)";
    let is_des =
        text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    match text {
        _ if text.starts_with("$argon2id$") => Ok(HashKind::Argon2id),
        _ if text.starts_with("$y$") => Ok(HashKind::Yescrypt),
        _ if text.starts_with("$7$") => Ok(HashKind::Scrypt),
        _ if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) => Ok(HashKind::Bcrypt),
        _ if text.starts_with("$6$") => Ok(HashKind::Sha512Crypt),
        _ if text.starts_with("$5$") => Ok(HashKind::Sha256Crypt),
        _ if text.starts_with("$1$") => Err(format!("is hashed with md5-crypt, {WEAK}")),
        _ if text.starts_with("$apr1$") => Err(format!("is hashed with Apache's md5-crypt, {WEAK}")),
        _ if text.starts_with("$2x$") => Err("is hashed with a faulty version of bcrypt ($2x$)".into()),
        _ if text.starts_with("$3$") => Err(format!("is an NT hash, {WEAK}")),
        _ if text.starts_with("$sha1$") || text.starts_with("{SHA}") || text.starts_with("{SSHA}") => {
            Err(format!("is hashed with SHA-1, {WEAK}"))
        }
        _ if text.starts_with('_') && text.len() == 20 || is_des => {
            Err(format!("is hashed with DES, {WEAK}"))
        }
        _ if text.starts_with("$argon2") => Err("is hashed with another argon2 than argon2id".into()),
        _ if text.starts_with("$gy$") => Err("is hashed with gost-yescrypt, which is not known here".into()),
        _ if text.starts_with(['!', '*']) => Err("is locked".into()),
        _ if text.starts_with('$') => Err("is hashed in a way that is not known here".into()),
        _ => Err("is no hash but, it seems, the password itself; hash it with \"ftpd user passwd\"".into()),
    }
}

/// Whether its cost is within the bounds. None: it is malformed.
fn is_affordable(kind: HashKind, text: &str) -> Option<bool> {
    match kind {
        HashKind::Argon2id => {
            let hash = phc::PasswordHash::new(text).ok()?;
            hash.hash.as_ref()?;
            let costs = ArgonCosts::try_from(&hash).ok()?;
            // Pure-FTPd goes through little memory as often as takes it most of a second.
            let (memory, passes) = (u64::from(costs.m_cost()), u64::from(costs.t_cost()));
            let is_little_work = memory.saturating_mul(passes) <= MAX_WORK;
            Some(memory <= MAX_MEMORY && is_little_work && costs.p_cost() <= MAX_LANES)
        }
        HashKind::Yescrypt => {
            let [_, written, _, hash] = fields(text)?;
            let costs: yescrypt::Params = written.parse().ok()?;
            let kibibytes = costs.n().checked_mul(costs.r().into())? / 8;
            // A longer text has more in it than N and r, such as a factor of time. Nothing makes such hashes.
            let is_plain = written.len() <= 4 && costs.p() == 1;
            (hash.len() == 43).then_some(is_plain && kibibytes <= MAX_MEMORY)
        }
        HashKind::Scrypt => {
            let [_, costs, hash] = fields(text)?;
            let (log_n, r, p) = scrypt_costs(costs.as_bytes())?;
            let kibibytes = 1u64.checked_shl(log_n)?.checked_mul(r.into())? / 8;
            (hash.len() == 43).then_some(log_n < 32 && kibibytes <= MAX_MEMORY && p <= MAX_LANES)
        }
        HashKind::Bcrypt => {
            let parts: HashParts = text.parse().ok()?;
            Some(parts.get_cost() <= MAX_BCRYPT_COST)
        }
        HashKind::Sha512Crypt | HashKind::Sha256Crypt => {
            let length = if kind == HashKind::Sha512Crypt { 86 } else { 43 };
            let (rounds, hash) = match (fields::<3>(text), fields::<4>(text)) {
                (Some([_, _, hash]), _) => (sha_crypt::Params::RECOMMENDED_ROUNDS, hash),
                (None, Some([_, rounds, _, hash])) => (rounds.strip_prefix("rounds=")?.parse().ok()?, hash),
                (None, None) => return None,
            };
            (hash.len() == length && rounds >= sha_crypt::Params::ROUNDS_MIN).then_some(rounds <= MAX_ROUNDS)
        }
    }
}

/// What stands between the dollar signs, if there are so many.
fn fields<const COUNT: usize>(text: &str) -> Option<[&str; COUNT]> {
    text.strip_prefix('$')?.split('$').collect::<Vec<_>>().try_into().ok()
}

/// What crypt(5) says of `$7$`: a digit for the logarithm of N, five each for r and p, the lowest first.
fn scrypt_costs(text: &[u8]) -> Option<(u32, u32, u32)> {
    const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit =
        |at: usize| DIGITS.iter().position(|digit| Some(digit) == text.get(at)).map(|value| value as u32);
    let number = |from: usize| {
        (0..5).try_fold(0u32, |sum, place| Some(sum | digit(from + place)?.checked_shl(6 * place as u32)?))
    };
    Some((digit(0)?, number(1)?, number(6)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// "letmein", made by libxcrypt (crypt(3)), and argon2id's by its reference implementation.
    const FOREIGN: &[(HashKind, &str)] = &[
        (HashKind::Yescrypt, "$y$j75$abcdefgh$DdqAN74pEsqcqznWjI6lb6Ti0k.v6rz1vjj3ppJzqR3"),
        (HashKind::Scrypt, "$7$A6....1....abcdefgh$kMEqCoSU.IPc7BP06sb71Em0rcVGRW/9hDH1oUOC5.B"),
        (HashKind::Bcrypt, "$2b$04$abcdefghijklmnopqrstuuPT0cs.zGMMB9aUG3xKmxLeI//6s0m5C"),
        (
            HashKind::Sha512Crypt,
            "$6$rounds=1000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/",
        ),
        (
            HashKind::Sha512Crypt,
            "$6$saltsalt$S9YY9YOAW0hOiRrNaP8VEIeRLALReoMp/E0Pht4dzHwnqjGznyJV7KQHtHBZN3l7.5QmgjbHONPeszlAoLGd8.",
        ),
        (HashKind::Sha256Crypt, "$5$rounds=1000$saltsalt$5rMmZvzItwnYc2PeSdWFO569/JUhViTh1X8jpTi.AI0"),
    ];

    fn why_not(text: &str) -> String {
        Hash::read(text).err().unwrap_or_else(|| panic!("{text} is taken"))
    }

    #[test]
    fn what_libcrypt_has_made_is_checked() {
        for (kind, text) in FOREIGN {
            let hash = Hash::read(text).unwrap();
            assert_eq!(hash.kind, *kind);
            assert!(hash.is_of(b"letmein"), "{text}");
            assert!(!hash.is_of(b"letmeout") && !hash.is_of(b""), "{text}");
        }
    }

    #[test]
    fn what_is_made_can_be_checked_and_is_never_the_same_twice() {
        for kind in HashKind::ALL {
            let hash = make(*kind, b"s3cret").unwrap();
            let read = Hash::read(&hash).unwrap();
            assert_eq!(read.kind, *kind);
            assert!(read.is_of(b"s3cret") && !read.is_of(b"s3cre"), "{hash}");
            assert_ne!(make(*kind, b"s3cret").unwrap(), hash);
        }
    }

    #[test]
    fn passwords_that_a_hash_cannot_hold_are_refused() {
        for kind in HashKind::ALL {
            assert!(make(*kind, b"").is_err());
            assert!(make(*kind, b"a\0b").is_err());
            assert!(make(*kind, &[b'x'; 513]).is_err());
        }
        // bcrypt would look at the first 72 bytes alone.
        assert!(make(HashKind::Bcrypt, &[b'x'; 73]).is_err());
        assert!(make(HashKind::Yescrypt, &[b'x'; 73]).is_ok());
    }

    #[test]
    fn weak_hashes_are_refused_with_the_reason() {
        assert!(why_not("$1$saltsalt$w/Ivy2gobQNOjDXinAHvO.").contains("md5-crypt"));
        assert!(why_not("$apr1$saltsalt$w/Ivy2gobQNOjDXinAHvO.").contains("Apache's md5-crypt"));
        assert!(why_not("abN/qM.L/H8EQ").contains("DES"));
        assert!(why_not("_J9..rasmBYk8r9AiWNc").contains("DES"));
        assert!(why_not("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").contains("SHA-1"));
        assert!(why_not("letmein").contains("the password itself"));
        assert!(why_not("").contains("the password itself"));
        assert!(why_not("$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$x").contains("another argon2"));
        assert!(why_not("$2x$04$abcdefghijklmnopqrstuuPT0cs.zGMMB9aUG3xKmxLeI//6s0m5C").contains("faulty"));
        assert!(why_not("!$6$x").contains("locked"));
    }

    #[test]
    fn hashes_that_could_stop_the_machine_are_refused() {
        let argon = |costs: &str| {
            why_not(&format!(
                "$argon2id$v=19${costs}$c2FsdHNhbHQ$4oVQpTSUYdQJzVGLFfN4PRj7tTXmaVtGnRUVy9m1RIk"
            ))
        };
        assert!(argon("m=262145,t=1,p=1").contains("costs too much"));
        assert!(argon("m=262144,t=17,p=1").contains("costs too much"));
        // What pure-pw(8) makes.
        let pure = "$argon2id$v=19$m=8192,t=63,p=1$2WfJAVjPZPTo5fo64JnPNw$F4y4eivsRYSWhfdyaD+P2E8CiiS/vvOvHk4V3GnnVwY";
        assert!(Hash::read(pure).is_ok());
        let sha = "S9YY9YOAW0hOiRrNaP8VEIeRLALReoMp/E0Pht4dzHwnqjGznyJV7KQHtHBZN3l7.5QmgjbHONPeszlAoLGd8.";
        assert!(why_not(&format!("$6$rounds=5000001$saltsalt${sha}")).contains("costs too much"));
        assert!(why_not(&format!("$6$rounds=x$saltsalt${sha}")).contains("is no sha512-crypt hash"));
        let bcrypt = "abcdefghijklmnopqrstuuPT0cs.zGMMB9aUG3xKmxLeI//6s0m5C";
        assert!(why_not(&format!("$2b$17${bcrypt}")).contains("costs too much"));
        let scrypt = "kMEqCoSU.IPc7BP06sb71Em0rcVGRW/9hDH1oUOC5.B";
        assert!(why_not(&format!("$7$K6....1....abcdefgh${scrypt}")).contains("costs too much"));
        assert!(why_not(&format!("$7$zzzzzz1....abcdefgh${scrypt}")).contains("is no scrypt hash"));
        let yescrypt = "DdqAN74pEsqcqznWjI6lb6Ti0k.v6rz1vjj3ppJzqR3";
        assert!(why_not(&format!("$y$jJ5$abcdefgh${yescrypt}")).contains("costs too much"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(\\$(argon2id|y|7|2b|6|5)\\$)?[ -~]{0,80}") {
            if let Ok(hash) = Hash::read(&text) {
                prop_assert!(!hash.is_of(b"surely not"));
            }
        }
    }
}
