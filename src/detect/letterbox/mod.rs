//! From a picture to a model's input tensor in one pass: scale, colour, normalise, pad.
//!
//! Every output row is made in three stages, each a plain loop over a row that the compiler turns into vector
//! instructions: blend two source rows (u8 to u16, the weight in 1/256), pick and blend along the row, then colour and
//! normalise into the tensor. No intermediate picture exists. Interpolation is bilinear without prefiltering, as in
//! OpenCV's `INTER_LINEAR`, because the reference pipelines of the supported models are trained and measured with it.

mod geometry;
mod patch;
mod plan;
mod rows;
mod warp;

pub use geometry::{Fit, Geometry};
pub use warp::{Affine, Warp};

use crate::vocab::{Frame, PixelFormat};

use super::picture::{self, Picture, PictureError, RgbPicture};
use plan::Plan;

/// How a tensor's elements are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Channel, row, column.
    Nchw,
    /// Row, column, channel.
    Nhwc,
}

/// Which colour comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How a picture becomes a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocess {
    /// How the picture is laid into the tensor.
    pub fit: Fit,
    /// Which colour comes first.
    pub order: Order,
    /// Subtracted from each channel, in the tensor's channel order, on the scale 0..255.
    pub mean: [f32; 3],
    /// Each channel is divided by this after the mean is taken off.
    pub std: [f32; 3],
}

/// An element of a tensor.
pub trait Element: Copy + Default {
    /// From a normalised value.
    fn from_f32(value: f32) -> Self;
}

impl Element for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Element for half::f16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for u8 {
    fn from_f32(value: f32) -> Self {
        // A cast from float to integer saturates; half a step is added to round.
        (value + 0.5) as Self
    }
}

/// A letterbox for tensors of one size. It keeps tables and row buffers, so that a frame like one before it costs no
/// allocation.
#[derive(Debug)]
pub struct Letterbox {
    width: u32,
    height: u32,
    layout: Layout,
    preprocess: Preprocess,
    /// Most recently used first; cameras of different sizes may take turns.
    plans: Vec<Plan>,
    scratch: rows::Scratch,
    /// Where the padding of the tensor was last drawn.
    drawn: Option<Geometry>,
}

/// Sizes and layouts of pictures for which tables are kept.
const MAX_PLANS: usize = 16;

impl Letterbox {
    /// For tensors of `width` by `height`.
    pub fn new(width: u32, height: u32, layout: Layout, preprocess: Preprocess) -> Self {
        let scratch = rows::Scratch::for_width(width as usize);
        Self { width, height, layout, preprocess, plans: Vec::new(), scratch, drawn: None }
    }

    /// Another one for another tensor of the same kind.
    pub fn anew(&self) -> Self {
        Self::new(self.width, self.height, self.layout, self.preprocess)
    }

    /// How a picture becomes the tensor.
    pub fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// How many elements the tensor has.
    pub fn len(&self) -> usize {
        3 * self.width as usize * self.height as usize
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Draws `picture` into `tensor`, which holds [`len`](Self::len) elements and is only ever written by this
    /// letterbox: padding that is there already is not drawn again. Returns where the picture lies.
    ///
    /// # Errors
    /// When the picture's size or one of its planes is impossible.
    pub fn draw<T: Element>(&mut self, picture: &Picture, tensor: &mut [T]) -> Result<Geometry, PictureError> {
        match picture {
            Picture::Frame(frame) => self.draw_frame(frame, tensor),
            Picture::Rgb(picture) => Ok(self.draw_rgb(picture, tensor)),
        }
    }

    /// As [`draw`](Self::draw), for a frame.
    ///
    /// # Errors
    /// When the frame's size or one of its planes is impossible.
    pub fn draw_frame<T: Element>(&mut self, frame: &Frame, tensor: &mut [T]) -> Result<Geometry, PictureError> {
        picture::check_frame(frame)?;
        let geometry = self.prepare(frame.width, frame.height, true, tensor);
        let plan = &self.plans[0];
        let target = Target { tensor, width: self.width, layout: self.layout, preprocess: &self.preprocess, geometry };
        match frame.format {
            PixelFormat::Nv12 => rows::draw_yuv::<T, 2>(frame, plan, &mut self.scratch, target),
            PixelFormat::I420 => rows::draw_yuv::<T, 1>(frame, plan, &mut self.scratch, target),
        }
        Ok(geometry)
    }

    fn draw_rgb<T: Element>(&mut self, picture: &RgbPicture, tensor: &mut [T]) -> Geometry {
        let geometry = self.prepare(picture.width(), picture.height(), false, tensor);
        let plan = &self.plans[0];
        let target = Target { tensor, width: self.width, layout: self.layout, preprocess: &self.preprocess, geometry };
        rows::draw_rgb(picture, plan, &mut self.scratch, target);
        geometry
    }

    /// Puts the plan for this kind of picture in front, sizes the row buffers and draws the padding where it is stale.
    fn prepare<T: Element>(&mut self, width: u32, height: u32, has_chroma: bool, tensor: &mut [T]) -> Geometry {
        assert_eq!(tensor.len(), self.len(), "the tensor must be the one this letterbox was made for");
        let known = self.plans.iter().position(|p| p.is_for(width, height, has_chroma));
        match known {
            Some(at) => self.plans[..=at].rotate_right(1),
            None => {
                self.plans.truncate(MAX_PLANS - 1);
                let geometry = Geometry::new((width, height), (self.width, self.height), self.preprocess.fit);
                self.plans.insert(0, Plan::new(width, height, has_chroma, geometry));
            }
        }
        let geometry = self.plans[0].geometry;
        self.scratch.fit_source(width as usize);
        if self.drawn != Some(geometry) {
            self.pad(tensor);
            self.drawn = Some(geometry);
        }
        geometry
    }

    fn pad<T: Element>(&self, tensor: &mut [T]) {
        let value = self.preprocess.fit.padding();
        let channel = |c: usize| T::from_f32((value - self.preprocess.mean[c]) / self.preprocess.std[c]);
        let values = [channel(0), channel(1), channel(2)];
        match self.layout {
            Layout::Nchw => {
                let plane = tensor.len() / 3;
                for (plane, value) in tensor.chunks_exact_mut(plane.max(1)).zip(values) {
                    plane.fill(value);
                }
            }
            Layout::Nhwc => tensor.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&values)),
        }
    }
}

/// Where and how rows are written.
struct Target<'a, T> {
    tensor: &'a mut [T],
    width: u32,
    layout: Layout,
    preprocess: &'a Preprocess,
    geometry: Geometry,
}

#[cfg(test)]
mod tests;
