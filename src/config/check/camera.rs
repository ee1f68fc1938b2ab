//! Cameras: their sources, the model that looks at them, and names that are unique.

use std::time::Duration;

use super::address::{self, LoginKeys};
use super::kind::Surroundings;
use super::{Check, identify, place, pushed, reidentify, rule, suppress};
use crate::config::document::{self, Corners, Document};
use crate::config::fault::Path;
use crate::config::phrase;
use crate::config::ready::{Camera, Detect, Motion};
use crate::vocab::{Id, Polygon};

/// Reads `cameras`.
pub(super) fn read_all(check: &mut Check, document: &Document, path: &Path) -> Option<Vec<Camera>> {
    let cameras = &document.cameras;
    check.unique(cameras.iter().enumerate().map(|(i, c)| (path.index(i).key("id"), &c.id)), "the cameras");
    let mut ready = Some(Vec::new());
    for (i, camera) in cameras.iter().enumerate() {
        let camera = read(check, document, camera, &path.index(i));
        ready = ready.zip(camera).map(|(cameras, camera)| pushed(cameras, camera));
    }
    ready
}

fn read(check: &mut Check, document: &Document, camera: &document::Camera, path: &Path) -> Option<Camera> {
    let keys = LoginKeys { username: camera.username.as_ref(), password_file: camera.password_file.as_ref() };
    // Every part is read before any is missed, so that all faults are told.
    let source = address::camera(check, &camera.url.0, &keys, path);
    let decoder = decoder(check, &camera.decoder, &path.key("decoder"));
    let detect = detect(check, document, camera, path);
    let motion = motion(check, &camera.motion, &path.key("motion"));
    let (zones, lines) = place::read(check, camera, path);
    let model = camera.detect.as_ref().and_then(|d| document.models.get(d.model.as_ref()?.as_str()));
    let ground = place::ground(check, camera.ground.as_ref(), &path.key("ground"));
    let surroundings = Surroundings { zones: zones.as_deref(), ground: ground.as_ref().map(Option::as_ref) };
    let rules = rule::read_all(check, camera, model, &surroundings, path);
    let suppress = suppress::read_all(check, camera, model, path);
    let privacy = privacy(check, document, camera, &path.key("privacy"));
    let identify = identify::camera(check, document, camera, path);
    let reidentify = reidentify::camera(check, document, camera, path);
    let (source, login) = source?;
    let (privacy_masks, hide_faces) = privacy?;
    Some(Camera {
        id: camera.id.clone(),
        source,
        login,
        enabled: camera.enabled,
        transport: camera.transport,
        latency: Duration::from_millis(u64::from(camera.latency_ms)),
        verify_tls: camera.verify_tls,
        isolation: document.runtime.isolation,
        decoder: decoder?,
        threads: camera.threads,
        stall: Duration::from_secs_f64(camera.stall_seconds),
        frozen_after: Duration::from_secs_f64(camera.frozen_seconds),
        covered_after: Duration::from_secs_f64(camera.covered_seconds),
        idle_keyframes: camera.idle_keyframes,
        ptz: camera.ptz,
        picture: camera.picture.clone(),
        clips: camera.clips,
        detect: detect?,
        motion: motion?,
        heat: camera.maps.heat && camera.detect.is_some(),
        zones: zones?,
        lines: lines?,
        ground: ground?,
        privacy_masks,
        hide_faces,
        identify: identify?,
        reidentify: reidentify?,
        rules: rules?,
        suppress: suppress?,
    })
}

/// The element that decodes; the inner option is `None` for `auto`.
fn decoder(check: &mut Check, text: &str, path: &Path) -> Option<Option<String>> {
    if text == "auto" {
        return Some(None);
    }
    // The name goes to GStreamer; anything but a plain word would be read as a pipeline there.
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Some(Some(text.to_owned()));
    }
    let problem = format!("found {}, must be `auto` or the name of a GStreamer element", phrase::name(text));
    check.error(path, problem, "`vedette doctor` lists the decoders of this machine");
    None
}

fn detect(check: &mut Check, document: &Document, camera: &document::Camera, path: &Path) -> Option<Option<Detect>> {
    let path = path.key("detect");
    let Some(detect) = &camera.detect else {
        if camera.rules.is_empty() {
            return Some(None);
        }
        let problem = "found nothing, must name a model: this camera has rules";
        check.error(&path, problem, "add `detect: { model: NAME }`, or remove the rules");
        return None;
    };
    match (&detect.model, detect.from) {
        (Some(_), Some(_)) => {
            let problem = "found it beside `model`, must be one of the two";
            check.error(&path.key("from"), problem, "remove one of them");
            return None;
        }
        (None, None) => {
            let problem = "found nothing, must name a model";
            check.error(&path.key("model"), problem, "add `model: NAME`, or `from: background`");
            return None;
        }
        (Some(model), None) if !document.models.contains_key(model.as_str()) => {
            unknown_model(check, document, model, &path.key("model"));
            return None;
        }
        _ => {}
    }
    Some(Some(Detect { model: detect.model.clone(), fps: detect.fps, motion_gate: detect.motion_gate }))
}

fn unknown_model(check: &mut Check, document: &Document, named: &Id, path: &Path) {
    let names: Vec<&str> = document.models.keys().map(String::as_str).filter(|name| Id::new(name).is_ok()).collect();
    // It may be one whose name is faulty, which is told already.
    if names.len() < document.models.len() || (names.is_empty() && !check.is_sound(&Path::default().key("models"))) {
        return;
    }
    let meant = phrase::nearest(named.as_str(), names.iter().copied());
    let remedy = meant.map_or_else(|| "describe it under `models`".to_owned(), phrase::did_you_mean);
    check.error(path, format!("found `{named}`, must be one of `models`: {}", phrase::either(&names)), remedy);
}

fn motion(check: &mut Check, motion: &document::Motion, path: &Path) -> Option<Motion> {
    let mask = polygons(check, &motion.mask, &path.key("mask"));
    Some(Motion {
        threshold: motion.threshold as f32,
        area: motion.area as f32,
        hold: Duration::from_secs_f64(motion.hold_seconds),
        mask: mask?,
    })
}

/// What is never shown: masks, and the model that finds faces.
fn privacy(
    check: &mut Check,
    document: &Document,
    camera: &document::Camera,
    path: &Path,
) -> Option<(Vec<Polygon>, Option<Id>)> {
    let document::Privacy { masks, faces } = &camera.privacy;
    let is_recorded = camera.clips && document.evidence.clips.keep != document::Keep::None;
    for (key, what, is_there) in [("masks", "them", !masks.is_empty()), ("faces", "it", faces.is_some())] {
        if is_recorded && is_there {
            let problem = format!(
                "found {what} for a camera of which clips are kept, must be one without: clips show the stream as it came"
            );
            check.error(&path.key(key), problem, "write `clips: false` for this camera");
        }
    }
    let masks = polygons(check, masks, &path.key("masks"));
    if let Some(model) = faces.as_ref().filter(|model| !document.models.contains_key(model.as_str())) {
        unknown_model(check, document, model, &path.key("faces"));
        return None;
    }
    Some((masks?, faces.clone()))
}

fn polygons(check: &mut Check, all: &[Corners], path: &Path) -> Option<Vec<Polygon>> {
    let mut ready = Some(Vec::new());
    for (i, corners) in all.iter().enumerate() {
        let polygon = place::polygon(check, corners, &path.index(i));
        ready = ready.zip(polygon).map(|(ready, polygon)| pushed(ready, polygon));
    }
    ready
}
