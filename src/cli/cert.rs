//! `ftpd cert`: a certificate to begin with.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use time::{Duration, OffsetDateTime};

use super::{print, refuse};

/// How far the clock of a client may be behind.
const HEAD_START: Duration = Duration::hours(1);

#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Make a certificate that nobody has signed but itself, with a new key, in one file
    SelfSigned(SelfSigned),
}

#[derive(Args, Debug)]
pub struct SelfSigned {
    /// The file, which must not exist yet
    file: PathBuf,
    /// A name or address by which clients know this server, in place of the name of the machine; may be given several times
    #[arg(short, long, value_name = "NAME")]
    name: Vec<String>,
    /// How long it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

impl Cert {
    /// Makes it.
    pub fn run(self) -> ExitCode {
        let Cert::SelfSigned(wanted) = self;
        match wanted.make() {
            Ok(text) => print(&text),
            Err(reason) => refuse(&reason),
        }
    }
}

impl SelfSigned {
    fn make(self) -> Result<String, String> {
        let names = if self.name.is_empty() { vec![machine_name()?] } else { self.name };
        let mut parameters = CertificateParams::new(names.clone()).map_err(|error| error.to_string())?;
        parameters.distinguished_name.push(DnType::CommonName, names[0].clone());
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = OffsetDateTime::now_utc();
        parameters.not_before = now - HEAD_START;
        parameters.not_after = now + Duration::days(self.days.into());
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let certificate = parameters.self_signed(&key).map_err(|error| error.to_string())?;
        let text = format!("{}{}", certificate.pem(), key.serialize_pem());
        write_secret(&self.file, &text).map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(format!(
            "{}: a certificate for {}, valid for {} days, with its key\n",
            self.file.display(),
            names.join(", "),
            self.days
        ))
    }
}

fn machine_name() -> Result<String, String> {
    let name = nix::unistd::gethostname().map_err(|error| format!("the name of the machine: {error}"))?;
    name.into_string().map_err(|_| "the name of the machine is no text; use --name".to_string())
}

/// A new file that nobody else can read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
