//! What limits say together, and of whom.

use std::net::SocketAddr;

use super::Findings;
use crate::config::reader::bare_or_quoted;
use crate::config::{Config, RootDir};

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
        let has_quota = self.session.quota_bytes.bytes().is_some() || self.session.quota_files.get() > 0;
        if has_quota && self.session.root_dir == RootDir::Real {
            let key = if self.session.quota_files.get() > 0 { "quota-files" } else { "quota-bytes" };
            findings.warning("session", key, "has no effect with root-dir = \"real\"");
        }
        for (name, network) in &self.network {
            if network.addresses.is_empty() {
                let section = format!("network.{}", bare_or_quoted(name));
                findings.error(&section, "addresses", "the list is empty: nobody belongs to this network");
            }
        }
    }
}
