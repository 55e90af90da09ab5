//! Contradictions about clients' certificates.

use std::fs::File;

use super::Findings;
use crate::config::{CertificateMatch, ClientCertificates, Config, Host, LoginBy, SessionOverrides};

impl Config {
    /// Who is asked for certificates, and what for.
    pub(super) fn check_certificates(&self, findings: &mut Findings<'_>) {
        let tls = &self.tls;
        for (key, files) in
            [("client-ca-files", &tls.client_ca_files), ("client-crl-files", &tls.client_crl_files)]
        {
            for path in files {
                if let Err(error) = File::open(&**path) {
                    findings.unreachable("tls", key, path, &error);
                }
            }
        }
        if tls.client_ca_files.is_empty() && !tls.client_crl_files.is_empty() {
            findings.error("tls", "client-crl-files", "needs client-ca-files: nobody's signature counts");
        }
        self.check_certificates_of_hosts(findings);
        if tls.ocsp_responses.len() > tls.certificates.len() {
            findings.error("tls", "ocsp-responses", "are not more than there are certificates");
        }
        let is_asked = tls.client_certificates != ClientCertificates::Off;
        if is_asked && tls.certificates.is_empty() {
            findings.error(
                "tls",
                "client-certificates",
                "needs a certificate of the server: certificates is empty",
            );
        }
        let session = &self.session;
        let common = ("session".to_string(), Some(session.login_by), Some(&session.login_certificates));
        for (section, by, own) in
            std::iter::once(common).chain(self.overrides().map(|(section, overrides)| {
                (section, overrides.login_by, overrides.login_certificates.as_ref())
            }))
        {
            if by.is_some_and(|by| by != LoginBy::Password) && !is_asked {
                let reason = "needs certificates: client-certificates in [tls] is \"off\"";
                findings.error(&section, "login-by", reason);
            }
            let means_words =
                own.into_iter().flatten().any(|own| !matches!(own, CertificateMatch::Fingerprint(_)));
            if means_words && tls.client_ca_files.is_empty() {
                let reason = "only \"sha256:\" counts here: without client-ca-files in [tls] anybody can make a \
                              certificate that says anything";
                findings.warning(&section, "login-certificates", reason);
            }
            if own.is_some_and(|own| !own.is_empty()) && !section.starts_with("user.") {
                let reason = "whoever has such a certificate can log in as any user that this section is for";
                findings.warning(&section, "login-certificates", reason);
            }
        }
    }

    fn check_certificates_of_hosts(&self, findings: &mut Findings<'_>) {
        for (name, host) in &self.host {
            let (section, own) = (Host::section(name), &host.own);
            for (key, files) in [("certificates", &own.certificates), ("keys", &own.keys)] {
                for path in files {
                    if let Err(error) = File::open(&**path) {
                        findings.unreachable(&section, key, path, &error);
                    }
                }
            }
            if !own.keys.is_empty() && own.keys.len() != own.certificates.len() {
                findings.error(&section, "keys", "are as many as there are certificates, or none");
            }
            if own.ocsp_responses.len() > own.certificates.len() {
                findings.error(&section, "ocsp-responses", "are not more than there are certificates");
            }
            if !own.certificates.is_empty() && self.tls.certificates.is_empty() {
                let reason = "needs one in [tls], too, for clients who have chosen no host";
                findings.error(&section, "certificates", reason);
            }
        }
    }

    /// All sections that may say something of [session], but for itself.
    fn overrides(&self) -> impl Iterator<Item = (String, &SessionOverrides)> {
        let hosts = self.host.iter().map(|(name, host)| (Host::section(name), &host.session));
        let own = [("user", &self.user), ("group", &self.group)];
        hosts.chain(own.into_iter().flat_map(|(kind, sections)| {
            sections.iter().map(move |(name, overrides)| {
                (format!("{kind}.{}", crate::config::reader::bare_or_quoted(name)), overrides)
            })
        }))
    }
}
