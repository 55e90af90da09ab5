//! Values of TLS: versions, policies, and names that the provider of the cryptography must know.

use std::fmt;
use std::str::FromStr;

use std::net::SocketAddr;

use super::value::text_values;
use super::values::words;
use super::{Config, Listen};
use crate::tls::names;

words! {
    /// The oldest version of TLS that is spoken.
    TlsVersion {
        /// 1.2 (RFC 5246).
        Tls12 = "1.2",
        /// 1.3 (RFC 8446).
        Tls13 = "1.3",
    }
    /// What is made of the protocols that a client offers (ALPN, RFC 7301).
    Alpn {
        /// Nothing.
        Off = "off",
        /// `ftp` is accepted; whoever offers something else is let be.
        Accept = "accept",
        /// Who does not offer `ftp` is refused.
        Require = "require",
    }
    /// Whether data connections resume the TLS session of the control connection.
    SessionReuse {
        /// They cannot.
        Off = "off",
        /// They can.
        Prefer = "prefer",
        /// They must: it proves that both have the same client.
        Require = "require",
    }
    /// What has to be protected by TLS.
    RequireTls {
        /// Nothing.
        None = "none",
        /// Logins with a password.
        Login = "login",
        /// Every login, also anonymous ones.
        Control = "control",
        /// Data connections.
        Data = "data",
        /// Every login and data connections.
        All = "all",
    }
}

impl Listen {
    /// With and without TLS.
    pub fn all_addresses(&self) -> Vec<SocketAddr> {
        [&self.addresses[..], &self.implicit_addresses].concat()
    }
}

impl Config {
    /// Whether this user of a host must not say his password without TLS, as far as that can be known from his name
    /// alone: where a group may decide otherwise, only the login tells.
    pub fn is_refused_without_tls(&self, host: Option<&str>, user: &str) -> bool {
        let of_host = host.and_then(|name| self.host.get(name)).and_then(|host| host.session.require_tls);
        let common = of_host.unwrap_or(self.session.require_tls);
        if self.has_anonymous(host)
            && ["anonymous", "ftp"].iter().any(|known| user.eq_ignore_ascii_case(known))
        {
            return common.of_login(false);
        }
        match self.user.get(user).and_then(|own| own.require_tls) {
            Some(own) => own.of_login(true),
            None => common.of_login(true) && self.group.values().all(|group| group.require_tls.is_none()),
        }
    }
}

impl TlsVersion {
    /// Whether connections of this version or a newer one can use the suite.
    pub fn has_cipher(self, name: &CipherName) -> bool {
        match self {
            TlsVersion::Tls12 => true,
            TlsVersion::Tls13 => names::is_of_tls13(name.as_str()),
        }
    }
}

impl RequireTls {
    /// Whether this login needs TLS.
    pub fn of_login(self, has_password: bool) -> bool {
        match self {
            RequireTls::None | RequireTls::Data => false,
            RequireTls::Login => has_password,
            RequireTls::Control | RequireTls::All => true,
        }
    }

    /// Whether data connections need TLS.
    pub fn of_data(self) -> bool {
        match self {
            RequireTls::None | RequireTls::Login | RequireTls::Control => false,
            RequireTls::Data | RequireTls::All => true,
        }
    }
}

macro_rules! known_names {
    ($($(#[$doc:meta])* $Name:ident: $find:path, $all:path, $what:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Name(String);

        impl $Name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $Name {
            type Err = String;

            fn from_str(text: &str) -> Result<$Name, String> {
                match $find(text) {
                    Some(_) => Ok($Name(text.to_string())),
                    None => Err(format!("{text:?} is none of the {}: {}", $what, $all().join(", "))),
                }
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

known_names! {
    /// A cipher suite, by its registered name.
    CipherName: names::cipher, names::ciphers, "cipher suites";
    /// A group for the key exchange, by its registered name.
    GroupName: names::group, names::groups, "groups";
}

text_values! {
    CipherName: "name of a cipher suite".into();
    GroupName: "name of a group".into();
}
