//! The three stages of one output row, as plain loops over slices.

use crate::vocab::Frame;

use super::plan::{Columns, Plan, RowPair};
use super::{Element, Layout, Order, Preprocess, RgbPicture, Target};

/// Row buffers, kept from frame to frame.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Two blended source rows: luma or packed RGB, then U or UV, then V. Values are 0..255 times 256.
    lines: [Vec<u16>; 3],
    /// For every output column the two samples that it lies between.
    pairs: Vec<[u16; 2]>,
    /// One output row per channel: Y, U, V and then in place R, G, B; 0..255 times 256 before colour.
    channels: [Vec<f32>; 3],
}

impl Scratch {
    pub(super) fn for_width(width: usize) -> Self {
        let channels = std::array::from_fn(|_| vec![0.0; width]);
        Self { lines: Default::default(), pairs: vec![[0; 2]; width], channels }
    }

    /// Makes the line buffers long enough for sources of this width: three values per pixel for packed RGB, and one
    /// pixel more than the source has.
    pub(super) fn fit_source(&mut self, width: usize) {
        let needed = 3 * (width + 1);
        for line in self.lines.iter_mut().filter(|line| line.len() < needed) {
            line.resize(needed, 0);
        }
    }
}

/// Draws a YUV frame whose chroma samples lie `STEP` values apart: 1 for separate planes, 2 for interleaved ones.
pub(super) fn draw_yuv<T: Element, const STEP: usize>(
    frame: &Frame,
    plan: &Plan,
    scratch: &mut Scratch,
    mut target: Target<'_, T>,
) {
    let (width, chroma_width) = (frame.width as usize, frame.width.div_ceil(2) as usize);
    let (luma, u, v) = (frame.luma(), frame.plane(1), if STEP == 1 { frame.plane(2) } else { frame.plane(1) });
    let matrix = Matrix::of(frame);
    let Scratch { lines: [line_y, line_u, line_v], pairs, channels: [y, u_row, v_row] } = scratch;
    let used = plan.columns.first.len();
    let (y, u_row, v_row) = (&mut y[..used], &mut u_row[..used], &mut v_row[..used]);
    for (row, (pair, chroma)) in plan.rows.iter().zip(&plan.chroma_rows).enumerate() {
        blend_rows::<1>(luma.data, luma.stride, width, *pair, line_y);
        pick::<1>(line_y, &plan.columns, pairs, y);
        blend_rows::<STEP>(u.data, u.stride, chroma_width * STEP, *chroma, line_u);
        pick::<STEP>(line_u, &plan.chroma_columns, pairs, u_row);
        if STEP == 1 {
            blend_rows::<1>(v.data, v.stride, chroma_width, *chroma, line_v);
            pick::<1>(line_v, &plan.chroma_columns, pairs, v_row);
        } else {
            pick::<STEP>(&line_u[1..], &plan.chroma_columns, pairs, v_row);
        }
        matrix.to_rgb(y, u_row, v_row);
        target.write(row, [y, u_row, v_row]);
    }
}

/// Draws a packed RGB picture.
pub(super) fn draw_rgb<T: Element>(
    picture: &RgbPicture,
    plan: &Plan,
    scratch: &mut Scratch,
    mut target: Target<'_, T>,
) {
    let row_bytes = picture.width() as usize * 3;
    let Scratch { lines: [line, ..], pairs, channels: [r, g, b] } = scratch;
    let used = plan.columns.first.len();
    let (r, g, b) = (&mut r[..used], &mut g[..used], &mut b[..used]);
    for (row, pair) in plan.rows.iter().enumerate() {
        blend_rows::<3>(picture.data(), row_bytes, row_bytes, *pair, line);
        for (channel, values) in [&mut *r, &mut *g, &mut *b].into_iter().enumerate() {
            pick::<3>(&line[channel..], &plan.columns, pairs, values);
            values.iter_mut().for_each(|value| *value *= 1.0 / 256.0);
        }
        target.write(row, [r, g, b]);
    }
}

/// First stage: two source rows become one, 256 times as large. `length` values of each row are pixels; the last `STEP`
/// of them, one pixel, are repeated behind the end.
fn blend_rows<const STEP: usize>(data: &[u8], stride: usize, length: usize, pair: RowPair, line: &mut [u16]) {
    let row = |index: u32| &data[index as usize * stride..][..length];
    let (first, second) = (row(pair.first), row(pair.second));
    let (keep, take) = (256 - pair.weight, pair.weight);
    let blended = &mut line[..length];
    if take == 0 || pair.first == pair.second {
        for (out, &a) in blended.iter_mut().zip(first) {
            *out = u16::from(a) << 8;
        }
    } else {
        for ((out, &a), &b) in blended.iter_mut().zip(first).zip(second) {
            // At most 255 * 256, so it never wraps; saying so lets the compiler use 16-bit vector products.
            *out = u16::from(a).wrapping_mul(keep).wrapping_add(u16::from(b).wrapping_mul(take));
        }
    }
    line.copy_within(length - STEP..length, length);
}

/// Second stage: fetches two neighbouring samples of the channel that `line` begins with for every output column, and blends
/// them. Fetching is a loop of its own, because it goes sample by sample: in one loop with it, blending would too.
fn pick<const STEP: usize>(line: &[u16], columns: &Columns, pairs: &mut [[u16; 2]], out: &mut [f32]) {
    let pairs = &mut pairs[..columns.first.len()];
    for (pair, &first) in pairs.iter_mut().zip(&columns.first) {
        let samples = &line[first as usize * STEP..][..STEP + 1];
        *pair = [samples[0], samples[STEP]];
    }
    for ((out, pair), &share) in out.iter_mut().zip(&*pairs).zip(&columns.share) {
        let (a, b) = (f32::from(pair[0]), f32::from(pair[1]));
        *out = a + (b - a) * share;
    }
}

/// The way from Y'CbCr to R'G'B', for values that are 256 times as large.
pub(super) struct Matrix {
    luma_scale: f32,
    luma_offset: f32,
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
}

impl Matrix {
    /// The matrix of a frame's colour space: the luma weights of BT.601 or BT.709, in limited or full range.
    pub(super) fn of(frame: &Frame) -> Self {
        let (kr, kb) = if frame.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (luma_scale, luma_offset, chroma) =
            if frame.full_range { (1.0, 0.0, 1.0) } else { (255.0 / 219.0, 16.0, 255.0 / 224.0) };
        let step = 1.0 / 256.0;
        Self {
            luma_scale: luma_scale * step,
            luma_offset: luma_offset * 256.0,
            red_v: 2.0 * (1.0 - kr) * chroma * step,
            green_u: -2.0 * kb * (1.0 - kb) / kg * chroma * step,
            green_v: -2.0 * kr * (1.0 - kr) / kg * chroma * step,
            blue_u: 2.0 * (1.0 - kb) * chroma * step,
        }
    }

    /// Turns a row of Y, U and V into R, G and B in place, 0..255.
    pub(super) fn to_rgb(&self, y: &mut [f32], u: &mut [f32], v: &mut [f32]) {
        for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
            let luma = (*y - self.luma_offset) * self.luma_scale;
            let (cb, cr) = (*u - 32_768.0, *v - 32_768.0);
            *y = (luma + self.red_v * cr).clamp(0.0, 255.0);
            *u = (luma + self.green_u * cb + self.green_v * cr).clamp(0.0, 255.0);
            *v = (luma + self.blue_u * cb).clamp(0.0, 255.0);
        }
    }
}

impl<T: Element> Target<'_, T> {
    /// Third stage: one row of R, G and B, 0..255, into the tensor.
    pub(super) fn write(&mut self, row: usize, rgb: [&mut [f32]; 3]) {
        let [r, g, b] = rgb.map(|channel| &*channel);
        let channels = match self.preprocess.order {
            Order::Rgb => [r, g, b],
            Order::Bgr => [b, g, r],
        };
        let width = self.width as usize;
        let start = (self.geometry.top as usize + row) * width + self.geometry.left as usize;
        let normal = Normal::of(self.preprocess);
        match self.layout {
            Layout::Nchw => {
                let plane = self.tensor.len() / 3;
                for (c, values) in channels.into_iter().enumerate() {
                    let out = &mut self.tensor[c * plane + start..][..values.len()];
                    let (scale, offset) = (normal.scale[c], normal.offset[c]);
                    for (out, &value) in out.iter_mut().zip(values) {
                        *out = T::from_f32(value * scale + offset);
                    }
                }
            }
            Layout::Nhwc => {
                let out = &mut self.tensor[3 * start..][..3 * r.len()];
                let [first, second, third] = channels;
                for (((pixel, &a), &b), &c) in out.chunks_exact_mut(3).zip(first).zip(second).zip(third) {
                    pixel[0] = T::from_f32(a * normal.scale[0] + normal.offset[0]);
                    pixel[1] = T::from_f32(b * normal.scale[1] + normal.offset[1]);
                    pixel[2] = T::from_f32(c * normal.scale[2] + normal.offset[2]);
                }
            }
        }
    }
}

/// Mean and deviation as one multiplication and one addition.
struct Normal {
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Normal {
    fn of(preprocess: &Preprocess) -> Self {
        let scale = preprocess.std.map(f32::recip);
        Self { scale, offset: std::array::from_fn(|c| -preprocess.mean[c] * scale[c]) }
    }
}
