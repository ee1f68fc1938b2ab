//! What a process gives up, for the rest of its life, before or as soon as it has met what may turn it against this program.
//! It needs no rights for that, and cannot take anything back.
//!
//! | given up | how | what it ends |
//! |---|---|---|
//! | privileges of programs that it starts | `PR_SET_NO_NEW_PRIVS` | set-user-id programs |
//! | memory beyond a limit | `RLIMIT_DATA` | the machine running out of memory |
//! | new descriptors | `RLIMIT_NOFILE` of 0 | sockets, and so the network; files; pipes |
//! | all system calls but those of computing | seccomp | files, sockets, other programs, signals to others, all else |
//!
//! With limits alone a process keeps what it has open, may send signals to processes of the same user and remove files of that
//! user by their names. With seccomp nothing of that is left.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// What a process needs that reads from a socket, computes with threads and memory, and answers. Whatever opens, connects,
/// starts, signals, traces or changes anything outside of it is not here.
const COMPUTING: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_futex,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_getparam,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_restart_syscall,
];
/// The same, where a processor has older ones beside them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_poll, libc::SYS_select, libc::SYS_pipe, libc::SYS_time, libc::SYS_arch_prctl];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// No program that this process starts has more rights than it. Call it before there are other threads, which do not share it.
///
/// # Errors
/// When the kernel refuses.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// At most `bytes` of memory of its own, stacks of threads included, and memory that is backed by files not; what is beyond is
/// refused to whoever asks for it.
///
/// # Errors
/// When the kernel refuses.
pub fn memory(bytes: u64) -> io::Result<()> {
    limit(Resource::Data, bytes)
}

/// Nothing that has a descriptor can be opened any more: no file, no socket, no pipe. What is open stays. `poll` and
/// `select` of more than nothing fail from now on, too.
///
/// # Errors
/// When the kernel refuses.
pub fn no_new_descriptors() -> io::Result<()> {
    limit(Resource::Nofile, 0)
}

/// From now on, in all threads that there are and will be, only what computing takes is answered by the kernel. What else is
/// asked for does not exist (`ENOSYS`), so that libraries take the way that they have for an older kernel.
///
/// # Errors
/// When the kernel has no seccomp, or the processor is one for which there is no filter.
pub fn only_computing() -> io::Result<()> {
    let refused = |error: &dyn std::fmt::Display| io::Error::other(format!("no filter of system calls: {error}"));
    let filter = filter().map_err(|error| refused(&error))?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|error| refused(&error))
}

/// The filter of [`only_computing`].
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        COMPUTING.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    // Threads, and no processes. `clone3` hides its flags behind a pointer; without it libraries use this one.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    rules.insert(libc::SYS_clone, vec![only(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // A signal to a thread of its own is how a process ends itself after a fault.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]);
    // Two ends that nobody else has: GStreamer has such a pair for each pool of memory.
    rules.insert(libc::SYS_socketpair, vec![only(0, SeccompCmpOp::Eq, u64::from(libc::AF_UNIX.cast_unsigned()))?]);
    // Whether it waits, and nothing of who is sent signals.
    let flags = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    let flags = flags.map(|flag| only(1, SeccompCmpOp::Eq, u64::from(flag.cast_unsigned())));
    rules.insert(libc::SYS_fcntl, flags.into_iter().collect::<Result<_, _>>()?);
    // The names of threads, and nothing else.
    rules.insert(libc::SYS_prctl, vec![only(0, SeccompCmpOp::Eq, u64::from(libc::PR_SET_NAME.cast_unsigned()))?]);
    let otherwise = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// A call whose argument of this number is so.
fn only(argument: u8, is: SeccompCmpOp, than: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, than)?])
}

fn limit(resource: Resource, to: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) })?)
}
