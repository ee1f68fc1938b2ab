//! What is around every page: head, navigation, who is signed in; and the headers that are sent with it.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::navigation::{ACCESS, PLACES, Place};
use super::trouble::Trouble;
use super::{assets, gate};
use crate::hub::access::{Caller, Role};
use crate::model::hex;

/// Nothing comes from elsewhere, nothing runs but the files of [`assets`], and no other page may hold this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Theme {
    /// As the system has it.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// All, with what they are called in the cookie and on the page.
    pub(super) const ALL: [(Self, &str, &str); 3] =
        [(Self::System, "system", "As the system"), (Self::Light, "light", "Light"), (Self::Dark, "dark", "Dark")];

    /// As the cookie has it; whatever is none is the system's.
    pub(super) fn read(text: &str) -> Self {
        Self::ALL.into_iter().find(|(_, name, _)| *name == text).map_or(Self::System, |(theme, ..)| theme)
    }

    /// As the cookie has it.
    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(theme, ..)| *theme == self).map_or("system", |(_, name, _)| name)
    }
}

/// Who looks at a page, and how.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Who is signed in; nobody at the page where one does that.
    pub(super) caller: Option<Caller>,
    /// What each form must carry.
    pub(super) csrf: String,
    pub(super) theme: Theme,
    /// Whether a script asks for a part of a page.
    pub(super) is_partial: bool,
    /// What of a polled part is there already.
    pub(super) seen: String,
    /// Where this page is, to come back to.
    pub(super) here: String,
}

impl Visitor {
    /// Whether this role suffices for what a page offers.
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.role >= role)
    }

    /// Somebody who has not signed in.
    pub(super) fn stranger(headers: &HeaderMap, csrf: String, here: String) -> Self {
        let theme = gate::cookie(headers, gate::THEME).map(|text| Theme::read(&text)).unwrap_or_default();
        let (is_partial, seen) = (headers.contains_key("hx-request"), String::new());
        Self { caller: None, csrf, theme, is_partial, seen, here }
    }
}

/// What is around a page. Templates extend `frame.html` and need it as `frame`.
pub(super) struct Frame {
    pub(super) title: String,
    place: Option<Place>,
    pub(super) visitor: Visitor,
}

impl Frame {
    /// A page called `title`, which belongs to this place.
    pub(super) fn new(visitor: &Visitor, title: impl Into<String>, place: Option<Place>) -> Self {
        Self { title: title.into(), place, visitor: visitor.clone() }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        PLACES.into_iter().chain(self.visitor.may(Role::Admin).then_some(ACCESS))
    }

    pub(super) fn is_here(&self, place: &Place) -> bool {
        self.place == Some(*place)
    }

    pub(super) fn mark(&self) -> &'static str {
        assets::mark()
    }

    pub(super) fn style(&self) -> &'static str {
        assets::style()
    }

    pub(super) fn scripts(&self) -> impl Iterator<Item = &'static str> {
        assets::scripts()
    }

    pub(super) fn themes(&self) -> [(Theme, &'static str, &'static str); 3] {
        Theme::ALL
    }
}

/// A template as an answer.
pub(super) fn page(template: &impl Template) -> Result<Response, Trouble> {
    answer(StatusCode::OK, template)
}

/// A template as an answer with a status of its own.
pub(super) fn answer(status: StatusCode, template: &impl Template) -> Result<Response, Trouble> {
    let html = template.render().map_err(|error| Trouble::internal("making a page", &error))?;
    Ok((status, headers(), Html(html)).into_response())
}

/// A part of a page that a script asks for again and again: sent only where it has changed since.
pub(super) fn polled(visitor: &Visitor, template: &impl Template) -> Result<Response, Trouble> {
    let html = template.render().map_err(|error| Trouble::internal("making a page", &error))?;
    let tag = hex::encode(&Sha256::digest(html.as_bytes())[..8]);
    if visitor.seen == tag {
        return Ok((StatusCode::NOT_MODIFIED, headers()).into_response());
    }
    Ok((headers(), [("hx-ptag", tag)], Html(html)).into_response())
}

fn headers() -> HeaderMap {
    let all = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        // A page of somebody who has signed out must not come back.
        (header::CACHE_CONTROL, "no-store"),
    ];
    all.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_is_read_as_it_is_written_and_anything_else_is_the_systems() {
        for (theme, name, _) in Theme::ALL {
            assert_eq!((Theme::read(name), theme.as_str()), (theme, name));
        }
        assert_eq!(Theme::read("\"><script>"), Theme::System);
    }

    #[test]
    fn the_policy_lets_no_script_of_a_page_run() {
        assert!(!POLICY.contains("unsafe") && POLICY.contains("script-src 'self'") && !POLICY.contains('*'));
    }
}
