//! A source watched live: the newest picture, whenever there is one.

use std::sync::Arc;
use std::time::Duration;

use super::branch::{Delivery, Plan};
use super::drawn::Drawing;
use super::feed::{Counts, Feed, Info, Outcome, Wake};
use super::gate::Gate;
use super::pipeline::Pipeline;
use super::source::Place;
use super::street::Street;
use super::want::Want;
use super::{Codec, DecodeError, Settings, Source, Tap, init, picture, tap};
use crate::base::clock::SharedClock;
use crate::vocab::Frame;

/// What a stream has to say.
#[derive(Debug)]
pub enum StreamEvent {
    /// A picture, the newest. `pts` is on the stream's own clock, which starts anew with each stream.
    Frame(Frame),
    /// It does not go on, for this reason. Said once; nothing follows.
    Failed(DecodeError),
    /// A file has ended. Said once; nothing follows.
    Ended,
}

/// A source that is being watched. Never blocks: [`Stream::poll`] gives what there is, and the `wake` given to
/// [`Stream::open`] is called when there is more. A file plays at its own pace.
pub struct Stream {
    feed: Arc<Feed>,
    producer: Option<Producer>,
    said: bool,
}

/// What makes the pictures.
enum Producer {
    Pipeline(Pipeline),
    Drawing(Drawing),
}

impl Stream {
    /// Starts opening `source`. `rejected` names decoders that are known not to work for it; `tap` gets every encoded
    /// picture, decoded or not.
    ///
    /// # Errors
    /// When GStreamer or an element is not installed, or a file does not exist. What needs the network shows later, in
    /// [`Stream::poll`].
    pub fn open(
        source: &Source,
        settings: &Settings,
        rejected: &[String],
        clock: SharedClock,
        wake: Wake,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, DecodeError> {
        init()?;
        let gate = if source.is_live() { Gate::live() } else { Gate::open() };
        let feed = Feed::new(source.clone(), clock, gate, Want::of_rate(settings.max_fps), wake).with_tap(tap);
        let feed = Arc::new(feed);
        if let Place::Scene(scene) = source.place() {
            tap::refuse(&feed, &Codec::Raw);
            let street = Street::with(scene.show, scene.seed, scene.width, scene.height, scene.fps);
            let drawing = Drawing::start(feed.clone(), scene.fps, move |number| picture_of(&street, number))?;
            return Ok(Self { feed, producer: Some(Producer::Drawing(drawing)), said: false });
        }
        let plan = Plan {
            decoder: settings.decoder.clone(),
            threads: settings.threads,
            process: settings.process.clone(),
            rejected: rejected.to_vec(),
            delivery: Delivery::Newest { paced: !source.is_live() },
        };
        let pipeline = Pipeline::start(&feed, settings, plan)?;
        Ok(Self { feed, producer: Some(Producer::Pipeline(pipeline)), said: false })
    }

    /// What there is to say, if anything. Pictures come before the reason of the end.
    pub fn poll(&mut self) -> Option<StreamEvent> {
        if let Some(frame) = self.next_frame() {
            return Some(StreamEvent::Frame(frame));
        }
        if self.said {
            return None;
        }
        let outcome = self.feed.outcome()?;
        self.said = true;
        Some(match outcome {
            Outcome::Failed(error) => StreamEvent::Failed(error),
            // A camera that is switched off ends its stream as a file does; only for a file is that the end.
            Outcome::Ended if self.feed.source.is_live() => {
                StreamEvent::Failed(DecodeError::Lost { source_name: self.feed.source.to_string() })
            }
            Outcome::Ended => StreamEvent::Ended,
        })
    }

    /// Changes which pictures are wanted. More are had with the next packet, without waiting for a keyframe.
    pub fn set_want(&self, want: Want) {
        self.feed.want.set(want);
    }

    /// What has gone through it so far.
    pub fn counts(&self) -> Counts {
        self.feed.counts()
    }

    /// What it turned out to be so far.
    pub fn info(&self) -> Info {
        self.feed.info()
    }

    /// Stops it. Returns whether that was done within `limit`; if not, it is left to itself.
    pub fn close(mut self, limit: Duration) -> bool {
        match self.producer.take() {
            Some(Producer::Pipeline(pipeline)) => {
                let stopped = pipeline.stop(limit);
                if !stopped {
                    // Dropping it would wait again.
                    std::mem::forget(pipeline);
                }
                stopped
            }
            Some(Producer::Drawing(drawing)) => drawing.stop(limit),
            None => true,
        }
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if let Some(Producer::Drawing(drawing)) = &self.producer {
            return drawing.take();
        }
        picture::frame(self.feed.take()?)
    }
}

/// Picture `number` of the street, without its time.
pub(super) fn picture_of(street: &Street, number: u64) -> Option<Frame> {
    let (width, height) = street.size();
    let mut bytes = Vec::new();
    street.draw(number, &mut bytes);
    Frame::from_i420(width, height, bytes)
}
