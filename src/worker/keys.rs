//! Private keys: read from their files for each client who speaks TLS, used for the signatures of his handshakes, and
//! in no other process. What the supervisor keeps is a descriptor of what could be read last, and never looks into it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer, ServerName,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureScheme};

use super::proof;
use crate::config::{AbsolutePath, Config};
use crate::log;
use crate::system::packet::MAX_PACKET;
use crate::system::process::{Forked, exit_now, fork};
use crate::system::secret::{FromStart, Secret, nameless_file};
use crate::system::{Doing, Failure};
use crate::tls::certificate;
use crate::tls::ocsp;
use crate::tls::pem;
use crate::tls::signer::{Identity, is_of_a_server};

/// The largest file of a certificate with its chain, or of a key, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// The largest chain, in DER: it must fit into a message.
const MAX_CHAIN: usize = MAX_PACKET - 512;

/// A certificate that ends within this time is worth a warning.
const SOON: i64 = 7 * 24 * 3600;

/// How long reading all keys may take at the start; they may be on a slow network.
const COPY_LIMIT: Duration = Duration::from_secs(30);

/// In the order in which a key's own schemes are preferred.
const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// How a private key is encoded.
#[derive(Clone, Copy, Debug)]
enum Format {
    Pkcs1,
    Pkcs8,
    Sec1,
}

/// A certificate with its key.
struct Key {
    identity: Identity,
    private: Secret,
    format: Format,
}

/// What was good at the start or at the last reload: a copy of each pair of files.
pub struct Copies(Vec<File>);

impl Copies {
    /// Reads all files in a process of its own, which says what is wrong with them.
    pub fn make(config: &Config) -> Result<Copies, Failure> {
        let copies = pairs(config).map(|_| nameless_file()).collect::<io::Result<Vec<_>>>();
        let copies = copies.doing(|| "make room for keys".into())?;
        let (mut told, mut telling) = io::pipe().doing(|| "make a pipe".into())?;
        match fork()? {
            Forked::Child => {
                let complaint = copy_all(config, &copies).err().unwrap_or_default();
                let _ = telling.write_all(complaint.as_bytes());
                exit_now(0)
            }
            Forked::Parent(child) => {
                drop(telling);
                let mut complaint = String::new();
                let read = told.read_to_string(&mut complaint);
                child.reap_within(COPY_LIMIT);
                read.doing(|| "read certificates".into())?;
                if !complaint.is_empty() {
                    return Err(Failure {
                        doing: "read certificates".into(),
                        cause: io::Error::other(complaint),
                    });
                }
            }
        }
        Ok(Copies(copies))
    }

    /// What a worker has to keep open.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.0.iter().map(AsRawFd::as_raw_fd)
    }
}

fn copy_all(config: &Config, copies: &[File]) -> Result<(), String> {
    for (pair, mut copy) in pairs(config).zip(copies) {
        let certificate = pair.certificate;
        let (text, warnings) = look_at(&pair)?;
        for warning in warnings {
            log::warning(warning);
        }
        copy.write_all(text.as_bytes()).map_err(|error| format!("{certificate}: {error}"))?;
    }
    proof::examine(&config.tls)
}

/// Everything that is wrong with the files, or looks wrong: for `ftpd check`.
pub fn examine(config: &Config) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for pair in pairs(config) {
        found.extend(look_at(&pair)?.1);
    }
    proof::examine(&config.tls)?;
    Ok(found)
}

/// A certificate and its key, and what looks wrong with them.
fn look_at(pair: &Pair<'_>) -> Result<(Secret, Vec<String>), String> {
    let Pair { certificate, key, ocsp, .. } = pair;
    let text = read_pair(certificate, key)?;
    let (parsed, warnings) = parse(text.as_bytes()).map_err(|reason| format!("{certificate}: {reason}"))?;
    let mut all: Vec<String> =
        warnings.iter().chain(&exposure(key)).map(|warning| format!("{certificate}: {warning}")).collect();
    all.extend(ocsp.and_then(|path| response(path, &parsed.identity.chain).err()));
    Ok((text, all))
}

/// A certificate with the file of its key, and what its issuer says of it.
struct Pair<'a> {
    /// The virtual host that it is for.
    host: Option<&'a str>,
    certificate: &'a AbsolutePath,
    key: &'a AbsolutePath,
    ocsp: Option<&'a AbsolutePath>,
}

/// All certificates, in the order of the copies.
fn pairs(config: &Config) -> impl Iterator<Item = Pair<'_>> {
    let tls = &config.tls;
    let common = std::iter::once((None, &tls.certificates, &tls.keys, &tls.ocsp_responses));
    let of_hosts = config.host.iter().map(|(name, host)| {
        (Some(name.as_str()), &host.own.certificates, &host.own.keys, &host.own.ocsp_responses)
    });
    common.chain(of_hosts).flat_map(|(host, certificates, keys, responses)| {
        certificates.iter().enumerate().map(move |(index, certificate)| Pair {
            host,
            certificate,
            key: keys.get(index).unwrap_or(certificate),
            ocsp: responses.get(index),
        })
    })
}

/// What the issuer says of a certificate, if it is fit to be shown.
fn response(path: &Path, chain: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let told = |reason: &str| format!("{}: {reason}", path.display());
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE as u64).read_to_end(&mut bytes));
    read.map_err(|error| told(&error.to_string()))?;
    ocsp::examine(&bytes, chain.first().map_or(&[], Vec::as_slice), now()).map_err(told)?;
    match chain_size(chain) + bytes.len() > MAX_CHAIN {
        true => Err(told("it is too large together with the certificates")),
        false => Ok(bytes),
    }
}

fn chain_size(chain: &[Vec<u8>]) -> usize {
    chain.iter().map(|certificate| certificate.len() + 2).sum()
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64)
}

/// Both files, one behind the other.
fn read_pair(certificate: &AbsolutePath, key: &AbsolutePath) -> Result<Secret, String> {
    let open = |path: &AbsolutePath| File::open(&**path).map_err(|error| format!("{path}: {error}"));
    let in_certificate = |error| format!("{certificate}: {error}");
    let first = open(certificate)?;
    if key == certificate {
        return Secret::read(first, MAX_FILE).map_err(in_certificate);
    }
    let second = open(key)?;
    Secret::read(first.chain(&b"\n"[..]).chain(second), 2 * MAX_FILE).map_err(in_certificate)
}

/// The key should be nobody else's.
fn exposure(key: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| format!("every user of the machine can read the key {}", key.display()))
}

/// The certificates and the key of a text, and what looks wrong with them.
fn parse(text: &[u8]) -> Result<(Key, Vec<String>), String> {
    let mut chain = Vec::new();
    let mut private = None;
    for section in pem::sections(text) {
        let format = match section.label {
            b"CERTIFICATE" => {
                chain.push(section.bytes().ok_or("a certificate is damaged")?);
                continue;
            }
            b"PRIVATE KEY" => Format::Pkcs8,
            b"RSA PRIVATE KEY" => Format::Pkcs1,
            b"EC PRIVATE KEY" => Format::Sec1,
            b"ENCRYPTED PRIVATE KEY" => return Err("the key is encrypted".into()),
            _ => continue,
        };
        let mut der = Secret::with_capacity(MAX_FILE).map_err(|error| error.to_string())?;
        if private.is_some() {
            return Err("there is more than one key".into());
        }
        if !section.decode(|byte| der.push(byte)) {
            return Err("the key is damaged".into());
        }
        private = Some((der, format));
    }
    if chain_size(&chain) > MAX_CHAIN {
        return Err(format!("the certificate and its chain have more than {MAX_CHAIN} bytes"));
    }
    let warnings = dates(chain.first().ok_or("there is no certificate")?)?;
    let (private, format) = private.ok_or("there is no key")?;
    let mut key =
        Key { identity: Identity { chain, schemes: Vec::new(), ocsp: Vec::new() }, private, format };
    let signing = key.signing()?;
    let certificates = key.identity.chain.iter().map(|der| CertificateDer::from(der.as_slice()).into_owned());
    match CertifiedKey::new(certificates.collect(), Arc::clone(&signing)).keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err("the key does not belong to the certificate".into());
        }
        Err(error) => return Err(error.to_string()),
    }
    let can = |scheme: &&SignatureScheme| signing.choose_scheme(&[**scheme]).is_some();
    key.identity.schemes = SCHEMES.iter().filter(can).map(|scheme| u16::from(*scheme)).collect();
    Ok((key, warnings))
}

/// Whether the certificate is valid now and will be soon.
fn dates(certificate: &[u8]) -> Result<Vec<String>, String> {
    let validity = certificate::validity(certificate).ok_or("the first certificate cannot be understood")?;
    let now = now();
    Ok(if now < validity.not_before {
        vec!["the certificate is not valid yet".into()]
    } else if now > validity.not_after {
        vec!["the certificate has expired".into()]
    } else if now + SOON > validity.not_after {
        vec!["the certificate is about to expire".into()]
    } else {
        Vec::new()
    })
}

impl Key {
    /// Makes the key usable. What is made holds the secret in ordinary memory, and overwrites it when dropped.
    fn signing(&self) -> Result<Arc<dyn SigningKey>, String> {
        let der = self.private.as_bytes();
        let der = match self.format {
            Format::Pkcs1 => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der)),
            Format::Pkcs8 => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
            Format::Sec1 => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
        };
        any_supported_type(&der).map_err(|_| "the key is of no kind that can be used".into())
    }

    fn is_for(&self, name: &ServerName<'_>) -> bool {
        let Some(first) = self.identity.chain.first() else { return false };
        ParsedCertificate::try_from(&CertificateDer::from(first.as_slice()))
            .is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
    }
}

/// The key of this client's connections, once he has begun to speak TLS.
#[derive(Default)]
pub struct KeyHolder {
    key: Option<Key>,
    /// From the choice to the signature that follows.
    ready: Option<Arc<dyn SigningKey>>,
    signatures: u32,
}

impl KeyHolder {
    /// Chooses the certificate for a client of this virtual host (or none) who asks for this name and understands these
    /// signatures: one of the host, if it has any. None: there is none.
    pub fn introduce(
        &mut self,
        config: &Config,
        copies: &Copies,
        host: &str,
        name: &str,
        offered: &[u16],
    ) -> Option<Identity> {
        let name = ServerName::try_from(name).ok();
        let of = |host: Option<&str>| {
            pairs(config).zip(&copies.0).filter(move |(pair, _)| pair.host == host).collect::<Vec<_>>()
        };
        let mut chosen: Option<Key> = None;
        for (pair, copy) in of(Some(host)).into_iter().chain(of(None)) {
            let Some(key) = load(&pair, copy) else { continue };
            if !key.identity.schemes.iter().any(|scheme| offered.contains(scheme)) {
                continue;
            }
            let is_for = name.as_ref().is_some_and(|name| key.is_for(name));
            if is_for || chosen.is_none() {
                chosen = Some(key);
            }
            if is_for || name.is_none() {
                break;
            }
        }
        let key = chosen?;
        self.ready = Some(key.signing().ok()?);
        self.key = Some(key);
        self.identity().cloned()
    }

    /// What was chosen.
    pub fn identity(&self) -> Option<&Identity> {
        self.key.as_ref().map(|key| &key.identity)
    }

    /// Signs what a server signs in a handshake, and no more than `budget` times.
    pub fn sign(&mut self, scheme: u16, message: &[u8], budget: u32) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?;
        if !is_of_a_server(message) || self.signatures >= budget {
            log::warning("refused to sign what is no handshake of this client");
            return None;
        }
        self.signatures += 1;
        let signing = match self.ready.take() {
            Some(ready) => ready,
            None => key.signing().ok()?,
        };
        signing.choose_scheme(&[SignatureScheme::from(scheme)])?.sign(message).ok()
    }

    /// Nothing of the key is left in memory that a child would inherit; signing goes on all the same.
    pub fn hide(&mut self) {
        self.ready = None;
    }
}

/// The pair as its files are now, or as they were when they were good.
fn load(pair: &Pair<'_>, copy: &File) -> Option<Key> {
    let Pair { certificate, key, ocsp, .. } = pair;
    let mut found = match read_pair(certificate, key).and_then(|text| parse(text.as_bytes())) {
        Ok((key, _)) => key,
        Err(reason) => {
            log::error(format_args!("{certificate}: {reason}; the last good one is used"));
            let text = Secret::read(FromStart::of(copy.as_fd()), 2 * MAX_FILE).ok()?;
            parse(text.as_bytes()).ok()?.0
        }
    };
    if let Some(path) = ocsp {
        match response(path, &found.identity.chain) {
            Ok(response) => found.identity.ocsp = response,
            Err(reason) => log::warning(format_args!("{reason}; clients are not shown it")),
        }
    }
    Some(found)
}
