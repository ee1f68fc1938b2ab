//! The pictures that a command was given: photographs, folders of them, recordings and streams, each as an iterator.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::decode::{self, Clip, DecodeError, Live, Pace, Source, SourceError};
use crate::detect::Picture;
use crate::vocab::{Frame, MediaTime};

use super::detect::Shot;
use super::photographs::{self, PhotographError};

/// How long a stream may deliver nothing.
const SILENCE: Duration = Duration::from_secs(15);

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A JPEG or PNG file.
    Photograph(PathBuf),
    /// A clip or a stream.
    Video(Source),
}

/// Which of a video's pictures are wanted; all by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// Pictures a second of the video's own time, at most.
    pub fps: Option<f64>,
    /// How many pictures.
    pub frames: Option<u64>,
    /// How much of the video's own time, from its first picture on.
    pub length: Option<Duration>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A photograph or a folder of them cannot be read.
    #[error(transparent)]
    Photograph(#[from] PhotographError),
    /// An address is not one of a video.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A clip or a stream cannot be decoded, or not to its end.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What `arguments` stand for: folders are replaced by the photographs in them, files that are not called like a
/// photograph are clips, and what has a scheme (`rtsp://`, `scene://`, …) is a stream.
///
/// # Errors
/// When a folder cannot be read or holds no photographs, or an address is none.
pub fn inputs(arguments: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    let mut found = Vec::new();
    for argument in arguments {
        let source = match argument.to_str().filter(|text| text.contains("://")) {
            Some(address) => Source::parse(address)?,
            None => Source::file(argument),
        };
        match source.path() {
            Some(path) if path.is_dir() => {
                found.extend(photographs::in_folder(path)?.into_iter().map(Input::Photograph));
            }
            Some(path) if photographs::is_one(path) => found.push(Input::Photograph(path.to_owned())),
            _ => found.push(Input::Video(source)),
        }
    }
    Ok(found)
}

impl Input {
    /// Opens it. A clip or stream is decoded up to its first picture.
    ///
    /// # Errors
    /// When it holds no picture that can be decoded here, or does not answer.
    pub fn open(&self, sampling: Sampling, clock: &SharedClock) -> Result<Reel, InputError> {
        let settings = decode::Settings { max_fps: sampling.fps, ..decode::Settings::default() };
        let (name, film) = match self {
            Self::Photograph(path) => (path.display().to_string(), Film::Photograph(Some(path.clone()))),
            Self::Video(source) if source.is_live() => {
                let live = Live::open(source, &settings, SILENCE, clock)?;
                (source.to_string(), Film::Live(Box::new(live)))
            }
            Self::Video(source) => {
                (source.to_string(), Film::Clip(Box::new(Clip::open(source, &settings, Pace::Max)?)))
            }
        };
        Ok(Reel { name, film, sampling, taken: 0, first: None, failed: false })
    }
}

/// The pictures of one input, in order. What ends it early is one last `Err`.
pub struct Reel {
    name: String,
    film: Film,
    sampling: Sampling,
    taken: u64,
    first: Option<MediaTime>,
    failed: bool,
}

enum Film {
    Photograph(Option<PathBuf>),
    Clip(Box<Clip>),
    Live(Box<Live>),
}

impl Reel {
    /// The file or address, without credentials.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many damaged pictures were left out so far.
    pub fn damaged(&self) -> u64 {
        match &self.film {
            Film::Photograph(_) => 0,
            // A clip counts its own early end as one.
            Film::Clip(clip) => clip.counts().corrupt.saturating_sub(u64::from(self.failed)),
            Film::Live(live) => live.counts().corrupt,
        }
    }

    fn shot(&mut self, frame: Frame) -> Option<Shot> {
        let first = *self.first.get_or_insert(frame.pts);
        if self.sampling.length.is_some_and(|length| frame.pts.since(first) >= length) {
            return None;
        }
        let number = self.taken;
        self.taken += 1;
        let pts_ms = frame.pts.as_millis();
        Some(Shot { source: self.name.clone(), frame: number, pts_ms, picture: Picture::Frame(frame) })
    }
}

impl Iterator for Reel {
    type Item = Result<Shot, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.sampling.frames.is_some_and(|limit| self.taken >= limit) {
            return None;
        }
        let next = match &mut self.film {
            Film::Photograph(path) => {
                let picture = photographs::read(&path.take()?);
                let shot = |picture| Shot { source: self.name.clone(), frame: 0, pts_ms: 0, picture };
                return Some(picture.map(shot).map_err(InputError::from));
            }
            Film::Clip(clip) => clip.next()?,
            Film::Live(live) => live.next()?,
        };
        match next {
            Ok(frame) => self.shot(frame).map(Ok),
            Err(error) => {
                self.failed = true;
                Some(Err(error.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_told_apart_by_scheme_and_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b.PNG"), "").unwrap();
        std::fs::write(dir.path().join("a.jpg"), "").unwrap();
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        let arguments: Vec<PathBuf> =
            [dir.path().to_str().unwrap(), "x.jpeg", "x.mkv", "scene://street", "file:///y.png"]
                .iter()
                .map(PathBuf::from)
                .collect();
        let photograph = |path: &str| Input::Photograph(path.into());
        let found = inputs(&arguments).unwrap();
        assert_eq!(found[0], Input::Photograph(dir.path().join("a.jpg")));
        assert_eq!(found[1], Input::Photograph(dir.path().join("b.PNG")));
        assert_eq!(found[2..4], [photograph("x.jpeg"), Input::Video(Source::file("x.mkv"))]);
        assert!(matches!(&found[4], Input::Video(source) if source.is_live()));
        assert_eq!(found[5..], [photograph("/y.png")]);
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_an_empty_folder_too() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(inputs(&["ftp://x/y.mp4".into()]), Err(InputError::Source(_))));
        assert!(matches!(inputs(&[dir.path().to_owned()]), Err(InputError::Photograph(_))));
    }
}
