//! The machine's clocks behind a seam, so that tests set the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Gives the time. `mono` measures, `unix_nanos` is shown to people.
pub trait Clock: Send + Sync {
    /// Time since the machine booted, suspend included (`CLOCK_BOOTTIME`). Never goes backwards.
    fn mono(&self) -> Duration;
    /// Nanoseconds since 1970-01-01 UTC. May jump either way.
    fn unix_nanos(&self) -> i64;
    /// Whether the kernel says that the wall clock is synchronised.
    fn is_synchronised(&self) -> bool;
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The clocks of this machine, shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn mono(&self) -> Duration {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
    }

    fn unix_nanos(&self) -> i64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec)
    }

    fn is_synchronised(&self) -> bool {
        // systemd-timesyncd and chrony both clear the kernel's STA_UNSYNC; timesyncd also leaves this file, which can
        // be read without the adjtimex call that a hardened unit forbids.
        std::path::Path::new("/run/systemd/timesync/synchronized").exists()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    mono_nanos: AtomicU64,
    unix_nanos: AtomicI64,
}

impl SimulatedClock {
    /// A clock at boot, with this wall time.
    pub fn at(unix_nanos: i64) -> Arc<Self> {
        Arc::new(Self { mono_nanos: AtomicU64::new(0), unix_nanos: AtomicI64::new(unix_nanos) })
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, d: Duration) {
        let nanos = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        self.mono_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.unix_nanos.fetch_add(i64::try_from(nanos).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an operator or NTP would.
    pub fn set_wall(&self, unix_nanos: i64) {
        self.unix_nanos.store(unix_nanos, Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn mono(&self) -> Duration {
        Duration::from_nanos(self.mono_nanos.load(Ordering::SeqCst))
    }

    fn unix_nanos(&self) -> i64 {
        self.unix_nanos.load(Ordering::SeqCst)
    }

    fn is_synchronised(&self) -> bool {
        true
    }
}
