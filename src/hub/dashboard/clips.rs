//! The clip of a happening: played, on its way, or to be fetched from its agent.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Dashboard;
use super::agent::{caller, id};
use super::frame::{Visitor, answer, polled};
use super::told::{When, bytes, seconds};
use super::trouble::Trouble;
use crate::hub::access::Role;
use crate::hub::blobs::BlobName;
use crate::hub::clips::{self, ClipError, ClipFacts, Standing, Told};
use crate::hub::events::episodes;
use crate::vocab::Id;

/// The part of a page that shows a clip, and changes by itself while one is on its way.
#[derive(Template)]
#[template(path = "clip.html")]
pub(super) struct Part {
    /// Where this part is, and where its form goes.
    href: String,
    is_waiting: bool,
    words: String,
    is_bad: bool,
    /// How much has come, of how much, while it is on its way.
    progress: Option<(i64, i64)>,
    played: Option<Played>,
    /// What the button says, for those who may ask.
    button: Option<&'static str>,
    csrf: String,
}

/// A clip that is here.
struct Played {
    src: String,
    begins: When,
    about: String,
}

impl Part {
    /// How it is with the clip of an episode, as this visitor sees it.
    pub(super) fn of(agent: &str, episode: &str, told: &Told, can_ask: bool, visitor: &Visitor) -> Self {
        let (agent, episode) = (path(agent), path(episode));
        let whole = told.clip.as_ref().filter(|clip| clip.is_whole());
        let may_ask = can_ask && visitor.may(Role::Operator) && whole.is_none() && !told.is_waiting();
        let button = if told.state == Standing::None { "Fetch the clip" } else { "Ask again" };
        let on_its_way = told.clip.as_ref().filter(|clip| told.is_waiting() && !clip.is_whole());
        Self {
            href: format!("/ui/agents/{agent}/episodes/{episode}/clip"),
            is_waiting: told.is_waiting(),
            words: in_words(told),
            is_bad: matches!(told.state, Standing::Refused | Standing::Unanswered | Standing::Stuck),
            progress: on_its_way.map(|clip| (clip.received, clip.size)),
            played: whole.map(played),
            button: may_ask.then_some(button),
            csrf: visitor.csrf.clone(),
        }
    }
}

fn path(piece: &str) -> String {
    utf8_percent_encode(piece, NON_ALPHANUMERIC).to_string()
}

fn played(clip: &ClipFacts) -> Played {
    let lasts = u64::try_from(clip.ends_ns.saturating_sub(clip.begins_ns) / 1_000_000_000).unwrap_or(0);
    Played {
        src: format!("/ui/clips/{}/{}", path(&clip.agent), path(&clip.sha256)),
        begins: When::at(clip.begins_ns),
        about: format!("{}, {}", seconds(lasts), size(clip.size)),
    }
}

fn size(size: i64) -> String {
    bytes(u64::try_from(size).unwrap_or(0))
}

/// How it is, as a sentence.
fn in_words(told: &Told) -> String {
    let by = told.asked.as_ref().map(|asked| format!("{} has asked for it. ", asked.by)).unwrap_or_default();
    let reason = told.asked.as_ref().map(|asked| asked.reason.as_str()).filter(|reason| !reason.is_empty());
    match told.state {
        Standing::None => "Nobody has asked for the clip.".to_owned(),
        Standing::Asked => format!("{by}Its agent has not answered yet."),
        Standing::Coming => match told.clip.as_ref().filter(|clip| clip.received > 0) {
            Some(clip) => format!("It is on its way: {} of {}.", size(clip.received), size(clip.size)),
            None => format!("{by}Its agent makes it ready."),
        },
        Standing::Here => String::new(),
        Standing::Refused => {
            format!(
                "{by}Its agent does not have it: {}.",
                reason.unwrap_or("it does not say why").trim_end_matches('.')
            )
        }
        Standing::Unanswered => {
            format!("{by}Its agent has not answered: it is away, or does not know how to make clips.")
        }
        Standing::Stuck => "It was on its way, but nothing more has come for ten minutes.".to_owned(),
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let agent = id(&agent)?;
    if !visitor.is_partial {
        return back(&dashboard, &agent, &episode).await;
    }
    let requests = &dashboard.shared.clip_requests;
    let told = requests.told(&agent, &episode).await?;
    polled(&visitor, &Part::of(agent.as_str(), &episode, &told, requests.has_broker(), &visitor))
}

/// Asks the agent: the form of the part.
pub(super) async fn ask(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let agent = id(&agent)?;
    let requests = &dashboard.shared.clip_requests;
    let told = match requests.ask(caller(&visitor)?, &agent, &episode).await {
        Err(error @ ClipError::Away) if visitor.is_partial => {
            let told = requests.told(&agent, &episode).await?;
            let part = Part::of(agent.as_str(), &episode, &told, true, &visitor);
            let part = Part { words: error.to_string(), is_bad: true, ..part };
            return answer(StatusCode::SERVICE_UNAVAILABLE, &part);
        }
        asked => asked?,
    };
    if visitor.is_partial {
        return answer(StatusCode::OK, &Part::of(agent.as_str(), &episode, &told, requests.has_broker(), &visitor));
    }
    back(&dashboard, &agent, &episode).await
}

/// To the page of the episode.
async fn back(dashboard: &Dashboard, agent: &Id, episode: &str) -> Result<Response, Trouble> {
    let found = episodes::one(&dashboard.shared.database, agent.as_str(), episode).await?;
    let found = found.ok_or_else(|| Trouble::new(StatusCode::NOT_FOUND, "Its events have been deleted."))?;
    Ok(Redirect::to(&format!("/ui/events/{}#clip", found.number)).into_response())
}

/// The video itself.
pub(super) async fn send(
    State(dashboard): State<Dashboard>,
    Path((agent, sha256)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Trouble> {
    let missing = || Trouble::new(StatusCode::NOT_FOUND, "There is no such clip.");
    let (agent, name) = (Id::new(&agent).map_err(|_| missing())?, BlobName::new(&sha256).map_err(|_| missing())?);
    let (clip, file) = dashboard.shared.clips.whole(&agent, &name).await?;
    clips::send(&clip, &file, false, request).await.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::hub::access::Caller;
    use crate::hub::clips::Asked;

    const HOSTILE: &str = "\"><script>alert(1)</script>";

    fn visitor(role: Role) -> Visitor {
        let visitor = Visitor::stranger(&HeaderMap::new(), "the-csrf".to_owned(), "/ui/events/1".to_owned());
        Visitor { caller: Some(Caller::new("night", role)), ..visitor }
    }

    fn told(state: Standing, received: i64, received_ns: Option<i64>) -> Told {
        let clip = ClipFacts {
            agent: "gate".to_owned(),
            sha256: "ab".repeat(32),
            camera: HOSTILE.to_owned(),
            episode: HOSTILE.to_owned(),
            begins_ns: 1_795_444_073_120_000_000,
            ends_ns: 1_795_444_083_120_000_000,
            size: 2_000_000,
            received,
            touched_ns: 0,
            received_ns,
        };
        let (by, code, reason) = (HOSTILE.to_owned(), "ok".to_owned(), HOSTILE.to_owned());
        let asked = Asked { by, at_ns: 0, expires_ns: 0, code, reason };
        Told { state, clip: Some(clip).filter(|_| received > 0), asked: Some(asked) }
    }

    fn render(told: &Told, role: Role) -> String {
        Part::of("gate", HOSTILE, told, true, &visitor(role)).render().unwrap()
    }

    #[test]
    fn a_clip_is_played_when_it_is_here_and_waited_for_until_then() {
        let here = render(&told(Standing::Here, 2_000_000, Some(1)), Role::Operator);
        assert!(here.contains("<video") && here.contains(&format!("/ui/clips/gate/{}", "ab".repeat(32))), "{here}");
        assert!(here.contains("10 s, 2.0 MB") && !here.contains("<form") && !here.contains("hx-trigger"), "{here}");
        let coming = render(&told(Standing::Coming, 500_000, None), Role::Operator);
        assert!(coming.contains("500.0 kB of 2.0 MB") && coming.contains("<progress") && coming.contains("hx-trigger"));
        assert!(!coming.contains("<form") && !coming.contains("<video"), "{coming}");
    }

    #[test]
    fn only_who_may_ask_is_offered_it_and_what_an_agent_says_is_text() {
        for state in [Standing::None, Standing::Refused, Standing::Unanswered, Standing::Stuck] {
            let html = render(&told(state, 0, None), Role::Operator);
            assert!(html.contains("<form") && html.contains("the-csrf"), "{html}");
            assert!(!html.contains("<script"), "{html}");
            assert!(!render(&told(state, 0, None), Role::Viewer).contains("<form"));
            let without_broker = Part::of("gate", "x", &told(state, 0, None), false, &visitor(Role::Admin));
            assert!(!without_broker.render().unwrap().contains("<form"));
        }
        assert_eq!(json!(Standing::Unanswered), "unanswered");
    }
}
