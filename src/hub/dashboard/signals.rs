//! Tells open pages that there is an alert, so that they ask for it at once instead of a while later.
//!
//! Nothing of the alert is sent here: the page asks for its own part as whoever is signed in.

use std::convert::Infallible;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::Dashboard;
use super::gate::{SESSION, cookie};
use super::trouble::Trouble;
use crate::hub::access::{AccessError, Sessions};
use crate::hub::events::live::{News, Reader};
use crate::hub::events::query::Filter;

pub(super) async fn alerts(State(dashboard): State<Dashboard>, request: Request) -> Result<Response, Trouble> {
    let alerts = Filter { severity: Some("alert".to_owned()), ..Filter::default() };
    let reader = dashboard.shared.live.read(alerts, None).await?;
    let cookie = cookie(request.headers(), SESSION).unwrap_or_default();
    let listener = Listener { reader, sessions: dashboard.sessions.clone(), cookie };
    let signals =
        stream::unfold(listener, async |mut listener| Some((Ok::<_, Infallible>(listener.next().await?), listener)));
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Says to proxies such as nginx that what is sent must not wait for more.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Sse::new(signals)).into_response())
}

/// An open page.
struct Listener {
    reader: Reader,
    sessions: Sessions,
    cookie: String,
}

impl Listener {
    /// The next signal; none when the hub stops or the session has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            return match self.reader.next().await? {
                News::Event(_) => Some(Event::default().event("alert").data("")),
                News::Heartbeat(_) if matches!(self.sessions.check(&self.cookie).await, Err(AccessError::Unknown)) => {
                    None
                }
                News::Heartbeat(_) => Some(Event::default().comment("all is well")),
                News::Reset(_) | News::Behind(_) | News::CaughtUp => continue,
            };
        }
    }
}
