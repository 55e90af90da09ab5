//! The monotonic clock as a number, which two processes can compare.

use nix::time::{ClockId, clock_gettime};

/// Milliseconds of CLOCK_MONOTONIC. No system call where the kernel offers it through the vDSO.
pub fn monotonic_millis() -> u64 {
    // The clock exists on every Linux: without it there would be no `Instant` either.
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec().cast_unsigned() * 1000 + now.tv_nsec().cast_unsigned() / 1_000_000)
}
