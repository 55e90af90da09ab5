//! How fast data may move: `"10M"`, or different rates at different hours.

use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;

use super::hours::{Hours, WeekMinute, next_change};
use super::value::{Value, Wrong, read_text, write_text};
use super::values::quote;
use super::{Config, SessionOptions, Size};

/// A number of bytes in a second. `"0"` is no limit; with hours behind it, it holds at these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    bytes: Size,
    hours: Option<Hours>,
}

/// Bytes in a second, by the hours of the week: the first entry that holds at the time counts, and where none does,
/// there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate(Vec<Entry>);

impl Rate {
    /// The bytes in a second at a time; none: there is no limit.
    pub fn at(&self, minute: WeekMinute) -> Option<u64> {
        let holds = |entry: &&Entry| entry.hours.is_none_or(|hours| hours.contains(minute));
        self.0.iter().find(holds).and_then(|entry| entry.bytes.bytes())
    }

    /// Whether it sets no limit at any time.
    pub fn is_unlimited(&self) -> bool {
        self.0.iter().all(|entry| entry.bytes.bytes().is_none())
    }

    /// Whether it is not always the same.
    pub fn has_hours(&self) -> bool {
        self.0.iter().any(|entry| entry.hours.is_some())
    }

    /// In how many minutes it is another one, if ever.
    pub fn next_change(&self, now: WeekMinute) -> Option<u16> {
        self.has_hours().then(|| next_change(now, |minute| self.at(minute))).flatten()
    }
}

/// The rates among the options of a session, by name.
macro_rules! with_rates {
    ($of:expr, $what:ident) => {
        [
            $what!($of.download_rate),
            $what!($of.upload_rate),
            $what!($of.transfer_download_rate),
            $what!($of.transfer_upload_rate),
            $what!($of.download_rate_per_user),
            $what!($of.upload_rate_per_user),
            $what!($of.download_rate_per_group),
            $what!($of.upload_rate_per_group),
        ]
    };
}

impl SessionOptions {
    /// Its rates.
    pub fn rates(&self) -> [&Rate; 8] {
        macro_rules! refer {
            ($rate:expr) => {
                &$rate
            };
        }
        with_rates!(self, refer)
    }

    /// Its rates, and the sizes that belong to them, as texts in an order of their own: for one process to tell another
    /// what is different for somebody. What is as in `usual` is empty; nothing at all, if everything is.
    pub fn unusual_rates(&self, usual: &SessionOptions) -> Vec<String> {
        let rates = self.rates().into_iter().zip(usual.rates());
        let mut texts: Vec<String> =
            rates.map(|(own, usual)| if own == usual { String::new() } else { own.to_string() }).collect();
        for (own, usual) in [(self.free_download, usual.free_download), (self.free_upload, usual.free_upload)]
        {
            texts.push(if own == usual { String::new() } else { own.to_string() });
        }
        if texts.iter().all(String::is_empty) { Vec::new() } else { texts }
    }

    /// Takes what `unusual_rates` said. What makes no sense is left out.
    pub fn take_rates(&mut self, unusual: &[String]) {
        macro_rules! refer {
            ($rate:expr) => {
                &mut $rate
            };
        }
        for (rate, text) in with_rates!(self, refer).into_iter().zip(unusual) {
            if let Ok(own) = text.parse() {
                *rate = own;
            }
        }
        for (free, text) in
            [&mut self.free_download, &mut self.free_upload].into_iter().zip(unusual.iter().skip(8))
        {
            if let Ok(own) = text.parse() {
                *free = own;
            }
        }
    }
}

impl Config {
    /// The options of somebody's session as far as this configuration has them, and no users file. Nobody else is called
    /// `anonymous` where there are anonymous logins.
    pub fn usual_session(&self, host: Option<&str>, user: &str, groups: &[String]) -> SessionOptions {
        match self.has_anonymous(host) && user == "anonymous" {
            true => self.anonymous_session(host),
            false => self.effective_session(host, user, groups),
        }
    }

    /// Every rate that is set.
    pub fn rates(&self) -> Vec<&Rate> {
        macro_rules! general {
            ($rate:expr) => {
                Some(&$rate)
            };
        }
        macro_rules! own {
            ($rate:expr) => {
                $rate.as_ref()
            };
        }
        let hosts = self.host.values().map(|host| &host.session);
        let overrides = hosts.chain(self.user.values()).chain(self.group.values());
        let hosts =
            self.host.values().map(|host| (&host.own.total_download_rate, &host.own.total_upload_rate));
        let listeners = self.listener.values().map(|own| (&own.total_download_rate, &own.total_upload_rate));
        let networks = self.network.values().map(|own| (&own.total_download_rate, &own.total_upload_rate));
        let totals = hosts.chain(listeners).chain(networks);
        let totals = totals.chain([(&self.limits.total_download_rate, &self.limits.total_upload_rate)]);
        let rates = with_rates!(self.session, general).into_iter().flatten();
        let rates = rates.chain(overrides.flat_map(|own| with_rates!(own, own).into_iter().flatten()));
        rates.chain(totals.flat_map(|(down, up)| [down, up])).filter(|rate| !rate.is_unlimited()).collect()
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Entry, String> {
        let text = text.trim();
        let (bytes, hours) = text.split_once(' ').map_or((text, None), |(bytes, hours)| (bytes, Some(hours)));
        let bytes = bytes
            .parse()
            .map_err(|_| format!("{text:?} is no rate, such as \"500K\", or \"2M Mon-Fri 08:00-18:00\""))?;
        Ok(Entry { bytes, hours: hours.map(str::parse).transpose()? })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hours {
            Some(hours) => write!(f, "{} {hours}", self.bytes),
            None => self.bytes.fmt(f),
        }
    }
}

/// Entries in one line, as processes tell each other.
impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let entries: Vec<Entry> = text.split(';').map(str::parse).collect::<Result<_, String>>()?;
        match entries.iter().rev().skip(1).find(|entry| entry.hours.is_none()) {
            Some(entry) => Err(format!("what follows \"{entry}\" would never count: it holds at all hours")),
            None => Ok(Rate(entries)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Entry::to_string).collect();
        f.write_str(if texts.is_empty() { "0" } else { "" })?;
        f.write_str(&texts.join("; "))
    }
}

impl Value for Rate {
    fn kind() -> String {
        "rate in bytes per second, such as \"10M\", or \"0\" for no limit, or a list of rates with hours"
            .into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Rate, Wrong> {
        let Some(items) = value.get_ref().as_array() else {
            return read_text(value, |_, reason: String| reason);
        };
        let texts: Vec<&str> = items
            .iter()
            .map(|item| item.get_ref().as_str().ok_or_else(|| Wrong::kind::<Rate>(item)))
            .collect::<Result<_, Wrong>>()?;
        let text = if texts.is_empty() { "0".into() } else { texts.join(";") };
        text.parse().map_err(|reason| Wrong::new(value, reason))
    }

    fn write(&self) -> Option<String> {
        match &self.0[..] {
            [] => write_text(&"0"),
            [one] => write_text(one),
            several => {
                let items: Vec<String> = several.iter().map(|entry| quote(&entry.to_string())).collect();
                Some(format!("[{}]", items.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// What holds so many hours after Monday, 00:00.
    fn at(rate: &Rate, hour: u16) -> Option<u64> {
        rate.at(WeekMinute::of_hour(hour))
    }

    #[test]
    fn a_rate_without_hours_holds_always() {
        assert_eq!(at(&rate("10K"), 5), Some(10_240));
        assert_eq!(at(&rate("0"), 5), None);
        assert!(rate("0").is_unlimited() && !rate("1").is_unlimited());
        assert_eq!(rate("10K").next_change(WeekMinute::of_hour(1)), None);
    }

    #[test]
    fn the_first_that_holds_counts() {
        let rate = rate("1M Mon-Fri 08:00-18:00; 0 Sat,Sun; 4M");
        assert_eq!(at(&rate, 9), Some(1 << 20));
        assert_eq!(at(&rate, 19), Some(4 << 20));
        assert_eq!(at(&rate, 5 * 24 + 9), None);
        assert!(!rate.is_unlimited());
        assert_eq!(rate.next_change(WeekMinute::of_hour(7)), Some(60));
        assert_eq!(at(&"1M Mon".parse().unwrap(), 30), None);
    }

    #[test]
    fn rates_are_read_and_written_alike() {
        for (text, written) in [
            ("\"10m\"", "\"10M\""),
            ("\"0\"", "\"0\""),
            ("[]", "\"0\""),
            ("[\"1M Mon-Fri 08:00-18:00\", \"4M\"]", "[\"1M Mon-Fri 08:00-18:00\", \"4M\"]"),
        ] {
            let config = Config::parse("f".as_ref(), &format!("session.download-rate = {text}\n"));
            let config = config.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.session.download_rate.write().as_deref(), Some(written));
            assert_eq!(Config::parse("f".as_ref(), &config.to_toml()), Ok(config));
        }
    }

    #[test]
    fn what_is_different_for_somebody_can_be_told() {
        let config = |text: &str| Config::parse("f".as_ref(), text).unwrap_or_else(|error| panic!("{error}"));
        let usual = config("[session]\nupload-rate = \"5\"\nfree-upload = \"7\"\n").session;
        let own = SessionOptions {
            download_rate: rate("1M Mon; 2M"),
            free_upload: "3K".parse().unwrap(),
            ..usual.clone()
        };
        assert_eq!(usual.unusual_rates(&usual), [""; 0]);
        let told = own.unusual_rates(&usual);
        let mut heard = usual.clone();
        heard.take_rates(&told);
        assert_eq!(heard, own);
    }

    #[test]
    fn all_rates_that_are_set_are_found() {
        let config = |text: &str| Config::parse("f".as_ref(), text).unwrap_or_else(|error| panic!("{error}"));
        assert!(config("").rates().is_empty());
        for text in [
            "session.download-rate = \"1\"",
            "user.bob.upload-rate-per-user = \"1\"",
            "group.g.download-rate-per-group = \"1\"",
            "host.a.transfer-upload-rate = \"1\"",
            "host.a.total-upload-rate = \"1\"",
            "limits.total-download-rate = \"1\"",
            "listener.\"0.0.0.0:21\".total-upload-rate = \"1\"",
            "network.n.total-upload-rate = \"1\"",
        ] {
            assert_eq!(config(text).rates().len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_a_reason() {
        for (text, reason) in [
            ("\"fast\"", "is no rate"),
            ("\"1M always\"", "are no hours"),
            ("3", "wants a rate"),
            ("[3]", "wants a rate"),
            ("[\"1M\", \"2M Mon\"]", "would never count"),
        ] {
            let error =
                Config::parse("f".as_ref(), &format!("session.download-rate = {text}\n")).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }
}
