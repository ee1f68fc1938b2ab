//! Remembers where a rule's objects stood when they were lost from sight, so that a parked car does not alert again.
//!
//! Detectors flicker on parked cars, above all at night, and each time the tracker gives the car a new number. Without a
//! memory each number would be a new intrusion. So every rule about stays keeps the **places** of those it has told of:
//! a box, a class, how long something stood there in sum, and when it was last seen there.
//!
//! - A place is made when a happening ends while its object is inside: it was lost from sight, the schedule closed, the
//!   stream was cut. One that was seen to leave makes no place.
//! - Whatever of the same class (car, truck, bus and van are one) **appears** in a remembered place is taken for the same
//!   object: its box overlaps by [`overlap`](super::ParkedSettings::overlap), and its first box was there too. Someone
//!   who walks there from elsewhere is not suppressed.
//! - While it stands there it starts nothing. If the place was held for less than
//!   [`after`](super::ParkedSettings::after) in sum, the rule fires as soon as the object moves off: it may have been
//!   somebody new in a doorway. If it was held longer, the object is taken to be the parked one, and is excused until
//!   it leaves the zone; if it drives off, nothing is told.
//! - Seen moving off or leaving, it takes its place with it: the next one there is new.
//! - A place lasts thirty times as long as it was held, at least 10 s, at most [`keep`](super::ParkedSettings::keep)
//!   after its last sighting: a glimpse is soon forgotten, a car of ten seconds is known for five minutes.
//!   Time in which no frame was looked at, because nothing moved in the picture, does not count; time in which the
//!   stream was cut does.
//! - It outlives cuts of the stream and the closing of the schedule (a car that alerted last night and stands there
//!   still does not alert tonight), but not a restart of the program.

use std::time::Duration;

use super::gate::Moment;
use super::labels::may_be_the_same;
use super::presence::Presence;
use super::settings::ParkedSettings;
use crate::vocab::{EndReason, MediaTime, Rect, TrackId};

/// More places than a zone has room for; the one unseen for longest gives way.
const MOST_PLACES: usize = 64;
/// How long a place lasts, in multiples of the time for which it was held.
const KEEP_PER_HELD: u32 = 30;
const KEEP_AT_LEAST: Duration = Duration::from_secs(10);
/// Below this overlap an object has moved off; between this and the wanted overlap it may be half hidden.
const MOVED_OFF: f32 = 0.3;
/// A longer time between two looks was one in which nobody looked.
const LONGEST_STEP: Duration = Duration::from_secs(5);
/// A track that is older than this when it is first seen in the zone has come from outside.
const APPEARS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Parked {
    settings: ParkedSettings,
    places: Vec<Held>,
    /// Keys of presences that are taken for the parked object.
    excused: Vec<u64>,
    /// When a frame was last looked at, if the stream was not cut since.
    last_look: Option<MediaTime>,
}

#[derive(Debug)]
struct Held {
    bbox: Rect,
    class: u16,
    /// Who is, or was last, there.
    holder: TrackId,
    held_for: Duration,
    last_seen: MediaTime,
}

impl Parked {
    pub(super) fn new(settings: ParkedSettings) -> Self {
        Self { settings, places: Vec::new(), excused: Vec::new(), last_look: None }
    }

    /// Brings the places up to date with who is where.
    pub(super) fn look(&mut self, moment: &Moment, presences: &[Presence]) {
        self.excused.retain(|key| presences.iter().any(|p| p.key == *key && p.gone().is_none()));
        if !moment.is_look {
            return;
        }
        let unwatched = self.last_look.map_or(Duration::ZERO, |last| moment.now.since(last));
        if unwatched > LONGEST_STEP {
            self.places.iter_mut().for_each(|place| place.last_seen = place.last_seen + unwatched);
        }
        self.last_look = Some(moment.now);
        let settings = self.settings;
        self.places.retain_mut(|place| place.look(moment, presences, &settings));
    }

    /// The stream was cut: what happened meanwhile is unknown.
    pub(super) fn cut(&mut self) {
        self.last_look = None;
    }

    /// Remembers where `presence` stands, whose happening ends for `reason`.
    pub(super) fn remember(&mut self, moment: &Moment, presence: &Presence, reason: EndReason) {
        if matches!(reason, EndReason::Left | EndReason::Ceased | EndReason::Identity) || self.settings.keep.is_zero() {
            return;
        }
        let held_for = presence.last_inside.since(presence.still_since);
        let (bbox, class, holder) = (presence.track.bbox, presence.track.class, presence.track.id);
        let known = |place: &&mut Held| place.overlaps(&bbox, class, moment) >= self.settings.overlap;
        if let Some(place) = self.places.iter_mut().find(known) {
            place.held_for = place.held_for.max(held_for);
            (place.holder, place.last_seen) = (holder, presence.last_inside);
            return;
        }
        if self.places.len() == MOST_PLACES {
            let stalest = (0..MOST_PLACES).min_by_key(|i| self.places[*i].last_seen);
            stalest.map(|i| self.places.swap_remove(i));
        }
        self.places.push(Held { bbox, class, holder, held_for, last_seen: presence.last_inside });
    }

    /// Whether `presence` must not start a happening, because it is taken for one that has been told of.
    pub(super) fn covers(&mut self, moment: &Moment, presence: &Presence) -> bool {
        if self.excused.contains(&presence.key) {
            return true;
        }
        let settings = &self.settings;
        let mut places = self.places.iter().filter(|place| {
            place.is_at(presence, moment, settings) && (place.holder == presence.track.id || place.saw_appear(presence))
        });
        let Some(place) = places.next() else { return false };
        if place.held_for >= settings.after {
            self.excused.push(presence.key);
        }
        true
    }
}

impl Held {
    /// Returns whether the place is to be kept.
    fn look(&mut self, moment: &Moment, presences: &[Presence], settings: &ParkedSettings) -> bool {
        let mut is_held = false;
        for presence in presences {
            let is_holder = presence.track.id == self.holder;
            if is_holder && self.is_left_by(presence) {
                return false;
            }
            if presence.is_sighted && self.is_at(presence, moment, settings) && (is_holder || self.saw_appear(presence))
            {
                is_held = true;
                if is_holder {
                    self.held_for += moment.now.since(self.last_seen);
                }
                (self.holder, self.last_seen) = (presence.track.id, moment.now);
            }
        }
        let keep = (self.held_for * KEEP_PER_HELD).max(KEEP_AT_LEAST).min(settings.keep);
        is_held || moment.now.since(self.last_seen) < keep
    }

    fn is_left_by(&self, presence: &Presence) -> bool {
        let has_moved = presence.is_sighted && presence.track.bbox.iou(&self.bbox) < MOVED_OFF;
        has_moved || presence.gone() == Some(EndReason::Left)
    }

    fn is_at(&self, presence: &Presence, moment: &Moment, settings: &ParkedSettings) -> bool {
        self.overlaps(&presence.track.bbox, presence.track.class, moment) >= settings.overlap
    }

    fn saw_appear(&self, presence: &Presence) -> bool {
        presence.first_box.iou(&self.bbox) >= MOVED_OFF
            && presence.entered.since(presence.track.first_seen) <= APPEARS_WITHIN
    }

    fn overlaps(&self, bbox: &Rect, class: u16, moment: &Moment) -> f32 {
        if may_be_the_same(class, self.class, moment.labels) { bbox.iou(&self.bbox) } else { 0.0 }
    }
}
