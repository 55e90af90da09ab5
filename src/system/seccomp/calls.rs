//! The system calls, and the arguments of some, that the filters speak of.

use libc::c_long;

/// Since Linux 6.6; the number is the same on every architecture.
const FCHMODAT2: c_long = 452;

/// The crate has no name for it on aarch64.
const RENAMEAT: c_long = if cfg!(target_arch = "aarch64") { 38 } else { 264 };

/// sock_type_mask of socket(2): the type without SOCK_CLOEXEC and SOCK_NONBLOCK.
pub(super) const SOCKET_TYPE: i32 = 0xf;

/// Flags of open(2) that make it more than reading.
pub(super) const WRITES: i32 = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | O_TMPFILE;
/// The bit of O_TMPFILE that is not O_DIRECTORY.
const O_TMPFILE: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// All that a frontend does to the kernel, TLS included.
#[rustfmt::skip]
pub(super) const FRONTEND: &[c_long] = &[
    // Its sockets.
    libc::SYS_read, libc::SYS_readv, libc::SYS_recvfrom, libc::SYS_recvmsg,
    libc::SYS_write, libc::SYS_writev, libc::SYS_sendto, libc::SYS_sendmsg,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll, libc::SYS_shutdown, libc::SYS_close, libc::SYS_close_range,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt,
    // Its memory.
    libc::SYS_brk, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise,
    // Its clock and its dice.
    libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_gettimeofday, libc::SYS_getrandom,
    // Itself, as the C library and Rust's own keep house.
    libc::SYS_futex, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    libc::SYS_restart_syscall, libc::SYS_sched_yield, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid,
    libc::SYS_exit, libc::SYS_exit_group,
];

/// What both have no business with; most of it needs a privilege too.
#[rustfmt::skip]
pub(super) const NEVER: &[c_long] = &[
    // Other programs and processes.
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_clone,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_process_madvise,
    libc::SYS_process_mrelease, libc::SYS_kcmp, libc::SYS_pidfd_open, libc::SYS_pidfd_getfd,
    libc::SYS_move_pages, libc::SYS_migrate_pages,
    // Another identity, another view of the system.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid,
    libc::SYS_setresgid, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_setgroups, libc::SYS_capset,
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_chroot, libc::SYS_pivot_root, libc::SYS_personality,
    // Mounts.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_fsopen,
    libc::SYS_fsconfig, libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_mount_setattr,
    libc::SYS_quotactl, libc::SYS_quotactl_fd, libc::SYS_swapon, libc::SYS_swapoff,
    // Files by other ways than names, and special files.
    libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at, libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    libc::SYS_fanotify_init, libc::SYS_fanotify_mark, libc::SYS_memfd_create, libc::SYS_memfd_secret,
    // Keys.
    libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key,
    // Parts of the kernel with much room for mistakes.
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
    libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_io_setup, libc::SYS_io_submit, libc::SYS_io_cancel, libc::SYS_io_getevents, libc::SYS_io_destroy,
    libc::SYS_vmsplice, libc::SYS_remap_file_pages, libc::SYS_pkey_mprotect,
    libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_get_mempolicy,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl, libc::SYS_shmdt,
    libc::SYS_semget, libc::SYS_semop, libc::SYS_semctl, libc::SYS_semtimedop,
    libc::SYS_msgget, libc::SYS_msgsnd, libc::SYS_msgrcv, libc::SYS_msgctl,
    libc::SYS_mq_open, libc::SYS_mq_unlink, libc::SYS_socketpair,
    // The machine.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load,
    libc::SYS_reboot, libc::SYS_acct, libc::SYS_syslog, libc::SYS_vhangup,
    libc::SYS_sethostname, libc::SYS_setdomainname,
    libc::SYS_clock_settime, libc::SYS_settimeofday, libc::SYS_adjtimex, libc::SYS_clock_adjtime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Every way to a signal for somebody else.
#[rustfmt::skip]
pub(super) const SIGNALS: &[c_long] = &[
    libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
];

/// Files, connections and children: a frontend that asks for one has been taken over.
#[rustfmt::skip]
pub(super) const NOT_IN_A_FRONTEND: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_truncate, libc::SYS_mkdirat, libc::SYS_unlinkat,
    libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_fchmodat, libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    libc::SYS_socket, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect,
];

/// fcntl(2) without signals, locks and leases.
pub(super) const DESCRIPTOR_FLAGS: &[i32] =
    &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];

/// How much is waiting, whether it is urgent, and whether to wait for it.
pub(super) const SOCKET_IOCTLS: &[i32] =
    &[libc::FIONREAD as i32, libc::FIONBIO as i32, libc::TIOCOUTQ as i32, SIOCATMARK];

/// The same, is this a terminal, and files that share their blocks. Above all not TIOCSTI.
pub(super) const SESSION_IOCTLS: &[i32] = &[
    libc::FIONREAD as i32,
    libc::FIONBIO as i32,
    libc::TIOCOUTQ as i32,
    SIOCATMARK,
    libc::TCGETS as i32,
    libc::FICLONE as i32,
    libc::FICLONERANGE as i32,
    // Whether a directory tells large letters from small ones.
    libc::FS_IOC_GETFLAGS as i32,
];

/// asm-generic/sockios.h.
const SIOCATMARK: i32 = 0x8905;

/// socket(7) without packet filters, devices, marks and priorities.
pub(super) const SOCKET_OPTIONS: &[i32] = &[
    libc::SO_KEEPALIVE,
    libc::SO_LINGER,
    libc::SO_OOBINLINE,
    libc::SO_RCVBUF,
    libc::SO_RCVTIMEO,
    libc::SO_SNDBUF,
    libc::SO_SNDTIMEO,
];

/// prctl(2): names. Whether it is dumpable, and who gets a signal when, is settled.
pub(super) const HARMLESS_PRCTLS: &[i32] = &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];

/// Calls that set a mode, and which of their arguments it is: nobody's file becomes set-user-id.
pub(super) const CHMOD: &[(c_long, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (FCHMODAT2, 2),
];

/// Calls that open a file, and which of their arguments are the flags. openat2(2) hides them in memory: there,
/// Landlock says no.
pub(super) const OPEN: &[(c_long, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
    (libc::SYS_openat, 2),
];

/// Calls that change what is stored. Landlock says no to some of them a second time, but knows no modes and times.
#[rustfmt::skip]
pub(super) const CHANGES: &[c_long] = &[
    libc::SYS_mkdirat, libc::SYS_unlinkat, RENAMEAT, libc::SYS_renameat2,
    libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_fallocate,
    libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat,
    libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr,
    libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];
