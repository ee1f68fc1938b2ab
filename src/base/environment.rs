//! What libraries read from the environment as they are loaded, before this program could tell them.
//!
//! The environment of a running process cannot be changed soundly, so the program starts itself anew with what is missing: the
//! same process, by `execve`, before it has done anything. What is set already is left as it is.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A variable and what it is set to.
pub type Variable = (&'static str, &'static str);

/// ONNX Runtime's builds from 1.29 on report to their maker, over the internet, what models are run. Its API can end that
/// only after the first report, and after a file that identifies the machine was written; this comes before both.
pub const NO_TELEMETRY: Variable = ("ORT_DISABLE_TELEMETRY", "1");

/// How the C library's allocator serves a program that runs models.
///
/// One arena instead of eight a core, for it keeps in each what was freed there: with one 1080p camera 5 MiB of 153. Arenas are
/// there for threads that allocate at the same time, of which the line has few. Mappings of their own for pictures
/// (`mmap_threshold`) keep the heap small too, but the kernel clears their pages each time: 22 ms a second with that camera.
///
/// Huge pages, where the kernel gives them to whoever asks (`madvise` in `/sys/kernel/mm/transparent_hugepage/enabled`; where
/// that says `always` they come unasked): a look goes through the weights and tensors of a whole network, some 20 MiB, and
/// between two looks of a camera the processor forgets where their pages are. A paced look of YOLOX-nano takes 14.5 ms
/// instead of 16.2, for 5 MiB more. C libraries before glibc 2.35 ignore it.
pub const ALLOCATOR: Variable = ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1");

/// GLib's small pieces from the C library's allocator. GLib before 2.76 has one of its own for them, which takes aligned
/// blocks of up to 4 KiB, all over the heap, and seldom gives one back: 27 MiB with eight cameras after twenty minutes of
/// faults. Newer ones have no other way and do not read this.
pub const NO_SLICES: Variable = ("G_SLICE", "always-malloc");

/// No list of GStreamer's plugins: a child loads the one that it needs by its file. Reading the list of all takes longer
/// than anything else that a decoder's process does before it is ready, and making one would start other programs.
pub const NO_PLUGINS: Variable = ("GST_REGISTRY_DISABLE", "yes");

/// Starts this program anew with `variables`, if one of them is missing; returns if none is.
///
/// # Errors
/// When the program's file cannot be started, because it is no longer there for instance; it goes on without the variables.
pub fn complete(variables: &[Variable]) -> io::Result<()> {
    let mut missing = variables.iter().filter(|(name, _)| std::env::var_os(name).is_none()).peekable();
    if missing.peek().is_none() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    Err(anew.args(arguments).envs(missing.copied()).exec())
}
