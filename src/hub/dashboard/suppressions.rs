//! False alerts that look alike, and what somebody decided of them.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::Dashboard;
use super::agent::{caller, id};
use super::frame::{Frame, Visitor, answer};
use super::gate::Fields;
use super::navigation::ALERTS;
use super::told::{When, number};
use super::trouble::Trouble;
use crate::hub::access::Role;
use crate::hub::suppressions::{Decided, LEAST, Proposal, SuppressionError, Terms};

const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// The longest that one may hold, in days.
const MOST_DAYS: i64 = 90;

#[derive(Template)]
#[template(path = "suppressions.html")]
struct Suppressions {
    frame: Frame,
    complaint: String,
    proposed: Vec<Row>,
    decided: Vec<Past>,
}

/// A proposal.
struct Row {
    id: String,
    agent: String,
    camera: String,
    rule: String,
    labels: String,
    many: usize,
    last: When,
    region: String,
    episodes: Vec<String>,
}

/// A decision.
struct Past {
    facts: Decided,
    at: When,
    until: Option<When>,
}

impl Row {
    fn of(proposal: &Proposal) -> Self {
        let corner = |index: usize| proposal.region.get(index).map(|point| (point.x, point.y)).unwrap_or_default();
        let percent = |value: f32| number(f64::from(value) * 100.0);
        let ((left, top), (right, bottom)) = (corner(0), corner(2));
        Self {
            id: proposal.id.clone(),
            agent: proposal.agent.to_string(),
            camera: proposal.camera.to_string(),
            rule: proposal.rule.to_string(),
            labels: proposal.labels.iter().cloned().collect::<Vec<_>>().join(", "),
            many: proposal.episodes.len(),
            last: When::at(proposal.last_ns),
            region: format!(
                "{} to {} % from the left, {} to {} % from the top",
                percent(left),
                percent(right),
                percent(top),
                percent(bottom)
            ),
            episodes: proposal.episodes.clone(),
        }
    }
}

impl Past {
    fn of(decided: Decided) -> Self {
        let (at, until) = (When::at(decided.at_ns), decided.until_ns.map(When::at));
        Self { facts: decided, at, until }
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    shown(&dashboard, &visitor, StatusCode::OK, String::new()).await
}

async fn shown(
    dashboard: &Dashboard,
    visitor: &Visitor,
    status: StatusCode,
    complaint: String,
) -> Result<Response, Trouble> {
    let listed = dashboard.shared.suppressions.list().await?;
    let page = Suppressions {
        frame: Frame::new(visitor, "Suppressions", Some(ALERTS)),
        complaint,
        proposed: listed.proposed.iter().map(Row::of).collect(),
        decided: listed.decided.into_iter().map(Past::of).collect(),
    };
    answer(status, &page)
}

/// Accepts one for some days.
pub(super) async fn accept(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path((agent, name)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let Some(terms) = read(&fields, dashboard.clock.unix_nanos()) else {
        let complaint = format!("Write for how many days, 1 to {MOST_DAYS}.");
        return shown(&dashboard, &visitor, StatusCode::BAD_REQUEST, complaint).await;
    };
    let by = caller(&visitor)?;
    match dashboard.shared.suppressions.accept(by, &id(&agent)?, &name, &terms).await {
        Ok(rollout) => Ok(Redirect::to(&format!("/ui/rollouts/{rollout}")).into_response()),
        Err(
            error @ (SuppressionError::Rollout(_) | SuppressionError::Foreign { .. } | SuppressionError::Unreadable),
        ) => {
            let complaint = error.to_string();
            shown(&dashboard, &visitor, Trouble::from(error).status(), complaint).await
        }
        Err(error) => Err(error.into()),
    }
}

fn read(fields: &Fields, now: i64) -> Option<Terms> {
    let days = fields.get("days").trim().parse().ok().filter(|days| (1..=MOST_DAYS).contains(days))?;
    let until_ns: i64 = now.saturating_add(DAY_NS.saturating_mul(days));
    let until = jiff::Timestamp::from_nanosecond(i128::from(until_ns)).ok().map(|until| until.to_string());
    Some(Terms { until, reason: fields.get("reason").trim().to_owned() })
}

pub(super) async fn dismiss(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path((agent, name)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    dashboard.shared.suppressions.dismiss(caller(&visitor)?, &id(&agent)?, &name).await?;
    Ok(Redirect::to("/ui/suppressions").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_accepted_for_some_days() {
        let fields = |days| Fields::of(&[("days", days), ("reason", " a bush ")]);
        let terms = read(&fields("14"), DAY_NS).unwrap();
        assert_eq!((terms.until.as_deref(), terms.reason.as_str()), (Some("1970-01-16T00:00:00Z"), "a bush"));
        for days in ["", "0", "91", "soon"] {
            assert!(read(&fields(days), 0).is_none(), "{days}");
        }
    }
}
