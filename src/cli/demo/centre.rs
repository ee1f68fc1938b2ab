//! The demo's hub: a real one in this process, on a port of its own, at the demo's broker.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde_json::json;

use crate::agent::demo::HubPlace;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Shutdown;
use crate::cli::{Failure, onnx_runtime};
use crate::client::Client;
use crate::hub::{Hub, HubError, Settings};
use crate::toolchain::detect;

/// A hub that runs.
pub(super) struct Centre {
    /// Where agents find it.
    pub place: HubPlace,
    /// Who orders things of it.
    pub client: Arc<Client>,
    token: String,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<Result<(), HubError>>,
}

impl Centre {
    /// Starts one with its files in `folder`.
    pub async fn open(folder: &Path, broker: &str, clock: &SharedClock) -> Result<Self, Failure> {
        let file = folder.join("hub.yaml");
        let text = format!(
            "# Written by `vedette demo`.\nlisten: 127.0.0.1:0\ndata_dir: hub\nmqtt: {{ url: {} }}\n",
            json!(broker)
        );
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let settings = Settings::load(&file).map_err(|error| Failure::Running(error.into()))?;
        detect::load(&onnx_runtime::search(None)).map_err(|error| Failure::Refused(error.into()))?;
        let mut hub = Hub::open(settings, clock.clone()).await.context("the hub does not start")?;
        let url = format!("http://{}", hub.address());
        let token = hub.take_first_token().ok_or_else(|| anyhow!("{} holds a hub already", folder.display()))?;
        let (shutdown, stopping) = Shutdown::new();
        let task = tokio::spawn(hub.run(stopping));
        let client = Arc::new(Client::new(&url, token.clone(), None).context("asking the hub")?);
        let told = ask(&client, |client| {
            let key = client.get("/api/v1/hub-key")?;
            let agent = client.post("/api/v1/tokens", &json!({ "name": "agents", "role": "viewer" }))?;
            Ok((key["public"].as_str().map(str::to_owned), agent["token"].as_str().map(str::to_owned)))
        });
        let (Some(key), Some(agents)) = told.await? else { return Err(anyhow!("the hub tells no key").into()) };
        let token_file = folder.join("hub.token");
        let kept = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&token_file);
        kept.and_then(|mut file| writeln!(file, "{agents}")).context("cannot keep the agents' token")?;
        let place = HubPlace { url, token_file, key };
        Ok(Self { place, client, token: token.expose().to_owned(), shutdown, task })
    }

    /// Where people find it, and how they get in.
    pub fn address(&self) -> String {
        format!("dashboard: {}/ui/   token: {}", self.place.url, self.token)
    }

    /// Ends it.
    pub async fn end(self) -> Result<(), Failure> {
        drop(self.shutdown);
        Ok(self.task.await.context("the hub ended in a panic")?.context("the hub failed")?)
    }
}

/// Asks the hub something from within it.
pub(super) async fn ask<T: Send + 'static>(
    client: &Arc<Client>,
    question: impl FnOnce(&Client) -> Result<T, crate::client::ClientError> + Send + 'static,
) -> Result<T, Failure> {
    let client = client.clone();
    let answer = tokio::task::spawn_blocking(move || question(&client)).await.context("asking the hub")?;
    Ok(answer.context("asking the hub")?)
}
