//! Recognising people again: the model's file, and of whom a camera tells.

use std::time::Duration;

use super::Check;
use crate::config::document::{self, Document};
use crate::config::fault::Path;
use crate::config::phrase;
use crate::config::ready::{CameraReidentify, FaceModel, Reidentify, TellAgain};
use crate::identify::AppearanceSettings;
use crate::vocab::Id;

/// Reads `reidentify`.
pub(super) fn read(check: &mut Check, document: &Document, path: &Path) -> Option<Option<Reidentify>> {
    let Some(reidentify) = &document.reidentify else { return check.is_sound(path).then_some(None) };
    if document.runtime.require_signed {
        let problem =
            "found it with `runtime.require_signed`, must be one of the two: no package holds an embedding model";
        check.error(path, problem, "remove it, or allow models that nobody signed");
        return None;
    }
    if !document.cameras.iter().any(|camera| camera.reidentify.is_some())
        && check.is_sound(&Path::default().key("cameras"))
    {
        let problem = "found it, but no camera has `reidentify`";
        check.warning(path, problem, "add `reidentify: {}` to a camera, or remove it");
    }
    let document::Reidentify { embedder, .. } = reidentify;
    Some(Some(Reidentify {
        embedder: FaceModel {
            file: check.folders.file(&embedder.file),
            threshold: 0.0,
            input: None,
            provider: embedder.provider,
            threads: embedder.threads,
            isolation: document.runtime.isolation,
        },
        appearances: AppearanceSettings {
            threshold: reidentify.threshold as f32,
            margin: reidentify.margin as f32,
            forget: Duration::from_secs(u64::from(reidentify.forget_seconds)),
            most: reidentify.most as usize,
        },
    }))
}

/// Reads `reidentify` of a camera.
pub(super) fn camera(
    check: &mut Check,
    document: &Document,
    camera: &document::Camera,
    path: &Path,
) -> Option<Option<CameraReidentify>> {
    let at = path.key("reidentify");
    let Some(reidentify) = &camera.reidentify else { return check.is_sound(&at).then_some(None) };
    if document.reidentify.is_none() && check.is_sound(&Path::default().key("reidentify")) {
        let problem = "found it without a top-level `reidentify`, must have one, which says which model";
        check.error(&at, problem, "describe it under `reidentify`, or remove it here");
        return None;
    }
    if camera.detect.as_ref().is_none_or(|detect| detect.model.is_none()) {
        let problem = "found it for a camera without `detect.model`, must be one with: people are described as a detector \
                       finds them";
        check.error(&at, problem, "add `detect: { model: NAME }`, or remove it");
        return None;
    }
    let ids = reidentify.tell.iter().enumerate().map(|(i, tell)| (at.key("tell").index(i).key("id"), &tell.id));
    check.unique(ids.clone(), "whom the camera tells of");
    let known = camera.identify.iter().flat_map(|identify| &identify.tell).map(|tell| &tell.id);
    let taken: Vec<&Id> = camera.rules.iter().map(|rule| &rule.id).chain(known).collect();
    for (at, id) in ids.filter(|(_, id)| taken.contains(id)) {
        let problem = format!("found `{id}`, must be another than those of the camera's rules and of `identify`");
        check.error(&at, problem, "give it another id");
    }
    let mut tell = Vec::new();
    for (i, one) in reidentify.tell.iter().enumerate() {
        let from = one.from.clone().unwrap_or_default();
        for (at, camera) in from.iter().enumerate().map(|(j, id)| (at.key("tell").index(i).key("from").index(j), id)) {
            known_camera(check, document, camera, &at);
        }
        tell.push(TellAgain { id: one.id.clone(), from, severity: one.severity });
    }
    Some(Some(CameraReidentify { tell }))
}

/// Somebody can only come from a camera that there is, and that describes people too.
fn known_camera(check: &mut Check, document: &Document, named: &Id, path: &Path) {
    let cameras = &document.cameras;
    if cameras.iter().any(|camera| camera.id == *named && camera.reidentify.is_some())
        || !check.is_sound(&Path::default().key("cameras"))
    {
        return;
    }
    let describing = cameras.iter().filter(|camera| camera.reidentify.is_some());
    let names: Vec<&str> = describing.map(|camera| camera.id.as_str()).collect();
    let problem = format!("found `{named}`, must be a camera with `reidentify`: {}", phrase::either(&names));
    let meant = phrase::nearest(named.as_str(), names.iter().copied());
    let remedy = meant.map_or_else(|| "add `reidentify: {}` to that camera".to_owned(), phrase::did_you_mean);
    check.error(path, problem, remedy);
}
