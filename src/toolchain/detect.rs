//! Looks at photographs, clips or streams with a detector and tells what was seen, one record per picture.
//!
//! Where pictures come from is the caller's: anything that iterates over [`Shot`]s.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::clock::SystemClock;
use crate::detect::runtime;
use crate::vocab::Trunk;

use super::annotate;

pub use crate::detect::{
    DetectError, Detector, Family, LabelSource, LibrarySearch, Picture, Provider, ProviderChoice, RuntimeError,
    Settings, bundled,
};

/// A picture and where it comes from.
#[derive(Debug)]
pub struct Shot {
    /// The file or address it comes from, without credentials.
    pub source: String,
    /// Counts the pictures of one source that were looked at, from 0.
    pub frame: u64,
    /// Media time in milliseconds; 0 for a photograph.
    pub pts_ms: u64,
    /// The picture.
    pub picture: Picture,
}

/// What was seen in one picture; a JSON line.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// See [`Shot::source`].
    pub source: &'a str,
    /// See [`Shot::frame`].
    pub frame: u64,
    /// See [`Shot::pts_ms`].
    pub pts_ms: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// What was seen, most confident first.
    pub detections: Vec<Seen<'a>>,
}

/// One object.
#[derive(Debug, Serialize)]
pub struct Seen<'a> {
    /// The name of its class.
    pub label: &'a str,
    /// The index of its class.
    pub class: u16,
    /// Confidence, 0..1, to six decimals.
    pub score: f64,
    /// Left, top, right and bottom in pixels of the picture, to two decimals; may reach past its edges.
    #[serde(rename = "box")]
    pub bbox: [f64; 4],
    /// How its trunk stands, where a pose model sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<SeenTrunk>,
}

/// A trunk, as [`Trunk`] describes it.
#[derive(Debug, Serialize)]
pub struct SeenTrunk {
    /// Degrees from upright, 0..180, to one decimal.
    pub inclination: f64,
    /// In heights of the picture, to four decimals.
    pub length: f64,
}

impl From<Trunk> for SeenTrunk {
    fn from(trunk: Trunk) -> Self {
        let (inclination, length) = (f64::from(trunk.inclination), f64::from(trunk.length));
        Self { inclination: rounded(inclination, 10.0), length: rounded(length, 1e4) }
    }
}

/// Why looking ended.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The record could not be handed over.
    #[error("cannot write the detections")]
    Write(#[source] io::Error),
    /// The annotated picture could not be written.
    #[error("cannot write {path}")]
    Annotate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// The detector failed.
    #[error("cannot look at frame {frame} of {from}")]
    Detect {
        /// Where the picture comes from.
        from: String,
        /// Which picture.
        frame: u64,
        /// Why.
        source: Box<DetectError>,
    },
}

/// Why a detector is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// ONNX Runtime is missing.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The model was refused.
    #[error(transparent)]
    Detector(#[from] DetectError),
}

/// Loads ONNX Runtime.
///
/// # Errors
/// When no place holds a usable library.
pub fn load(search: &LibrarySearch) -> Result<(), RuntimeError> {
    runtime::load(search).map(drop)
}

/// Loads ONNX Runtime and opens a detector.
///
/// # Errors
/// When either is impossible.
pub fn open(search: &LibrarySearch, settings: &Settings) -> Result<Detector, OpenError> {
    runtime::load(search)?;
    Ok(Detector::open(settings, SystemClock::shared())?)
}

/// Looks at one shot and hands the record to `sink`; with `annotate`, also writes the picture with its boxes into that
/// folder.
///
/// # Errors
/// When the detector fails or something cannot be written.
pub fn look(
    detector: &mut Detector,
    shot: &Shot,
    annotate: Option<&Path>,
    sink: impl FnOnce(&Record<'_>) -> io::Result<()>,
) -> Result<(), LookError> {
    let mut found = Vec::new();
    detector.detect_picture(&shot.picture, &mut found).map_err(|source| LookError::Detect {
        from: shot.source.clone(),
        frame: shot.frame,
        source: Box::new(source),
    })?;
    let (width, height) = (shot.picture.width(), shot.picture.height());
    let labels = detector.labels();
    let seen = found.iter().map(|d| {
        let (w, h) = (f64::from(width), f64::from(height));
        let edges =
            [f64::from(d.bbox.x1) * w, f64::from(d.bbox.y1) * h, f64::from(d.bbox.x2) * w, f64::from(d.bbox.y2) * h];
        let bbox = edges.map(|edge| rounded(edge, 100.0));
        let (label, score, trunk) = (labels.name(d.class), rounded(f64::from(d.score), 1e6), d.trunk.map(Into::into));
        Seen { label, class: d.class, score, bbox, trunk }
    });
    let detections = seen.collect();
    let Shot { source, frame, pts_ms, .. } = shot;
    let record = Record { source, frame: *frame, pts_ms: *pts_ms, width, height, detections };
    sink(&record).map_err(LookError::Write)?;
    if let Some(folder) = annotate {
        let path = annotate::path_in(folder, source, *frame);
        let picture = annotate::draw(&shot.picture, &found);
        picture.save(&path).map_err(|source| LookError::Annotate { path, source })?;
    }
    Ok(())
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
