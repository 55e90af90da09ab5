//! The names of cipher suites and groups, as the configuration writes them (the registries of IANA), and what the
//! provider has of them.

use rustls::SupportedCipherSuite;
use rustls::crypto::{SupportedKxGroup, aws_lc_rs};

/// The suite with this name.
pub fn cipher(name: &str) -> Option<SupportedCipherSuite> {
    aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().find(|suite| cipher_name(*suite) == name)
}

/// Whether the suite belongs to TLS 1.3, and not to versions before.
pub fn is_of_tls13(name: &str) -> bool {
    cipher(name).is_some_and(|suite| suite.tls13().is_some())
}

/// The group with this name, in capital letters or not.
pub fn group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    aws_lc_rs::ALL_KX_GROUPS.iter().copied().find(|group| group_name(*group).eq_ignore_ascii_case(name))
}

/// All names of suites, the best first.
pub fn ciphers() -> Vec<String> {
    aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().map(cipher_name).collect()
}

/// All names of groups.
pub fn groups() -> Vec<String> {
    aws_lc_rs::ALL_KX_GROUPS.iter().copied().map(group_name).collect()
}

/// rustls has a spelling of its own for those of TLS 1.3.
fn cipher_name(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_")
}

fn group_name(group: &dyn SupportedKxGroup) -> String {
    group.name().as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registries() {
        assert!(cipher("TLS_AES_256_GCM_SHA384").is_some());
        assert!(cipher("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").is_some());
        assert!(cipher("TLS_RSA_WITH_AES_128_CBC_SHA").is_none());
        assert!(
            group("x25519").is_some() && group("SECP256R1").is_some() && group("X25519MLKEM768").is_some()
        );
        assert!(ciphers().iter().all(|name| cipher(name).is_some()));
        assert!(groups().iter().all(|name| group(name).is_some()));
    }
}
