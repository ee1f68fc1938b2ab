//! Files by their SHA-256, sent whole or from the middle.
//!
//! One that lies on this machine is sent from there; one in a bucket goes straight through, piece by piece.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_range_header::parse_range_header;
use tower_http::services::ServeFile;

use super::Shared;
use super::uploads::blocking;
use crate::hub::answer::Refusal;
use crate::hub::blobs::{BlobError, BlobName, LocalFile, Remote, Source};

pub(super) async fn send(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let blob = BlobName::new(&name).map_err(Refusal::invalid)?;
    let missing = || BlobError::Missing { name: name.clone() };
    let found = blocking({
        let (blobs, blob) = (shared.registry.blobs().clone(), blob.clone());
        move || blobs.source(&blob)
    });
    let mut response = match found.await?.ok_or_else(missing)? {
        Source::File(file) => send_file(&file, request).await.ok_or_else(missing)?,
        Source::Remote(remote) => send_remote(&remote, request.method(), request.headers()).await?,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    // Its name says what it holds.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", blob.as_str())) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Sends a file that lies here; it is open before this returns, so that it may then go.
async fn send_file(file: &LocalFile, request: Request) -> Option<Response> {
    // Nothing in the request but the range concerns this file.
    let served = ServeFile::new(file.path()).try_call(request).await.ok()?;
    Some(served.map(Body::new).into_response())
}

async fn send_remote(remote: &Remote, method: &Method, headers: &HeaderMap) -> Result<Response, Refusal> {
    let length = remote.length();
    let (status, range) = match wanted(headers, length) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, *part.start()..*part.end() + 1),
        Wanted::Nothing => {
            let all = format!("bytes */{length}");
            let headers = [(header::CONTENT_RANGE, all), (header::ACCEPT_RANGES, "bytes".to_owned())];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let size = range.end - range.start;
    let place = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(remote.read(range).await?),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, size.into());
    if let (StatusCode::PARTIAL_CONTENT, Ok(place)) = (status, HeaderValue::from_str(&place)) {
        headers.insert(header::CONTENT_RANGE, place);
    }
    Ok(response)
}

/// What a request wants of a file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(RangeInclusive<u64>),
    /// Nothing that there is, or several parts, which are not sent.
    Nothing,
}

fn wanted(headers: &HeaderMap, length: u64) -> Wanted {
    let Some(range) = headers.get(header::RANGE) else { return Wanted::Whole };
    let ranges = range.to_str().ok().and_then(|text| parse_range_header(text).ok());
    match ranges.and_then(|ranges| ranges.validate(length).ok()).as_deref() {
        Some([part]) => Wanted::Part(part.clone()),
        _ => Wanted::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_within_the_file_and_there_is_one_of_them() {
        let wanted =
            |range: &'static str| wanted(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]), 10);
        assert_eq!(super::wanted(&HeaderMap::new(), 10), Wanted::Whole);
        for (range, part) in [("bytes=0-0", 0..=0), ("bytes=3-", 3..=9), ("bytes=9-9", 9..=9), ("bytes=-2", 8..=9)] {
            assert_eq!(wanted(range), Wanted::Part(part), "{range}");
        }
        for range in ["bytes=10-", "bytes=5-3", "bytes=0-0,2-2", "lines=1-2", "bytes=a-b", ""] {
            assert_eq!(wanted(range), Wanted::Nothing, "{range}");
        }
    }
}
