//! What the daemon counts: one number at a time, on its way to who writes it down for others.

use super::values::values;

values! {
    /// What a number is about. The labels that go with it are those of metrics/families.rs.
    enum Family {
        /// 1; the label is the version.
        Build,
        /// When the daemon was started, in seconds since 1970.
        StartTime,
        /// When the configuration in force was read, in seconds since 1970.
        ConfigurationTime,
        /// Whether a later configuration was of no use.
        ReloadFailed,
        /// Whether new clients are refused at the administrator's wish.
        Draining,
        /// Clients, by what they do.
        Sessions,
        /// How many there may be.
        SessionsLimit,
        /// Idle workers.
        SpareWorkers,
        /// Clients so far.
        Connections,
        /// Logins so far, by result.
        Logins,
        /// Clients who were not served, by reason.
        Refusals,
        /// Bans that hold.
        Bans,
        /// Bans so far.
        BansImposed,
        /// Transfers that have ended, by direction and result.
        Transfers,
        /// Bytes of these.
        TransferBytes,
        /// How many downloads and uploads took no longer than that.
        TransferSeconds,
        /// How many microseconds they took in all.
        TransferMicros,
        /// Bytes over data connections, those of running transfers included.
        DataBytes,
        /// Ports where data connections are expected or have come to.
        PassivePortsInUse,
        /// Ports there are for it.
        PassivePorts,
        /// When a certificate ends, in seconds since 1970.
        CertificateEnd,
    }
}

impl Copy for Family {}
