//! Clips: lengths that fit into each other.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, MIB};
use crate::config::document::{Clips, Keep};
use crate::config::fault::Path;
use crate::evidence::{ClipSettings, PlanSettings, RingLimits};

/// Reads `evidence.clips`; nothing where none are kept. `folder` is where the files go.
pub(super) fn read(check: &mut Check, clips: &Clips, folder: PathBuf) -> Option<ClipSettings> {
    let path = Path::default().key("evidence").key("clips");
    let around = clips.before_seconds + clips.after_seconds;
    if clips.longest_seconds <= around {
        let problem = format!(
            "found {}, must be more than before_seconds and after_seconds together, which are {around}",
            clips.longest_seconds
        );
        check.error(&path.key("longest_seconds"), problem, "raise it, or lower the others");
    }
    if clips.ring_seconds <= clips.before_seconds {
        let problem = format!(
            "found {}, must be more than before_seconds, which is {}",
            clips.ring_seconds, clips.before_seconds
        );
        check.error(&path.key("ring_seconds"), problem, "raise it by the time between two keyframes at least");
    }
    if clips.keep == Keep::None {
        return None;
    }
    Some(ClipSettings {
        folder,
        quota_bytes: u64::from(clips.quota_mib) * MIB,
        keep: Duration::from_secs(u64::from(clips.days) * 24 * 3600),
        plan: PlanSettings {
            before: Duration::from_secs_f64(clips.before_seconds),
            after: Duration::from_secs_f64(clips.after_seconds),
            longest: Duration::from_secs_f64(clips.longest_seconds),
            events_too: clips.keep == Keep::All,
        },
        ring: RingLimits {
            bytes: clips.ring_mib as usize * 1024 * 1024,
            span: Duration::from_secs_f64(clips.ring_seconds),
        },
    })
}
