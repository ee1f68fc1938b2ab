//! What is left of a request that was refused before all of it had come.
//!
//! A connection that is closed on a sender in the middle of its body breaks the sender's write, and many clients then never
//! look at the answer that says why. So the rest is read and thrown away first, within limits.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

/// How much is read after a refusal, in bytes, and for how long.
const MOST: usize = 64 << 20;
const LONGEST: Duration = Duration::from_secs(5);

/// Reads the rest of each request that is refused.
pub async fn read_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Who waits for leave to send is told the answer in its place, unless the leave was given.
    let waits = parts.headers.contains_key(header::EXPECT);
    let coming = Coming { body: Arc::new(Mutex::new(Some(body))), is_begun: Arc::default() };
    let response = next.run(Request::from_parts(parts, Body::new(coming.clone()))).await;
    let is_refused = response.status().is_client_error() || response.status().is_server_error();
    if is_refused && (coming.is_begun() || !waits) {
        coming.drain().await;
    }
    response
}

/// A body that can still be had when its reader has let go of it.
#[derive(Clone)]
struct Coming {
    body: Arc<Mutex<Option<Body>>>,
    is_begun: Arc<AtomicBool>,
}

impl Coming {
    fn is_begun(&self) -> bool {
        self.is_begun.load(Ordering::Relaxed)
    }

    async fn drain(&self) {
        let Some(mut body) = self.body.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let rest = async {
            let mut left = MOST;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        // A sender that dawdles has had its chance.
        let _ = tokio::time::timeout(LONGEST, rest).await;
    }
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_begun.store(true, Ordering::Relaxed);
        match &mut *self.body.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
