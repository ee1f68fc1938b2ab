//! Who may see which page: every request is held against the list of pages before one is made.
//!
//! A form must carry the token of its session, or of its page where nobody has signed in yet. Forms are read here, so that
//! no page can forget to ask for it.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::frame::{Theme, Visitor};
use super::trouble::{Sentence, Trouble, show};
use super::{Dashboard, LARGEST_FORM, need};
use crate::hub::access::{AccessError, Session};
use crate::hub::guard::Need;

/// The names of the cookies: of a session, of the page where one signs in, of the colours.
pub(super) const SESSION: &str = "vedette_session";
pub(super) const SIGN_IN: &str = "vedette_sign_in";
pub(super) const THEME: &str = "vedette_theme";

/// What a form has sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Fields as a form would send them.
    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A field; one that was not sent is empty.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Lets a request through whose session suffices and whose form is of that session.
pub(super) async fn gate(State(dashboard): State<Dashboard>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let needed = need(request.method(), &path);
    let here = request.uri().path_and_query().map_or("/ui/", |path| path.as_str()).to_owned();
    let mut visitor = Visitor::stranger(request.headers(), String::new(), here);
    if visitor.here.contains("%00") {
        // No text holds that: PostgreSQL could not even be asked.
        return Trouble::new(StatusCode::NOT_FOUND, "There is no such page.").shown(&visitor);
    }
    if needed != Need::Nothing {
        let session = match cookie(request.headers(), SESSION) {
            Some(cookie) => dashboard.sessions.check(&cookie).await,
            None => Err(AccessError::Unknown),
        };
        let Session { caller, csrf } = match session {
            Ok(session) => session,
            Err(AccessError::Unknown) => return to_sign_in(&request, &visitor),
            Err(error) => return Trouble::from(error).shown(&visitor),
        };
        let suffices = needed.check(&caller);
        let seen = request.headers().get("hx-ptag").and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
        visitor = Visitor { caller: Some(caller), csrf, seen, ..visitor };
        if let Err(error) = suffices {
            return show(&visitor, StatusCode::FORBIDDEN, &error.to_string());
        }
    } else {
        visitor.csrf = cookie(request.headers(), SIGN_IN).unwrap_or_default();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        match fields(&mut request).await {
            Ok(fields) if is_of(&fields, &visitor) => drop(request.extensions_mut().insert(fields)),
            Ok(_) => {
                return show(&visitor, StatusCode::FORBIDDEN, "This form is not of your session. Open the page again.");
            }
            Err(trouble) => return trouble.shown(&visitor),
        }
    }
    request.extensions_mut().insert(visitor.clone());
    let response = next.run(request).await;
    match response.extensions().get::<Sentence>().cloned() {
        Some(Sentence(sentence)) => show(&visitor, response.status(), &sentence),
        None => response,
    }
}

/// Whether a form was made for this visitor.
fn is_of(fields: &Fields, visitor: &Visitor) -> bool {
    !visitor.csrf.is_empty() && same(fields.get("csrf").as_bytes(), visitor.csrf.as_bytes())
}

/// Compares in a time that tells nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

async fn fields(request: &mut Request) -> Result<Fields, Trouble> {
    let body = std::mem::take(request.body_mut());
    let bytes = to_bytes(body, LARGEST_FORM).await;
    let bytes = bytes.map_err(|_| Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, "This form is too large."))?;
    Ok(Fields(url::form_urlencoded::parse(&bytes).into_owned().collect()))
}

/// Sends somebody to the page where one signs in, and back here after that.
fn to_sign_in(request: &Request, visitor: &Visitor) -> Response {
    let back = if request.method() == Method::GET && !visitor.is_partial { visitor.here.as_str() } else { "/ui/" };
    let target = format!("/ui/sign-in?next={}", utf8_percent_encode(back, NON_ALPHANUMERIC));
    if visitor.is_partial {
        // A script must not put that page into a part of this one.
        let target = HeaderValue::from_str(&target).unwrap_or_else(|_| HeaderValue::from_static("/ui/sign-in"));
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", target)]).into_response();
    }
    Redirect::to(&target).into_response()
}

/// Where to go after signing in or choosing colours: a page of ours, whatever was asked for.
pub(super) fn safe_target(next: &str) -> &str {
    let is_ours = next.starts_with("/ui/") && !next.contains(['\\', '\r', '\n']) && !next.starts_with("/ui/sign-");
    if is_ours { next } else { "/ui/" }
}

/// A cookie of a request.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// A cookie for a browser: no script sees it and no other site sends it.
pub(super) fn set_cookie(name: &str, value: &str, seconds: u64, is_encrypted: bool) -> HeaderValue {
    let secure = if is_encrypted { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/ui; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The colours of a request.
pub(super) fn set_theme(theme: Theme, is_encrypted: bool) -> HeaderValue {
    set_cookie(THEME, theme.as_str(), 365 * 24 * 3600, is_encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_ours_is_gone_to() {
        assert_eq!(safe_target("/ui/events?label=car"), "/ui/events?label=car");
        for elsewhere in ["", "https://evil.example/ui/", "//evil.example/ui/", "/\\evil", "/ui/\\evil", "/ui/sign-in"]
        {
            assert_eq!(safe_target(elsewhere), "/ui/", "{elsewhere}");
        }
    }

    #[test]
    fn a_form_is_of_a_session_only_with_its_token() {
        let visitor = |csrf: &str| Visitor::stranger(&HeaderMap::new(), csrf.to_owned(), String::new());
        let sent = |csrf: &str| Fields(BTreeMap::from([("csrf".to_owned(), csrf.to_owned())]));
        assert!(is_of(&sent("abc"), &visitor("abc")));
        assert!(!is_of(&sent("abd"), &visitor("abc")));
        assert!(!is_of(&sent(""), &visitor("abc")));
        assert!(!is_of(&sent(""), &visitor("")), "nothing is nobody's token");
        assert!(!is_of(&Fields::default(), &visitor("abc")));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("xvedette_session=no; vedette_session=yes; other=1"));
        assert_eq!(cookie(&headers, SESSION).as_deref(), Some("yes"));
        assert_eq!(cookie(&headers, THEME), None);
    }

    #[test]
    fn a_cookie_is_for_tls_alone_where_the_hub_speaks_it() {
        let plain = set_cookie(SESSION, "x", 60, false);
        assert_eq!(plain, "vedette_session=x; Path=/ui; Max-Age=60; HttpOnly; SameSite=Strict");
        assert!(set_cookie(SESSION, "x", 60, true).to_str().unwrap().ends_with("; Secure"));
    }
}
