//! Tells that somebody on a watch list, or nobody who is known, was recognised.

use super::narrator::{Context, Narrator, Telling, subject};
use crate::vocab::{Event, EventKind, Explanation, Id, Identity, Measure, Phase, Severity, Track};

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
    let likeness = format!("likeness {:.2} (limit {:.2})", identity.score, identity.threshold);
    let text = match &identity.person {
        Some(person) => {
            let lists: Vec<&str> = person.lists.iter().map(Id::as_str).collect();
            let lists = if lists.is_empty() { String::new() } else { format!(", on {}", lists.join(", ")) };
            format!("{label} {score:.2} is {} ({}{lists}): {likeness}", person.name, person.id)
        }
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
