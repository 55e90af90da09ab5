//! Whether something may be given another name: what a rule keeps somebody from doing in one place must not become possible in
//! another, and what it keeps out of a place must not come there under another name.

use super::{Answer, By, Clause, Decision, Object, Operation, Powers};
use crate::config::Letter;

impl Powers {
    /// Whether something may be given another name: what a rule keeps somebody from doing in one place must not become
    /// possible in another.
    pub fn decide_move(&self, from: &Object<'_>, to: &Object<'_>) -> Decision {
        let source = self.decide(Operation::RenameFrom, from);
        if source.answer != Answer::Yes {
            return source;
        }
        let target = self.decide(Operation::RenameTo, to);
        if target.answer != Answer::Yes || self.rules().is_empty() {
            return target;
        }
        let moved = Object { look: from.look, ..*to };
        let escape = Letter::ALL.iter().find_map(|letter| match self.lettered(*letter, from) {
            Decision { answer: Answer::No, by: By::Rule(rule, _) } => {
                let gained = self.lettered(*letter, &moved).answer == Answer::Yes;
                gained.then_some((rule, Clause::Escape(*letter)))
            }
            _ => None,
        });
        let names = || {
            let left_behind = || self.names_left_behind(from, to).map(|rule| (rule, Clause::Paths));
            let brought = || self.brought_in(from, to);
            (from.look)()
                .and_then(|found| if found.directory { left_behind().or_else(brought) } else { None })
        };
        let large = || {
            let (largest, decision) = self.terms(&moved).largest?;
            let found = (from.look)()?;
            match decision.by {
                By::Rule(rule, clause) if !found.directory && found.size > largest => Some((rule, clause)),
                By::Rule(..) | By::Letters(_) | By::Root => None,
            }
        };
        match escape.or_else(names).or_else(large) {
            Some((rule, clause)) => Decision { answer: Answer::No, by: By::Rule(rule, clause) },
            None => target,
        }
    }

    /// A rule about names in the directory, which would not hold where it is to be moved to.
    fn names_left_behind(&self, from: &Object<'_>, to: &Object<'_>) -> Option<usize> {
        from.ask(|old| to.ask(|new| self.rules().about_names_in(old, new)))
    }

    /// A rule that does not let everything be where the directory is to be moved to, and holds not where it is.
    fn brought_in(&self, from: &Object<'_>, to: &Object<'_>) -> Option<(usize, Clause)> {
        let particular = to.ask(|new| from.ask(|old| self.rules().particular_in(new, old)));
        let rule = particular.or_else(|| to.ask(|new| self.rules().expecting(new)))?;
        Some((rule, Clause::Contents))
    }
}
