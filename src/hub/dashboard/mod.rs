//! The pages for people, under `/ui`: a file per page, its template of the same name in `pages/`.
//!
//! ```text
//!   browser ──▶ gate (cookie, role, form's token) ──▶ page ──▶ the rooms of the hub ──▶ template ──▶ HTML
//! ```
//!
//! Pages are made here, whole; htmx asks for the part of a page that may have changed. Everything works without a script,
//! but nothing then appears by itself. What agents say is text of strangers: templates escape all of it, and the policy
//! that [`frame`] sends with each page lets no script run but those of [`assets`].

mod activity;
mod agent;
mod alerts;
mod assets;
mod audit;
mod camera;
mod clips;
mod credentials;
mod events;
mod explained;
mod fleet;
mod frame;
mod galleries;
mod gate;
mod model;
mod models;
mod navigation;
mod pictures;
mod rollout;
mod rollouts;
mod sign_in;
mod signals;
mod suppressions;
mod tokens;
mod told;
mod trouble;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get, post};

use super::access::{Role, Sessions};
use super::api;
use super::callers::Callers;
use super::guard::Need;
use super::rollouts::plan::Action;
use crate::base::clock::SharedClock;

/// The largest form, in bytes.
const LARGEST_FORM: usize = 64 << 10;

/// What the pages need.
#[derive(Clone)]
pub(super) struct Dashboard {
    pub(super) shared: api::Shared,
    pub(super) sessions: Sessions,
    pub(super) callers: Callers,
    pub(super) clock: SharedClock,
    /// Whether the hub itself speaks TLS: cookies are then for TLS alone.
    pub(super) is_encrypted: bool,
}

/// A page or the target of a form.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path as the router matches it.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
    page: Page,
}

#[derive(Debug, Clone, Copy)]
enum Page {
    Asset,
    SignIn,
    BeginSession,
    EndSession,
    Theme,
    Start,
    Fleet,
    FleetList,
    Agent,
    Admit,
    Label,
    Camera,
    Alerts,
    AlertList,
    AlertSignals,
    Verdict,
    Events,
    Event,
    Picture,
    Clip,
    ClipPart,
    AskForClip,
    Suppressions,
    AcceptSuppression,
    DismissSuppression,
    Models,
    Galleries,
    Model,
    Order,
    Rollouts,
    Rollout,
    RolloutPart,
    Steer(Action),
    Tokens,
    MakeToken,
    RevokeToken,
    Audit,
    Accounts,
    NameAgent,
    Credentials,
    Nothing,
}

const VIEWER: Need = Need::AtLeast(Role::Viewer);
const OPERATOR: Need = Need::AtLeast(Role::Operator);
const ENGINEER: Need = Need::AtLeast(Role::Engineer);
const ADMIN: Need = Need::AtLeast(Role::Admin);

const fn route(method: &'static str, path: &'static str, need: Need, page: Page) -> Route {
    Route { method, path, need, page }
}

/// Every page.
pub const ROUTES: &[Route] = &[
    route("GET", "/ui/static/{file}", Need::Nothing, Page::Asset),
    route("GET", "/ui/sign-in", Need::Nothing, Page::SignIn),
    route("POST", "/ui/sign-in", Need::Nothing, Page::BeginSession),
    route("POST", "/ui/sign-out", VIEWER, Page::EndSession),
    route("POST", "/ui/theme", VIEWER, Page::Theme),
    route("GET", "/ui", VIEWER, Page::Start),
    route("GET", "/ui/", VIEWER, Page::Fleet),
    route("GET", "/ui/fleet/list", VIEWER, Page::FleetList),
    route("GET", "/ui/agents/{agent}", VIEWER, Page::Agent),
    route("POST", "/ui/agents/{agent}/admission", OPERATOR, Page::Admit),
    route("POST", "/ui/agents/{agent}/labels", OPERATOR, Page::Label),
    route("GET", "/ui/agents/{agent}/cameras/{camera}", VIEWER, Page::Camera),
    route("GET", "/ui/alerts", VIEWER, Page::Alerts),
    route("GET", "/ui/alerts/list", VIEWER, Page::AlertList),
    route("GET", "/ui/alerts/live", VIEWER, Page::AlertSignals),
    route("POST", "/ui/agents/{agent}/episodes/{episode}/verdict", OPERATOR, Page::Verdict),
    route("GET", "/ui/events", VIEWER, Page::Events),
    route("GET", "/ui/events/{number}", VIEWER, Page::Event),
    route("GET", "/ui/snapshots/{agent}/{camera}/{name}", VIEWER, Page::Picture),
    route("GET", "/ui/clips/{agent}/{sha256}", VIEWER, Page::Clip),
    route("GET", "/ui/agents/{agent}/episodes/{episode}/clip", VIEWER, Page::ClipPart),
    route("POST", "/ui/agents/{agent}/episodes/{episode}/clip", OPERATOR, Page::AskForClip),
    route("GET", "/ui/suppressions", VIEWER, Page::Suppressions),
    route("POST", "/ui/suppressions/{agent}/{suppression}/accept", ENGINEER, Page::AcceptSuppression),
    route("POST", "/ui/suppressions/{agent}/{suppression}/dismiss", OPERATOR, Page::DismissSuppression),
    route("GET", "/ui/models", VIEWER, Page::Models),
    route("GET", "/ui/galleries", VIEWER, Page::Galleries),
    route("GET", "/ui/models/{model}", VIEWER, Page::Model),
    route("POST", "/ui/models/{model}/rollouts", ENGINEER, Page::Order),
    route("GET", "/ui/rollouts", VIEWER, Page::Rollouts),
    route("GET", "/ui/rollouts/{rollout}", VIEWER, Page::Rollout),
    route("GET", "/ui/rollouts/{rollout}/course", VIEWER, Page::RolloutPart),
    route("POST", "/ui/rollouts/{rollout}/pause", OPERATOR, Page::Steer(Action::Pause)),
    route("POST", "/ui/rollouts/{rollout}/abort", OPERATOR, Page::Steer(Action::Abort)),
    route("POST", "/ui/rollouts/{rollout}/resume", ENGINEER, Page::Steer(Action::Resume)),
    route("POST", "/ui/rollouts/{rollout}/approve", ENGINEER, Page::Steer(Action::Approve)),
    route("GET", "/ui/tokens", ADMIN, Page::Tokens),
    route("POST", "/ui/tokens", ADMIN, Page::MakeToken),
    route("POST", "/ui/tokens/{name}/revoke", ADMIN, Page::RevokeToken),
    route("GET", "/ui/audit", ADMIN, Page::Audit),
    route("GET", "/ui/accounts", ADMIN, Page::Accounts),
    route("POST", "/ui/accounts", ADMIN, Page::NameAgent),
    route("POST", "/ui/agents/{agent}/credentials", ADMIN, Page::Credentials),
    route("GET", "/ui/{*rest}", VIEWER, Page::Nothing),
];

/// What the path, as the router matches it, needs: one that nobody thought of an admin.
fn need(method: &Method, path: &str) -> Need {
    // HEAD is GET without a body.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let known = ROUTES.iter().find(|route| route.method == method && route.path == path);
    known.map_or(Need::AtLeast(Role::Admin), |route| route.need)
}

/// The pages as a router with their own gate.
pub(super) fn router(dashboard: Dashboard) -> Router {
    let add = |router: Router<Dashboard>, route: &Route| router.route(route.path, handler(route.page));
    let pages = ROUTES.iter().fold(Router::new(), add);
    pages.layer(middleware::from_fn_with_state(dashboard.clone(), gate::gate)).with_state(dashboard)
}

fn handler(page: Page) -> MethodRouter<Dashboard> {
    match page {
        Page::Asset => get(assets::send),
        Page::SignIn => get(sign_in::show),
        Page::BeginSession => post(sign_in::begin),
        Page::EndSession => post(sign_in::end),
        Page::Theme => post(sign_in::set_theme),
        Page::Start => get(async || Redirect::permanent("/ui/")),
        Page::Fleet => get(fleet::show),
        Page::FleetList => get(fleet::list),
        Page::Agent => get(agent::show),
        Page::Admit => post(agent::admit),
        Page::Label => post(agent::label),
        Page::Camera => get(camera::show),
        Page::Alerts => get(alerts::show),
        Page::AlertList => get(alerts::list),
        Page::AlertSignals => get(signals::alerts),
        Page::Verdict => post(alerts::judge),
        Page::Events => get(events::search),
        Page::Event => get(events::show),
        Page::Picture => get(pictures::send),
        Page::Clip => get(clips::send),
        Page::ClipPart => get(clips::show),
        Page::AskForClip => post(clips::ask),
        Page::Suppressions => get(suppressions::show),
        Page::AcceptSuppression => post(suppressions::accept),
        Page::DismissSuppression => post(suppressions::dismiss),
        Page::Models => get(models::show),
        Page::Galleries => get(galleries::show),
        Page::Model => get(model::show),
        Page::Order => post(rollouts::order),
        Page::Rollouts => get(rollouts::show),
        Page::Rollout => get(rollout::show),
        Page::RolloutPart => get(rollout::part),
        Page::Steer(action) => post(move |state, visitor, path| rollout::steer(state, visitor, path, action)),
        Page::Tokens => get(tokens::show),
        Page::MakeToken => post(tokens::make),
        Page::RevokeToken => post(tokens::revoke),
        Page::Audit => get(audit::show),
        Page::Accounts => get(credentials::list),
        Page::NameAgent => post(credentials::provide),
        Page::Credentials => post(credentials::change),
        Page::Nothing => get(trouble::nothing),
    }
}

/// Sends whoever opens the hub's address in a browser to the pages; programs that ask `GET /` whether the hub lives are
/// answered as before.
pub(super) async fn show_browsers_in(request: Request, next: Next) -> Response {
    let is_front = request.method() == Method::GET && request.uri().path() == "/";
    if is_front && wants_html(request.headers()) {
        let mut response = Redirect::to("/ui/").into_response();
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
        return response;
    }
    let mut response = next.run(request).await;
    if is_front {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    }
    response
}

/// Whether HTML is named: `*/*` alone is what programs send.
fn wants_html(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|kind| kind.split(';').next().map(str::trim) == Some("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_name_html_and_programs_do_not() {
        let wants = |accept: Option<&'static str>| {
            let headers = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept)));
            wants_html(&headers.into_iter().collect())
        };
        assert!(wants(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")));
        for program in [None, Some("*/*"), Some("application/json"), Some("text/plain")] {
            assert!(!wants(program), "{program:?}");
        }
    }

    #[test]
    fn nothing_that_changes_is_open_to_viewers_but_what_is_their_own() {
        let own = ["/ui/sign-in", "/ui/sign-out", "/ui/theme"];
        for route in ROUTES.iter().filter(|route| route.method != "GET" && !own.contains(&route.path)) {
            assert!([OPERATOR, ENGINEER, ADMIN].contains(&route.need), "{route:?}");
        }
        assert_eq!(need(&Method::POST, "/ui/"), Need::AtLeast(Role::Admin));
    }
}
