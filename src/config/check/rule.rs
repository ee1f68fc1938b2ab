//! Rules: the places and labels they name, and what all kinds have in common.

use std::time::Duration;

use super::kind::{self, Surroundings};
use super::{Check, pushed};
use crate::behaviour::{Rule, Schedule, Who};
use crate::config::document;
use crate::config::fault::Path;
use crate::config::phrase;
use crate::vocab::Id;

/// Labels that stand for several of a model's.
const GROUPS: [&str; 2] = ["vehicle", "animal"];

/// The label of what moves before the background.
const MOVING: &str = crate::scene::MOVING;

/// Reads `rules` of a camera that is looked at by `model`.
pub(super) fn read_all(
    check: &mut Check,
    camera: &document::Camera,
    model: Option<&document::Model>,
    surroundings: &Surroundings,
    path: &Path,
) -> Option<Vec<Rule>> {
    let places = Places {
        zones: Names::new(check, camera.zones.iter().map(|z| &z.id), &path.key("zones")),
        lines: Names::new(check, camera.lines.iter().map(|l| &l.id), &path.key("lines")),
    };
    // Where that is faulty, it is told already.
    let recognises = camera.identify.is_some() || !check.is_sound(&path.key("identify"));
    let path = path.key("rules");
    let names = camera.rules.iter().enumerate().map(|(i, r)| (path.index(i).key("id"), &r.id));
    check.unique(names, "the camera's rules");
    let mut rules = Some(Vec::new());
    for (i, rule) in camera.rules.iter().enumerate() {
        let path = path.index(i);
        if camera.detect.as_ref().is_some_and(|detect| detect.from.is_some()) {
            of_what_moves(check, &rule.labels, &path.key("labels"));
            of_what_moves(check, &rule.near, &path.key("near"));
        }
        labels(check, &rule.labels, model, &path.key("labels"));
        labels(check, &rule.near, model, &path.key("near"));
        let who = who(check, recognises, rule.who.as_ref(), &path.key("who"));
        let rule = read(check, &places, surroundings, rule, &path).zip(who).map(|(rule, who)| Rule { who, ..rule });
        rules = rules.zip(rule).map(|(rules, rule)| pushed(rules, rule));
    }
    rules
}

fn read(
    check: &mut Check,
    places: &Places,
    surroundings: &Surroundings,
    rule: &document::Rule,
    path: &Path,
) -> Option<Rule> {
    let schedule = schedule(check, rule.schedule.as_deref(), &path.key("schedule"));
    // What else may stand here depends on the kind, so nothing more can be said where that is faulty.
    if !check.is_sound(&path.key("kind")) {
        return None;
    }
    kind::refuse_keys_of_other_kinds(check, rule, path);
    let kind = kind::read(check, places, surroundings, rule, path)?;
    schedule.map(|schedule| Rule {
        id: rule.id.clone(),
        kind,
        labels: rule.labels.clone(),
        who: None,
        severity: rule.severity,
        schedule,
        min_score: rule.min_score as f32,
        score_of: rule.score_of,
        min_height: rule.min_height as f32,
        min_height_m: rule.min_height_m as f32,
        max_height_m: rule.max_height_m.map(|height| height as f32),
        min_width: rule.min_width as f32,
        min_area: rule.min_area as f32,
        min_travel: rule.min_travel as f32,
        cooldown: rule.cooldown_seconds.map(Duration::from_secs_f64),
    })
}

/// Whom it is about, if that is written; nothing if it is faulty. Which lists and persons there are, the gallery alone knows,
/// which `vedette check --probe` asks.
fn who(check: &mut Check, recognises: bool, who: Option<&document::Who>, path: &Path) -> Option<Option<Who>> {
    let Some(who) = who else { return check.is_sound(path).then_some(None) };
    if !recognises {
        let problem = "found it for a camera without `identify`, must be one with: nobody is recognised here";
        check.error(path, problem, "add `identify: {}` to the camera, or remove it");
    }
    let (key, names, who) = match (&who.only, &who.except) {
        (Some(_), Some(_)) => {
            let problem = "found it beside `only`, must be one of the two";
            check.error(&path.key("except"), problem, "remove one of them");
            return None;
        }
        (Some(only), None) => ("only", only, Who::Only(only.clone())),
        (None, Some(except)) => ("except", except, Who::Except(except.clone())),
        (None, None) => {
            let problem = "found neither `only` nor `except`, must say of whom it is or of whom it is not";
            check.error(path, problem, "name watch lists or persons, such as `except: [staff]`, or remove it");
            return None;
        }
    };
    if names.is_empty() {
        let problem = "found nobody, must name a watch list or a person";
        check.error(&path.key(key), problem, "name one, such as `[staff]`, or remove `who`");
    }
    Some(Some(who))
}

/// The schedule, if one is written; nothing if it is faulty.
fn schedule(check: &mut Check, text: Option<&str>, path: &Path) -> Option<Option<Schedule>> {
    match text.map(Schedule::parse).transpose() {
        Ok(schedule) => Some(schedule),
        Err(problem) => {
            let remedy =
                "write windows such as \"22:00-06:00\" or \"mon-fri 08:00-12:00,13:00-18:00; sat 09:00-12:00\"";
            check.error(path, problem.to_string(), remedy);
            None
        }
    }
}

/// The places of a camera that rules can name.
pub(super) struct Places<'c> {
    zones: Names<'c>,
    lines: Names<'c>,
}

/// Names that stand in the file as they should.
struct Names<'c> {
    list: Vec<&'c str>,
    /// Whether these are all: none was faulty, so that what is not among them does not exist.
    are_all: bool,
}

impl<'c> Names<'c> {
    fn new(check: &Check, ids: impl Iterator<Item = &'c Id>, path: &Path) -> Self {
        let (mut list, mut are_all) = (Vec::new(), true);
        for (i, id) in ids.enumerate() {
            let is_sound = check.is_sound(&path.index(i).key("id"));
            are_all &= is_sound;
            if is_sound && !list.contains(&id.as_str()) {
                list.push(id.as_str());
            }
        }
        are_all &= !list.is_empty() || check.is_sound(path);
        Self { list, are_all }
    }
}

/// The zone or line (`what`) that the key `key` of a rule names.
pub(super) fn place(
    check: &mut Check,
    places: &Places,
    named: Option<&Id>,
    (what, key): (&str, &str),
    path: &Path,
) -> Option<Id> {
    let (known, others, other) = match what {
        "zone" => (&places.zones, &places.lines, "line"),
        _ => (&places.lines, &places.zones, "zone"),
    };
    let path = path.key(key);
    let allowed = match known.list.is_empty() {
        true => format!("a {what} of this camera, which has none"),
        false => format!("a {what} of this camera: {}", phrase::either(&known.list)),
    };
    let Some(named) = named else {
        check.error(&path, format!("found nothing, must be {allowed}"), format!("add `{key}: ID`"));
        return None;
    };
    if known.list.contains(&named.as_str()) {
        return Some(named.clone());
    }
    if !known.are_all {
        return None;
    }
    let remedy = if others.list.contains(&named.as_str()) {
        format!("`{named}` is a {other}; take another kind of rule for it")
    } else {
        let meant = phrase::nearest(named.as_str(), known.list.iter().copied());
        meant.map_or_else(|| format!("describe it under `{what}s`"), phrase::did_you_mean)
    };
    check.error(&path, format!("found `{named}`, must be {allowed}"), remedy);
    None
}

/// What moves before the background has one label.
fn of_what_moves(check: &mut Check, named: &[String], path: &Path) {
    for (i, label) in named.iter().enumerate().filter(|(_, label)| *label != MOVING) {
        let problem = format!("found {}, must be `{MOVING}`, as no model looks", phrase::name(label));
        check.error(&path.index(i), problem, "remove it, or let a model look");
    }
}

/// Labels can be checked here only where the configuration lists the model's.
pub(super) fn labels(check: &mut Check, named: &[String], model: Option<&document::Model>, path: &Path) {
    let Some(model) = model.filter(|m| !m.labels.is_empty()) else { return };
    let known: Vec<&str> = model.labels.iter().map(String::as_str).collect();
    let shown: Vec<String> = known.iter().map(|label| phrase::name(label)).collect();
    let few = known.len() <= 12;
    let shown = if few { phrase::either(&shown) } else { format!("one of its {} labels", known.len()) };
    for (i, label) in named.iter().enumerate() {
        if known.contains(&label.as_str()) || GROUPS.contains(&label.as_str()) {
            continue;
        }
        let meant = phrase::nearest(label, known.iter().copied());
        let remedy = meant.map_or_else(|| "take a label of the model".to_owned(), phrase::did_you_mean);
        let problem = format!("found {}, must be a label of the camera's model: {shown}", phrase::name(label));
        check.error(&path.index(i), problem, remedy);
    }
}
