//! Tells that somebody on a watch list, or nobody who is known, was recognised, and where a rule went by that.

use std::fmt::Write as _;

use super::explain::measure;
use super::narrator::{Context, Narrator, Telling, subject};
use crate::vocab::{
    EndReason, Event, EventKind, Explanation, Firing, FiringPhase, Id, Identity, KnownPerson, Measure, Phase, Severity,
    Track,
};

/// Somebody who was recognised, or who nobody knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified<'a> {
    /// Under which name of the configuration it is told.
    pub rule: &'a Id,
    /// Whether somebody should look now.
    pub severity: Severity,
    /// The person's track.
    pub track: &'a Track,
    /// Who it is taken for.
    pub identity: &'a Identity,
}

impl Narrator {
    /// Tells of it: an event without duration.
    pub fn identified(&mut self, told: &Identified<'_>, context: &Context) -> Event {
        let Identified { rule, severity, track, identity } = *told;
        let mut subject = subject(track, context.labels);
        subject.identity = Some(identity.clone());
        let telling = Telling {
            kind: EventKind::Identified,
            severity,
            phase: Phase::Start,
            episode: self.next_episode(),
            rule: Some(rule.clone()),
            place: None,
            explanation: explain(&subject.label, subject.best_score, identity),
            subject: Some(subject),
            region: None,
            at: context.pts,
        };
        self.event(telling, context)
    }
}

/// `person 0.91 is Ada Lovelace (e-1042, on staff): likeness 0.71 (limit 0.45)`.
fn explain(label: &str, score: f32, identity: &Identity) -> Explanation {
    let likeness = likeness(identity);
    let text = match &identity.person {
        Some(person) => format!("{label} {score:.2} is {}: {likeness}", named(person)),
        None if identity.score >= identity.threshold => format!(
            "{label} {score:.2} may be one of two people of the gallery: {likeness}, {:.2} more than the next (limit {:.2})",
            identity.margin, identity.least_margin
        ),
        None => format!("{label} {score:.2} is nobody of the gallery: {likeness}"),
    };
    let rounded = |value: f32| (f64::from(value) * 1e3).round() / 1e3;
    let measures = vec![
        Measure::against(Measure::LIKENESS, rounded(identity.score), rounded(identity.threshold)),
        Measure::against(Measure::LIKENESS_MARGIN, rounded(identity.margin), rounded(identity.least_margin)),
    ];
    Explanation { text, measures }
}

/// What is said after the sentence of a rule that goes by who somebody is: `, recognised as Ada Lovelace (e-1042, on staff):
/// likeness 0.71 (limit 0.45)`, or how many are not counted. Nothing where that decided nothing.
pub(super) fn decided(firing: &Firing) -> String {
    let has_ended = firing.phase == FiringPhase::End;
    let mut text = String::new();
    if let Some(left_out) = measure(firing, Measure::LEFT_OUT).filter(|_| !has_ended) {
        let _ = write!(text, ", not counting {} for who they are", left_out.value);
    }
    let is_told = !has_ended || EndReason::among(&firing.measures) == Some(EndReason::Identity);
    let Some(identity) = firing.identity.as_ref().filter(|_| is_told) else { return text };
    let who = match &identity.person {
        Some(person) => format!("recognised as {}", named(person)),
        None => "nobody of the gallery".to_owned(),
    };
    let _ = write!(text, ", {who}: {}", likeness(identity));
    text
}

/// `Ada Lovelace (e-1042, on staff)`.
fn named(person: &KnownPerson) -> String {
    let lists: Vec<&str> = person.lists.iter().map(Id::as_str).collect();
    let lists = if lists.is_empty() { String::new() } else { format!(", on {}", lists.join(", ")) };
    format!("{} ({}{lists})", person.name, person.id)
}

/// `likeness 0.71 (limit 0.45)`.
fn likeness(identity: &Identity) -> String {
    format!("likeness {:.2} (limit {:.2})", identity.score, identity.threshold)
}
