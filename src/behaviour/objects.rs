//! **Object left** and **object removed**: something stands where nothing stood, or is missing where it stood.
//!
//! - It is about the static regions of the background model, of which each has a number of its own, and not about tracks:
//!   labels, scores and heights do not apply. A region is in the zone if the zone's anchor of its box is.
//! - **Start** when it has looked so for `seconds`, is not larger than `max_area` nor smaller than `min_area`, nobody who
//!   stands still is before it, its owner (whoever was there when it began, where one was seen) has not been near for
//!   `owner_seconds`, and the schedule is open. That goes by the clock as well, as nothing moves while a bag stands alone.
//! - There is no **Update**.
//! - **End** when the place looks as before, or like something else again: the object was taken, or is back
//!   (`ended_ceased`); when it was learnt to belong there; when the schedule closes or the stream is cut. Somebody before it
//!   ends nothing.
//! - After a cut, what was told already is not told again. Nor is what begins within the **cooldown** in the same place.

use super::employ::Post;
use super::gate::{Gate, Identity, Moment, seconds, tidy};
use super::kind::ObjectLimits;
use super::rules::{AtWork, Places};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime, Rect, RegionChange, StaticRegion};

/// The overlap from which a region is in the place of another: intersection over union.
const SAME_PLACE: f32 = 0.3;

/// The rule at work.
#[derive(Debug)]
pub(super) struct Objects {
    zone: usize,
    identity: Identity,
    gate: Gate,
    change: RegionChange,
    limits: ObjectLimits,
    min_area: f32,
    cooldown: std::time::Duration,
    open: Vec<StaticRegion>,
    /// Told before a cut, and still there.
    told: Vec<u64>,
    /// Where something was until a moment ago, and until when nothing begins there.
    resting: Vec<(Rect, MediaTime)>,
}

impl Objects {
    pub(super) fn new(post: &Post, change: RegionChange, limits: ObjectLimits) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            change,
            limits,
            min_area: post.rule.min_area,
            cooldown: post.rule.cooldown(),
            open: Vec::new(),
            told: Vec::new(),
            resting: Vec::new(),
        }
    }

    fn end(&mut self, moment: &Moment, is_awake: bool, out: &mut Vec<Firing>) {
        let mut index = 0;
        while let Some(open) = self.open.get_mut(index) {
            let now = moment.regions.iter().find(|region| region.id == open.id);
            *open = now.copied().unwrap_or(*open);
            let reason = match (moment.ending, now) {
                (Some(reason), _) => reason,
                (None, None) => EndReason::Ceased,
                (None, Some(_)) if !is_awake => EndReason::Schedule,
                (None, Some(_)) => {
                    index += 1;
                    continue;
                }
            };
            let region = self.open.remove(index);
            out.push(self.firing(FiringPhase::End, &region, moment.now, Some(reason)));
            match reason {
                EndReason::Discontinuity => self.told.push(region.id),
                EndReason::Ceased => self.resting.push((region.bbox, moment.now + self.cooldown)),
                _ => {}
            }
        }
        self.told.retain(|id| moment.regions.iter().any(|region| region.id == *id));
        self.resting.retain(|(_, until)| *until > moment.now);
    }

    fn may_start(&self, region: &StaticRegion, moment: &Moment, places: &Places) -> bool {
        let zone = &places.zones[self.zone].zone;
        let owner_is_away = region.owner.is_none_or(|owner| moment.now.since(owner.near) >= self.limits.owner_away);
        region.change == self.change
            && !region.is_covered
            && owner_is_away
            && moment.now.since(region.since) >= self.limits.seconds
            && (self.min_area..=self.limits.max_area).contains(&region.area)
            && zone.polygon.contains(zone.anchor.of(&region.bbox))
            && !self.told.contains(&region.id)
            && !self.open.iter().any(|open| open.id == region.id)
            && !self.resting.iter().any(|(place, _)| place.iou(&region.bbox) >= SAME_PLACE)
    }

    fn firing(&self, phase: FiringPhase, region: &StaticRegion, now: MediaTime, reason: Option<EndReason>) -> Firing {
        let still = seconds(now.since(region.since));
        let mut measures = vec![
            Measure::against(Measure::STILL, still, seconds(self.limits.seconds)),
            Measure::against(Measure::AREA, tidy(region.area), tidy(self.limits.max_area)),
            Measure::plain(Measure::CONTRAST, f64::from(region.contrast.round())),
        ];
        if let Some(owner) = region.owner {
            let left = seconds(now.since(owner.near));
            measures.push(Measure::plain(Measure::OWNER, owner.track as f64));
            measures.push(Measure::against(Measure::OWNER_LEFT, left, seconds(self.limits.owner_away)));
            measures.push(Measure::plain(Measure::OWNER_DISTANCE, tidy(owner.distance)));
        }
        measures.extend(reason.map(EndReason::measure));
        Firing { region: Some(region.bbox), measures, ..self.identity.firing(phase, region.id, now) }
    }
}

impl AtWork for Objects {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.end(moment, is_awake, out);
        if moment.ending.is_some() || !is_awake {
            return;
        }
        for region in moment.regions {
            if self.may_start(region, moment, places) {
                out.push(self.firing(FiringPhase::Start, region, moment.now, None));
                self.open.push(*region);
            }
        }
    }
}
