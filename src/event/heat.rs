//! Where people stood and went, told once an hour.

use super::explain::span;
use super::narrator::{Context, Narrator, Telling};
use crate::vocab::{Event, EventKind, Explanation, HeatMap, Measure, Phase, Severity};

impl Narrator {
    /// Tells of a map that is complete.
    pub fn heat(&mut self, map: HeatMap, context: &Context) -> Event {
        let telling = Telling {
            kind: EventKind::HeatMap,
            severity: Severity::Event,
            phase: Phase::Start,
            episode: self.next_episode(),
            rule: None,
            place: None,
            region: None,
            subject: None,
            explanation: explain(&map),
            at: context.pts,
        };
        Event { heat: Some(Box::new(map)), ..self.event(telling, context) }
    }
}

fn explain(map: &HeatMap) -> Explanation {
    let tracks = if map.tracks == 1 { "track" } else { "tracks" };
    let (watched, most) = (map.watched.as_secs_f64(), f64::from(map.most()));
    let mut text = format!("{} {tracks} within {}", map.tracks, span(watched));
    if let Some((x, y)) = map.busiest() {
        let place = format!("{:.0} % from the left and {:.0} % from the top", x * 100.0, y * 100.0);
        text = format!("{text}; the longest stay was {} at {place}", span(most));
    }
    let measures = vec![
        Measure::plain("tracks", map.tracks as f64),
        Measure::plain("watched_s", watched.round()),
        Measure::plain("dwell_max_s", (most * 10.0).round() / 10.0),
    ];
    Explanation { text, measures }
}
