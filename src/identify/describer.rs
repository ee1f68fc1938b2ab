//! An embedding model that describes people as a whole: from a picture and a box to an embedding.

use std::sync::Arc;

use super::align::rect_map;
use super::embedding::Embedding;
use crate::detect::embed::Embedder;
use crate::detect::{DetectError, Picture};
use crate::vocab::Rect;

/// Why people cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The model fails, or the picture is impossible.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The model is of faces.
    #[error("the embedding model is {0}, which describes faces, not people; take an OSNet")]
    NoPeople(&'static str),
    /// A vector is zero or not finite.
    #[error("the embedding model made no usable vector")]
    NoVector,
}

/// The model. It belongs to one thread at a time.
#[derive(Debug)]
pub struct Describer {
    embedder: Embedder,
    space: Arc<str>,
    raw: Vec<f32>,
}

impl Describer {
    /// Takes a model that describes people.
    ///
    /// # Errors
    /// When it describes faces.
    pub fn new(embedder: Embedder) -> Result<Self, DescribeError> {
        if embedder.family().is_of_faces() {
            return Err(DescribeError::NoPeople(embedder.family().as_str()));
        }
        let space = embedder.space().into();
        Ok(Self { embedder, space, raw: Vec::new() })
    }

    /// What names its vectors.
    pub fn space(&self) -> &Arc<str> {
        &self.space
    }

    /// Describes whoever fills `bbox`, in pixels of `picture`.
    ///
    /// # Errors
    /// When the picture is impossible, or the inference fails or makes nothing usable.
    pub fn describe(&mut self, picture: &Picture, bbox: &Rect) -> Result<Embedding, DescribeError> {
        let map = rect_map(bbox, self.embedder.size());
        self.embedder.draw(picture, &map).map_err(DetectError::from)?;
        self.embedder.embed(&mut self.raw)?;
        Embedding::new(&self.space, &self.raw).ok_or(DescribeError::NoVector)
    }
}
