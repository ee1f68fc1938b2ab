//! Pictures that this program draws itself, at a steady rate, in place of a camera's.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::feed::{Feed, count, lock};
use super::{Codec, DecodeError};
use crate::base::shutdown::{Shutdown, Stopping};
use crate::base::threads;
use crate::vocab::{Frame, MediaTime, WallTime};

/// A thread that draws. Dropping it stops it.
pub(super) struct Drawing {
    feed: Arc<Feed>,
    latest: Arc<Mutex<Option<Frame>>>,
    shutdown: Option<Shutdown>,
    thread: Option<JoinHandle<()>>,
}

impl Drawing {
    /// Starts drawing `fps` pictures a second, 1 to 240. `draw` is given their numbers.
    pub fn start(
        feed: Arc<Feed>,
        fps: f64,
        draw: impl FnMut(u64) -> Option<Frame> + Send + 'static,
    ) -> Result<Self, DecodeError> {
        let interval = Duration::from_secs_f64(1.0 / if fps.is_finite() { fps.clamp(1.0, 240.0) } else { 25.0 });
        let (shutdown, stopping) = Shutdown::new();
        let latest = Arc::<Mutex<Option<Frame>>>::default();
        let thread = threads::spawn("draw", {
            let (feed, latest) = (feed.clone(), latest.clone());
            move || run(&feed, &latest, interval, &stopping, draw)
        });
        let refused = |e: std::io::Error| super::branch::other(&feed, format!("no thread to draw on: {e}"));
        let thread = thread.map_err(refused)?;
        Ok(Self { feed, latest, shutdown: Some(shutdown), thread: Some(thread) })
    }

    /// The newest picture that was not taken yet.
    pub fn take(&self) -> Option<Frame> {
        let frame = lock(&self.latest).take();
        count(&self.feed.counters.delivered, usize::from(frame.is_some()));
        frame
    }

    /// Stops it; whether it did within `limit`.
    pub fn stop(mut self, limit: Duration) -> bool {
        self.shutdown = None;
        let Some(thread) = self.thread.take() else { return true };
        threads::with_deadline("draw-stop", limit, move || thread.join().is_ok()).is_some()
    }
}

fn run(
    feed: &Feed,
    latest: &Mutex<Option<Frame>>,
    interval: Duration,
    stopping: &Stopping,
    mut draw: impl FnMut(u64) -> Option<Frame>,
) {
    let start = feed.clock.mono();
    let mut number = 0u64;
    loop {
        let pts = interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        count(&feed.counters.packets, 1);
        if !lock(&feed.limiter).passes(feed.want.get().interval(), Some(pts)) {
            count(&feed.counters.dropped_rate, 1);
        } else if let Some(mut frame) = draw(number) {
            frame.seq = number;
            frame.pts = MediaTime::ZERO + pts;
            frame.captured = WallTime::from_unix_nanos(feed.clock.unix_nanos());
            frame.keyframe = true;
            put(feed, latest, frame);
        }
        number += 1;
        let due = start + interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        if stopping.wait(due.saturating_sub(feed.clock.mono())) {
            return;
        }
    }
}

fn put(feed: &Feed, latest: &Mutex<Option<Frame>>, frame: Frame) {
    let size = (frame.width, frame.height);
    feed.update_info(|info| (info.codec, info.size) = (Some(Codec::Raw), Some(size)));
    count(&feed.counters.decoded, 1);
    count(&feed.counters.bytes, (size.0 * size.1) as usize * 3 / 2);
    let replaced = lock(latest).replace(frame);
    count(&feed.counters.superseded, usize::from(replaced.is_some()));
    feed.wake();
}
