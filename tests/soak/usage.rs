//! What a process uses, as the kernel tells it.

use std::fs;

/// At one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Resident memory in MiB: all of it, what belongs to no file, and what does.
    pub resident: f64,
    pub anonymous: f64,
    pub of_files: f64,
    /// Open files.
    pub files: u64,
    pub threads: u64,
    /// Processor time since it started, in seconds.
    pub cpu: f64,
}

impl Usage {
    /// Of the process `pid`; none once it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let of_files = field("RssFile:")? + field("RssShmem:")?;
        Some(Self {
            resident: field("VmRSS:")? / 1024.0,
            anonymous: field("RssAnon:")? / 1024.0,
            of_files: of_files / 1024.0,
            files: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
            threads: field("Threads:")? as u64,
            cpu: cpu(pid)?,
        })
    }
}

fn cpu(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; user and system time are the 12th and 13th number behind it.
    let (_, behind) = stat.rsplit_once(')')?;
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[test]
fn this_process_uses_something_and_one_that_is_not_there_nothing() {
    let usage = Usage::of(std::process::id()).unwrap();
    assert!(usage.resident > 1.0 && usage.files >= 3 && usage.threads >= 1, "{usage:?}");
    assert!((usage.resident - usage.anonymous - usage.of_files).abs() < 1.0, "{usage:?}");
    assert_eq!(Usage::of(u32::MAX), None);
}
