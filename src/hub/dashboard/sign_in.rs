//! Signing in with a token, signing out, and the colours that one likes.

use askama::Template;
use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::Dashboard;
use super::frame::{Frame, Theme, Visitor, answer};
use super::gate::{self, Fields, SESSION, SIGN_IN, safe_target, set_cookie};
use super::trouble::Trouble;
use crate::hub::access::{AccessError, nonce};
use crate::hub::callers::{seconds, too_often};

/// How long the page where one signs in may stay open, in seconds.
const OPEN: u64 = 3600;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: Frame,
    next: &'a str,
    complaint: &'a str,
}

/// Where to go after that.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Trouble> {
    form(&dashboard, &visitor, &next, StatusCode::OK, "")
}

/// The form, with a token of its own that only this page's sender has.
fn form(
    dashboard: &Dashboard,
    visitor: &Visitor,
    next: &str,
    status: StatusCode,
    complaint: &str,
) -> Result<Response, Trouble> {
    let csrf = nonce()?;
    let cookie = set_cookie(SIGN_IN, &csrf, OPEN, dashboard.is_encrypted);
    let frame = Frame::new(&Visitor { csrf, ..visitor.clone() }, "Sign in", None);
    let mut response = answer(status, &SignIn { frame, next: safe_target(next), complaint })?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

pub(super) async fn begin(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    request: Request,
) -> Result<Response, Trouble> {
    let next = fields.get("next");
    let address = dashboard.callers.address(&request);
    if let Some(wait) = dashboard.callers.wait(address) {
        let mut response = form(&dashboard, &visitor, next, StatusCode::TOO_MANY_REQUESTS, &too_often(wait))?;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        return Ok(response);
    }
    let cookie = match dashboard.sessions.begin(fields.get("token").trim()).await {
        Ok((cookie, caller)) => {
            tracing::info!(who = caller.name, %address, "signed in at the dashboard");
            cookie
        }
        Err(error @ AccessError::Unknown) => {
            dashboard.callers.note_failure(address);
            return form(&dashboard, &visitor, next, StatusCode::UNAUTHORIZED, &error.to_string());
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = Redirect::to(safe_target(next)).into_response();
    let cookies = [
        set_cookie(SESSION, cookie.expose(), dashboard.sessions.seconds(), dashboard.is_encrypted),
        set_cookie(SIGN_IN, "", 0, dashboard.is_encrypted),
    ];
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(super) async fn end(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Trouble> {
    let cookie = gate::cookie(request.headers(), SESSION);
    if let (Some(cookie), Some(caller)) = (cookie, &visitor.caller) {
        dashboard.sessions.end(caller, &cookie).await?;
    }
    let gone = set_cookie(SESSION, "", 0, dashboard.is_encrypted);
    // What the browser has kept of these pages goes too.
    let clear = [
        (header::SET_COOKIE, gone),
        (header::HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\"")),
    ];
    Ok((clear, Redirect::to("/ui/sign-in")).into_response())
}

pub(super) async fn set_theme(State(dashboard): State<Dashboard>, Extension(fields): Extension<Fields>) -> Response {
    let cookie = gate::set_theme(Theme::read(fields.get("theme")), dashboard.is_encrypted);
    ([(header::SET_COOKIE, cookie)], Redirect::to(safe_target(fields.get("next")))).into_response()
}
