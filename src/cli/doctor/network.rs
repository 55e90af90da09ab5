//! The doctor on the network: who listens, whether clients get through, and what they are told to connect to.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Report, firewall, iptables};
use crate::config::{Config, Masquerade};
use crate::supervisor::certificates::Certificates;

/// How long whoever listens may take to say who he is.
const PATIENCE: Duration = Duration::from_secs(2);
/// A certificate that ends within so many days is worth a warning.
const SOON: u64 = 14;

pub fn examine(config: &Config, report: &mut Report) {
    for address in config.listen.all_addresses() {
        let implicit = config.listen.implicit_addresses.contains(&address);
        listener(address, implicit, report);
    }
    passive_ports(config, report);
    gates(config, report);
    masquerade(config, report);
    certificates(config, report);
}

fn listener(address: SocketAddr, implicit: bool, report: &mut Report) {
    let error = match TcpListener::bind(address) {
        Ok(_) => {
            let text = format!("{address} is free: nobody listens there now");
            return report.note("listener", text, "systemctl enable --now ftpd");
        }
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse if implicit => {
            report.good("listener", format!("{address}: somebody listens (TLS)"))
        }
        ErrorKind::AddrInUse => match greeting(address) {
            Some(line) if line.starts_with("220") => {
                report.good("listener", format!("{address} answers {line:?}"));
            }
            Some(line) if line.starts_with("421") => {
                let text = format!("{address} turns clients away: {line:?}");
                report.warning("listener", text, "the log says why; see max-sessions, bans");
            }
            Some(line) => {
                let text = format!("{address} is taken by something that is no FTP server: {line:?}");
                report.error("listener", text, "ss -ltnp says which program it is");
            }
            None => {
                let text = format!("{address} is taken, and who has it does not greet");
                report.warning("listener", text, "systemctl status ftpd; ss -ltnp says which program it is");
            }
        },
        ErrorKind::PermissionDenied => {
            let text = format!("{address}: ports below 1024 need root");
            report.note("listener", text, "start ftpd doctor as root, or listen on a higher port");
        }
        ErrorKind::AddrNotAvailable => {
            let text = format!("{address} is no address of this machine");
            report.error("listener", text, "correct [listen] addresses; ip address shows what there is");
        }
        _ => report.error("listener", format!("{address}: {error}"), "correct [listen] addresses"),
    }
}

/// The first line that a server says, if it says one in time.
fn greeting(address: SocketAddr) -> Option<String> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip, address.port()), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok().filter(|length| *length > 0)?;
    Some(line.trim_end().to_string())
}

fn passive_ports(config: &Config, report: &mut Report) {
    let Some(range) = config.data.passive_ports else {
        let text = "passive-ports is not set: the system chooses from ip_local_port_range";
        return report.note(
            "passive ports",
            text,
            "behind a firewall, set [data] passive-ports and open them",
        );
    };
    let (ports, sessions) = (range.ports(), config.listen.max_sessions.get());
    let count = ports.clone().count();
    if count < sessions as usize {
        let text = format!("{count} ports for up to {sessions} sessions: each may want one");
        report.warning("passive ports", text, "widen [data] passive-ports, or lower max-sessions");
    } else {
        report.good("passive ports", format!("{count} ports for up to {sessions} sessions"));
    }
    let local = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = local.split_whitespace().filter_map(|word| word.parse::<u16>().ok());
    if let (Some(first), Some(last)) = (bounds.next(), bounds.next())
        && *ports.start() <= last
        && first <= *ports.end()
    {
        let text = format!("the system takes ports {first}-{last} for outgoing connections too");
        let advice = format!("sysctl net.ipv4.ip_local_reserved_ports={}-{}", ports.start(), ports.end());
        report.note("passive ports", text, advice);
    }
}

/// What the firewalls of this machine say, as far as their programs tell; None: none of them does.
fn verdicts() -> Option<Vec<firewall::Verdict>> {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut verdicts = Vec::new();
    let mut kept_by_iptables = Vec::new();
    for (program, family) in [
        ("iptables-nft-save", Some("ip")),
        ("ip6tables-nft-save", Some("ip6")),
        ("iptables-legacy-save", None),
        ("ip6tables-legacy-save", None),
    ] {
        if let Some(verdict) = told(program, &[]).as_deref().and_then(iptables::read) {
            verdicts.push(verdict);
            kept_by_iptables.extend(family);
        }
    }
    let of_nft = told("nft", &["--json", "list", "ruleset"]);
    verdicts.extend(of_nft.as_deref().and_then(|text| firewall::read(text, &kept_by_iptables)));
    (!verdicts.is_empty()).then_some(verdicts)
}

/// Whether the firewall of this machine lets clients in.
fn gates(config: &Config, report: &mut Report) {
    let Some(verdicts) = verdicts() else {
        let text = "not looked at: neither nft nor iptables tells its rules";
        let advice = "start ftpd doctor as root; open the listeners and passive-ports in whatever there is";
        return report.note("firewall", text, advice);
    };
    let mut wanted: Vec<RangeInclusive<u16>> =
        config.listen.all_addresses().iter().map(|address| address.port()..=address.port()).collect();
    let passive = config.data.passive_ports.map(|range| range.ports());
    wanted.extend(passive.clone());
    let missing: Vec<_> =
        wanted.iter().filter(|ports| verdicts.iter().any(|verdict| !verdict.lets_through(ports))).collect();
    for ports in &missing {
        let named = match ports.start() == ports.end() {
            true => ports.start().to_string(),
            false => format!("{}-{}", ports.start(), ports.end()),
        };
        let text = format!("no rule accepts port {named}, and the rest is dropped");
        let advice = format!(
            "ufw allow {}/tcp; firewall-cmd --permanent --add-port={named}/tcp; or nft add rule inet filter input tcp \
             dport {named} accept",
            named.replace('-', ":")
        );
        report.warning("firewall", text, advice);
    }
    let drops = verdicts.iter().any(|verdict| *verdict != firewall::Verdict::Open);
    if drops && passive.is_none() {
        let text = "drops what it does not know, and passive mode uses any port";
        report.warning("firewall", text, "set [data] passive-ports and open them");
    } else if missing.is_empty() {
        report.good("firewall", "lets clients through, as far as nft and iptables tell");
    }
}

/// Whether the address that PASV tells can be reached.
fn masquerade(config: &Config, report: &mut Report) {
    let own = own_addresses();
    let all_private = !own.is_empty() && own.iter().all(|ip| is_private(*ip));
    let told = match &config.data.masquerade_address {
        _ if config.data.epsv_only => return report.good("masquerade", "none is needed: epsv-only"),
        None if all_private => {
            let listed: Vec<String> = own.iter().map(ToString::to_string).collect();
            let text = format!("this machine has private addresses only: {}", listed.join(", "));
            let advice = "for clients from outside, [data] masquerade-address = the router's address";
            return report.note("masquerade", text, advice);
        }
        None => return report.good("masquerade", "PASV tells the address that the client connected to"),
        Some(Masquerade::Address(address)) => *address,
        Some(Masquerade::Name(name)) => {
            let resolved = (name.as_str(), 0).to_socket_addrs().into_iter().flatten();
            let first = resolved.filter_map(|address| match address.ip() {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            });
            match first.take(1).next() {
                Some(address) => {
                    report.good("masquerade", format!("{name} is {address}"));
                    address
                }
                None => {
                    let text = format!("{name} has no IPv4 address now: PASV tells the machine's own");
                    return report.warning("masquerade", text, "correct the name, or the resolver");
                }
            }
        }
    };
    if is_private(told) && !all_private {
        let text = format!("{told} is private, but this machine has public addresses");
        report.warning("masquerade", text, "leave masquerade-address out, or name the public one");
    } else if own.contains(&told) {
        report.note("masquerade", format!("{told} is this machine's own address"), "it can be left out");
    } else {
        report.good("masquerade", format!("PASV tells {told}, which a router must send to this machine"));
    }
}

fn own_addresses() -> Vec<Ipv4Addr> {
    nix::ifaddrs::getifaddrs()
        .ok()
        .into_iter()
        .flatten()
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
        .filter(|ip| !ip.is_loopback() && !ip.is_link_local())
        .collect()
}

/// Not to be reached from elsewhere (RFC 1918, RFC 6598).
fn is_private(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_link_local() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
}

/// For how long clients are shown good certificates; whether they can be used is the configuration's affair.
fn certificates(config: &Config, report: &mut Report) {
    let files = config.certificate_files();
    if files.is_empty() {
        let advice = "ftpd cert self-signed FILE makes one; name it in [tls] certificates";
        return report.note("certificate", "there is none: passwords and files go in clear text", advice);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    for (file, end) in Certificates::default().ends(&files) {
        match end.checked_sub(now).map(|left| left / 86400) {
            Some(days) if days >= SOON => report.good("certificate", format!("{file}: {days} days left")),
            Some(days) => report.warning(
                "certificate",
                format!("{file}: {days} days left"),
                "renew it, then ftpctl reload",
            ),
            None => report.error("certificate", format!("{file} has ended"), "renew it, then ftpctl reload"),
        }
    }
}
