//! The sentences about how objects behave, alone and together.

use super::explain::{crossing_way, measure, occupancy, place, span, when, who};
use crate::vocab::{EndReason, Firing, FiringPhase, Labels, Measure};

/// `car 0.91 at 43.2 km/h in zone road for 1.2 s (limit 30 km/h)`, and at its end the most and why.
pub(super) fn measured(firing: &Firing, labels: &Labels, does: &str) -> String {
    let (who, place) = (who(firing, labels), place(firing));
    let Some(compared) = firing.measures.first() else { return format!("{who} {does} in {place}") };
    let (value, limit) = (in_unit(compared, compared.value), compared.limit.unwrap_or(0.0));
    let limit = in_unit(compared, limit);
    let held = span(value_of(firing, Measure::HELD));
    match EndReason::among(&firing.measures) {
        Some(reason) => {
            format!("{who} {does} in {place} for {held}, at worst {value} (limit {limit}), until {}", when(reason))
        }
        None => format!("{who} {does} in {place} for {held}: {value} (limit {limit})"),
    }
}

/// `person 0.87 fell in zone hall and stays down: the head dropped by 55 % of its height (limit 40 %), …`.
pub(super) fn fall(firing: &Firing, labels: &Labels) -> String {
    let (who, place) = (who(firing, labels), place(firing));
    let still = limited(firing, Measure::STILL);
    match (firing.phase, EndReason::among(&firing.measures)) {
        (FiringPhase::End, Some(EndReason::Ceased)) => format!("{who} who fell in {place} has got up"),
        (FiringPhase::End, Some(EndReason::Unseen) | None) => format!("{who} who fell in {place} is not seen any more"),
        (FiringPhase::End, Some(reason)) => format!("{who} who fell in {place} was down when {}", when(reason)),
        _ => format!(
            "{who} fell in {place} and stays down: {}, for {} (limit {})",
            sign(firing),
            span(still.0),
            span(still.1)
        ),
    }
}

/// `the head dropped by 55 % of its height (limit 40 %)` or `the trunk turned to 84° from upright (limit 60°)`.
fn sign(firing: &Firing) -> String {
    match measure(firing, Measure::INCLINATION) {
        Some(Measure { value, limit: Some(limit), .. }) => {
            format!("the trunk turned to {value:.0}° from upright (limit {limit:.0}°)")
        }
        _ => {
            let (share, limit) = limited(firing, Measure::DROP);
            format!("the head dropped by {:.0} % of its height (limit {:.0} %)", share * 100.0, limit * 100.0)
        }
    }
}

/// `person 0.87 crossed line gate from left to right 0.8 s after another (limit 2 s)`.
pub(super) fn tailgating(firing: &Firing, labels: &Labels) -> String {
    let (gap, limit) = limited(firing, Measure::GAP);
    let (who, way) = (who(firing, labels), crossing_way(firing));
    format!("{who} crossed {} {way} {} after another (limit {})", place(firing), span(gap), span(limit))
}

/// `car 0.87 came to line exit after 12 s (limit 60 s)`.
pub(super) fn journey(firing: &Firing, labels: &Labels) -> String {
    let (took, limit) = limited(firing, Measure::JOURNEY);
    let who = who(firing, labels);
    format!("{who} came to {} {} after the first line (limit {})", place(firing), span(took), span(limit))
}

/// `person 0.87 came to zone door for the 3rd time in 95 s (limit 3 in 10 min 0 s)`.
pub(super) fn repeated_passing(firing: &Firing, labels: &Labels) -> String {
    let ((visits, limit), (window, within)) = (limited(firing, Measure::VISITS), limited(firing, Measure::WINDOW));
    let who = who(firing, labels);
    format!("{who} came to {} {visits} times in {} (limit {limit} in {})", place(firing), span(window), span(within))
}

/// `6 wait in zone till, the longest for 95 s (limit 5; 60 s)`, and how it ended.
pub(super) fn queue(firing: &Firing) -> String {
    let place = place(firing);
    if let Some(reason) = EndReason::among(&firing.measures) {
        let (most, lasted) = (value_of(firing, Measure::PEAK), span(value_of(firing, Measure::DWELL)));
        return format!("the queue in {place} had been too long for {lasted} (most {most}) when {}", when(reason));
    }
    let (length, wait) = (measure(firing, Measure::COUNT), measure(firing, Measure::WAIT));
    let limits = [
        length.and_then(|m| m.limit).map(|limit| format!("{limit}")),
        wait.and_then(|m| m.limit).map(|limit| format!("wait {}", span(limit))),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let (length, wait) = (length.map_or(0.0, |m| m.value), wait.map_or(0.0, |m| m.value));
    format!("{length} wait in {place}, the longest for {} (limit {})", span(wait), limits.join(", "))
}

/// `4 together in zone square for 12 s (limit 3 for 10 s)`, and how it ended.
pub(super) fn gathering(firing: &Firing) -> String {
    let place = place(firing);
    let (count, limit) = limited(firing, Measure::COUNT);
    if let Some(reason) = EndReason::among(&firing.measures) {
        let (most, lasted) = (value_of(firing, Measure::PEAK), span(value_of(firing, Measure::DWELL)));
        return format!(
            "{limit} or more had been together in {place} for {lasted} (most {most}) when {}",
            when(reason)
        );
    }
    let held = match measure(firing, Measure::HELD) {
        Some(held) => format!(" for {} (limit {limit} for {})", span(held.value), span(held.limit.unwrap_or(0.0))),
        None => format!(" (limit {limit})"),
    };
    format!("{count} together in {place}{held}")
}

/// `4 ran apart in zone square (limit 3)`.
pub(super) fn scattering(firing: &Firing) -> String {
    let (count, limit) = limited(firing, Measure::COUNT);
    format!("{count} ran apart in {} (limit {limit})", place(firing))
}

/// `something was left in zone hall 61 s ago (limit 60 s), track 12 went away 45 s ago`, and how it ended.
pub(super) fn object(firing: &Firing, what: &str, ended: &str) -> String {
    let (still, limit) = limited(firing, Measure::STILL);
    let what = format!("{what} {} {} ago (limit {})", place(firing), span(still), span(limit));
    match EndReason::among(&firing.measures) {
        Some(EndReason::Ceased) => format!("{what} and {ended}"),
        Some(reason) => format!("{what}, until {}", when(reason)),
        None => match measure(firing, Measure::OWNER) {
            Some(owner) => {
                let left = span(value_of(firing, Measure::OWNER_LEFT));
                format!("{what}, track {} was last near it {left} ago", owner.value)
            }
            None => format!("{what}, and nobody was seen to do it"),
        },
    }
}

/// The sentence of an occupancy, with the density where that counts.
pub(super) fn crowding(firing: &Firing) -> String {
    let density = firing.measures.iter().find(|m| [Measure::DENSITY_M2, Measure::DENSITY_PICTURE].contains(&&*m.name));
    let density = density.filter(|_| firing.phase != FiringPhase::End).map_or(String::new(), |m| {
        let unit = if m.name == Measure::DENSITY_M2 { "square metre" } else { "picture" };
        format!(", {:.2} for each {unit} (limit {})", m.value, m.limit.unwrap_or(0.0))
    });
    format!("{}{density}", occupancy(firing))
}

fn limited(firing: &Firing, name: &str) -> (f64, f64) {
    measure(firing, name).map_or((0.0, 0.0), |m| (m.value, m.limit.unwrap_or(0.0)))
}

fn value_of(firing: &Firing, name: &str) -> f64 {
    limited(firing, name).0
}

/// `43.2 km/h`, by the unit at the end of the measure's name.
fn in_unit(measure: &Measure, value: f64) -> String {
    match measure.name.rsplit_once('_').map(|(_, unit)| unit) {
        Some("kmh") => format!("{value:.1} km/h"),
        Some("deg") => format!("{value:.0}°"),
        Some("m") => format!("{value:.1} m"),
        Some("heights") if measure.name.starts_with("speed") => format!("{value:.1} body heights/s"),
        Some("heights") => format!("{value:.1} body heights"),
        _ => format!("{value}"),
    }
}
