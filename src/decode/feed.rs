//! What GStreamer's threads and the thread that takes the pictures share: the newest picture, counters and faults.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::gate::Gate;
use super::lag::Lag;
use super::rate::Limiter;
use super::want::{SharedWant, Want};
use super::{Codec, DecodeError, Source, Tap, damage};
use crate::base::clock::SharedClock;

/// A timestamp further back than this is of a clock that went back, not of pictures in another order than they are shown.
const REORDERED: gst::ClockTime = gst::ClockTime::from_seconds(2);
/// No decoder holds back so many pictures.
const MOST_OWED: usize = 64;

/// Called from any thread when there is something to fetch. Must return at once.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What has gone through a stream since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bytes that arrived, encoded.
    pub bytes: u64,
    /// Encoded pictures that arrived.
    pub packets: u64,
    /// Keyframes among those that went to the decoder.
    pub keyframes: u64,
    /// Pictures decoded.
    pub decoded: u64,
    /// Pictures that were taken.
    pub delivered: u64,
    /// Packets that were damaged, and pictures dropped because the decoder marked them so.
    pub corrupt: u64,
    /// Pictures that were decoded, as a wanted one needed them, and not wanted themselves.
    pub dropped_rate: u64,
    /// Packets not decoded: no wanted picture needed them, there was no keyframe yet, or the machine is too busy.
    pub dropped_idle: u64,
    /// Pictures that a newer one replaced before they were taken.
    pub superseded: u64,
    /// Ends, before their time, of the processes that decode it.
    pub restarts: u64,
}

impl Counts {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            packets: self.packets + other.packets,
            keyframes: self.keyframes + other.keyframes,
            decoded: self.decoded + other.decoded,
            delivered: self.delivered + other.delivered,
            corrupt: self.corrupt + other.corrupt,
            dropped_rate: self.dropped_rate + other.dropped_rate,
            dropped_idle: self.dropped_idle + other.dropped_idle,
            superseded: self.superseded + other.superseded,
            restarts: self.restarts + other.restarts,
        }
    }
}

/// What a stream turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// How it is encoded, once known.
    pub codec: Option<Codec>,
    /// The GStreamer element that decodes it, once chosen.
    pub decoder: Option<String>,
    /// Width and height of its pictures in pixels, once one was decoded.
    pub size: Option<(u32, u32)>,
}

/// A decoded picture as the sink received it, not mapped yet.
pub(super) struct Arrival {
    pub buffer: gst::Buffer,
    pub layout: gst_video::VideoInfo,
    /// On the stream's clock.
    pub time: Option<Duration>,
    /// Nanoseconds since 1970.
    pub captured: i64,
    pub keyframe: bool,
    /// How many pictures reached the sink before it.
    pub seq: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub bytes: AtomicU64,
    pub packets: AtomicU64,
    pub keyframes: AtomicU64,
    pub decoded: AtomicU64,
    pub arrived: AtomicU64,
    pub delivered: AtomicU64,
    pub corrupt: AtomicU64,
    pub dropped_rate: AtomicU64,
    pub dropped_idle: AtomicU64,
    pub superseded: AtomicU64,
    pub restarts: AtomicU64,
}

/// Adds to a counter that is only ever read for reports.
pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Relaxed);
}

pub(super) struct Feed {
    pub source: Source,
    pub clock: SharedClock,
    pub counters: Counters,
    pub want: SharedWant,
    pub gate: Mutex<Gate<gst::Buffer>>,
    pub limiter: Mutex<Limiter>,
    pub lag: Mutex<Lag>,
    pub damage: damage::Watch,
    /// Who gets every encoded picture, where somebody does.
    pub tap: Option<Arc<dyn Tap>>,
    /// Pictures that are to stay in the decoder. That it has made them is known, and counted, when the next one comes out.
    kept: AtomicU64,
    /// Timestamps of the keyframes in the decoder, by which their pictures are known when they come out.
    keyframes: Mutex<VecDeque<gst::ClockTime>>,
    /// Timestamps of the wanted pictures in the decoder, earliest first.
    owed: Mutex<VecDeque<gst::ClockTime>>,
    info: Mutex<Info>,
    latest: Mutex<Option<Arrival>>,
    outcome: Mutex<Option<Outcome>>,
    wake: Wake,
}

/// How a stream ended. The first word counts: later errors follow from it.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Failed(DecodeError),
    Ended,
}

impl Feed {
    pub fn new(source: Source, clock: SharedClock, gate: Gate<gst::Buffer>, want: Want, wake: Wake) -> Self {
        Self {
            source,
            clock,
            counters: Counters::default(),
            want: SharedWant::new(want),
            gate: Mutex::new(gate),
            limiter: Mutex::default(),
            lag: Mutex::default(),
            damage: damage::Watch::new(),
            tap: None,
            kept: AtomicU64::default(),
            keyframes: Mutex::default(),
            owed: Mutex::default(),
            info: Mutex::default(),
            latest: Mutex::default(),
            outcome: Mutex::default(),
            wake,
        }
    }

    /// The same, with somebody who gets every encoded picture.
    pub fn with_tap(self, tap: Option<Arc<dyn Tap>>) -> Self {
        Self { tap, ..self }
    }

    pub fn counts(&self) -> Counts {
        let c = &self.counters;
        Counts {
            bytes: c.bytes.load(Relaxed),
            packets: c.packets.load(Relaxed),
            keyframes: c.keyframes.load(Relaxed),
            decoded: c.decoded.load(Relaxed),
            delivered: c.delivered.load(Relaxed),
            corrupt: c.corrupt.load(Relaxed),
            dropped_rate: c.dropped_rate.load(Relaxed),
            dropped_idle: c.dropped_idle.load(Relaxed),
            superseded: c.superseded.load(Relaxed),
            restarts: c.restarts.load(Relaxed),
        }
    }

    /// Puts the newest picture where it is taken from; one that still waits there is dropped.
    pub fn put(&self, arrival: Arrival) {
        let replaced = lock(&self.latest).replace(arrival);
        // Its buffer goes back to the decoder's pool after the lock is released.
        if replaced.is_some() {
            count(&self.counters.superseded, 1);
        }
        (self.wake)();
    }

    pub fn take(&self) -> Option<Arrival> {
        let arrival = lock(&self.latest).take();
        count(&self.counters.delivered, usize::from(arrival.is_some()));
        arrival
    }

    pub fn fail(&self, error: DecodeError) {
        self.conclude(Outcome::Failed(error));
    }

    pub fn end(&self) {
        self.conclude(Outcome::Ended);
    }

    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.outcome).clone()
    }

    pub fn info(&self) -> Info {
        lock(&self.info).clone()
    }

    pub fn update_info(&self, change: impl FnOnce(&mut Info)) {
        change(&mut lock(&self.info));
    }

    /// Remembers that the packet of this timestamp, now going to the decoder, is a keyframe.
    pub fn keyframe_enters(&self, pts: Option<gst::ClockTime>) {
        count(&self.counters.keyframes, 1);
        let mut keyframes = lock(&self.keyframes);
        if keyframes.len() >= 64 {
            keyframes.pop_front();
        }
        keyframes.extend(pts);
    }

    /// Whether the picture of this timestamp was decoded from a keyframe.
    pub fn keyframe_leaves(&self, pts: Option<gst::ClockTime>) -> bool {
        let mut keyframes = lock(&self.keyframes);
        let found = keyframes.iter().position(|&known| Some(known) == pts);
        found.is_some_and(|at| keyframes.drain(..=at).count() > 0)
    }

    /// Remembers that the packet of this timestamp, now going to the decoder, is a wanted picture.
    pub fn wanted_enters(&self, pts: Option<gst::ClockTime>) {
        let Some(pts) = pts else { return };
        let mut owed = lock(&self.owed);
        if owed.back().is_some_and(|&last| last > pts + REORDERED) || owed.len() >= MOST_OWED {
            // The stream's clock went back, or the decoder gives nothing for what it got.
            owed.clear();
        }
        // Pictures that others refer to go into the decoder before those that are shown before them.
        let at = owed.partition_point(|&known| known <= pts);
        owed.insert(at, pts);
    }

    /// Whether the picture of this timestamp, just decoded, is a wanted one: the first at or after the time of one that
    /// went in, as decoders may round.
    pub fn wanted_leaves(&self, pts: Option<gst::ClockTime>) -> bool {
        let Some(pts) = pts else { return true };
        let mut owed = lock(&self.owed);
        let before = owed.len();
        while owed.front().is_some_and(|&first| first <= pts) {
            owed.pop_front();
        }
        owed.len() < before
    }

    /// Whether the picture of this timestamp, which is in the decoder, is wanted. One without a timestamp may be.
    pub fn owes(&self, pts: Option<gst::ClockTime>) -> bool {
        pts.is_none_or(|pts| lock(&self.owed).contains(&pts))
    }

    /// Notes that the decoder has begun a picture that will not come out.
    pub fn stays_inside(&self) {
        count(&self.kept, 1);
    }

    /// How many have, since this was last asked.
    pub fn take_kept(&self) -> u64 {
        self.kept.swap(0, Relaxed)
    }

    /// The decoder knows nothing any more of what went into it: decoding goes on with the next keyframe.
    pub fn begin_anew(&self) {
        lock(&self.gate).wait();
        lock(&self.keyframes).clear();
        lock(&self.owed).clear();
    }

    /// Counts a picture that came out of the decoder, and those that stayed in it before.
    pub fn came_out(&self) {
        let kept = self.kept.swap(0, Relaxed);
        self.counters.decoded.fetch_add(kept + 1, Relaxed);
        self.counters.dropped_rate.fetch_add(kept, Relaxed);
    }

    /// Whether a wanted picture has gone into the decoder and not come out.
    pub fn is_owed(&self) -> bool {
        !lock(&self.owed).is_empty()
    }

    /// Says that there is something to fetch.
    pub fn wake(&self) {
        (self.wake)();
    }

    fn conclude(&self, outcome: Outcome) {
        lock(&self.outcome).get_or_insert(outcome);
        (self.wake)();
    }
}

/// Locks, also after a panic elsewhere: what these locks guard is valid after every single statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    fn feed() -> Feed {
        let source = Source::parse("rtsp://localhost/1").unwrap();
        Feed::new(source, SystemClock::shared(), Gate::live(), Want::Every, Box::new(|| ()))
    }

    /// Which of the pictures `shown` are taken for wanted when `wanted` went in, in that order; times in frames.
    fn taken(wanted: &[u64], shown: &[u64]) -> Vec<u64> {
        let feed = feed();
        let time = |frame: u64| Some(gst::ClockTime::from_mseconds(40 * frame));
        wanted.iter().for_each(|&frame| feed.wanted_enters(time(frame)));
        shown.iter().copied().filter(|&frame| feed.wanted_leaves(time(frame))).collect()
    }

    #[test]
    fn wanted_pictures_are_known_when_they_come_out_in_whatever_order_they_went_in() {
        assert_eq!(taken(&[0, 3, 1, 2, 6], &[0, 1, 2, 3, 4, 5, 6]), [0, 1, 2, 3, 6]);
        assert_eq!(taken(&[5, 10], &[4, 6, 7, 10]), [6, 10], "the first after a time that the decoder rounded");
    }

    #[test]
    fn what_stays_in_the_decoder_counts_once_the_decoder_is_seen_to_work() {
        let feed = feed();
        (0..4).for_each(|_| feed.stays_inside());
        assert_eq!(feed.counts(), Counts::default(), "it may be making nothing of what it gets");
        feed.came_out();
        assert_eq!((feed.counts().decoded, feed.counts().dropped_rate), (5, 4));
        feed.came_out();
        assert_eq!((feed.counts().decoded, feed.counts().dropped_rate), (6, 4));
    }

    #[test]
    fn a_clock_that_went_back_owes_nothing_of_before() {
        assert_eq!(taken(&[9000, 9001, 3], &[3]), [3]);
        let feed = feed();
        (0..1000).for_each(|frame| feed.wanted_enters(Some(gst::ClockTime::from_seconds(frame))));
        assert!(lock(&feed.owed).len() <= MOST_OWED);
    }
}
