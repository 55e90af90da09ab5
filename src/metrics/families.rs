//! What each number is called outside, and what it means there.

use crate::ipc::measures::Family;

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is what it is now.
    Gauge,
    /// It only grows.
    Counter,
    /// Always 1: the labels tell.
    Info,
    /// How many were no larger than each of some limits.
    Histogram,
}

/// What the documents say of a family, and every scrape.
pub struct Description {
    /// Without the ending that belongs to the kind.
    pub name: &'static str,
    pub kind: Kind,
    /// A sentence without its full stop.
    pub help: &'static str,
    /// Of OpenMetrics; the name ends with it.
    pub unit: Option<&'static str>,
    pub labels: &'static [&'static str],
}

/// All families, in the order in which they are shown.
pub const ALL: &[Family] = &[
    Family::Build,
    Family::StartTime,
    Family::ConfigurationTime,
    Family::ReloadFailed,
    Family::Draining,
    Family::Sessions,
    Family::SessionsLimit,
    Family::SpareWorkers,
    Family::Connections,
    Family::Logins,
    Family::Refusals,
    Family::Bans,
    Family::BansImposed,
    Family::Transfers,
    Family::TransferBytes,
    Family::TransferSeconds,
    Family::DataBytes,
    Family::PassivePortsInUse,
    Family::PassivePorts,
    Family::CertificateEnd,
];

/// What a family is.
pub fn describe(family: Family) -> Description {
    use Kind::{Counter, Gauge, Histogram, Info};
    let (name, kind, help, unit, labels): (_, _, _, _, &[&str]) = match family {
        Family::Build => ("ftpd_build", Info, "The daemon that runs", None, &["version"]),
        Family::StartTime => {
            ("ftpd_start_time_seconds", Gauge, "When the daemon was started", Some("seconds"), &[])
        }
        Family::ConfigurationTime => (
            "ftpd_configuration_time_seconds",
            Gauge,
            "When the configuration in force was read",
            Some("seconds"),
            &[],
        ),
        Family::ReloadFailed => (
            "ftpd_configuration_reload_failed",
            Gauge,
            "Whether the last reload failed, so that an older configuration is in force",
            None,
            &[],
        ),
        Family::Draining => {
            ("ftpd_draining", Gauge, "Whether new clients are refused, as ftpctl drain has it", None, &[])
        }
        Family::Sessions => ("ftpd_sessions", Gauge, "Clients who are connected", None, &["state"]),
        Family::SessionsLimit => ("ftpd_sessions_limit", Gauge, "max-sessions", None, &[]),
        Family::SpareWorkers => {
            ("ftpd_spare_workers", Gauge, "Idle processes ready for the next clients", None, &[])
        }
        Family::Connections => ("ftpd_connections", Counter, "Clients who were served", None, &[]),
        Family::Logins => ("ftpd_logins", Counter, "Attempts to log in", None, &["result"]),
        Family::Refusals => (
            "ftpd_refusals",
            Counter,
            "Clients, logins and transfers that were turned away",
            None,
            &["reason"],
        ),
        Family::Bans => ("ftpd_bans", Gauge, "Networks and users that are banned", None, &[]),
        Family::BansImposed => ("ftpd_bans_imposed", Counter, "Bans so far", None, &[]),
        Family::Transfers => {
            ("ftpd_transfers", Counter, "Transfers that have ended", None, &["direction", "result"])
        }
        Family::TransferBytes => (
            "ftpd_transfer_bytes",
            Counter,
            "Bytes of transfers that have ended",
            Some("bytes"),
            &["direction", "result"],
        ),
        // The sum goes with the histogram.
        Family::TransferSeconds | Family::TransferMicros => (
            "ftpd_transfer_duration_seconds",
            Histogram,
            "How long downloads and uploads took",
            Some("seconds"),
            &["direction", "le"],
        ),
        Family::DataBytes => (
            "ftpd_data_bytes",
            Counter,
            "Bytes over data connections, those of running transfers included",
            Some("bytes"),
            &["direction"],
        ),
        Family::PassivePortsInUse => (
            "ftpd_passive_ports_in_use",
            Gauge,
            "Ports where a data connection is expected or open",
            None,
            &[],
        ),
        Family::PassivePorts => ("ftpd_passive_ports", Gauge, "Ports in passive-ports", None, &[]),
        Family::CertificateEnd => (
            "ftpd_certificate_remaining_seconds",
            Gauge,
            "For how long a certificate is still valid",
            Some("seconds"),
            &["file"],
        ),
    };
    Description { name, kind, help, unit, labels }
}
