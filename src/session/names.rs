//! What users and groups are called. The session cannot look them up itself (it may live in a chroot, and name
//! services open sockets): it asks the worker, once for each number.

use std::collections::HashMap;

/// Whoever knows the names: in the daemon, the worker by way of the link.
pub trait Ask {
    /// What this user is called; None if he has no name.
    fn user(&mut self, uid: u32) -> Option<String>;
    /// What this group is called; None if it has no name.
    fn group(&mut self, gid: u32) -> Option<String>;
}

/// The names that have been asked for. Numbers without a name stand for themselves.
pub struct Names {
    users: Known,
    groups: Known,
    ask: Box<dyn Ask>,
}

impl Names {
    /// Asks there for what is not known yet.
    pub fn new(ask: Box<dyn Ask>) -> Names {
        Names { users: Known::default(), groups: Known::default(), ask }
    }

    /// The name of a user, fit to stand in a listing.
    pub fn user(&mut self, uid: u32) -> &[u8] {
        let ask = &mut self.ask;
        self.users.name(uid, || ask.user(uid))
    }

    /// The name of a group, fit to stand in a listing.
    pub fn group(&mut self, gid: u32) -> &[u8] {
        let ask = &mut self.ask;
        self.groups.name(gid, || ask.group(gid))
    }
}

/// Most of a directory belongs to one: the last name is found without a search.
#[derive(Default)]
struct Known {
    names: Vec<Vec<u8>>,
    places: HashMap<u32, usize>,
    last: Option<(u32, usize)>,
}

impl Known {
    fn name(&mut self, number: u32, ask: impl FnOnce() -> Option<String>) -> &[u8] {
        let place = match self.last {
            Some((last, place)) if last == number => place,
            _ => *self.places.entry(number).or_insert_with(|| {
                self.names.push(presentable(number, ask()));
                self.names.len() - 1
            }),
        };
        self.last = Some((number, place));
        &self.names[place]
    }
}

/// Programs take listings apart at blanks, and facts at semicolons (RFC 3659 7.2).
fn presentable(number: u32, name: Option<String>) -> Vec<u8> {
    match name {
        Some(name) if !name.is_empty() => name
            .bytes()
            .map(|byte| if byte.is_ascii_graphic() && byte != b';' || byte >= 0x80 { byte } else { b'_' })
            .collect(),
        Some(_) | None => number.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    struct Asked(Rc<Cell<u32>>);

    impl Ask for Asked {
        fn user(&mut self, uid: u32) -> Option<String> {
            self.0.set(self.0.get() + 1);
            (uid < 10).then(|| format!("user {uid}"))
        }

        fn group(&mut self, _gid: u32) -> Option<String> {
            Some(String::new())
        }
    }

    #[test]
    fn each_number_is_asked_for_once() {
        let asked = Rc::new(Cell::new(0));
        let mut names = Names::new(Box::new(Asked(Rc::clone(&asked))));
        for uid in [1, 1, 2, 1, 2, 77, 77] {
            names.user(uid);
        }
        assert_eq!(asked.get(), 3);
        assert_eq!(names.user(2), b"user_2");
        assert_eq!(names.user(77), b"77");
        assert_eq!(names.group(5), b"5");
    }
}
