//! The doctor on accounts: who speaks with strangers, who may come in, and through which PAM modules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::Config;
use crate::system::accounts;
use crate::system::privileges::Account;

/// Where services of PAM are described, the first ones first (pam.d(5)).
const SERVICES: &[&str] = &["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"];

pub fn examine(config: &Config, report: &mut Report) {
    frontend(config, report);
    anonymous(config, report);
    pam(config, report);
    shells(config, report);
}

fn frontend(config: &Config, report: &mut Report) {
    let name = &config.server.frontend_user;
    match accounts::by_name(name) {
        Some(account) if account.uid == 0 => {
            let advice = "name an account that owns nothing: [server] frontend-user";
            report.error("frontend", format!("{name} is root"), advice);
        }
        Some(account) if account.uid >= config.login.min_uid.get() => {
            let text = format!("{name} has uid {}, like a person who can log in", account.uid);
            report.warning("frontend", text, "give it a uid of a system account");
        }
        Some(account) => report.good(
            "frontend",
            format!("the account {name} (uid {}) speaks with clients before login", account.uid),
        ),
        None => {
            let text = format!("there is no account {name}; the account nobody is taken in its place");
            report.warning("frontend", text, format!("systemd-sysusers, or useradd --system {name}"));
        }
    }
}

fn anonymous(config: &Config, report: &mut Report) {
    if !config.anonymous.enabled {
        return;
    }
    let name = &config.anonymous.account;
    let Some(account) = accounts::by_name(name) else {
        let text = format!("there is no account {name}: anonymous clients cannot log in");
        return report.error("anonymous", text, format!("useradd --system {name}"));
    };
    let root = config.anonymous.root_dir.as_deref().unwrap_or(&account.home);
    match fs::metadata(root) {
        Ok(there) if !there.is_dir() => {
            report.error("anonymous", format!("{} is no directory", root.display()), "[anonymous] root-dir");
        }
        Ok(there) if may_write(&account, &there) => {
            let text = format!("{} can be written by {name}", root.display());
            report.warning("anonymous", text, format!("chown root {0} && chmod 755 {0}", root.display()));
        }
        Ok(_) => report.good("anonymous", format!("{} as {name}", root.display())),
        Err(error) => {
            report.error("anonymous", format!("{}: {error}", root.display()), "[anonymous] root-dir");
        }
    }
}

fn may_write(account: &Account, file: &fs::Metadata) -> bool {
    let bit = match file.uid() == account.uid {
        true => 0o200,
        false if account.groups.contains(&file.gid()) => 0o020,
        false => 0o002,
    };
    file.mode() & bit != 0
}

/// Whether the service and every module it names is there.
fn pam(config: &Config, report: &mut Report) {
    let own = config.login.pam_directory.as_deref().map(Path::to_path_buf);
    let directories: Vec<PathBuf> =
        own.map_or_else(|| SERVICES.iter().map(PathBuf::from).collect(), |own| vec![own]);
    let service = &config.login.pam_service;
    let mut modules = BTreeSet::new();
    let mut missing = Vec::new();
    let read = |service: &str| {
        directories.iter().find_map(|directory| fs::read_to_string(directory.join(service)).ok())
    };
    collect(&read, service, &mut BTreeSet::new(), &mut modules, &mut missing);
    for service in &missing {
        let text = format!("there is no service {service}: nobody can log in with PAM");
        report.error("PAM", text, "the package brings one: /etc/pam.d/ftpd");
    }
    let places = module_places();
    let mut absent: Vec<_> = modules.iter().filter(|module| !is_there(module, &places)).collect();
    // What begins with a hyphen may be absent, and says so.
    absent.retain(|module| !module.starts_with('-'));
    for module in &absent {
        let text = format!("the module {module} is named and not there");
        report.error("PAM", text, "install its package, or remove it from the service");
    }
    if missing.is_empty() && absent.is_empty() {
        report.good("PAM", format!("service {service}, {} modules", modules.len()));
    }
}

/// The modules of a service and of those it includes, and which of these are not there (pam.d(5)).
fn collect(
    read: &dyn Fn(&str) -> Option<String>,
    service: &str,
    seen: &mut BTreeSet<String>,
    modules: &mut BTreeSet<String>,
    missing: &mut Vec<String>,
) {
    if !seen.insert(service.to_string()) {
        return;
    }
    let Some(text) = read(service) else { return missing.push(service.to_string()) };
    for line in text.replace("\\\n", " ").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        let Some(kind) = words.next() else { continue };
        if kind == "@include" {
            words.for_each(|service| collect(read, service, seen, modules, missing));
            continue;
        }
        // The control may be several words between brackets.
        let rest = line[kind.len()..].trim_start();
        let (control, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((_, rest)) => ("", rest),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        let Some(named) = rest.split_whitespace().next() else { continue };
        match control {
            "include" | "substack" => collect(read, named, seen, modules, missing),
            _ if kind.starts_with('-') => drop(modules.insert(format!("-{named}"))),
            _ => drop(modules.insert(named.to_string())),
        }
    }
}

/// The directories that modules are loaded from; distributions differ.
fn module_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        ["/lib/security", "/lib64/security", "/usr/lib/security", "/usr/lib64/security"]
            .map(PathBuf::from)
            .into();
    for library in ["/lib", "/usr/lib"] {
        let entries = fs::read_dir(library).into_iter().flatten().filter_map(Result::ok);
        places.extend(entries.map(|entry| entry.path().join("security")).filter(|path| path.is_dir()));
    }
    places
}

fn is_there(module: &str, places: &[PathBuf]) -> bool {
    // An absolute name stays what it is.
    places.iter().any(|place| place.join(module).exists())
}

fn shells(config: &Config, report: &mut Report) {
    if !config.login.require_valid_shell {
        return;
    }
    match fs::read_to_string("/etc/shells") {
        Ok(text) => {
            let listed: BTreeSet<&str> = text.lines().filter(|line| line.starts_with('/')).collect();
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let refused: Vec<String> = people(&passwd, config.login.min_uid.get())
                .filter(|(_, shell)| !listed.contains(shell))
                .map(|(name, shell)| format!("{name} ({shell})"))
                .collect();
            match refused.len() {
                0 => {
                    report.good("shells", format!("{} in /etc/shells, among them everybody's", listed.len()))
                }
                count => {
                    let (some, rest) =
                        (refused[..count.min(5)].join(", "), if count > 5 { ", ..." } else { "" });
                    let text =
                        format!("{count} cannot log in, whose shells are not in /etc/shells: {some}{rest}");
                    let advice =
                        "if they shall: require-valid-shell = false, or add the shell to /etc/shells";
                    report.note("shells", text, advice);
                }
            }
        }
        Err(_) => {
            let text = "there is no /etc/shells: every shell is good";
            report.note("shells", text, "for accounts that only transfer files: require-valid-shell = false");
        }
    }
}

/// Names and shells of the accounts that could log in by their number, in the lines of passwd(5).
fn people(passwd: &str, least: u32) -> impl Iterator<Item = (&str, &str)> {
    passwd.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, _, shell] = fields[..] else { return None };
        let is_person = uid.parse::<u32>().is_ok_and(|uid| uid >= least) && name != "nobody";
        // No shell means /bin/sh (passwd(5)).
        is_person.then_some((name, if shell.is_empty() { "/bin/sh" } else { shell }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_from_system_accounts() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/zsh\nbob:x:1001:1001::/home/bob:\n\
                      nobody:x:65534:65534::/:/usr/sbin/nologin\n+::::::\n";
        let found: Vec<_> = people(passwd, 1000).collect();
        assert_eq!(found, [("alice", "/bin/zsh"), ("bob", "/bin/sh")]);
    }

    #[test]
    fn modules_are_found_through_everything_that_a_service_includes() {
        let read = |service: &str| {
            let text = match service {
                "ftpd" => {
                    "# comment\nauth [success=1 default=ignore] pam_unix.so nullok\n@include common\n\
                     session include rest\n"
                }
                "common" => "account required \\\n  pam_nologin.so\n-session optional pam_systemd.so\n",
                "rest" => {
                    "session substack ftpd\nsession required pam_limits.so # again\nauth include gone\n"
                }
                _ => return None,
            };
            Some(text.to_string())
        };
        let (mut modules, mut missing) = (BTreeSet::new(), Vec::new());
        collect(&read, "ftpd", &mut BTreeSet::new(), &mut modules, &mut missing);
        let found: Vec<_> = modules.iter().map(String::as_str).collect();
        assert_eq!(found, ["-pam_systemd.so", "pam_limits.so", "pam_nologin.so", "pam_unix.so"]);
        assert_eq!(missing, ["gone"]);
    }
}
