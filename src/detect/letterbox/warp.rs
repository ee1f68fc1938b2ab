//! A part of a picture, turned and scaled, into a model's input tensor in one pass: what aligns a face or cuts out a person.
//!
//! Where each element of the tensor lies in the picture is told by an [`Affine`]. Interpolation is bilinear, as in OpenCV's
//! `warpAffine`, with which the embedding models are trained and measured. A part that is several times as large as the
//! tensor is made smaller by a whole number first (`patch`): single samples of a face of a thousand pixels would be noise.
//! Chroma is sited as in `plan`. What lies outside the picture is what lies at its edge.

use crate::vocab::{Frame, PixelFormat, Plane};

use super::super::picture::{self, Picture, PictureError, RgbPicture};
use super::geometry::Geometry;
use super::patch::{Cut, Patch};
use super::rows::Matrix;
use super::{Element, Layout, Preprocess, Target};

/// Where the pixel in column `u` and row `v` of a tensor lies in a picture, in pixels of it; the centre of the first pixel
/// is at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The column is `x[0] * u + x[1] * v + x[2]`.
    pub x: [f32; 3],
    /// The row is `y[0] * u + y[1] * v + y[2]`.
    pub y: [f32; 3],
}

impl Affine {
    /// By how much its part of the picture is made smaller before it is sampled, so that an element takes about one pixel of
    /// what is left.
    pub(super) fn factor(&self) -> usize {
        let [a, b, _] = self.x;
        let [c, d, _] = self.y;
        let scale = (a * d - b * c).abs().sqrt();
        // A scale that is no number becomes 0, and that 1.
        (scale.round() as usize).clamp(1, LARGEST_FACTOR)
    }

    /// Where `(u, v)` lies.
    pub fn at(&self, u: f32, v: f32) -> (f32, f32) {
        let along = |[a, b, c]: [f32; 3]| a * u + b * v + c;
        (along(self.x), along(self.y))
    }
}

/// The largest factor by which a part is made smaller: of more than 20,000 pixels no picture has a face.
const LARGEST_FACTOR: usize = 256;

/// Draws into tensors of one size. It keeps its row buffers, so that drawing costs no allocation.
#[derive(Debug)]
pub struct Warp {
    width: u32,
    height: u32,
    layout: Layout,
    preprocess: Preprocess,
    /// Luma, or red, green and blue.
    full: Patch,
    chroma: Patch,
    channels: [Vec<f32>; 3],
    luma: Vec<u8>,
}

impl Warp {
    /// For tensors of `width` by `height`. How the preprocessing fits a picture into the tensor does not matter here.
    pub fn new(width: u32, height: u32, layout: Layout, preprocess: Preprocess) -> Self {
        let row = || vec![0.0; width as usize];
        let luma = vec![0; width as usize * height as usize];
        let channels = [row(), row(), row()];
        Self { width, height, layout, preprocess, full: Patch::default(), chroma: Patch::default(), channels, luma }
    }

    /// Draws what `map` says of `picture` into `tensor`, which holds three elements a pixel.
    ///
    /// # Errors
    /// When the picture's size or one of its planes is impossible.
    pub fn draw<T: Element>(&mut self, picture: &Picture, map: &Affine, tensor: &mut [T]) -> Result<(), PictureError> {
        assert_eq!(tensor.len(), 3 * self.luma.len(), "the tensor must be the one this was made for");
        let matrix = match picture {
            Picture::Frame(frame) => {
                picture::check_frame(frame)?;
                self.cut_frame(frame, map);
                Some(Matrix::of(frame))
            }
            Picture::Rgb(picture) => {
                self.cut_rgb(picture, map);
                None
            }
        };
        let geometry = Geometry { left: 0, top: 0, width: self.width, height: self.height };
        let mut target =
            Target { tensor, width: self.width, layout: self.layout, preprocess: &self.preprocess, geometry };
        for (row, luma) in self.luma.chunks_exact_mut(self.width.max(1) as usize).enumerate() {
            let [r, g, b] = &mut self.channels;
            match &matrix {
                Some(matrix) => {
                    self.full.sample(0, row, 256.0, r);
                    self.chroma.sample(0, row, 256.0, g);
                    self.chroma.sample(1, row, 256.0, b);
                    matrix.to_rgb(r, g, b);
                }
                None => [&mut *r, &mut *g, &mut *b]
                    .into_iter()
                    .enumerate()
                    .for_each(|(channel, out)| self.full.sample(channel, row, 1.0, out)),
            }
            for (((luma, r), g), b) in luma.iter_mut().zip(&*r).zip(&*g).zip(&*b) {
                *luma = (0.299 * r + 0.587 * g + 0.114 * b) as u8;
            }
            target.write(row, [r, g, b]);
        }
        Ok(())
    }

    fn cut_frame(&mut self, frame: &Frame, map: &Affine) {
        let (size, tensor) = ((frame.width as usize, frame.height as usize), (self.width, self.height));
        self.full.cut(Cut { plane: frame.luma(), size, step: 1, first: 0 }, map, tensor);
        // Chroma lies between two rows of luma, and in the column of every second luma sample.
        let half = |[a, b, c]: [f32; 3], shift: f32| [a / 2.0, b / 2.0, c / 2.0 - shift];
        let map = Affine { x: half(map.x, 0.0), y: half(map.y, 0.25) };
        let size = (size.0.div_ceil(2), size.1.div_ceil(2));
        let cut = |index, step, first| Cut { plane: frame.plane(index), size, step, first };
        match frame.format {
            PixelFormat::Nv12 => self.chroma.cut(cut(1, 2, 0), &map, tensor),
            PixelFormat::I420 => {
                self.chroma.cut(cut(1, 1, 0), &map, tensor);
                self.chroma.cut(cut(2, 1, 1), &map, tensor);
            }
        }
    }

    fn cut_rgb(&mut self, picture: &RgbPicture, map: &Affine) {
        let size = (picture.width() as usize, picture.height() as usize);
        let plane = Plane { data: picture.data(), stride: 3 * size.0 };
        self.full.cut(Cut { plane, size, step: 3, first: 0 }, map, (self.width, self.height));
    }

    /// The brightness of what was drawn last, 0..255, row by row.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fit, Letterbox, Order};
    use super::*;

    const PLAIN: Preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [1.0; 3] };

    fn noisy(width: u32, height: u32) -> Frame {
        let mut random = fastrand::Rng::with_seed(7);
        let length = width as usize * height as usize * 3 / 2;
        Frame::from_i420(width, height, (0..length).map(|_| random.u8(..)).collect()).unwrap()
    }

    #[test]
    fn a_map_that_only_scales_draws_what_the_letterbox_draws() {
        let picture = Picture::Frame(noisy(64, 48));
        let (mut boxed, mut warped) = (vec![0f32; 3 * 48 * 36], vec![0f32; 3 * 48 * 36]);
        // The centre of each pixel, as the letterbox has it; not so much smaller that more than one sample is taken.
        Letterbox::new(48, 36, Layout::Nchw, PLAIN).draw(&picture, &mut boxed).unwrap();
        let scale = 64.0 / 48.0;
        let map = Affine { x: [scale, 0.0, scale / 2.0 - 0.5], y: [0.0, scale, scale / 2.0 - 0.5] };
        Warp::new(48, 36, Layout::Nchw, PLAIN).draw(&picture, &map, &mut warped).unwrap();
        let worst = boxed.iter().zip(&warped).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1.5, "{worst}");
    }

    #[test]
    fn what_is_much_larger_is_averaged_and_not_picked_from() {
        let columns: Vec<u8> = (0..64 * 64).flat_map(|at| [if at % 2 == 0 { 0 } else { 200 }; 3]).collect();
        let picture = Picture::Rgb(RgbPicture::new(64, 64, columns).unwrap());
        let map = Affine { x: [8.0, 0.0, 3.5], y: [0.0, 8.0, 3.5] };
        let mut tensor = vec![0f32; 3 * 8 * 8];
        Warp::new(8, 8, Layout::Nchw, PLAIN).draw(&picture, &map, &mut tensor).unwrap();
        assert!(tensor.iter().all(|value| (value - 100.0).abs() < 1.0), "{tensor:?}");
    }

    #[test]
    fn a_quarter_turn_moves_every_pixel_and_what_is_outside_is_the_edge() {
        let data: Vec<u8> = (0..12).flat_map(|at| [at, at, at]).collect();
        let picture = Picture::Rgb(RgbPicture::new(4, 3, data).unwrap());
        // Column u of the tensor is row u of the picture, from right to left.
        let map = Affine { x: [0.0, -1.0, 3.0], y: [1.0, 0.0, 0.0] };
        let mut warp = Warp::new(3, 4, Layout::Nhwc, PLAIN);
        let mut tensor = vec![0f32; 36];
        warp.draw(&picture, &map, &mut tensor).unwrap();
        let grey: Vec<f32> = tensor.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(grey, [3.0, 7.0, 11.0, 2.0, 6.0, 10.0, 1.0, 5.0, 9.0, 0.0, 4.0, 8.0]);
        warp.draw(&picture, &Affine { x: [f32::NAN; 3], y: [9.0, 9.0, 99.0] }, &mut tensor).unwrap();
        assert!(tensor.iter().all(|value| *value == 8.0), "{tensor:?}");
        assert_eq!(warp.luma().len(), 12);
    }
}
