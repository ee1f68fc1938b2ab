//! Why a clip is not taken, found or asked for.

use crate::hub::access::AccessError;
use crate::hub::blobs::BlobError;
use crate::hub::database::DatabaseError;
use crate::vocab::Id;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The first piece came without saying what it is a piece of.
    #[error("the first piece of a clip needs ?bytes=&camera=&episode=&begins=&ends=&mime=video/mp4")]
    Unannounced,
    /// What it is said to be cannot be.
    #[error("{0}")]
    About(&'static str),
    /// It begins as no MP4 does.
    #[error("the first piece does not begin as an MP4 file does")]
    NoMp4,
    /// It would be larger than is allowed.
    #[error("the clip has {size} bytes, where at most {limit} are allowed: events.largest_clip_mib of the hub")]
    TooLarge {
        /// How large it is said to be.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The piece does not begin where the last one ended.
    #[error("{received} bytes of this clip are here, so the next piece must begin there")]
    Offset {
        /// How much is here.
        received: u64,
        /// Whether that is all.
        is_whole: bool,
    },
    /// More came than was said. All of it was thrown away.
    #[error("more has come of the clip than the {size} bytes that it is said to have: send it again")]
    Overflow {
        /// How large it is said to be.
        size: u64,
    },
    /// There is no such clip, or not all of it.
    #[error("the agent {agent} has handed in no clip {sha256}, or not all of it yet")]
    NoClip {
        /// Whose.
        agent: Id,
        /// Which.
        sha256: String,
    },
    /// Nothing is known of the episode.
    #[error("no event of the agent {agent} belongs to the episode {episode}")]
    NoEpisode {
        /// The agent.
        agent: Id,
        /// The episode.
        episode: String,
    },
    /// Nobody can be asked.
    #[error("the hub has no broker in its configuration, so agents cannot be asked for clips")]
    NoBroker,
    /// Nobody can be asked now.
    #[error("the hub has no connection to its broker at this moment, so the agent was not asked: try again")]
    Away,
    /// A file.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The right to it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A task that works on files ended before it was done.
    #[error("working on the file of a clip: {0}")]
    Broken(#[from] tokio::task::JoinError),
}
