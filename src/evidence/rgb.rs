//! 4:2:0 pictures: a packed, smaller copy of a frame, and its colours as RGB.

use std::ops::Range;
use std::sync::Arc;

use crate::vocab::{Frame, FrameBytes, PixelFormat, Plane, Point, Polygon, Rect};

/// A packed I420 picture in memory of its own.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    full_range: bool,
    bt709: bool,
    luma: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Picture {
    /// Copies `frame`, made smaller by the smallest whole number that brings it to at most `max_width` across. Keeps
    /// the memory it has.
    pub fn copy(&mut self, frame: &Frame, max_width: u32) {
        let by = frame.width.div_ceil(max_width.max(1)).max(1) as usize;
        let (wide, high) = (frame.width as usize, frame.height as usize);
        (self.width, self.height) = ((wide / by).max(1), (high / by).max(1));
        (self.full_range, self.bt709) = (frame.full_range, frame.bt709);
        let halves = |n: usize| n.div_ceil(2);
        let chroma = (halves(self.width), halves(self.height));
        let alone = Channel { step: 1, first: 0 };
        shrink(frame.luma(), alone, (wide, high), (self.width, self.height), by, &mut self.luma);
        let source = (halves(wide), halves(high));
        match frame.format {
            PixelFormat::I420 => {
                shrink(frame.plane(1), alone, source, chroma, by, &mut self.u);
                shrink(frame.plane(2), alone, source, chroma, by, &mut self.v);
            }
            PixelFormat::Nv12 => {
                shrink(frame.plane(1), Channel { step: 2, first: 0 }, source, chroma, by, &mut self.u);
                shrink(frame.plane(1), Channel { step: 2, first: 1 }, source, chroma, by, &mut self.v);
            }
        }
    }

    /// Fills what lies in `masks`, polygons normalised over the picture, with grey: nothing of it is left. Colours of a pair of
    /// columns or rows go where one of the two is covered.
    pub fn cover(&mut self, masks: &[Polygon]) {
        for mask in masks {
            let place = |at: usize, size: usize| (at as f32 + 0.5) / size as f32;
            let (width, height, across) = (self.width, self.height, self.width.div_ceil(2));
            // Only within its outline's box is every pixel asked.
            let reach = |along: fn(&Point) -> f32, size: usize| {
                let ends = mask.points().iter().map(along).fold((1f32, 0f32), |(a, b), v| (a.min(v), b.max(v)));
                let (from, to) = (ends.0 * size as f32, ends.1 * size as f32);
                from as usize..(to.ceil() as usize).min(size)
            };
            for y in reach(|point| point.y, height) {
                for x in reach(|point| point.x, width) {
                    if mask.contains(Point::new(place(x, width), place(y, height))) {
                        self.luma[y * width + x] = 128;
                        let colour = (y / 2) * across + x / 2;
                        (self.u[colour], self.v[colour]) = (128, 128);
                    }
                }
            }
        }
    }

    /// Makes `area`, normalised, a mosaic of `blocks` blocks across its shorter side, each of the mean of what it covers.
    pub fn pixelate(&mut self, area: Rect, blocks: usize) {
        // Pairs of columns and rows share a colour, so that blocks begin at even places.
        let reach = |from: f32, to: f32, size: usize| {
            let place = |at: f32| (at.clamp(0.0, 1.0) * size as f32) as usize;
            (place(from) & !1)..(place(to) + 1).next_multiple_of(2).min(size)
        };
        let (columns, rows) = (reach(area.x1, area.x2, self.width), reach(area.y1, area.y2, self.height));
        let shorter = columns.len().min(rows.len());
        let side = shorter.div_ceil(blocks.max(1)).next_multiple_of(2).max(2);
        let halved = |range: &Range<usize>| range.start / 2..range.end.div_ceil(2);
        let (width, across) = (self.width, self.width.div_ceil(2));
        mosaic(&mut self.luma, width, &columns, &rows, side);
        for colour in [&mut self.u, &mut self.v] {
            mosaic(colour, across, &halved(&columns), &halved(&rows), side / 2);
        }
    }

    /// As a frame, for whoever looks at it.
    pub fn to_frame(self: &Arc<Self>) -> Frame {
        let (width, height) = (self.width as u32, self.height as u32);
        let mut frame = Frame::new(width, height, PixelFormat::I420, self.clone());
        (frame.full_range, frame.bt709) = (self.full_range, self.bt709);
        frame
    }

    /// The picture as RGB, three bytes a pixel, row by row.
    pub fn to_rgb(&self) -> Vec<u8> {
        let convert = Conversion::of(self.full_range, self.bt709);
        let (width, across) = (self.width.max(1), self.width.div_ceil(2));
        let mut rgb = vec![0; self.width * self.height * 3];
        for (y, (line, out)) in self.luma.chunks_exact(width).zip(rgb.chunks_exact_mut(3 * width)).enumerate() {
            let start = (y / 2) * across;
            let colours = self.u[start..start + across].iter().zip(&self.v[start..start + across]);
            for ((lumas, pixels), (&u, &v)) in line.chunks(2).zip(out.chunks_mut(6)).zip(colours) {
                let tint = convert.tint(u, v);
                for (&luma, pixel) in lumas.iter().zip(pixels.chunks_exact_mut(3)) {
                    pixel.copy_from_slice(&convert.pixel(luma, tint));
                }
            }
        }
        rgb
    }
}

impl FrameBytes for Picture {
    fn plane(&self, index: usize) -> Plane<'_> {
        let across = self.width.div_ceil(2);
        let (data, stride) = match index {
            0 => (&self.luma, self.width),
            1 => (&self.u, across),
            _ => (&self.v, across),
        };
        Plane { data, stride }
    }
}

/// Fills blocks of `side` by `side` with their means, within `columns` and `rows` of a plane of this width.
fn mosaic(plane: &mut [u8], width: usize, columns: &Range<usize>, rows: &Range<usize>, side: usize) {
    for top in rows.clone().step_by(side) {
        for left in columns.clone().step_by(side) {
            let (right, bottom) = ((left + side).min(columns.end), (top + side).min(rows.end));
            let lines = || (top..bottom).map(|row| row * width + left..row * width + right);
            let sum: u32 = lines().flat_map(|line| &plane[line]).map(|value| u32::from(*value)).sum();
            let count = ((right - left) * (bottom - top)) as u32;
            let mean = ((sum + count / 2) / count.max(1)) as u8;
            lines().for_each(|line| plane[line].fill(mean));
        }
    }
}

/// Which bytes of a row belong to a channel: the one at `first` and every `step`th after it.
#[derive(Clone, Copy)]
struct Channel {
    step: usize,
    first: usize,
}

/// Makes one channel of a plane smaller: each value is the mean of `by` by `by`, and of fewer at an odd edge.
fn shrink(
    plane: Plane<'_>,
    channel: Channel,
    source: (usize, usize),
    target: (usize, usize),
    by: usize,
    into: &mut Vec<u8>,
) {
    into.clear();
    let mut sums = vec![0u32; target.0];
    for row in 0..target.1 {
        let rows = row * by..((row + 1) * by).min(source.1);
        let lines = rows.clone().map(|at| {
            let line = plane.data.get(at * plane.stride..).unwrap_or_default();
            &line[..line.len().min(source.0 * channel.step)]
        });
        if by == 1 && channel.step == 1 {
            lines.for_each(|line| into.extend_from_slice(line));
            continue;
        }
        sums.fill(0);
        for line in lines {
            match (channel.step, by) {
                (1, 2) => add_row::<2, 1>(line, 0, &mut sums),
                (1, 3) => add_row::<3, 1>(line, 0, &mut sums),
                (2, 1) => add_row::<2, 2>(line, channel.first, &mut sums),
                (2, 2) => add_row::<4, 2>(line, channel.first, &mut sums),
                _ => add_any(line, channel, by, &mut sums),
            }
        }
        into.extend(sums.iter().enumerate().map(|(x, sum)| {
            let columns = source.0.saturating_sub(x * by).clamp(1, by);
            let count = (columns * rows.len()).max(1) as u32;
            ((sum + count / 2) / count).min(255) as u8
        }));
    }
}

/// Adds a row to the sums, `SPAN` bytes to each. Fixed numbers make this several times faster than [`add_any`].
fn add_row<const SPAN: usize, const STEP: usize>(line: &[u8], first: usize, sums: &mut [u32]) {
    let (cells, rest) = line.as_chunks::<SPAN>();
    let of = |cell: &[u8]| cell.iter().skip(first).step_by(STEP).map(|v| u32::from(*v)).sum::<u32>();
    sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += of(cell));
    if let Some(sum) = sums.get_mut(cells.len()) {
        *sum += of(rest);
    }
}

fn add_any(line: &[u8], channel: Channel, by: usize, sums: &mut [u32]) {
    for (sum, cell) in sums.iter_mut().zip(line.chunks(by * channel.step)) {
        *sum += cell.iter().skip(channel.first).step_by(channel.step).map(|v| u32::from(*v)).sum::<u32>();
    }
}

/// Y'CbCr to R'G'B' in 16.16 fixed point (ITU-R BT.601 and BT.709).
struct Conversion {
    black: i32,
    luma: i32,
    red: i32,
    green_u: i32,
    green_v: i32,
    blue: i32,
}

impl Conversion {
    fn of(full_range: bool, bt709: bool) -> Self {
        let (kr, kb) = if bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |x: f64| (x * 65536.0).round() as i32;
        Self {
            black,
            luma: fixed(luma),
            red: fixed(2.0 * (1.0 - kr) * chroma),
            green_u: fixed(2.0 * kb * (1.0 - kb) / kg * chroma),
            green_v: fixed(2.0 * kr * (1.0 - kr) / kg * chroma),
            blue: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    /// What a colour adds to red, green and blue, at any brightness.
    fn tint(&self, u: u8, v: u8) -> [i32; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [self.red * v, -self.green_u * u - self.green_v * v, self.blue * u]
    }

    fn pixel(&self, luma: u8, tint: [i32; 3]) -> [u8; 3] {
        let grey = (i32::from(luma) - self.black) * self.luma;
        tint.map(|tint| ((grey + tint + 32768) >> 16).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nv12 {
        luma: Vec<u8>,
        chroma: Vec<u8>,
        stride: usize,
    }

    impl FrameBytes for Nv12 {
        fn plane(&self, index: usize) -> Plane<'_> {
            Plane { data: if index == 0 { &self.luma } else { &self.chroma }, stride: self.stride }
        }
    }

    /// A uniform picture with padded rows.
    fn uniform(width: usize, height: usize, yuv: [u8; 3], full_range: bool, bt709: bool) -> Frame {
        let stride = width + 13;
        let mut luma = vec![7; stride * height];
        let mut chroma = vec![7; stride * height.div_ceil(2)];
        for row in 0..height {
            luma[row * stride..row * stride + width].fill(yuv[0]);
        }
        for row in 0..height.div_ceil(2) {
            for pair in chroma[row * stride..row * stride + width.div_ceil(2) * 2].chunks_exact_mut(2) {
                pair.copy_from_slice(&yuv[1..]);
            }
        }
        let bytes = Nv12 { luma, chroma, stride };
        let mut frame = Frame::new(width as u32, height as u32, PixelFormat::Nv12, Arc::new(bytes));
        (frame.full_range, frame.bt709) = (full_range, bt709);
        frame
    }

    #[test]
    fn colours_follow_range_and_matrix() {
        // Y'CbCr of pure colours as the recommendations give them, and what they are.
        let table = [
            ([81, 90, 240], false, false, [254, 0, 0]),
            ([145, 54, 34], false, false, [0, 255, 1]),
            ([41, 240, 110], false, false, [0, 0, 255]),
            ([63, 102, 240], false, true, [255, 1, 0]),
            ([173, 42, 26], false, true, [0, 255, 1]),
            ([76, 85, 255], true, false, [254, 0, 0]),
            ([235, 128, 128], false, false, [255, 255, 255]),
            ([235, 128, 128], true, false, [235, 235, 235]),
            ([16, 128, 128], false, true, [0, 0, 0]),
        ];
        for (yuv, full_range, bt709, rgb) in table {
            let mut picture = Picture::default();
            picture.copy(&uniform(6, 4, yuv, full_range, bt709), 100);
            let found = picture.to_rgb();
            for pixel in found.chunks(3) {
                let near = pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2);
                assert!(near, "{yuv:?} full range {full_range}, 709 {bt709}: {pixel:?}, not {rgb:?}");
            }
        }
    }

    #[test]
    fn nothing_is_left_of_what_is_covered_and_all_of_the_rest() {
        let mut picture = Picture::default();
        picture.copy(&uniform(20, 10, [90, 80, 200], false, false), 100);
        let corners = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)];
        let left = Polygon::new(corners.map(|(x, y)| Point::new(x, y)).to_vec()).unwrap();
        let before = picture.to_rgb();
        picture.cover(&[left]);
        for (at, (pixel, was)) in picture.to_rgb().chunks(3).zip(before.chunks(3)).enumerate() {
            if at % 20 < 10 {
                assert_eq!(pixel, [130; 3], "pixel {at}");
            } else {
                assert_eq!(pixel, was, "pixel {at}");
            }
        }
    }

    #[test]
    fn a_mosaic_keeps_means_and_nothing_else_and_leaves_the_rest_alone() {
        let mut random = fastrand::Rng::with_seed(9);
        let bytes: Vec<u8> = (0..64 * 48 * 3 / 2).map(|_| random.u8(..)).collect();
        let mut picture = Picture::default();
        picture.copy(&Frame::from_i420(64, 48, bytes).unwrap(), 64);
        let before = picture.clone();
        picture.pixelate(Rect::new(0.25, 0.25, 0.495, 0.745), 4);
        let block = |at: usize| (at % 64 / 4, at / 64 / 4);
        for (at, luma) in picture.luma.iter().enumerate() {
            let (column, row) = (at % 64, at / 64);
            if (16..32).contains(&column) && (12..36).contains(&row) {
                let same = before.luma.iter().enumerate().filter(|(other, _)| block(*other) == block(at));
                let sum: u32 = same.map(|(_, luma)| u32::from(*luma)).sum();
                assert_eq!(u32::from(*luma), (sum + 8) / 16, "{column} {row}");
            } else {
                assert_eq!(*luma, before.luma[at], "{column} {row}");
            }
        }
        assert_ne!(picture.u, before.u);
        assert_ne!(picture.v, before.v);
    }

    #[test]
    fn an_area_of_any_kind_is_hidden_as_far_as_it_is_there() {
        for edges in [[-1.0, -1.0, 2.0, 2.0], [0.9, 0.9, 0.1, 0.1], [f32::NAN; 4], [0.99, 0.99, 1.0, 1.0]] {
            let mut picture = Picture::default();
            picture.copy(&uniform(7, 5, [120, 90, 200], false, false), 100);
            picture.pixelate(Rect::from(edges), 4);
            assert!(picture.luma.iter().all(|luma| *luma == 120) && picture.u.iter().all(|u| *u == 90), "{edges:?}");
        }
    }

    #[test]
    fn i420_and_nv12_give_the_same_colours_and_padding_is_left_out() {
        let nv12 = uniform(7, 5, [120, 90, 200], false, false);
        let mut bytes = vec![120; 35];
        bytes.extend(vec![90; 12]);
        bytes.extend(vec![200; 12]);
        let i420 = Frame::from_i420(7, 5, bytes).unwrap();
        let (mut a, mut b) = (Picture::default(), Picture::default());
        a.copy(&nv12, 100);
        b.copy(&i420, 100);
        assert_eq!(a.to_rgb(), b.to_rgb());
        assert_eq!(a.to_rgb().len(), 7 * 5 * 3);
    }

    #[test]
    fn each_value_is_the_mean_of_what_it_covers_however_it_is_stored() {
        let mut random = fastrand::Rng::with_seed(5);
        let (w, h) = (46usize, 22usize);
        let bytes: Vec<u8> = (0..w * h * 3 / 2).map(|_| random.u8(..)).collect();
        let i420 = Frame::from_i420(w as u32, h as u32, bytes.clone()).unwrap();
        let (luma, chroma) = bytes.split_at(w * h);
        let (u, v) = chroma.split_at(w * h / 4);
        let pairs: Vec<u8> = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).collect();
        let stored = Nv12 { luma: luma.to_vec(), chroma: pairs, stride: w };
        let nv12 = Frame::new(w as u32, h as u32, PixelFormat::Nv12, Arc::new(stored));
        for max_width in [46, 23, 16, 12, 5] {
            let (mut a, mut b) = (Picture::default(), Picture::default());
            a.copy(&i420, max_width);
            b.copy(&nv12, max_width);
            assert_eq!((&a.luma, &a.u, &a.v), (&b.luma, &b.u, &b.v), "{max_width}");
            let by = w.div_ceil(max_width as usize);
            let cell: u32 = (0..by)
                .flat_map(|y| (0..by).map(move |x| (x, y)))
                .map(|(x, y)| u32::from(luma[(by + y) * w + by + x]))
                .sum();
            let count = (by * by) as u32;
            assert_eq!(u32::from(a.luma[a.width + 1]), (cell + count / 2) / count, "{max_width}");
        }
    }

    #[test]
    fn wide_pictures_are_made_smaller_by_a_whole_number() {
        for (width, height, max, size) in
            [(1920, 1080, 1280, (960, 540)), (1280, 720, 1280, (1280, 720)), (101, 51, 40, (33, 17))]
        {
            let mut picture = Picture::default();
            picture.copy(&uniform(width, height, [120, 90, 200], false, false), max);
            assert_eq!((picture.width, picture.height), size);
            assert_eq!(picture.to_rgb().len(), size.0 * size.1 * 3);
            assert!(picture.luma.iter().all(|y| *y == 120) && picture.v.iter().all(|v| *v == 200), "{width}");
        }
    }
}
