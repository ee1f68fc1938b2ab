//! Somebody who listens at the broker: keeps all that arrives, and comes back after each lost connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use vedette::base::clock::{Clock, SystemClock};

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    /// When, on the monotonic clock.
    pub at: Duration,
}

/// Listens until dropped.
pub struct Subscriber {
    pub client: AsyncClient,
    messages: Arc<Mutex<Vec<Message>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Subscriber {
    /// Connects with a session that the broker keeps, and subscribes at QoS 1; returns when that is acknowledged.
    pub async fn start(port: u16, id: &str, filter: &str) -> Self {
        Self::with(port, id, filter, |_, _| {}).await
    }

    /// As [`Subscriber::start`]; `on_message` is called for each message, and may answer.
    pub async fn with(
        port: u16,
        id: &str,
        filter: &str,
        on_message: impl Fn(&AsyncClient, &Message) + Send + 'static,
    ) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 8 << 20).set_inflight(1000);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, eventloop) = AsyncClient::new(options, 1000);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        let task =
            tokio::spawn(listen(eventloop, client.clone(), filter.to_owned(), messages.clone(), ready, on_message));
        subscribed.await.unwrap();
        Self { client, messages, task }
    }

    /// All that has arrived.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The latest payload on `topic`.
    pub fn latest(&self, topic: &str) -> Option<Vec<u8>> {
        self.messages.lock().unwrap().iter().rev().find(|m| m.topic == topic).map(|m| m.payload.clone())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    mut eventloop: EventLoop,
    client: AsyncClient,
    filter: String,
    messages: Arc<Mutex<Vec<Message>>>,
    ready: tokio::sync::oneshot::Sender<()>,
    on_message: impl Fn(&AsyncClient, &Message) + Send + 'static,
) {
    let mut ready = Some(ready);
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => client.try_subscribe(&filter, QoS::AtLeastOnce).unwrap(),
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                if let Some(ready) = ready.take() {
                    ready.send(()).unwrap();
                }
            }
            Ok(Event::Incoming(Packet::Publish(p))) => {
                let message =
                    Message { topic: p.topic, payload: p.payload.to_vec(), retained: p.retain, at: SystemClock.mono() };
                on_message(&client, &message);
                messages.lock().unwrap().push(message);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
