//! The demo's stage: a broker, an RTSP server and a configuration, all real and on this machine, and a listener.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::broker::{Broker, BrokerError};
use crate::agent::silent::Silent;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::decode::serve::{self, Mount, RtspServer, ServeError};
use crate::mqtt::{self, Identity, Incoming, Presence, Session, Subscription};
use crate::wire::{EventMessage, HealthMessage};

/// What the demo plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    /// The street that this program draws.
    Street,
    /// A clip, over and over.
    Clip(PathBuf),
    /// A camera of the user's own.
    Camera(String),
}

/// Everything that the agent needs around it.
pub struct Stage {
    broker: Broker,
    /// None where a camera of the user's own is watched.
    _server: Option<RtspServer>,
    camera_url: String,
    folder: PathBuf,
}

/// A hub that the agent obeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPlace {
    /// Where it answers.
    pub url: String,
    /// The file with a token of it.
    pub token_file: PathBuf,
    /// Its public key.
    pub key: String,
}

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The folder or a file in it could not be made.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The clip or the street cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// What came through the broker.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An alert.
    Alert(Box<EventMessage>),
    /// How the agent is.
    Health(Box<HealthMessage>),
    /// A picture was published; how many bytes it has.
    Snapshot(usize),
    /// Something else.
    Other,
}

impl Heard {
    fn read(message: &Incoming) -> Self {
        let rest = message.topic.strip_prefix("vedette/v1/demo/").unwrap_or_default();
        let kind = rest.split('/').next().unwrap_or_default();
        match kind {
            "alert" => serde_json::from_slice(&message.payload).map_or(Self::Other, |m| Self::Alert(Box::new(m))),
            "health" => serde_json::from_slice(&message.payload).map_or(Self::Other, |m| Self::Health(Box::new(m))),
            "snapshot" => Self::Snapshot(message.payload.len()),
            _ => Self::Other,
        }
    }
}

impl Stage {
    /// Starts broker and server, with their files in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written, mosquitto is missing, or the clip cannot be served.
    pub fn set(play: &Play, folder: &Path, clock: &SharedClock, stopping: &Stopping) -> Result<Self, StageError> {
        fs::create_dir_all(folder).map_err(|source| StageError::Write { path: folder.to_owned(), source })?;
        let broker = Broker::start(folder, &**clock, stopping)?;
        let source = match play {
            Play::Street => Some(serve::Source::Street { seed: 7, width: 768, height: 432, fps: 10.0 }),
            Play::Clip(path) => Some(serve::Source::Clip(path.clone())),
            Play::Camera(_) => None,
        };
        let mounts = |source| vec![Mount { path: "/demo".to_owned(), source }];
        let start =
            |source| RtspServer::start(serve::Settings { mounts: mounts(source), ..serve::Settings::default() });
        let server = source.map(start).transpose()?;
        let camera_url = match (play, &server) {
            (Play::Camera(url), _) => url.clone(),
            (_, Some(server)) => server.url(),
            (_, None) => String::new(),
        };
        Ok(Self { broker, _server: server, camera_url, folder: folder.to_owned() })
    }

    /// Writes the configuration of the agent `name`, for the user to look at too, and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_configuration(&self, name: &str, model: &Path, hub: Option<&HubPlace>) -> Result<PathBuf, StageError> {
        let path = self.folder.join(format!("{name}.yaml"));
        let text = self.configuration(name, model, hub);
        fs::write(&path, text).map_err(|source| StageError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Where the camera is.
    pub fn camera_url(&self) -> &str {
        &self.camera_url
    }

    /// Where the broker is.
    pub fn broker_url(&self) -> String {
        self.broker.url()
    }

    /// Where the agent `name` keeps the pictures of events.
    pub fn evidence(&self, name: &str) -> PathBuf {
        self.state(name).join("evidence")
    }

    fn state(&self, name: &str) -> PathBuf {
        self.folder.join(format!("state-{name}"))
    }

    /// Listens to everything that the agent publishes, until `stopping`.
    pub fn listen(&self, clock: SharedClock, stopping: Stopping) -> mpsc::Receiver<Heard> {
        let settings = mqtt::Settings { url: self.broker.url(), ..mqtt::Settings::default() };
        let here = |text: &str| text.as_bytes().to_vec();
        let identity = Identity {
            client_id: "demo-listener".to_owned(),
            presence: Presence {
                topic: "vedette/demo-listener".to_owned(),
                online: here("here"),
                offline: here("gone"),
            },
            subscriptions: vec![Subscription { filter: "vedette/v1/demo/#".to_owned(), per_second: 500 }],
        };
        let (session, _handle, mut incoming) = Session::new(settings, identity, clock);
        tokio::spawn(session.run(Arc::new(Silent::default()), stopping));
        let (heard, hearing) = mpsc::channel(256);
        tokio::spawn(async move {
            while let Some(message) = incoming.recv().await {
                if heard.send(Heard::read(&message)).await.is_err() {
                    return;
                }
            }
        });
        hearing
    }

    fn configuration(&self, name: &str, model: &Path, hub: Option<&HubPlace>) -> String {
        // Values are quoted as JSON strings, which YAML reads the same way.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (broker, camera) = (quoted(&self.broker.url()), quoted(&self.camera_url));
        let state = quoted(&self.state(name).display().to_string());
        let hub = hub.map_or_else(String::new, |HubPlace { url, token_file, key }| {
            let (url, token, key) = (quoted(url), quoted(&token_file.display().to_string()), quoted(key));
            format!("hub: {{ url: {url}, token_file: {token}, keys: [{key}] }}\n")
        });
        let delivery = if hub.is_empty() { "broker" } else { "hub" };
        let model = quoted(&model.display().to_string());
        format!(
            r#"# Written by `vedette demo`. Change it and run: vedette run -c <this file>
agent: {{ id: {name}, state_dir: {state} }}
mqtt: {{ url: {broker}, delivery: {delivery} }}
{hub}models:
  people: {{ file: {model} }}
cameras:
  - id: door
    url: {camera}
    detect: {{ model: people, fps: 5, motion_gate: true }}
    zones:
      - {{ id: yard, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}
    lines:
      - {{ id: middle, from: [0.5, 0], to: [0.5, 1] }}
    rules:
      - {{ id: anybody, kind: intrusion, zone: yard, labels: [person] }}
      - {{ id: hangs-around, kind: loitering, zone: yard, labels: [person], seconds: 8 }}
      - {{ id: passes, kind: line-crossing, line: middle, labels: [person, vehicle], severity: event }}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_told_apart_by_topic_and_rubbish_is_not_believed() {
        let message = |topic: &str, payload: &[u8]| Incoming {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            retained: false,
        };
        assert_eq!(Heard::read(&message("vedette/v1/demo/snapshot/door/x", b"1234")), Heard::Snapshot(4));
        assert_eq!(Heard::read(&message("vedette/v1/demo/alert/door/anybody", b"{}")), Heard::Other);
        assert_eq!(Heard::read(&message("elsewhere", b"")), Heard::Other);
    }
}
