//! What a page says when it cannot be shown: a sentence, within the usual frame.

use std::fmt::Display;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, Visitor, answer};
use crate::hub::answer::Refusal;

/// Why a page is not shown.
#[derive(Debug)]
pub(super) struct Trouble(StatusCode, String);

/// Left with a response by a page that cannot be shown, for the gate, which knows who looks.
#[derive(Debug, Clone)]
pub(super) struct Sentence(pub(super) String);

#[derive(Template)]
#[template(path = "trouble.html")]
struct Shown<'a> {
    frame: Frame,
    sentence: &'a str,
}

impl Trouble {
    /// Why, in words.
    pub(super) fn new(status: StatusCode, sentence: impl Display) -> Self {
        Self(status, sentence.to_string())
    }

    /// The hub itself fails: the log says why.
    pub(super) fn internal(doing: &str, error: &dyn Display) -> Self {
        Refusal::internal(doing, error).into()
    }

    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.0
    }

    /// The page that says it.
    pub(super) fn shown(&self, visitor: &Visitor) -> Response {
        show(visitor, self.0, &self.1)
    }
}

impl<E: Into<Refusal>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let refusal = error.into();
        Self(refusal.status(), refusal.sentence().to_owned())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(Sentence(self.1));
        response
    }
}

/// A page with this sentence.
pub(super) fn show(visitor: &Visitor, status: StatusCode, sentence: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Not shown");
    let shown = answer(status, &Shown { frame: Frame::new(visitor, title, None), sentence });
    shown.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// There is no such page.
pub(super) async fn nothing() -> Trouble {
    Trouble::new(StatusCode::NOT_FOUND, "There is no such page.")
}
