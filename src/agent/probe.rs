//! Tries what a configuration names: connects each camera, opens each model, logs in at the broker, some at a time.
//!
//! A probe changes nothing: the broker is entered under a name of its own, beside a running agent, and what is said there
//! leaves nothing behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde::Serialize;

use crate::agent::engine::error_chain;
use crate::agent::faces;
use crate::agent::redact;
use crate::agent::reidentify;
use crate::agent::silent::Silent;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Shutdown;
use crate::base::threads;
use crate::config::{Camera, Config, Identify, Model, Reidentify};
use crate::decode::Live;
use crate::detect::{Detector, LibrarySearch, runtime};
use crate::mqtt::{self, Identity, Presence, Session, Subscription};
use crate::vocab::Labels;
use crate::wire::Topics;

/// How many probes run at the same time: enough not to wait for each dead camera, few enough for a small box.
const AT_ONCE: usize = 8;
/// How long ending the broker's session may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// What one probe came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// `camera`, `model` or `broker`.
    pub kind: &'static str,
    /// Which: its id, or the broker's address.
    pub name: String,
    /// Whether everything is as it should be.
    pub ok: bool,
    /// What was found, or what is wrong, in one line without secrets.
    pub text: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What is to be tried.
enum Job {
    Camera(Box<Camera>),
    Model(Box<Model>),
    Faces(Box<Identify>),
    Reidentify(Box<Reidentify>),
    Broker,
}

/// What all probes share.
struct Probe {
    config: Config,
    search: LibrarySearch,
    limit: Duration,
    clock: SharedClock,
}

/// Tries the broker and every camera and model of `config` and tells each outcome when it is there. `limit` is how long a
/// camera or the broker may take to answer. Returns how many failed.
///
/// # Errors
/// When the machine refuses a thread.
pub fn probe(
    config: &Config,
    search: &LibrarySearch,
    limit: Duration,
    clock: &SharedClock,
    tell: &mut dyn FnMut(&Outcome),
) -> std::io::Result<usize> {
    let jobs = [Job::Broker].into_iter();
    let jobs = jobs.chain(config.models.iter().map(|model| Job::Model(Box::new(model.clone()))));
    let jobs = jobs.chain(config.identify.iter().map(|identify| Job::Faces(Box::new(identify.clone()))));
    let jobs = jobs.chain(config.reidentify.iter().map(|reidentify| Job::Reidentify(Box::new(reidentify.clone()))));
    let jobs = jobs.chain(config.cameras.iter().map(|camera| Job::Camera(Box::new(camera.clone()))));
    let jobs: Arc<Mutex<VecDeque<Job>>> = Arc::new(Mutex::new(jobs.collect()));
    let probe = Arc::new(Probe { config: config.clone(), search: search.clone(), limit, clock: clock.clone() });
    let (told, outcomes) = mpsc::channel();
    for number in 0..AT_ONCE {
        let (jobs, probe, told) = (jobs.clone(), probe.clone(), told.clone());
        threads::spawn(&format!("probe-{number}"), move || {
            while let Some(job) = next(&jobs) {
                // Nobody listens any more: then nobody wants the rest.
                if told.send(probe.run(&job)).is_err() {
                    return;
                }
            }
        })?;
    }
    drop(told);
    let mut failed = 0;
    for outcome in outcomes {
        failed += usize::from(!outcome.ok);
        tell(&outcome);
    }
    Ok(failed)
}

fn next(jobs: &Mutex<VecDeque<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

impl Probe {
    fn run(&self, job: &Job) -> Outcome {
        let start = self.clock.mono();
        let (kind, name, result) = match job {
            Job::Camera(camera) => ("camera", camera.id.to_string(), self.camera(camera)),
            Job::Model(model) => ("model", model.name.to_string(), self.model(model)),
            Job::Faces(identify) => ("model", "identify".to_owned(), self.faces(identify)),
            Job::Reidentify(settings) => ("model", "reidentify".to_owned(), self.reidentify(settings)),
            Job::Broker => ("broker", self.config.mqtt.session_settings().url, self.broker()),
        };
        let took = self.clock.mono().saturating_sub(start);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (ok, text) = match result {
            Ok(found) => (true, found),
            Err(fault) => (false, fault),
        };
        Outcome { kind, name, ok, text, took_ms }
    }

    /// Connects and waits for the first picture.
    fn camera(&self, camera: &Camera) -> Result<String, String> {
        if !camera.enabled {
            return Ok("switched off in the configuration".to_owned());
        }
        let source = camera.decode_source().map_err(|error| error_chain(&error))?;
        let settings = camera.camera_settings().decode;
        let mut live = Live::open(&source, &settings, self.limit, &self.clock).map_err(|error| error_chain(&error))?;
        let (width, height) = match live.next() {
            Some(Ok(frame)) => (frame.width, frame.height),
            Some(Err(error)) => return Err(error_chain(&error)),
            None => return Err(format!("{source} has ended")),
        };
        let info = live.info();
        let codec = info.codec.map_or_else(|| "video".to_owned(), |codec| codec.name().to_owned());
        let decoder = info.decoder.map_or_else(String::new, |decoder| format!(" by {decoder}"));
        Ok(format!("{codec}{decoder}, {width}x{height}"))
    }

    /// Opens it and holds the labels of the rules against its own.
    fn model(&self, model: &Model) -> Result<String, String> {
        runtime::load(&self.search).map_err(|error| error.to_string())?;
        let cache = self.config.state_dir.join("engines");
        // What providers compile is kept only where the agent would keep it already.
        let cache = Some(cache).filter(|folder| folder.is_dir());
        let detector = Detector::open(&model.detect_settings(cache), self.clock.clone());
        let detector = detector.map_err(|error| error_chain(&error))?;
        let faults = self.rule_faults(model, detector.labels());
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        if self.config.cameras.iter().any(|camera| camera.hide_faces.as_ref() == Some(&model.name)) {
            redact::finds_faces(detector.labels())?;
        }
        let report = detector.provider();
        let mut text = format!("{}, {} asked for, {} runs it", detector.family(), report.asked, report.obtained);
        for warning in &report.warnings {
            text = format!("{text}; {warning}");
        }
        Ok(text)
    }

    /// Opens both models of faces, and the gallery where there is one.
    fn faces(&self, identify: &Identify) -> Result<String, String> {
        runtime::load(&self.search).map_err(|error| error.to_string())?;
        faces::probe(identify, &self.config.people_named(), &self.clock)
    }

    /// Opens the model that describes people.
    fn reidentify(&self, settings: &Reidentify) -> Result<String, String> {
        runtime::load(&self.search).map_err(|error| error.to_string())?;
        reidentify::probe(settings, &self.clock)
    }

    /// What is wrong with the rules of the cameras that this model looks at, in the light of its labels.
    fn rule_faults(&self, model: &Model, labels: &Labels) -> Vec<String> {
        let looked_at = |camera: &&Camera| camera.model() == Some(&model.name);
        let cameras = self.config.cameras.iter().filter(looked_at);
        let faults = cameras.flat_map(|camera| {
            let faults = camera.behaviour_settings().faults(labels);
            faults.into_iter().map(|fault| format!("camera {}, {fault}", camera.id))
        });
        faults.collect()
    }

    fn broker(&self) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no asynchronous runtime: {error}"))?;
        runtime.block_on(self.enter())
    }

    /// Connects, logs in and subscribes as the agent would, but under another name.
    async fn enter(&self) -> Result<String, String> {
        let topics = Topics::new(&self.config.id);
        // Retained, an empty payload is nothing.
        let presence = Presence { topic: topics.reply("probe"), online: Vec::new(), offline: Vec::new() };
        let subscriptions = topics.subscriptions().into_iter().map(|filter| Subscription { filter, per_second: 1 });
        let identity = Identity {
            client_id: format!("{}-probe-{:08x}", self.config.id, fastrand::u32(..)),
            presence,
            subscriptions: subscriptions.collect(),
        };
        let settings = self.config.mqtt.session_settings();
        let (session, handle, _incoming) = Session::new(settings, identity, self.clock.clone());
        let (shutdown, stopping) = Shutdown::new();
        let task = tokio::spawn(session.run(Arc::new(Silent::default()), stopping));
        let mut status = handle.status();
        let told = status.wait_for(|s| s.connected_since.is_some() || s.last_error.is_some());
        let result = match tokio::time::timeout(self.limit, told).await {
            Ok(Ok(status)) => judge(&status),
            Ok(Err(_)) => Err("the session ended".to_owned()),
            Err(_) => Err(format!("no answer within {} s", self.limit.as_secs())),
        };
        drop(shutdown);
        // Whatever became of it, the connection ends with this process.
        let _ = tokio::time::timeout(GOODBYE, task).await;
        result
    }
}

fn judge(status: &mqtt::Status) -> Result<String, String> {
    match (&status.connected_since, &status.last_error) {
        (Some(_), _) if status.unheard.is_empty() => Ok("connected, logged in and subscribed".to_owned()),
        (Some(_), _) => Err(format!("the broker refuses to subscribe to {}", status.unheard.join(", "))),
        (None, Some(error)) => Err(error_chain(&**error)),
        (None, None) => Err("not connected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_the_broker_refuses_is_a_fault() {
        let connected = mqtt::Status { connected_since: Some(1), ..mqtt::Status::default() };
        assert!(judge(&connected).is_ok());
        let unheard = vec!["vedette/v1/a/command/#".to_owned()];
        let fault = judge(&mqtt::Status { unheard, ..connected }).unwrap_err();
        assert!(fault.contains("vedette/v1/a/command/#"), "{fault}");
        let last_error = Some(Arc::new(mqtt::Error::SessionTaken));
        assert!(judge(&mqtt::Status { last_error, ..mqtt::Status::default() }).is_err());
    }
}
