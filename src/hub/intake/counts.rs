//! How much came in and what became of it, since the hub started.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) received: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) acked: AtomicU64,
    pub(super) backlog: AtomicU64,
    /// When something was last stored; 0 for never.
    pub(super) last_stored_ns: AtomicI64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counted {
    /// Messages of any kind that came in.
    pub received: u64,
    /// Events that were stored.
    pub stored: u64,
    /// Events that had been stored before.
    pub duplicates: u64,
    /// Messages that are stored nowhere because they are not what they must be.
    pub refused: u64,
    /// Acknowledgements that were published to agents.
    pub acked: u64,
    /// Messages that wait to be stored.
    pub backlog: u64,
    /// When something was last stored, in nanoseconds since 1970; 0 for never.
    pub last_stored_ns: i64,
}

impl Counts {
    pub(super) fn now(&self) -> Counted {
        Counted {
            received: self.received.load(Relaxed),
            stored: self.stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            refused: self.refused.load(Relaxed),
            acked: self.acked.load(Relaxed),
            backlog: self.backlog.load(Relaxed),
            last_stored_ns: self.last_stored_ns.load(Relaxed),
        }
    }
}

impl Counted {
    /// As Prometheus text.
    pub(super) fn to_metrics(self) -> String {
        let counters = [
            ("received_total", "counter", "Messages that came in", self.received),
            ("stored_total", "counter", "Events that were stored", self.stored),
            ("duplicates_total", "counter", "Events that had been stored before", self.duplicates),
            ("refused_total", "counter", "Messages that are not what they must be", self.refused),
            ("acked_total", "counter", "Acknowledgements that were published to agents", self.acked),
            ("backlog", "gauge", "Messages that wait to be stored", self.backlog),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in counters {
            let name = format!("vedette_intake_{name}");
            // Writing into memory is fallible in name only.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        text
    }
}
