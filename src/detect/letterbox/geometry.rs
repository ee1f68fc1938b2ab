//! Where a picture lies in a tensor, and the way back from the tensor to the picture.

use crate::vocab::{Point, Rect};

/// How a picture is laid into a tensor of another shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// Scaled by one factor into the upper left corner; the rest is padding of this value, 0..255.
    TopLeft(f32),
    /// Scaled by one factor into the middle; the rest is padding of this value, 0..255.
    Centre(f32),
    /// Stretched over the whole tensor.
    Stretch,
}

impl Fit {
    /// The value of the padding, 0..255.
    pub fn padding(self) -> f32 {
        match self {
            Self::TopLeft(value) | Self::Centre(value) => value,
            Self::Stretch => 0.0,
        }
    }
}

/// The part of a tensor that a picture covers, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Columns of padding to the left.
    pub left: u32,
    /// Rows of padding above.
    pub top: u32,
    /// Columns the picture covers, at least 1.
    pub width: u32,
    /// Rows the picture covers, at least 1.
    pub height: u32,
}

impl Geometry {
    /// Lays a picture of `source` (width, height) into a tensor of `target`. Sides are rounded down in the corner, as
    /// YOLOX does, and to the nearest in the middle, as Ultralytics does.
    pub fn new(source: (u32, u32), target: (u32, u32), fit: Fit) -> Self {
        let scale = (f64::from(target.0) / f64::from(source.0)).min(f64::from(target.1) / f64::from(source.1));
        let scaled = |side: u32, limit: u32, round: fn(f64) -> f64| {
            // The small amount keeps 416.0 from becoming 415.99999 and then 415.
            (round(f64::from(side) * scale + 1e-9) as u32).clamp(1, limit.max(1))
        };
        match fit {
            Fit::Stretch => Self { left: 0, top: 0, width: target.0.max(1), height: target.1.max(1) },
            Fit::TopLeft(_) => {
                let (width, height) = (scaled(source.0, target.0, f64::floor), scaled(source.1, target.1, f64::floor));
                Self { left: 0, top: 0, width, height }
            }
            Fit::Centre(_) => {
                let (width, height) = (scaled(source.0, target.0, f64::round), scaled(source.1, target.1, f64::round));
                Self { left: (target.0 - width) / 2, top: (target.1 - height) / 2, width, height }
            }
        }
    }

    /// A place in tensor pixels as a place over the picture, normalised.
    pub fn point_to_picture(&self, place: Point) -> Point {
        Point::new((place.x - self.left as f32) / self.width as f32, (place.y - self.top as f32) / self.height as f32)
    }

    /// A box in tensor pixels as a box over the picture, normalised.
    pub fn to_picture(&self, tensor_box: Rect) -> Rect {
        let (left, top) = (self.left as f32, self.top as f32);
        let (width, height) = (self.width as f32, self.height as f32);
        Rect::new(
            (tensor_box.x1 - left) / width,
            (tensor_box.y1 - top) / height,
            (tensor_box.x2 - left) / width,
            (tensor_box.y2 - top) / height,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wide_picture_is_padded_below_or_on_both_sides() {
        let corner = Geometry::new((1920, 1080), (416, 416), Fit::TopLeft(114.0));
        assert_eq!(corner, Geometry { left: 0, top: 0, width: 416, height: 234 });
        let middle = Geometry::new((1920, 1080), (640, 640), Fit::Centre(114.0));
        assert_eq!(middle, Geometry { left: 0, top: 140, width: 640, height: 360 });
        let stretched = Geometry::new((1920, 1080), (320, 240), Fit::Stretch);
        assert_eq!(stretched, Geometry { left: 0, top: 0, width: 320, height: 240 });
    }

    #[test]
    fn the_whole_drawn_area_is_the_whole_picture() {
        let geometry = Geometry { left: 0, top: 140, width: 640, height: 360 };
        assert_eq!(geometry.to_picture(Rect::new(0.0, 140.0, 640.0, 500.0)), Rect::new(0.0, 0.0, 1.0, 1.0));
        assert_eq!(geometry.to_picture(Rect::new(320.0, 230.0, 480.0, 320.0)), Rect::new(0.5, 0.25, 0.75, 0.5));
    }

    proptest! {
        #[test]
        fn a_picture_always_lies_inside_the_tensor_and_touches_two_edges(
            source in (1u32..5000, 1u32..5000), target in (1u32..2000, 1u32..2000), centred in any::<bool>(),
        ) {
            let fit = if centred { Fit::Centre(0.0) } else { Fit::TopLeft(0.0) };
            let g = Geometry::new(source, target, fit);
            prop_assert!(g.width >= 1 && g.height >= 1);
            prop_assert!(g.left + g.width <= target.0 && g.top + g.height <= target.1);
            prop_assert!(g.width == target.0 || g.height == target.1);
        }
    }
}
