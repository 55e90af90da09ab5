//! What limits say together, and of whom.

use std::net::SocketAddr;

use super::Findings;
use crate::config::reader::bare_or_quoted;
use crate::config::{Config, QuotaPath, RootDir};

impl Config {
    /// Limits, and the listeners and networks that have their own.
    pub(super) fn check_limits(&self, findings: &mut Findings<'_>) {
        let listen = &self.listen;
        for address in self.listener.keys() {
            let section = format!("listener.{}", bare_or_quoted(address));
            let Ok(parsed) = address.parse::<SocketAddr>() else {
                let reason = "the name is no address with a port, such as [listener.\"[::]:21\"]";
                findings.error(&section, "max-sessions", reason);
                continue;
            };
            if !listen.all_addresses().contains(&parsed) {
                // Sockets of a service manager may be others.
                let reason =
                    "has no effect, unless systemd passes this socket: [listen] addresses does not have it";
                findings.warning(&section, "max-sessions", reason);
            }
        }
        self.check_quotas(findings);
        for (name, network) in &self.network {
            if network.addresses.is_empty() {
                let section = format!("network.{}", bare_or_quoted(name));
                findings.error(&section, "addresses", "the list is empty: nobody belongs to this network");
            }
        }
    }

    /// Quotas of sessions, and of directories.
    fn check_quotas(&self, findings: &mut Findings<'_>) {
        let session = &self.session;
        if session.has_quota() && session.root_dir == RootDir::Real {
            let key = if session.quota_files.get() > 0 { "quota-files" } else { "quota-bytes" };
            findings.warning("session", key, "has no effect with root-dir = \"real\"; [quota.NAME] has");
        }
        for (name, quota) in &self.quota {
            let section = format!("quota.{}", bare_or_quoted(name));
            if name.len() > QuotaPath::LONGEST_NAME {
                let reason = format!("the name has more than {} bytes", QuotaPath::LONGEST_NAME);
                findings.error(&section, "paths", reason);
            }
            if quota.paths.is_empty() {
                findings.error(&section, "paths", "the list is empty: there is nothing to count");
            }
            if quota.bytes.bytes().is_none() && quota.files.get() == 0 {
                findings.error(&section, "bytes", "neither bytes nor files are limited");
            }
            for path in &quota.paths {
                findings.directory(&section, "paths", path.directory());
            }
        }
    }
}
