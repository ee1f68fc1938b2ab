//! One connection of the consumer, from CONNECT to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::{Arrived, Receipt, Shared, lost};
use crate::mqtt::subscribing::password;
use crate::mqtt::{Endpoint, Error, tls};

/// What may be published besides acknowledgements before it is refused.
const PUBLISHES: usize = 1024;
/// rumqttc takes no shorter one for MQTT 5.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the last packet may take.
const FAREWELL: Duration = Duration::from_millis(300);
/// Properties that a publish of MQTT 5 may have beside what the settings' limit is meant for.
const PROPERTIES: u32 = 1024;

/// A connection that is subscribed.
pub(super) struct Link {
    pub(super) client: AsyncClient,
    pub(super) unheard: Vec<String>,
    eventloop: EventLoop,
    arrived: mpsc::Sender<Arrived>,
    shared: Arc<Shared>,
    heard: Instant,
}

impl Link {
    /// Reads credentials and certificates, connects and subscribes.
    pub(super) async fn open(shared: &Arc<Shared>, arrived: &mpsc::Sender<Arrived>) -> Result<Self, Error> {
        let read = shared.clone();
        let options = tokio::task::spawn_blocking(move || options(&read)).await.map_err(lost)??;
        let room = usize::from(shared.wanted.receive_maximum) + PUBLISHES;
        let (client, mut eventloop) = AsyncClient::new(options, room);
        let timeout = shared.settings.connect_timeout;
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(timeout.as_secs().max(1));
        eventloop.options.set_network_options(network);
        let (shared, arrived) = (shared.clone(), arrived.clone());
        let mut link = Self { client, unheard: Vec::new(), eventloop, arrived, shared, heard: Instant::now() };
        let late = |doing| move |_| Error::Timeout { doing };
        // rumqttc ends the attempt itself; the rest is for the case that it does not.
        tokio::time::timeout(timeout + Duration::from_secs(2), link.connect()).await.map_err(late("connecting"))??;
        tokio::time::timeout(timeout, link.subscribe()).await.map_err(late("subscribing"))??;
        Ok(link)
    }

    async fn connect(&mut self) -> Result<(), Error> {
        match self.eventloop.poll().await? {
            Event::Incoming(Packet::ConnAck(_)) => Ok(()),
            _ => Err(Error::Lost { reason: "it did not begin with CONNACK".to_owned() }),
        }
    }

    async fn subscribe(&mut self) -> Result<(), Error> {
        let wanted = self.shared.wanted.filters.clone();
        let filters = wanted.iter().map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|error| Error::Lost { reason: error.to_string() })?;
        loop {
            match self.next().await? {
                Packet::SubAck(answer) => {
                    let answers = wanted.into_iter().zip(&answer.return_codes);
                    let refused = answers.filter(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)));
                    self.unheard = refused.map(|(filter, _)| filter).collect();
                    return Ok(());
                }
                // The broker begins with what it kept of the session.
                Packet::Publish(publish) => self.hand_over(publish).await?,
                _ => {}
            }
        }
    }

    /// Takes in until the connection fails.
    pub(super) async fn take_in(&mut self) -> Result<(), Error> {
        let silence = self.shared.settings.keep_alive.max(SHORTEST_KEEP_ALIVE).mul_f64(2.5);
        loop {
            let silent = tokio::time::sleep_until(self.heard + silence);
            let packet = tokio::select! {
                packet = self.next() => packet?,
                () = silent => return Err(Error::Silent { since: silence }),
            };
            if let Packet::Publish(publish) = packet {
                self.hand_over(publish).await?;
            }
        }
    }

    /// The next packet that comes in.
    async fn next(&mut self) -> Result<Packet, Error> {
        loop {
            if let Event::Incoming(packet) = self.eventloop.poll().await? {
                self.heard = Instant::now();
                return Ok(packet);
            }
        }
    }

    async fn hand_over(&mut self, mut publish: Publish) -> Result<(), Error> {
        let (topic, payload) =
            (std::mem::take(&mut publish.topic), std::mem::replace(&mut publish.payload, Bytes::new()));
        publish.properties = None;
        let must_arrive = publish.qos != QoS::AtMostOnce;
        let message = Arrived {
            topic: String::from_utf8_lossy(&topic).into_owned(),
            // A slice would keep the whole buffer alive that it was read with.
            payload: payload.to_vec(),
            retained: publish.retain,
            receipt: Receipt { client: self.client.clone(), publish },
        };
        let ended = || Error::Lost { reason: "nobody takes what comes in".to_owned() };
        match self.arrived.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(ended()),
            // Only while those of an earlier connection wait; should it take long, the broker ends this one too.
            Err(TrySendError::Full(message)) if must_arrive => self.arrived.send(message).await.map_err(|_| ended()),
            Err(TrySendError::Full(_)) => {
                self.shared.status.send_modify(|status| status.ignored += 1);
                Ok(())
            }
        }
    }

    /// Says goodbye; the broker keeps the session.
    pub(super) async fn part(&mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        let gone = async {
            // The broker closes the connection in answer: an error here is what is waited for.
            while let Ok(event) = self.eventloop.poll().await {
                if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    break;
                }
            }
        };
        // Whether it got through or not, the connection is over.
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
}

fn options(shared: &Shared) -> Result<MqttOptions, Error> {
    let (settings, wanted) = (&shared.settings, &shared.wanted);
    let endpoint = Endpoint::parse(&settings.url)?;
    let mut options = MqttOptions::new(&wanted.client_id, endpoint.host, endpoint.port);
    options.set_clean_start(false);
    let expiry = u32::try_from(wanted.session_expiry.as_secs()).unwrap_or(u32::MAX);
    options.set_session_expiry_interval(Some(expiry));
    options.set_receive_maximum(Some(wanted.receive_maximum.max(1)));
    let largest = u32::try_from(settings.max_packet).unwrap_or(u32::MAX);
    // Of a larger one the broker says nothing, instead of a connection that fails over it again and again.
    options.set_max_packet_size(Some(largest.saturating_add(PROPERTIES)));
    options.set_manual_acks(true);
    options.set_keep_alive(settings.keep_alive.max(SHORTEST_KEEP_ALIVE));
    options.set_connection_timeout(settings.connect_timeout.as_secs().max(1));
    // Publishes at QoS 0 are never outstanding; the number is that of SUBSCRIBE packets and of publishes that are retained.
    options.set_outgoing_inflight_upper_limit(16);
    if let Some(username) = &settings.username {
        let password = settings.password_file.as_deref().map(password).transpose()?;
        options.set_credentials(username, password.unwrap_or_default());
    }
    if endpoint.tls {
        let config = tls::configure(settings)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::from(config)));
    }
    Ok(options)
}
