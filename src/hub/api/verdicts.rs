//! What people think of episodes.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::events::verdicts::{Given, Verdict};
use crate::vocab::Id;

pub(super) async fn show(
    State(shared): State<Shared>,
    Path((agent, episode)): Path<(String, String)>,
) -> Result<Json<Given>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    Ok(Json(shared.verdicts.of(&agent, &episode).await?))
}

pub(super) async fn give(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((agent, episode)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Given>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    let verdict: Verdict = serde_json::from_slice(&body).map_err(|error| {
        Refusal::invalid(format!(r#"a verdict is given with {{"verdict": "wrong-class", "label": "dog"}}: {error}"#))
    })?;
    shared.verdicts.give(&caller, &agent, &episode, &verdict).await?;
    Ok(Json(shared.verdicts.of(&agent, &episode).await?))
}
