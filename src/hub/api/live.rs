//! The live stream of events, as Server-Sent Events.
//!
//! An event is a message with its number as the id, so that a reader which comes again with `Last-Event-ID` goes on where it
//! stopped. What else there is to tell has a name of its own: `reset`, `behind`, `caught-up`. A heartbeat is a comment, and
//! it moves the id on where a filter lets nothing through. A reader that takes nothing for a minute is given up.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Shared;
use super::handing::{Maker, PATIENCE, hand_over};
use crate::hub::access::{Caller, Tokens};
use crate::hub::answer::Refusal;
use crate::hub::events::live::{News, Reader};
use crate::hub::events::query::Filter;

/// What a reader says that comes again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Says to proxies such as nginx that what is sent must not wait for more.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

pub(super) async fn follow(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(filter) = filter.map_err(|error| Refusal::invalid(error.body_text()))?;
    let last = headers.get(LAST_EVENT_ID).filter(|last| !last.is_empty());
    let last = last.map(|last| last.to_str().unwrap_or("?"));
    let reader = shared.live.read(filter, last).await?;
    let told = Told { reader, tokens: shared.tokens, caller };
    Ok(([UNBUFFERED], Sse::new(hand_over(told, PATIENCE))).into_response())
}

/// A reader, and who it is.
struct Told {
    reader: Reader,
    tokens: Tokens,
    caller: Caller,
}

impl Maker for Told {
    type Piece = Event;

    /// The next message; none when the hub stops or the reader may no longer read.
    async fn next(&mut self) -> Option<Event> {
        let news = self.reader.next().await?;
        if let News::Heartbeat(_) = news
            && self.tokens.holds(&self.caller).await.is_ok_and(|holds| !holds)
        {
            return None;
        }
        Some(message(&news))
    }
}

fn message(news: &News) -> Event {
    let (number, message) = match news {
        News::Event(event) => {
            let written = Event::default().json_data(event);
            // Every part of an event has a form in JSON.
            (Some(event.number), written.unwrap_or_default())
        }
        News::Reset(newest) => (Some(*newest), named("reset", &json!({ "newest": newest }))),
        News::Behind(events) => (None, named("behind", &json!({ "events": events }))),
        News::CaughtUp => (None, named("caught-up", &json!({}))),
        News::Heartbeat(number) => (Some(*number), Event::default().comment("all is well")),
    };
    match number {
        Some(number) => message.id(number.to_string()),
        None => message,
    }
}

fn named(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
