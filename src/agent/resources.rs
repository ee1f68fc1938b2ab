//! What this process uses of the machine, read from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// What the process uses now. A figure that cannot be read is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Resources {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Bytes that an ordinary user can still write where the state lies.
    pub disk_free_bytes: u64,
}

impl Resources {
    /// Reads them; `state` is any path on the file system whose free space matters.
    pub fn now(state: &Path) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            rss_bytes: status_field(&status, "VmRSS:").unwrap_or(0) * 1024,
            threads: status_field(&status, "Threads:").unwrap_or(0),
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            disk_free_bytes: disk_free(state),
        }
    }
}

/// Bytes that an ordinary user can still write on the file system of `path`; 0 where that cannot be told.
pub(super) fn disk_free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |s| s.f_bavail * s.f_frsize)
}

/// CPU time used since the start of the process, user and system, all threads.
pub(super) fn cpu_time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// The number after `name` in `/proc/self/status`.
fn status_field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_of_everything() {
        let now = Resources::now(Path::new("/"));
        assert!(now.rss_bytes > 1024 * 1024 && now.threads >= 1 && now.open_files >= 3 && now.disk_free_bytes > 0);
    }

    #[test]
    fn a_field_that_is_missing_or_malformed_is_none() {
        assert_eq!(status_field("VmRSS:\t  120 kB\n", "VmRSS:"), Some(120));
        assert_eq!(status_field("VmRSS:\n", "VmRSS:"), None);
        assert_eq!(status_field("", "VmRSS:"), None);
    }
}
