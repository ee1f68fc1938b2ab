//! Which pictures of a source somebody wants to see.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Which pictures are wanted. What nobody wants is not delivered, and decoded only where a wanted picture needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Every one.
    Every,
    /// One in this time, above 0.
    OneIn(Duration),
    /// One in about this time, or up to twice as long after the last where the next keyframe is so near: then what lies
    /// between need not be decoded.
    About(Duration),
    /// Keyframes only, at most one a second. What happens and ends between two of them is not seen.
    Keyframes,
}

impl Want {
    /// So many pictures a second; all of them for none, zero or nonsense.
    pub fn of_rate(fps: Option<f64>) -> Self {
        let interval = fps.filter(|fps| fps.is_finite() && *fps > 0.0);
        let interval = interval.and_then(|fps| Duration::try_from_secs_f64(1.0 / fps).ok()).unwrap_or_default();
        if interval.is_zero() { Self::Every } else { Self::OneIn(interval) }
    }

    /// The time between wanted pictures; zero where every one is.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Every => Duration::ZERO,
            Self::OneIn(interval) | Self::About(interval) => interval,
            Self::Keyframes => KEYFRAME_INTERVAL,
        }
    }
}

/// Where only keyframes are wanted, one in this time is decoded, so that MJPEG, all keyframes, idles too.
pub(super) const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);

/// A [`Want`] that one thread sets and another reads: nanoseconds between pictures, with [`SharedWant::ABOUT`] where that
/// is meant, or [`SharedWant::KEYFRAMES`].
#[derive(Debug)]
pub(super) struct SharedWant(AtomicU64);

impl SharedWant {
    const KEYFRAMES: u64 = u64::MAX;
    const ABOUT: u64 = 1 << 63;

    pub fn new(want: Want) -> Self {
        let shared = Self(AtomicU64::new(0));
        shared.set(want);
        shared
    }

    pub fn set(&self, want: Want) {
        let longest = Self::ABOUT - 2;
        let nanos = u64::try_from(want.interval().as_nanos()).unwrap_or(longest).min(longest);
        let coded = match want {
            Want::Keyframes => Self::KEYFRAMES,
            Want::About(_) => nanos | Self::ABOUT,
            Want::Every | Want::OneIn(_) => nanos,
        };
        self.0.store(coded, Relaxed);
    }

    pub fn get(&self) -> Want {
        match self.0.load(Relaxed) {
            0 => Want::Every,
            Self::KEYFRAMES => Want::Keyframes,
            coded if coded & Self::ABOUT != 0 => Want::About(Duration::from_nanos(coded & !Self::ABOUT)),
            nanos => Want::OneIn(Duration::from_nanos(nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonsense_rate_wants_every_picture() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            assert_eq!(Want::of_rate(Some(fps)), Want::Every, "{fps}");
        }
        assert_eq!(Want::of_rate(None), Want::Every);
        assert_eq!(Want::of_rate(Some(5.0)), Want::OneIn(Duration::from_millis(200)));
    }

    #[test]
    fn what_one_thread_sets_another_reads() {
        let short = Duration::from_nanos(7);
        for want in [Want::Every, Want::OneIn(short), Want::About(short), Want::Keyframes] {
            assert_eq!(SharedWant::new(want).get(), want);
        }
        for want in [Want::OneIn(Duration::MAX), Want::About(Duration::MAX)] {
            let read = SharedWant::new(want).get();
            assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&want));
            assert!(read.interval() > Duration::from_secs(1 << 32));
        }
    }
}
