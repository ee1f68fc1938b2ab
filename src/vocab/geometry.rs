//! Points, boxes, polygons and lines in normalised picture coordinates.
//!
//! `x` runs right and `y` down, both 0..1 over the whole source picture, so that zones and boxes survive a change of
//! resolution in mid-stream. Aspect matters only where distances are compared; those functions say so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point; `[x, y]` in JSON and YAML.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
#[schemars(with = "[f32; 2]")]
pub struct Point {
    /// Right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// The point `(x, y)`.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Whether both coordinates are finite and within 0..1.
    pub fn is_normalised(self) -> bool {
        (0.0..=1.0).contains(&self.x) && (0.0..=1.0).contains(&self.y)
    }
}

impl From<[f32; 2]> for Point {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Point> for [f32; 2] {
    fn from(p: Point) -> Self {
        [p.x, p.y]
    }
}

/// An axis-aligned box, `x1 <= x2` and `y1 <= y2`; `[x1, y1, x2, y2]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
#[schemars(with = "[f32; 4]")]
pub struct Rect {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
}

impl Rect {
    /// The box with these edges.
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// The box with this centre and size.
    pub fn from_centre(cx: f32, cy: f32, w: f32, h: f32) -> Self {
        Self::new(cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0)
    }

    /// Width, never negative.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height, never negative.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Area.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle of the box.
    pub fn centre(&self) -> Point {
        Point::new((self.x1 + self.x2) / 2.0, (self.y1 + self.y2) / 2.0)
    }

    /// Where an upright object stands: the middle of the lower edge. Zones and lines are tested with this point.
    pub fn foot(&self) -> Point {
        Point::new((self.x1 + self.x2) / 2.0, self.y2)
    }

    /// Whether `p` lies in it or on its edge.
    pub fn contains(&self, p: Point) -> bool {
        (self.x1..=self.x2).contains(&p.x) && (self.y1..=self.y2).contains(&p.y)
    }

    /// The part that both boxes cover; empty boxes have zero width or height.
    pub fn intersection(&self, other: &Self) -> Self {
        let (x1, y1) = (self.x1.max(other.x1), self.y1.max(other.y1));
        Self::new(x1, y1, self.x2.min(other.x2).max(x1), self.y2.min(other.y2).max(y1))
    }

    /// Intersection over union, 0..1; 0 when either box is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other).area();
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The box cut to the picture, 0..1.
    pub fn clamped(&self) -> Self {
        Self::new(self.x1.clamp(0.0, 1.0), self.y1.clamp(0.0, 1.0), self.x2.clamp(0.0, 1.0), self.y2.clamp(0.0, 1.0))
    }

    /// Whether all four edges are finite.
    pub fn is_finite(&self) -> bool {
        self.x1.is_finite() && self.y1.is_finite() && self.x2.is_finite() && self.y2.is_finite()
    }
}

impl From<[f32; 4]> for Rect {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

impl From<Rect> for [f32; 4] {
    fn from(r: Rect) -> Self {
        [r.x1, r.y1, r.x2, r.y2]
    }
}

/// A simple polygon of 3 to 64 normalised points that encloses an area.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Polygon(Vec<Point>);

/// Why a list of points is not a [`Polygon`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolygonError {
    /// Fewer than 3 or more than 64 points.
    #[error("a polygon has 3 to 64 points, found {0}")]
    Count(usize),
    /// A coordinate outside 0..1.
    #[error("point {index} is ({x}, {y}); both coordinates must lie in 0..1")]
    OutOfRange {
        /// Which point, from 0.
        index: usize,
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
    },
    /// The points lie on one line.
    #[error("the points lie on one line and enclose nothing")]
    NoArea,
    /// Two edges cross.
    #[error("edges {0} and {1} cross; list the corners in order around the zone")]
    Crossing(usize, usize),
}

impl Polygon {
    /// Checks the points and makes them a polygon.
    pub fn new(points: Vec<Point>) -> Result<Self, PolygonError> {
        if !(3..=64).contains(&points.len()) {
            return Err(PolygonError::Count(points.len()));
        }
        if let Some((index, p)) = points.iter().enumerate().find(|(_, p)| !p.is_normalised()) {
            return Err(PolygonError::OutOfRange { index, x: p.x, y: p.y });
        }
        let polygon = Self(points);
        if let Some((a, b)) = polygon.first_crossing() {
            return Err(PolygonError::Crossing(a, b));
        }
        if polygon.signed_area().abs() < 1e-6 {
            return Err(PolygonError::NoArea);
        }
        Ok(polygon)
    }

    /// The whole picture.
    pub fn whole_picture() -> Self {
        Self(vec![Point::new(0.0, 0.0), Point::new(1.0, 0.0), Point::new(1.0, 1.0), Point::new(0.0, 1.0)])
    }

    /// Its share of the picture, 0..1.
    pub fn area(&self) -> f32 {
        self.signed_area().abs()
    }

    /// The corners in order.
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// Whether `p` lies inside or on the border (to within 1e-6), by the even-odd rule. Points a box can only reach
    /// by leaving the picture, such as the feet of someone cut off by the lower edge, count where they leave it: `p`
    /// is first moved onto the picture.
    pub fn contains(&self, p: Point) -> bool {
        let p = Point::new(p.x.clamp(0.0, 1.0), p.y.clamp(0.0, 1.0));
        let mut inside = false;
        for edge in self.edges() {
            if edge.touches(p) {
                return true;
            }
            let (a, b) = (edge.from, edge.to);
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
        }
        inside
    }

    fn edges(&self) -> impl Iterator<Item = Segment> + '_ {
        let n = self.0.len();
        (0..n).map(move |i| Segment { from: self.0[i], to: self.0[(i + 1) % n] })
    }

    fn first_crossing(&self) -> Option<(usize, usize)> {
        let edges: Vec<Segment> = self.edges().collect();
        let n = edges.len();
        let pairs = (0..n).flat_map(|a| (a + 2..n).map(move |b| (a, b)));
        pairs.filter(|&(a, b)| !(a == 0 && b == n - 1)).find(|&(a, b)| edges[a].crosses(&edges[b]))
    }

    fn signed_area(&self) -> f32 {
        self.edges().map(|e| e.from.x * e.to.y - e.to.x * e.from.y).sum::<f32>() / 2.0
    }
}

/// A directed line from one point to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// Where it starts.
    pub from: Point,
    /// Where it ends.
    pub to: Point,
}

/// On which side of a directed line a point lies, seen while walking from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the left hand.
    Left,
    /// To the right hand.
    Right,
}

impl Segment {
    /// Twice the signed area of the triangle `from, to, p`: positive to the right, negative to the left (y is down).
    pub fn cross(&self, p: Point) -> f32 {
        (self.to.x - self.from.x) * (p.y - self.from.y) - (self.to.y - self.from.y) * (p.x - self.from.x)
    }

    /// The side of `p`, or `None` when it lies on the (endless) line.
    pub fn side(&self, p: Point) -> Option<Side> {
        let c = self.cross(p);
        if c > 0.0 {
            Some(Side::Right)
        } else if c < 0.0 {
            Some(Side::Left)
        } else {
            None
        }
    }

    /// Whether the two pieces cross at a point inside both.
    pub fn crosses(&self, other: &Self) -> bool {
        let apart = |s: &Self, a: Point, b: Point| s.cross(a) * s.cross(b) < 0.0;
        apart(self, other.from, other.to) && apart(other, self.from, self.to)
    }

    /// Length in normalised units, without regard to the aspect of the picture.
    pub fn length(&self) -> f32 {
        (self.to.x - self.from.x).hypot(self.to.y - self.from.y)
    }

    fn touches(&self, p: Point) -> bool {
        let length = self.length();
        if length < 1e-9 {
            return (p.x - self.from.x).hypot(p.y - self.from.y) < 1e-6;
        }
        let along = ((p.x - self.from.x) * (self.to.x - self.from.x) + (p.y - self.from.y) * (self.to.y - self.from.y))
            / (length * length);
        (-1e-6..=1.0 + 1e-6).contains(&along) && self.cross(p).abs() / length < 1e-6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn polygon(points: &[[f32; 2]]) -> Result<Polygon, PolygonError> {
        Polygon::new(points.iter().copied().map(Point::from).collect())
    }

    #[test]
    fn a_concave_zone_holds_what_is_inside_its_notch_outside() {
        let zone = polygon(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.4], [0.0, 1.0]]).unwrap();
        assert!(zone.contains(Point::new(0.5, 0.2)));
        assert!(!zone.contains(Point::new(0.5, 0.9)));
    }

    #[test]
    fn the_border_belongs_to_the_zone_and_feet_below_the_picture_count_at_its_edge() {
        let zone = Polygon::whole_picture();
        for p in [[0.0, 0.0], [1.0, 1.0], [0.5, 1.0], [0.5, 1.2], [-0.1, 0.5]] {
            assert!(zone.contains(p.into()), "{p:?}");
        }
    }

    #[test]
    fn faulty_polygons_say_what_is_wrong() {
        assert_eq!(polygon(&[[0.0, 0.0], [1.0, 1.0]]), Err(PolygonError::Count(2)));
        assert_eq!(polygon(&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]), Err(PolygonError::NoArea));
        assert_eq!(polygon(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), Err(PolygonError::Crossing(0, 2)));
        assert!(matches!(
            polygon(&[[0.0, 0.0], [1.5, 0.0], [1.0, 1.0]]),
            Err(PolygonError::OutOfRange { index: 1, .. })
        ));
        assert!(matches!(polygon(&[[0.0, 0.0], [f32::NAN, 0.0], [1.0, 1.0]]), Err(PolygonError::OutOfRange { .. })));
    }

    #[test]
    fn walking_east_the_right_hand_is_south() {
        let line = Segment { from: Point::new(0.0, 0.5), to: Point::new(1.0, 0.5) };
        assert_eq!(line.side(Point::new(0.5, 0.9)), Some(Side::Right));
        assert_eq!(line.side(Point::new(0.5, 0.1)), Some(Side::Left));
        assert_eq!(line.side(Point::new(0.5, 0.5)), None);
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_bounded_and_one_with_itself(a in any_rect(), b in any_rect()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&iou));
            prop_assert!((iou - b.iou(&a)).abs() < 1e-6);
            prop_assert!((a.iou(&a) - 1.0).abs() < 1e-5);
        }
    }

    fn any_rect() -> impl Strategy<Value = Rect> {
        (0.0f32..0.9, 0.0f32..0.9, 0.01f32..0.5, 0.01f32..0.5).prop_map(|(x, y, w, h)| Rect::new(x, y, x + w, y + h))
    }
}
