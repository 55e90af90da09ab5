//! Payments, against what is really there.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::*;
use crate::ipc::ledger::place;
use crate::session::quota::covering::{Inner, Keeper, Measured, Pending, Quotas};
use crate::session::quota::{Quota, Terms};
use crate::session::testing::{Scratch, path};
use crate::session::upload::Start;
use crate::system::ledger::{Book, Ledger};
use crate::system::tree::Walk;
use proptest::prelude::*;

const MOST: Amount = Amount { bytes: 1000, files: 12 };
const MOST_IN_AREA: Amount = Amount { bytes: 600, files: 5 };
const MOST_OF_EACH: Amount = Amount { bytes: 300, files: 3 };

/// A root with a quota, a directory `area` in it with one, and a directory `each` whose directories have one each.
struct World {
    scratch: Scratch,
    files: Files,
    root: Rc<Quota>,
    area: Rc<Quota>,
    /// How often was counted what had been counted before and is no directory in `each`.
    recounts: Cell<u32>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.scratch.path().with_extension("ledgers"));
    }
}

struct Ledgers(PathBuf);

impl Ledgers {
    fn ledger(&self, name: &str) -> Ledger {
        Book::open(&self.0, name, "").unwrap().ledger(&self.0, name, true).unwrap()
    }
}

impl Keeper for Ledgers {
    fn open(&self, section: &str, directory: &OwnedFd, _: bool) -> Result<(String, Ledger), Error> {
        let name = format!("{section}.{}", status::status_of(directory.as_fd())?.inode);
        let ledger = self.ledger(&name);
        Ok((name, ledger))
    }

    fn doubt(&self, _: u32) {
        panic!("everything is one user's");
    }
}

fn terms(most: Amount) -> Terms {
    Terms { title: String::new(), most, recount: 0, owner: None }
}

fn identity(path: &Path) -> Identity {
    let metadata = path.metadata().unwrap();
    (metadata.dev(), metadata.ino())
}

impl World {
    fn new() -> World {
        let scratch = Scratch::new();
        scratch.make_directory("area");
        scratch.make_directory("each");
        World::of(scratch)
    }

    fn of(scratch: Scratch) -> World {
        let ledgers = Ledgers(scratch.path().with_extension("ledgers"));
        let [root, area, each] = ["", "area", "each"].map(|name| identity(&scratch.path().join(name)));
        let quota = |name: &str, most: Amount| {
            Rc::new(Quota::new(name.into(), ledgers.ledger(name), root.0, terms(most), None))
        };
        let quotas = [quota("root", MOST), quota("area", MOST_IN_AREA)];
        let [root_quota, area_quota] = quotas.clone();
        let mut files = scratch.files("elradfmwMT");
        let inner =
            vec![(area, Inner::This(area_quota)), (each, Inner::Each("each".into(), terms(MOST_OF_EACH)))];
        let pinned = [area, each].into_iter().collect();
        let quotas_met = Quotas { root, always: vec![root_quota], inner, pinned, writable: true };
        files.keep_quotas(quotas_met, Box::new(ledgers));
        let [root, area] = quotas;
        World { scratch, files, root, area, recounts: Cell::new(0) }
    }

    /// What a session does with a command: again, when what it needs is there.
    fn run<T>(&self, mut command: impl FnMut(&Files) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let done = command(&self.files);
            match self.files.counted().unwrap().take_pending() {
                None => return done,
                Some(_) if done.is_ok() => return done,
                Some(Pending::Count(quota)) => self.count(&quota),
                Some(Pending::Wait) => panic!("nobody else is there"),
                Some(Pending::Measure(directory, sources)) => {
                    let (amount, is_exact) = Walk::of(directory.as_fd(), None).unwrap().finish().unwrap();
                    let directory = identity_of(&status::status_of(directory.as_fd()).unwrap());
                    let changes = sources.iter().map(|quota| quota.changes_begun()).sum();
                    let measured = Measured { directory, amount, is_exact, changes };
                    self.files.counted().unwrap().keep_measured(measured);
                }
            }
        }
    }

    fn count(&self, quota: &Quota) {
        let is_again = quota.is_counted() && quota.shown().is_none();
        self.recounts.set(self.recounts.get() + u32::from(is_again));
        let directory = match (quota.name(), quota.shown()) {
            (_, Some(shown)) => shown.try_clone().unwrap(),
            ("root", None) => std::fs::File::open(self.scratch.path()).unwrap().into(),
            (name, None) => std::fs::File::open(self.scratch.path().join(name)).unwrap().into(),
        };
        let found = Walk::of(directory.as_fd(), None).unwrap().finish().unwrap().0;
        let book = Book::find(&self.scratch.path().with_extension("ledgers"), quota.name()).unwrap();
        assert!(book.try_close().unwrap());
        for (index, number) in [
            (place::BYTES, found.bytes),
            (place::FILES, found.files),
            (place::ACTIVE, 0),
            (place::DOUBTFUL, 0),
            (place::COUNTED, 1),
        ] {
            book.set(index, number).unwrap();
        }
    }

    fn really(&self, name: &str) -> Amount {
        let directory = std::fs::File::open(self.scratch.path().join(name)).unwrap();
        Walk::of(directory.as_fd(), None).unwrap().finish().unwrap().0
    }

    /// What quotas say that is used, by directory.
    fn told(&self) -> BTreeMap<String, Amount> {
        let mut told = BTreeMap::new();
        let each: Vec<String> = std::fs::read_dir(self.scratch.path().join("each"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| format!("each/{}", entry.file_name().into_string().unwrap()))
            .collect();
        for name in ["".to_string(), "area".to_string()].into_iter().chain(each) {
            let quotas = self.run(|files| files.quotas_in(&path(&name))).unwrap();
            // The closest is the last one.
            let quota = quotas.last().unwrap();
            told.insert(name, quota.used());
        }
        told
    }

    fn begin(&self, name: &str, start: Start) -> Result<(Payment, Upload), Error> {
        self.run(|files| {
            let mut payment = files.begin_payment(&path(name), start)?.expect("a quota is kept");
            let upload = files.upload(&path(name), start)?;
            payment.is_for(&upload)?;
            Ok((payment, upload))
        })
    }
}

/// Whether there was room for everything.
fn write(payment: &mut Payment, upload: &Upload, length: usize) -> bool {
    let paid = payment.pay(length);
    write_all(upload.descriptor(), &vec![b'x'; paid]).unwrap();
    paid == length
}

#[test]
fn each_quota_that_covers_a_file_is_paid_or_none() {
    let world = World::new();
    world.run(|files| files.make_directory(&path("each/a"))).unwrap();
    let used = |world: &World| (world.root.used(), world.area.used());
    let (mut payment, upload) = world.begin("area/one", Start::New).unwrap();
    assert!(write(&mut payment, &upload, 500));
    assert_eq!(used(&world), (Amount { bytes: 500, files: 4 }, Amount { bytes: 500, files: 1 }));
    let (mut other, second) = world.begin("two", Start::New).unwrap();
    assert!(write(&mut other, &second, 450));
    // The area has room for 100, but the root has only for 50.
    assert!(!write(&mut payment, &upload, 100));
    assert_eq!(used(&world), (Amount { bytes: 1000, files: 5 }, Amount { bytes: 550, files: 1 }));
    other.give_up(second, Upload::discard);
    payment.finish(upload).unwrap();
    drop(payment);
    let (mut payment, upload) = world.begin("each/a/file", Start::New).unwrap();
    assert_eq!(payment.pay(400), 300);
    write_all(upload.descriptor(), &[b'x'; 300]).unwrap();
    payment.finish(upload).unwrap();
    drop(payment);
    assert_eq!(world.really(""), world.root.used());
    // From one to the other: both know at once, and who has no room takes nothing.
    let refused = world.run(|files| files.rename(&path("each/a/file"), &path("area/file")));
    assert_eq!(refused, Err(Error::QuotaExceeded));
    world.run(|files| files.remove_file(&path("area/one"))).unwrap();
    world.run(|files| files.rename(&path("each/a/file"), &path("area/file"))).unwrap();
    assert_eq!(world.area.used(), Amount { bytes: 300, files: 1 });
    assert_eq!(world.told()["each/a"], Amount::default());
    world.run(|files| files.rename(&path("each/a"), &path("area/a"))).unwrap();
    assert_eq!(world.area.used(), Amount { bytes: 300, files: 2 });
    for (from, to) in [("area", "b"), ("each", "area/each")] {
        let moved = world.run(|files| files.rename(&path(from), &path(to)));
        assert_eq!(moved, Err(Error::HasQuota), "{from}");
    }
}

#[test]
fn of_two_that_come_at_once_neither_has_what_the_other_has() {
    let world = World::new();
    let (mut one, first) = world.begin("one", Start::New).unwrap();
    let (mut two, second) = world.begin("area/two", Start::New).unwrap();
    assert!(write(&mut one, &first, 600));
    assert_eq!(two.pay(600), 400);
    assert_eq!(world.root.used().bytes, 1000);
    drop(second);
}

#[test]
fn who_died_in_the_middle_is_counted_anew() {
    let world = World::new();
    let (mut payment, upload) = world.begin("area/one", Start::New).unwrap();
    assert!(write(&mut payment, &upload, 100));
    assert_eq!(payment.pay(300), 300);
    // As if the process had ended: nothing else is done, and the lock is gone.
    std::mem::forget((payment, upload));
    world.root.abandon();
    world.area.abandon();
    assert_eq!(world.area.used().bytes, 400);
    let told = world.told();
    assert_eq!(told["area"], Amount { bytes: 100, files: 1 });
    assert_eq!(told[""], Amount { bytes: 100, files: 3 });
}

#[derive(Clone, Debug)]
enum Step {
    Store { name: String, how: u8, pieces: Vec<usize>, whole: bool },
    Remove(String),
    Rename(String, String),
    Make(String),
    Unmake(String),
    Link(String, String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let directory =
        || prop::sample::select(vec!["", "area/", "each/x/", "each/y/", "area/x/", "each/", "z/"]);
    let file = move || (directory(), 0u8..3).prop_map(|(directory, name)| format!("{directory}f{name}"));
    let inner = || prop::sample::select(vec!["each/x", "each/y", "area/x", "z", "x", "area", "each"]);
    let inner = move || inner().prop_map(str::to_string);
    let store = (file(), 0u8..4, prop::collection::vec(0usize..250, 0..4), any::<bool>())
        .prop_map(|(name, how, pieces, whole)| Step::Store { name, how, pieces, whole });
    prop::collection::vec(
        prop_oneof![
            5 => store,
            2 => file().prop_map(Step::Remove),
            2 => (file(), file()).prop_map(|(from, to)| Step::Rename(from, to)),
            2 => (inner(), inner()).prop_map(|(from, to)| Step::Rename(from, to)),
            3 => inner().prop_map(Step::Make),
            1 => inner().prop_map(Step::Unmake),
            1 => (file(), file()).prop_map(|(from, to)| Step::Link(from, to)),
        ],
        0..40,
    )
}

fn take(world: &World, step: &Step) {
    match step {
        Step::Store { name, how, pieces, whole } => {
            let size = world.files.status(&path(name)).map_or(0, |status| status.size);
            let start =
                [Start::New, Start::Append, Start::Resume(size / 2), Start::Unique][usize::from(*how)];
            if let Ok((mut payment, upload)) = world.begin(name, start) {
                let fits = pieces.iter().all(|length| write(&mut payment, &upload, *length));
                match fits && *whole {
                    true => drop(payment.finish(upload)),
                    false => payment.give_up(upload, if *whole { Upload::discard } else { Upload::abandon }),
                }
            }
        }
        Step::Remove(name) => drop(world.run(|files| files.remove_file(&path(name)))),
        Step::Rename(from, to) => drop(world.run(|files| files.rename(&path(from), &path(to)))),
        Step::Make(name) => drop(world.run(|files| files.make_directory(&path(name)))),
        Step::Unmake(name) => drop(world.run(|files| files.remove_directory(&path(name)))),
        Step::Link(from, to) => drop(world.run(|files| files.make_link(&path(from), &path(to)))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is stored, cut, replaced, resumed, removed, moved and linked: every ledger says what is there, and there
    /// is never more than may be.
    #[test]
    fn the_ledgers_say_what_is_there(steps in steps()) {
        let world = World::new();
        for step in steps {
            take(&world, &step);
            for (name, used) in world.told() {
                let there = world.really(&name);
                prop_assert_eq!(used, there, "{:?} after {:?}", name, step);
                let most = match name.as_str() {
                    "" => MOST,
                    "area" => MOST_IN_AREA,
                    _ => MOST_OF_EACH,
                };
                prop_assert!(there.bytes <= most.bytes && there.files <= most.files, "{}", name);
            }
            prop_assert_eq!(world.recounts.get(), 0, "{:?}", step);
        }
    }
}
