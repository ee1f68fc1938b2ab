//! What a rehearsal says nothing about: everything that lies before the tracks. Pure.

use super::settings_of;
use super::stage::Told;
use crate::config::{self, Config};
use crate::history::Head;
use crate::vocab::{Id, Labels};

/// Present and changed.
type Both<T> = (T, T);

/// What is to be known of one camera, of which these are the runs whose tracks were shown.
pub(super) fn of_camera(
    (present, changed): Both<&Config>,
    [old, new]: [Option<&config::Camera>; 2],
    camera: &Id,
    heads: &[Head],
) -> Vec<String> {
    let mut notes = Vec::new();
    match (settings_of(old).is_some(), settings_of(new).is_some()) {
        (true, false) => notes.push("the changed configuration does not look at this camera".to_owned()),
        (false, true) => notes.push("the configuration in force does not look at this camera".to_owned()),
        _ => {}
    }
    if let (Some(old), Some(new)) = (old, new) {
        notes.extend(of_looks(old, new));
        let models = [(present, old), (changed, new)].map(|(config, camera)| {
            let name = camera.model()?;
            config.models.iter().find(|model| model.name == *name)
        });
        notes.extend(of_models(models, heads));
    }
    for (which, side) in [("the configuration in force", old), ("the changed configuration", new)] {
        let Some(settings) = settings_of(side) else { continue };
        let about_objects = settings.rules.iter().filter(|rule| rule.kind.needs_background());
        notes.extend(about_objects.map(|rule| {
            format!("{which}: the rule {} needs the picture, of which nothing is kept: it is not tried", rule.id)
        }));
        let asking = settings.rules.iter().filter(|rule| rule.who.is_some());
        notes.extend(asking.map(|rule| {
            format!(
                "{which}: the rule {} asks who somebody is, of which nothing is kept: it is tried as if nobody had been \
                 recognised",
                rule.id
            )
        }));
        let is_known_again = side.is_some_and(|camera| camera.reidentify.is_some());
        let following = settings.rules.iter().filter(|rule| is_known_again && rule.kind.follows_people());
        notes.extend(following.map(|rule| {
            format!(
                "{which}: the rule {} knows people again by how they look, of which nothing is kept: it is tried as if \
                 nobody came again",
                rule.id
            )
        }));
        for head in heads {
            let labels = Labels::new(head.labels.iter().map(String::as_str));
            notes
                .extend(settings.faults(&labels).iter().map(|fault| format!("{which}, model {}: {fault}", head.model)));
        }
    }
    notes.dedup();
    notes.into_iter().map(|note| format!("{camera}: {note}")).collect()
}

/// How many starts were held back.
pub(super) fn of_suppression(camera: &Id, old: &Told, new: &Told) -> Vec<String> {
    let sides = [("the configuration in force", old), ("the changed configuration", new)];
    let note = |(which, told): (&str, &Told)| -> Vec<String> {
        let count = |(id, count): (&Id, &u64)| {
            let starts = if *count == 1 { "start" } else { "starts" };
            format!("{camera}: {which} holds {count} {starts} back by the entry {id} of `suppress`")
        };
        told.held_back.iter().filter(|(_, count)| **count > 0).map(count).collect()
    };
    sides.into_iter().flat_map(note).collect()
}

/// Keys that decide which pictures are looked at.
fn of_looks(old: &config::Camera, new: &config::Camera) -> Vec<String> {
    let fps = |camera: &config::Camera| camera.detect.as_ref().map(|detect| detect.fps);
    let gate = |camera: &config::Camera| camera.detect.as_ref().map(|detect| detect.motion_gate);
    let changed = [
        ("detect.fps", fps(old) != fps(new)),
        ("detect.motion_gate", gate(old) != gate(new)),
        ("motion", old.motion != new.motion),
        ("idle_keyframes", old.idle_keyframes != new.idle_keyframes),
    ];
    let note = |(key, _): (&str, bool)| {
        format!("`{key}` differs, and decides which pictures are looked at: both are shown the looks that there were")
    };
    changed.into_iter().filter(|(_, is_changed)| *is_changed).map(note).collect()
}

/// What decides which objects there are in a look.
fn of_models([old, new]: [Option<&config::Model>; 2], heads: &[Head]) -> Vec<String> {
    let mut notes = Vec::new();
    let (Some(old), Some(new)) = (old, new) else { return notes };
    let without_scores = |model: &config::Model| config::Model { threshold: None, ..model.clone() };
    if without_scores(old) != without_scores(new) {
        notes.push("the model differs: both are shown what the model saw that looked then".to_owned());
    }
    let kept = heads.iter().map(|head| head.threshold).fold(f32::MAX, f32::min);
    match new.score().total_cmp(&kept) {
        _ if old.score() == new.score() || heads.is_empty() => {}
        std::cmp::Ordering::Less => notes.push(format!(
            "the threshold {} is below the {kept} with which tracks were begun: what has a lower score was not kept",
            new.score()
        )),
        _ => notes.push(format!(
            "the threshold {} is not rehearsed: tracks are shown that began with less. `min_score` of a rule is",
            new.score()
        )),
    }
    notes
}
