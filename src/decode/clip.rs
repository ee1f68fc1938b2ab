//! A recorded clip, picture by picture: every one, in order, the same each time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use gstreamer as gst;

use super::branch::{Delivery, Plan, SampleReader};
use super::feed::{Counts, Feed, Info, Outcome, count};
use super::gate::Gate;
use super::pipeline::Pipeline;
use super::want::Want;
use super::{DecodeError, DecoderChoice, Settings, Source, init, picture};
use crate::base::clock::SystemClock;
use crate::vocab::Frame;

/// How fast a clip is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as its pictures are taken.
    Max,
    /// Each picture at its time, or later if the one before is taken late.
    Real,
}

/// Plays a clip from its first picture to its last. Nothing is dropped: decoding waits until pictures are taken.
///
/// `pts` of a frame is the clip's own timestamp and `seq` its number. What is damaged is skipped and counted where the
/// decoder can ([`Clip::counts`]); what ends the clip early is one last `Err`.
pub struct Clip {
    feed: Arc<Feed>,
    pipeline: Pipeline,
    reader: SampleReader,
    pace: Pace,
    first: Option<Frame>,
    /// When the last picture was shown, on the clip's clock.
    reached: Duration,
    duration: Option<Duration>,
    /// How many bytes the file lacks of what its header announces.
    missing_bytes: u64,
    finished: bool,
}

/// How long one look for a picture waits before errors are looked for.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(20);
/// How many looks without anything mean that nothing will come: 30 s, or 10 min where pictures wait for their time.
const PATIENCE: u32 = 1_500;
const PATIENCE_PACED: u32 = 30_000;
/// How much of the announced duration may be missing at the end: the last picture's own, and rounding.
const TAIL: Duration = Duration::from_secs(1);

impl Clip {
    /// Opens a clip and decodes its first picture, trying one decoder after the other.
    ///
    /// # Errors
    /// When it does not exist, is no video, holds none that can be decoded here, or has not a single whole picture.
    pub fn open(source: &Source, settings: &Settings, pace: Pace) -> Result<Self, DecodeError> {
        init()?;
        let mut rejected = Vec::new();
        loop {
            let mut clip = Self::start(source, settings, pace, &rejected)?;
            match clip.next() {
                Some(Ok(frame)) => {
                    clip.duration = clip.pipeline.duration();
                    clip.first = Some(frame);
                    return Ok(clip);
                }
                Some(Err(DecodeError::Decoder { decoder, .. }))
                    if settings.decoder == DecoderChoice::Auto && !rejected.contains(&decoder) =>
                {
                    rejected.push(decoder);
                }
                Some(Err(error)) => return Err(error),
                None => return Err(damaged(source, "it holds not a single picture")),
            }
        }
    }

    /// What has gone through it so far.
    pub fn counts(&self) -> Counts {
        self.feed.counts()
    }

    /// What it turned out to be.
    pub fn info(&self) -> Info {
        self.feed.info()
    }

    /// How long it says it is, if it says so.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    fn start(source: &Source, settings: &Settings, pace: Pace, rejected: &[String]) -> Result<Self, DecodeError> {
        let clock = SystemClock::shared();
        let want = Want::of_rate(settings.max_fps);
        let feed = Arc::new(Feed::new(source.clone(), clock, Gate::open(), want, Box::new(|| ())));
        let plan = Plan {
            decoder: settings.decoder.clone(),
            threads: settings.threads,
            // Whoever replays a clip waits for it, and has chosen it.
            process: None,
            rejected: rejected.to_vec(),
            delivery: Delivery::All { paced: pace == Pace::Real },
        };
        let pipeline = Pipeline::start(&feed, settings, plan)?;
        let reader = SampleReader::default();
        let missing_bytes = source.path().and_then(missing_bytes).unwrap_or(0);
        let (first, reached, duration, finished) = (None, Duration::ZERO, None, false);
        Ok(Self { feed, pipeline, reader, pace, first, reached, duration, missing_bytes, finished })
    }

    /// Waits for the next picture, the end, or an error.
    fn advance(&mut self) -> Option<Result<Frame, DecodeError>> {
        let patience = if self.pace == Pace::Max { PATIENCE } else { PATIENCE_PACED };
        let mut looks = 0;
        while looks < patience {
            // An error is posted after the pictures before it went into the sink: look at it only if that is empty.
            let outcome = self.feed.outcome();
            if let Some(sample) = self.pipeline.sink().try_pull_sample(LOOK) {
                let arrival = self.reader.read(&self.feed, &sample);
                drop(sample);
                if let Some(frame) = arrival.and_then(picture::frame) {
                    count(&self.feed.counters.delivered, 1);
                    self.reached = Duration::from_nanos(frame.pts.as_nanos());
                    return Some(Ok(frame));
                }
                looks = 0;
            } else if let Some(Outcome::Failed(error)) = outcome {
                return Some(Err(error));
            } else if self.pipeline.sink().is_eos() {
                // The sink may have filled between the look and the question.
                return match self.feed.outcome() {
                    Some(Outcome::Failed(error)) => Some(Err(error)),
                    _ => self.end().map(Err),
                };
            } else {
                looks += 1;
            }
        }
        let seconds = u64::from(patience) * LOOK.mseconds() / 1000;
        Some(Err(DecodeError::Silent { source_name: self.feed.source.to_string(), seconds }))
    }

    /// What is wrong with the end of the clip, if anything.
    fn end(&self) -> Option<DecodeError> {
        if self.missing_bytes > 0 {
            let reached = self.reached.as_secs_f64();
            let detail = format!("it ends after {reached:.1} s; the file is {} bytes short", self.missing_bytes);
            return Some(damaged(&self.feed.source, &detail));
        }
        let missing = self.duration?.checked_sub(self.reached).filter(|&missing| missing > TAIL)?;
        // A low rate leaves that much out on purpose.
        if missing <= self.feed.want.get().interval() + TAIL {
            return None;
        }
        let detail = format!("it ends after {:.1} s, {:.1} s early", self.reached.as_secs_f64(), missing.as_secs_f64());
        Some(damaged(&self.feed.source, &detail))
    }
}

impl Iterator for Clip {
    type Item = Result<Frame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(frame) = self.first.take() {
            return Some(Ok(frame));
        }
        if self.finished {
            return None;
        }
        let item = self.advance();
        self.finished = !matches!(item, Some(Ok(_)));
        if matches!(item, Some(Err(_))) {
            self.feed.counters.corrupt.fetch_add(1, Relaxed);
        }
        item
    }
}

/// How much an AVI file is shorter than it says of itself. AVI's demuxer takes what there is for the whole; those of other
/// containers announce a duration or fail.
fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 12];
    file.read_exact(&mut head).ok()?;
    let announced = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])) + 8;
    let is_avi = head.starts_with(b"RIFF") && head.ends_with(b"AVI ");
    is_avi.then(|| announced.saturating_sub(file.metadata().map_or(announced, |m| m.len())))
}

fn damaged(source: &Source, detail: &str) -> DecodeError {
    DecodeError::Damaged { source_name: source.to_string(), detail: detail.to_owned() }
}
