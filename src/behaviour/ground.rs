//! The ground before a camera: where in the picture is where on a flat ground, in metres.
//!
//! Four points of the picture whose places on the ground are known fix the projection (a homography, the composition of
//! the map from the picture's quadrilateral to the unit square and of that from the square to the ground's; P. Heckbert,
//! *Fundamentals of Texture Mapping*, 1989). It holds for everything that stands on that ground, so it is asked with feet.
//! Towards the horizon a pixel becomes many metres, and there it says nothing.

use crate::vocab::{Point, Polygon};

/// What lies farther away than so many times the middle of the four points is not measured.
const FARTHEST: f64 = 20.0;

/// The smallest area that the four points may enclose, in pictures and in square metres.
const LEAST_AREA: (f64, f64) = (1e-3, 1e-2);

/// The least sine of the angle at a corner: less is a triangle, whose projection a trembling hand decides.
const LEAST_SINE: f64 = 0.02;

/// A flat ground and how the camera sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// From `(x, y, 1)` in the picture to the ground, scaled so that the middle of the four points has a depth of 1.
    map: [[f64; 3]; 3],
}

/// Why four points do not describe a ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroundError {
    /// The four points of the picture are no convex outline.
    #[error("the four points of the picture must be the corners of a convex outline, in order")]
    Points,
    /// The four places on the ground are no convex outline.
    #[error("the four places on the ground must be the corners of a convex outline, in order")]
    Metres,
}

impl Ground {
    /// The ground on which the corner `points[i]` of the picture (0..1) lies at `metres[i]`. The corners go around, either
    /// way; the origin and the directions of the metres are yours to choose.
    ///
    /// # Errors
    /// When either outline is not convex, or encloses next to nothing.
    pub fn new(points: [Point; 4], metres: [[f64; 2]; 4]) -> Result<Self, GroundError> {
        let picture = points.map(|p| [f64::from(p.x), f64::from(p.y)]);
        if !is_sound(&picture, LEAST_AREA.0) {
            return Err(GroundError::Points);
        }
        if !is_sound(&metres, LEAST_AREA.1) {
            return Err(GroundError::Metres);
        }
        let mut map = product(&from_square(&metres), &adjugate(&from_square(&picture)));
        let middle = [0, 1].map(|axis| picture.iter().map(|p| p[axis]).sum::<f64>() / 4.0);
        let depth = apply(&map, middle)[2];
        map.iter_mut().flatten().for_each(|entry| *entry /= depth);
        Ok(Self { map })
    }

    /// Where on the ground, in metres, the point of the picture is; none at the horizon, above it, and far away.
    pub fn metres(&self, p: Point) -> Option<(f32, f32)> {
        let [x, y, depth] = apply(&self.map, [f64::from(p.x), f64::from(p.y)]);
        (depth >= 1.0 / FARTHEST).then(|| ((x / depth) as f32, (y / depth) as f32))
    }

    /// From `(x, y, 1)` on the ground to the picture (0..1), its last positive for what is before the camera: the middle of
    /// the four points is.
    pub(super) fn to_picture(&self) -> [[f64; 3]; 3] {
        let mut back = adjugate(&self.map);
        // The map gives that middle a depth of 1; the way back gives it the determinant, by which the two undo each other.
        let determinant: f64 = (0..3).map(|k| self.map[0][k] * back[k][0]).sum();
        back.iter_mut().flatten().for_each(|entry| *entry /= determinant);
        back
    }

    /// The area of a zone in square metres; none where it reaches to the horizon.
    pub fn area(&self, zone: &Polygon) -> Option<f32> {
        let corners: Vec<(f32, f32)> = zone.points().iter().map(|p| self.metres(*p)).collect::<Option<_>>()?;
        let next = corners.iter().cycle().skip(1);
        let twice: f32 = corners.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        Some(twice.abs() / 2.0)
    }
}

/// Whether the corners go around something convex of some size, with no corner that is all but straight.
fn is_sound(corners: &[[f64; 2]; 4], least_area: f64) -> bool {
    if !corners.iter().flatten().all(|c| c.is_finite()) {
        return false;
    }
    let turn = |i: usize| {
        let [a, b, c] = [corners[i], corners[(i + 1) % 4], corners[(i + 2) % 4]];
        let (u, v) = ([b[0] - a[0], b[1] - a[1]], [c[0] - b[0], c[1] - b[1]]);
        (u[0] * v[1] - u[1] * v[0]) / (u[0].hypot(u[1]) * v[0].hypot(v[1]))
    };
    let turns = [0, 1, 2, 3].map(turn);
    let same_way = turns.iter().all(|t| *t >= LEAST_SINE) || turns.iter().all(|t| *t <= -LEAST_SINE);
    let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - b[0] * a[1];
    let twice: f64 = (0..4).map(|i| cross(corners[i], corners[(i + 1) % 4])).sum();
    same_way && twice.abs() / 2.0 >= least_area
}

/// From the unit square (0,0), (1,0), (1,1), (0,1) to the corners.
fn from_square([p0, p1, p2, p3]: &[[f64; 2]; 4]) -> [[f64; 3]; 3] {
    let (u, v) = ([p1[0] - p2[0], p1[1] - p2[1]], [p3[0] - p2[0], p3[1] - p2[1]]);
    let skew = [p0[0] - p1[0] + p2[0] - p3[0], p0[1] - p1[1] + p2[1] - p3[1]];
    let determinant = u[0] * v[1] - v[0] * u[1];
    let g = (skew[0] * v[1] - v[0] * skew[1]) / determinant;
    let h = (u[0] * skew[1] - skew[0] * u[1]) / determinant;
    let row = |axis: usize| [p1[axis] - p0[axis] + g * p1[axis], p3[axis] - p0[axis] + h * p3[axis], p0[axis]];
    [row(0), row(1), [g, h, 1.0]]
}

/// The inverse but for a factor, which does not matter to a projection.
fn adjugate(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| minor(c, r)))
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * b[k][c]).sum()))
}

fn apply(m: &[[f64; 3]; 3], p: [f64; 2]) -> [f64; 3] {
    m.map(|row| row[0] * p[0] + row[1] * p[1] + row[2])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROAD: [[f64; 2]; 4] = [[0.0, 0.0], [8.0, 0.0], [8.0, 20.0], [0.0, 20.0]];

    fn road() -> Ground {
        let points = [[0.1, 0.9], [0.9, 0.9], [0.65, 0.4], [0.35, 0.4]].map(Point::from);
        Ground::new(points, ROAD).unwrap()
    }

    fn close(a: Option<(f32, f32)>, b: (f32, f32)) -> bool {
        a.is_some_and(|a| (a.0 - b.0).abs() < 1e-3 && (a.1 - b.1).abs() < 1e-3)
    }

    #[test]
    fn the_corners_are_where_they_were_said_to_be_and_the_middle_is_where_perspective_puts_it() {
        let ground = road();
        for (point, place) in [([0.1, 0.9], (0.0, 0.0)), ([0.9, 0.9], (8.0, 0.0)), ([0.65, 0.4], (8.0, 20.0))] {
            assert!(close(ground.metres(point.into()), place), "{:?}", ground.metres(point.into()));
        }
        // The diagonals of the picture's outline cross where those of the road do.
        let share = 0.8 / (0.8 + 0.3);
        let crossing = Point::new(0.1 + share * (0.65 - 0.1), 0.9 + share * (0.4 - 0.9));
        assert!(close(ground.metres(crossing), (4.0, 10.0)), "{:?}", ground.metres(crossing));
    }

    #[test]
    fn the_horizon_has_no_place() {
        let ground = road();
        // The sides of the road meet at y = 0.1, at any number of metres.
        assert_eq!(ground.metres(Point::new(0.5, 0.1)), None);
        assert_eq!(ground.metres(Point::new(0.5, 0.0)), None);
        assert!(ground.metres(Point::new(0.5, 0.3)).is_some());
    }

    #[test]
    fn a_zone_has_the_area_that_it_has_on_the_ground() {
        let zone = Polygon::new([[0.1, 0.9], [0.9, 0.9], [0.65, 0.4], [0.35, 0.4]].map(Point::from).to_vec()).unwrap();
        assert!((road().area(&zone).unwrap() - 160.0).abs() < 0.1);
        assert_eq!(road().area(&Polygon::whole_picture()), None);
    }

    #[test]
    fn outlines_that_are_none_are_refused() {
        let good = [[0.1, 0.9], [0.9, 0.9], [0.65, 0.4], [0.35, 0.4]].map(Point::from);
        let bad_points = [
            [[0.1, 0.9], [0.65, 0.4], [0.9, 0.9], [0.35, 0.4]],
            [[0.1, 0.9], [0.5, 0.9], [0.9, 0.9], [0.35, 0.4]],
            [[0.1, 0.9], [0.9, 0.9], [0.5, 0.8], [0.35, 0.4]],
            [[0.1, 0.9], [0.1, 0.9], [0.65, 0.4], [0.35, 0.4]],
            [[0.5, 0.5], [0.51, 0.5], [0.51, 0.51], [0.5, 0.51]],
        ];
        for points in bad_points {
            assert_eq!(Ground::new(points.map(Point::from), ROAD), Err(GroundError::Points), "{points:?}");
        }
        for metres in [[[0.0; 2]; 4], [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [[f64::NAN; 2]; 4]] {
            assert_eq!(Ground::new(good, metres), Err(GroundError::Metres), "{metres:?}");
        }
        // Either way around, and a mirrored ground, are both fine.
        let mut back = good;
        back.reverse();
        assert!(Ground::new(back, ROAD).is_ok());
    }

    proptest! {
        /// A camera at a height, tilted down: what it sees of a square is fitted, and every other place follows.
        #[test]
        fn a_pinhole_camera_is_recovered(height in 2.5f64..12.0, tilt in 0.3f64..1.0, x in -3.0f64..3.0, along in 0.0f64..6.0) {
            let near = height / (tilt + 0.35).tan();
            let seen = |x: f64, y: f64| {
                let depth = y * tilt.cos() + height * tilt.sin();
                let down = height * tilt.cos() - y * tilt.sin();
                Point::new((0.5 + 0.4 * x / depth) as f32, (0.5 + 0.7 * down / depth) as f32)
            };
            let places = [[-2.0, near], [2.0, near], [2.0, near + 6.0], [-2.0, near + 6.0]];
            let ground = Ground::new(places.map(|[x, y]| seen(x, y)), places).unwrap();
            let found = ground.metres(seen(x, near + along)).unwrap();
            prop_assert!((f64::from(found.0) - x).abs() < 0.05 && (f64::from(found.1) - near - along).abs() < 0.05, "{found:?}");
        }
    }
}
