//! A server on a free port, and a client.

use std::path::Path;
use std::sync::Arc;

use axum::http::Method;
use vedette::base::clock::SystemClock;
use vedette::detect::{Provider, ProviderChoice};
use vedette::hub::serving::{Folder, Serving, Settings, Tuning, router};

use crate::support::detectors;
use crate::support::http::{Answer, Http};

/// A server, and the folder of its models.
pub struct Server {
    pub url: String,
    pub serving: Arc<Serving>,
    pub folder: tempfile::TempDir,
    client: Http,
}

/// On the CPU, whatever else the machine has.
pub fn on_cpu() -> Tuning {
    Tuning { provider: ProviderChoice::One(Provider::Cpu), ..Tuning::default() }
}

/// Puts a model where the catalogue finds it.
pub fn put(folder: &Path, name: &str, version: u64, bytes: &[u8]) {
    let folder = folder.join(name).join(version.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.onnx"), bytes).unwrap();
}

/// Serves models; `None` after printing that the test is skipped.
pub async fn serve(models: &[(&str, u64, Vec<u8>)], settings: Settings) -> Option<Server> {
    if !detectors::load() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, version, bytes) in models {
        put(folder.path(), name, *version, bytes);
    }
    let serving = Serving::open(settings, Arc::new(Folder::new(folder.path())), SystemClock::shared()).unwrap();
    let loading = serving.clone();
    tokio::task::spawn_blocking(move || loading.load_at_start()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = router(serving.clone()).layer(axum::middleware::from_fn(vedette::hub::read_rest));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Http::default();
    Some(Server { url, serving, folder, client })
}

/// The defaults, on the CPU.
pub fn settings() -> Settings {
    Settings { tuning: on_cpu(), ..Settings::default() }
}

impl Server {
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.client.send(method, &format!("{}{path}", self.url), headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, path, &[], body.into()).await
    }

    /// Posts JSON and tensors behind it.
    pub async fn post_binary(&self, path: &str, json: &str, tail: &[u8]) -> Answer {
        let length = json.len().to_string();
        let body = [json.as_bytes(), tail].concat();
        self.send(Method::POST, path, &[("Inference-Header-Content-Length", &length)], body).await
    }
}

/// Numbers as the protocol sends them.
pub fn packed(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
