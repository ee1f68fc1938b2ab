//! What a crash leaves behind: no memory, for every password that the program has read is in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From now on this process leaves no core dump, and no other process of the same user may look into its memory; root may.
///
/// Both are needed: the kernel heeds the limit where it writes a file itself, and hands the memory to a program that collects
/// crashes, such as systemd-coredump, whatever the limit says. Units of systemd set the limit too; this holds wherever the
/// program is started. Programs that are started from here have the limit, and not the other.
pub fn forbid() {
    let limit = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // Only a filter of system calls refuses either, and is no reason not to watch cameras.
    if let Err(error) = limit.and(dumpable) {
        tracing::warn!(%error, "a crash of this process may leave a core dump");
    }
}
