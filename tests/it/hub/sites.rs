//! Agents that only carry wishes out, or fail to: what they are told to have they verify as a real one does, and report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use serde_json::json;
use vedette::model::keys::PublicKey;
use vedette::vocab::Id;
use vedette::wire::{DesiredMessage, PackageRef, ReportedMessage, ReportedModel, RolloutStage, Topics, to_json};

use crate::support::subscriber::{Message, Subscriber};

/// What an agent does with a package that must prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It says that it stays.
    Commits,
    /// It says that it does not.
    RollsBack,
    /// It fetches it for ever.
    Hangs,
}

/// What one agent knows; it outlives its connections, as a real one's memory does.
struct Memory {
    agent: Id,
    keys: Vec<PublicKey>,
    manner: Manner,
    boot: u32,
    taken: Vec<DesiredMessage>,
    sequence: u64,
    model: Option<ReportedModel>,
}

/// An agent.
pub struct Site {
    memory: Arc<Mutex<Memory>>,
    port: u16,
    /// Its connection and its heartbeat, while it is there.
    life: Option<(Subscriber, tokio::task::JoinHandle<()>)>,
}

impl Site {
    /// An agent that is there, and runs `active`; its own file where there is none.
    pub async fn start(port: u16, agent: &str, key: &PublicKey, manner: Manner, active: Option<PackageRef>) -> Self {
        let model = active.map(|active| ReportedModel {
            revision: 0,
            rollout: "before".to_owned(),
            stage: RolloutStage::Committed,
            reason: String::new(),
            active: Some(active),
            previous: None,
            candidate: None,
            evidence: None,
            quarantined: Vec::new(),
        });
        let (agent, keys) = (Id::new(agent).unwrap(), vec![*key]);
        let memory = Memory { agent, keys, manner, boot: 0, taken: Vec::new(), sequence: 0, model };
        let mut site = Self { memory: Arc::new(Mutex::new(memory)), port, life: None };
        site.connect().await;
        site
    }

    /// It comes, or comes back.
    pub async fn connect(&mut self) {
        let agent = {
            let mut memory = self.memory.lock().unwrap();
            memory.boot += 1;
            memory.agent.clone()
        };
        let memory = self.memory.clone();
        let topic = Topics::new(&agent).desired();
        let told = move |client: &AsyncClient, message: &Message| memory.lock().unwrap().hear(client, message);
        let listener = Subscriber::with(self.port, agent.as_str(), &topic, told).await;
        let (client, memory) = (listener.client.clone(), self.memory.clone());
        memory.lock().unwrap().report(&client);
        let heart = tokio::spawn(async move {
            loop {
                {
                    let memory = memory.lock().unwrap();
                    memory.beat(&client, "online");
                    memory.repeat(&client);
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        self.life = Some((listener, heart));
    }

    /// It goes.
    pub async fn leave(&mut self) {
        let Some((listener, heart)) = self.life.take() else { return };
        heart.abort();
        self.memory.lock().unwrap().beat(&listener.client, "offline");
        // What was just said must get out before the connection ends.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// What it does from now on.
    pub fn behave(&self, manner: Manner) {
        self.memory.lock().unwrap().manner = manner;
    }

    /// It gets done with what it was told last.
    pub fn finish(&self) {
        let client = &self.life.as_ref().unwrap().0.client;
        let mut memory = self.memory.lock().unwrap();
        memory.manner = Manner::Commits;
        let wish = memory.taken.last().unwrap().clone();
        memory.carry_out(client, &wish);
    }

    /// Every wish that it has taken.
    pub fn taken(&self) -> Vec<DesiredMessage> {
        self.memory.lock().unwrap().taken.clone()
    }

    /// What decides there; none for its own file.
    pub fn active(&self) -> Option<PackageRef> {
        self.memory.lock().unwrap().model.as_ref().and_then(|model| model.active.clone())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some((_, heart)) = &self.life {
            heart.abort();
        }
    }
}

impl Memory {
    fn hear(&mut self, client: &AsyncClient, message: &Message) {
        let wish = DesiredMessage::verify(&message.payload, &self.agent, &self.keys).unwrap();
        if self.taken.last().is_some_and(|last| wish.revision <= last.revision) {
            return;
        }
        self.taken.push(wish.clone());
        self.carry_out(client, &wish);
    }

    fn carry_out(&mut self, client: &AsyncClient, wish: &DesiredMessage) {
        let Some(wished) = wish.models.get(&Id::new("people").unwrap()) else { return };
        let before = self.model.as_ref().and_then(|model| model.active.clone());
        let (stage, reason) = match (&wished.proof, self.manner) {
            (None, _) | (_, Manner::Commits) => (RolloutStage::Committed, ""),
            (_, Manner::RollsBack) => (RolloutStage::RolledBack, "it takes twice as long"),
            (_, Manner::Hangs) => (RolloutStage::Downloading, ""),
        };
        let active = if stage == RolloutStage::Committed { wished.package.clone() } else { before.clone() };
        self.model = Some(ReportedModel {
            revision: wish.revision,
            rollout: wished.rollout.clone(),
            stage,
            reason: reason.to_owned(),
            active,
            previous: before,
            candidate: None,
            evidence: None,
            quarantined: Vec::new(),
        });
        self.report(client);
    }

    /// Something new.
    fn report(&mut self, client: &AsyncClient) {
        self.sequence += 1;
        self.repeat(client);
    }

    /// The same again: a broker may have lost it.
    fn repeat(&self, client: &AsyncClient) {
        let message = ReportedMessage {
            boot: format!("b{}", self.boot),
            sequence: self.sequence,
            revision: self.taken.last().map_or(0, |wish| wish.revision),
            refused: None,
            models: self.model.clone().map(|model| (Id::new("people").unwrap(), model)).into_iter().collect(),
        };
        let topic = Topics::new(&self.agent).reported();
        client.try_publish(topic, QoS::AtLeastOnce, true, to_json(&message)).unwrap();
    }

    fn beat(&self, client: &AsyncClient, status: &str) {
        let (topics, boot) = (Topics::new(&self.agent), format!("b{}", self.boot));
        let said: BTreeMap<String, serde_json::Value> = [
            (topics.status(), json!({"status": status, "boot": boot, "version": "0.1.0"})),
            (topics.health(), json!({"boot": boot, "time": "2026-11-23T14:00:00Z"})),
        ]
        .into();
        for (topic, payload) in said.into_iter().filter(|(topic, _)| status == "online" || topic.ends_with("status")) {
            client.try_publish(topic, QoS::AtLeastOnce, true, payload.to_string().into_bytes()).unwrap();
        }
    }
}
