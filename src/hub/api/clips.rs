//! Clips: handed in by their agents in pieces, asked for and fetched by people.
//!
//! `HEAD /api/v1/clips/<agent>/<sha256>` says in `Upload-Offset` how much of a clip is here, 404 that nothing is, and
//! `Upload-Complete: ?1` that all is. `PATCH` sends the piece that begins at its `Upload-Offset`, the first with what the
//! clip is in its query, and is answered 204 with the new `Upload-Offset`, 409 with the right one, or 422 when the whole is
//! another file, which is then forgotten. The headers are those of the IETF's draft on resumable uploads
//! (draft-ietf-httpbis-resumable-upload).

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::Shared;
use super::uploads::offset;
use crate::hub::access::Caller;
use crate::hub::answer::{Refusal, refused};
use crate::hub::blobs::BlobName;
use crate::hub::clips::{self, About, ClipError, MP4, Progress, Told};
use crate::vocab::Id;

/// The largest piece, in bytes.
pub(super) const LARGEST_PIECE: usize = 1 << 20;

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// What the first piece says of its clip.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Announced {
    bytes: Option<u64>,
    camera: Option<Id>,
    episode: String,
    begins: Option<String>,
    ends: Option<String>,
    mime: String,
}

impl Announced {
    /// What it says; none where it does not say all of it.
    fn about(self) -> Result<Option<About>, Refusal> {
        let Self { bytes: Some(size), camera: Some(camera), episode, begins: Some(begins), ends: Some(ends), mime } =
            self
        else {
            return Ok(None);
        };
        if mime != MP4 {
            return Err(Refusal::invalid(format!("clips are taken as mime={MP4}")));
        }
        let (begins_ns, ends_ns) = (moment(&begins)?, moment(&ends)?);
        Ok(Some(About { camera, episode, begins_ns, ends_ns, size }))
    }
}

/// A moment of RFC 3339 in nanoseconds since 1970.
fn moment(text: &str) -> Result<i64, Refusal> {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let ns = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    ns.ok_or_else(|| Refusal::invalid("begins and ends are times such as 2026-11-23T14:30:00Z, between 1678 and 2262"))
}

pub(super) async fn state(
    State(shared): State<Shared>,
    Path((agent, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (agent, name) = named(&agent, &name)?;
    let missing = || Refusal::missing(format!("nothing of the clip {} of {agent} is here", name.as_str()));
    let progress = shared.clips.state(&agent, &name).await?.ok_or_else(missing)?;
    Ok((StatusCode::OK, headers(progress)).into_response())
}

pub(super) async fn receive(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((agent, name)): Path<(String, String)>,
    announced: Result<Query<Announced>, QueryRejection>,
    sent: HeaderMap,
    piece: Bytes,
) -> Result<Response, Refusal> {
    let (agent, name) = named(&agent, &name)?;
    caller.must_be(&agent)?;
    let Query(announced) = announced.map_err(|error| Refusal::invalid(error.body_text()))?;
    let (about, offset) = (announced.about()?, offset(&sent)?);
    match shared.clips.receive(&agent, &name, offset, about.as_ref(), piece).await {
        Ok(progress) => Ok((StatusCode::NO_CONTENT, headers(progress)).into_response()),
        Err(error @ ClipError::Offset { received, is_whole }) => {
            let mut response = refused(StatusCode::CONFLICT, &error);
            response.headers_mut().extend(headers(Progress { received, is_whole }));
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn send(
    State(shared): State<Shared>,
    Path((agent, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (agent, name) = named(&agent, &name)?;
    let (clip, file) = shared.clips.whole(&agent, &name).await?;
    let gone = || ClipError::NoClip { agent, sha256: name.as_str().to_owned() };
    Ok(clips::send(&clip, &file, true, request).await.ok_or_else(gone)?)
}

pub(super) async fn of_episode(
    State(shared): State<Shared>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Json<Told>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    Ok(Json(shared.clip_requests.told(&agent, &episode).await?))
}

pub(super) async fn ask(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Json<Told>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    Ok(Json(shared.clip_requests.ask(&caller, &agent, &episode).await?))
}

fn named(agent: &str, name: &str) -> Result<(Id, BlobName), Refusal> {
    Ok((Id::new(agent).map_err(Refusal::invalid)?, BlobName::new(name).map_err(Refusal::invalid)?))
}

fn headers(progress: Progress) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(OFFSET, HeaderValue::from(progress.received))]);
    if progress.is_whole {
        headers.insert(COMPLETE, HeaderValue::from_static("?1"));
    }
    headers
}
