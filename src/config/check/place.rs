//! Zones, lines and the ground: geometry that encloses or divides something, under names that differ.

use super::{Check, pushed};
use crate::behaviour::{Ground, GroundError, Line, Zone};
use crate::config::document::{self, Corner};
use crate::config::fault::Path;
use crate::config::phrase;
use crate::vocab::{Point, Polygon, PolygonError, Segment};

/// Reads `zones` and `lines` of a camera. They share their names, because their counts share a topic.
pub(super) fn read(
    check: &mut Check,
    camera: &document::Camera,
    path: &Path,
) -> (Option<Vec<Zone>>, Option<Vec<Line>>) {
    let (zones_at, lines_at) = (path.key("zones"), path.key("lines"));
    let zone_names = camera.zones.iter().enumerate().map(|(i, z)| (zones_at.index(i).key("id"), &z.id));
    let line_names = camera.lines.iter().enumerate().map(|(i, l)| (lines_at.index(i).key("id"), &l.id));
    check.unique(zone_names.chain(line_names), "the camera's zones and lines");
    let mut zones = Some(Vec::new());
    for (i, zone) in camera.zones.iter().enumerate() {
        let polygon = polygon(check, &zone.polygon, &zones_at.index(i).key("polygon"));
        let zone = polygon.map(|polygon| Zone { id: zone.id.clone(), polygon, anchor: zone.anchor });
        zones = zones.zip(zone).map(|(zones, zone)| pushed(zones, zone));
    }
    let mut lines = Some(Vec::new());
    for (i, line) in camera.lines.iter().enumerate() {
        let line = read_line(check, line, &lines_at.index(i));
        lines = lines.zip(line).map(|(lines, line)| pushed(lines, line));
    }
    (zones, lines)
}

/// Reads the corners of a polygon.
pub(super) fn polygon(check: &mut Check, corners: &[Corner], path: &Path) -> Option<Polygon> {
    let found = match Polygon::new(corners.iter().map(point).collect()) {
        Ok(polygon) => return Some(polygon),
        Err(fault) => fault,
    };
    let (problem, remedy) = match found {
        PolygonError::Count(n) => {
            (format!("found {}, must be 3 to 64", phrase::count(n, "corner")), "list every corner as [x, y]")
        }
        PolygonError::NoArea => {
            ("found corners that lie on one line, must enclose an area".to_owned(), "move a corner off the line")
        }
        PolygonError::Crossing(a, b) => {
            let problem =
                format!("found edges {a} and {b} that cross (edge 0 begins at corner 0), must be a simple outline");
            (problem, "list the corners in order around the area")
        }
        PolygonError::OutOfRange { index, .. } => {
            (format!("found corner {index} outside the picture, must be 0 to 1"), "divide pixels by width and height")
        }
    };
    check.error(path, problem, remedy);
    None
}

/// Reads the ground, if one is described; nothing if it is faulty.
pub(super) fn ground(check: &mut Check, ground: Option<&document::Ground>, path: &Path) -> Option<Option<Ground>> {
    let Some(ground) = ground else { return check.is_sound(path).then_some(None) };
    let (points_at, metres_at) = (path.key("points"), path.key("metres"));
    if !check.is_sound(&points_at) || !check.is_sound(&metres_at) {
        return None;
    }
    let points: Vec<Point> = ground.points.iter().map(point).collect();
    let metres: Vec<[f64; 2]> = ground.metres.iter().map(|[x, y]| [x.0, y.0]).collect();
    let (points, metres) = (<[Point; 4]>::try_from(points).ok()?, <[[f64; 2]; 4]>::try_from(metres).ok()?);
    let (at, of) = match Ground::new(points, metres) {
        Ok(ground) => return Some(Some(ground)),
        Err(GroundError::Points) => (points_at, "the picture"),
        Err(GroundError::Metres) => (metres_at, "the ground"),
    };
    let problem = format!("found four places of {of} that are no convex outline, must be its corners in order");
    check.error(&at, problem, "list four corners in order around the outline, no three of them on one line");
    None
}

/// Reads an arrow from one point to another one.
pub(super) fn arrow(check: &mut Check, ends: &[Corner], path: &Path) -> Option<Segment> {
    let [from, to] = ends else { return None };
    let segment = Segment { from: point(from), to: point(to) };
    if segment.length() < 1e-3 && check.is_sound(path) {
        check.error(path, "found an arrow that ends where it begins, must be between two points", "draw it longer");
        return None;
    }
    Some(segment)
}

fn read_line(check: &mut Check, line: &document::Line, path: &Path) -> Option<Line> {
    let segment = Segment { from: point(&line.from), to: point(&line.to) };
    let (dx, dy) = (segment.to.x - segment.from.x, segment.to.y - segment.from.y);
    if dx.hypot(dy) < 1e-3 {
        if check.is_sound(&path.key("from")) {
            let problem = "found the point that `from` is, must be another one";
            check.error(&path.key("to"), problem, "draw the line across the way that is taken");
        }
        return None;
    }
    Some(Line { id: line.id.clone(), segment, anchor: line.anchor, margin: line.margin as f32 })
}

fn point([x, y]: &Corner) -> Point {
    Point::new(x.0 as f32, y.0 as f32)
}
