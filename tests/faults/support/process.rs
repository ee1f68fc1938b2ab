//! What a process uses, as the kernel tells it.

use std::fs;
use std::time::Duration;

/// The processor time that it has used.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks; user and system time are the 12th and 13th number behind it.
    let behind = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// The most memory that it has had, in KiB.
pub fn peak_kib(pid: u32) -> u64 {
    of_status(pid, "VmHWM:")
}

/// The memory that it has, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    of_status(pid, "VmRSS:")
}

pub fn threads(pid: u32) -> u64 {
    of_status(pid, "Threads:")
}

pub fn open_files(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64
}

fn of_status(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
