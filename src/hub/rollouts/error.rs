//! Why a rollout is not ordered or not changed.

use super::plan::State;
use crate::config::Faults;
use crate::hub::access::AccessError;
use crate::hub::database::DatabaseError;
use crate::hub::registry::RegistryError;
use crate::wire::SignError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Nobody could be told.
    #[error("nobody can be told: the hub's configuration names no broker in mqtt.url")]
    NoBroker,
    /// There is no such rollout.
    #[error("there is no rollout named {id}")]
    NoRollout {
        /// The name.
        id: String,
    },
    /// What was ordered cannot be done.
    #[error("{0}")]
    Terms(String),
    /// Neither a model nor an overlay is wanted, or both are.
    #[error("name what is rolled out in one way: slot, model and version, or overlay")]
    What,
    /// What it is for cannot be shown.
    #[error("the purpose must be one line of at most 200 characters")]
    Purpose,
    /// The overlay is wrong in itself.
    #[error("the overlay has {} {}:\n{}", faults.errors(), if faults.errors() == 1 { "fault" } else { "faults" }, faults.render("overlay").trim_end())]
    Overlay {
        /// What is wrong with it.
        faults: Faults,
    },
    /// What an agent is to have would be more than it takes.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Agents are named in more than one way, or in none.
    #[error("name the agents in one way: agents, labels, or all")]
    Whom,
    /// Agents were never heard of.
    #[error("these agents have never been heard of: {0}")]
    Unknown(String),
    /// Agents that nobody has admitted.
    #[error("these agents have not been admitted: {0}")]
    NotAdmitted(String),
    /// No agent has these labels.
    #[error("no admitted agent has these labels")]
    Nobody,
    /// Another rollout is at it.
    #[error("{rollout} is not over, and changes {slot} of {agents} too")]
    Busy {
        /// Which.
        rollout: String,
        /// What both change.
        slot: String,
        /// Where.
        agents: String,
    },
    /// It is not such that this can be done.
    #[error("{id} is {}: {action} has no meaning then", state.as_str())]
    State {
        /// Which.
        id: String,
        /// How it is.
        state: State,
        /// What was wanted.
        action: &'static str,
    },
    /// The registry does not have the package.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Who changed it could not be noted.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
