//! The pictures of episodes, for whoever is signed in.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tower_http::services::ServeFile;

use super::Dashboard;
use super::trouble::Trouble;

pub(super) async fn send(
    State(dashboard): State<Dashboard>,
    Path((agent, camera, name)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Trouble> {
    let missing = || Trouble::new(StatusCode::NOT_FOUND, "There is no such picture.");
    let path = dashboard.shared.snapshots.path(&agent, &camera, &name).await?.ok_or_else(missing)?;
    let Ok(served) = ServeFile::new(path).try_call(request).await else { return Err(missing()) };
    let mut response = served.map(Body::new).into_response();
    let headers = [
        (header::CONTENT_TYPE, "image/jpeg"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
