//! The thread that brings clips to the hub, one after the other, for as long as the hub is away and over restarts of both.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use serde_json::json;

use super::ledger::{Entry, Ledger, Stage};
use crate::agent::engine::error_chain;
use crate::agent::hub_client;
use crate::base::backoff::Backoff;
use crate::base::shutdown::Stopping;
use crate::base::threads;
use crate::client::{ClientError, ClipUpload};
use crate::config;
use crate::mqtt;
use crate::vocab::{ClipFile, Id};
use crate::wire::{Reply, ReplyCode, Topics, to_json};

/// The waits between attempts while the hub is away.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is needed to bring something to the hub and to say so.
pub(super) struct Link {
    pub agent: Id,
    pub hub: config::Hub,
    /// Where the clips lie.
    pub folder: PathBuf,
    pub broker: mqtt::Handle,
    pub topics: Topics,
}

/// Where uploads are asked for.
#[derive(Clone)]
pub(super) struct Uploads {
    wishes: Sender<Wish>,
    answers: Answers,
}

struct Wish {
    file: String,
    command: String,
}

/// Says how an upload went, as a further answer to the command that wanted it.
#[derive(Clone)]
struct Answers {
    broker: mqtt::Handle,
    topics: Topics,
}

impl Uploads {
    /// Starts the thread. What was wanted in the last run and not done is done first.
    pub fn start(link: Link, ledger: Arc<Ledger>, stopping: Stopping) -> io::Result<Self> {
        let (wishes, waiting) = mpsc::channel();
        let answers = Answers { broker: link.broker.clone(), topics: link.topics.clone() };
        let uploads = Self { wishes, answers: answers.clone() };
        for entry in ledger.entries() {
            if let (Stage::Written(_), Some(command)) = (&entry.stage, &entry.upload) {
                uploads.bring(&entry.file, command);
            }
        }
        threads::spawn("upload", move || work(&link, &ledger, &answers, &waiting, &stopping))?;
        Ok(uploads)
    }

    /// Asks for a clip that is on the disk to be brought to the hub.
    pub fn bring(&self, file: &str, command: &str) {
        let wish = Wish { file: file.to_owned(), command: command.to_owned() };
        if self.wishes.send(wish).is_err() {
            tracing::error!(file, "the thread that brings clips to the hub has ended");
        }
    }

    /// Says to whoever wanted it that there is nothing to bring.
    pub fn refuse(&self, command: &str, why: &str) {
        self.answers.give(&Reply::refused(command, ReplyCode::Failed, why));
    }
}

impl Answers {
    fn give(&self, reply: &Reply) {
        if let Err(error) = self.broker.publish(&self.topics.reply(&reply.id), to_json(reply)) {
            tracing::warn!(id = reply.id, %error, "nobody is told how an upload went");
        }
    }
}

fn work(link: &Link, ledger: &Ledger, answers: &Answers, wishes: &Receiver<Wish>, stopping: &Stopping) {
    for Wish { file, command } in wishes {
        // Done already where it was asked for twice.
        let Some(entry) = ledger.entry(&file).filter(|entry| entry.upload.as_deref() == Some(&command)) else {
            continue;
        };
        let reply = match bring(link, ledger, &entry, stopping) {
            // The next run goes on.
            Ok(None) => return,
            Ok(Some(facts)) => {
                tracing::info!(file, sha256 = facts.sha256, "a clip is at the hub");
                let result = json!({ "clip": file, "upload": "done", "sha256": facts.sha256, "bytes": facts.bytes });
                Reply { result: Some(result), ..Reply::ok(&command) }
            }
            Err(why) => {
                tracing::warn!(file, why, "a clip cannot be brought to the hub");
                Reply::refused(&command, ReplyCode::Failed, format!("the clip was not brought to the hub: {why}"))
            }
        };
        ledger.set_upload(&file, None);
        answers.give(&reply);
    }
}

/// Brings a clip to the hub however long the hub is away; why it cannot be, otherwise. Nothing when the agent stops.
fn bring(link: &Link, ledger: &Ledger, entry: &Entry, stopping: &Stopping) -> Result<Option<ClipFile>, String> {
    let Stage::Written(facts) = &entry.stage else { return Err("it is not written yet".to_owned()) };
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        if ledger.entry(&entry.file).is_none() {
            return Err("it is no longer kept".to_owned());
        }
        match attempt(link, entry, facts) {
            Ok(()) => return Ok(Some(facts.clone())),
            Err(error) if error.may_pass() => {
                let wait = backoff.next_wait();
                tracing::warn!(
                    file = entry.file,
                    error = error_chain(&error),
                    ?wait,
                    "the hub does not take a clip now"
                );
                if stopping.wait(wait) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error_chain(&error)),
        }
    }
}

fn attempt(link: &Link, entry: &Entry, facts: &ClipFile) -> Result<(), ClientError> {
    let client = hub_client::connect(&link.hub)?;
    client.upload_clip(&ClipUpload {
        agent: link.agent.as_str(),
        sha256: &facts.sha256,
        bytes: facts.bytes,
        camera: entry.camera.as_str(),
        episode: entry.episodes.first().map_or("", String::as_str),
        begins: &facts.begins,
        ends: &facts.ends,
        file: &link.folder.join(&entry.file),
    })
}
