//! The tests that run the real daemon, with real accounts, in worlds of their own.
//!
//! Each module has a subject; each test is one behavior and its name a sentence. Where worlds cannot be made
//! (they need root), the tests that live in one are reported as ignored, by name.
//! `FTPD_UNDER_TEST=host:port` plays the conversations to another server instead; see `conversation`.

mod accounts;
mod anybody;
mod client;
mod conversation;
mod network;
mod process;
mod secure;
mod server;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};

/// The tests of a module, by name, for `main`: a function that is missing here is dead code, and a warning.
macro_rules! tests {
    ($($name:ident)*) => {
        pub const TESTS: &[(&str, fn())] = &[$((stringify!($name), $name as fn())),*];
    };
}

/// A module and its tests.
macro_rules! modules {
    ($($name:ident)*) => {
        $(mod $name;)*
        const MODULES: &[(&str, &[(&str, fn())])] = &[$((stringify!($name), $name::TESTS)),*];
    };
}

// The auditors take longest, nearly all of it waiting: they should not be the last to end.
modules! {
    tls_auditors
    login
    pam
    virtual_users
    entries_of_users
    user_command
    external_check
    homes
    processes
    confinement
    directories
    transfers
    incomplete_transfers
    mode_z
    listings
    data_connections
    addresses
    proxy
    connection
    every_verb
    examples
    mistakes_of_others
    reinitialize
    limits
    transfers_at_once
    bans
    timeouts
    counting
    bandwidth
    quotas
    quotas_of_directories
    quotas_of_users
    hosts
    messages
    reload
    shutdown
    logging
    log_formats
    log_receivers
    log_losses
    xferlog
    login_records
    events
    hooks
    asked_before
    systemd
    background
    doctor
    control
    control_socket
    top
    metrics
    repository
    share
    clients
    clients_for_people
    clients_that_mirror
    hashes
    facts
    site
    permissions
    rules
    rules_for_uploads
    folding
    bypasses
    explain
    tls
    tls_clients
    tls_clients_of_programs
    certificates_of_clients
    certificates_of_hosts
    ends_of_tls
    tls_transfers
    tls_handshakes
}

/// What is tested also where no world can be made.
const ANYWHERE: &[&str] = &["share::needs_no_root"];

/// A test that needs more of the machine than a world does.
struct Demanding {
    name: &'static str,
    is_possible: fn() -> bool,
    needs: &'static str,
}

const DEMANDING: &[Demanding] = &[
    Demanding {
        name: "site::tells_a_quota_and_what_it_leaves",
        is_possible: world::has_quotas,
        needs: "needs quotas of tmpfs",
    },
    Demanding {
        name: "tls_clients_of_programs::curl_with_gnutls",
        is_possible: tls_clients_of_programs::has_curl_with_gnutls,
        needs: "needs pycurl with GnuTLS",
    },
    Demanding {
        name: "tls_clients_of_programs::perl_with_net_ftpssl",
        is_possible: tls_clients_of_programs::has_net_ftpssl,
        needs: "needs Net::FTPSSL",
    },
    Demanding {
        name: "systemd::the_unit_is_as_exposed_as_it_says",
        is_possible: systemd::can_be_analyzed,
        needs: "needs systemd-analyze of systemd 250",
    },
    Demanding {
        name: "systemd::the_unit_explains_what_it_does_not_set",
        is_possible: systemd::can_be_analyzed,
        needs: "needs systemd-analyze of systemd 250",
    },
    Demanding {
        name: "folding::rules_hold_whatever_the_spelling",
        is_possible: folding::has_file_system,
        needs: "needs FUSE and ntfs-3g",
    },
    Demanding {
        name: "folding::a_name_can_be_spelled_in_another_way",
        is_possible: folding::has_file_system,
        needs: "needs FUSE and ntfs-3g",
    },
    Demanding {
        name: "metrics::promtool_takes_the_metrics",
        is_possible: metrics::has_promtool,
        needs: "needs promtool",
    },
    Demanding {
        name: "metrics::promtool_takes_the_alerts",
        is_possible: metrics::has_promtool,
        needs: "needs promtool",
    },
];

fn main() {
    let mut arguments = Arguments::from_args();
    // Most tests wait for something most of the time.
    let processors = std::thread::available_parallelism().map_or(2, |number| number.get());
    arguments.test_threads.get_or_insert(processors * 2);

    let obstacle = world::possible().err();
    let mut trials = Vec::new();
    for &(module, tests) in MODULES {
        for &(name, test) in tests {
            let name = format!("{module}::{name}");
            let obstacle = if ANYWHERE.contains(&name.as_str()) { None } else { obstacle };
            let demanding = DEMANDING.iter().find(|one| one.name == name && !(one.is_possible)());
            let obstacle = obstacle.or(demanding.map(|one| one.needs));
            trials.push(trial(name, test, obstacle));
        }
    }
    for conversation in conversation::all() {
        let name = format!("conversation::{}", conversation.name);
        let obstacle = if conversation::other_server().is_some() { None } else { obstacle };
        trials.push(trial(name, move || conversation.play(), obstacle));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that runs in a thread of its own, since it leaves the host's namespaces for good.
fn trial(name: String, test: impl FnOnce() + Send + 'static, obstacle: Option<&'static str>) -> Trial {
    let thread_name = name.clone();
    let run = move || {
        let thread = std::thread::Builder::new().name(thread_name).spawn(test)?;
        thread.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Failed::from(text.unwrap_or_else(|| "panicked".into()))
        })
    };
    let trial = Trial::test(name, run);
    match obstacle {
        Some(reason) => trial.with_ignored_flag(true).with_kind(reason),
        None => trial,
    }
}
