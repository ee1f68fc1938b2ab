//! Gives each rule of the settings the code that does its work, and the zone or line at which it does it.

use super::fall::Fall;
use super::gate::{Gate, Identity};
use super::gathering::Gathering;
use super::journey::Journey;
use super::kind::RuleKind;
use super::line_crossing::LineCrossing;
use super::objects::Objects;
use super::occupancy::{Limits, Occupancy};
use super::queue::Queue;
use super::repeated_passing::RepeatedPassing;
use super::rules::AtWork;
use super::scale::Speed;
use super::scattering::Scattering;
use super::settings::{Rule, Settings};
use super::tailgating::Tailgating;
use super::{crowding, intrusion, loitering, near_vehicle, running, speed, stopped, wrong_way};
use crate::vocab::{Id, Labels, Place, RegionChange};

/// What a rule is to do, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post<'a> {
    pub rule: &'a Rule,
    pub settings: &'a Settings,
    pub labels: &'a Labels,
    /// The index of its zone or line.
    pub at: usize,
}

impl Post<'_> {
    pub(super) fn identity(&self) -> Identity {
        let Rule { id, kind, severity, .. } = self.rule;
        Identity { rule: id.clone(), kind: kind.of_firings(), severity: *severity, place: kind.place() }
    }

    pub(super) fn gate(&self) -> Gate {
        Gate::new(self.rule, self.labels)
    }
}

/// The rule at work; none where its zone or line is not there.
pub(super) fn employ(rule: &Rule, settings: &Settings, labels: &Labels) -> Option<Box<dyn AtWork>> {
    let line_at = |id: &Id| settings.lines.iter().position(|l| l.id == *id);
    let at = match rule.kind.place() {
        Place::Zone(id) => settings.zones.iter().position(|z| z.id == id)?,
        Place::Line(id) => line_at(&id)?,
    };
    let post = Post { rule, settings, labels, at };
    Some(match &rule.kind {
        RuleKind::Intrusion { .. } => Box::new(intrusion::at(&post)),
        RuleKind::Loitering { seconds, .. } => Box::new(loitering::at(&post, *seconds)),
        RuleKind::Stopped { seconds, .. } => Box::new(stopped::at(&post, *seconds)),
        RuleKind::Occupancy { at_least, seconds, .. } => {
            Box::new(Occupancy::new(&post, Limits::number(*at_least, *seconds)))
        }
        RuleKind::Crowding { at_least, density, seconds, .. } => {
            Box::new(crowding::at(&post, *at_least, *density, *seconds))
        }
        RuleKind::Queue { at_least, wait, seconds, .. } => Box::new(Queue::new(&post, *at_least, *wait, *seconds)),
        RuleKind::Gathering { at_least, within, seconds, .. } => {
            Box::new(Gathering::new(&post, *at_least, *within, *seconds))
        }
        RuleKind::Scattering { at_least, within, over, seconds, .. } => {
            Box::new(Scattering::new(&post, *at_least, (*within, *over), *seconds))
        }
        RuleKind::WrongWay { way, seconds, .. } => Box::new(wrong_way::at(&post, *way, *seconds)),
        RuleKind::Speed { over_kmh, seconds, .. } => Box::new(speed::at(&post, Speed::Kmh(*over_kmh), *seconds)),
        RuleKind::Running { over, seconds, .. } => Box::new(running::at(&post, *over, *seconds)),
        RuleKind::NearVehicle { near, within, seconds, .. } => {
            Box::new(near_vehicle::at(&post, near, *within, *seconds))
        }
        RuleKind::Fall { seconds, .. } => Box::new(Fall::new(&post, *seconds)),
        RuleKind::RepeatedPassing { at_least, seconds, .. } => {
            Box::new(RepeatedPassing::new(&post, *at_least, *seconds))
        }
        RuleKind::ObjectLeft { limits, .. } => Box::new(Objects::new(&post, RegionChange::Left, *limits)),
        RuleKind::ObjectRemoved { limits, .. } => Box::new(Objects::new(&post, RegionChange::Removed, *limits)),
        RuleKind::LineCrossing { direction, .. } => Box::new(LineCrossing::new(&post, *direction)),
        RuleKind::Tailgating { direction, seconds, .. } => Box::new(Tailgating::new(&post, *direction, *seconds)),
        RuleKind::Journey { line, direction, then_direction, seconds, .. } => {
            Box::new(Journey::new(&post, line_at(line)?, [*direction, *then_direction], *seconds))
        }
    })
}
