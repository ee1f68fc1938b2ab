//! 4:2:0 pictures: a packed, smaller copy of a frame, and its colours as RGB.

use crate::vocab::{Frame, PixelFormat, Plane, Point, Polygon};

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
    use std::sync::Arc;

    use super::*;
    use crate::vocab::FrameBytes;

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
