//! Handing `/v2` on to another inference server that speaks the same protocol. Bodies are streamed both ways.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::error::{ServeError, chain};
use super::{OpenError, Serving};

/// Headers that are about one connection and not about the message.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Another inference server.
pub struct Upstream {
    url: String,
    client: Client<HttpConnector, Body>,
}

impl Upstream {
    /// The server at `url`, `http://host:port` with or without a path before `/v2`.
    ///
    /// # Errors
    /// When that is no such address.
    pub fn new(url: &str) -> Result<Self, OpenError> {
        let refused = |reason: String| OpenError::Upstream { url: url.to_owned(), reason };
        let parsed: Uri = url.parse().map_err(|error| refused(format!("{error}")))?;
        if parsed.scheme_str() != Some("http") || parsed.host().is_none() || parsed.query().is_some() {
            return Err(refused("expected http://host:port".to_owned()));
        }
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client })
    }

    async fn hand_on(&self, mut request: Request) -> Result<Response, ServeError> {
        let failed = |reason: String| ServeError::Upstream { url: self.url.clone(), reason };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{}{path}", self.url).parse().map_err(|error| failed(format!("{error}")))?;
        strip(request.headers_mut());
        // Who may ask this server says nothing about the other one.
        for name in [header::HOST, header::AUTHORIZATION, header::COOKIE] {
            request.headers_mut().remove(name);
        }
        let answer = self.client.request(request).await.map_err(|error| failed(chain(&error)))?;
        let mut answer = answer.map(Body::new);
        strip(answer.headers_mut());
        Ok(answer)
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

/// Hands a request on.
///
/// # Errors
/// When the other server does not answer in time.
pub async fn hand_on(State(serving): State<Arc<Serving>>, request: Request) -> Result<Response, ServeError> {
    let Some(upstream) = &serving.upstream else {
        return Err(ServeError::NoRoute { path: request.uri().path().to_owned() });
    };
    let limit = std::time::Duration::from_millis(serving.settings.request_timeout_ms);
    match tokio::time::timeout(limit, upstream.hand_on(request)).await {
        Ok(Ok(answer)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(ServeError::Unsupported("another protocol than HTTP".to_owned()))
        }
        Ok(answer) => answer,
        Err(_) => {
            let reason = format!("no answer within {} ms", limit.as_millis());
            Err(ServeError::Upstream { url: upstream.url.clone(), reason })
        }
    }
}
