//! From CONNECT to the last SUBACK: what must have happened before anything is published.

use std::path::Path;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, QoS, SubscribeFilter,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::session::Shared;
use super::{Endpoint, Error, Settings, tls};

/// How long a retained message may take to arrive after its SUBACK, while looking for the one that is too large.
const PROBE: Duration = Duration::from_millis(400);

/// rumqttc's two halves, of which one is polled by a task of its own. Dropping it closes the connection.
pub(super) struct Link {
    pub(super) client: AsyncClient,
    pub(super) events: mpsc::Receiver<Result<Event, ConnectionError>>,
    pump: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Link {
    /// Reads credentials and certificates and connects. Returns once the broker has accepted.
    pub(super) async fn connect(shared: &Shared) -> Result<Self, Error> {
        let (settings, identity) = (shared.settings.clone(), shared.identity.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut options = options(&settings, &identity.client_id)?;
            let presence = identity.presence;
            options.set_last_will(LastWill::new(presence.topic, presence.offline, QoS::AtLeastOnce, true));
            Ok::<_, Error>(options)
        });
        let options = read.await.map_err(|e| Error::Lost { reason: e.to_string() })??;
        let mut link = Self::start(options, &shared.settings);
        // rumqttc ends the attempt itself; this is for the case that it does not.
        let limit = shared.settings.connect_timeout + Duration::from_secs(2);
        let answer = tokio::time::timeout(limit, link.events.recv()).await;
        match answer.map_err(|_| Error::Timeout { doing: "connecting" })? {
            Some(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok(link),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Err(Error::Lost { reason: "it did not begin with CONNACK".to_owned() }),
        }
    }

    fn start(options: MqttOptions, settings: &Settings) -> Self {
        // Room for a window of messages, SUBSCRIBE and DISCONNECT, so that handing over never has to wait.
        let (client, mut eventloop) = AsyncClient::new(options, usize::from(settings.window) + 16);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(settings.connect_timeout.as_secs().max(1));
        eventloop.set_network_options(network);
        let (told, events) = mpsc::channel(64);
        let pump = tokio::spawn(pump(eventloop, told)).abort_handle();
        Self { client, events, pump }
    }

    /// Subscribes and waits until the broker has answered; hands every other event to `on_event`. Returns the filters
    /// that the broker refuses.
    pub(super) async fn subscribe(
        &mut self,
        filters: &[String],
        settings: &Settings,
        mut on_event: impl FnMut(Event) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let wanted = filters.iter().map(|f| SubscribeFilter::new(f.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(wanted).map_err(|e| Error::Lost { reason: e.to_string() })?;
        let answered = tokio::time::timeout(settings.connect_timeout, async {
            loop {
                match self.next().await? {
                    Event::Incoming(Packet::SubAck(ack)) => return Ok::<_, Error>(ack),
                    other => on_event(other)?,
                }
            }
        });
        let ack = answered.await.map_err(|_| Error::Timeout { doing: "subscribing" })??;
        let refused = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Failure);
        let answers = filters.iter().zip(&ack.return_codes);
        Ok(answers.filter(|(_, code)| refused(code)).map(|(filter, _)| filter.clone()).collect())
    }

    /// Waits for what the broker had retained under a filter just subscribed to.
    pub(super) async fn settle(&mut self, mut on_event: impl FnMut(Event) -> Result<(), Error>) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + PROBE;
        while let Ok(event) = tokio::time::timeout_at(deadline, self.next()).await {
            on_event(event?)?;
        }
        Ok(())
    }

    /// The next thing that happens on the connection.
    pub(super) async fn next(&mut self) -> Result<Event, Error> {
        match self.events.recv().await {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::Lost { reason: "its task has ended".to_owned() }),
        }
    }
}

/// Polls and does nothing else: whatever is slow would delay the signs of life.
async fn pump(mut eventloop: EventLoop, told: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let happened = eventloop.poll().await;
        // Polling on after an error would connect again, with the state of the lost connection.
        let over = happened.is_err();
        if told.send(happened).await.is_err() || over {
            return;
        }
    }
}

fn options(settings: &Settings, client_id: &str) -> Result<MqttOptions, Error> {
    let endpoint = Endpoint::parse(&settings.url)?;
    let mut options = MqttOptions::new(client_id, endpoint.host, endpoint.port);
    options.set_clean_session(true);
    options.set_keep_alive(settings.keep_alive.max(Duration::from_secs(1)));
    options.set_max_packet_size(settings.max_packet, settings.max_packet);
    // More numbers than the window can hold apart: see `window`.
    options.set_inflight(settings.window.max(1) + 8);
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

/// The first line of a password file.
pub(super) fn password(path: &Path) -> Result<String, Error> {
    let file = |source: std::io::Error| {
        // Where there is no such file, somebody may have written the password where its file belongs.
        let is_there = source.kind() == std::io::ErrorKind::PermissionDenied;
        let path = if is_there { path.to_owned() } else { "…".into() };
        Error::File { what: "password file", path, source }
    };
    let text = std::fs::read_to_string(path).map_err(file)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
