//! A hub on a free port, within the test process.

use axum::http::Method;
use serde_json::{Value, json};
use vedette::base::clock::SystemClock;
use vedette::base::shutdown::Shutdown;
use vedette::hub::database::Database;
use vedette::hub::{Hub, Settings};

use crate::support::detectors;
use crate::support::http::{Answer, Http, Opened};

/// A hub on a free port.
pub struct Running {
    pub url: String,
    /// The first admin's token; empty where another hub on the same database has it.
    pub admin: String,
    pub http: Http,
    pub folder: tempfile::TempDir,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

/// Starts a hub with the rest of its configuration, or prints that the test is skipped.
pub async fn start(lines: &str) -> Option<Running> {
    if !detectors::load() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.yaml");
    std::fs::write(&file, format!("listen: 127.0.0.1:0\ndata_dir: data\n{lines}")).unwrap();
    Some(Running::begin(folder).await)
}

impl Running {
    /// Starts the hub of a folder with its `hub.yaml`.
    pub async fn begin(folder: tempfile::TempDir) -> Self {
        let settings = Settings::load(&folder.path().join("hub.yaml")).unwrap();
        let mut hub = Hub::open(settings, SystemClock::shared()).await.unwrap();
        let url = format!("http://{}", hub.address());
        let admin = hub.take_first_token().map(|token| token.expose().to_owned()).unwrap_or_default();
        let (shutdown, stopping) = Shutdown::new();
        let task = tokio::spawn(async move { hub.run(stopping).await.unwrap() });
        Self { url, admin, http: Http::default(), folder, shutdown, task }
    }

    pub async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.send(method, &format!("{}{path}", self.url), &headers, body).await
    }

    /// Sends a request without a body and does not wait for the body of the answer.
    pub async fn open(&self, method: &str, path: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Opened {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let bearer = bearer.iter().map(|value| ("authorization", value.as_str()));
        let headers: Vec<_> = bearer.chain(headers.iter().copied()).collect();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.open(method, &format!("{}{path}", self.url), &headers, Vec::new()).await
    }

    pub async fn token(&self, name: &str, role: &str) -> String {
        let made = self.send("POST", "/api/v1/tokens", Some(&self.admin), &json!({"name": name, "role": role})).await;
        made.fine()["token"].as_str().unwrap().to_owned()
    }

    /// Its tables, seen from beside it.
    pub async fn database(&self) -> Database {
        Database::open(&format!("sqlite://{}/data/hub.db", self.folder.path().display())).await.unwrap()
    }

    pub async fn end(self) {
        drop(self.end_and_keep().await);
    }

    /// Ends it and leaves its folder, to be opened again.
    pub async fn end_and_keep(self) -> tempfile::TempDir {
        drop(self.shutdown);
        self.task.await.unwrap();
        self.folder
    }
}
