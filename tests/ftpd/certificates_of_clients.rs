//! Clients who show a certificate: whose is taken, and what it is good for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, OtherNameValue, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::ClientConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};

use crate::accounts::PASSWORD;
use crate::secure::{Credentials, Secure, client_config, client_config_of};
use crate::server::Server;
use crate::tls_clients::{curl, start};
use crate::world::World;

tests! {
    a_certificate_is_enough_where_it_is_configured
    a_certificate_alone_or_with_a_password_may_be_needed
    who_has_no_certificate_can_be_refused
    a_certificate_of_nobody_known_is_refused
    a_revoked_certificate_is_refused_from_the_next_handshake_on
    a_certificate_names_its_user_in_many_ways
    without_authorities_a_certificate_is_known_by_its_digest
    a_virtual_user_logs_in_by_certificate
    an_account_that_may_not_log_in_may_not_by_certificate
    every_kind_of_key_proves_its_certificate
    nobody_comes_in_with_a_certificate_whose_key_he_has_not
    the_verifier_is_gone_when_it_has_answered
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("certificate");
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// Its own certificate, as a file.
    fn file(&self, world: &World) -> PathBuf {
        written(world, "clients-ca.pem", &self.certificate.pem())
    }

    fn sign(&self, params: &CertificateParams) -> Credentials {
        self.sign_key(params, KeyPair::generate().expect("key"))
    }

    fn sign_key(&self, params: &CertificateParams, key: KeyPair) -> Credentials {
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        credentials(&certificate, &key)
    }

    /// A list that revokes these.
    fn list(&self, world: &World, revoked: &[u64]) -> PathBuf {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|number| RevokedCertParams {
                    serial_number: SerialNumber::from(*number),
                    revocation_time: date_time_ymd(2021, 1, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        written(world, "clients.crl", &params.signed_by(&self.issuer).expect("list").pem().expect("list"))
    }
}

fn written(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.own_directory("etc").join(name);
    fs::write(&path, text).expect("file");
    path
}

fn credentials(certificate: &Certificate, key: &KeyPair) -> Credentials {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (vec![certificate.der().clone()], key)
}

/// What is to be signed for somebody of this name.
fn person(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn showing(credentials: &Credentials) -> Arc<ClientConfig> {
    client_config_of(&[&TLS13, &TLS12], Some((credentials.0.clone(), credentials.1.clone_key())))
}

/// A daemon that trusts an authority.
fn trusting(world: &World, authority: &Authority, settings: &str) -> Server {
    let file = authority.file(world);
    start(world, &format!("tls.client-ca-files = [{file:?}]\ntls.client-certificates = \"request\"\n{settings}"))
}

/// The code that USER is answered with.
fn user(config: &Arc<ClientConfig>, name: &str) -> u16 {
    let mut client = Secure::connected_as(config);
    client.send(&format!("USER {name}"));
    client.reply()[..3].parse().expect("code")
}

fn a_certificate_is_enough_where_it_is_configured() {
    let world = World::new();
    world.give("alice", "file", "contents");
    let authority = Authority::new("our people");
    let server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    let credentials = authority.sign(&person("alice"));
    for versions in [&[&TLS13], &[&TLS12]] {
        let config = client_config_of(versions, Some((credentials.0.clone(), credentials.1.clone_key())));
        let mut client = Secure::connected_as(&config);
        client.command("USER alice", 232);
        client.command("PWD", 257);
        client.command("PASS whatever", 503);
        server.wait_for_log("USER \"alice\" logged in by certificate");
        // It is not bob's, who has a password.
        let mut client = Secure::connected_as(&config);
        client.command("USER bob", 331);
        client.command("PASS wrong", 530);
        client.command("USER bob", 331);
        client.command(&format!("PASS {PASSWORD}"), 230);
    }
    assert!(server.log().contains("dn:CN=alice"), "the log tells what can be configured");
    // Nobody needs one.
    Secure::logged_in().command("NOOP", 200);
    // The same with a client that people have.
    let (chain, key) = &credentials;
    let pem = |label: &str, der: &[u8]| {
        let body: String = encode(der).as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
    };
    let certificate = written(&world, "alice.crt", &pem("CERTIFICATE", &chain[0]));
    let key = written(&world, "alice.key", &pem("PRIVATE KEY", key.secret_der()));
    let (certificate, key) = (certificate.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    let with = ["--ssl-reqd", "--cert", certificate, "--key", key, "--user", "alice:wrong", "ftp://localhost/file"];
    assert_eq!(curl(&world, &with), "contents");
}

fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * digit)) as usize & 63] as char;
            text.push(if digit > part.len() { '=' } else { letter });
        }
    }
    text
}

fn a_certificate_alone_or_with_a_password_may_be_needed() {
    let world = World::new();
    let authority = Authority::new("our people");
    let settings = "user.alice.login-by = \"both\"\nuser.bob.login-by = \"certificate\"\nlogin.failure-delay = 0\n";
    let server = trusting(&world, &authority, settings);
    let (alice, bob) = (showing(&authority.sign(&person("alice"))), showing(&authority.sign(&person("bob"))));
    let log_in = |config: &Arc<ClientConfig>, name: &str, code: u16| {
        let mut client = Secure::connected_as(config);
        client.command(&format!("USER {name}"), 331);
        client.command(&format!("PASS {PASSWORD}"), code);
    };
    log_in(&alice, "alice", 230);
    log_in(&bob, "alice", 530);
    server.wait_for_log("there is no certificate of his");
    log_in(&client_config(), "alice", 530);
    assert_eq!(user(&bob, "bob"), 232);
    log_in(&alice, "bob", 530);
    log_in(&client_config(), "bob", 530);
    // Not without TLS either.
    let mut client = crate::client::Client::greeted();
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 530);
}

fn who_has_no_certificate_can_be_refused() {
    let world = World::new();
    let authority = Authority::new("our people");
    let server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    server.configure(&server.settings().replace("\"request\"", "\"require\""));
    let lines = server.log_length();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    for versions in [&[&TLS13], &[&TLS12]] {
        let refused = Secure::connected_as(&client_config_of(versions, None)).is_welcome();
        assert!(refused.is_err(), "{refused:?}");
        let config = client_config_of(versions, Some(authority.sign(&person("alice"))));
        assert_eq!(user(&config, "alice"), 232);
        // A certificate proves nothing on data connections: there it is the session that does.
        let mut client = Secure::connected_as(&config);
        client.command("USER alice", 232);
        client.command("PBSZ 0", 200);
        client.command("PROT P", 200);
        assert_eq!(client.list(), "");
    }
}

fn a_certificate_of_nobody_known_is_refused() {
    let world = World::new();
    let (authority, other) = (Authority::new("our people"), Authority::new("our people"));
    let server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    let mut old = person("alice");
    old.not_after = date_time_ymd(2021, 1, 1);
    let mut young = person("alice");
    young.not_before = date_time_ymd(2121, 1, 1);
    let own_key = KeyPair::generate().expect("key");
    let own = credentials(&person("alice").self_signed(&own_key).expect("certificate"), &own_key);
    for (credentials, alert) in [
        (other.sign(&person("alice")), "UnknownCA"),
        (own, "UnknownCA"),
        (authority.sign(&old), "CertificateExpired"),
        (authority.sign(&young), "CertificateExpired"),
    ] {
        let lines = server.log_length();
        let refused = Secure::connected_as(&showing(&credentials)).is_welcome();
        assert!(refused.as_ref().is_err_and(|error| error.contains(alert)), "{alert}: {refused:?}");
        server.wait_for_log_after(lines, "a certificate was refused");
    }
}

fn a_revoked_certificate_is_refused_from_the_next_handshake_on() {
    let world = World::new();
    let authority = Authority::new("our people");
    let list = authority.list(&world, &[]);
    let server = trusting(&world, &authority, &format!("tls.client-crl-files = [{list:?}]\nsession.login-by = \"either\"\n"));
    let mut alice = person("alice");
    alice.serial_number = Some(SerialNumber::from(77));
    let alice = showing(&authority.sign(&alice));
    let bob = showing(&authority.sign(&person("bob")));
    assert_eq!(user(&alice, "alice"), 232);
    authority.list(&world, &[5, 77]);
    let refused = Secure::connected_as(&alice).is_welcome();
    assert!(refused.as_ref().is_err_and(|error| error.contains("CertificateRevoked")), "{refused:?}");
    assert_eq!(user(&bob, "bob"), 232);
    // A list that cannot be read leaves nobody to be trusted.
    fs::write(&list, "nonsense").expect("file");
    assert!(Secure::connected_as(&bob).is_welcome().is_err());
    server.wait_for_log("client-crl-files");
    Secure::logged_in().command("NOOP", 200);
}

fn a_certificate_names_its_user_in_many_ways() {
    let world = World::new();
    let authority = Authority::new("our people");
    let mut params = person("Ann, of \"us\"");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), "alice");
    let principal = (vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], OtherNameValue::Utf8String("bob@EXAMPLE".into()));
    params.subject_alt_names = vec![
        SanType::Rfc822Name("alice@example.org".try_into().expect("mail")),
        SanType::DnsName("alice.example.org".try_into().expect("name")),
        SanType::OtherName(principal),
    ];
    let config = showing(&authority.sign(&params));
    let server = trusting(&world, &authority, "");
    let base = server.settings();
    for (names, own, found) in [
        ("[\"cn\"]", "[]", [331, 331]),
        ("[\"uid\"]", "[]", [232, 331]),
        ("[\"email-user\", \"upn-user\"]", "[]", [232, 232]),
        ("[\"email\", \"dns\"]", "[]", [331, 331]),
        ("[]", "[\"email:alice@example.org\"]", [331, 232]),
        ("[]", "[\"dns:alice.example.org\"]", [331, 232]),
        ("[]", "[\"upn:bob@EXAMPLE\"]", [331, 232]),
        ("[]", "['dn:UID=alice,O=Example,CN=Ann\\, of \\\"us\\\"']", [331, 232]),
        ("[]", "['cn:Ann, of \"us\"']", [331, 232]),
    ] {
        server.configure(&format!(
            "{base}\nsession.login-by = \"either\"\ntls.certificate-names = {names}\nuser.bob.login-certificates = {own}\n"
        ));
        let lines = server.log_length();
        server.signal(nix::sys::signal::Signal::SIGHUP);
        server.wait_for_log_after(lines, "configuration reloaded");
        assert_eq!([user(&config, "alice"), user(&config, "bob")], found, "{names} {own}");
    }
}

fn without_authorities_a_certificate_is_known_by_its_digest() {
    let world = World::new();
    let key = KeyPair::generate().expect("key");
    let own = credentials(&person("alice").self_signed(&key).expect("certificate"), &key);
    let server = start(&world, "tls.client-certificates = \"request\"\nsession.login-by = \"either\"\n");
    // Anybody can write any name into his own.
    assert_eq!(user(&showing(&own), "alice"), 331);
    let line = server.wait_for_log("sha256:");
    let digest = line.split("sha256:").nth(1).and_then(|rest| rest.split(' ').next()).expect("digest");
    server.configure(&format!("{}\nuser.alice.login-certificates = [\"sha256:{digest}\"]\n", server.settings()));
    let lines = server.log_length();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    assert_eq!(user(&showing(&own), "alice"), 232);
    assert_eq!(user(&showing(&own), "bob"), 331);
}

fn a_virtual_user_logs_in_by_certificate() {
    let world = World::new();
    let authority = Authority::new("our people");
    world.write("/etc/ftpd-users", "[carol]\npassword = \"x\"\naccount = \"ftp\"\n");
    let _server = trusting(
        &world,
        &authority,
        "login.users-file = \"/etc/ftpd-users\"\nuser.carol.login-by = \"certificate\"\nlogin.failure-delay = 0\n",
    );
    let carol = showing(&authority.sign(&person("carol")));
    let mut client = Secure::connected_as(&carol);
    client.command("USER carol", 232);
    client.command("SIZE welcome.txt", 550);
    client.command("TYPE I", 200);
    client.command("SIZE welcome.txt", 213);
    assert_eq!(user(&showing(&authority.sign(&person("alice"))), "carol"), 331);
}

fn an_account_that_may_not_log_in_may_not_by_certificate() {
    let world = World::new();
    let authority = Authority::new("our people");
    world.add(crate::accounts::Account::new("carol", 2003).expired());
    let server = trusting(
        &world,
        &authority,
        "session.login-by = \"either\"\nlogin.reject-users = [\"bob\"]\nlogin.failure-delay = 0\n",
    );
    for (name, why) in [("bob", "reject-users"), ("carol", "expired"), ("root", "uid")] {
        let lines = server.log_length();
        assert_eq!(user(&showing(&authority.sign(&person(name))), name), 530, "{name}");
        let line = server.wait_for_log_after(lines, "failed login");
        assert!(line.contains(why) || name == "root", "{line}");
    }
    assert_eq!(user(&showing(&authority.sign(&person("nobody-at-all"))), "nobody-at-all"), 530);
}

fn every_kind_of_key_proves_its_certificate() {
    let world = World::new();
    let authority = Authority::new("our people");
    let _server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = KeyPair::generate_for(algorithm).expect("key");
        let (chain, key) = authority.sign_key(&person("alice"), key);
        for versions in [&[&TLS13], &[&TLS12]] {
            let config = client_config_of(versions, Some((chain.clone(), key.clone_key())));
            assert_eq!(user(&config, "alice"), 232, "{algorithm:?}");
        }
    }
}

fn nobody_comes_in_with_a_certificate_whose_key_he_has_not() {
    let world = World::new();
    let authority = Authority::new("our people");
    let server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    let (chain, _) = authority.sign(&person("alice"));
    let (_, key) = authority.sign(&person("alice"));
    for versions in [&[&TLS13], &[&TLS12]] {
        let lines = server.log_length();
        let resolver = Arc::new(Stolen(chain.clone(), key.clone_key()));
        let mut config = (*client_config_of(versions, None)).clone();
        config.client_auth_cert_resolver = resolver;
        let refused = Secure::connected_as(&Arc::new(config)).is_welcome();
        assert!(refused.is_err(), "{refused:?}");
        server.wait_for_log_after(lines, "the client has not the key");
    }
}

/// Somebody else's certificate, with a key of one's own.
#[derive(Debug)]
struct Stolen(Vec<rustls::pki_types::CertificateDer<'static>>, PrivateKeyDer<'static>);

impl rustls::client::ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&self.1).expect("key");
        Some(Arc::new(rustls::sign::CertifiedKey::new(self.0.clone(), key)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn the_verifier_is_gone_when_it_has_answered() {
    let world = World::new();
    let authority = Authority::new("our people");
    let server = trusting(&world, &authority, "session.login-by = \"either\"\n");
    let mut client = Secure::connected_as(&showing(&authority.sign(&person("alice"))));
    client.command("NOOP", 200);
    assert!(server.find("verifier").is_none());
    client.command("USER alice", 232);
    client.command("QUIT", 221);
}
