//! An attempt to log in: who wants to, and whether what he shows is what it takes to be that user.

use std::net::IpAddr;

use super::Refused;
use crate::config::{Config, LoginBy, SessionOptions, is_certificate_of};
use crate::ipc::messages::Password;
use crate::tls::claims::Claims;

/// Somebody who wants to log in.
pub struct Attempt<'a> {
    /// The client's address.
    pub peer: IpAddr,
    /// The virtual host that serves him, if there is one.
    pub host: Option<&'a str>,
    /// Who he says he is.
    pub name: &'a str,
    /// What he proves it with. None: he has not been asked for it yet.
    pub password: Option<&'a Password>,
    /// His certificate, if he has shown one.
    pub certificate: Option<&'a Claims>,
    /// Whether he says it over TLS.
    pub is_protected: bool,
}

/// No login yet.
#[derive(Debug)]
pub enum NotYet {
    /// No, and why.
    Refused(Refused),
    /// The certificate is not enough, or not his.
    NeedsPassword,
}

impl From<Refused> for NotYet {
    fn from(refused: Refused) -> NotYet {
        NotYet::Refused(refused)
    }
}

/// Whether what somebody has shown is what it takes to be this user.
pub fn is_proof(
    config: &Config,
    attempted: &Attempt<'_>,
    name: &str,
    by: &SessionOptions,
) -> Result<(), NotYet> {
    let refused = |log: &str| NotYet::Refused(Refused { log: log.into(), texts: Vec::new(), proved: false });
    let names = &config.tls.certificate_names;
    let has_certificate = attempted
        .certificate
        .is_some_and(|claims| is_certificate_of(name, names, &by.login_certificates, claims));
    match attempted.password {
        None if by.login_by.needs_no_password() && has_certificate => Ok(()),
        None => Err(NotYet::NeedsPassword),
        Some(_) if by.login_by == LoginBy::Certificate => {
            Err(refused("login-by: a password is not enough, nor needed"))
        }
        Some(_) if by.login_by.needs_certificate() && !has_certificate => {
            Err(refused("login-by: there is no certificate of his"))
        }
        Some(_) => Ok(()),
    }
}
