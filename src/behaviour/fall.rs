//! **Fall**: somebody falls and stays down.
//!
//! ```text
//!             head drops fast               stays down for `seconds`, schedule open, passes
//!   Upright ───────────────────► Down ─────────────────────────────────────────────────────► Told ──┐ update
//!      ▲                          │                                                           │ ◄───┘
//!      ├───────── rises again ────┤                     gets up, leaves, or unseen for 10 s   │
//!      └──────────────────────────┴───────────────────────────────────────────────────────────┘
//! ```
//!
//! Judged by the box alone, out of the poses of the last [`WITHIN`] (see `motion.rs`):
//!
//! - **Down**: against the highest of those boxes, which was upright, the upper edge has dropped by [`DROP`] of its height, and the box is no
//!   higher than [`SHRUNK`] of it. Or it has dropped by [`TOPPLED`] within [`TOPPLES_WITHIN`], and the box has become
//!   about as wide as high: somebody topples from a chair. Sitting down drops the head by about a quarter and leaves a box that is higher
//!   than wide.
//! - **Stays down**: the upper edge does not rise by more than [`RISES`] of the height he had, and the box does not move away.
//!   Detectors often lose people who lie, so **not being seen** any more, within the picture, counts as staying down.
//! - **Start** then; **Update** at most once in [`update_every`](super::Settings::update_every) while he is seen; **End** when
//!   he has got up (`ended_ceased`), is seen outside the zone, has not been seen for [`UNSEEN`], when the schedule closes, a
//!   face tells that it is nobody the rule is about (see `who.rs`), or the stream is cut.
//! - Whoever is lost within a tenth of the picture of its left or right edge has left.
//!
//! What it cannot tell: picking something up and staying down for that long looks like a fall, and so does leaving the picture
//! by its lower edge right before the camera: keep the zone off that edge, and `seconds` as long as can be waited. The key is
//! the presence's (see `presence.rs`). Without `labels` it is about people.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds, tidy};
use super::motion::Pose;
use super::presence::Presence;
use super::rules::{AtWork, Places};
use super::scale::Scale;
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime, Rect, Track};

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
/// Higher than this above the lowest that it was, of the height before, the upper edge rises.
const RISES: f32 = 0.12;
/// Less than this below its place before, of the height before, the head is up.
const IS_UP: f32 = 0.2;
/// Farther than this, in heights, somebody has moved.
const MOVED: f32 = 0.35;
/// Whoever is lost nearer than this to a side of the picture may have left it.
const EDGE: f32 = 0.1;
/// How long somebody who lies may be unseen.
const UNSEEN: Duration = Duration::from_secs(10);

/// The rule at work.
#[derive(Debug)]
pub(super) struct Fall {
    zone: usize,
    identity: Identity,
    gate: Gate,
    seconds: Duration,
    cooldown: Duration,
    update_every: Duration,
    fallen: Vec<Fallen>,
    cooling: Cooldown,
}

/// What of a fall the box shows.
#[derive(Debug, Clone, Copy)]
struct Drop {
    /// The upper edge and the height before.
    before: (f32, f32),
    /// By how much the upper edge has dropped, of the height before.
    share: f32,
    limit: f32,
    /// How much wider than high the box is.
    shape: f32,
}

/// Somebody who is down.
#[derive(Debug)]
struct Fallen {
    key: u64,
    drop: Drop,
    /// The lowest that the upper edge has been.
    lowest: f32,
    /// The box at the time since which he has not moved.
    still: (Rect, MediaTime),
    /// As he was when last seen.
    track: Track,
    score: f32,
    last_seen: MediaTime,
    told: Option<Told>,
    over: Option<(EndReason, MediaTime)>,
}

#[derive(Debug)]
struct Told {
    started: MediaTime,
    updated: MediaTime,
}

impl Fall {
    pub(super) fn new(post: &Post, seconds: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            seconds,
            cooldown: post.rule.cooldown(),
            update_every: post.settings.update_every,
            fallen: Vec::new(),
            cooling: Cooldown::default(),
        }
    }

    fn look(&mut self, moment: &Moment, presences: &[Presence]) {
        for presence in presences.iter().filter(|p| p.is_inside() && p.is_sighted) {
            if let Some(fallen) = self.fallen.iter_mut().find(|f| f.key == presence.key) {
                fallen.see(moment, presence, self.gate.score_of_presence(presence));
            } else if self.gate.concerns(&presence.track) {
                let Some(movement) = moment.movements.of(presence.track.id) else { continue };
                let Some(drop) = drop_in(movement.poses(), moment.scale) else { continue };
                let down_since = down_since(movement.poses(), &drop).unwrap_or(moment.now);
                let score = self.gate.score_of_presence(presence);
                self.fallen.push(Fallen::new(presence, drop, score, (down_since, moment.now)));
            }
        }
        for fallen in &mut self.fallen {
            let presence = presences.iter().find(|p| p.key == fallen.key);
            match (moment.ending, presence.and_then(Presence::gone)) {
                (Some(reason), _) => {
                    fallen.over.get_or_insert((reason, fallen.last_seen));
                }
                (None, Some(EndReason::Left)) => {
                    fallen.over.get_or_insert((EndReason::Left, moment.now));
                }
                _ if moment.now.since(fallen.last_seen) >= UNSEEN => {
                    fallen.over.get_or_insert((EndReason::Unseen, fallen.last_seen));
                }
                _ => {}
            }
        }
    }

    fn start(&mut self, index: usize, moment: &Moment, out: &mut Vec<Firing>) {
        let fallen = &self.fallen[index];
        let is_due = moment.now.since(fallen.still.1) >= self.seconds;
        let is_there = fallen.last_seen == moment.now || !fallen.is_leaving();
        let passes = self.gate.admits(&fallen.track, fallen.score) && !self.cooling.is_resting(fallen.key);
        if is_due && is_there && passes {
            out.push(self.firing(FiringPhase::Start, index, moment.now, moment.now));
            self.fallen[index].told = Some(Told { started: moment.now, updated: moment.now });
        }
    }

    fn firing(&self, phase: FiringPhase, index: usize, at: MediaTime, now: MediaTime) -> Firing {
        let fallen = &self.fallen[index];
        let mut firing = self.identity.firing(phase, fallen.key, at);
        let Drop { share, limit, shape, .. } = fallen.drop;
        let still = seconds(now.since(fallen.still.1));
        firing.measures.push(Measure::against(Measure::DROP, tidy(share), tidy(limit)));
        firing.measures.push(Measure::plain(Measure::SHAPE, tidy(shape)));
        firing.measures.push(Measure::against(Measure::STILL, still, seconds(self.seconds)));
        self.gate.measure(&fallen.track, fallen.score, &mut firing.measures);
        firing.track = Some(fallen.track.clone());
        firing
    }
}

impl AtWork for Fall {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.look(moment, places.zones[self.zone].presences());
        let mut index = 0;
        while index < self.fallen.len() {
            let fallen = &self.fallen[index];
            let closing = match (&fallen.told, is_awake) {
                (Some(_), false) => Some((EndReason::Schedule, moment.now)),
                (Some(_), true) if !self.gate.is_meant(&fallen.track) => Some((EndReason::Identity, moment.now)),
                _ => None,
            };
            let Some((reason, at)) = fallen.over.or(closing) else {
                match &fallen.told {
                    None if is_awake => self.start(index, moment, out),
                    Some(told)
                        if moment.now.since(told.updated) >= self.update_every && fallen.last_seen == moment.now =>
                    {
                        out.push(self.firing(FiringPhase::Update, index, moment.now, moment.now));
                        self.fallen[index].told.iter_mut().for_each(|told| told.updated = moment.now);
                    }
                    _ => {}
                }
                index += 1;
                continue;
            };
            if let Some(told) = &fallen.told {
                let mut firing = self.firing(FiringPhase::End, index, at.max(told.started), moment.now);
                firing.measures.push(reason.measure());
                out.push(firing);
                let rest = self.cooldown.max(Duration::from_nanos(1));
                self.cooling.start(fallen.key, moment.now + rest);
            }
            self.fallen.swap_remove(index);
        }
    }
}

impl Fallen {
    fn new(presence: &Presence, drop: Drop, score: f32, (down_since, now): (MediaTime, MediaTime)) -> Self {
        let bbox = presence.track.bbox;
        Self {
            key: presence.key,
            drop,
            lowest: bbox.y1,
            still: (bbox, down_since),
            track: presence.track.clone(),
            score,
            last_seen: now,
            told: None,
            over: None,
        }
    }

    fn see(&mut self, moment: &Moment, presence: &Presence, score: f32) {
        let bbox = presence.track.bbox;
        let (top, height) = self.drop.before;
        (self.track, self.score, self.last_seen) = (presence.track.clone(), score, moment.now);
        self.lowest = self.lowest.max(bbox.y1);
        let is_up = bbox.y1 - top < IS_UP * height;
        let rises = self.told.is_none() && self.lowest - bbox.y1 > RISES * height;
        if is_up || rises {
            self.over.get_or_insert((EndReason::Ceased, moment.now));
        }
        let moved = |a: &Rect, b: &Rect| {
            let (a, b) = (moment.scale.flat(a.centre()), moment.scale.flat(b.centre()));
            (a.0 - b.0).hypot(a.1 - b.1)
        };
        if moved(&bbox, &self.still.0) > MOVED * height {
            self.still = (bbox, moment.now);
        }
    }

    fn is_leaving(&self) -> bool {
        self.track.bbox.x1 < EDGE || self.track.bbox.x2 > 1.0 - EDGE
    }
}

/// The fall that the poses, the oldest first, end with.
fn drop_in<'p>(poses: impl DoubleEndedIterator<Item = &'p Pose> + Clone, scale: &Scale) -> Option<Drop> {
    let now = *poses.clone().next_back()?;
    let shape = scale.width_by_height(&now.bbox);
    // The highest upright box of so long, and by how much the upper edge has dropped since.
    let drop = |within: Duration, limit: f32| {
        let lately = poses.clone().rev().take_while(|pose| now.at.since(pose.at) <= within);
        let before = lately.max_by(|a, b| a.bbox.height().total_cmp(&b.bbox.height()))?.bbox;
        let height = before.height().max(f32::EPSILON);
        let share = (now.bbox.y1 - before.y1) / height;
        let (was, is_small) = (scale.width_by_height(&before), now.bbox.height() <= SHRUNK * height);
        let drop = Drop { before: (before.y1, height), share, limit, shape };
        (was < LYING_SHAPE && share >= limit).then_some((drop, was, is_small))
    };
    let falls = drop(WITHIN, DROP).filter(|(_, _, is_small)| *is_small);
    let topples = || {
        let is_flat = |was: f32| shape >= LYING_SHAPE && shape >= SHAPE_GROWTH * was;
        drop(TOPPLES_WITHIN, TOPPLED).filter(|(_, was, _)| is_flat(*was))
    };
    falls.or_else(topples).map(|(drop, ..)| drop)
}

/// Since when, by the poses, the upper edge has been as low as `drop` asks: he may have been down before he was believed.
fn down_since<'p>(poses: impl DoubleEndedIterator<Item = &'p Pose>, drop: &Drop) -> Option<MediaTime> {
    let (top, height) = drop.before;
    poses.rev().take_while(|pose| pose.bbox.y1 - top >= drop.limit * height).last().map(|pose| pose.at)
}
