//! `ftpd share`: a directory for somebody, without root and without a configuration file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{IntoRawFd, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Serving, absolute, password, refuse};
use crate::config::{
    AbsolutePath, Config, ConfigSource, HashKind, LogTarget, Masquerade, Permissions, PortRange, RootDir,
    Template,
};
use crate::ipc::messages::Password;
use crate::supervisor;
use crate::system::init::leave_process_one;

/// Letters and digits that are not mistaken for each other, 32 of them: five random bits each.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Sixty bits: out of reach of guessing over the network.
const PASSWORD_LENGTH: usize = 12;

/// The arguments.
#[derive(Args, Debug)]
pub struct Share {
    /// The directory to hand out; where the command was started, if not given
    #[arg(value_name = "DIR", conflicts_with = "directory")]
    dir: Option<PathBuf>,
    /// The same as DIR
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The address to listen on; all addresses of the machine, if not given
    #[arg(short, long, value_name = "ADDRESS")]
    interface: Option<IpAddr>,
    /// The port to listen on
    #[arg(short, long, default_value_t = 2121)]
    port: u16,
    /// Let clients write, too
    #[arg(short, long)]
    write: bool,
    /// The address to tell clients for passive mode, where a router translates addresses
    #[arg(short, long, value_name = "ADDRESS")]
    nat_address: Option<Ipv4Addr>,
    /// The ports for passive mode
    #[arg(short, long, value_name = "FROM-TO")]
    range: Option<PortRange>,
    /// Let in this user only, not everybody; without a password, one is made and printed
    #[arg(short, long, value_name = "NAME", visible_alias = "username")]
    user: Option<String>,
    /// The user's password; other users of this machine may see it in ps(1) for a moment
    #[arg(short = 'P', long, requires = "user")]
    password: Option<String>,
    /// Read the user's password from standard input
    #[arg(long, requires = "user", conflicts_with = "password")]
    password_stdin: bool,
}

impl Share {
    /// Serves until told to stop.
    pub fn run(mut self) -> ExitCode {
        if nix::unistd::geteuid().is_root() {
            return refuse(
                "ftpd share hands out files with the rights of whoever starts it, and root has too many.\n\
                 Start it as an ordinary user (runuser -u NAME -- ftpd share DIR), or use ftpd serve.",
            );
        }
        let directory = match self.directory() {
            Ok(directory) => directory,
            Err(reason) => return refuse(&reason),
        };
        let inherited_users =
            match self.user.take().map(|name| self.lone_user(&name).map(|fd| (name, fd))).transpose() {
                Ok(user) => user,
                Err(reason) => return refuse(&reason),
            };
        let permissions = if self.write { Permissions::all() } else { Permissions::READ };
        let what = format!("{directory} ({})", if self.write { "read and write" } else { "read only" });
        let (user, descriptor) = inherited_users.unzip();
        let config = self.configuration(&directory, permissions, descriptor);
        let source = ConfigSource::command_line(config.clone()).announcing(Serving { what, user });
        if let Err(failure) = leave_process_one() {
            return refuse(&failure.to_string());
        }
        supervisor::run(config, source)
    }

    /// The directory, which must be one that can be entered.
    fn directory(&mut self) -> Result<AbsolutePath, String> {
        let path = self.dir.take().or(self.directory.take()).unwrap_or_else(|| PathBuf::from("."));
        let whole = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        std::fs::read_dir(&whole).map_err(|error| format!("{}: {error}", path.display()))?;
        absolute(whole)
    }

    fn configuration(
        &self,
        directory: &AbsolutePath,
        permissions: Permissions,
        users: Option<RawFd>,
    ) -> Config {
        let mut config = Config::default();
        config.inherited_users = users;
        let ip = self.interface.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        config.listen.addresses = vec![SocketAddr::new(ip, self.port)];
        config.anonymous.enabled = users.is_none();
        config.anonymous.root_dir = Some(directory.clone());
        config.anonymous.permissions = permissions;
        config.session.root_dir = RootDir::Template(Template::from(directory));
        config.session.permissions = permissions;
        config.data.passive_ports = self.range;
        config.data.masquerade_address = self.nat_address.map(Masquerade::Address);
        config.data.active_port_20 = false;
        config.log.to = LogTarget::Stderr;
        config
    }

    /// A users file for one user, as a descriptor that nobody can change. A password that was not given is made,
    /// and printed: this is the only time that it can be read.
    fn lone_user(&mut self, name: &str) -> Result<RawFd, String> {
        if name.is_empty() || name.chars().any(|letter| letter.is_control() || letter == '/') {
            return Err(format!("{name:?} is no name for a user"));
        }
        let password = match self.password.take() {
            Some(password) => Password::new(password.into_bytes()),
            None if self.password_stdin => password::from_stdin()?,
            None => {
                let password = random_password().map_err(|error| format!("making a password: {error}"))?;
                println!("user {name}, password {}", String::from_utf8_lossy(password.as_bytes()));
                password
            }
        };
        if password.as_bytes().is_empty() {
            return Err("the password is empty".to_string());
        }
        let mut table = toml::Table::new();
        let mut user = toml::Table::new();
        user.insert("password".to_string(), password::hash(HashKind::Argon2id, &password)?.into());
        table.insert(name.to_string(), user.into());
        sealed(&table.to_string()).map_err(|error| format!("memfd_create: {error}"))
    }
}

fn random_password() -> io::Result<Password> {
    let mut bytes = [0; PASSWORD_LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Password::new(bytes.iter().map(|byte| PASSWORD_LETTERS[usize::from(byte % 32)]).collect()))
}

/// A file without a name that holds this text for ever.
fn sealed(text: &str) -> io::Result<RawFd> {
    let mut file =
        File::from(memfd_create("ftpd-users", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(text.as_bytes())?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into_raw_fd())
}
