//! The hub as a whole: what it is made of, in one place, from its start to its end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::access::{AccessError, Audit, Failures, Sessions, Tokens};
use super::accounts::{AccountError, Accounts, Own, Writer};
use super::api;
use super::blobs::{self, Blobs};
use super::broker::client_id;
use super::callers::{Callers, Peer};
use super::clips::{Clips, Requests};
use super::dashboard::{self, Dashboard};
use super::database::{Database, DatabaseError};
use super::door::{Door, DoorError, TlsError};
use super::events::{Exports, Keeper, Live, Snapshots, Verdicts};
use super::fleet::Fleet;
use super::galleries::Galleries;
use super::guard::guard;
use super::intake::{self, Intake, Seat};
use super::registry::{Checks, Joined, Registry, RegistryError};
use super::rest::read_rest;
use super::rollouts::{Executor, Rollouts, key};
use super::serving::{self, Folder, Serving};
use super::settings::{FIRST_TOKEN, Settings, SettingsError};
use super::suppressions::Suppressions;
use super::upkeep::{follow, sweep};
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::detect::{DetectError, read_trust};
use crate::toolchain::keys::KeysError;
use crate::vocab::Secret;

/// How long requests that are being answered may take when the hub stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the hub does not run.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The configuration names a file that cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A folder or file of its own cannot be made.
    #[error("making {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The first token.
    #[error("making the first admin's token")]
    Access(#[from] AccessError),
    /// Where packages lie.
    #[error(transparent)]
    Blobs(#[from] blobs::OpenError),
    /// The registry.
    #[error("opening the registry of models")]
    Registry(#[from] RegistryError),
    /// The list of keys that may sign packages.
    #[error(transparent)]
    Trust(#[from] DetectError),
    /// The key that signs what agents are to have.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// The hub's own account at the broker.
    #[error("the hub's account at the broker")]
    Account(#[from] AccountError),
    /// Serving models.
    #[error(transparent)]
    Serving(#[from] serving::OpenError),
    /// A thread was refused.
    #[error("starting the thread that loads models")]
    Thread(#[source] std::io::Error),
    /// The address is taken or not ours.
    #[error("listening at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate cannot be shown.
    #[error(transparent)]
    Tls(TlsError),
    /// Connections can no longer be taken.
    #[error("answering requests")]
    Answer(#[source] std::io::Error),
}

/// A hub that listens.
pub struct Hub {
    door: Door,
    shared: api::Shared,
    dashboard: Dashboard,
    callers: Callers,
    database: Database,
    intake: Option<Intake>,
    executor: Option<Executor>,
    writer: Option<Writer>,
    keeper: Keeper,
    first_token: Option<Secret>,
}

impl Hub {
    /// Opens everything and listens; nothing is answered before [`Hub::run`]. ONNX Runtime must be loaded.
    ///
    /// # Errors
    /// When anything that the hub is made of cannot be had.
    pub async fn open(settings: Settings, clock: SharedClock) -> Result<Self, HubError> {
        for folder in [settings.data_dir.clone(), settings.models()] {
            std::fs::create_dir_all(&folder).map_err(|source| HubError::Folder { path: folder, source })?;
        }
        let database = Database::open(settings.database_url()?.expose()).await?;
        let tokens = Tokens::new(database.clone(), clock.clone());
        let registry = registry(&settings, &database, clock.clone()).await?;
        let catalogue = Joined(registry.shelf(), Folder::new(settings.models()));
        let snapshots = snapshots(&settings, &database)?;
        let clips = clips(&settings, &database, clock.clone())?;
        let live = Live::new(database.clone());
        let news = Arc::new(Notify::new());
        let accounts = Accounts::new(database.clone(), clock.clone());
        let writer = writer(&settings, &accounts).await?;
        let intake = intake(&settings, &database, &snapshots, &live, clock.clone(), news.clone()).await?;
        let key = key::open(&settings.data_dir)?;
        tracing::info!(key = %key.public(), "what agents are to have is signed with this key: they must name it");
        let publisher = intake.as_ref().map(Intake::publisher);
        let clip_requests = Requests::new(database.clone(), clock.clone(), clips.clone(), publisher.clone());
        let rollouts = Rollouts::new(
            database.clone(),
            registry.clone(),
            clock.clone(),
            key.public(),
            news.clone(),
            publisher.is_some(),
        );
        let executor = publisher.map(|publisher| Executor::new(database.clone(), clock.clone(), key, publisher, news));
        let keeper = Keeper::new(database.clone(), snapshots.clone(), clips.clone(), settings.events, clock.clone());
        let verdicts = Verdicts::new(database.clone(), clock.clone());
        let fleet = Fleet::new(database.clone(), clock.clone());
        let suppressions = Suppressions::new(database.clone(), clock.clone(), fleet.clone(), rollouts.clone());
        let galleries = Galleries::new(database.clone(), clock.clone(), registry.clone(), fleet.clone());
        let serving = Serving::open(settings.serving.clone(), Arc::new(catalogue), clock.clone())?;
        let refused = |source| HubError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
        let door = Door::new(listener, settings.tls.clone()).map_err(|error| match error {
            DoorError::Address(source) => refused(source),
            DoorError::Tls(error) => HubError::Tls(error),
        })?;
        warn_if_overheard(&settings, door.address());
        let first_token = tokens.first().await?;
        serving.start().map_err(HubError::Thread)?;
        let audit = Audit::new(database.clone());
        serving.add_paths(api::openapi::paths());
        let gauge = intake.as_ref().map(Intake::gauge);
        let broker_files = writer.as_ref().map(Writer::state);
        if let Some(gauge) = gauge.clone() {
            let files = broker_files.clone();
            let of_files = move || files.as_ref().map(|files| files.borrow().to_metrics()).unwrap_or_default();
            serving.add_metrics(Box::new(move || gauge.metrics() + &of_files()));
        }
        let shared = api::Shared {
            tokens,
            audit,
            registry,
            serving,
            database: database.clone(),
            fleet,
            live,
            exports: Exports::new(database.clone()),
            snapshots,
            verdicts,
            clips,
            clip_requests,
            rollouts,
            suppressions,
            galleries,
            intake: gauge,
            accounts,
            broker_files,
        };
        let failures = Failures::new(settings.access.failures_per_minute, clock.clone());
        let callers = Callers::new(failures, settings.access.trusted_proxies.clone());
        let sessions = Sessions::new(database.clone(), clock.clone(), settings.access.session_hours);
        let dashboard = Dashboard {
            shared: shared.clone(),
            sessions,
            callers: callers.clone(),
            clock,
            is_encrypted: settings.tls.is_some(),
        };
        Ok(Self { door, shared, dashboard, callers, database, intake, executor, writer, keeper, first_token })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The token of the first start, once.
    pub fn take_first_token(&mut self) -> Option<Secret> {
        self.first_token.take()
    }

    /// Answers until it is time to stop, and then ends what is being answered.
    ///
    /// # Errors
    /// When connections can no longer be taken.
    pub async fn run(self, stopping: Stopping) -> Result<(), HubError> {
        let signal = stopping.clone();
        let follower = tokio::spawn(follow(self.shared.clone()));
        let sweeper = tokio::spawn(sweep(self.shared.registry.clone()));
        let told = tokio::spawn(self.shared.live.clone().run(stopping.clone()));
        let kept = tokio::spawn(self.keeper.run(stopping.clone()));
        let taken_in = self.intake.map(|intake| tokio::spawn(intake.run(stopping.clone())));
        let written = self.writer.map(|writer| tokio::spawn(writer.run(stopping.clone())));
        let executed = self.executor.map(|executor| tokio::spawn(executor.run(stopping.clone())));
        let app = app(self.shared, self.dashboard, self.callers).into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(self.door, app).with_graceful_shutdown(async move { signal.stopped().await });
        let overdue = async {
            stopping.stopped().await;
            tokio::time::sleep(DRAIN).await;
        };
        let result = tokio::select! {
            result = served => result.map_err(HubError::Answer),
            () = overdue => Ok(()),
        };
        follower.abort();
        sweeper.abort();
        if let Some(Err(error)) = async { Some(taken_in?.await) }.await {
            tracing::error!(%error, "the intake broke");
        }
        if let Some(Err(error)) = async { Some(executed?.await) }.await {
            tracing::error!(%error, "rollouts broke");
        }
        if let Some(Err(error)) = async { Some(written?.await) }.await {
            tracing::error!(%error, "writing the broker's files broke");
        }
        if let Err(error) = told.await {
            tracing::error!(%error, "the live stream of events broke");
        }
        if let Err(error) = kept.await {
            tracing::error!(%error, "deleting old events broke");
        }
        self.database.close().await;
        result
    }
}

/// Tokens that cross a network in the clear are anybody's.
fn warn_if_overheard(settings: &Settings, address: SocketAddr) {
    if settings.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "tokens cross the network in the clear: set tls, or listen at 127.0.0.1 behind a proxy that encrypts");
    }
}

fn app(shared: api::Shared, dashboard: Dashboard, callers: Callers) -> Router {
    let (tokens, serving) = (shared.tokens.clone(), shared.serving.clone());
    let open = api::router(shared).merge(serving::router(serving));
    let guarded = open.layer(middleware::from_fn_with_state((tokens, callers), guard));
    let all = guarded.merge(dashboard::router(dashboard)).fallback(serving::not_found);
    all.layer(middleware::from_fn(dashboard::show_browsers_in)).layer(middleware::from_fn(read_rest))
}

async fn registry(settings: &Settings, database: &Database, clock: SharedClock) -> Result<Registry, HubError> {
    let folder = settings.data_dir.join("blobs");
    let limit = u64::from(settings.registry.max_package_mib) << 20;
    let blobs = match &settings.blobs.s3 {
        Some(s3) => Blobs::open_bucket(folder, limit, s3).await?,
        None => Blobs::open(&folder, limit).map_err(|source| HubError::Folder { path: folder, source })?,
    };
    let checks = Checks { trust: settings.registry.trust.as_deref().map(read_trust).transpose()? };
    Ok(Registry::open(database.clone(), blobs, checks, clock).await?)
}

/// The pictures, of which none is larger than a message of the broker's may be.
fn snapshots(settings: &Settings, database: &Database) -> Result<Snapshots, HubError> {
    let folder = settings.data_dir.join("snapshots");
    let largest = settings.mqtt.session().unwrap_or_default().max_packet as u64;
    let opened = Snapshots::open(database.clone(), &folder, largest);
    opened.map_err(|source| HubError::Folder { path: folder, source })
}

/// The clips, of which none is larger than the configuration allows.
fn clips(settings: &Settings, database: &Database, clock: SharedClock) -> Result<Clips, HubError> {
    let (folder, limit) = (settings.data_dir.join("clips"), u64::from(settings.events.largest_clip_mib) << 20);
    Clips::open(database.clone(), clock, &folder, limit).map_err(|source| HubError::Folder { path: folder, source })
}

/// Notes the hub's own account at the broker; and what writes the broker's files, where that is wanted.
async fn writer(settings: &Settings, accounts: &Accounts) -> Result<Option<Writer>, HubError> {
    let failed = |source| HubError::Folder { path: settings.data_dir.clone(), source };
    let own = settings.mqtt.own(&client_id(&settings.data_dir).map_err(failed)?);
    let Some(folder) = settings.mqtt.broker_files.clone() else {
        if let Some(own) = &own {
            note_own(own, accounts).await?;
        }
        return Ok(None);
    };
    if let Some(own) = &own {
        own.ensure_password()?;
        own.register(accounts).await?;
    }
    Ok(Some(Writer::new(accounts.clone(), own, folder, settings.mqtt.reload_command.clone())))
}

/// For those whose broker is elsewhere. A password file that is not there yet is the session's to complain of.
async fn note_own(own: &Own, accounts: &Accounts) -> Result<(), HubError> {
    match own.register(accounts).await {
        Err(error @ AccountError::File { .. }) => {
            tracing::warn!(%error, "the hub's account is not among those that are handed to the broker");
            Ok(())
        }
        other => Ok(other.map(drop)?),
    }
}

/// What takes in from the broker, where there is one.
async fn intake(
    settings: &Settings,
    database: &Database,
    snapshots: &Snapshots,
    live: &Live,
    clock: SharedClock,
    news: Arc<Notify>,
) -> Result<Option<Intake>, HubError> {
    let Some(session) = settings.mqtt.session() else {
        tracing::warn!("nothing is taken in from agents: the configuration names no broker in mqtt.url");
        return Ok(None);
    };
    let failed = |source| HubError::Folder { path: settings.data_dir.clone(), source };
    let client_id = client_id(&settings.data_dir).map_err(failed)?;
    tracing::info!(broker = session.url, client_id, "taking in what agents publish");
    let seat = Seat { client_id, group: intake::group(database).await? };
    let (database, snapshots, live) = (database.clone(), snapshots.clone(), live.clone());
    Ok(Some(Intake::new(session, seat, database, snapshots, live, clock, news)))
}

/// Writes the first token where only the hub's user reads it, and says where.
///
/// # Errors
/// When the file cannot be made.
pub fn keep_first_token(data_dir: &Path, token: &Secret) -> Result<PathBuf, HubError> {
    let path = data_dir.join(FIRST_TOKEN);
    let failed = |source| HubError::Folder { path: path.clone(), source };
    // One of an earlier database would keep its own permissions.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    writeln!(file, "{}", token.expose()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(path)
}
