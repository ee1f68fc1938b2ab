//! **Fall**: somebody falls and stays down.
//!
//! ```text
//!       head drops or trunk turns fast      stays down for `seconds`, schedule open, passes
//!   Upright ───────────────────► Down ─────────────────────────────────────────────────────► Told ──┐ update
//!      ▲                          │                                                           │ ◄───┘
//!      ├───────── rises again ────┤                     gets up, leaves, or unseen for 10 s   │
//!      └──────────────────────────┴───────────────────────────────────────────────────────────┘
//! ```
//!
//! Judged by the box, and by the trunk where the model is one of poses that tells it (see `collapse.rs` and `motion.rs`):
//!
//! - **Down**: the upper edge of an upright box drops at once and the box flattens, or the trunk turns at once from upright to
//!   lying. A box that looks like that is none while the trunk is upright.
//! - **Stays down**: the trunk is not upright again; where it is not known or not clear, the upper edge of the box does not rise
//!   by more than [`RISES`] of the height he had. And the box does not move away. Detectors often lose people who lie, so **not
//!   being seen** any more, within the picture, counts as staying down, and a trunk that is not seen any more says nothing.
//! - **Start** then; **Update** at most once in [`update_every`](super::Settings::update_every) while he is seen; **End** when
//!   he has got up or sat up (`ended_ceased`; by the trunk once that was seen upright [`SIGHTINGS`] times), is seen outside the
//!   zone, has not been seen for [`UNSEEN`], when the schedule closes, a face tells that it is nobody the rule is about (see
//!   `who.rs`), or the stream is cut.
//! - Whoever is lost within a tenth of the picture of its left or right edge has left.
//!
//! What it cannot tell: by the box alone, picking something up and staying down for that long looks like a fall, and so does
//! leaving the picture by its lower edge right before the camera; by the trunk, bending for that long. Keep the zone off that edge,
//! and `seconds` as long as can be waited. The key is the presence's (see `presence.rs`). Without `labels` it is about people.

use std::time::Duration;

use super::collapse::{Collapse, Stance};
use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::presence::Presence;
use super::rules::{AtWork, Places};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime, Rect, Track};

/// Higher than this above the lowest that it was, of the height before, the upper edge rises.
const RISES: f32 = 0.12;
/// Farther than this, in heights, somebody has moved.
const MOVED: f32 = 0.35;
/// Whoever is lost nearer than this to a side of the picture may have left it.
const EDGE: f32 = 0.1;
/// How often a trunk is seen upright before whoever was told is believed to be up.
const SIGHTINGS: u32 = 2;
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

/// Somebody who is down.
#[derive(Debug)]
struct Fallen {
    key: u64,
    collapse: Collapse,
    /// The lowest that the upper edge has been.
    lowest: f32,
    /// How often the trunk was seen upright since it was last seen lying.
    upright: u32,
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
                let Some(collapse) = Collapse::seen(movement.poses(), moment.scale) else { continue };
                let score = self.gate.score_of_presence(presence);
                self.fallen.push(Fallen::new(presence, collapse, score, moment.now));
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
        let still = seconds(now.since(fallen.still.1));
        fallen.collapse.measure(&mut firing.measures);
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
    fn new(presence: &Presence, collapse: Collapse, score: f32, now: MediaTime) -> Self {
        let bbox = presence.track.bbox;
        Self {
            key: presence.key,
            collapse,
            lowest: bbox.y1,
            upright: 0,
            still: (bbox, collapse.since),
            track: presence.track.clone(),
            score,
            last_seen: now,
            told: None,
            over: None,
        }
    }

    fn see(&mut self, moment: &Moment, presence: &Presence, score: f32) {
        let bbox = presence.track.bbox;
        (self.track, self.score, self.last_seen) = (presence.track.clone(), score, moment.now);
        self.lowest = self.lowest.max(bbox.y1);
        if self.gets_up() {
            self.over.get_or_insert((EndReason::Ceased, moment.now));
        }
        let moved = |a: &Rect, b: &Rect| {
            let (a, b) = (moment.scale.flat(a.centre()), moment.scale.flat(b.centre()));
            (a.0 - b.0).hypot(a.1 - b.1)
        };
        if moved(&bbox, &self.still.0) > MOVED * self.collapse.height() {
            self.still = (bbox, moment.now);
        }
    }

    /// Whether he is up again, as he is seen now.
    fn gets_up(&mut self) -> bool {
        if let Some(trunk) = self.track.trunk {
            match self.collapse.stance(&trunk) {
                Stance::Lying => {
                    self.upright = 0;
                    self.collapse.lies(&trunk);
                    return false;
                }
                Stance::Upright => {
                    self.upright += 1;
                    return self.told.is_none() || self.upright >= SIGHTINGS;
                }
                Stance::Unclear => {}
            }
        }
        let top = self.track.bbox.y1;
        let rises = self.told.is_none() && self.lowest - top > RISES * self.collapse.height();
        rises || self.collapse.is_up(top, self.lowest)
    }

    fn is_leaving(&self) -> bool {
        self.track.bbox.x1 < EDGE || self.track.bbox.x2 > 1.0 - EDGE
    }
}
