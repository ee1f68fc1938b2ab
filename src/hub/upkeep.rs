//! What a hub looks after again and again: models that another hub registered, and files that nobody needs.

use std::time::Duration;

use super::api;
use super::registry::{Registry, Swept};

/// How often it is looked whether another hub on the same database has registered models.
const FOLLOW: Duration = Duration::from_secs(10);
/// How often files that nobody needs are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// Serves what another hub on the same database registers.
pub(super) async fn follow(shared: api::Shared) {
    let mut ticks = tokio::time::interval(FOLLOW);
    loop {
        ticks.tick().await;
        match shared.registry.refresh().await {
            Ok(changed) => {
                for model in changed {
                    let serving = shared.serving.clone();
                    tokio::task::spawn_blocking(move || serving.follow_catalogue(&model));
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for models that another hub registered"),
        }
    }
}

/// Puts the store of packages in order.
pub(super) async fn sweep(registry: Registry) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        match registry.sweep().await {
            Ok(Swept { uploads: 0, packages: 0 }) => {}
            Ok(Swept { uploads, packages }) => {
                tracing::info!(uploads, packages, "files that nobody needs were deleted")
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "files that nobody needs stay for now");
            }
        }
    }
}
