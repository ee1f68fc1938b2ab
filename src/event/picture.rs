//! What ails a camera's picture, told from its beginning to its end, and the switch between day and night.

use super::explain::span;
use super::narrator::{Context, Narrator, Telling};
use crate::vocab::{
    Condition, DayNight, Event, EventKind, Explanation, Finding, Id, Measure, MediaTime, Phase, PictureChange, Relief,
    Severity,
};

/// A condition whose beginning was told and whose end was not.
#[derive(Debug)]
pub(super) struct Ailing {
    episode: String,
    condition: Condition,
    since: MediaTime,
}

impl Narrator {
    /// Tells of a change of the picture as a whole. `None` where it ends what never began.
    pub fn picture(&mut self, change: &PictureChange, context: &Context) -> Option<Event> {
        match *change {
            PictureChange::Began { condition, since, finding } => {
                let ailing = Ailing { episode: self.next_episode(), condition, since };
                let explanation = Explanation {
                    text: format!("{}: {}", self.camera_named(), cause(condition, finding)),
                    measures: measures(condition, finding),
                };
                let event = self.tell_condition(&ailing, Phase::Start, explanation, context);
                self.ailing.push(ailing);
                Some(event)
            }
            PictureChange::Ended { condition, relief, .. } => {
                let at = self.ailing.iter().position(|ailing| ailing.condition == condition)?;
                let ailing = self.ailing.remove(at);
                Some(self.end_condition(&ailing, end_words(relief), context))
            }
            PictureChange::Switched { to, colour, light } => Some(self.tell_switch(to, colour, light, context)),
        }
    }

    /// Ends what is still told of the picture, as nobody looks at it any more.
    pub(super) fn end_conditions(&mut self, context: &Context, events: &mut Vec<Event>) {
        for ailing in std::mem::take(&mut self.ailing) {
            events.push(self.end_condition(&ailing, "nobody looks any more", context));
        }
    }

    fn end_condition(&self, ailing: &Ailing, why: &str, context: &Context) -> Event {
        let lasted = context.pts.since(ailing.since).as_secs_f64();
        let explanation = Explanation {
            text: format!("{} was {} for {}: {why}", self.camera_named(), ailing.condition.as_str(), span(lasted)),
            measures: vec![Measure::plain("lasted_s", (lasted * 1e3).round() / 1e3)],
        };
        self.tell_condition(ailing, Phase::End, explanation, context)
    }

    fn tell_condition(&self, ailing: &Ailing, phase: Phase, explanation: Explanation, context: &Context) -> Event {
        // It was there before it was certain; its end is told when it is.
        let at = if phase == Phase::Start { ailing.since } else { context.pts };
        let telling = telling(EventKind::CameraCondition, phase, ailing.episode.clone(), explanation, at);
        Event { condition: Some(ailing.condition), ..self.event(telling, context) }
    }

    fn tell_switch(&mut self, to: DayNight, colour: f32, light: f32, context: &Context) -> Event {
        let sees = match to {
            DayNight::Day => "in colour",
            DayNight::Night => "without colour",
        };
        let explanation = Explanation {
            text: format!("{} switched to {}: its picture is {sees}", self.camera_named(), to.as_str()),
            measures: vec![
                Measure::plain("colour", f64::from((colour * 10.0).round()) / 10.0),
                Measure::plain("luma", f64::from(light.round())),
            ],
        };
        let episode = self.next_episode();
        self.event(telling(EventKind::DayNight, Phase::Start, episode, explanation, context.pts), context)
    }

    fn camera_named(&self) -> String {
        self.settings.camera.as_ref().map_or("the camera".to_owned(), |id: &Id| format!("camera {id}"))
    }
}

fn telling(kind: EventKind, phase: Phase, episode: String, explanation: Explanation, at: MediaTime) -> Telling {
    let severity = Severity::Event;
    Telling { kind, severity, phase, episode, rule: None, place: None, region: None, subject: None, explanation, at }
}

/// Why a condition is believed, in words.
pub fn cause(condition: Condition, finding: Finding) -> String {
    let Finding { value, limit, shift } = finding;
    let (value, limit) = (percent(value), percent(limit));
    match (condition, shift) {
        (Condition::Defocused, _) => {
            format!("the picture has {value} of its usual sharpness (limit {limit}), and shows what it showed before")
        }
        (Condition::Moved, Some((right, down))) => {
            let across = format!("{} to the {}", percent(right.abs()), if right < 0.0 { "left" } else { "right" });
            let along = format!("{} {}", percent(down.abs()), if down < 0.0 { "up" } else { "down" });
            format!("{value} of the picture is where it was (limit {limit}); the rest has moved {across} and {along}")
        }
        (Condition::Moved, None) => {
            format!(
                "{value} of the picture is where it was (limit {limit}), and the rest is nowhere: another view, or \
                     something large before the lens"
            )
        }
        (Condition::Degraded, _) => {
            format!("{value} of the picture has lost its contrast (limit {limit}): dirt, drops, a web or fog")
        }
    }
}

fn measures(condition: Condition, finding: Finding) -> Vec<Measure> {
    let name = match condition {
        Condition::Defocused => "sharpness",
        Condition::Moved => "fit",
        Condition::Degraded => "lost",
    };
    let round = |value: f32| f64::from((value * 1e3).round()) / 1e3;
    let mut measures = vec![Measure::against(name, round(finding.value), round(finding.limit))];
    if let Some((right, down)) = finding.shift {
        measures.extend([Measure::plain("shift_x", round(right)), Measure::plain("shift_y", round(down))]);
    }
    measures
}

fn end_words(relief: Relief) -> &'static str {
    match relief {
        Relief::Passed => "the picture is as it was",
        Relief::Learnt => "it has looked the new way for so long that this is its view now",
        Relief::Touring => "it moves again and again, as on a tour; `ptz: true` says so",
        Relief::Resized => "its picture has another size",
    }
}

fn percent(share: f32) -> String {
    format!("{:.0} %", share * 100.0)
}
