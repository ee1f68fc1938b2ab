//! A face detector and an embedding model together: from a picture to faces, their quality and their embeddings.
//!
//! Three steps, so that a face that will not do costs no more than it must: [`look`](Recogniser::look) finds faces and tells
//! their size and pose; [`judge`](Recogniser::judge) aligns one and tells its sharpness too; [`describe`](Recogniser::describe)
//! runs the embedding model on what was aligned last. [`refine`](Recogniser::refine) is for photographs, which
//! are much larger than the detector's input.

use std::sync::Arc;

use super::align::{FACE_SIDE, face_map};
use super::embedding::Embedding;
use super::quality::{self, Limits, Pose, Quality};
use crate::detect::embed::Embedder;
use crate::detect::{DetectError, Detector, Picture, Timing};
use crate::vocab::{Detection, FacePoints, Point, Rect};

/// A face in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// How sure the detector is, 0..1.
    pub score: f32,
    /// Where, in pixels of the picture.
    pub bbox: Rect,
    /// Its five points, in pixels of the picture.
    pub points: FacePoints,
    /// Its size and pose; its sharpness only once it was judged.
    pub quality: Quality,
}

/// What a picture cost, in microseconds of inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Of the face detector.
    pub detect_us: u64,
    /// Of the embedding model.
    pub embed_us: u64,
}

/// Why faces cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum RecogniseError {
    /// One of the models fails, or the picture is impossible.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The face detector tells no points.
    #[error(
        "the face detector {0} tells no points of a face, by which it would be aligned; take a YuNet, or an SCRFD with keypoints"
    )]
    NoPoints(String),
    /// The embedding model is of people.
    #[error("the embedding model is {0}, which describes people, not faces")]
    NoFaces(&'static str),
    /// A face cannot be aligned.
    #[error("the five points of the face lie on one spot")]
    Shapeless,
    /// A vector is zero or not finite.
    #[error("the embedding model made no usable vector")]
    NoVector,
}

/// Both models. It belongs to one thread at a time.
#[derive(Debug)]
pub struct Recogniser {
    detector: Detector,
    embedder: Embedder,
    space: Arc<str>,
    limits: Limits,
    found: Vec<Detection>,
    raw: Vec<f32>,
    cost: Cost,
}

impl Recogniser {
    /// Puts both together.
    ///
    /// # Errors
    /// When the detector tells no points of a face, or the other model describes no faces.
    pub fn new(detector: Detector, embedder: Embedder, limits: Limits) -> Result<Self, RecogniseError> {
        if detector.face_points().is_none() {
            return Err(RecogniseError::NoPoints(detector.family().to_string()));
        }
        if !embedder.family().is_of_faces() || embedder.size() != (FACE_SIDE, FACE_SIDE) {
            return Err(RecogniseError::NoFaces(embedder.family().as_str()));
        }
        let space = embedder.space().into();
        Ok(Self { detector, embedder, space, limits, found: Vec::new(), raw: Vec::new(), cost: Cost::default() })
    }

    /// What names its vectors.
    pub fn space(&self) -> &Arc<str> {
        &self.space
    }

    /// What a face must come up to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was spent on inference since the last call.
    pub fn take_cost(&mut self) -> Cost {
        std::mem::take(&mut self.cost)
    }

    /// Finds the faces of a picture, the most certain first.
    ///
    /// # Errors
    /// When the picture is impossible or the inference fails.
    pub fn look(&mut self, picture: &Picture, sightings: &mut Vec<Sighting>) -> Result<(), RecogniseError> {
        sightings.clear();
        let Timing { infer_us, .. } = self.detector.detect_picture(picture, &mut self.found)?;
        self.cost.detect_us += u64::from(infer_us);
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let points = self.detector.face_points().unwrap_or_default();
        sightings.extend(self.found.iter().zip(points).map(|(face, points)| {
            let Rect { x1, y1, x2, y2 } = face.bbox;
            let bbox = Rect::new(x1 * width, y1 * height, x2 * width, y2 * height);
            let points = points.map(|p| Point::new(p.x * width, p.y * height));
            let size_px = bbox.width().min(bbox.height());
            let quality = Quality { size_px, sharpness: None, pose: Pose::of(&points) };
            Sighting { score: face.score, bbox, points, quality }
        }));
        Ok(())
    }

    /// Looks again at a face of a large picture, from near: where a picture is much larger than the detector's input, what
    /// was seen of the face was small, and its points are only roughly where they were said to be. The face as it was where
    /// it is not seen again.
    ///
    /// # Errors
    /// When the picture is impossible or the inference fails.
    pub fn refine(&mut self, picture: &Picture, sighting: &Sighting) -> Result<Sighting, RecogniseError> {
        let Rect { x1, y1, x2, y2 } = sighting.bbox;
        let margin = 0.5 * sighting.bbox.width().max(sighting.bbox.height());
        let (left, top) = ((x1 - margin).max(0.0) as u32, (y1 - margin).max(0.0) as u32);
        let (right, bottom) = ((x2 + margin).max(0.0) as u32, (y2 + margin).max(0.0) as u32);
        let (width, height) = (right.saturating_sub(left), bottom.saturating_sub(top));
        let Some((part, (left, top))) = picture.part(left, top, width, height) else { return Ok(*sighting) };
        let (left, top) = (left as f32, top as f32);
        let mut found = Vec::new();
        self.look(&part, &mut found)?;
        let moved = found.into_iter().map(|near| {
            let Rect { x1, y1, x2, y2 } = near.bbox;
            let bbox = Rect::new(x1 + left, y1 + top, x2 + left, y2 + top);
            let points = near.points.map(|p| Point::new(p.x + left, p.y + top));
            Sighting { bbox, points, ..near }
        });
        let overlap = |near: &Sighting| near.bbox.iou(&sighting.bbox);
        let same = moved.max_by(|a, b| overlap(a).total_cmp(&overlap(b))).filter(|near| overlap(near) > 0.4);
        Ok(same.unwrap_or(*sighting))
    }

    /// Aligns a face of `picture` and tells its whole quality.
    ///
    /// # Errors
    /// When its points are no face, or the picture is impossible.
    pub fn judge(&mut self, picture: &Picture, sighting: &Sighting) -> Result<Quality, RecogniseError> {
        let map = face_map(&sighting.points).ok_or(RecogniseError::Shapeless)?;
        self.embedder.draw(picture, &map).map_err(DetectError::from)?;
        let sharpness = Some(quality::sharpness(self.embedder.luma()));
        Ok(Quality { sharpness, ..sighting.quality })
    }

    /// Describes the face that was judged last.
    ///
    /// # Errors
    /// When the inference fails or makes nothing usable.
    pub fn describe(&mut self) -> Result<Embedding, RecogniseError> {
        let timing = self.embedder.embed(&mut self.raw)?;
        self.cost.embed_us += u64::from(timing.infer_us);
        Embedding::new(&self.space, &self.raw).ok_or(RecogniseError::NoVector)
    }
}
