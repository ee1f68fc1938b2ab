//! Agents that only publish events, many at once: repeated, out of order, and again for as long as the hub has not said that
//! it has stored them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use vedette::wire::AckMessage;

/// How long a simulated agent waits for word of what it has published before it publishes again, at first; twice as long each
/// further time up to 8 s, as a real agent does from 10 s: a hub that is behind must not be given more and more, and a word that is lost
/// must not cost the test its patience.
const PATIENCE: Duration = Duration::from_secs(2);

/// The epoch of all of them.
pub const EPOCH: u64 = 0x00ab_cdef_0123_4567;

/// Agents that are publishing; gone when dropped.
pub struct Flock {
    unacked: Vec<Arc<Mutex<BTreeSet<u64>>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// An event of an agent, as it is published.
pub fn event(agent: &str, class: &str, seq: u64) -> Value {
    json!({
        "specversion": "1.0", "id": format!("{agent}/{class}/{EPOCH:016x}/{seq}"), "source": format!("/vedette/{agent}"),
        "type": "vedette.event.track.v1", "time": format!("2026-11-23T14:{:02}:{:02}Z", seq / 60 % 60, seq % 60),
        "datacontenttype": "application/json",
        "data": {
            "kind": "track", "severity": if class == "alert" { "alert" } else { "event" }, "phase": "start",
            "episode": format!("door-{}", seq / 2), "camera": "door", "rule": "yard",
            "subject": {"track": seq, "label": if seq.is_multiple_of(2) { "person" } else { "car" }, "score": 0.87},
            "explanation": "x".repeat(400),
        },
    })
}

impl Flock {
    /// So many agents, with so many events each.
    pub fn start(port: u16, agents: u64, events: u64) -> Self {
        let mut flock = Self { unacked: Vec::new(), tasks: Vec::new() };
        for number in 0..agents {
            let agent = format!("agent-{number}");
            let unacked = Arc::new(Mutex::new((1..=events).collect::<BTreeSet<u64>>()));
            flock.tasks.push(tokio::spawn(live(port, agent, unacked.clone())));
            flock.unacked.push(unacked);
        }
        flock
    }

    /// How many events the hub has not spoken of.
    pub fn left(&self) -> usize {
        self.unacked.iter().map(|unacked| unacked.lock().unwrap().len()).sum()
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// One connection after the other, each with a client of its own: rumqttc may stand still when one goes on after an error.
async fn live(port: u16, agent: String, unacked: Arc<Mutex<BTreeSet<u64>>>) {
    loop {
        let mut options = MqttOptions::new(&agent, "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20).set_inflight(1000).set_keep_alive(Duration::from_secs(5));
        let (client, eventloop) = AsyncClient::new(options, 50);
        client.subscribe(format!("vedette/v1/{agent}/ack"), QoS::AtLeastOnce).await.unwrap();
        tokio::select! {
            () = publish(client, &agent, &unacked) => {}
            () = listen(eventloop, &unacked) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Publishes round by round until the connection has ended.
async fn publish(client: AsyncClient, agent: &str, unacked: &Mutex<BTreeSet<u64>>) {
    let mut patience = PATIENCE;
    loop {
        let mut round: Vec<u64> = unacked.lock().unwrap().iter().copied().collect();
        // Out of order within a while, as from a queue with priorities; one in twenty twice.
        for window in round.chunks_mut(100) {
            fastrand::shuffle(window);
        }
        for seq in round {
            let body = event(agent, "event", seq).to_string().into_bytes();
            for _ in 0..if fastrand::u8(..20) == 0 { 2 } else { 1 } {
                let topic = format!("vedette/v1/{agent}/event/track");
                if client.publish(topic, QoS::AtLeastOnce, false, body.clone()).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(patience).await;
        patience = (patience * 2).min(Duration::from_secs(8));
    }
}

/// Takes in acknowledgements until the connection ends.
async fn listen(mut eventloop: EventLoop, unacked: &Mutex<BTreeSet<u64>>) {
    while let Ok(event) = eventloop.poll().await {
        if let Event::Incoming(Packet::Publish(publish)) = event {
            let ack: AckMessage = serde_json::from_slice(&publish.payload).unwrap();
            assert_eq!(ack.epoch, EPOCH);
            unacked.lock().unwrap().retain(|seq| *seq > ack.upto && !ack.also.contains(seq));
        }
    }
}
