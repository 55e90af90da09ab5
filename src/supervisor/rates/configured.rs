//! What the configuration says of rates: of one session, and of what several share.

use std::time::{Duration, Instant};

use super::super::caps::Login;
use super::super::limits::Key;
use crate::config::{Config, Rate, SessionOptions, WeekMinute};
use crate::ipc::page::Way;

/// Between two looks at the hours of the week, where rates depend on them: at least so often, should the clock be set.
const LONGEST_UNCHANGED: u16 = 15;

/// The options of somebody's session, as the configuration has them now, but for what his entry of a users file says.
pub(super) fn options(config: &Config, login: &Login) -> SessionOptions {
    let host = Some(login.host.as_str()).filter(|host| !host.is_empty());
    let mut options = config.usual_session(host, &login.user, &login.groups);
    options.take_rates(&login.rates);
    options
}

/// When the hours of the week change one of these rates.
pub(super) fn next_change(rates: &[&Rate], minute: WeekMinute) -> Option<Instant> {
    let minutes = rates.iter().filter_map(|rate| rate.next_change(minute)).min()?;
    // Of this minute, some of the time has passed.
    let whole = Duration::from_secs(u64::from(minutes.clamp(1, LONGEST_UNCHANGED) - 1) * 60);
    Some(Instant::now() + whole + WeekMinute::rest())
}

/// What the configuration says of one session.
pub(super) struct OwnRates<'a> {
    pub rate: &'a Rate,
    pub transfer_rate: &'a Rate,
    pub free: u64,
}

pub(super) fn own_rates(options: &SessionOptions, way: Way) -> OwnRates<'_> {
    let (rate, transfer_rate, free) = match way {
        Way::Down => (&options.download_rate, &options.transfer_download_rate, options.free_download),
        Way::Up => (&options.upload_rate, &options.transfer_upload_rate, options.free_upload),
    };
    OwnRates { rate, transfer_rate, free: free.bytes().unwrap_or(0) }
}

/// What the configuration says of those who are counted together. None: of these, it says nothing.
pub(super) fn shared_rate<'a>(
    config: &'a Config,
    options: &'a SessionOptions,
    key: &Key,
    way: Way,
) -> Option<&'a Rate> {
    let (down, up) = match key {
        Key::All => (&config.limits.total_download_rate, &config.limits.total_upload_rate),
        Key::Listener(listener) => {
            let own = config.listener_at(*listener)?;
            (&own.total_download_rate, &own.total_upload_rate)
        }
        Key::Named(name) => {
            let own = config.network.get(name)?;
            (&own.total_download_rate, &own.total_upload_rate)
        }
        Key::Host(name) => {
            let own = &config.host.get(name)?.own;
            (&own.total_download_rate, &own.total_upload_rate)
        }
        Key::User(_) => (&options.download_rate_per_user, &options.upload_rate_per_user),
        Key::Group(name) => {
            let own = config.group.get(name);
            let down = own.and_then(|own| own.download_rate_per_group.as_ref());
            let up = own.and_then(|own| own.upload_rate_per_group.as_ref());
            let general = &config.session;
            (down.unwrap_or(&general.download_rate_per_group), up.unwrap_or(&general.upload_rate_per_group))
        }
        Key::Address(_) | Key::Network(_) | Key::UserFrom(..) => return None,
    };
    Some(match way {
        Way::Down => down,
        Way::Up => up,
    })
}
