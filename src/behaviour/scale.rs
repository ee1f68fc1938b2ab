//! What a distance in the picture is worth: in metres where the ground is known, else in body heights.
//!
//! Places are normalised by width and by height, so a distance between them means something only once the aspect of the
//! picture is known: [`Scale::flat`] counts both axes in heights of the picture.

use super::ground::Ground;
use super::height::Pose;
use crate::vocab::{Point, Rect};

/// How wide most pictures are, for so long as none has been seen.
const USUAL_ASPECT: f32 = 16.0 / 9.0;

/// How far apart things are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// On the ground.
    Metres(f32),
    /// In the picture, in heights of the bodies concerned.
    Heights(f32),
}

/// How fast something goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// Kilometres per hour on the ground.
    Kmh(f32),
    /// Its own heights per second in the picture: what comes straight towards the camera seems slow.
    Heights(f32),
}

/// The camera's picture and ground.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    /// Width of the picture by its height.
    pub aspect: f32,
    pub ground: Option<Ground>,
    /// How the camera stands over it, where that can be told.
    pose: Option<Pose>,
}

impl Scale {
    pub(super) fn new(ground: Option<Ground>) -> Self {
        let pose = ground.as_ref().and_then(|ground| Pose::new(ground, USUAL_ASPECT));
        Self { aspect: USUAL_ASPECT, ground, pose }
    }

    /// The picture has another shape.
    pub(super) fn set_aspect(&mut self, aspect: f32) {
        if aspect != self.aspect {
            self.aspect = aspect;
            self.pose = self.ground.as_ref().and_then(|ground| Pose::new(ground, aspect));
        }
    }

    /// How high in metres somebody is who stands in a box; none where that cannot be told.
    pub(super) fn height(&self, bbox: &Rect) -> Option<f32> {
        self.pose.as_ref()?.height(self.ground.as_ref()?, bbox)
    }

    /// The place in heights of the picture.
    pub(super) fn flat(&self, p: Point) -> (f32, f32) {
        (p.x * self.aspect, p.y)
    }

    /// The place on the ground.
    pub(super) fn metres(&self, p: Point) -> Option<(f32, f32)> {
        self.ground.as_ref()?.metres(p)
    }

    /// How far apart `a` and `b` are, in the unit of `unit`; `height` is that of a body there. None where it cannot be told.
    pub(super) fn apart(&self, a: Point, b: Point, height: f32, unit: Distance) -> Option<f32> {
        match unit {
            Distance::Metres(_) => Some(between(self.metres(a)?, self.metres(b)?)),
            Distance::Heights(_) => (height > 0.0).then(|| between(self.flat(a), self.flat(b)) / height),
        }
    }

    /// How much wider than high the box is.
    pub(super) fn width_by_height(&self, bbox: &Rect) -> f32 {
        bbox.width() * self.aspect / bbox.height().max(f32::EPSILON)
    }
}

fn between(a: (f32, f32), b: (f32, f32)) -> f32 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

impl Distance {
    /// The number, in its unit.
    pub(super) fn value(self) -> f32 {
        match self {
            Self::Metres(value) | Self::Heights(value) => value,
        }
    }

    /// The name of its measure.
    pub(super) fn measure_name(self) -> &'static str {
        match self {
            Self::Metres(_) => "distance_m",
            Self::Heights(_) => "distance_heights",
        }
    }
}

impl Speed {
    /// The number, in its unit.
    pub(super) fn value(self) -> f32 {
        match self {
            Self::Kmh(value) | Self::Heights(value) => value,
        }
    }

    /// The name of its measure.
    pub(super) fn measure_name(self) -> &'static str {
        match self {
            Self::Kmh(_) => "speed_kmh",
            Self::Heights(_) => "speed_heights",
        }
    }
}
