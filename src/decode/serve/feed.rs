//! Gives a served medium its pictures at the pace of its clock, endlessly.

use std::sync::Arc;
use std::time::Duration;

use gstreamer::ClockTime;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

use super::packets::Packets;
use crate::base::shutdown::Stopping;
use crate::decode::street::Street;

/// How often a medium that does not play yet is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Pictures that are late by more than this are left out.
const LATE: Duration = Duration::from_millis(500);

/// What is played.
#[derive(Debug, Clone)]
pub enum Reel {
    /// Encoded pictures from memory.
    Clip(Arc<Packets>),
    /// Pictures that are drawn now.
    Street(Arc<Street>),
}

/// The next picture of a reel.
struct Due {
    buffer: gstreamer::Buffer,
    sent: Duration,
    shown: Duration,
}

/// Feeds `source` until it is taken down or the server stops.
pub fn run(reel: &Reel, source: AppSrc, stopping: &Stopping) {
    let weak = source.downgrade();
    drop(source);
    let mut start = None;
    for index in 0u64.. {
        let late = start.map(|start| now(&weak).unwrap_or_default().saturating_sub(start));
        let Some(due) = next(reel, index, late) else { continue };
        loop {
            // A medium that is gone takes its source with it.
            let Some(source) = weak.upgrade() else { return };
            let (_, state, _) = source.state(ClockTime::ZERO);
            let running = if state == gstreamer::State::Playing { now(&weak) } else { None };
            drop(source);
            let wait = match running {
                Some(now) => (*start.get_or_insert(now) + due.sent).saturating_sub(now),
                None => POLL,
            };
            if running.is_some() && wait.is_zero() {
                break;
            }
            if stopping.wait(wait.min(Duration::from_millis(200))) {
                return;
            }
        }
        if push(&weak, due, start.unwrap_or_default()).is_none() {
            return;
        }
    }
}

/// The running time of the medium's clock.
fn now(source: &gstreamer::glib::WeakRef<AppSrc>) -> Option<Duration> {
    source.upgrade()?.current_running_time().map(Duration::from)
}

fn push(source: &gstreamer::glib::WeakRef<AppSrc>, due: Due, start: Duration) -> Option<()> {
    let at = |d: Duration| ClockTime::try_from(start + d).ok();
    let mut buffer = due.buffer;
    let meta = buffer.make_mut();
    meta.set_pts(at(due.shown));
    meta.set_dts(at(due.sent));
    meta.set_duration(None);
    source.upgrade()?.push_buffer(buffer).ok().map(drop)
}

/// Picture `index` of the reel; `None` where it would be late anyway and nothing depends on it.
fn next(reel: &Reel, index: u64, late: Option<Duration>) -> Option<Due> {
    match reel {
        Reel::Clip(clip) => {
            let count = clip.packets.len() as u64;
            let packet = &clip.packets[(index % count) as usize];
            // Ten years of a clip of a tenth of a second fit.
            let before = clip.length * u32::try_from(index / count).unwrap_or(u32::MAX);
            Some(Due { buffer: packet.buffer.copy(), sent: before + packet.sent, shown: before + packet.shown })
        }
        Reel::Street(street) => {
            let sent = Duration::from_secs_f64(index as f64 / street.fps());
            if late.is_some_and(|now| now > sent + LATE) {
                return None;
            }
            let mut bytes = Vec::new();
            street.draw(index, &mut bytes);
            Some(Due { buffer: gstreamer::Buffer::from_mut_slice(bytes), sent, shown: sent })
        }
    }
}
