//! Pictures in order with none left out for being late: a clip's to its end, or those of the drawn street for ever.

use std::time::Duration;

use super::rate::Limiter;
use super::source::Place;
use super::stream::picture_of;
use super::street::Street;
use super::want::Want;
use super::{Clip, DecodeError, Pace, Settings, Source};
use crate::base::clock::{Clock, SystemClock};
use crate::vocab::{Frame, MediaTime};

/// What [`Clip`] is for a file, and the same for `scene://street`, which has no end: whoever plays it stops.
pub struct Footage(Kind);

enum Kind {
    Clip(Box<Clip>),
    Drawn(Box<Drawn>),
}

/// The street, picture by picture: the same each time.
struct Drawn {
    street: Street,
    interval: Duration,
    number: u64,
    wanted: (Limiter, Want),
    /// When the first picture was shown; none at the greatest pace.
    start: Option<Duration>,
}

impl Footage {
    /// Opens a clip, of which the first picture is decoded, or begins to draw.
    ///
    /// # Errors
    /// As of [`Clip::open`]; and for a camera, which cannot wait for whoever takes its pictures.
    pub fn open(source: &Source, settings: &Settings, pace: Pace) -> Result<Self, DecodeError> {
        Ok(Self(match source.place() {
            Place::File(_) => Kind::Clip(Box::new(Clip::open(source, settings, pace)?)),
            Place::Scene(scene) => {
                let street = Street::with(scene.show, scene.seed, scene.width, scene.height, scene.fps);
                let interval = Duration::from_secs_f64(1.0 / street.fps());
                let wanted = (Limiter::default(), Want::of_rate(settings.max_fps));
                let start = (pace == Pace::Real).then(|| SystemClock.mono());
                Kind::Drawn(Box::new(Drawn { street, interval, number: 0, wanted, start }))
            }
            Place::Rtsp(_) | Place::Device(_) => {
                let detail = "it is a camera; a recording or scene://street is wanted".to_owned();
                return Err(DecodeError::Other { source_name: source.to_string(), detail });
            }
        }))
    }

    /// How many pictures were damaged and left out so far.
    pub fn damaged(&self) -> u64 {
        match &self.0 {
            Kind::Clip(clip) => clip.counts().corrupt,
            Kind::Drawn(_) => 0,
        }
    }
}

impl Iterator for Footage {
    type Item = Result<Frame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Clip(clip) => clip.next(),
            Kind::Drawn(drawn) => drawn.next().map(Ok),
        }
    }
}

impl Drawn {
    fn next(&mut self) -> Option<Frame> {
        let (limiter, want) = &mut self.wanted;
        let (number, pts) = loop {
            let number = self.number;
            let pts = self.interval.checked_mul(u32::try_from(number).ok()?)?;
            self.number += 1;
            if limiter.passes(want.interval(), Some(pts)) {
                break (number, pts);
            }
        };
        let mut frame = picture_of(&self.street, number)?;
        (frame.seq, frame.pts, frame.keyframe) = (number, MediaTime::ZERO + pts, true);
        let due = self.start.map(|start| start + pts).unwrap_or_default();
        while let Some(left) = due.checked_sub(SystemClock.mono()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_street_is_drawn_picture_by_picture_as_slowly_as_it_is_asked_for() {
        let source = Source::parse("scene://street?width=64&height=36&fps=10").unwrap();
        let few = Settings { max_fps: Some(5.0), ..Settings::default() };
        let mut footage = Footage::open(&source, &few, Pace::Max).unwrap();
        let taken: Vec<(u64, u64)> =
            footage.by_ref().take(4).map(Result::unwrap).map(|frame| (frame.seq, frame.pts.as_millis())).collect();
        assert_eq!(taken, [(0, 0), (2, 200), (4, 400), (6, 600)]);
        assert_eq!(footage.damaged(), 0);
    }

    #[test]
    fn a_camera_is_no_footage() {
        let source = Source::parse("rtsp://10.0.0.5/1").unwrap();
        let error = Footage::open(&source, &Settings::default(), Pace::Max).err().unwrap();
        assert!(error.to_string().contains("is a camera"), "{error}");
    }
}
