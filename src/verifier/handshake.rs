//! The handshake up to the client's signature: whether it is the one that the worker took part in, and which
//! certificates the client showed in it.

use aws_lc_rs::digest::{SHA256, SHA384, digest};

use super::{Case, Refusal};
use crate::ipc::messages::Distrust;

/// Types of handshake messages (RFC 8446 4, RFC 5246 7.4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_VERIFY: u8 = 15;

/// Where in both hellos the random number stands.
const RANDOM: std::ops::Range<usize> = 2..34;

/// The last bytes of the server's random number may say that a newer version was possible (RFC 8446 4.1.3).
const FRESH: usize = 24;

/// The most certificates that a client may show.
const MAX_CHAIN: usize = 16;

/// What the client has said of himself.
pub struct Said {
    /// In DER, his own first.
    pub certificates: Vec<Vec<u8>>,
    /// What his signature is of.
    pub signed: Vec<u8>,
}

/// A message of a handshake.
struct Message<'a> {
    kind: u8,
    body: &'a [u8],
    /// Where in the handshake it begins.
    at: usize,
}

/// Whether the client's certificates belong to the handshake that the worker took part in.
pub fn read(case: &Case) -> Result<Said, Refusal> {
    let forged = |text: &str| Refusal::new(Distrust::Unproved, text);
    let messages = messages(&case.transcript).ok_or_else(|| forged("the handshake cannot be understood"))?;
    // The last of its kind: the server may have asked for another hello.
    let random_of = |kind: u8| {
        let hello = messages.iter().rfind(|message| message.kind == kind)?;
        hello.body.get(RANDOM)
    };
    let server = random_of(SERVER_HELLO).filter(|said| case.random.get(..FRESH) == said.get(..FRESH));
    let server = server.ok_or_else(|| forged("this is not the handshake of now"))?;
    let client = random_of(CLIENT_HELLO).ok_or_else(|| forged("there is no hello"))?;
    let is_ours = match case.newest {
        true => is_signed(case, &messages),
        false => is_signed_in_old_form(case, &messages, client, server),
    };
    if !is_ours {
        return Err(forged("the worker has not signed this handshake"));
    }
    // The server's comes before its signature.
    let shown = messages.iter().rfind(|message| message.kind == CERTIFICATE);
    let shown = shown
        .filter(|shown| messages.iter().any(|message| message.kind == CERTIFICATE && message.at < shown.at));
    let certificates = shown
        .and_then(|shown| certificates(shown.body, case.newest))
        .filter(|chain| !chain.is_empty() && chain.len() <= MAX_CHAIN);
    let certificates = certificates.ok_or_else(|| forged("there is no certificate of the client"))?;
    let signed = match case.newest {
        true => of_client(&hash(case)),
        false => case.transcript.clone(),
    };
    Ok(Said { certificates, signed })
}

/// All messages, in order.
fn messages(mut rest: &[u8]) -> Option<Vec<Message<'_>>> {
    let whole = rest.len();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let at = whole - rest.len();
        let (&kind, behind) = rest.split_first()?;
        let body;
        (body, rest) = counted(behind, 3)?;
        found.push(Message { kind, body, at });
    }
    Some(found)
}

/// What is behind a length of so many bytes, and what follows it.
fn counted(bytes: &[u8], digits: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(digits)?;
    let length = length.iter().fold(0usize, |length, digit| length << 8 | usize::from(*digit));
    rest.split_at_checked(length)
}

/// TLS 1.3: the worker has signed the digest of everything before the server's signature, which is his, and the client
/// has said nothing between that and his certificate.
fn is_signed(case: &Case, messages: &[Message<'_>]) -> bool {
    let Some(index) = messages.iter().position(|message| message.kind == CERTIFICATE_VERIFY) else {
        return false;
    };
    let verify = &messages[index];
    let hash = |bytes: &[u8]| hash_like(case, bytes);
    let ours = [&case.signed.scheme.to_be_bytes()[..], &counted_by_two(&case.signed.signature)].concat();
    verify.body == ours
        && case.signed.message == of_server(&hash(&case.transcript[..verify.at]))
        && matches!(&messages[index + 1..], [_finished, Message { kind: CERTIFICATE, .. }])
}

/// TLS 1.2: the worker has signed both random numbers and the server's half of the key exchange.
fn is_signed_in_old_form(case: &Case, messages: &[Message<'_>], client: &[u8], server: &[u8]) -> bool {
    let mut exchanges = messages.iter().filter(|message| message.kind == SERVER_KEY_EXCHANGE);
    let (Some(exchange), None) = (exchanges.next(), exchanges.next()) else { return false };
    let randoms = [client, server].concat();
    let Some(parameters) = case.signed.message.strip_prefix(randoms.as_slice()) else { return false };
    let scheme = case.signed.scheme.to_be_bytes();
    exchange.body == [parameters, &scheme, &counted_by_two(&case.signed.signature)].concat()
}

fn counted_by_two(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// The digest of the handshake, in the same way as the one that the worker signed.
fn hash_like(case: &Case, bytes: &[u8]) -> Vec<u8> {
    let longer = case.signed.message.len() == of_server(&[0; 48]).len();
    digest(if longer { &SHA384 } else { &SHA256 }, bytes).as_ref().to_vec()
}

fn hash(case: &Case) -> Vec<u8> {
    hash_like(case, &case.transcript)
}

/// What is signed in TLS 1.3 (RFC 8446 4.4.3).
fn of_server(hash: &[u8]) -> Vec<u8> {
    [&[b' '; 64], &b"TLS 1.3, server CertificateVerify\0"[..], hash].concat()
}

fn of_client(hash: &[u8]) -> Vec<u8> {
    [&[b' '; 64], &b"TLS 1.3, client CertificateVerify\0"[..], hash].concat()
}

/// The certificates of a message; in TLS 1.3 there is a context before them, and extensions are behind each.
fn certificates(body: &[u8], newest: bool) -> Option<Vec<Vec<u8>>> {
    let body = if newest { counted(body, 1)?.1 } else { body };
    let (mut list, behind) = counted(body, 3)?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let certificate;
        (certificate, list) = counted(list, 3)?;
        if newest {
            list = counted(list, 2)?.1;
        }
        found.push(certificate.to_vec());
    }
    behind.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::super::{Signed, Trusted};
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0], &counted_by_two(body)[..]].concat()
    }

    fn hello(kind: u8, random: u8) -> Vec<u8> {
        message(kind, &[&[3, 3], &[random; 32][..], &[0]].concat())
    }

    /// A list with one certificate of one byte.
    const SHOWN: &[u8] = &[0, 0, 0, 6, 0, 0, 1, 0x30, 0, 0];
    const SHOWN_OLD: &[u8] = &[0, 0, 4, 0, 0, 1, 0x30];

    fn new_form() -> Case {
        let before = [hello(1, 1), hello(2, 2), message(8, &[0, 0]), message(11, b"server")].concat();
        let signed = Signed {
            scheme: 0x0403,
            message: of_server(digest(&SHA256, &before).as_ref()),
            signature: b"signature".to_vec(),
        };
        let verify = message(15, &[&[4, 3], &counted_by_two(b"signature")[..]].concat());
        let transcript = [before, verify, message(20, b"finished"), message(11, SHOWN)].concat();
        case(signed, transcript, true)
    }

    fn old_form() -> Case {
        let signed = Signed {
            scheme: 0x0403,
            message: [&[1; 32][..], &[2; 32], b"curve"].concat(),
            signature: b"signature".to_vec(),
        };
        let exchange = message(12, &[b"curve", &[4, 3][..], &counted_by_two(b"signature")].concat());
        let parts = [
            hello(1, 1),
            hello(2, 2),
            message(11, b"server"),
            exchange,
            message(11, SHOWN_OLD),
            message(16, b"key"),
        ];
        case(signed, parts.concat(), false)
    }

    fn case(signed: Signed, transcript: Vec<u8>, newest: bool) -> Case {
        Case {
            random: vec![2; 32],
            signed,
            transcript,
            newest,
            scheme: 0x0403,
            signature: Vec::new(),
            trusted: Ok(Trusted { authorities: Vec::new(), revoked: Vec::new() }),
        }
    }

    fn complaint(case: &Case) -> Option<String> {
        read(case).err().map(|refusal| refusal.text)
    }

    #[test]
    fn a_handshake_of_the_worker_is_known_again() {
        let said = read(&new_form()).ok().unwrap();
        assert_eq!(said.certificates, [[0x30]]);
        assert_eq!(said.signed, of_client(digest(&SHA256, &new_form().transcript).as_ref()));
        let said = read(&old_form()).ok().unwrap();
        assert_eq!(said.certificates, [[0x30]]);
        assert_eq!(said.signed, old_form().transcript);
    }

    #[test]
    fn one_with_another_random_number_is_not_of_now() {
        for whole in [new_form(), old_form()] {
            let old = Case { random: vec![3; 32], ..whole };
            assert_eq!(complaint(&old).as_deref(), Some("this is not the handshake of now"));
        }
        // A server that speaks an older version than it could says so in the last eight bytes.
        let mut downgraded = old_form();
        downgraded.random[24..].fill(9);
        assert_eq!(complaint(&downgraded), None);
    }

    #[test]
    fn every_byte_that_the_worker_signed_counts() {
        let not_signed = Some("the worker has not signed this handshake");
        for whole in [new_form, old_form] {
            let mut other = whole();
            other.signed.signature[0] ^= 1;
            assert_eq!(complaint(&other).as_deref(), not_signed);
            let mut other = whole();
            *other.signed.message.last_mut().unwrap() ^= 1;
            assert_eq!(complaint(&other).as_deref(), not_signed);
        }
        // In TLS 1.3 all that comes before the signature, the server's certificate too.
        let whole = new_form();
        for at in (0..whole.transcript.len() - 40).filter(|at| *at > 3) {
            let mut other = new_form();
            other.transcript[at] ^= 1;
            assert!(complaint(&other).is_some(), "byte {at}");
        }
    }

    #[test]
    fn nothing_stands_between_the_signature_and_the_certificate() {
        let mut other = new_form();
        other.transcript.extend(message(11, SHOWN));
        assert!(complaint(&other).is_some());
        let mut other = new_form();
        other.newest = false;
        assert!(complaint(&other).is_some(), "one form is not taken for the other");
        let mut other = old_form();
        other.newest = true;
        assert!(complaint(&other).is_some());
    }

    proptest! {
        #[test]
        fn no_handshake_is_too_silly_to_be_read(transcript: Vec<u8>, newest: bool) {
            let _ = read(&Case { transcript, newest, ..new_form() });
        }

        #[test]
        fn no_list_is_too_silly_to_be_read(body: Vec<u8>, newest: bool) {
            let _ = certificates(&body, newest);
        }
    }
}
