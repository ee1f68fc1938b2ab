//! Galleries that agents take from here, and which agents have which revision.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Dashboard;
use super::frame::{Frame, Visitor, page};
use super::navigation::MODELS;
use super::told::{When, bytes};
use super::trouble::Trouble;
use crate::hub::galleries::{Listed, Standing};

#[derive(Template)]
#[template(path = "galleries.html")]
struct Galleries {
    frame: Frame,
    galleries: Vec<Gallery>,
    strays: Vec<Row>,
}

/// A gallery.
struct Gallery {
    name: String,
    revision: u64,
    space: String,
    size: String,
    published_by: String,
    published: When,
    agents: Vec<Row>,
    /// How many of them do not have it.
    behind: usize,
}

/// How it is with it at one agent.
struct Row {
    agent: String,
    gallery: String,
    /// What it has, in words, and a class for the style sheet.
    has: String,
    class: &'static str,
    cause: String,
    asked: Option<When>,
    heard: When,
}

impl Gallery {
    fn of(listed: Listed) -> Self {
        let Listed { gallery, agents } = listed;
        Self {
            name: gallery.name,
            revision: gallery.revision,
            space: gallery.space,
            size: bytes(gallery.size),
            published_by: gallery.published_by,
            published: When::at(gallery.published_ns),
            behind: agents.iter().filter(|standing| !standing.is_current).count(),
            agents: agents.into_iter().map(Row::of).collect(),
        }
    }
}

impl Row {
    fn of(standing: Standing) -> Self {
        let Standing { agent, is_current, said, heard_ns } = standing;
        let has = said.has.map_or_else(|| "none".to_owned(), |revision| format!("revision {revision}"));
        let class = match (is_current, &said.cause) {
            (true, None) => "good",
            (true, Some(_)) => "fair",
            (false, _) => "bad",
        };
        Self {
            agent,
            gallery: said.gallery.to_string(),
            has,
            class,
            cause: said.cause.unwrap_or_default(),
            asked: said.asked.as_deref().and_then(When::read),
            heard: When::at(heard_ns),
        }
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let shown = dashboard.shared.galleries.show().await?;
    page(&Galleries {
        frame: Frame::new(&visitor, "Galleries", Some(MODELS)),
        galleries: shown.galleries.into_iter().map(Gallery::of).collect(),
        strays: shown.strays.into_iter().map(Row::of).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Id;
    use crate::wire::GalleryHealth;

    #[test]
    fn who_has_an_older_one_or_none_is_marked() {
        let said = |has, cause: Option<&str>| GalleryHealth {
            gallery: Id::new("people").unwrap(),
            offered: Some(5),
            has,
            asked: None,
            cause: cause.map(str::to_owned),
        };
        let row = |is_current, said| Row::of(Standing { agent: "gate".to_owned(), is_current, said, heard_ns: 0 });
        assert_eq!(row(true, said(Some(5), None)).class, "good");
        assert_eq!(row(true, said(Some(5), Some("the hub does not answer"))).class, "fair");
        let behind = row(false, said(Some(4), Some("the key does not open it")));
        assert_eq!((behind.class, behind.has.as_str()), ("bad", "revision 4"));
        assert_eq!(row(false, said(None, None)).has, "none");
    }
}
