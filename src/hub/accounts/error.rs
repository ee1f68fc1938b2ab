//! Why an account at the broker was not made, changed or written.

use std::io;
use std::path::PathBuf;

use crate::hub::access::AccessError;
use crate::hub::database::DatabaseError;
use crate::vocab::Id;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody has given it credentials, or they were revoked.
    #[error("{user} has no credentials at the broker")]
    NoAccount {
        /// Whose.
        user: Id,
    },
    /// There is no next password to put in force.
    #[error("no new password waits for {user}: the one in force is the newest")]
    NonePending {
        /// Whose.
        user: Id,
    },
    /// A hub logs in under that name.
    #[error("{user} is the name under which a hub logs in at the broker: no agent may have it")]
    OfHub {
        /// Which.
        user: Id,
    },
    /// An agent has credentials under the name that this hub is to log in with.
    #[error("mqtt.username: {user} is an agent with credentials at the broker; give the hub a name of its own")]
    OfAgent {
        /// Which.
        user: Id,
    },
    /// No hub would be let in.
    #[error(
        "no hub has an account yet: name mqtt.username and mqtt.password_file in hub.yaml, else the broker keeps the hub out"
    )]
    NoHub,
    /// A file cannot be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The command that tells the broker cannot be run.
    #[error("running {program} to tell the broker of its new files")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The command that tells the broker fails.
    #[error("{program}, which tells the broker of its new files, failed: {reason}")]
    Reload {
        /// The program.
        program: String,
        /// The exit status and the last that it said.
        reason: String,
    },
    /// Who changed it could not be noted, or no secret be drawn.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
