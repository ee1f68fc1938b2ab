//! An event in words: why it was raised, and all that one needs to believe it or not. Pure.
//!
//! Agents may be newer than this program, and what they say is not to be trusted: whatever is missing or of another kind is
//! left out.

use serde_json::Value;

use super::told::{When, number, seconds, short};
use super::words;

/// One thing that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact { name: name.to_owned(), value: value.into() }
}

/// A text of the event.
pub(super) fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn float(event: &Value, pointer: &str) -> Option<f64> {
    event.pointer(pointer)?.as_f64()
}

/// When it happened.
pub(super) fn when(event: &Value) -> Option<When> {
    When::read(text(event, "/time")?)
}

/// The sentence that its agent says, or at least what happened.
pub(super) fn sentence(event: &Value) -> String {
    let said = text(event, "/data/explanation").or_else(|| text(event, "/data/kind"));
    said.or_else(|| text(event, "/type")).map_or("an event that says nothing", words::kind).to_owned()
}

/// What led to it, for everybody who judges it.
pub(super) fn facts(event: &Value) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(rule) = text(event, "/data/rule") {
        let kind = text(event, "/data/kind").map(|kind| format!(" ({})", words::kind(kind))).unwrap_or_default();
        facts.push(fact("Rule", format!("{rule}{kind}")));
    }
    for (pointer, name) in [("/data/place/zone", "Zone"), ("/data/place/line", "Line")] {
        facts.extend(text(event, pointer).map(|place| fact(name, place)));
    }
    facts.extend(text(event, "/data/subject/label").map(|label| fact("Label", label)));
    facts.extend(score(event));
    facts.extend(track(event));
    let (kind, measures) = (text(event, "/data/kind").unwrap_or_default(), event.pointer("/data/measures"));
    let measures = measures.and_then(Value::as_array).into_iter().flatten();
    facts.extend(measures.filter_map(|one| measure(kind, one)));
    facts.extend(text(event, "/data/capture/clock").map(|clock| fact("Clock", clock_in_words(clock))));
    facts.extend(model(event));
    facts.extend(text(event, "/data/evidence/missing").map(|why| fact("No picture", why)));
    facts
}

/// What only somebody asks who looks for a fault.
pub(super) fn details(event: &Value) -> Vec<Fact> {
    let texts = [
        ("/id", "Id"),
        ("/source", "Source"),
        ("/data/episode", "Episode"),
        ("/data/phase", "Phase"),
        ("/data/model/sha256", "SHA-256 of the model"),
        ("/data/config_revision", "Configuration"),
        ("/data/capture/time", "Captured"),
        ("/data/capture/boot", "Run of the agent"),
    ];
    let mut facts: Vec<Fact> =
        texts.iter().filter_map(|(pointer, name)| Some(fact(name, text(event, pointer)?))).collect();
    if let Some(sides) = event.pointer("/data/subject/box").and_then(Value::as_array) {
        let sides: Vec<String> = sides.iter().filter_map(Value::as_f64).map(number).collect();
        facts.push(fact("Box (left, top, right, bottom)", sides.join(", ")));
    }
    facts.extend(
        float(event, "/data/capture/pts_ms").map(|ms| fact("Media time", format!("{} s", number(ms / 1000.0)))),
    );
    facts
}

fn score(event: &Value) -> Option<Fact> {
    let score = float(event, "/data/subject/score")?;
    let best = float(event, "/data/subject/best_score").map(|best| format!(", at best {}", number(best)));
    let threshold = float(event, "/data/model/threshold").map(|threshold| format!(", threshold {}", number(threshold)));
    let text = [Some(number(score)), best, threshold].into_iter().flatten().collect::<String>();
    Some(fact("Score", text))
}

fn track(event: &Value) -> Option<Fact> {
    let track = event.pointer("/data/subject/track")?.as_u64()?;
    let age = event.pointer("/data/subject/age_ms").and_then(Value::as_u64);
    let age = age.map(|ms| format!(", followed for {}", seconds(ms / 1000))).unwrap_or_default();
    Some(fact("Track", format!("{track}{age}")))
}

fn measure(kind: &str, measure: &Value) -> Option<Fact> {
    let name = text(measure, "/name")?;
    if let Some(why) = words::end(name) {
        return Some(fact("Ended", why));
    }
    let (words, unit) = words::measure(kind, name);
    let value = number(float(measure, "/value")?);
    let limit = float(measure, "/limit").map(|limit| format!(" (limit {}{unit})", number(limit))).unwrap_or_default();
    Some(fact(&words, format!("{value}{unit}{limit}")))
}

fn clock_in_words(clock: &str) -> &str {
    match clock {
        "synced" => "synchronised",
        "holdover" => "was synchronised since the start, is not now",
        "unsynced" => "not synchronised: the time may be wrong",
        "media" => "counted from the start of a recording",
        other => other,
    }
}

fn model(event: &Value) -> Option<Fact> {
    let name = text(event, "/data/model/name")?;
    let version = text(event, "/data/model/version").map(|version| format!(" {version}"));
    let provider = text(event, "/data/model/provider").map(|provider| format!(", run by {provider}"));
    let sha256 = text(event, "/data/model/sha256").map(|sha256| format!(", {}", short(sha256, 12)));
    Some(fact("Model", [Some(name.to_owned()), version, provider, sha256].into_iter().flatten().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_says_what_a_person_needs_to_judge_it() {
        let event = json!({"time": "2026-11-23T14:27:53Z", "data": {
            "rule": "hang-around", "kind": "loitering", "place": {"zone": "yard"},
            "explanation": "person stayed 61 s in zone yard (limit 60 s)",
            "subject": {"track": 17, "label": "person", "score": 0.87, "best_score": 0.93, "age_ms": 63_200},
            "measures": [{"name": "dwell_s", "value": 61.2, "limit": 60.0}, {"name": "glow", "value": 2},
                         {"name": "gap_s", "value": 0.8, "limit": 2.0}, {"name": "ended_left", "value": 1}],
            "capture": {"clock": "unsynced"},
            "model": {"name": "people", "version": "1.2.0", "provider": "CPU", "threshold": 0.4},
        }});
        let told: Vec<String> =
            facts(&event).into_iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
        assert_eq!(
            told,
            [
                "Rule: hang-around (loitering)",
                "Zone: yard",
                "Label: person",
                "Score: 0.87, at best 0.93, threshold 0.4",
                "Track: 17, followed for 63 s",
                "Stayed: 61.2 s (limit 60 s)",
                "glow: 2",
                "Behind the one before: 0.8 s (limit 2 s)",
                "Ended: it left, or they became fewer",
                "Clock: not synchronised: the time may be wrong",
                "Model: people 1.2.0, run by CPU",
            ]
        );
        assert_eq!(sentence(&event), "person stayed 61 s in zone yard (limit 60 s)");
    }

    #[test]
    fn what_is_missing_or_strange_is_left_out() {
        for event in [json!({}), json!([]), json!({"data": {"subject": 7, "measures": {"name": 1}, "rule": []}})] {
            assert_eq!((facts(&event), details(&event)), (Vec::new(), Vec::new()), "{event}");
            assert!(!sentence(&event).is_empty());
        }
    }
}
