//! A heat map drawn over the camera's picture, which is faded to grey: warm where somebody stood for long, with a stroke
//! that points the way people went.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

use super::canvas::{Canvas, Rgb};
use crate::vocab::{HEAT_COLUMNS, HEAT_ROWS, HeatMap};

/// Cells along each side of the square that has one stroke.
const SQUARE: usize = 4;
/// The share of the longest stay below which a square has no stroke.
const FAINT: f32 = 0.02;
/// Movement, in widths of the picture a second, of which a stroke is as long as its square.
const BRISK: f32 = 0.1;
/// From the coolest to the warmest.
const COLOURS: [Rgb; 4] = [[40, 90, 255], [40, 200, 120], [255, 220, 40], [240, 40, 30]];

/// Draws `map` over `canvas`.
pub fn draw(canvas: &mut Canvas, map: &HeatMap) {
    fade(canvas);
    let most = map.most();
    if most <= 0.0 {
        return;
    }
    // The root, or a single bench would leave nothing of the path beside it.
    let warmth: Vec<f32> = map.dwell.iter().map(|dwell| (dwell / most).sqrt()).collect();
    let (width, height) = (canvas.width, canvas.height);
    for (at, pixel) in canvas.rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = ((at % width) as f32 / width as f32, (at / width) as f32 / height as f32);
        let warm = between(&warmth, x, y);
        if warm > 0.0 {
            let (colour, cover) = (colour(warm), (0.25 + 0.55 * warm).min(warm * 8.0));
            pixel.iter_mut().zip(colour).for_each(|(value, colour)| *value = mixed(*value, colour, cover));
        }
    }
    for square in 0..(HEAT_COLUMNS / SQUARE) * (HEAT_ROWS / SQUARE) {
        stroke(canvas, map, most, square);
    }
}

/// PNG. `None` where the picture is empty.
pub fn png(canvas: &Canvas) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    let (width, height) = (u32::try_from(canvas.width).ok()?, u32::try_from(canvas.height).ok()?);
    encoder.write_image(&canvas.rgb, width, height, ExtendedColorType::Rgb8).ok()?;
    Some(bytes)
}

fn fade(canvas: &mut Canvas) {
    for pixel in canvas.rgb.as_chunks_mut::<3>().0 {
        let [r, g, b] = pixel.map(u32::from);
        let grey = (r * 299 + g * 587 + b * 114) / 1000;
        // In steps of four, which nobody sees and PNG makes much smaller.
        *pixel = [((70 + grey / 2) & !3) as u8; 3];
    }
}

/// The value between the middles of the cells around a place.
fn between(cells: &[f32], x: f32, y: f32) -> f32 {
    let place = |part: f32, of: usize| {
        let at = (part * of as f32 - 0.5).clamp(0.0, (of - 1) as f32);
        (at as usize, (at as usize + 1).min(of - 1), at.fract())
    };
    let ((left, right, across), (top, bottom, down)) = (place(x, HEAT_COLUMNS), place(y, HEAT_ROWS));
    let row = |row: usize| {
        let cells = &cells[row * HEAT_COLUMNS..(row + 1) * HEAT_COLUMNS];
        cells[left] + (cells[right] - cells[left]) * across
    };
    row(top) + (row(bottom) - row(top)) * down
}

fn colour(warm: f32) -> Rgb {
    let at = warm.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let low = (at as usize).min(COLOURS.len() - 2);
    let (from, to) = (COLOURS[low], COLOURS[low + 1]);
    std::array::from_fn(|i| mixed(from[i], to[i], at - low as f32))
}

fn mixed(from: u8, to: u8, part: f32) -> u8 {
    (f32::from(from) + (f32::from(to) - f32::from(from)) * part).round() as u8
}

/// The mean way in one square, as a stroke from its middle with a thick end.
fn stroke(canvas: &mut Canvas, map: &HeatMap, most: f32, square: usize) {
    let across = HEAT_COLUMNS / SQUARE;
    let (left, top) = (square % across * SQUARE, square / across * SQUARE);
    let (mut dwell, mut flow) = (0.0f32, [0.0f32; 2]);
    for cell in (0..SQUARE * SQUARE).map(|i| (top + i / SQUARE) * HEAT_COLUMNS + left + i % SQUARE) {
        dwell += map.dwell[cell];
        flow[0] += map.flow[cell][0] * map.dwell[cell];
        flow[1] += map.flow[cell][1] * map.dwell[cell];
    }
    if dwell < FAINT * most {
        return;
    }
    let (wide, high) = (canvas.width as f32, canvas.height as f32);
    // In pixels a second.
    let (dx, dy) = (flow[0] / dwell * wide, flow[1] / dwell * high);
    let pace = (dx * dx + dy * dy).sqrt();
    let side = SQUARE as f32 / HEAT_COLUMNS as f32 * wide;
    let length = (pace / (BRISK * wide)).min(1.0) * side;
    if length < 3.0 {
        return;
    }
    let x = (left + SQUARE / 2) as f32 / HEAT_COLUMNS as f32 * wide;
    let y = (top + SQUARE / 2) as f32 / HEAT_ROWS as f32 * high;
    let steps = length.ceil() as usize;
    for step in 0..=steps {
        let part = step as f32 / steps as f32 * length / pace;
        canvas.dot(x + dx * part, y + dy * part, if step == steps { 5 } else { 2 }, [20, 20, 24]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::vocab::WallTime;

    fn map(warm: &[(usize, f32, [f32; 2])]) -> HeatMap {
        let cells = HEAT_COLUMNS * HEAT_ROWS;
        let mut map = HeatMap {
            from: WallTime::default(),
            until: WallTime::default(),
            watched: Duration::from_secs(3600),
            tracks: 1,
            dwell: vec![0.0; cells],
            flow: vec![[0.0; 2]; cells],
        };
        for (cell, dwell, flow) in warm {
            (map.dwell[*cell], map.flow[*cell]) = (*dwell, *flow);
        }
        map
    }

    fn pixel(canvas: &Canvas, x: usize, y: usize) -> Rgb {
        let at = (y * canvas.width + x) * 3;
        [canvas.rgb[at], canvas.rgb[at + 1], canvas.rgb[at + 2]]
    }

    fn canvas() -> Canvas {
        Canvas { width: 640, height: 360, rgb: [200, 30, 60].repeat(640 * 360) }
    }

    #[test]
    fn it_is_red_where_most_was_blue_where_little_was_and_grey_elsewhere() {
        let (hot, cool) = (10 * HEAT_COLUMNS + 10, 20 * HEAT_COLUMNS + 40);
        let mut drawn = canvas();
        draw(&mut drawn, &map(&[(hot, 300.0, [0.0; 2]), (cool, 3.0, [0.0; 2])]));
        let ([r, g, b], [cr, cg, cb]) = (pixel(&drawn, 105, 105), pixel(&drawn, 405, 205));
        assert!(r > 180 && r > g + 80 && r > b + 80, "{r} {g} {b}");
        assert!(cb > cr && cb > cg, "{cr} {cg} {cb}");
        let [r, g, b] = pixel(&drawn, 600, 20);
        assert!(r == g && g == b, "{r} {g} {b}");
    }

    #[test]
    fn a_stroke_points_the_way_people_went() {
        let row = 18 * HEAT_COLUMNS;
        let warm: Vec<_> = (0..HEAT_COLUMNS).map(|column| (row + column, 5.0, [0.1, 0.0])).collect();
        let mut drawn = canvas();
        draw(&mut drawn, &map(&warm));
        let dark = |x: usize, y: usize| pixel(&drawn, x, y) == [20, 20, 24];
        // The square of cells 32 to 35 has its middle at (340, 180); its stroke is 40 pixels long.
        assert!(dark(345, 180) && dark(378, 180) && !dark(330, 200), "a stroke to the right");
        assert!(dark(379, 182), "with a thick end");
    }

    #[test]
    fn a_map_of_nobody_is_a_grey_picture_and_every_map_is_a_png() {
        let mut drawn = canvas();
        draw(&mut drawn, &map(&[]));
        assert!(drawn.rgb.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b));
        let bytes = png(&drawn).unwrap();
        let read = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
        assert_eq!((read.width(), read.height()), (640, 360));
    }
}
