//! What is wrong with hooks, although every option by itself is good.

use super::{Config, Findings};
use crate::config::HookTime;
use crate::config::reader::bare_or_quoted;
use crate::system::program::distrust;

impl Config {
    pub(super) fn check_hooks(&self, findings: &mut Findings<'_>) {
        if let Some(directory) = self.events.log.as_ref().and_then(|path| path.parent()) {
            findings.directory("events", "log", directory);
        }
        for (name, hook) in &self.hook {
            let section = format!("hook.{}", bare_or_quoted(name));
            match &hook.program {
                None => findings.error(&section, "program", "is missing: a hook starts a program"),
                Some(program) => {
                    if let Some(reason) = distrust(program) {
                        findings.error(&section, "program", reason);
                    }
                }
            }
            if hook.events.is_empty() {
                findings.warning(&section, "events", "the list is empty: the program is never started");
            }
            for event in &hook.events {
                if hook.when == HookTime::Before && !event.can_be_refused() {
                    findings.error(
                        &section,
                        "events",
                        format!("{event} cannot be refused before it happens"),
                    );
                }
                if hook.account == "%u" && !event.is_of_a_session() {
                    let reason = format!("{event} has no session whose account the program could run as");
                    findings.error(&section, "events", reason);
                }
            }
            if hook.account == "root" {
                findings.warning(&section, "account", "the program runs as root");
            }
        }
    }
}
