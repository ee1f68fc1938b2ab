//! The one sentence that tells a person why an event was raised.

use std::fmt::Write as _;

use super::{conduct, identified};
use crate::vocab::{EndReason, Explanation, Firing, FiringKind, FiringPhase, Labels, Measure, Place, Track};

/// Why `firing` was raised: a sentence, and every measure it came with.
pub(super) fn firing(firing: &Firing, labels: &Labels) -> Explanation {
    let text = match firing.kind {
        FiringKind::Intrusion | FiringKind::Loitering => stay(firing, labels),
        FiringKind::LineCrossing => crossing(firing, labels),
        FiringKind::Occupancy => occupancy(firing),
        FiringKind::WrongWay => conduct::measured(firing, labels, "moves against the way"),
        FiringKind::Speed => conduct::measured(firing, labels, "is too fast"),
        FiringKind::Running => conduct::measured(firing, labels, "runs"),
        FiringKind::NearVehicle => conduct::measured(firing, labels, "is near a vehicle"),
        FiringKind::Stopped => stay(firing, labels),
        FiringKind::Fall => conduct::fall(firing, labels),
        FiringKind::Crowding => conduct::crowding(firing),
        FiringKind::Queue => conduct::queue(firing),
        FiringKind::Gathering => conduct::gathering(firing),
        FiringKind::Scattering => conduct::scattering(firing),
        FiringKind::Tailgating => conduct::tailgating(firing, labels),
        FiringKind::Journey => conduct::journey(firing, labels),
        FiringKind::RepeatedPassing => conduct::repeated_passing(firing, labels),
        FiringKind::ObjectLeft => conduct::object(firing, "something was left in", "is gone"),
        FiringKind::ObjectRemoved => conduct::object(firing, "something was removed from", "is back"),
    };
    let text = text + &identified::decided(firing);
    Explanation { text, measures: firing.measures.clone() }
}

/// `person 0.87 appeared`, `person 0.91 was followed for 35 s`.
pub(super) fn track(track: &Track, labels: &Labels, has_ended: bool) -> Explanation {
    let followed = track.last_seen.since(track.first_seen).as_secs_f64();
    let who = format!("{} {:.2}", labels.name(track.class), track.best_score);
    let text = if has_ended { format!("{who} was followed for {}", span(followed)) } else { format!("{who} appeared") };
    let mut measures = vec![Measure::plain(Measure::SCORE, two_places(track.best_score))];
    if has_ended {
        measures.push(Measure::plain("followed_s", (followed * 1e3).round() / 1e3));
    }
    Explanation { text, measures }
}

/// `person 0.87 in zone yard for 61 s (limit 60 s)`, and how it ended.
fn stay(firing: &Firing, labels: &Labels) -> String {
    let (who, place) = (who(firing, labels), place(firing));
    let still = measure(firing, Measure::STILL);
    let dwell = still.or_else(|| measure(firing, Measure::DWELL));
    let dwelt = dwell.map_or(0.0, |m| m.value);
    let limit = dwell.and_then(|m| m.limit).map_or(String::new(), |limit| format!(" (limit {})", span(limit)));
    let lasting = span(dwelt);
    match (firing.phase, EndReason::among(&firing.measures)) {
        (FiringPhase::End, Some(EndReason::Left)) => format!("{who} left {place} after {lasting}{limit}"),
        (FiringPhase::End, Some(EndReason::Ceased)) => format!("{who} moved off in {place} after {lasting}{limit}"),
        (FiringPhase::End, Some(EndReason::Unseen) | None) => {
            format!("{who} was last seen in {place} after {lasting}{limit}")
        }
        (FiringPhase::End, Some(reason)) => format!("{who} in {place} for {lasting}{limit} when {}", when(reason)),
        // Less than a second is no more than the time it took to be sure.
        (FiringPhase::Start, _) if limit.is_empty() && dwelt < 1.0 => format!("{who} in {place}"),
        _ if still.is_some() => format!("{who} has stood still in {place} for {lasting}{limit}"),
        _ => format!("{who} in {place} for {lasting}{limit}"),
    }
}

/// `person 0.87 crossed line gate from left to right`.
fn crossing(firing: &Firing, labels: &Labels) -> String {
    format!("{} crossed {} {}", who(firing, labels), place(firing), crossing_way(firing))
}

pub(super) fn crossing_way(firing: &Firing) -> &'static str {
    let is_right = measure(firing, Measure::DIRECTION).is_none_or(|m| m.value > 0.0);
    if is_right { "from left to right" } else { "from right to left" }
}

/// `2 × person in zone lobby (limit 2)`, and how it ended.
pub(super) fn occupancy(firing: &Firing) -> String {
    let place = place(firing);
    let count = measure(firing, Measure::COUNT);
    let limit = count.and_then(|m| m.limit).unwrap_or(0.0);
    if firing.phase == FiringPhase::End {
        let lasted = span(measure(firing, Measure::DWELL).map_or(0.0, |m| m.value));
        let peak = measure(firing, Measure::PEAK).map_or(0.0, |m| m.value);
        return match EndReason::among(&firing.measures) {
            None | Some(EndReason::Left | EndReason::Unseen | EndReason::Ceased) => {
                format!("{place} held fewer than {limit} again after {lasted} (most {peak})")
            }
            Some(reason) => {
                format!("{place} had held {limit} or more for {lasted} (most {peak}) when {}", when(reason))
            }
        };
    }
    let mut text = by_label(firing);
    if text.is_empty() {
        let _ = write!(text, "{} ×", count.map_or(0.0, |m| m.value));
    }
    let _ = write!(text, " in {place}");
    match measure(firing, Measure::HELD) {
        Some(Measure { value, limit: Some(hold), .. }) => {
            let _ = write!(text, " for {} (limit {limit} for {})", span(*value), span(*hold));
        }
        _ => {
            let _ = write!(text, " (limit {limit})");
        }
    }
    text
}

/// `2 × person, 1 × dog`.
fn by_label(firing: &Firing) -> String {
    let mut text = String::new();
    for measure in &firing.measures {
        let label = measure.name.strip_prefix(Measure::COUNT).and_then(|rest| rest.strip_prefix('.'));
        if let Some(label) = label {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{} × {label}", measure.value);
        }
    }
    text
}

pub(super) fn who(firing: &Firing, labels: &Labels) -> String {
    let Some(track) = &firing.track else { return "something".to_owned() };
    let score = measure(firing, Measure::SCORE).map_or(f64::from(track.best_score), |m| m.value);
    format!("{} {score:.2}", labels.name(track.class))
}

pub(super) fn place(firing: &Firing) -> String {
    match &firing.place {
        Some(Place::Zone(id)) => format!("zone {id}"),
        Some(Place::Line(id)) => format!("line {id}"),
        None => "the picture".to_owned(),
    }
}

pub(super) fn when(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Left => "it left",
        EndReason::Ceased => "it ceased",
        EndReason::Unseen => "it was last seen",
        EndReason::Schedule => "the schedule closed",
        EndReason::Identity => "a face told who it is",
        EndReason::Discontinuity => "the stream was cut",
        EndReason::Stopped => "watching stopped",
    }
}

pub(super) fn measure<'a>(firing: &'a Firing, name: &str) -> Option<&'a Measure> {
    firing.measures.iter().find(|m| m.name == name)
}

/// `0.4 s`, `61 s`, `5 min 3 s`, `2 h 10 min`. Rounded down, so that a limit never seems passed before it was.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        _ if seconds < 10.0 && seconds.fract() > 0.0 => format!("{:.1} s", (seconds.max(0.0) * 10.0).floor() / 10.0),
        0..=299 => format!("{whole} s"),
        300..=3599 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn two_places(value: f32) -> f64 {
    (f64::from(value) * 1e2).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_read_well_and_never_round_up() {
        let table = [
            (-1.0, "0 s"),
            (0.0, "0 s"),
            (0.35, "0.3 s"),
            (5.0, "5 s"),
            (59.99, "59 s"),
            (61.2, "61 s"),
            (299.9, "299 s"),
            (300.0, "5 min 0 s"),
            (3_599.9, "59 min 59 s"),
            (7_830.0, "2 h 10 min"),
        ];
        for (seconds, text) in table {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }
}
