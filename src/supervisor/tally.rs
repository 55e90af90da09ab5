//! What has happened since the daemon was started. Sessions count in their pages; what those have counted that are gone is
//! added up here when the last of their processes is, so that no number is lost, whatever they died of.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Supervisor;
use super::limits::Refusal;
use crate::ipc::control::{Answer, Doing};
use crate::ipc::events::Outcome;
use crate::ipc::measures::Family;
use crate::ipc::page::{Activity, Counted, DURATION_LIMITS_MILLIS, KINDS, OUTCOMES, PageView, kind};

/// No session can make a number larger than this, since pages may say anything: 2^48 bytes are a day of 25 Gbit/s.
const PLAUSIBLE: u64 = 1 << 48;

/// The names of kinds and outcomes, in the order of the page.
const KIND_NAMES: [&str; KINDS] = ["download", "upload", "listing", "other"];
const OUTCOME_NAMES: [&str; OUTCOMES] = ["complete", "aborted", "cut_short", "failed"];

/// The numbers.
#[derive(Debug, Default)]
pub struct Tally {
    refusals: BTreeMap<&'static str, u64>,
    logged_in: u64,
    logins_refused: u64,
    logins_failed: u64,
    bans: u64,
    past: Sum,
}

/// What sessions have counted, added up.
#[derive(Clone, Debug, Default)]
struct Sum {
    counted: Counted,
    sent: u64,
    received: u64,
}

impl Tally {
    /// A client or a login was turned away.
    pub fn refused(&mut self, refusal: &Refusal) {
        *self.refusals.entry(refusal.word()).or_default() += 1;
    }

    /// Somebody has proved who he is, and gets no session for all that.
    pub fn login_refused(&mut self, refusal: &Refusal) {
        self.logins_refused += 1;
        self.refused(refusal);
    }

    /// Somebody could not prove who he is.
    pub fn login_failed(&mut self) {
        self.logins_failed += 1;
    }

    /// Somebody is banned.
    pub fn banned(&mut self) {
        self.bans += 1;
    }

    /// A session has begun.
    pub fn logged_in(&mut self) {
        self.logged_in += 1;
    }

    /// Every process that wrote to this page is gone.
    pub fn bury(&mut self, page: PageView) {
        self.past.add(page);
        // Whoever was killed in the middle of a transfer could not say that it has ended.
        if let Activity::Moving(direction) = page.activity()
            && let Some(look) = page.look()
        {
            let (kind, outcome) = (kind(direction), Outcome::CutShort as usize);
            self.past.counted.transfers[kind][outcome] += 1;
            self.past.counted.bytes[kind][outcome] += look.bytes.min(PLAUSIBLE);
        }
    }
}

impl Sum {
    fn add(&mut self, page: PageView) {
        let Counted { transfers, bytes, durations, micros } = page.counted();
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more.min(PLAUSIBLE));
        for kind in 0..KINDS {
            for outcome in 0..OUTCOMES {
                add(&mut self.counted.transfers[kind][outcome], transfers[kind][outcome]);
                add(&mut self.counted.bytes[kind][outcome], bytes[kind][outcome]);
            }
        }
        for way in 0..durations.len() {
            for (sum, more) in self.counted.durations[way].iter_mut().zip(durations[way]) {
                add(sum, more);
            }
            add(&mut self.counted.micros[way], micros[way]);
        }
        add(&mut self.sent, page.sent());
        add(&mut self.received, page.received());
    }
}

impl Supervisor {
    /// All numbers there are, for who writes them down.
    pub(super) fn samples(&mut self) -> Vec<Answer> {
        let mut sum = self.tally.past.clone();
        let mut ports = 0;
        let mut states: BTreeMap<&'static str, u64> = STATES.iter().map(|name| (*name, 0)).collect();
        for (_, slot, serving) in self.pool.serving_from(0) {
            let page = slot.page();
            sum.add(page);
            ports += u64::from(page.passive_port() != 0);
            let doing = doing(page.activity(), serving.known.login.is_some());
            *states.entry(state_name(doing)).or_default() += 1;
        }
        let config = &self.inheritance.config;
        let mut samples = Samples::default();
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        samples.add(Family::Build, &[env!("CARGO_PKG_VERSION")], 1);
        samples.add(Family::StartTime, &[], seconds(self.started));
        samples.add(Family::ConfigurationTime, &[], seconds(self.loaded));
        samples.add(Family::ReloadFailed, &[], (!self.reload_error.is_empty()).into());
        samples.add(Family::Draining, &[], self.draining.into());
        for name in STATES {
            samples.add(Family::Sessions, &[name], states[name]);
        }
        samples.add(Family::SessionsLimit, &[], config.listen.max_sessions.get().into());
        samples.add(Family::SpareWorkers, &[], self.pool.spare() as u64);
        samples.add(Family::Connections, &[], self.served);
        samples.add(Family::Logins, &["success"], self.tally.logged_in);
        samples.add(Family::Logins, &["failure"], self.tally.logins_failed);
        samples.add(Family::Logins, &["refused"], self.tally.logins_refused);
        for (reason, count) in &self.tally.refusals {
            samples.add(Family::Refusals, &[reason], *count);
        }
        samples.add(Family::Bans, &[], self.penalties.bans.list(Instant::now()).count() as u64);
        samples.add(Family::BansImposed, &[], self.tally.bans);
        samples.transfers(&sum);
        samples.add(Family::DataBytes, &["sent"], sum.sent);
        samples.add(Family::DataBytes, &["received"], sum.received);
        samples.add(Family::PassivePortsInUse, &[], ports);
        if let Some(range) = config.data.passive_ports {
            samples.add(Family::PassivePorts, &[], range.ports().len() as u64);
        }
        for (path, end) in self.certificates.ends(&config.certificate_files()) {
            samples.add(Family::CertificateEnd, &[&path], end);
        }
        samples.0
    }
}

#[derive(Default)]
struct Samples(Vec<Answer>);

impl Samples {
    fn add(&mut self, family: Family, labels: &[&str], value: u64) {
        let labels = labels.iter().map(ToString::to_string).collect();
        self.0.push(Answer::Sample { family, labels, value });
    }

    fn transfers(&mut self, sum: &Sum) {
        for (kind, direction) in KIND_NAMES.iter().enumerate() {
            for (outcome, result) in OUTCOME_NAMES.iter().enumerate() {
                let count = sum.counted.transfers[kind][outcome];
                self.add(Family::Transfers, &[direction, result], count);
                self.add(Family::TransferBytes, &[direction, result], sum.counted.bytes[kind][outcome]);
            }
        }
        for (way, direction) in KIND_NAMES.iter().enumerate().take(sum.counted.durations.len()) {
            let mut count = 0;
            for (class, more) in sum.counted.durations[way].iter().enumerate() {
                count += more;
                let limit = DURATION_LIMITS_MILLIS.get(class);
                let limit = limit.map_or("+Inf".to_string(), |limit| format!("{:?}", *limit as f64 / 1000.0));
                self.add(Family::TransferSeconds, &[direction, &limit], count);
            }
            self.add(Family::TransferMicros, &[direction], sum.counted.micros[way]);
        }
    }
}

/// What a client is about, by what his session says, if he has one.
pub(super) fn doing(activity: Activity, is_logged_in: bool) -> Doing {
    use crate::ipc::events::Direction;
    match activity {
        Activity::Nothing if !is_logged_in => Doing::LoggingIn,
        Activity::Nothing | Activity::Waiting => Doing::Idle,
        Activity::Obeying => Doing::Obeying,
        Activity::Moving(direction) => match direction {
            Direction::Out => Doing::Downloading,
            Direction::In => Doing::Uploading,
            Direction::Listing => Doing::Listing,
            Direction::Digest => Doing::Digesting,
            Direction::Copy => Doing::Copying,
            Direction::Removal => Doing::Removing,
        },
    }
}

const STATES: [&str; 6] = ["logging_in", "idle", "downloading", "uploading", "listing", "working"];

/// States as they are counted: whatever works on files without a data connection is one.
fn state_name(doing: Doing) -> &'static str {
    match doing {
        Doing::LoggingIn => "logging_in",
        Doing::Idle => "idle",
        Doing::Downloading => "downloading",
        Doing::Uploading => "uploading",
        Doing::Listing => "listing",
        Doing::Obeying | Doing::Digesting | Doing::Copying | Doing::Removing => "working",
    }
}
