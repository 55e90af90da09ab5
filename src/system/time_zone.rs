//! The machine's local time, for listings that are to show it.

/// Reads the time zone of the machine. To be called before chroot(2); `offset_at` reads no file after it.
pub fn load() {
    unsafe extern "C" {
        fn tzset();
    }
    // SAFETY: tzset(3) reads TZ, which no other thread changes: there is none.
    unsafe { tzset() }
}

/// How many seconds local time is ahead of UTC at this time (seconds since 1970, UTC).
pub fn offset_at(seconds: i64) -> i64 {
    let mut local = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both arguments are valid; localtime_r(3) writes to `local` alone.
    let known = unsafe { libc::localtime_r(&seconds, local.as_mut_ptr()) };
    if known.is_null() {
        return 0;
    }
    // SAFETY: localtime_r has filled it, and zeros are a valid value of every field anyway.
    unsafe { local.assume_init() }.tm_gmtoff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_on_earth_is_further_ahead_than_a_day() {
        load();
        for seconds in [-86_400, 0, 1_700_000_000, 4_000_000_000] {
            assert!(offset_at(seconds).abs() <= 86_400);
        }
    }
}
