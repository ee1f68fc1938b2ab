//! Accounts at the broker: of one agent, on its page, and all of them; making a password, which is shown once, putting it in
//! force, revoking it.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::Dashboard;
use super::agent::{caller, id};
use super::frame::{Frame, Visitor, page};
use super::gate::Fields;
use super::navigation::ACCESS;
use super::told::When;
use super::trouble::Trouble;
use crate::hub::accounts::{self, AccountError, AccountFacts, Kind};
use crate::vocab::Id;

/// The account of an agent, as a part of a page.
#[derive(Template)]
#[template(path = "credentials.html")]
pub(super) struct Credentials {
    agent: String,
    csrf: String,
    account: Option<Account>,
}

/// What is known of an account.
struct Account {
    by: String,
    since: When,
    pending: Option<When>,
    is_of_hub: bool,
}

/// The page that shows a password once.
#[derive(Template)]
#[template(path = "credential.html")]
struct Shown {
    frame: Frame,
    agent: Id,
    back: String,
    secret: String,
    is_pending: bool,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct Accounts {
    frame: Frame,
    files: Option<accounts::State>,
    accounts: Vec<Credentials>,
}

impl Credentials {
    /// The account of an agent, which may have none.
    pub(super) async fn of(dashboard: &Dashboard, visitor: &Visitor, agent: &Id) -> Result<Self, Trouble> {
        let account = match dashboard.shared.accounts.show(agent).await {
            Ok(facts) => Some(Account::of(&facts)),
            Err(AccountError::NoAccount { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { agent: agent.to_string(), csrf: visitor.csrf.clone(), account })
    }

    fn is_of_hub(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.is_of_hub)
    }
}

impl Account {
    fn of(facts: &AccountFacts) -> Self {
        let is_of_hub = facts.kind == Kind::Hub;
        Self {
            by: if is_of_hub { "the hub itself".to_owned() } else { facts.issued_by.clone() },
            since: When::at(facts.since_ns),
            pending: facts.pending_ns.map(When::at),
            is_of_hub,
        }
    }
}

pub(super) async fn list(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let facts = dashboard.shared.accounts.list().await?;
    let account = |facts: &AccountFacts| Credentials {
        agent: facts.user.to_string(),
        csrf: visitor.csrf.clone(),
        account: Some(Account::of(facts)),
    };
    page(&Accounts {
        frame: Frame::new(&visitor, "Accounts at the broker", Some(ACCESS)),
        files: dashboard.shared.broker_files.as_ref().map(|files| files.borrow().clone()),
        accounts: facts.iter().map(account).collect(),
    })
}

/// Makes a password for an agent of which nothing need have been heard.
pub(super) async fn provide(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Trouble> {
    let agent = Id::new(fields.get("agent").trim()).map_err(|error| Trouble::new(StatusCode::BAD_REQUEST, error))?;
    issue(&dashboard, &visitor, agent, false, "/ui/accounts".to_owned()).await
}

/// Makes, puts in force or revokes a password, as the button says.
pub(super) async fn change(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(agent): Path<String>,
) -> Result<Response, Trouble> {
    let agent = id(&agent)?;
    // There is a page of an agent only once something was heard of it.
    let is_heard_of = dashboard.shared.fleet.agent(&agent).await.is_ok();
    let back = if is_heard_of { format!("/ui/agents/{agent}#credentials") } else { "/ui/accounts".to_owned() };
    let accounts = &dashboard.shared.accounts;
    match fields.get("do") {
        "issue" => return issue(&dashboard, &visitor, agent, false, back).await,
        "at-once" => return issue(&dashboard, &visitor, agent, true, back).await,
        "activate" => drop(accounts.activate(caller(&visitor)?, &agent).await?),
        "revoke" => accounts.revoke(caller(&visitor)?, &agent).await?,
        _ => return Err(Trouble::new(StatusCode::BAD_REQUEST, "A password is made, put in force or revoked.")),
    }
    Ok(Redirect::to(&back).into_response())
}

async fn issue(
    dashboard: &Dashboard,
    visitor: &Visitor,
    agent: Id,
    at_once: bool,
    back: String,
) -> Result<Response, Trouble> {
    let issued = dashboard.shared.accounts.issue(caller(visitor)?, &agent, at_once).await?;
    page(&Shown {
        frame: Frame::new(visitor, format!("The password of {agent}"), Some(ACCESS)),
        agent,
        back,
        secret: issued.password.expose().to_owned(),
        is_pending: issued.is_pending,
    })
}
