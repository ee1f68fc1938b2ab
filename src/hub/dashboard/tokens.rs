//! All tokens: making one, which is shown once, and revoking.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::Dashboard;
use super::agent::{caller, id};
use super::frame::{Frame, Visitor, answer};
use super::gate::Fields;
use super::navigation::ACCESS;
use super::told::When;
use super::trouble::Trouble;
use crate::hub::access::{AccessError, Role, TokenFacts};
use crate::hub::answer::Refusal;
use crate::vocab::Id;

const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// The longest that a token may hold, where it ends at all.
const MOST_DAYS: i64 = 36_500;

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    made: Option<Made>,
    complaint: String,
    wanted: Wanted,
    rows: Vec<Row>,
}

/// A token that was just made.
struct Made {
    name: String,
    role: Role,
    agent: Option<Id>,
    secret: String,
}

/// What was asked for, to be asked for again with what is wrong put right.
#[derive(Default)]
struct Wanted {
    name: String,
    role: String,
    /// The agent that it is for, or nothing.
    agent: String,
    days: String,
}

/// What was asked for, once it is read.
#[derive(Debug, PartialEq)]
struct Read {
    name: Id,
    role: Role,
    agent: Option<Id>,
    expires_ns: Option<i64>,
}

/// A token in the list.
struct Row {
    name: String,
    role: Role,
    agent: String,
    made: When,
    state: &'static str,
    class: &'static str,
    until: Option<When>,
    is_valid: bool,
}

impl Row {
    fn of(facts: &TokenFacts, now: i64) -> Self {
        let (state, class, until) = match (facts.revoked_ns, facts.expires_ns) {
            (Some(revoked), _) => ("revoked", "past", Some(revoked)),
            (None, Some(expires)) if expires <= now => ("ended", "past", Some(expires)),
            (None, Some(expires)) => ("valid until", "good", Some(expires)),
            (None, None) => ("valid", "good", None),
        };
        Self {
            name: facts.name.clone(),
            role: facts.role,
            agent: facts.agent.clone().unwrap_or_default(),
            made: When::at(facts.created_ns),
            state,
            class,
            until: until.map(When::at),
            is_valid: class == "good",
        }
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    shown(&dashboard, &visitor, StatusCode::OK, Ok(None), Wanted::default()).await
}

/// The page with what was made, or why it was not.
async fn shown(
    dashboard: &Dashboard,
    visitor: &Visitor,
    status: StatusCode,
    made: Result<Option<Made>, String>,
    wanted: Wanted,
) -> Result<Response, Trouble> {
    let mut facts = dashboard.shared.tokens.list(caller(visitor)?).await?;
    // Whoever has just made one looks for it at the top.
    facts.reverse();
    let now = dashboard.clock.unix_nanos();
    let (made, complaint) = made.map_or_else(|complaint| (None, complaint), |made| (made, String::new()));
    let rows = facts.iter().map(|facts| Row::of(facts, now)).collect();
    let frame = Frame::new(visitor, "Access tokens", Some(ACCESS));
    answer(status, &Tokens { frame, made, complaint, wanted, rows })
}

pub(super) async fn make(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Trouble> {
    let given = |name: &str| fields.get(name).trim().to_owned();
    let wanted = Wanted { name: given("name"), role: given("role"), agent: given("agent"), days: given("days") };
    let Read { name, role, agent, expires_ns } = match read(&wanted, dashboard.clock.unix_nanos()) {
        Ok(read) => read,
        Err(complaint) => return shown(&dashboard, &visitor, StatusCode::BAD_REQUEST, Err(complaint), wanted).await,
    };
    let (by, tokens) = (caller(&visitor)?, &dashboard.shared.tokens);
    let made = match &agent {
        None => tokens.create(by, &name, role, expires_ns).await,
        Some(agent) => tokens.create_for(by, &name, agent, expires_ns).await,
    };
    match made {
        Ok(token) => {
            let made = Made { name: name.to_string(), role, agent, secret: token.expose().to_owned() };
            shown(&dashboard, &visitor, StatusCode::OK, Ok(Some(made)), Wanted::default()).await
        }
        Err(error @ AccessError::Taken { .. }) => {
            let (complaint, refusal) = (error.to_string(), Refusal::from(error));
            shown(&dashboard, &visitor, refusal.status(), Err(complaint), wanted).await
        }
        Err(error) => Err(error.into()),
    }
}

fn read(wanted: &Wanted, now: i64) -> Result<Read, String> {
    let name = Id::new(&wanted.name).map_err(|error| error.to_string())?;
    let role = wanted.role.parse::<Role>().map_err(|error| error.to_string())?;
    let of_agent = Some(wanted.agent.as_str()).filter(|agent| !agent.is_empty());
    let agent = of_agent.map(Id::new).transpose().map_err(|error| error.to_string())?;
    if agent.is_some() && role != Role::Viewer {
        return Err("The token of an agent has the role viewer.".to_owned());
    }
    if wanted.days.is_empty() {
        return Ok(Read { name, role, agent, expires_ns: None });
    }
    let days = wanted.days.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
    let days: i64 = days.ok_or_else(|| format!("{} is no number of days, 1 to {MOST_DAYS}", wanted.days))?;
    Ok(Read { name, role, agent, expires_ns: Some(now.saturating_add(days.saturating_mul(DAY_NS))) })
}

pub(super) async fn revoke(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    dashboard.shared.tokens.revoke(caller(&visitor)?, &id(&name)?).await?;
    Ok(Redirect::to("/ui/tokens").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, role: &str, days: &str) -> Wanted {
        Wanted { name: name.to_owned(), role: role.to_owned(), agent: String::new(), days: days.to_owned() }
    }

    #[test]
    fn a_token_is_asked_for_with_days_or_without_an_end() {
        let guard = Read { name: id("guard").unwrap(), role: Role::Viewer, agent: None, expires_ns: None };
        assert_eq!(read(&wanted("guard", "viewer", ""), 5).unwrap(), guard);
        assert_eq!(read(&wanted("guard", "admin", "2"), 5).unwrap().expires_ns, Some(5 + 2 * DAY_NS));
        let of_gate = |role| Wanted { agent: "gate".to_owned(), ..wanted("guard", role, "") };
        assert_eq!(read(&of_gate("viewer"), 5).unwrap().agent, Some(id("gate").unwrap()));
        assert!(read(&of_gate("operator"), 5).is_err());
        for (name, role, days) in [
            ("Night Guard", "viewer", ""),
            ("guard", "root", ""),
            ("guard", "viewer", "0"),
            ("guard", "viewer", "soon"),
        ] {
            assert!(read(&wanted(name, role, days), 5).is_err(), "{name} {role} {days}");
        }
        assert!(read(&wanted("guard", "viewer", "36501"), 5).unwrap_err().contains("1 to 36500"));
    }

    #[test]
    fn a_token_is_shown_as_what_it_is() {
        let facts = |expires_ns, revoked_ns| TokenFacts {
            name: "guard".to_owned(),
            role: Role::Viewer,
            agent: None,
            created_ns: 0,
            expires_ns,
            revoked_ns,
        };
        let state = |facts: TokenFacts| Row::of(&facts, 100).state;
        assert_eq!(state(facts(None, None)), "valid");
        assert_eq!(state(facts(Some(101), None)), "valid until");
        assert_eq!(state(facts(Some(100), None)), "ended");
        assert_eq!(state(facts(Some(101), Some(7))), "revoked");
        assert!(!Row::of(&facts(Some(100), None), 100).is_valid);
    }
}
