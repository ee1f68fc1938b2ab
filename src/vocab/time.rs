//! Two kinds of time: media time, on which everything is measured, and wall time, which is only shown.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Time on the media clock of one camera: since that camera's stream first delivered a picture.
///
/// It never goes backwards and does not follow the machine's clock. `camera` keeps it running across reconnects, so
/// that dwell times and cooldowns stay right. A replayed clip has exactly the media time of its timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The start of the stream.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the start of the stream.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the start of the stream.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// From seconds since the start of the stream; negative and non-finite values give zero.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds.max(0.0) * 1e9).round() as u64)
    }

    /// Nanoseconds since the start of the stream.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start of the stream.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since the start of the stream.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A moment on the machine's wall clock, in nanoseconds since 1970-01-01 UTC. Shown to people, never subtracted to
/// measure how long something took.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(i64);

impl WallTime {
    /// From nanoseconds since 1970-01-01 UTC.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// The moment `d` later.
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The moment `d` earlier.
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// RFC 3339 in UTC with milliseconds, such as `2026-11-23T14:27:53.120Z`.
    pub fn to_rfc3339(self) -> String {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        format!("{stamp:.3}")
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_as_rfc3339_utc_with_milliseconds() {
        assert_eq!(WallTime::from_unix_nanos(1_795_444_073_120_999_999).to_rfc3339(), "2026-11-23T14:27:53.120Z");
        assert_eq!(WallTime::default().to_rfc3339(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn media_time_saturates_instead_of_going_below_zero() {
        let early = MediaTime::from_millis(10);
        let late = MediaTime::from_millis(30);
        assert_eq!(late.since(early), Duration::from_millis(20));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early - Duration::from_secs(1), MediaTime::ZERO);
    }
}
