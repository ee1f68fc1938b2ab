//! Why a proposal is neither accepted nor dismissed.

use crate::hub::access::AccessError;
use crate::hub::database::DatabaseError;
use crate::hub::fleet::FleetError;
use crate::hub::rollouts::RolloutError;
use crate::vocab::Id;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum SuppressionError {
    /// It is not proposed, or not any more.
    #[error("nothing is proposed for {agent} under the name {id}, or not any more")]
    NoProposal {
        /// The agent.
        agent: Id,
        /// Its name.
        id: String,
    },
    /// Until when it is to hold makes no sense.
    #[error("a suppression holds from an hour to 90 days: until is a time so far ahead, such as 2026-12-10T12:00:00Z")]
    Until,
    /// The reason cannot be stored.
    #[error("a reason has at most 200 characters in one line")]
    Reason,
    /// What is in force on the agent came from elsewhere.
    #[error(
        "the overlay in force on {agent} was not rolled out from here, so nothing can be added to it: roll one out first"
    )]
    Foreign {
        /// The agent.
        agent: Id,
    },
    /// What is in force on the agent cannot be added to.
    #[error("the overlay in force on the agent has no place for a suppression: change it by hand and roll it out")]
    Unreadable,
    /// The rollout was not ordered.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The agent is not known.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The right to it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
