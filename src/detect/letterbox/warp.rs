//! A part of a picture, turned and scaled, into a model's input tensor in one pass: what aligns a face or cuts out a person.
//!
//! Where each element of the tensor lies in the picture is told by an [`Affine`]. Interpolation is bilinear, as in OpenCV's
//! `warpAffine`, with which the embedding models are trained and measured. A part that is several times as large as the
//! tensor is sampled in several places for each element, evenly spread over it: single samples of a face of a thousand
//! pixels would be noise. Chroma is sited as in `plan`. What lies outside the picture is what lies at its edge.

use crate::vocab::{Frame, PixelFormat, Plane};

use super::super::picture::{self, Picture, PictureError, RgbPicture};
use super::geometry::Geometry;
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
    /// How many samples along each side of an element its part of the picture needs, 1 to [`MOST_SAMPLES`].
    fn samples(&self) -> usize {
        let [a, b, _] = self.x;
        let [c, d, _] = self.y;
        let scale = (a * d - b * c).abs().sqrt();
        // A scale that is no number becomes 0, and that 1.
        (scale.round() as usize).clamp(1, MOST_SAMPLES)
    }

    /// Where `(u, v)` lies.
    pub fn at(&self, u: f32, v: f32) -> (f32, f32) {
        let along = |[a, b, c]: [f32; 3]| a * u + b * v + c;
        (along(self.x), along(self.y))
    }
}

/// The most samples along each side of an element.
const MOST_SAMPLES: usize = 8;

/// Draws into tensors of one size. It keeps its row buffers, so that drawing costs no allocation.
#[derive(Debug)]
pub struct Warp {
    width: u32,
    height: u32,
    layout: Layout,
    preprocess: Preprocess,
    channels: [Vec<f32>; 3],
    luma: Vec<u8>,
}

impl Warp {
    /// For tensors of `width` by `height`. How the preprocessing fits a picture into the tensor does not matter here.
    pub fn new(width: u32, height: u32, layout: Layout, preprocess: Preprocess) -> Self {
        let row = || vec![0.0; width as usize];
        let luma = vec![0; width as usize * height as usize];
        Self { width, height, layout, preprocess, channels: [row(), row(), row()], luma }
    }

    /// Draws what `map` says of `picture` into `tensor`, which holds three elements a pixel.
    ///
    /// # Errors
    /// When the picture's size or one of its planes is impossible.
    pub fn draw<T: Element>(&mut self, picture: &Picture, map: &Affine, tensor: &mut [T]) -> Result<(), PictureError> {
        assert_eq!(tensor.len(), 3 * self.luma.len(), "the tensor must be the one this was made for");
        if let Picture::Frame(frame) = picture {
            picture::check_frame(frame)?;
        }
        let geometry = Geometry { left: 0, top: 0, width: self.width, height: self.height };
        let mut target =
            Target { tensor, width: self.width, layout: self.layout, preprocess: &self.preprocess, geometry };
        for (row, luma) in self.luma.chunks_exact_mut(self.width.max(1) as usize).enumerate() {
            let [r, g, b] = &mut self.channels;
            match picture {
                Picture::Frame(frame) => yuv_row(frame, map, row, [&mut *r, &mut *g, &mut *b]),
                Picture::Rgb(picture) => rgb_row(picture, map, row, [&mut *r, &mut *g, &mut *b]),
            }
            for (((luma, r), g), b) in luma.iter_mut().zip(&*r).zip(&*g).zip(&*b) {
                *luma = (0.299 * r + 0.587 * g + 0.114 * b) as u8;
            }
            target.write(row, [r, g, b]);
        }
        Ok(())
    }

    /// The brightness of what was drawn last, 0..255, row by row.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }
}

/// One row as R, G and B, 0..255.
fn yuv_row(frame: &Frame, map: &Affine, row: usize, [y_row, u_row, v_row]: [&mut Vec<f32>; 3]) {
    let chroma = (frame.width.div_ceil(2) as usize, frame.height.div_ceil(2) as usize);
    let luma = Samples::<1>::new(frame.luma(), 0, (frame.width as usize, frame.height as usize));
    mean_row(map, row, [&mut *y_row, &mut *u_row, &mut *v_row], |x, y| {
        let (half_x, half_y) = (x / 2.0, y / 2.0 - 0.25);
        let (u, v) = match frame.format {
            PixelFormat::Nv12 => {
                let pair = |offset| Samples::<2>::new(frame.plane(1), offset, chroma).at(half_x, half_y);
                (pair(0), pair(1))
            }
            PixelFormat::I420 => {
                let plane = |index| Samples::<1>::new(frame.plane(index), 0, chroma).at(half_x, half_y);
                (plane(1), plane(2))
            }
        };
        [luma.at(x, y) * 256.0, u * 256.0, v * 256.0]
    });
    Matrix::of(frame).to_rgb(y_row, u_row, v_row);
}

/// One row as R, G and B, 0..255.
fn rgb_row(picture: &RgbPicture, map: &Affine, row: usize, rows: [&mut Vec<f32>; 3]) {
    let size = (picture.width() as usize, picture.height() as usize);
    let colour = |offset| Samples::<3>::new(Plane { data: picture.data(), stride: 3 * size.0 }, offset, size);
    let colours = [colour(0), colour(1), colour(2)];
    mean_row(map, row, rows, |x, y| [colours[0].at(x, y), colours[1].at(x, y), colours[2].at(x, y)]);
}

/// Fills one row with what `sample` gives at the place of each element, or the mean of several places within it.
fn mean_row(map: &Affine, row: usize, rows: [&mut Vec<f32>; 3], sample: impl Fn(f32, f32) -> [f32; 3]) {
    let samples = map.samples();
    let share = 1.0 / (samples * samples) as f32;
    // Evenly spread over the element, the mean of all at its centre.
    let off = |at: usize| (at as f32 + 0.5) / samples as f32 - 0.5;
    let [first, second, third] = rows;
    for (column, ((a, b), c)) in first.iter_mut().zip(second).zip(third).enumerate() {
        let mut sum = [0.0; 3];
        for (down, along) in (0..samples).flat_map(|down| (0..samples).map(move |along| (down, along))) {
            let (x, y) = map.at(column as f32 + off(along), row as f32 + off(down));
            sum.iter_mut().zip(sample(x, y)).for_each(|(sum, value)| *sum += value);
        }
        [*a, *b, *c] = sum.map(|sum| sum * share);
    }
}

/// One channel of a plane, whose samples lie `STEP` bytes apart.
struct Samples<'a, const STEP: usize> {
    plane: Plane<'a>,
    offset: usize,
    /// Columns and rows, at least one of each.
    size: (usize, usize),
}

impl<'a, const STEP: usize> Samples<'a, STEP> {
    fn new(plane: Plane<'a>, offset: usize, size: (usize, usize)) -> Self {
        Self { plane, offset, size }
    }

    /// The value at a place between samples.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (last_x, last_y) = (self.size.0 - 1, self.size.1 - 1);
        // Not `clamp`: a place that is no number becomes the first.
        let (x, y) = (x.max(0.0).min(last_x as f32), y.max(0.0).min(last_y as f32));
        let (left, top) = (x as usize, y as usize);
        let (share_x, share_y) = (x - left as f32, y - top as f32);
        let (right, below) = ((left + 1).min(last_x), (top + 1).min(last_y));
        let sample = |column: usize, row: usize| {
            f32::from(self.plane.data[row * self.plane.stride + column * STEP + self.offset])
        };
        let blend = |a: f32, b: f32, share: f32| a + (b - a) * share;
        blend(
            blend(sample(left, top), sample(right, top), share_x),
            blend(sample(left, below), sample(right, below), share_x),
            share_y,
        )
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
