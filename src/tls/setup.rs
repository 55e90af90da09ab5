//! How rustls is set up for a connection: versions, ciphers and groups of the configuration, the certificate, tickets.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedProtocolVersion};

use super::names;
use super::sessions::Sessions;
use super::signer::{Identity, Sign, certified};
use super::tickets::TicketKey;
use super::transcript::{RANDOM, observed};
use crate::config::{Alpn, Tls, TlsVersion};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The control connection: the client gets two tickets, one to use and one for bad luck.
    Control,
    /// A data connection: a ticket for the next one.
    Data,
}

/// What clients call the protocol (ALPN), by the purpose.
const PROTOCOLS: [&[u8]; 2] = [b"ftp", b"ftp-data"];

impl Purpose {
    fn tickets(self) -> usize {
        match self {
            Purpose::Control => 2,
            Purpose::Data => 1,
        }
    }
}

/// How a client can resume a session of his: by a ticket, or by its number in TLS 1.2.
pub struct Resumption<'a> {
    pub tickets: &'a TicketKey,
    pub sessions: Arc<Sessions>,
}

/// How clients are asked for certificates.
pub struct Clients {
    /// Who judges them.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// What the server says for its random number.
    pub random: [u8; RANDOM],
}

/// Everything but what the client says in his first message.
pub struct Setup {
    config: ServerConfig,
    alpn: Alpn,
}

impl Setup {
    /// For connections of this purpose. `resumption`: none, if sessions are not to be resumed; `clients`: none, if they are
    /// not asked for certificates.
    pub fn new(
        options: &Tls,
        identity: &Identity,
        holder: Arc<dyn Sign>,
        resumption: Option<Resumption<'_>>,
        clients: Option<Clients>,
        purpose: Purpose,
    ) -> Result<Setup, Error> {
        let (provider, verifier) = match clients {
            None => (provider(options), WebPkiClientVerifier::no_client_auth()),
            Some(Clients { verifier, random }) => (observed(provider(options), random), verifier),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions(options.min_version))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified(identity, holder))));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Of what both have, the order of the configuration decides.
        config.ignore_client_order = true;
        config.send_tls13_tickets = 0;
        if let Some(Resumption { tickets, sessions }) = resumption {
            if let Some(tickets) = tickets.tickets() {
                config.ticketer = Arc::new(tickets);
                config.send_tls13_tickets = purpose.tickets();
            }
            config.session_storage = sessions;
        }
        Ok(Setup { config, alpn: options.alpn })
    }

    /// The configuration for a client who said this. Who offers other protocols only is let be, unless told otherwise:
    /// rustls ends the handshake when something was offered and nothing of it is accepted.
    pub fn for_client(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let mut config = self.config.clone();
        let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        let accepted = PROTOCOLS.into_iter().filter(|protocol| match self.alpn {
            Alpn::Off => false,
            Alpn::Accept => offered.contains(protocol),
            Alpn::Require => true,
        });
        config.alpn_protocols = accepted.map(<[u8]>::to_vec).collect();
        Arc::new(config)
    }

    /// Whether the client has to have offered a protocol that he has not.
    pub fn misses_protocol(&self, hello: &ClientHello<'_>) -> bool {
        self.alpn == Alpn::Require && hello.alpn().is_none()
    }
}

const BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NEWEST_VERSION: &[&SupportedProtocolVersion] = &[&TLS13];

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::Tls12 => BOTH_VERSIONS,
        TlsVersion::Tls13 => NEWEST_VERSION,
    }
}

/// The provider's own choice and order, where the configuration names nothing.
fn provider(options: &Tls) -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if !options.ciphers.is_empty() {
        provider.cipher_suites =
            options.ciphers.iter().filter_map(|name| names::cipher(name.as_str())).collect();
    }
    if !options.groups.is_empty() {
        provider.kx_groups = options.groups.iter().filter_map(|name| names::group(name.as_str())).collect();
    }
    provider
}

/// Lets the provider find what it needs to make random numbers, before the process is confined.
pub fn warm() {
    let mut bytes = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
}
