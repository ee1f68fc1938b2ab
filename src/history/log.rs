//! What one camera's line writes: records go into a block, and full blocks to the store, without waiting for it.

use std::sync::Arc;
use std::time::Duration;

use super::block;
use super::encode::Encoder;
use super::known::rounded;
use super::store::{Job, Way};
use super::{Head, Record};
use crate::vocab::{MediaTime, Track, WallTime};

/// A block is handed over once it holds this much, …
const FULL: usize = 12 << 10;
/// … or has been filled for this long.
const OLD: Duration = Duration::from_secs(60);

/// Keeps what the rules of one camera are shown. Dropping it hands over what is left.
#[derive(Debug)]
pub struct Log {
    head: Head,
    /// The head as it is written.
    head_body: Arc<[u8]>,
    run: u64,
    number: u32,
    encoder: Encoder,
    /// The tracks of the last look, as they are kept.
    shown: Vec<Track>,
    way: Way,
}

impl Log {
    pub(super) fn new(head: Head, way: Way) -> Self {
        let head_body = body_of(&head);
        let encoder = Encoder::default();
        Self { head, head_body, run: fastrand::u64(..), number: 0, encoder, shown: Vec::new(), way }
    }

    /// Keeps a look at a picture of `size` pixels, and returns its tracks as they are kept, which is what the rules must be
    /// shown.
    pub fn look(&mut self, at: MediaTime, wall: WallTime, size: (u32, u32), tracks: &[Track]) -> &[Track] {
        self.shown.clear();
        self.shown.extend(tracks.iter().map(rounded));
        self.encoder.set_size(size.0, size.1);
        self.encoder.look(at, wall, &self.shown);
        self.hand_over_what_is_due(at);
        &self.shown
    }

    /// Keeps that time has passed.
    pub fn wait(&mut self, at: MediaTime, wall: WallTime) {
        self.encoder.wait(at, wall);
        self.hand_over_what_is_due(at);
    }

    /// Keeps that the stream was cut.
    pub fn cut(&mut self, at: MediaTime) {
        self.encoder.cut(at);
    }

    /// Keeps that the rules ended, and hands everything over.
    pub fn stop(&mut self, at: MediaTime) {
        self.encoder.stop(at);
        self.hand_over();
    }

    /// Other rules begin, which see other classes.
    pub fn restart(&mut self, labels: Vec<String>, model: String, threshold: f32) {
        self.hand_over();
        self.head = Head { labels, model, threshold, ..self.head.clone() };
        self.head_body = body_of(&self.head);
        (self.run, self.number) = (fastrand::u64(..), 0);
    }

    /// Keeps a record that was read elsewhere.
    pub fn record(&mut self, record: &Record) {
        match record {
            Record::Size { width, height } => self.encoder.set_size(*width, *height),
            Record::Look { at, wall, tracks } => {
                self.encoder.look(*at, *wall, tracks);
                self.hand_over_what_is_due(*at);
            }
            Record::Wait { at, wall } => self.wait(*at, *wall),
            Record::Cut { at } => self.cut(*at),
            Record::Stop { at } => self.stop(*at),
        }
    }

    fn hand_over_what_is_due(&mut self, now: MediaTime) {
        if self.encoder.bytes() >= FULL || self.encoder.age(now) >= OLD {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        if self.encoder.bytes() == 0 {
            return;
        }
        let body = self.encoder.take(self.way.empty());
        let (camera, head, run, number) = (self.head.camera.clone(), self.head_body.clone(), self.run, self.number);
        self.number = self.number.wrapping_add(1);
        debug_assert!(body.len() <= block::LONGEST, "a look with thousands of tracks fits many times");
        self.way.send(Job::Block { camera, head, run, number, body });
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.hand_over();
    }
}

fn body_of(head: &Head) -> Arc<[u8]> {
    serde_json::to_vec(head).unwrap_or_default().into()
}
