//! One command after the other: obeyed, and told of to whoever wants to know.

use super::control::Line;
use super::{Session, verbs};
use crate::ipc::messages::Event;
use crate::protocol::command::Command;
use crate::protocol::reply::{Code, Reply};

impl Session {
    /// Obeys one command, and tells the worker about it if it wants to know.
    pub(super) fn obey(&mut self, line: Line) -> Reply {
        let Ok(line) = line else {
            return Reply::new(Code::Unrecognized, "This line is too long.");
        };
        let command = Command::parse(&line);
        self.page.tell_command(&command.verb);
        let reply = match self.refuses(&command.verb) {
            true => self.refuse(&command.verb),
            false => self.dispatch(&command),
        };
        if self.moving.is_none() {
            // While data moves, the plan is carried out, and its port in use.
            self.page.tell_passive_port(self.data.passive_port());
        }
        if self.renaming.is_some() && command.verb != "RNFR" {
            // RNTO follows RNFR at once or not at all (RFC 959 4.1.3).
            self.renaming = None;
        }
        if self.copying.is_some() && command.verb != "SITE CPFR" {
            self.copying = None;
        }
        if let Some(refusal) = self.files.take_refusal()
            && reply.code().number() >= 400
        {
            let why = self.files.reason(refusal.decision);
            let path = refusal.path.as_bytes().to_vec();
            self.worker.report(Event::Refused { operation: command.verb.clone(), path, why });
        }
        if self.report_commands || self.page.is_traced() {
            let argument = if verbs::holds_secret(&command.verb) { Vec::new() } else { command.argument };
            self.worker.report(Event::Command { verb: command.verb, argument, code: reply.code().number() });
        }
        reply
    }

    /// Whether the configuration takes this command away.
    pub(super) fn refuses(&self, verb: &str) -> bool {
        self.options.refused_commands.iter().any(|name| name.names(verb))
    }

    /// A command that the configuration takes away.
    fn refuse(&self, verb: &str) -> Reply {
        let path = self.cwd.as_bytes().to_vec();
        let why = format!("refused-commands: {verb}");
        self.worker.report(Event::Refused { operation: verb.to_owned(), path, why });
        Reply::new(Code::Unrecognized, format!("{verb} is switched off."))
    }
}
