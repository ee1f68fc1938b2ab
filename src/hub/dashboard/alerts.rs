//! Alerts as they come, each with its picture and its reasons, and what somebody thinks of it.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Dashboard;
use super::explained::{self, Fact, text};
use super::frame::{Frame, Visitor, answer, page, polled};
use super::gate::Fields;
use super::navigation::ALERTS;
use super::told::When;
use super::trouble::Trouble;
use crate::hub::access::Role;
use crate::hub::events::episodes::{self, Episode, Said};
use crate::hub::events::verdicts::{Verdict, VerdictError};
use crate::vocab::Id;

/// How many alerts are on the page.
const SHOWN: u16 = 30;

/// Which alerts are shown.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// Only those of which nobody has said anything, with 1.
    open: String,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct Alerts {
    frame: Frame,
    list: List,
}

/// The part that changes.
#[derive(Template)]
#[template(path = "alert_list.html")]
struct List {
    is_open: bool,
    alerts: Vec<Card>,
}

/// An alert. Also on the page of its event.
#[derive(Template)]
#[template(path = "alert.html")]
pub(super) struct Card {
    number: i64,
    agent: String,
    camera: String,
    admitted: bool,
    sentence: String,
    when: Option<When>,
    /// What became of it, and when that was.
    latest: Option<(String, Option<When>)>,
    facts: Vec<Fact>,
    picture: Option<String>,
    verdict: Option<(String, When)>,
    /// Where a verdict goes, for those who may give one.
    judge: Option<String>,
    csrf: String,
    complaint: String,
}

impl Card {
    /// An episode as this visitor sees it.
    pub(super) fn of(episode: &Episode, visitor: &Visitor) -> Self {
        let path = |piece: &str| utf8_percent_encode(piece, NON_ALPHANUMERIC).to_string();
        let (agent, camera) = (path(&episode.agent), path(&episode.camera));
        let judge = format!("/ui/agents/{agent}/episodes/{}/verdict", path(&episode.episode));
        let may_judge = visitor.may(Role::Operator) && !episode.episode.is_empty();
        Self {
            number: episode.number,
            agent: episode.agent.clone(),
            camera: episode.camera.clone(),
            admitted: episode.admitted,
            sentence: explained::sentence(&episode.start),
            when: explained::when(&episode.start),
            latest: episode.newest.as_ref().map(|newest| (latest(newest), explained::when(newest))),
            facts: explained::facts(&episode.start),
            picture: episode.picture.as_ref().map(|name| format!("/ui/snapshots/{agent}/{camera}/{}", path(name))),
            verdict: episode.verdict.as_ref().map(|said| (in_words(said), When::at(said.at_ns))),
            judge: may_judge.then_some(judge),
            csrf: visitor.csrf.clone(),
            complaint: String::new(),
        }
    }
}

fn latest(newest: &Value) -> String {
    let phase = if text(newest, "/data/phase") == Some("end") { "Over" } else { "Goes on" };
    format!("{phase}: {}", explained::sentence(newest))
}

/// A verdict as a sentence.
fn in_words(said: &Said) -> String {
    verdict_in_words(&said.verdict, &said.label, &said.by)
}

/// A verdict as a sentence.
pub(super) fn verdict_in_words(verdict: &str, label: &str, by: &str) -> String {
    match verdict {
        "true" => format!("{by}: this is true"),
        "false" => format!("{by}: there is nothing"),
        "wrong-class" => format!("{by}: this is {label}"),
        "missed" => format!("{by}: {label} was missed"),
        other => format!("{by}: {other} {label}"),
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let list = look(&dashboard, &visitor, &wanted).await?;
    page(&Alerts { frame: Frame::new(&visitor, "Alerts", Some(ALERTS)), list })
}

pub(super) async fn list(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    polled(&visitor, &look(&dashboard, &visitor, &wanted).await?)
}

async fn look(dashboard: &Dashboard, visitor: &Visitor, wanted: &Wanted) -> Result<List, Trouble> {
    let is_open = wanted.open == "1";
    let found = episodes::newest(&dashboard.shared.database, is_open, SHOWN).await?;
    Ok(List { is_open, alerts: found.iter().map(|episode| Card::of(episode, visitor)).collect() })
}

/// Gives a verdict: the form of a card.
pub(super) async fn judge(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let strange = |error: &dyn std::fmt::Display| Trouble::new(StatusCode::BAD_REQUEST, error);
    let agent = Id::new(&agent).map_err(|error| strange(&error))?;
    let (verdict, label) = (fields.get("verdict"), fields.get("label").trim());
    let label = if matches!(verdict, "wrong-class" | "missed") { label } else { "" };
    let verdict: Verdict =
        serde_json::from_value(json!({ "verdict": verdict, "label": label })).map_err(|error| strange(&error))?;
    let caller = visitor.caller.as_ref().ok_or_else(|| Trouble::new(StatusCode::UNAUTHORIZED, "Sign in first."))?;
    let given = dashboard.shared.verdicts.give(caller, &agent, &episode, &verdict).await;
    let (status, complaint) = match given {
        Ok(()) => (StatusCode::OK, ""),
        Err(VerdictError::Label) => (StatusCode::UNPROCESSABLE_ENTITY, "Say what it was: write its label."),
        Err(error) => return Err(error.into()),
    };
    let found = episodes::one(&dashboard.shared.database, agent.as_str(), &episode).await?;
    let found = found.ok_or_else(|| Trouble::new(StatusCode::NOT_FOUND, "Its events have been deleted."))?;
    if visitor.is_partial {
        return answer(status, &Card { complaint: complaint.to_owned(), ..Card::of(&found, &visitor) });
    }
    if !complaint.is_empty() {
        return Err(Trouble::new(status, complaint));
    }
    Ok(Redirect::to(&format!("/ui/events/{}", found.number)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::hub::access::Caller;

    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>";

    fn visitor(role: Role) -> Visitor {
        let visitor = Visitor::stranger(&HeaderMap::new(), "the-csrf".to_owned(), "/ui/alerts".to_owned());
        Visitor { caller: Some(Caller::new("night", role)), ..visitor }
    }

    fn hostile() -> Episode {
        let event = json!({"time": HOSTILE, "data": {
            "rule": HOSTILE, "kind": HOSTILE, "explanation": HOSTILE, "phase": HOSTILE, "place": {"zone": HOSTILE},
            "subject": {"label": HOSTILE}, "capture": {"clock": HOSTILE}, "evidence": {"missing": HOSTILE},
            "measures": [{"name": HOSTILE, "value": 1}], "model": {"name": HOSTILE, "version": HOSTILE, "provider": HOSTILE},
        }});
        Episode {
            number: 7,
            agent: HOSTILE.to_owned(),
            episode: HOSTILE.to_owned(),
            camera: HOSTILE.to_owned(),
            admitted: false,
            start: event.clone(),
            newest: Some(event),
            picture: Some(HOSTILE.to_owned()),
            verdict: Some(Said {
                verdict: HOSTILE.to_owned(),
                label: HOSTILE.to_owned(),
                by: HOSTILE.to_owned(),
                at_ns: 1,
            }),
        }
    }

    #[test]
    fn whatever_an_agent_says_is_text_and_nothing_else() {
        let card = Card { complaint: HOSTILE.to_owned(), ..Card::of(&hostile(), &visitor(Role::Operator)) };
        let html = card.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("<img src=x") && !html.contains("onerror='"), "{html}");
        assert!(html.matches("alert(1)").count() >= 10, "all of it is shown: {html}");
    }

    #[test]
    fn only_who_may_judge_is_asked_to() {
        let render = |role| Card::of(&hostile(), &visitor(role)).render().unwrap();
        assert!(!render(Role::Viewer).contains("<form"));
        let html = render(Role::Operator);
        assert!(html.contains("<form") && html.contains("the-csrf"), "{html}");
    }
}
