//! A clip as it is sent to whoever plays it: whole or a part, as MP4 and nothing else.

use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use jiff::fmt::strtime;
use tower_http::services::ServeFile;

use super::{ClipFacts, MP4};

/// Sends a file, as far as the request wants it; none where it has just gone. `kept` says whether whoever asks may keep it.
pub async fn send(clip: &ClipFacts, file: &Path, kept: bool, request: Request) -> Option<Response> {
    let served = ServeFile::new(file).try_call(request).await.ok()?;
    let mut response = served.map(Body::new).into_response();
    let cache = if kept { "private, max-age=31536000, immutable" } else { "private, no-cache" };
    let fixed = [
        (header::CONTENT_TYPE, MP4),
        // What an agent has sent is a video, whatever it looks like.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, cache),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let told = [
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{}\"", file_name(clip))),
        (header::ETAG, format!("\"{}\"", clip.sha256)),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

/// What the file is called where somebody keeps it: whose it is, and when it begins. Ids and digits alone.
fn file_name(clip: &ClipFacts) -> String {
    let begins = Timestamp::from_nanosecond(i128::from(clip.begins_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
    let begins = strtime::format("%Y%m%dT%H%M%SZ", begins).unwrap_or_default();
    format!("{}-{}-{begins}.mp4", clip.agent, clip.camera)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::clips::tests::clip;

    #[test]
    fn a_file_is_called_by_whose_it_is_and_when_it_begins() {
        let clip = ClipFacts { begins_ns: 1_795_444_073_120_000_000, ..clip(10, 10) };
        assert_eq!(file_name(&clip), "gate-door-20261123T142753Z.mp4");
    }
}
