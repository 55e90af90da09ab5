//! Memory: secrets that are wiped from it, and what is given back or kept out of the way of children.

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

/// Gives back the stack beneath the caller: what deep calls have left there is of no use to anybody. For a process that
/// is going to wait, or to fork others that do.
// Not to be inlined: it must know where its caller's frame ends, which is above its own.
#[inline(never)]
pub fn give_back_stack() {
    /// What the functions that do it may use themselves, red zone included.
    const OURS: usize = 4 << 10;
    /// Calls go no deeper. No mapping is nearer to the main stack, whose growth the kernel leaves room for.
    const DEEPEST: usize = 128 << 10;
    // SAFETY: sysconf(3) answers with a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(DEEPEST);
    let here = std::ptr::from_ref(std::hint::black_box(&page)).addr();
    let end = (here - OURS) / page * page;
    // SAFETY: the pages lie beneath everything that is in use of this stack (it grows downwards, and there is one thread);
    // they read as zeros from here on, and whoever calls deeper writes before he reads.
    unsafe {
        libc::madvise((end - DEEPEST) as *mut libc::c_void, DEEPEST, libc::MADV_DONTNEED);
    }
}

/// Free memory between what is in use, taken so that nobody else takes it.
#[derive(Default)]
pub struct Plugs(Vec<Vec<u8>>);

impl Plugs {
    /// Gives back what was taken before, and takes what is free now. For a process whose children live in what it has
    /// prepared: what they allocate then comes from fresh pages behind, next to each other, and not from holes in pages
    /// that they would otherwise share with everybody (a page is copied for the first byte that is written to it).
    pub fn renew(&mut self) {
        /// More than there are holes; a list that is as long is not in the heap itself.
        const MOST: usize = 1 << 14;
        /// Larger holes are filled piece by piece.
        const LARGEST: usize = 16 << 10;
        /// What is smaller malloc(3) keeps by its size, in steps of 16 bytes, and does not make of larger pieces.
        const KEPT: usize = 1040;
        self.0 = Vec::new();
        let mut plugs = Vec::with_capacity(MOST);
        give_back_freed();
        // SAFETY: sbrk(3) with zero moves nothing, and says where the heap ends.
        let end = unsafe { libc::sbrk(0) } as usize;
        let large = (0..5).map(|halved| LARGEST >> halved).filter(|size| *size > KEPT);
        for size in large.chain((1..=KEPT / 16).rev().map(|sixteenths| sixteenths * 16 - 8)) {
            while plugs.len() < MOST {
                let plug = Vec::with_capacity(size);
                let is_behind = plug.as_ptr() as usize >= end;
                // A small piece that is freed would be kept, and taken again.
                if !is_behind || size <= KEPT {
                    plugs.push(plug);
                }
                if is_behind {
                    break;
                }
            }
        }
        self.0 = plugs;
    }
}
