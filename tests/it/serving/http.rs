//! A server on a free port, and a client.

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use vedette::base::clock::SystemClock;
use vedette::detect::{Provider, ProviderChoice};
use vedette::hub::serving::{Folder, Serving, Settings, Tuning, router};

use crate::support::detectors;

/// A server, and the folder of its models.
pub struct Server {
    pub url: String,
    pub serving: Arc<Serving>,
    pub folder: tempfile::TempDir,
    client: Client<HttpConnector, Body>,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
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
    let app = router(serving.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    Some(Server { url, serving, folder, client })
}

/// The defaults, on the CPU.
pub fn settings() -> Settings {
    Settings { tuning: on_cpu(), ..Settings::default() }
}

impl Server {
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
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

impl Answer {
    /// The JSON of an answer with status 200.
    pub fn fine(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The sentence of a refusal.
    pub fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"].as_str().unwrap().to_owned()
    }

    /// The JSON and the tensors behind it.
    pub fn parts(&self) -> (Value, &[u8]) {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        let length: usize = self.headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
        (serde_json::from_slice(&self.body[..length]).unwrap(), &self.body[length..])
    }
}

/// Numbers as the protocol sends them.
pub fn packed(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
