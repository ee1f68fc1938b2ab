//! Recognising faces: files, and of whom a camera tells.

use super::Check;
use crate::config::document::{self, Document};
use crate::config::fault::Path;
use crate::config::ready::{CameraIdentify, FaceModel, FromHub, Hub, Identify, Tell};
use crate::identify::{Limits, Policy, ShotSettings};

/// Reads `identify`. `hub` is what the file says of the hub; none where that is faulty.
pub(super) fn read(
    check: &mut Check,
    document: &Document,
    hub: Option<&Option<Hub>>,
    path: &Path,
) -> Option<Option<Identify>> {
    let Some(identify) = &document.identify else { return check.is_sound(path).then_some(None) };
    if document.runtime.require_signed {
        let problem =
            "found it with `runtime.require_signed`, must be one of the two: no package holds an embedding model";
        check.error(path, problem, "remove it, or allow models that nobody signed");
        return None;
    }
    if !document.cameras.iter().any(|camera| camera.identify.is_some())
        && check.is_sound(&Path::default().key("cameras"))
    {
        check.warning(path, "found it, but no camera has `identify`", "add `identify: {}` to a camera, or remove it");
    }
    let document::Identify { detector, embedder, quality, .. } = identify;
    let from_hub = from_hub(check, identify.from_hub.as_ref(), hub, &path.key("from_hub"));
    let limits = Limits {
        size_px: quality.size_px as f32,
        sharpness: quality.sharpness as f32,
        yaw: quality.yaw as f32,
        pitch: quality.pitch as f32,
        roll_degrees: quality.roll_degrees as f32,
    };
    Some(Some(Identify {
        detector: FaceModel {
            file: check.folders.file(&detector.file),
            threshold: detector.threshold as f32,
            input: detector.input.map(|[width, height]| (width, height)),
            provider: detector.provider,
            threads: detector.threads,
            isolation: document.runtime.isolation,
        },
        embedder: FaceModel {
            file: check.folders.file(&embedder.file),
            threshold: 0.0,
            input: None,
            provider: embedder.provider,
            threads: embedder.threads,
            isolation: document.runtime.isolation,
        },
        family: embedder.family.0,
        gallery: check.folders.file(&identify.gallery),
        key_file: check.folders.secret(&identify.key_file.0),
        from_hub: from_hub?,
        policy: Policy { threshold: identify.threshold as f32, margin: identify.margin as f32 },
        limits,
        shots: ShotSettings {
            every: std::time::Duration::from_secs_f64(identify.every_seconds),
            // A head is about an eighth of a standing person, and less of a person who sits.
            least_height_px: 2.0 * limits.size_px,
            ..ShotSettings::default()
        },
    }))
}

/// Reads `from_hub`.
fn from_hub(
    check: &mut Check,
    from_hub: Option<&document::FromHub>,
    hub: Option<&Option<Hub>>,
    path: &Path,
) -> Option<Option<FromHub>> {
    let Some(document::FromHub { gallery, every_seconds }) = from_hub else {
        return check.is_sound(path).then_some(None);
    };
    let Some(hub) = hub? else {
        let problem = "found it without a top-level `hub`, must have one, which says where the hub answers";
        check.error(path, problem, "describe it under `hub`, or copy the gallery here by hand and remove this");
        return None;
    };
    let every = std::time::Duration::from_secs_f64(*every_seconds);
    Some(Some(FromHub { gallery: gallery.clone(), every, hub: hub.clone() }))
}

/// Reads `identify` of a camera.
pub(super) fn camera(
    check: &mut Check,
    document: &Document,
    camera: &document::Camera,
    path: &Path,
) -> Option<Option<CameraIdentify>> {
    let at = path.key("identify");
    let Some(identify) = &camera.identify else { return check.is_sound(&at).then_some(None) };
    if document.identify.is_none() && check.is_sound(&Path::default().key("identify")) {
        let problem =
            "found it without a top-level `identify`, must have one, which says which models and which gallery";
        check.error(&at, problem, "describe them under `identify`, or remove it here");
        return None;
    }
    if camera.detect.is_none() {
        let problem = "found it for a camera without `detect`, must be one with: faces are looked for in people";
        check.error(&at, problem, "add `detect: { model: NAME }`, or remove it");
        return None;
    }
    let rules = camera.rules.iter().enumerate().map(|(i, rule)| (path.key("rules").index(i).key("id"), &rule.id));
    let tells = identify.tell.iter().enumerate().map(|(i, tell)| (at.key("tell").index(i).key("id"), &tell.id));
    check.unique(rules.chain(tells), "the camera's rules and whom it tells of");
    let mut tell = Vec::new();
    for (i, one) in identify.tell.iter().enumerate() {
        let lists = one.lists.clone().unwrap_or_default();
        if lists.is_empty() && !one.unknown {
            let problem = "found neither `lists` nor `unknown: true`, must say of whom it tells";
            check.error(&at.key("tell").index(i), problem, "name a watch list, or `unknown: true`");
        }
        tell.push(Tell { id: one.id.clone(), lists, unknown: one.unknown, severity: one.severity });
    }
    Some(Some(CameraIdentify { tell }))
}
