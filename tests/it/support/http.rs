//! An HTTP client, and what it was answered.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The client.
pub struct Http(Client<HttpConnector, Body>);

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What begins to come back.
pub struct Opened {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build(HttpConnector::new()))
    }
}

impl Http {
    pub async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let Opened { status, headers, body } = self.open(method, url, headers, body).await;
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status, headers, body }
    }

    /// Sends a request and does not wait for the body of the answer.
    pub async fn open(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Opened {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.0.request(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        Opened { status: parts.status, headers: parts.headers, body: Body::new(body) }
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
