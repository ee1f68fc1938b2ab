//! What a process gives up, for the rest of its life, before or as soon as it has met what may turn it against this program.
//! It needs no rights for that, and cannot take anything back.
//!
//! | given up | how | what it ends |
//! |---|---|---|
//! | privileges of programs that it starts | `PR_SET_NO_NEW_PRIVS` | set-user-id programs |
//! | memory beyond a limit | `RLIMIT_DATA` | the machine running out of memory |
//! | descriptors that it was born with | closing them | a webcam or recording that a library of the parent did not mark as its own |
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

/// Closes all descriptors but the three standard ones. Whatever Rust opens does not reach a child, but libraries in C are not
/// all so careful: GStreamer opens webcams and files without saying that they are its own. To be called first of all, as
/// whoever has a descriptor in this process loses it.
///
/// # Errors
/// When it cannot be seen which there are.
#[expect(unsafe_code, reason = "closing a descriptor that one does not hold is no safe code in any library")]
pub fn no_inherited_descriptors() -> io::Result<()> {
    for descriptor in descriptors()? {
        // The list of them was one of them, and is gone: to close it again is no fault.
        // SAFETY: nobody in this process holds it, as nothing has been opened yet: it is the first thing that a child does.
        unsafe {
            libc::close(descriptor);
        }
    }
    Ok(())
}

/// Those that are open, but the three standard ones.
pub(super) fn descriptors() -> io::Result<Vec<i32>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        all.extend(number.filter(|number| *number > 2));
    }
    Ok(all)
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

/// What whoever has started a process is told that cannot be confined, and what is to be done.
pub fn refusal(error: &io::Error) -> String {
    format!(
        "its process cannot be confined: {error}; the kernel needs seccomp and the unit \
         `SystemCallFilter=@system-service seccomp`; `runtime: {{ isolation: none }}` does without"
    )
}

/// The filter of [`only_computing`].
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        COMPUTING.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    // Threads, and no processes. `clone3` hides its flags behind a pointer; without it libraries use this one.
    let thread = word(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![only(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // A signal to a thread of its own is how a process ends itself after a fault.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]);
    // Two ends that nobody else has: GStreamer has such a pair for each pool of memory. Of datagrams one could be sent to any
    // socket that has a name, and so to the journal; of a stream it cannot, and here nothing is sent with an address at all.
    let unix = is(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, word(libc::AF_UNIX))?;
    let stream = is(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(0xf), word(libc::SOCK_STREAM))?;
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(vec![unix, stream])?]);
    let nowhere = is(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![nowhere])?]);
    // Memory of its own and of no file: the limit of memory counts neither what is shared nor what grows downwards.
    let kinds = word(libc::MAP_TYPE | libc::MAP_GROWSDOWN);
    let private = is(3, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(kinds), word(libc::MAP_PRIVATE))?;
    let of_no_file = is(4, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, word(-1))?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![private, of_no_file])?]);
    // Whether it waits, and nothing of who is sent signals.
    let flags = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    let flags = flags.map(|flag| only(1, SeccompCmpOp::Eq, word(flag)));
    rules.insert(libc::SYS_fcntl, flags.into_iter().collect::<Result<_, _>>()?);
    // The names of threads, and nothing else.
    rules.insert(libc::SYS_prctl, vec![only(0, SeccompCmpOp::Eq, word(libc::PR_SET_NAME))?]);
    let otherwise = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// A call whose argument of this number, 32 bits of it, is so.
fn only(argument: u8, how: SeccompCmpOp, than: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![is(argument, SeccompCmpArgLen::Dword, how, than)?])
}

fn is(
    argument: u8,
    length: SeccompCmpArgLen,
    how: SeccompCmpOp,
    than: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, length, how, than)
}

/// The 32 bits of a constant.
fn word(constant: i32) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn limit(resource: Resource, to: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) })?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::process::Command;
    use std::{env, thread};

    use super::*;
    use crate::base::child::Program;

    /// By which this test knows that it is to be the one that is confined.
    const CONFINED: &str = "--skip=nothing-but-what-is-confined";

    /// And that it was born with a descriptor of this number.
    const WITH_SEVEN: &str = "--skip=nothing-but-seven";

    /// No test, but what the tests below start: ends with the number of the first thing that it could do and must not.
    #[test]
    fn the_confined() {
        if !env::args().any(|argument| argument == CONFINED) {
            return;
        }
        let before = descriptors().unwrap();
        no_inherited_descriptors().unwrap();
        // The list of them is one itself.
        let has_others = descriptors().unwrap().len() > 1;
        if has_others || env::args().any(|argument| argument == WITH_SEVEN) && !before.contains(&7) {
            std::process::exit(99);
        }
        let parent = rustix::process::getppid().unwrap();
        only_computing().unwrap();
        let attempts: [fn() -> bool; 7] = [
            || File::open("/proc/self/status").is_ok(),
            || std::fs::remove_file("/nothing/here").is_err_and(|error| error.raw_os_error() != Some(libc::ENOSYS)),
            || UnixDatagram::pair().is_ok(),
            || UnixDatagram::unbound().is_ok() || UnixListener::bind("/nothing/here").is_ok(),
            || std::net::TcpStream::connect("127.0.0.1:1").is_err_and(|e| e.raw_os_error() != Some(libc::ENOSYS)),
            || Command::new("/bin/true").spawn().is_ok(),
            || descriptors().is_ok(),
        ];
        let could = attempts.iter().position(|attempt| attempt());
        if rustix::process::test_kill_process(parent).is_ok() {
            std::process::exit(98);
        }
        // What it needs still works: threads, memory, a pair of its own.
        let sum = thread::spawn(|| vec![1u8; 1 << 24].iter().map(|one| u64::from(*one)).sum::<u64>()).join().unwrap();
        assert!(sum == 1 << 24 && UnixStream::pair().is_ok());
        std::process::exit(could.map_or(0, |number| 100 + number as i32));
    }

    #[test]
    fn whoever_only_computes_opens_sends_starts_and_signals_nothing() {
        let name = module_path!().split_once("::").unwrap().1;
        let program = Program::own(&[&format!("{name}::the_confined"), "--exact", CONFINED]);
        let (child, mut channel) = program.start().unwrap();
        assert!(channel.receive().is_err(), "it says nothing, and ends");
        assert_eq!(child.end(), "exit status: 0", "100 and more: the number of what it could do");
    }

    #[test]
    fn what_a_parent_left_open_is_closed() {
        // A shell opens a file without marking it, as libraries in C do, and becomes the child.
        let name = module_path!().split_once("::").unwrap().1;
        let script = format!(
            "exec 7</etc/passwd; exec {} {name}::the_confined --exact {CONFINED} {WITH_SEVEN}",
            env::current_exe().unwrap().display()
        );
        let program = Program { file: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        let (child, mut channel) = program.start().unwrap();
        assert!(channel.receive().is_err());
        assert_eq!(child.end(), "exit status: 0", "99: it was not there before, or is there still");
    }
}
