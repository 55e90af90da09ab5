//! What is wrong with the log, although every option by itself is good.

use super::{Config, Findings};
use crate::config::{LogFormat, LogTarget};

impl Config {
    pub(super) fn check_log(&self, findings: &mut Findings<'_>) {
        let log = &self.log;
        if let Some(directory) = log.xferlog.as_ref().and_then(|path| path.parent()) {
            findings.directory("log", "xferlog", directory);
        }
        if log.to == LogTarget::Journal && log.format == LogFormat::Json {
            findings.warning("log", "format", "has no effect in the journal, which has fields of its own");
        }
        if log.to != LogTarget::Syslog && self.sets("log", "syslog-format") {
            findings.warning("log", "syslog-format", "has no effect without to = \"syslog\"");
        }
    }
}
