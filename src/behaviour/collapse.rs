//! What of a fall is seen: in the box of somebody, and in his trunk where a pose model tells it. Pure.
//!
//! **The box.** Against the highest box of the last [`WITHIN`], which was upright, the upper edge has dropped by [`DROP`] of its
//! height, and the box is no higher than [`SHRUNK`] of it. Or it has dropped by [`TOPPLED`] within [`TOPPLES_WITHIN`], and the box
//! has become about as wide as high: somebody topples from a chair. Sitting down drops the head by about a quarter and leaves a
//! box that is higher than wide.
//!
//! **The trunk** has turned by [`TURNED`] degrees within [`WITHIN`], from upright (below [`UPRIGHT`]) to beyond [`LYING`], and was
//! seen there [`SIGHTINGS`] times in a row: keypoints of somebody who is just going out of sight point anywhere. Whoever lies down
//! slowly turns less in that time.
//!
//! **Both.** A box that looks like a fall is none while the trunk is upright: somebody sat down on the floor, crouched, or stepped
//! behind something low. But a picture is flat. Whoever falls away from the camera or towards it may have a trunk that still
//! points up, and is shorter than it was: below [`WHOLE`] of its length the box decides, as where no trunk is known. The
//! limits are our own choice, made on generated tracks: no labelled falls with a pose model were at hand.

use std::time::Duration;

use super::gate::tidy;
use super::motion::Pose;
use super::scale::Scale;
use crate::vocab::{Measure, MediaTime, Trunk};

/// How long a fall may take.
const WITHIN: Duration = Duration::from_millis(1_600);
/// How long toppling may take.
const TOPPLES_WITHIN: Duration = Duration::from_millis(1_200);
/// By how much the upper edge drops, of the height before, …
const DROP: f32 = 0.4;
/// … and how high the box may be then.
const SHRUNK: f32 = 0.65;
/// By how much the upper edge drops when somebody topples, …
const TOPPLED: f32 = 0.22;
/// … how wide the box is then by its height, …
const LYING_SHAPE: f32 = 0.9;
/// … and by how much that has grown.
const SHAPE_GROWTH: f32 = 1.6;
/// Less than this below its place before, of the height before, the head is up.
const IS_UP: f32 = 0.2;

/// Below so many degrees a trunk is upright, …
const UPRIGHT: f32 = 45.0;
/// … and beyond so many it lies.
const LYING: f32 = 60.0;
/// By how many degrees it turns in a fall.
const TURNED: f32 = 45.0;
/// How often it is seen lying before that is believed.
const SIGHTINGS: usize = 2;
/// A trunk that is shorter than this share of what it was points to the camera or away from it.
const WHOLE: f32 = 0.7;

/// Somebody has fallen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collapse {
    sign: Sign,
    /// The upper edge and the height before.
    before: (f32, f32),
    /// How long the trunk was while it was upright, where that was seen.
    stood: Option<f32>,
    /// How much wider than high the box is.
    shape: f32,
    /// The inclination of the trunk, where it is known: when he fell, and as it was last seen lying.
    inclination: Option<f32>,
    /// Since when he is down: he may have been so before he was believed.
    pub since: MediaTime,
}

/// What shows it.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// The upper edge of the box has dropped by this share of the height before.
    Box { share: f32, limit: f32 },
    /// The trunk has turned.
    Trunk,
}

/// What a trunk says of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stance {
    /// Upright, as long as it was.
    Upright,
    /// It lies, or the head is down.
    Lying,
    /// Neither, or it points to the camera or away from it.
    Unclear,
}

impl Collapse {
    /// The fall that the poses, the oldest first, end with.
    pub(super) fn seen<'p>(
        poses: impl DoubleEndedIterator<Item = &'p Pose> + Clone,
        scale: &Scale,
    ) -> Option<Collapse> {
        let now = *poses.clone().next_back()?;
        let stood = stood(poses.clone(), now.at);
        if let Some(since) = lies_since(poses.clone(), &now) {
            let before = highest(poses, now.at, WITHIN)?.bbox;
            return Some(Self {
                sign: Sign::Trunk,
                before: (before.y1, before.height().max(f32::EPSILON)),
                stood,
                shape: scale.width_by_height(&now.bbox),
                inclination: now.trunk.map(|trunk| trunk.inclination),
                since,
            });
        }
        let is_upright = now.trunk.is_some_and(|trunk| stance(&trunk, stood) == Stance::Upright);
        dropped(poses, &now, scale).filter(|_| !is_upright).map(|found| Self { stood, ..found })
    }

    /// What `trunk` says of him now.
    pub(super) fn stance(&self, trunk: &Trunk) -> Stance {
        stance(trunk, self.stood)
    }

    /// He is seen lying like this.
    pub(super) fn lies(&mut self, trunk: &Trunk) {
        self.inclination = Some(trunk.inclination);
    }

    /// The height before.
    pub(super) fn height(&self) -> f32 {
        self.before.1
    }

    /// Whether the upper edge of the box is back at `top` after it has been at `lowest`. Where it never dropped it says nothing.
    pub(super) fn is_up(&self, top: f32, lowest: f32) -> bool {
        let (before, height) = self.before;
        let has_dropped = matches!(self.sign, Sign::Box { .. }) || lowest - before >= TOPPLED * height;
        has_dropped && top - before < IS_UP * height
    }

    /// What was compared, first what showed it.
    pub(super) fn measure(&self, to: &mut Vec<Measure>) {
        let inclination = self.inclination.map(tidy);
        match self.sign {
            Sign::Box { share, limit } => {
                to.push(Measure::against(Measure::DROP, tidy(share), tidy(limit)));
                to.push(Measure::plain(Measure::SHAPE, tidy(self.shape)));
                to.extend(inclination.map(|degrees| Measure::plain(Measure::INCLINATION, degrees)));
            }
            Sign::Trunk => {
                to.extend(inclination.map(|degrees| Measure::against(Measure::INCLINATION, degrees, tidy(LYING))));
                to.push(Measure::plain(Measure::SHAPE, tidy(self.shape)));
            }
        }
    }
}

fn stance(trunk: &Trunk, stood: Option<f32>) -> Stance {
    let is_whole = stood.is_none_or(|stood| trunk.length >= WHOLE * stood);
    match trunk.inclination {
        degrees if degrees > LYING => Stance::Lying,
        degrees if degrees < UPRIGHT && is_whole => Stance::Upright,
        _ => Stance::Unclear,
    }
}

/// The longest upright trunk of lately.
fn stood<'p>(poses: impl DoubleEndedIterator<Item = &'p Pose>, now: MediaTime) -> Option<f32> {
    let lately = poses.rev().take_while(|pose| now.since(pose.at) <= WITHIN).filter_map(|pose| pose.trunk);
    lately.filter(|trunk| trunk.inclination < UPRIGHT).map(|trunk| trunk.length).max_by(f32::total_cmp)
}

/// Since when the trunk lies, if it was upright shortly before.
fn lies_since<'p>(poses: impl DoubleEndedIterator<Item = &'p Pose> + Clone, now: &Pose) -> Option<MediaTime> {
    let trunk = now.trunk.filter(|trunk| trunk.inclination > LYING)?;
    let known = poses.rev().filter_map(|pose| pose.trunk.map(|trunk| (pose.at, trunk.inclination)));
    let lying = known.clone().take_while(|(_, degrees)| *degrees > LYING);
    let (count, since) = lying.fold((0, now.at), |(count, _), (at, _)| (count + 1, at));
    let mut lately = known.take_while(|(at, _)| now.at.since(*at) <= WITHIN);
    let has_turned = lately.any(|(_, degrees)| degrees < UPRIGHT && trunk.inclination - degrees >= TURNED);
    (count >= SIGHTINGS && has_turned).then_some(since)
}

/// The highest box of so long.
fn highest<'p>(poses: impl DoubleEndedIterator<Item = &'p Pose>, now: MediaTime, within: Duration) -> Option<&'p Pose> {
    let lately = poses.rev().take_while(|pose| now.since(pose.at) <= within);
    lately.max_by(|a, b| a.bbox.height().total_cmp(&b.bbox.height()))
}

/// The fall that the boxes show.
fn dropped<'p>(
    poses: impl DoubleEndedIterator<Item = &'p Pose> + Clone,
    now: &Pose,
    scale: &Scale,
) -> Option<Collapse> {
    let shape = scale.width_by_height(&now.bbox);
    // The highest upright box of so long, and by how much the upper edge has dropped since.
    let drop = |within: Duration, limit: f32| {
        let before = highest(poses.clone(), now.at, within)?.bbox;
        let height = before.height().max(f32::EPSILON);
        let share = (now.bbox.y1 - before.y1) / height;
        let (was, is_small) = (scale.width_by_height(&before), now.bbox.height() <= SHRUNK * height);
        (was < LYING_SHAPE && share >= limit).then_some(((before.y1, height), share, limit, was, is_small))
    };
    let falls = drop(WITHIN, DROP).filter(|(.., is_small)| *is_small);
    let topples = || {
        let is_flat = |was: f32| shape >= LYING_SHAPE && shape >= SHAPE_GROWTH * was;
        drop(TOPPLES_WITHIN, TOPPLED).filter(|(.., was, _)| is_flat(*was))
    };
    let (before, share, limit, ..) = falls.or_else(topples)?;
    let is_down = |pose: &&Pose| pose.bbox.y1 - before.0 >= limit * before.1;
    let since = poses.rev().take_while(is_down).last().map_or(now.at, |pose| pose.at);
    let inclination = now.trunk.map(|trunk| trunk.inclination);
    Some(Collapse { sign: Sign::Box { share, limit }, before, stood: None, shape, inclination, since })
}
