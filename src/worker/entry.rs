//! A client comes in: from his first attempt to log in until a session is ready for him, or he has gone.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::dialogue::{Dialogue, Heard};
use super::keys::KeyHolder;
use super::login::{self, Attempt, Login, NotYet};
use super::processes::{Frontend, Session};
use super::serve::{Ending, LOGIN_OVERTIME};
use super::{Client, Worker};
use crate::config::Count;
use crate::events::Objection;
use crate::ipc::messages::{Admission, FromSession, Leaving, Password, Security, ToFrontend, ToSupervisor};
use crate::ipc::occurrences::What;
use crate::log::{self, quoted};
use crate::system::poll::{PollFlags, wait};
use crate::system::{Failure, memory};

/// How long a new session may take to say that it is ready. Home directories may be on slow networks.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// So many bytes of a message may be names of groups.
const ROOM_FOR_GROUPS: usize = 4096;

/// How far a login has come.
enum Progress {
    /// The session is ready and has greeted the client.
    LoggedIn(Box<Login>, Session),
    /// The certificate was not enough.
    NeedsPassword,
    /// It failed, for a reason that is no fault of his; the client will be told.
    Failed(Vec<String>),
    /// The client could not prove who he is.
    Wrong(Vec<String>),
    /// The client is served no more.
    Over(Ending),
}

impl Worker<'_> {
    /// Until somebody is logged in, or nobody is going to be.
    pub(super) fn log_in(
        &self,
        client: &Client,
        frontend: &Frontend,
    ) -> Result<(Login, Session, KeyHolder), Ending> {
        let options = &self.inheritance.config.login;
        let deadline = Instant::now() + options.login_timeout.duration() + LOGIN_OVERTIME;
        let mut dialogue = Dialogue::new(&frontend.link, self, deadline);
        let mut failures = 0;
        let mut next = None;
        loop {
            let heard = next.take().unwrap_or_else(|| dialogue.hear(deadline));
            let (host, user, password, security, ahead) = match heard {
                Heard::Attempt { host, user, password, security, ahead } => {
                    (host, user, password, security, ahead)
                }
                Heard::Left(why) => return Err(Ending::Left(why)),
                Heard::Finish(why) => {
                    // The frontend says 421 and then that the client has left.
                    if frontend.link.send(&ToFrontend::Finish(why)).is_err() {
                        return Err(Ending::AtOnce);
                    }
                    continue;
                }
                Heard::Nothing => return Err(Ending::Left(Leaving::LoginTimeout)),
                Heard::Proxied { .. } | Heard::Admitted(_) | Heard::Noted { .. } | Heard::End => {
                    return Err(Ending::AtOnce);
                }
            };
            // Every failure is answered this much after the attempt, however soon it was known.
            let mut answer_at = Instant::now() + options.failure_delay.duration();
            dialogue.begin(&user, ahead);
            let texts = match self.attempt(client, &mut dialogue, &host, &user, password, security) {
                Progress::LoggedIn(login, session) => {
                    return Ok((*login, session, dialogue.keys.into_inner()));
                }
                Progress::Over(ending) => return Err(ending),
                Progress::NeedsPassword => {
                    let prompt = "Password required.".to_string();
                    if frontend.link.send(&ToFrontend::Ask { texts: Vec::new(), prompt }).is_err() {
                        return Err(Ending::AtOnce);
                    }
                    continue;
                }
                Progress::Failed(texts) => texts,
                Progress::Wrong(texts) => {
                    let (delay, banned) = self.note_failure(&dialogue, &user)?;
                    answer_at += delay;
                    // There will be no further attempt from there.
                    failures = if banned { options.max_failures.get() } else { failures };
                    texts
                }
            };
            failures += 1;
            let enough = failures >= options.max_failures.get();
            match dialogue.take_interruption() {
                // The client has not waited for this answer, but begun anew. The other one has its time, too.
                Some(interruption @ Heard::Attempt { .. }) if !enough => {
                    self.wait_out(&dialogue, answer_at)?;
                    next = Some(interruption);
                }
                Some(Heard::Attempt { .. }) | None => {
                    self.wait_out(&dialogue, answer_at)?;
                    let answer =
                        if enough { ToFrontend::Enough { texts } } else { ToFrontend::Denied { texts } };
                    if frontend.link.send(&answer).is_err() {
                        return Err(Ending::AtOnce);
                    }
                }
                Some(interruption) => next = Some(interruption),
            }
        }
    }

    /// Waits before a failure is told, but not for a client who is gone.
    fn wait_out(&self, dialogue: &Dialogue<'_>, until: Instant) -> Result<(), Ending> {
        while Instant::now() < until {
            match dialogue.hear(until) {
                Heard::Nothing => {}
                Heard::Left(why) => return Err(Ending::Left(why)),
                Heard::Finish(why) => {
                    let _ = dialogue.frontend.send(&ToFrontend::Finish(why));
                    return Err(Ending::Left(why));
                }
                Heard::Proxied { .. }
                | Heard::Attempt { .. }
                | Heard::Admitted(_)
                | Heard::Noted { .. }
                | Heard::End => {
                    return Err(Ending::AtOnce);
                }
            }
        }
        Ok(())
    }

    fn attempt(
        &self,
        client: &Client,
        dialogue: &mut Dialogue<'_>,
        host: &str,
        user: &str,
        password: Option<Password>,
        security: Security,
    ) -> Progress {
        let config = &self.inheritance.config;
        let Ok(host) = config.host_chosen(host, client.local) else {
            return self.fail(user, "the frontend named a virtual host that is none here", Vec::new());
        };
        self.note_attempt(host, user, security);
        match self.may_try(dialogue, user) {
            Ok(Admission::Yes) => {}
            Ok(Admission::No { why, text }) => return self.fail(user, &why, vec![text]),
            Err(ending) => return Progress::Over(ending),
        }
        let is_protected = security != Security::Plain;
        let proof = dialogue.proof.take();
        let attempt = Attempt {
            peer: client.peer.ip(),
            host,
            name: user,
            password: password.as_ref(),
            certificate: proof.claims(),
            is_protected,
        };
        let decision = login::decide(config, &attempt, dialogue);
        dialogue.proof.replace(proof);
        drop(password);
        let mut login = match decision {
            Ok(login) => login,
            Err(NotYet::NeedsPassword) => return Progress::NeedsPassword,
            Err(NotYet::Refused(refused)) if refused.proved => {
                return self.fail(user, &refused.log, refused.texts);
            }
            Err(NotYet::Refused(refused)) => {
                self.log_failure(user, &refused.log);
                return Progress::Wrong(refused.texts);
            }
        };
        match self.is_admitted(dialogue, &login) {
            Ok(Admission::Yes) => {}
            Ok(Admission::No { why, text }) => return self.fail(user, &why, vec![text]),
            Err(ending) => return Progress::Over(ending),
        }
        match self.ask_about_login(client, &login, dialogue.deadline) {
            Ok(()) => {}
            Err(Objection::Said(words)) => {
                self.not_logged_in();
                return self.fail(user, "a program said no", vec![words]);
            }
            Err(Objection::NobodyThere) => return Progress::Over(Ending::Left(Leaving::Vanished)),
        }
        if let Err(refused) = login.open_session() {
            self.not_logged_in();
            return self.fail(user, &refused.log, refused.texts);
        }
        login.make_home();
        // Hashing a password takes more memory than all the rest of a session, and the session would inherit it.
        memory::give_back_freed();
        memory::give_back_stack();
        match self.begin_session(client, dialogue, &mut login, security) {
            Ok(session) => Progress::LoggedIn(Box::new(login), session),
            Err((why, texts)) => {
                self.not_logged_in();
                self.fail(user, &why, texts)
            }
        }
    }

    /// Asks the supervisor, who alone can count.
    fn is_admitted(&self, dialogue: &Dialogue<'_>, login: &Login) -> Result<Admission, Ending> {
        let options = login.options();
        let groups = self.told_groups(login);
        let asked = self.supervisor.send(&ToSupervisor::MayLogIn {
            user: login.name().to_owned(),
            host: login.host().unwrap_or_default().to_owned(),
            rates: self.told_rates(login, &groups),
            groups,
            per_user: options.max_sessions_per_user.map(Count::get),
            per_user_and_address: options.max_sessions_per_user_and_address.map(Count::get),
            transfers: options.max_transfers_per_user.map(Count::get),
        });
        if asked.is_err() {
            return Err(Ending::AtOnce);
        }
        match answer_of_supervisor(dialogue)? {
            Heard::Admitted(admitted) => Ok(admitted),
            _ => Err(Ending::AtOnce),
        }
    }

    /// Asks the supervisor, who alone knows what others have tried.
    fn may_try(&self, dialogue: &Dialogue<'_>, user: &str) -> Result<Admission, Ending> {
        let asked = self.supervisor.send(&ToSupervisor::MayTry { user: user.to_owned() });
        match asked.map_err(|_| Ending::AtOnce).and_then(|()| answer_of_supervisor(dialogue))? {
            Heard::Admitted(admitted) => Ok(admitted),
            _ => Err(Ending::AtOnce),
        }
    }

    /// A login was wrong: how much later the client is told, and whether his address is banned for it.
    fn note_failure(&self, dialogue: &Dialogue<'_>, user: &str) -> Result<(Duration, bool), Ending> {
        let told = self.supervisor.send(&ToSupervisor::Failed { user: user.to_owned() });
        match told.map_err(|_| Ending::AtOnce).and_then(|()| answer_of_supervisor(dialogue))? {
            Heard::Noted { delay, banned } => Ok((Duration::from_secs(delay.into()), banned)),
            _ => Err(Ending::AtOnce),
        }
    }

    /// The groups that sessions are counted by: as many as a message has room for, those first that the configuration
    /// speaks of. An anonymous client has none.
    fn told_groups(&self, login: &Login) -> Vec<String> {
        let mut groups = login.groups().to_vec();
        groups.sort_by_key(|group| !self.inheritance.config.group.contains_key(group));
        let mut room = ROOM_FOR_GROUPS;
        groups.retain(|group| {
            room = room.saturating_sub(group.len() + 2);
            room > 0
        });
        groups
    }

    /// The rates of a session that the supervisor cannot find in the configuration.
    fn told_rates(&self, login: &Login, groups: &[String]) -> Vec<String> {
        let usual = self.inheritance.config.usual_session(login.host(), login.name(), groups);
        login.options().unusual_rates(&usual)
    }

    fn fail(&self, user: &str, why: &str, texts: Vec<String>) -> Progress {
        self.log_failure(user, why);
        Progress::Failed(texts)
    }

    fn log_failure(&self, user: &str, why: &str) {
        log::notice(format_args!("USER {} failed login: {why}", quoted(user.as_bytes())));
        self.tell_failure(why);
    }

    fn not_logged_in(&self) {
        // Should the supervisor be gone, that shows soon.
        let _ = self.supervisor.send(&ToSupervisor::NotLoggedIn);
    }

    /// Forks the session and waits until it is ready: only then the frontend may go. Else: why, and the client's texts.
    fn begin_session(
        &self,
        client: &Client,
        dialogue: &Dialogue<'_>,
        login: &mut Login,
        security: Security,
    ) -> Result<Session, (String, Vec<String>)> {
        let silent = |failure: Failure| (failure.to_string(), Vec::new());
        let (outer, relayed) = self.relayed(dialogue, security).map_err(silent)?.unzip();
        let mut session = self.fork_session(client, login, &dialogue.ahead, relayed).map_err(silent)?;
        let deadline = Instant::now() + READY_LIMIT;
        let ready = wait([(session.link.as_fd(), PollFlags::POLLIN)], Some(deadline));
        if !matches!(ready, Ok([ready]) if !ready.is_empty()) {
            session.kill();
            session.bury();
            return Err(("the session did not begin in time".into(), Vec::new()));
        }
        let place = match session.link.receive() {
            Ok(Some((FromSession::Ready { place }, None))) => login.root().places.get(usize::from(place)),
            Ok(Some((FromSession::NotReady { why, text }, None))) => {
                session.bury();
                return Err((why, Some(text).filter(|text| !text.is_empty()).into_iter().collect()));
            }
            _ => {
                let status = session.bury();
                return Err((format!("the session did not begin: {status:?}"), Vec::new()));
            }
        };
        let Some(place) = place else {
            session.kill();
            session.bury();
            return Err(("the session is where it may not be".into(), Vec::new()));
        };
        if let Some(giving) = &mut session.giving {
            giving.settle(&place.root);
        }
        self.note_login(login, &place.root);
        // A frontend that is gone already took nothing along: the client's bytes are in his socket.
        let _ = match outer {
            Some(outer) => dialogue.frontend.send_with(&ToFrontend::GrantedBehindTls, outer.as_fd()),
            None => dialogue.frontend.send(&ToFrontend::Granted),
        };
        let (user, host) = (Some(login.name().to_owned()), login.host().map(String::from));
        log::set_subject(log::Subject { user, host, ..client.subject() });
        self.show("worker", format_args!("{} {}", login.name(), client.peer.ip()));
        let name = quoted(login.name().as_bytes());
        let host =
            login.host().map(|host| format!(" at {}", log::escaped(host.as_bytes()))).unwrap_or_default();
        let how = if login.is_by_certificate() { " by certificate" } else { "" };
        log::notice(format_args!("USER {name} logged in{host}{how} (uid {}).", login.account().uid));
        self.tell(What::LoggedIn);
        Ok(session)
    }
}

/// What the supervisor says to a question, which it answers at once.
fn answer_of_supervisor(dialogue: &Dialogue<'_>) -> Result<Heard, Ending> {
    match dialogue.hear(dialogue.deadline) {
        heard @ (Heard::Admitted(_) | Heard::Noted { .. }) => Ok(heard),
        Heard::Left(why) => Err(Ending::Left(why)),
        Heard::Finish(why) => {
            let _ = dialogue.frontend.send(&ToFrontend::Finish(why));
            Err(Ending::Left(why))
        }
        Heard::Nothing | Heard::Proxied { .. } | Heard::Attempt { .. } | Heard::End => Err(Ending::AtOnce),
    }
}
