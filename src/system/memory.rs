//! Secrets in memory.

use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

/// Overwrites bytes in a way that the compiler may not leave out.
pub fn wipe(bytes: &mut [u8]) {
    for byte in bytes.iter_mut() {
        // SAFETY: the pointer comes from an exclusive reference and is valid for a write of one byte.
        unsafe { std::ptr::write_volatile(byte, 0) };
    }
    compiler_fence(Ordering::SeqCst);
}

/// Whether memory is overwritten when it is freed, by whoever: libc's readers of the password databases and PAM's
/// modules leave whole pages of them in freed memory, which a fork would copy. Only glibc can do that.
pub fn wipe_freed(wanted: bool) {
    static IN_FORCE: AtomicBool = AtomicBool::new(false);
    if IN_FORCE.swap(wanted, Ordering::Relaxed) == wanted {
        return;
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) sets a number inside malloc; there is one thread.
    unsafe {
        libc::mallopt(libc::M_PERTURB, if wanted { 0xa5 } else { 0 });
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = wanted;
}

/// Gives memory that was freed back to the system. For a process that has done its largest work and is going to wait.
pub fn give_back_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) only touches memory that nobody uses; there is one thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
