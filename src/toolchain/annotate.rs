//! Draws what a detector saw onto a copy of the picture.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use crate::detect::Picture;
use crate::detect::letterbox::{Fit, Layout, Letterbox, Order, Preprocess};
use crate::vocab::Detection;

/// Colours that tell classes apart, by class index.
const COLOURS: [[u8; 3]; 8] = [
    [255, 64, 64],
    [64, 200, 64],
    [64, 128, 255],
    [255, 180, 0],
    [220, 64, 220],
    [0, 200, 200],
    [255, 255, 64],
    [255, 128, 128],
];

/// Where the annotated picture of frame `frame` of `source` goes: `<name>-<frame>.jpg`.
pub fn path_in(folder: &Path, source: &str, frame: u64) -> PathBuf {
    let stem = Path::new(source).file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy());
    let safe: String = stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    folder.join(format!("{safe}-{frame:06}.jpg"))
}

/// The picture in RGB with a box around every detection, as thick as a 300th of the picture's height.
pub fn draw(picture: &Picture, detections: &[Detection]) -> RgbImage {
    let mut canvas = to_rgb(picture);
    let (width, height) = canvas.dimensions();
    let thickness = (height / 300).max(2);
    for detection in detections {
        let colour = Rgb(COLOURS[usize::from(detection.class) % COLOURS.len()]);
        let edges = detection.bbox.clamped();
        let pixel = |share: f32, side: u32| ((share * side as f32) as u32).min(side - 1);
        let (x1, x2) = (pixel(edges.x1, width), pixel(edges.x2, width));
        let (y1, y2) = (pixel(edges.y1, height), pixel(edges.y2, height));
        for inset in 0..thickness {
            frame(&mut canvas, (x1 + inset, y1 + inset), (x2.saturating_sub(inset), y2.saturating_sub(inset)), colour);
        }
    }
    canvas
}

fn frame(canvas: &mut RgbImage, (x1, y1): (u32, u32), (x2, y2): (u32, u32), colour: Rgb<u8>) {
    if x1 > x2 || y1 > y2 {
        return;
    }
    for x in x1..=x2 {
        canvas.put_pixel(x, y1, colour);
        canvas.put_pixel(x, y2, colour);
    }
    for y in y1..=y2 {
        canvas.put_pixel(x1, y, colour);
        canvas.put_pixel(x2, y, colour);
    }
}

/// A letterbox of the picture's own size is a colour conversion.
fn to_rgb(picture: &Picture) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [1.0; 3] };
    let mut letterbox = Letterbox::new(width, height, Layout::Nhwc, preprocess);
    let mut bytes = vec![0u8; letterbox.len()];
    // A picture that was looked at has passed the same checks.
    let _ = letterbox.draw(picture, &mut bytes);
    RgbImage::from_raw(width, height, bytes).expect("the letterbox has three bytes per pixel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::RgbPicture;
    use crate::vocab::Rect;

    #[test]
    fn a_box_is_drawn_where_it_is_even_past_the_edge() {
        let picture = Picture::Rgb(RgbPicture::new(40, 30, vec![0; 40 * 30 * 3]).unwrap());
        let detection = |bbox| Detection::new(0, 0.9, bbox);
        let drawn =
            draw(&picture, &[detection(Rect::new(0.25, 0.2, 0.5, 0.8)), detection(Rect::new(0.9, -1.0, 7.0, 9.0))]);
        assert_eq!(drawn.get_pixel(10, 6).0, COLOURS[0]);
        assert_eq!(drawn.get_pixel(15, 15).0, [0, 0, 0]);
        assert_eq!(drawn.get_pixel(39, 29).0, COLOURS[0]);
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        assert_eq!(path_in(Path::new("/out"), "../../etc/a b.jpg", 7), Path::new("/out/a_b-000007.jpg"));
        assert_eq!(path_in(Path::new("/out"), "rtsp://host/..", 0), Path::new("/out/picture-000000.jpg"));
    }
}
