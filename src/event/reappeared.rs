//! Tells that somebody who was seen before was seen again.

use super::explain::span;
use super::narrator::{Context, Narrator, Telling, subject};
use crate::vocab::{Appearance, Event, EventKind, Explanation, Id, Measure, Phase, SeenBefore, Severity, Track};

/// Somebody who was seen before.
#[derive(Debug, Clone, PartialEq)]
pub struct Reappeared<'a> {
    /// Under which name of the configuration it is told.
    pub rule: &'a Id,
    /// Whether somebody should look now.
    pub severity: Severity,
    /// The person's track.
    pub track: &'a Track,
    /// Who it is taken for.
    pub appearance: &'a Appearance,
}

impl Narrator {
    /// Tells of it: an event without duration.
    pub fn reappeared(&mut self, told: &Reappeared<'_>, context: &Context) -> Event {
        let Reappeared { rule, severity, track, appearance } = *told;
        let mut subject = subject(track, context.labels);
        subject.appearance = Some(appearance.clone());
        let before = appearance.before.as_ref();
        let explanation = explain(&subject.label, subject.best_score, before, self.settings.camera.as_ref());
        let telling = Telling {
            kind: EventKind::Reappeared,
            severity,
            phase: Phase::Start,
            episode: self.next_episode(),
            rule: Some(rule.clone()),
            place: None,
            explanation,
            subject: Some(subject),
            region: None,
            at: context.pts,
        };
        self.event(telling, context)
    }
}

/// `person 0.91 looks like one whom camera door saw 35 s before: likeness 0.94 (limit 0.90)`.
fn explain(label: &str, score: f32, before: Option<&SeenBefore>, own: Option<&Id>) -> Explanation {
    let Some(before) = before else {
        return Explanation { text: format!("{label} {score:.2} was not seen before"), measures: Vec::new() };
    };
    let camera = &before.camera;
    let who = if own == Some(camera) { "who was here".to_owned() } else { format!("whom camera {camera} saw") };
    let when = if before.away.is_zero() {
        "at the same time".to_owned()
    } else {
        format!("{} before", span(before.away.as_secs_f64()))
    };
    let likeness = format!("likeness {:.2} (limit {:.2})", before.score, before.threshold);
    let rounded = |value: f32| (f64::from(value) * 1e3).round() / 1e3;
    let measures = vec![
        Measure::against(Measure::LIKENESS, rounded(before.score), rounded(before.threshold)),
        Measure::against(Measure::LIKENESS_MARGIN, rounded(before.margin), rounded(before.least_margin)),
        Measure::plain(Measure::AWAY, (before.away.as_secs_f64() * 1e3).round() / 1e3),
    ];
    Explanation { text: format!("{label} {score:.2} looks like one {who} {when}: {likeness}"), measures }
}
