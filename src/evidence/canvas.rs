//! Draws boxes and words on an RGB picture.

use super::font;
use crate::vocab::Rect;

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// An RGB picture, three bytes a pixel.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// The bytes, row by row.
    pub rgb: Vec<u8>,
}

impl Canvas {
    /// Draws a box around `bbox` and `text` on a label at its upper edge, in a colour that the first word decides.
    pub fn mark(&mut self, bbox: Rect, text: &str) {
        let bbox = if bbox.is_finite() { bbox.clamped() } else { Rect::default() };
        let at = |part: f32, of: usize| ((part * of as f32) as usize).min(of.saturating_sub(1));
        let (left, right) = (at(bbox.x1, self.width), at(bbox.x2, self.width));
        let (top, bottom) = (at(bbox.y1, self.height), at(bbox.y2, self.height));
        let thick = (self.width / 320).max(2);
        let colour = colour_of(text.split(' ').next().unwrap_or_default());
        self.fill(left..right + 1, top..top + thick, colour);
        self.fill(left..right + 1, bottom.saturating_sub(thick - 1)..bottom + 1, colour);
        self.fill(left..left + thick, top..bottom + 1, colour);
        self.fill(right.saturating_sub(thick - 1)..right + 1, top..bottom + 1, colour);
        self.label(left, top, text, colour);
    }

    /// Draws a square of `size` pixels with its middle at `x` and `y`, as far as that is inside.
    pub fn dot(&mut self, x: f32, y: f32, size: usize, colour: Rgb) {
        let from = |middle: f32| (middle - size as f32 / 2.0).round().max(0.0) as usize;
        let (left, top) = (from(x), from(y));
        self.fill(left..left + size, top..top + size, colour);
    }

    fn label(&mut self, left: usize, top: usize, text: &str, colour: Rgb) {
        let dot = (self.width / 384).max(1);
        let (wide, high) = (text.chars().count() * 6 * dot + 3 * dot, 11 * dot);
        // Above the box where there is room, else inside it; and never beyond the right edge.
        let y = if top >= high { top - high } else { top };
        let x = left.min(self.width.saturating_sub(wide));
        self.fill(x..x + wide, y..y + high, colour);
        let ink = if brightness(colour) > 128 { [16, 18, 22] } else { [255, 255, 255] };
        for (i, character) in text.chars().enumerate() {
            for (row, bits) in font::dots(character).into_iter().enumerate() {
                for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let (px, py) = (x + (2 + i * 6 + column) * dot, y + (2 + row) * dot);
                    self.fill(px..px + dot, py..py + dot, ink);
                }
            }
        }
    }

    fn fill(&mut self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, colour: Rgb) {
        let end = columns.end.min(self.width);
        // A box may be inside out.
        let columns = columns.start.min(end)..end;
        for row in rows.start.min(self.height)..rows.end.min(self.height) {
            let line = &mut self.rgb[row * self.width * 3..][columns.start * 3..columns.end * 3];
            line.as_chunks_mut::<3>().0.fill(colour);
        }
    }

    /// The picture at `width` pixels across, each the mean of what it covers; `width` is at most the present one.
    pub fn scaled(&self, width: usize) -> Self {
        let width = width.clamp(1, self.width.max(1));
        let height = (self.height * width / self.width.max(1)).max(1);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let rows = y * self.height / height..((y + 1) * self.height / height).max(y * self.height / height + 1);
            for x in 0..width {
                let columns = x * self.width / width..((x + 1) * self.width / width).max(x * self.width / width + 1);
                let mut sum = [0u32; 3];
                for row in rows.clone() {
                    let line = &self.rgb[(row * self.width + columns.start) * 3..(row * self.width + columns.end) * 3];
                    for pixel in line.as_chunks::<3>().0 {
                        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                    }
                }
                let count = (rows.len() * columns.len()) as u32;
                rgb.extend(sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Self { width, height, rgb }
    }
}

/// One of eight colours that are told apart on any ground.
fn colour_of(label: &str) -> Rgb {
    const COLOURS: [Rgb; 8] = [
        [255, 196, 0],
        [0, 200, 255],
        [80, 220, 100],
        [255, 96, 96],
        [200, 130, 255],
        [255, 150, 40],
        [60, 140, 255],
        [240, 110, 200],
    ];
    match label {
        "person" => COLOURS[0],
        "vehicle" | "car" => COLOURS[1],
        other => COLOURS[other.bytes().fold(0usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(b))) % 8],
    }
}

fn brightness([r, g, b]: Rgb) -> u32 {
    (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grey(width: usize, height: usize) -> Canvas {
        Canvas { width, height, rgb: vec![100; width * height * 3] }
    }

    fn pixel(canvas: &Canvas, x: usize, y: usize) -> Rgb {
        let at = (y * canvas.width + x) * 3;
        [canvas.rgb[at], canvas.rgb[at + 1], canvas.rgb[at + 2]]
    }

    #[test]
    fn a_box_is_drawn_on_its_edges_and_not_within() {
        let mut canvas = grey(400, 200);
        canvas.mark(Rect::new(0.25, 0.5, 0.75, 0.9), "person 87%");
        assert_eq!(pixel(&canvas, 100, 150), [255, 196, 0]);
        assert_eq!(pixel(&canvas, 300, 150), [255, 196, 0]);
        assert_eq!(pixel(&canvas, 200, 180), [255, 196, 0]);
        assert_eq!(pixel(&canvas, 200, 150), [100, 100, 100]);
        let ink = (100..300)
            .flat_map(|x| (85..100).map(move |y| (x, y)))
            .filter(|&(x, y)| pixel(&canvas, x, y) == [16, 18, 22]);
        assert!(ink.count() > 80, "the label has letters");
    }

    #[test]
    fn scaling_keeps_means() {
        let mut canvas = grey(100, 50);
        canvas.rgb.chunks_mut(6).for_each(|pair| pair[..3].fill(200));
        let small = canvas.scaled(50);
        assert_eq!((small.width, small.height), (50, 25));
        assert!(small.rgb.iter().all(|v| *v == 150), "{:?}", &small.rgb[..6]);
    }

    proptest! {
        #[test]
        fn no_box_and_no_text_leave_the_picture(
            edges in prop::array::uniform4(prop_oneof![-2.0f32..3.0, Just(f32::NAN), Just(f32::INFINITY)]),
            text in ".{0,40}", width in 1usize..90, height in 1usize..70, to in 1usize..100,
        ) {
            let mut canvas = grey(width, height);
            canvas.mark(Rect::from(edges), &text);
            prop_assert_eq!(canvas.rgb.len(), width * height * 3);
            let small = canvas.scaled(to);
            prop_assert_eq!(small.rgb.len(), small.width * small.height * 3);
        }
    }
}
