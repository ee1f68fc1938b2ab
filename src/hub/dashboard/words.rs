//! What events and their numbers are called by people, and in which unit: the one place for both.
//!
//! Agents may be newer than this program: what has no words here is shown as the agent writes it. What the vocabulary
//! names has words, which a test holds against its source.

/// The kinds of events as they are written, each with its words.
pub(super) const KINDS: &[(&str, &str)] = &[
    ("intrusion", "intrusion"),
    ("loitering", "loitering"),
    ("line-crossing", "line crossed"),
    ("occupancy", "zone occupied"),
    ("wrong-way", "wrong way"),
    ("speed", "too fast"),
    ("running", "somebody runs"),
    ("stopped", "vehicle stopped"),
    ("near-vehicle", "person near a vehicle"),
    ("fall", "somebody has fallen"),
    ("crowding", "crowd"),
    ("tailgating", "tailgating"),
    ("queue", "queue"),
    ("journey", "journey"),
    ("gathering", "group stands together"),
    ("scattering", "group runs apart"),
    ("repeated-passing", "comes again and again"),
    ("track", "object followed"),
    ("camera-state", "camera's state"),
    ("discontinuity", "cut in the stream"),
    ("gap", "records lost"),
    ("clock-step", "clock was set"),
    ("model-change", "model changed"),
    ("config-change", "configuration changed"),
    ("clip", "clip recorded"),
    ("camera-condition", "something ails the picture"),
    ("day-night", "day or night"),
    ("heat-map", "heat map"),
    ("object-left", "object left"),
    ("object-removed", "object removed"),
    ("identified", "somebody recognised"),
    ("reappeared", "somebody seen again"),
];

/// Measures that mean something else in events of one kind: the kind, and as in [`MEASURES`].
const MEASURES_OF: &[(&str, &str, &str, &str)] = &[("camera-condition", "lost", "Without contrast", " of the picture")];

/// Measures as they are written, each with its words and its unit.
const MEASURES: &[(&str, &str, &str)] = &[
    // Of whoever is followed.
    ("score", "Score compared", ""),
    ("height", "Height of the box", " of the picture"),
    ("height_m", "Height", " m"),
    ("width", "Width of the box", " of the picture"),
    ("area", "Area of the box", " of the picture"),
    ("followed_s", "Followed for", " s"),
    ("dwell_s", "Stayed", " s"),
    ("still_s", "Stood still", " s"),
    ("held_s", "Held", " s"),
    ("visits", "Visits", ""),
    ("window_s", "From the first visit to the last", " s"),
    ("direction", "Direction over the line", ""),
    ("gap_s", "Behind the one before", " s"),
    ("journey_s", "From line to line", " s"),
    ("drop", "Dropped by", " of its height"),
    ("inclination_deg", "Trunk away from upright", "°"),
    ("width_by_height", "Width by height of the box", ""),
    ("travel_heights", "Has moved by", " body heights"),
    ("likeness", "Likeness", ""),
    ("likeness_margin", "More like this one than the next", ""),
    ("left_out", "Not counted for who they are", ""),
    ("away_s", "Away for", " s"),
    ("owner_track", "Track of its owner", ""),
    ("owner_left_s", "Its owner has been away for", " s"),
    ("owner_distance_heights", "Distance of its owner", " body heights"),
    // How it moves, and how near it is.
    ("speed_kmh", "Speed", " km/h"),
    ("speed_heights", "Speed", " body heights a second"),
    ("distance_m", "Distance", " m"),
    ("distance_heights", "Distance", " body heights"),
    ("angle_deg", "Away from the way", "°"),
    // Of a zone as a whole.
    ("count", "How many", ""),
    ("peak", "At most", ""),
    ("density_m2", "Density", " people a square metre"),
    ("density_picture", "Density", " people a picture"),
    ("wait_s", "Longest wait", " s"),
    ("served_s", "Waited on average until they left", " s"),
    // Of a picture as a whole.
    ("contrast", "Contrast to what was there", ""),
    ("sharpness", "Sharpness left", " of the usual"),
    ("fit", "Still where it was", " of the picture"),
    ("shift_x", "Moved to the right", " of its width"),
    ("shift_y", "Moved down", " of its height"),
    ("lasted_s", "Lasted", " s"),
    ("colour", "Colour", " levels of chroma"),
    ("luma", "Brightness", " of 255"),
    ("tracks", "Tracks", ""),
    ("watched_s", "Watched for", " s"),
    ("dwell_max_s", "Longest in one place", " s"),
    ("clip_s", "Length of the clip", " s"),
    ("clip_bytes", "Size of the clip", " bytes"),
    // Of cameras, clocks, models and records.
    ("jump_s", "Jump of the stream's clock", " s"),
    ("width_px", "Width of the picture", " pixels"),
    ("height_px", "Height of the picture", " pixels"),
    ("step_s", "Clock set by", " s"),
    ("old_unix_s", "Clock before", " s since 1970"),
    ("new_unix_s", "Clock after", " s since 1970"),
    ("load_s", "Loading took", " s"),
    ("inference_s", "In one inference for", " s"),
    ("faults", "Faults", ""),
    ("lost", "Records lost", ""),
    ("first", "First of them", ""),
    ("last", "Last of them", ""),
];

/// Why a happening ended, by the measure that carries it.
const ENDS: &[(&str, &str)] = &[
    ("ended_left", "it left, or they became fewer"),
    ("ended_ceased", "it does no longer what the rule is about"),
    ("ended_unseen", "it was not seen any more"),
    ("ended_schedule", "the rule's schedule closed"),
    ("ended_identity", "a face told who it is: nobody the rule is about"),
    ("ended_discontinuity", "the stream was cut"),
    ("ended_stopped", "camera, rule or program was stopped"),
];

/// The words of a kind.
pub(super) fn kind(kind: &str) -> &str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, words)| words)
}

/// The words and the unit of a measure in an event of this kind. The unit begins with a space where one belongs there.
pub(super) fn measure(kind: &str, name: &str) -> (String, &'static str) {
    let of_kind = MEASURES_OF.iter().find(|(of, known, ..)| *of == kind && *known == name);
    if let Some((.., words, unit)) = of_kind {
        return ((*words).to_owned(), unit);
    }
    if let Some((_, words, unit)) = MEASURES.iter().find(|(known, ..)| *known == name) {
        return ((*words).to_owned(), unit);
    }
    match name.strip_prefix("count.") {
        Some(label) => (format!("How many: {label}"), ""),
        None => (name.to_owned(), ""),
    }
}

/// Why a happening ended, where this measure says so.
pub(super) fn end(name: &str) -> Option<&'static str> {
    ENDS.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts in quotation marks behind `marker`, in a source.
    fn named<'a>(source: &'a str, marker: &str) -> Vec<&'a str> {
        let lines = source.lines().map(str::trim).filter(|line| line.contains(marker));
        lines.filter_map(|line| line.split('"').nth(1)).collect()
    }

    #[test]
    fn whatever_the_vocabulary_names_has_words() {
        let (firings, events) = (include_str!("../../vocab/firing.rs"), include_str!("../../vocab/event.rs"));
        let measures = named(firings, ": &str = \"");
        assert!(measures.contains(&"dwell_s") && measures.len() > 15, "{measures:?}");
        for name in measures {
            assert_ne!(measure("", name).0, name, "the measure {name} has no words");
        }
        let kinds = named(events, "=> \"");
        assert!(kinds.contains(&"line-crossing") && kinds.len() > 20, "{kinds:?}");
        for name in kinds {
            assert!(KINDS.iter().any(|(known, _)| *known == name), "the kind {name} has no words");
        }
        let of_rules = named(include_str!("../../behaviour/scale.rs"), "=> \"");
        let notices = named(include_str!("../../event/notice.rs"), "Measure::plain(\"");
        assert!(of_rules.len() > 3 && notices.len() > 10, "{of_rules:?} {notices:?}");
        for name in of_rules.into_iter().chain(notices) {
            assert_ne!(measure("", name).0, name, "the measure {name} has no words");
        }
        let ends = named(firings, "=> \"ended_");
        assert!(ends.len() > 5, "{ends:?}");
        for name in ends {
            assert!(end(name).is_some(), "the end {name} has no words");
        }
    }

    #[test]
    fn what_a_newer_agent_says_is_shown_as_it_says_it() {
        assert_eq!((kind("levitation"), measure("", "glow")), ("levitation", ("glow".to_owned(), "")));
        assert_eq!(measure("", "count.person"), ("How many: person".to_owned(), ""));
        assert_eq!(measure("", "density_m2").1, " people a square metre");
        assert_ne!(measure("camera-condition", "lost").0, measure("gap", "lost").0);
    }
}
