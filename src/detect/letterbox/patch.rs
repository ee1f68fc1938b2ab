//! A part of a picture in memory of its own, made smaller by a whole number: what a [`Warp`](super::Warp) samples from.
//!
//! Each value is the mean of the pixels that it covers, so that of a face of a thousand pixels one sample for each element of
//! the tensor is enough; and the samples lie close together, however far apart the rows of a 4K picture are.

use crate::vocab::Plane;

use super::warp::Affine;

/// Up to three channels of a part, each packed. One column and one row more than it covers, equal to the last, so that the
/// neighbour of every sample exists.
#[derive(Debug, Default)]
pub(super) struct Patch {
    channels: [Vec<u8>; 3],
    sums: Vec<u32>,
    /// Of the last cut: columns and rows without the one more.
    width: usize,
    height: usize,
    map: Option<Affine>,
}

/// A plane of a picture and what of it is wanted.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    pub(super) plane: Plane<'a>,
    /// Pixels across and down, at least one of each.
    pub(super) size: (usize, usize),
    /// Values of a pixel.
    pub(super) step: usize,
    /// Which of the patch's channels the first of them is.
    pub(super) first: usize,
}

impl Patch {
    /// Copies what a tensor of `tensor` elements across and down takes of a plane, where `map` tells for each element the
    /// pixel of this plane. A second cut into other channels must be of the same size and map.
    pub(super) fn cut(&mut self, cut: Cut<'_>, map: &Affine, tensor: (u32, u32)) {
        let factor = map.factor();
        let (columns, rows) = (reach(map.x, tensor, cut.size.0), reach(map.y, tensor, cut.size.1));
        (self.width, self.height) = (columns.len().div_ceil(factor), rows.len().div_ceil(factor));
        // From pixels of the plane to those of the patch, of which the first covers the first `factor`.
        let by = 1.0 / factor as f32;
        let shrunk = |[a, b, c]: [f32; 3], start: usize| [a * by, b * by, (c - start as f32 + 0.5) * by - 0.5];
        self.map = Some(Affine { x: shrunk(map.x, columns.start), y: shrunk(map.y, rows.start) });
        let channels = &mut self.channels[cut.first..][..cut.step];
        channels.iter_mut().for_each(Vec::clear);
        let line =
            |row: usize| &cut.plane.data[row * cut.plane.stride..][columns.start * cut.step..columns.end * cut.step];
        let gather = match cut.step {
            1 => gather::<1>,
            2 => gather::<2>,
            _ => gather::<3>,
        };
        for top in rows.clone().step_by(factor) {
            let lines = top..(top + factor).min(rows.end);
            self.sums.clear();
            self.sums.extend(line(top).iter().map(|value| u32::from(*value)));
            for row in lines.clone().skip(1) {
                // Never wraps: so many rows there are not. Saying so lets the compiler use vectors.
                let added = self.sums.iter_mut().zip(line(row));
                added.for_each(|(sum, value)| *sum = sum.wrapping_add(u32::from(*value)));
            }
            for (offset, channel) in channels.iter_mut().enumerate() {
                gather(&self.sums, offset, factor, lines.len(), channel);
            }
        }
        for channel in channels {
            channel.extend_from_within(channel.len() - (self.width + 1)..);
        }
    }

    /// Fills `out`, row `row` of the tensor, with `scale` times what lies at its elements.
    pub(super) fn sample(&self, channel: usize, row: usize, scale: f32, out: &mut [f32]) {
        let Some(map) = &self.map else { return };
        let values = &self.channels[channel];
        let (last_x, last_y, stride) = ((self.width - 1) as f32, (self.height - 1) as f32, self.width + 1);
        let (start_x, start_y) = map.at(0.0, row as f32);
        for (column, out) in out.iter_mut().enumerate() {
            let along = column as f32;
            // Not `clamp`: a place that is no number becomes the first.
            let x = (start_x + map.x[0] * along).max(0.0).min(last_x);
            let y = (start_y + map.y[0] * along).max(0.0).min(last_y);
            // As `i32`, which is faster: no patch has so many.
            let (left, top) = (x as i32, y as i32);
            let (share_x, share_y) = (x - left as f32, y - top as f32);
            let at = top as usize * stride + left as usize;
            let pair = |at: usize| match values.get(at..at + 2) {
                Some(&[a, b]) => f32::from(a) + (f32::from(b) - f32::from(a)) * share_x,
                _ => 0.0,
            };
            let (above, below) = (pair(at), pair(at + stride));
            *out = (above + (below - above) * share_y) * scale;
        }
    }
}

/// One row of channel `offset` of `STEP`: the means of `factor` by `rows` values each, from sums down `rows` rows; and the
/// last once more.
fn gather<const STEP: usize>(sums: &[u32], offset: usize, factor: usize, rows: usize, channel: &mut Vec<u8>) {
    let pixels = sums.as_chunks::<STEP>().0;
    if factor == 1 {
        channel.extend(pixels.iter().map(|pixel| pixel[offset] as u8));
    } else {
        channel.extend(pixels.chunks(factor).map(|cell| {
            let count = (cell.len() * rows) as u32;
            let sum = cell.iter().fold(0u32, |sum, pixel| sum.wrapping_add(pixel[offset]));
            ((sum + count / 2) / count) as u8
        }));
    }
    channel.extend_from_within(channel.len() - 1..);
}

/// The columns or rows, of `size`, that the samples of a tensor need; at least one.
fn reach([a, b, c]: [f32; 3], tensor: (u32, u32), size: usize) -> std::ops::Range<usize> {
    let (across, down) = (tensor.0 as f32 - 1.0, tensor.1 as f32 - 1.0);
    let ends = [c, c + a * across, c + b * down, c + a * across + b * down];
    if !ends.iter().all(|end| end.is_finite()) {
        return 0..1;
    }
    let least = ends.iter().copied().fold(f32::MAX, f32::min);
    let most = ends.iter().copied().fold(f32::MIN, f32::max);
    // A sample lies between two values, each of which is the mean of what lies around it.
    let margin = 1.0 + 1.5 * a.hypot(b);
    // What lies beyond is what lies at the edge.
    let first = ((least - margin).max(0.0) as usize).min(size - 1);
    first..((most + margin).max(0.0) as usize).saturating_add(1).clamp(first + 1, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (40, 30);

    fn plane() -> Vec<u8> {
        (0..SIZE.0 * SIZE.1).map(|at| ((at % SIZE.0) * 3 + (at / SIZE.0) * 4) as u8).collect()
    }

    fn cut(data: &[u8], map: &Affine) -> Patch {
        let mut patch = Patch::default();
        let plane = Plane { data, stride: SIZE.0 };
        patch.cut(Cut { plane, size: SIZE, step: 1, first: 0 }, map, (8, 6));
        patch
    }

    #[test]
    fn a_slope_is_a_slope_whatever_the_factor() {
        let data = plane();
        for scale in [0.5, 1.0, 1.7, 2.0, 3.0, 4.2] {
            let map = Affine { x: [scale, 0.1, 4.0], y: [-0.1, scale, 3.0] };
            let patch = cut(&data, &map);
            for row in 0..6 {
                let mut out = [0.0; 8];
                patch.sample(0, row, 1.0, &mut out);
                for (column, value) in out.iter().enumerate() {
                    let (x, y) = map.at(column as f32, row as f32);
                    // Away from the edge of the picture, where a value covers less.
                    if (4.0..=34.0).contains(&x) && (4.0..=24.0).contains(&y) {
                        let expected = 3.0 * x + 4.0 * y;
                        assert!((value - expected).abs() < 1.0, "{scale} {column} {row}: {value} not {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_more_is_copied_than_is_sampled() {
        let patch = cut(&plane(), &Affine { x: [1.0, 0.0, 10.0], y: [0.0, 1.0, 10.0] });
        assert!(patch.width <= 14 && patch.height <= 12, "{} {}", patch.width, patch.height);
        assert_eq!(patch.channels[0].len(), (patch.width + 1) * (patch.height + 1));
        let outside = cut(&plane(), &Affine { x: [1.0, 0.0, 900.0], y: [0.0, 1.0, -900.0] });
        assert_eq!((outside.width, outside.height), (1, 1), "the corner, for everything");
        let mut out = [0.0; 8];
        outside.sample(0, 2, 1.0, &mut out);
        assert_eq!(out, [117.0; 8]);
    }
}
