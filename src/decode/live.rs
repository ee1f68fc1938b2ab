//! A source watched live by somebody who has nothing else to do: each call waits for the next picture.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::feed::{Counts, Info};
use super::{DecodeError, DecoderChoice, Settings, Source, Stream, StreamEvent};
use crate::base::clock::SharedClock;
use crate::vocab::Frame;

/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// A live source, picture by picture. Between two calls only the newest picture is kept. It does not connect again: what
/// ends the stream is one last `Err`, the end of a file is none.
pub struct Live {
    source: Source,
    stream: Option<Stream>,
    woken: Receiver<()>,
    first: Option<Frame>,
    limit: Duration,
    clock: SharedClock,
}

impl Live {
    /// Connects and waits for the first picture, trying one decoder after the other. `limit` is how long nothing may come,
    /// now and later.
    ///
    /// # Errors
    /// When it cannot be reached, refuses, holds nothing that can be decoded here, or delivers nothing within `limit`.
    pub fn open(
        source: &Source,
        settings: &Settings,
        limit: Duration,
        clock: &SharedClock,
    ) -> Result<Self, DecodeError> {
        let mut rejected = Vec::new();
        loop {
            let mut live = Self::start(source, settings, limit, &rejected, clock)?;
            match live.next() {
                Some(Ok(frame)) => {
                    live.first = Some(frame);
                    return Ok(live);
                }
                Some(Err(DecodeError::Decoder { decoder, .. }))
                    if settings.decoder == DecoderChoice::Auto && !rejected.contains(&decoder) =>
                {
                    rejected.push(decoder);
                }
                Some(Err(error)) => return Err(error),
                None => {
                    let detail = "it holds not a single picture".to_owned();
                    return Err(DecodeError::Damaged { source_name: source.to_string(), detail });
                }
            }
        }
    }

    /// What it turned out to be.
    pub fn info(&self) -> Info {
        self.stream.as_ref().map(Stream::info).unwrap_or_default()
    }

    /// What has gone through it so far.
    pub fn counts(&self) -> Counts {
        self.stream.as_ref().map(Stream::counts).unwrap_or_default()
    }

    fn start(
        source: &Source,
        settings: &Settings,
        limit: Duration,
        rejected: &[String],
        clock: &SharedClock,
    ) -> Result<Self, DecodeError> {
        let (wake, woken) = sync_channel(1);
        // A call that finds the channel full has been made before and was not answered yet.
        let wake = Box::new(move || wake.try_send(()).unwrap_or(()));
        let stream = Stream::open(source, settings, rejected, clock.clone(), wake, None)?;
        Ok(Self { source: source.clone(), stream: Some(stream), woken, first: None, limit, clock: clock.clone() })
    }
}

impl Iterator for Live {
    type Item = Result<Frame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(frame) = self.first.take() {
            return Some(Ok(frame));
        }
        let stream = self.stream.as_mut()?;
        let deadline = self.clock.mono() + self.limit;
        loop {
            match stream.poll() {
                Some(StreamEvent::Frame(frame)) => return Some(Ok(frame)),
                Some(StreamEvent::Failed(error)) => return Some(Err(error)),
                Some(StreamEvent::Ended) => return None,
                None => {
                    let left = deadline.saturating_sub(self.clock.mono());
                    if left.is_zero() || self.woken.recv_timeout(left).is_err() {
                        let seconds = self.limit.as_secs();
                        return Some(Err(DecodeError::Silent { source_name: self.source.to_string(), seconds }));
                    }
                }
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.close(CLOSE_LIMIT);
        }
    }
}
