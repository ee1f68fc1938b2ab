//! What the keys mean together: names that must exist and be unique, addresses, geometry, files. Makes a [`Config`] of a
//! document, telling every fault on the way.

mod address;
mod broker;
mod camera;
mod clips;
mod hub;
mod identify;
mod kind;
mod place;
mod reidentify;
mod rule;
mod suppress;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::access::Folders;
use super::document::{self, Document};
use super::fault::{Faults, Path, Position};
use super::phrase;
use super::ready::{Config, Evidence, History, LabelSource, Model, Spool};
use super::yaml::Node;
use crate::detect::bundled;
use crate::vocab::Id;

/// What a message may take besides its payload.
pub(super) const ENVELOPE_KIB: u32 = 4;
const MIB: u64 = 1 << 20;

/// Where faults go, with what is needed to place them.
struct Check<'c> {
    tree: &'c Node,
    /// Values that were faulty in shape: they have been told, and what stands there now is a stand-in.
    repairs: &'c [Path],
    faults: &'c mut Faults,
    folders: &'c Folders,
}

/// Makes a configuration of a document that is sound in shape, or has been made so. `None` when anything could not be
/// used; `faults` then holds an error.
pub(super) fn configure(
    document: &Document,
    revision: String,
    tree: &Node,
    repairs: &[Path],
    folders: &Folders,
    faults: &mut Faults,
) -> Option<Config> {
    let mut check = Check { tree, repairs, faults, folders };
    let root = Path::default();
    let agent = &document.agent;
    let state_dir = check.state_dir(&agent.state_dir, &root.key("agent").key("state_dir"));
    let timezone = check.timezone(agent.timezone.as_deref(), &root.key("agent").key("timezone"));
    let mqtt = broker::read(&mut check, &document.mqtt, &root.key("mqtt"));
    let hub = match &document.hub {
        Some(hub) => hub::read(&mut check, hub, &root.key("hub")).map(Some),
        None => Some(None),
    };
    check.signing(&document.runtime, &root.key("runtime"));
    let models = check.models(document);
    let identify = identify::read(&mut check, document, hub.as_ref(), &root.key("identify"));
    let reidentify = reidentify::read(&mut check, document, &root.key("reidentify"));
    let evidence = check.evidence(document, &state_dir);
    let history = read_history(&document.history, &state_dir);
    let spool = read_spool(&document.spool, &state_dir);
    let cameras = camera::read_all(&mut check, document, &root.key("cameras"));
    Some(Config {
        revision,
        id: agent.id.clone(),
        site: agent.site.clone(),
        state_dir,
        timezone: timezone?,
        mqtt: mqtt?,
        hub: hub?,
        models: models?,
        identify: identify?,
        reidentify: reidentify?,
        runtime_library: document.runtime.library.as_deref().map(|path| folders.file(path)),
        evidence,
        history,
        spool,
        cameras: cameras?,
    })
}

impl Check<'_> {
    /// Tells that the value at `path` keeps the configuration from being used; silent where it was a stand-in.
    fn error(&mut self, path: &Path, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.is_sound(path) {
            self.faults.error(self.tree.position(path), path, problem, remedy);
        }
    }

    /// Tells that the value at `path` is probably not what was meant.
    fn warning(&mut self, path: &Path, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.is_sound(path) {
            self.faults.warning(self.tree.position(path), path, problem, remedy);
        }
    }

    /// Whether the value at `path` stands in the file as it was read.
    fn is_sound(&self, path: &Path) -> bool {
        !self.repairs.iter().any(|repaired| repaired.overlaps(path))
    }

    /// Where the value at `path` begins.
    fn position(&self, path: &Path) -> Position {
        self.tree.position(path)
    }

    /// Tells every name that is there a second time. `names` are read in order; `among` says what they must differ from.
    fn unique<'n>(&mut self, names: impl Iterator<Item = (Path, &'n Id)>, among: &str) {
        let mut first: Vec<(&Id, Path)> = Vec::new();
        for (path, id) in names.filter(|(path, _)| self.is_sound(path)).collect::<Vec<_>>() {
            match first.iter().find(|(other, _)| *other == id) {
                None => first.push((id, path)),
                Some((_, other)) => {
                    let line = self.position(other).line;
                    let problem =
                        format!("found `{id}` a second time (first in line {line}), must be unique among {among}");
                    self.error(&path, problem, "give it another id");
                }
            }
        }
    }

    fn state_dir(&mut self, text: &str, path: &Path) -> PathBuf {
        let folder = PathBuf::from(text);
        if !folder.is_absolute() {
            self.error(
                path,
                "found a relative path, must be an absolute one",
                "write it from the root, such as /var/lib/vedette",
            );
        }
        folder
    }

    fn timezone(&mut self, name: Option<&str>, path: &Path) -> Option<TimeZone> {
        let Some(name) = name else { return Some(TimeZone::system()) };
        if let Ok(zone) = TimeZone::get(name) {
            return Some(zone);
        }
        let known: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
        let remedy = match phrase::nearest(name, known.iter().map(String::as_str)) {
            _ if known.len() < 10 => "install the time zones of the system (package tzdata)".to_owned(),
            Some(meant) => phrase::did_you_mean(meant),
            None => "`timedatectl list-timezones` lists them".to_owned(),
        };
        let problem = format!("found {}, must be a time zone such as `Europe/Berlin`", phrase::name(name));
        self.error(path, problem, remedy);
        None
    }

    fn signing(&mut self, runtime: &document::Runtime, path: &Path) {
        if runtime.require_signed && runtime.trust.is_none() {
            let problem = "found true without `trust`, must say whose signature is required";
            self.error(&path.key("require_signed"), problem, "name a file of trusted keys under `trust`");
        }
    }

    fn models(&mut self, document: &Document) -> Option<Vec<Model>> {
        let root = Path::default().key("models");
        let looks = document.cameras.iter().filter_map(|c| c.detect.as_ref()?.model.as_ref());
        let hides = document.cameras.iter().filter_map(|c| c.privacy.faces.as_ref());
        let used: HashSet<&str> = looks.chain(hides).map(Id::as_str).collect();
        // A camera whose model is misspelt will be told so; that the model is then unused is no second fault.
        let all_known = used.iter().all(|name| document.models.contains_key(*name))
            && self.is_sound(&Path::default().key("cameras"));
        let mut ready = Some(Vec::new());
        for (name, model) in &document.models {
            let path = root.key(&phrase::step(name));
            let Ok(id) = Id::new(name) else {
                let problem = format!("found the name {}, must be an id (a-z, 0-9 and -)", phrase::name(name));
                self.error(&path, problem, "rename it here and where cameras name it");
                ready = None;
                continue;
            };
            if all_known && !used.contains(name.as_str()) {
                self.warning(
                    &path,
                    "found a model that no camera uses",
                    "name it in a camera's `detect.model`, or remove it",
                );
            }
            let model = self.model(id, model, document, &path);
            ready = ready.zip(model).map(|(models, model)| pushed(models, model));
        }
        ready
    }

    fn model(&mut self, name: Id, model: &document::Model, document: &Document, path: &Path) -> Option<Model> {
        let runtime = &document.runtime;
        let labels = match (&model.labels[..], model.labels_file.as_deref()) {
            ([], None) => None,
            ([], Some(file)) => Some(LabelSource::File(self.folders.file(file))),
            (_, None) => Some(LabelSource::Names(model.labels.clone())),
            (_, Some(_)) => {
                let problem = "found `labels_file` beside `labels`, must be one of the two";
                self.error(&path.key("labels_file"), problem, "remove one of them");
                return None;
            }
        };
        if model.file.starts_with(bundled::PREFIX) && model.file != bundled::DETECTOR {
            let problem = format!("found {:?}, which the program does not bring", model.file);
            let remedy = format!("use `{}`, or the name of a file", bundled::DETECTOR);
            self.error(&path.key("file"), &problem, &remedy);
            return None;
        }
        Some(Model {
            name,
            file: self.folders.model(&model.file),
            threshold: model.threshold.map(|score| score as f32),
            nms: model.nms.map(|iou| iou as f32),
            provider: model.provider,
            device: model.device.clone(),
            required: model.required,
            family: model.family,
            labels,
            input: model.input.map(|[width, height]| (width, height)),
            max_detections: model.max_detections.map(|count| count as usize),
            threads: model.threads,
            trust: runtime.trust.as_deref().map(|path| self.folders.file(path)),
            require_signed: runtime.require_signed,
            isolation: runtime.isolation,
        })
    }

    fn evidence(&mut self, document: &Document, state_dir: &std::path::Path) -> Evidence {
        let (evidence, limit) = (&document.evidence, document.mqtt.max_packet_kib);
        let limit_path = Path::default().key("mqtt").key("max_packet_kib");
        // A message is its topic and header too, for which the spool keeps these KiB free.
        if evidence.snapshot_kib + ENVELOPE_KIB >= limit && self.is_sound(&limit_path) {
            let problem = format!(
                "found {}, must be more than {ENVELOPE_KIB} less than mqtt.max_packet_kib, which is {limit}",
                evidence.snapshot_kib
            );
            let remedy = "lower it, or raise `mqtt.max_packet_kib` as far as the broker allows";
            self.error(&Path::default().key("evidence").key("snapshot_kib"), problem, remedy);
        }
        Evidence {
            folder: state_dir.join(&evidence.folder),
            quota: u64::from(evidence.quota_mib) * MIB,
            snapshot_max: evidence.snapshot_kib as usize * 1024,
            clips: clips::read(self, &evidence.clips, state_dir.join(&evidence.folder)),
        }
    }
}

fn read_history(history: &document::History, state_dir: &std::path::Path) -> History {
    History {
        folder: state_dir.join(&history.folder),
        keep: Duration::from_secs(u64::from(history.days) * 24 * 3600),
        quota: u64::from(history.quota_mib) * MIB,
    }
}

fn read_spool(spool: &document::Spool, state_dir: &std::path::Path) -> Spool {
    Spool {
        folder: state_dir.join(&spool.folder),
        alert: u64::from(spool.alert_mib) * MIB,
        event: u64::from(spool.event_mib) * MIB,
        telemetry: u64::from(spool.telemetry_mib) * MIB,
    }
}

/// The list with one more element.
fn pushed<T>(mut list: Vec<T>, element: T) -> Vec<T> {
    list.push(element);
    list
}
