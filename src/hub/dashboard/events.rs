//! Looking for events, and all that is known of one.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::Dashboard;
use super::alerts::{Card, verdict_in_words};
use super::clips::Part;
use super::explained::{self, Fact, text};
use super::frame::{Frame, Visitor, page};
use super::navigation::EVENTS;
use super::told::When;
use super::trouble::Trouble;
use super::words;
use crate::hub::events::query::{self, EventFacts, Filter};
use crate::hub::events::{episodes, history};
use crate::vocab::Id;

/// How many events are on a page.
const SHOWN: u16 = 50;

/// What is looked for, as a form sends it: what was left out is empty.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    agent: String,
    camera: String,
    rule: String,
    label: String,
    severity: String,
    kind: String,
    episode: String,
    since: String,
    until: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    /// Where the next page is.
    next: Option<String>,
    complaint: String,
    /// The kinds that can be looked for, with their words.
    kinds: &'static [(&'static str, &'static str)],
}

/// An event in a list.
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) when: Option<When>,
    pub(super) agent: String,
    pub(super) camera: String,
    pub(super) kind: String,
    pub(super) phase: String,
    pub(super) rule: String,
    pub(super) label: String,
    pub(super) is_alert: bool,
    pub(super) sentence: String,
}

impl Row {
    /// An event as it is stored.
    pub(super) fn of(facts: &EventFacts) -> Self {
        let event = parsed(facts);
        let said = |pointer| text(&event, pointer).unwrap_or_default().to_owned();
        Self {
            number: facts.number,
            when: explained::when(&event),
            agent: said("/id").split('/').next().unwrap_or_default().to_owned(),
            camera: said("/data/camera"),
            kind: words::kind(text(&event, "/data/kind").or_else(|| text(&event, "/type")).unwrap_or_default())
                .to_owned(),
            phase: said("/data/phase"),
            rule: said("/data/rule"),
            label: said("/data/subject/label"),
            is_alert: text(&event, "/data/severity") == Some("alert"),
            sentence: explained::sentence(&event),
        }
    }
}

impl Events {
    /// The page with the newest.
    fn first(&self) -> String {
        self.wanted.at("")
    }
}

fn parsed(facts: &EventFacts) -> Value {
    // It was read before it was stored.
    serde_json::from_str(facts.event.get()).unwrap_or_default()
}

impl Wanted {
    fn filter(&self) -> Filter {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Filter {
            agent: given(&self.agent),
            camera: given(&self.camera),
            rule: given(&self.rule),
            label: given(&self.label),
            severity: given(&self.severity),
            kind: given(&self.kind),
            episode: given(&self.episode),
            since: given(&self.since).map(moment),
            until: given(&self.until).map(moment),
            cursor: given(&self.cursor),
            limit: Some(SHOWN),
        }
    }

    /// The address of the page that begins there.
    fn at(&self, cursor: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let fields = [
            ("agent", &self.agent),
            ("camera", &self.camera),
            ("rule", &self.rule),
            ("label", &self.label),
            ("severity", &self.severity),
            ("kind", &self.kind),
            ("episode", &self.episode),
            ("since", &self.since),
            ("until", &self.until),
        ];
        for (name, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            query.append_pair(name, text);
        }
        format!("/ui/events?{}", query.append_pair("cursor", cursor).finish())
    }
}

/// A browser sends `2026-11-23T14:30` where a moment with its zone is needed: the pages speak UTC.
fn moment(text: String) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text,
    }
}

pub(super) async fn search(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let (rows, next, complaint) = match query::page(&dashboard.shared.database, &wanted.filter()).await {
        Ok(found) => {
            let rows = found.events.iter().map(Row::of).collect();
            (rows, found.next.map(|cursor| wanted.at(&cursor)), String::new())
        }
        Err(query::QueryError::Database(error)) => return Err(error.into()),
        Err(error) => (Vec::new(), None, error.to_string()),
    };
    let (frame, kinds) = (Frame::new(&visitor, "Events", Some(EVENTS)), words::KINDS);
    page(&Events { frame, wanted, rows, next, complaint, kinds })
}

#[derive(Template)]
#[template(path = "event.html")]
struct Event {
    frame: Frame,
    number: i64,
    row: Row,
    received: When,
    admitted: bool,
    facts: Vec<Fact>,
    details: Vec<Fact>,
    /// The happening that it is part of.
    card: Option<Card>,
    clip: Option<Part>,
    others: Vec<Row>,
    verdicts: Vec<(When, String)>,
    raw: String,
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::new(StatusCode::NOT_FOUND, "There is no such event, or it has been deleted.");
    let number: i64 = number.parse().map_err(|_| missing())?;
    let database = &dashboard.shared.database;
    let found = history::event(database, number).await?.ok_or_else(missing)?;
    let (event, row) = (parsed(&found), Row::of(&found));
    let episode = text(&event, "/data/episode").unwrap_or_default();
    let (mut card, mut clip, mut others, mut verdicts) = (None, None, Vec::new(), Vec::new());
    if !episode.is_empty() {
        clip = of_episode(&dashboard, &visitor, &row, episode).await?;
        card = episodes::one(database, &row.agent, episode).await?.map(|episode| Card::of(&episode, &visitor));
        let of_episode =
            Filter { agent: Some(row.agent.clone()), episode: Some(episode.to_owned()), ..Filter::default() };
        others = query::page(database, &of_episode).await?.events.iter().map(Row::of).collect();
        let object = format!("{}/{episode}", row.agent);
        let said = dashboard.shared.audit.of("event.verdict", &object, 100).await?;
        verdicts =
            said.iter().map(|record| (When::at(record.at_ns), said_in_words(&record.details, &record.who))).collect();
    }
    page(&Event {
        frame: Frame::new(&visitor, format!("Event {number}"), Some(EVENTS)),
        number,
        received: When::at(found.received_ns),
        admitted: found.admitted,
        facts: explained::facts(&event),
        details: explained::details(&event),
        card,
        clip,
        others,
        verdicts,
        raw: serde_json::to_string_pretty(&event).unwrap_or_default(),
        row,
    })
}

/// The clip of the happening, where a camera saw it.
async fn of_episode(
    dashboard: &Dashboard,
    visitor: &Visitor,
    row: &Row,
    episode: &str,
) -> Result<Option<Part>, Trouble> {
    let (Ok(agent), false) = (Id::new(&row.agent), row.camera.is_empty()) else { return Ok(None) };
    let requests = &dashboard.shared.clip_requests;
    let told = requests.told(&agent, episode).await?;
    Ok(Some(Part::of(&row.agent, episode, &told, requests.has_broker(), visitor)))
}

/// A verdict as the record of changes has it.
fn said_in_words(details: &str, who: &str) -> String {
    let details: Value = serde_json::from_str(details).unwrap_or_default();
    let said = |pointer| text(&details, pointer).unwrap_or_default();
    verdict_in_words(said("/verdict"), said("/label"), who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_leaves_empty_does_not_matter_and_its_times_are_utc() {
        let wanted = Wanted { label: " car ".to_owned(), since: "2026-11-23T14:30".to_owned(), ..Wanted::default() };
        let expected = Filter {
            label: Some("car".to_owned()),
            since: Some("2026-11-23T14:30:00Z".to_owned()),
            limit: Some(SHOWN),
            ..Filter::default()
        };
        assert_eq!(wanted.filter(), expected);
        assert_eq!(wanted.at("1.2"), "/ui/events?label=+car+&since=2026-11-23T14%3A30&cursor=1.2");
    }
}
