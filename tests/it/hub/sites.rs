//! Agents that only carry wishes out, or fail to: what they are told to have they verify as a real one does, and report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::json;
use vedette::model::keys::PublicKey;
use vedette::vocab::Id;
use vedette::wire::{
    DesiredMessage, OverlayRef, PackageRef, ReportedConfig, ReportedMessage, ReportedModel, RolloutStage, Topics,
    to_json,
};

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
    config: Option<ReportedConfig>,
    /// Of the connection that there is.
    client: Option<AsyncClient>,
}

/// An agent.
pub struct Site {
    memory: Arc<Mutex<Memory>>,
    port: u16,
    /// While it is there.
    life: Option<tokio::task::JoinHandle<()>>,
}

impl Site {
    /// An agent that is there, and runs `active`; its own file where there is none.
    pub fn start(port: u16, agent: &str, keys: &[PublicKey], manner: Manner, active: Option<PackageRef>) -> Self {
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
        let (agent, keys) = (Id::new(agent).unwrap(), keys.to_vec());
        let memory =
            Memory { agent, keys, manner, boot: 0, taken: Vec::new(), sequence: 0, model, config: None, client: None };
        let mut site = Self { memory: Arc::new(Mutex::new(memory)), port, life: None };
        site.connect();
        site
    }

    /// It comes, or comes back.
    pub fn connect(&mut self) {
        {
            let mut memory = self.memory.lock().unwrap();
            memory.boot += 1;
            memory.sequence += 1;
        }
        self.life = Some(tokio::spawn(live(self.port, self.memory.clone())));
    }

    /// It goes.
    pub async fn leave(&mut self) {
        self.memory.lock().unwrap().beat("offline");
        // What was just said must get out before the connection ends.
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.life.take().unwrap().abort();
        self.memory.lock().unwrap().client = None;
    }

    /// What it does from now on.
    pub fn behave(&self, manner: Manner) {
        self.memory.lock().unwrap().manner = manner;
    }

    /// It gets done with what it was told last.
    pub fn finish(&self) {
        let mut memory = self.memory.lock().unwrap();
        memory.manner = Manner::Commits;
        let wish = memory.taken.last().unwrap().clone();
        memory.carry_out(&wish);
    }

    /// Every wish that it has taken.
    pub fn taken(&self) -> Vec<DesiredMessage> {
        self.memory.lock().unwrap().taken.clone()
    }

    /// What decides there; none for its own file.
    pub fn active(&self) -> Option<PackageRef> {
        self.memory.lock().unwrap().model.as_ref().and_then(|model| model.active.clone())
    }

    /// The overlay over its file.
    pub fn overlay(&self) -> Option<OverlayRef> {
        self.memory.lock().unwrap().config.as_ref().and_then(|config| config.active.clone())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            life.abort();
        }
    }
}

/// One connection after the other, each with a client of its own: rumqttc may stand still when one goes on after an error.
async fn live(port: u16, memory: Arc<Mutex<Memory>>) {
    let agent = memory.lock().unwrap().agent.clone();
    loop {
        let mut options = MqttOptions::new(agent.as_str(), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, eventloop) = AsyncClient::new(options, 100);
        client.try_subscribe(Topics::new(&agent).desired(), QoS::AtLeastOnce).unwrap();
        memory.lock().unwrap().client = Some(client);
        tokio::select! {
            () = speak(&memory) => {}
            () = listen(eventloop, &memory) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Says again and again that it is there and what it has: a broker may have lost it.
async fn speak(memory: &Mutex<Memory>) {
    loop {
        {
            let memory = memory.lock().unwrap();
            memory.beat("online");
            memory.repeat();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Takes in wishes until the connection ends.
async fn listen(mut eventloop: EventLoop, memory: &Mutex<Memory>) {
    while let Ok(event) = eventloop.poll().await {
        if let Event::Incoming(Packet::Publish(publish)) = event {
            memory.lock().unwrap().hear(&publish.payload);
        }
    }
}

impl Memory {
    fn hear(&mut self, payload: &[u8]) {
        let wish = DesiredMessage::verify(payload, &self.agent, &self.keys).unwrap();
        if self.taken.last().is_some_and(|last| wish.revision <= last.revision) {
            return;
        }
        self.taken.push(wish.clone());
        self.carry_out(&wish);
    }

    fn carry_out(&mut self, wish: &DesiredMessage) {
        self.configure(wish);
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
        self.sequence += 1;
        self.repeat();
    }

    /// What it is told of its configuration, unless that is what it was told before.
    fn configure(&mut self, wish: &DesiredMessage) {
        let Some(wished) = &wish.config else { return };
        if self.config.as_ref().is_some_and(|config| config.rollout == wished.rollout && wished.trial.is_some()) {
            return;
        }
        let before = self.config.as_ref().and_then(|config| config.active.clone());
        let (stage, reason) = match (&wished.trial, self.manner) {
            (None, _) | (_, Manner::Commits) => (RolloutStage::Committed, ""),
            (_, Manner::RollsBack) => (RolloutStage::RolledBack, "the frame rate of the camera door fell"),
            (_, Manner::Hangs) => (RolloutStage::Trial, ""),
        };
        self.config = Some(ReportedConfig {
            revision: wish.revision,
            rollout: wished.rollout.clone(),
            stage,
            reason: reason.to_owned(),
            active: if stage == RolloutStage::Committed { wished.overlay.clone() } else { before },
            unfit: None,
            candidate: None,
            evidence: None,
            quarantined: Vec::new(),
        });
        self.sequence += 1;
        self.repeat();
    }

    /// What it has, once more with the same number.
    fn repeat(&self) {
        let message = ReportedMessage {
            boot: format!("b{}", self.boot),
            sequence: self.sequence,
            revision: self.taken.last().map_or(0, |wish| wish.revision),
            refused: None,
            models: self.model.clone().map(|model| (Id::new("people").unwrap(), model)).into_iter().collect(),
            config: self.config.clone(),
        };
        self.say(Topics::new(&self.agent).reported(), to_json(&message));
    }

    fn beat(&self, status: &str) {
        let (topics, boot) = (Topics::new(&self.agent), format!("b{}", self.boot));
        let said: BTreeMap<String, serde_json::Value> = [
            (topics.status(), json!({"status": status, "boot": boot, "version": "0.1.0"})),
            (topics.health(), json!({"boot": boot, "time": "2026-11-23T14:00:00Z"})),
        ]
        .into();
        for (topic, payload) in said.into_iter().filter(|(topic, _)| status == "online" || topic.ends_with("status")) {
            self.say(topic, payload.to_string().into_bytes());
        }
    }

    /// What finds no connection is said again at the next one.
    fn say(&self, topic: String, payload: Vec<u8>) {
        if let Some(client) = &self.client {
            let _ = client.try_publish(topic, QoS::AtLeastOnce, true, payload);
        }
    }
}
