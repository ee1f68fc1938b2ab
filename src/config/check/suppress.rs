//! Where nothing is raised for a while: regions, and until when.

use super::{Check, place, pushed, rule};
use crate::behaviour::Suppression;
use crate::config::document;
use crate::config::fault::Path;
use crate::config::phrase;
use crate::vocab::WallTime;

/// Reads `suppress` of a camera that is looked at by `model`. That an entry has expired is no fault: it holds nothing back.
pub(super) fn read_all(
    check: &mut Check,
    camera: &document::Camera,
    model: Option<&document::Model>,
    path: &Path,
) -> Option<Vec<Suppression>> {
    let path = path.key("suppress");
    let names = camera.suppress.iter().enumerate().map(|(i, entry)| (path.index(i).key("id"), &entry.id));
    check.unique(names, "the camera's entries of `suppress`");
    let mut entries = Some(Vec::new());
    for (i, entry) in camera.suppress.iter().enumerate() {
        let path = path.index(i);
        rule::labels(check, &entry.labels, model, &path.key("labels"));
        rules(check, camera, entry, &path.key("rule"));
        let region = place::polygon(check, &entry.region, &path.key("region"));
        let until = until(check, &entry.until, &path.key("until"));
        let entry = region.zip(until).map(|(region, until)| Suppression {
            id: entry.id.clone(),
            rules: entry.rule.clone(),
            labels: entry.labels.clone(),
            region,
            until,
            reason: entry.reason.clone(),
        });
        entries = entries.zip(entry).map(|(entries, entry)| pushed(entries, entry));
    }
    entries
}

/// A rule that is not there is no fault: an entry may come from a hub, and outlive the rule that it is about.
fn rules(check: &mut Check, camera: &document::Camera, entry: &document::Suppress, path: &Path) {
    let known: Vec<&str> = camera.rules.iter().map(|rule| rule.id.as_str()).collect();
    for id in entry.rule.iter().filter(|id| !known.contains(&id.as_str())) {
        let problem = format!("found `{id}`, which is no rule of this camera and holds nothing back");
        let meant = phrase::nearest(id.as_str(), known.iter().copied());
        check.warning(path, problem, meant.map_or_else(|| "remove it".to_owned(), phrase::did_you_mean));
    }
}

fn until(check: &mut Check, text: &str, path: &Path) -> Option<WallTime> {
    let nanos = text.parse::<jiff::Timestamp>().ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    if nanos.is_none() {
        let problem = format!("found {}, must be a moment as in RFC 3339", phrase::name(text));
        check.error(path, problem, "write date, time and offset, such as 2027-01-31T06:00:00Z");
    }
    nanos.map(WallTime::from_unix_nanos)
}
