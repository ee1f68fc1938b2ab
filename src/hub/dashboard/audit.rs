//! The record of changes: who did what, the newest first, a page at a time.

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;

use super::Dashboard;
use super::frame::{Frame, Visitor, page};
use super::navigation::ACCESS;
use super::told::When;
use super::trouble::Trouble;
use crate::hub::access::{Looked, Record};

/// How many changes are on a page.
const SHOWN: u16 = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    looked: Looked,
    rows: Vec<Row>,
    /// Where the next page is.
    next: Option<String>,
}

/// A change in the list.
struct Row {
    at: When,
    who: String,
    action: String,
    object: String,
    details: String,
}

impl Audit {
    /// The page with the newest.
    fn first(&self) -> String {
        at(&self.looked, "")
    }
}

impl Row {
    fn of(record: &Record) -> Self {
        let Record { at_ns, who, action, object, details, .. } = record.clone();
        Self { at: When::at(at_ns), who, action, object, details }
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(looked): Query<Looked>,
) -> Result<Response, Trouble> {
    let trimmed = |text: String| text.trim().to_owned();
    let Looked { who, action, object, cursor } = looked;
    let looked = Looked { who: trimmed(who), action: trimmed(action), object: trimmed(object), cursor };
    // One more than is shown says whether there is another page.
    let mut records = dashboard.shared.audit.look(&looked, SHOWN + 1).await?;
    let is_more = records.len() > usize::from(SHOWN);
    records.truncate(usize::from(SHOWN));
    let next = records.last().filter(|_| is_more).map(|last| at(&looked, &last.id));
    let frame = Frame::new(&visitor, "Audit log", Some(ACCESS));
    page(&Audit { frame, looked, rows: records.iter().map(Row::of).collect(), next })
}

/// The address of the page that begins there.
fn at(looked: &Looked, cursor: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let fields =
        [("who", looked.who.as_str()), ("action", &looked.action), ("object", &looked.object), ("cursor", cursor)];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("/ui/audit?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_of_the_same_question() {
        let looked = Looked { who: "a&b".to_owned(), action: "token.".to_owned(), ..Looked::default() };
        assert_eq!(at(&looked, "0-1"), "/ui/audit?who=a%26b&action=token.&cursor=0-1");
        assert_eq!(at(&Looked::default(), ""), "/ui/audit?");
    }
}
