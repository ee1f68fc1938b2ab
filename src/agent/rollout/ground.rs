//! What a rollout of a configuration needs of whatever runs the cameras.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Gone;
use crate::config::Overlay;
use crate::vocab::Id;

/// How everything is at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// How often a configuration was put in force.
    pub applied: u64,
    /// The cameras.
    pub cameras: BTreeMap<Id, CameraReading>,
    /// Whether the broker is there.
    pub is_connected: bool,
    /// How many acknowledgements of the hub were heard.
    pub acknowledged: u64,
}

/// How one camera is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CameraReading {
    /// Changes when it is connected anew because of another configuration.
    pub post: u32,
    /// Pictures that arrived since then.
    pub frames: u64,
    /// Whether there are pictures of it now.
    pub has_pictures: bool,
    /// Why nobody looks at them though a model should.
    pub unseen: Option<String>,
}

/// The cameras under a configuration: the agent's, or those of a test. Each call fails with [`Gone`] once the agent stops.
pub trait Ground {
    /// Holds an overlay against the agent's file, and changes nothing. Answers why it does not fit.
    fn fits(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone>;

    /// Puts an overlay in force, or the agent's file alone; cameras that it does not change go on. Answers why it does not
    /// fit; then nothing is changed.
    fn lay(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone>;

    /// Puts in force again what was committed, or the agent's file alone where that does not fit or cannot be read.
    fn restore(&mut self, committed: Option<Result<Overlay, String>>) -> Result<(), Gone>;

    /// Why the overlay that was put in force does not lie over the file, which has changed since.
    fn unfit(&mut self) -> Result<Option<String>, Gone>;

    /// How everything is.
    fn look(&mut self) -> Result<Reading, Gone>;
}
