//! Every message of the daemon. The file is the specification: a pair of processes, two enums, nothing else.
//!
//! Requests carry facts; the privileged side decides. Nothing here says who somebody is or what he may do.

use std::net::{Ipv4Addr, SocketAddr};

pub use super::events::{Direction, Event, Leaving, Left, Outcome};
use super::link::Link;
pub use super::password::Password;
use super::values::{messages, values};

/// The supervisor's end of its link to a worker.
pub type WorkerLink = Link<ToWorker, ToSupervisor>;
/// The worker's end of its link to the supervisor.
pub type SupervisorLink = Link<ToSupervisor, ToWorker>;
/// The worker's end of its link to the frontend.
pub type FrontendLink = Link<ToFrontend, FromFrontend>;
/// The frontend's end of its link to the worker.
pub type LoginLink = Link<FromFrontend, ToFrontend>;
/// The worker's end of its link to the session.
pub type SessionLink = Link<ToSession, FromSession>;
/// The session's end of its link to the worker.
pub type FavourLink = Link<FromSession, ToSession>;
/// The supervisor's end of its link to the resolver.
pub type AnswerLink = Link<ToResolver, FromResolver>;
/// The resolver's end of its link to the supervisor.
pub type QuestionLink = Link<FromResolver, ToResolver>;
/// The worker's end of its link to the verifier.
pub type JudgementLink = Link<Nothing, FromVerifier>;
/// The verifier's end of its link to the worker.
pub type VerdictLink = Link<FromVerifier, Nothing>;

values! {
    /// Supervisor → worker.
    enum ToWorker {
        /// Serve this client. Carries the control connection. `listener` is what the configuration calls where he came in.
        /// If he comes again, `proxy` is the proxy that has spoken for him already.
        /// `masquerade` is the address of the name in `masquerade-address`, if it is known.
        Serve {
            id: u64,
            peer: SocketAddr,
            local: SocketAddr,
            listener: SocketAddr,
            proxy: Option<SocketAddr>,
            masquerade: Option<Ipv4Addr>,
            arrival: Arrival,
        },
        /// The answer to `MayLogIn`, `MayTry`, `Proxied` and `MayMove`.
        Admitted(Admission),
        /// The answer to `Failed`: the client is told so many seconds later, and then, if his address is banned, told to go.
        Noted { delay: u32, banned: bool },
        /// The daemon is stopping: end as soon as nothing is being transferred.
        Finish,
        /// Log this much from now on.
        LogLevel { level: String },
        /// Log everything of this client from now on, or as much as of others, which `LogLevel` says then.
        Trace(bool),
        /// The administrator wants this client to go: tell him so, whatever he does, and end.
        Kick,
        /// End now.
        End,
    }

    /// Worker → supervisor.
    enum ToSupervisor {
        /// The session of this worker, and whether its control connection is behind TLS. Carries its pidfd: should the
        /// worker die, the supervisor ends the session.
        Session { tls: bool },
        /// The peer is a proxy, which speaks for this client: may he have a connection?
        Proxied { peer: SocketAddr, local: SocketAddr },
        /// Somebody wants to log in as this user: may he try?
        MayTry { user: String },
        /// He could not prove to be this user.
        Failed { user: String },
        /// The client has done what no FTP client does. `ban`: the configuration wants him banned for it at once.
        Misbehaved { ban: bool },
        /// Somebody proved to be this user, with these groups: may he have one more session, at this virtual host (empty:
        /// at none)? The numbers are what the options of his session say of sessions of this user, of those from the
        /// same address, and of his transfers.
        MayLogIn {
            user: String,
            host: String,
            groups: Vec<String>,
            per_user: Option<u32>,
            per_user_and_address: Option<u32>,
            transfers: Option<u32>,
            rates: Vec<String>,
        },
        /// The user who was admitted got no session after all.
        NotLoggedIn,
        /// Data begins to move that has to share its rate with others.
        Moves,
        /// A file is about to move: may it?
        MayMove,
        /// The client has logged out and wants to log in again (REIN, or USER): for another worker, since this one has
        /// become the user's. Carries the control connection.
        HandBack(Arrival),
    }

    /// How a client comes to a worker.
    enum Arrival {
        /// He has just connected.
        New,
        /// He has logged out with another one. `ahead` was read from him and not obeyed yet; `greeted`: he has had his 220;
        /// `host` is the section of the virtual host that he has chosen and is still at, empty if there is none.
        Again { ahead: Vec<u8>, greeted: bool, host: String },
    }

    /// Whether somebody may come in.
    enum Admission {
        Yes,
        /// `why` is for the log, `text` for the client.
        No { why: String, text: String },
    }

    /// Supervisor → resolver.
    enum ToResolver {
        /// What is the address of this name? To be looked up again as often as that, in seconds.
        Resolve { name: String, every: u32 },
    }

    /// Resolver → supervisor.
    enum FromResolver {
        /// The name has this address from now on.
        Address { address: Ipv4Addr },
        /// The address cannot be found any more.
        Failed { why: String },
    }

    /// Worker → frontend.
    enum ToFrontend {
        /// Speak to this client until he is logged in. Carries the control connection.
        /// `proxied`: a proxy is to say first who he is; `awaited`: he is not greeted before `Welcome`; `implicit`: he
        /// speaks TLS from the beginning.
        Serve {
            peer: SocketAddr,
            local: SocketAddr,
            proxied: bool,
            awaited: bool,
            implicit: bool,
            arrival: Arrival,
        },
        /// Whether he may come in; if no, 421.
        Welcome(Admission),
        /// The session serves the client from here on.
        Granted,
        /// The session serves the client from here on, and hears him through the connection that this carries.
        GrantedBehindTls,
        /// To the relay: end TLS, and nothing else.
        Clear,
        /// The certificate for this client, with its chain, how its key signs, and what its issuer says of it. `random`: what the server is to say for its
        /// random number, where the client is asked for a certificate, so that what he signs cannot be older.
        Identity { chain: Vec<Vec<u8>>, schemes: Vec<u16>, ocsp: Vec<u8>, random: Vec<u8> },
        /// There is no certificate for him.
        NoIdentity,
        /// The signature that was asked for; empty if it is refused.
        Signature { bytes: Vec<u8> },
        /// The client's certificate is good, and he has its key.
        CertificateAccepted,
        /// It is not.
        CertificateRefused(Distrust),
        /// 530. The texts are for the client (from PAM, or ours), a line each.
        Denied { texts: Vec<String> },
        /// 331: the login goes on with the answer to this prompt.
        Ask { texts: Vec<String>, prompt: String },
        /// 530 and the end of the connection: too many failures.
        Enough { texts: Vec<String> },
        /// 421 with the reason, and the end of the connection.
        Finish(Leaving),
    }

    /// Frontend → worker.
    enum FromFrontend {
        /// The proxy has said who the client is, and where he connected to.
        Proxied { peer: SocketAddr, local: SocketAddr },
        /// USER and PASS, or the answer to a prompt of this user's login; USER alone of who has shown a certificate. `host` is the section of the virtual host that
        /// the client has named, empty if he has named none; `ahead` belongs to the session, if there is one.
        Attempt {
            host: String,
            user: String,
            password: Option<Password>,
            security: Security,
            ahead: Vec<u8>,
        },
        /// The client begins to speak TLS. He asks for this name (which may be empty), is at this virtual host (or none), and
        /// understands these signatures.
        Hello { server_name: String, host: String, schemes: Vec<u16> },
        /// A signature for the handshake, in this scheme, please.
        Sign { scheme: u16, message: Vec<u8> },
        /// The next part of what both have said in the handshake up to the client's certificate.
        Transcript { part: Vec<u8> },
        /// The client's signature of it. `newest`: this is TLS 1.3.
        Proof { newest: bool, scheme: u16, signature: Vec<u8> },
        /// The answer to `Clear`: TLS has ended, and this was read behind it.
        Cleared { ahead: Vec<u8> },
        /// The handshake is done, or has failed: `what` is for the log. `resumption`: the number and the secret of its
        /// session, for data connections that resume it, where the client has taken no ticket; or nothing.
        Handshake { what: String, resumption: Vec<Vec<u8>> },
        /// The client is gone, or has been told to go.
        Left { why: Leaving },
    }

    /// Worker → verifier, which has everything it needs from the beginning.
    enum Nothing {}

    /// Verifier → worker.
    enum FromVerifier {
        /// The client has the key of this certificate. `is_trusted`: somebody has signed it who is trusted; else it may say
        /// what it likes. `fingerprint`: its SHA-256.
        Accepted {
            is_trusted: bool,
            fingerprint: Vec<u8>,
            subject: String,
            common_names: Vec<String>,
            user_ids: Vec<String>,
            emails: Vec<String>,
            dns_names: Vec<String>,
            principals: Vec<String>,
        },
        /// The certificate is not good, or he has not its key. `text` is for the log.
        Refused { why: Distrust, text: String },
    }

    /// What is wrong with a client's certificate.
    enum Distrust {
        /// It has expired, or is not valid yet.
        Expired,
        /// It was revoked.
        Revoked,
        /// Nobody has signed it who is trusted.
        Unknown,
        /// He has not shown that he has its key.
        Unproved,
        /// It cannot be understood, or not be judged.
        Unusable,
    }

    /// How the control connection is protected.
    enum Security {
        /// It is not.
        Plain,
        /// By TLS. `sized`: PBSZ was said; `private`: PROT P was.
        Tls { sized: bool, private: bool },
    }

    /// Worker → session.
    enum ToSession {
        /// The signature that was asked for; empty if it is refused.
        Signature { bytes: Vec<u8> },
        /// The name of the uid or gid that was asked for; empty if it has none.
        Name { name: String },
        /// The answer to `May`: nothing speaks against it, or what the client is told.
        Verdict { refusal: Option<String> },
        /// Carries a socket that is bound to the ftp-data port and connecting to the client.
        DataSocket,
        /// There is no such socket; the errno says why.
        NoDataSocket { errno: u32 },
        /// TLS has ended. Carries the control connection, of which this was read already.
        Cleared { ahead: Vec<u8> },
        /// The client did not let TLS end as it should.
        NotCleared,
        /// The file belongs to somebody else now, or it could not be made to.
        Given { done: bool, group: Option<u32> },
        /// Carries the ledger of the directory that was shown; this is its name.
        Ledger { name: String },
        /// The directory has none.
        NoLedger,
        /// The answer to `Doubt`: nobody uses the numbers any more.
        Doubted,
        /// The answer to `Count` and `CountThis`: what is there has been counted, or it could not be.
        Counted { done: bool },
        /// End as soon as nothing is being transferred, and tell the client why.
        Finish(Leaving),
        /// End now, whatever is being transferred, and tell the client why.
        Leave(Leaving),
    }

    /// Session → worker.
    enum FromSession {
        /// Privileges are dropped, the home directory is there, the client has been greeted.
        Ready { place: u8 },
        /// There will be no session. `why` is for the log, `text` for the client (empty: he is told nothing more).
        NotReady { why: String, text: String },
        /// A signature for the handshake of a data connection, in this scheme, please.
        Sign { scheme: u16, message: Vec<u8> },
        /// What is this user called?
        UserName { uid: u32 },
        /// What is this group called?
        GroupName { gid: u32 },
        /// May this happen? Programs of the administrator are asked. How it would end is not known yet.
        May(Event),
        /// A connection from the ftp-data port to this port of the client's own address, please.
        BindDataPort { port: u16 },
        /// Everything was said that is for the client behind TLS: the control connection without it, please.
        Clear,
        /// Carries a file that was uploaded: it is to belong to whom the rules say of the `name` that it will have in its
        /// directory, or of its own if that is empty, please. Not `really`: could it be given?
        GiveAway { name: Vec<u8>, really: bool },
        /// Data begins to move, and its rate is shared: the supervisor is to look.
        Moves,
        /// A file is about to move, and there is a limit to how many may: may it?
        MayMove,
        /// Carries a directory that the quota of this name is about: its ledger, please.
        OpenLedger { section: String },
        /// What this ledger is about is to be counted, please. It is one of those that the session began with.
        Count { ledger: String },
        /// Carries a directory that the quota of this name is about: the same.
        CountThis { section: String },
        /// Something of this uid below the root has been changed: if it has a quota, that is to be counted before it is used
        /// again.
        Doubt { uid: u32 },
        /// Something happened.
        Event(Event),
        /// The session is about to end.
        Left { why: Leaving },
        /// The session is about to end, and the client goes on with another login. `ahead` was read and not obeyed; `greeted`:
        /// he has had his 220; `stays`: at the same virtual host.
        Reinitialize { ahead: Vec<u8>, greeted: bool, stays: bool },
    }
}

impl Copy for Security {}
impl Copy for Distrust {}

messages! {
    ToWorker (ToWorker::Serve { .. });
    ToSupervisor (ToSupervisor::Session { .. } | ToSupervisor::HandBack(_));
    ToFrontend (ToFrontend::Serve { .. } | ToFrontend::GrantedBehindTls);
    FromFrontend;
    ToResolver;
    FromResolver;
    Nothing;
    FromVerifier;
    ToSession (ToSession::DataSocket | ToSession::Cleared { .. } | ToSession::Ledger { .. });
    FromSession (FromSession::GiveAway { .. } | FromSession::OpenLedger { .. } | FromSession::CountThis { .. });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::bytes::Malformed;
    use crate::ipc::link::Message;
    use proptest::prelude::*;

    fn survives<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
        assert_eq!(M::decode(&message.encode()).as_ref(), Ok(message));
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
    }

    proptest! {
        #[test]
        fn what_was_sent_is_what_arrives(
            id: u64, number: u32, flag: bool, port: u16, text: String, path: Vec<u8>, texts in prop::collection::vec(".*", 0..5),
            peer in address(), local in address()
        ) {
            survives(&ToWorker::Serve { id, peer, local, listener: local, proxy: flag.then_some(peer), masquerade: flag.then_some(number.into()), arrival: Arrival::New });
            let arrival = Arrival::Again { ahead: path.clone(), greeted: flag, host: text.clone() };
            survives(&ToSupervisor::HandBack(arrival.clone()));
            survives(&ToResolver::Resolve { name: text.clone(), every: number });
            survives(&FromResolver::Address { address: number.into() });
            survives(&FromResolver::Failed { why: text.clone() });
            survives(&ToSupervisor::Proxied { peer, local });
            survives(&FromFrontend::Proxied { peer, local });
            survives(&ToWorker::Admitted(Admission::Yes));
            survives(&ToWorker::Noted { delay: number, banned: flag });
            survives(&ToSupervisor::MayTry { user: text.clone() });
            survives(&ToSupervisor::Failed { user: text.clone() });
            survives(&ToSupervisor::Misbehaved { ban: flag });
            survives(&ToFrontend::Welcome(Admission::No { why: text.clone(), text: text.clone() }));
            survives(&ToSupervisor::MayLogIn {
                user: text.clone(),
                rates: texts.clone(),
                host: text.clone(),
                groups: texts.clone(),
                per_user: flag.then_some(number),
                per_user_and_address: None,
                transfers: Some(2),
            });
            survives(&ToFrontend::Serve { peer, local, proxied: flag, awaited: flag, implicit: !flag, arrival });
            survives(&ToFrontend::Identity { chain: vec![path.clone(), Vec::new()], schemes: vec![port, 0], ocsp: path.clone(), random: path.clone() });
            survives(&FromFrontend::Proof { newest: flag, scheme: port, signature: path.clone() });
            survives(&FromVerifier::Refused { why: Distrust::Revoked, text: text.clone() });
            survives(&FromVerifier::Accepted {
                is_trusted: flag,
                fingerprint: path.clone(),
                subject: text.clone(),
                common_names: texts.clone(),
                user_ids: Vec::new(),
                emails: texts.clone(),
                dns_names: Vec::new(),
                principals: Vec::new(),
            });
            survives(&FromSession::Sign { scheme: port, message: path.clone() });
            survives(&ToFrontend::Denied { texts: texts.clone() });
            survives(&ToFrontend::Ask { texts, prompt: text.clone() });
            survives(&FromFrontend::Attempt {
                host: text.clone(),
                user: text.clone(),
                password: flag.then(|| Password::new(path.clone())),
                security: Security::Tls { sized: flag, private: true },
                ahead: path.clone(),
            });
            survives(&FromFrontend::Left { why: Leaving::LoginTimeout });
            survives(&ToSession::Name { name: text.clone() });
            survives(&ToSession::NoDataSocket { errno: number });
            survives(&FromSession::BindDataPort { port });
            survives(&FromSession::CountThis { section: text.clone() });
            survives(&FromSession::Doubt { uid: number });
            survives(&ToSession::Counted { done: flag });
            survives(&FromSession::NotReady { why: text.clone(), text });
            survives(&FromSession::Event(Event::Transferred {
                direction: Direction::In,
                path: path.clone(),
                bytes: id,
                micros: id,
                ascii: true,
                outcome: Outcome::CutShort,
                left: flag.then_some(Left::Old),
            }));
            survives(&FromSession::Event(Event::Renamed { from: path.clone(), to: path }));
        }

        #[test]
        fn no_packet_is_too_silly_to_be_refused(packet: Vec<u8>) {
            let _ = ToWorker::decode(&packet);
            let _ = ToSupervisor::decode(&packet);
            let _ = ToFrontend::decode(&packet);
            let _ = FromFrontend::decode(&packet);
            let _ = FromVerifier::decode(&packet);
            let _ = ToSession::decode(&packet);
            let _ = FromSession::decode(&packet);
        }
    }

    #[test]
    fn a_byte_too_many_or_too_few_is_malformed() {
        let mut packet = FromSession::UserName { uid: 7 }.encode();
        packet.push(0);
        assert_eq!(FromSession::decode(&packet), Err(Malformed));
        packet.truncate(3);
        assert_eq!(FromSession::decode(&packet), Err(Malformed));
        assert_eq!(FromSession::decode(&[]), Err(Malformed));
    }
}
