//! What a rollout needs of whatever runs models on live pictures.

use std::path::Path;
use std::time::Duration;

use super::InForce;
use crate::vocab::Id;
use crate::wire::{PackageRef, ProofEvidence, ReportedMessage};

/// Counters of one model and its cameras, and the memory of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// Pictures that arrived from its cameras since they were connected.
    pub frames: u64,
    /// Pictures that it looked at since it was opened.
    pub looked: u64,
    /// Pictures that came too fast for it.
    pub superseded: u64,
    /// Looks that failed.
    pub failed: u64,
    /// The agent's memory in bytes.
    pub memory: u64,
}

/// Whatever runs the models has ended: the agent stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Why an attempt cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The candidate hangs or has ended: why, in words.
    Model(String),
    /// The agent's configuration was changed, and the models were opened anew.
    Ground,
}

/// Runs models on live pictures: the agent's cameras, or those of a test.
///
/// Beside the model in force there is at most one other of the same name: the candidate, and after [`Bed::switch`] the one
/// that was in force before. Each call fails with [`Gone`] once the agent stops.
pub trait Bed {
    /// The models whose package in force could not be opened when the agent started: what decides instead, and why. Told
    /// once.
    fn fallen(&mut self) -> Result<Vec<(Id, Option<PackageRef>, String)>, Gone>;

    /// Whether there is a model of this name.
    fn has(&mut self, slot: &Id) -> Result<bool, Gone>;

    /// Opens `file`, or the one that the agent's own configuration names, as the candidate: reads it, holds it against
    /// what this machine and the cameras' rules need, and shows it its golden pictures. Answers why it cannot be used.
    fn open(&mut self, slot: &Id, file: Option<&Path>) -> Result<Result<(), String>, Gone>;

    /// Lets the candidate look at what the model in force looks at, from now on, `looks` times.
    fn begin_shadow(&mut self, slot: &Id, looks: u32) -> Result<(), Gone>;

    /// What has come of that so far.
    fn shadow(&mut self, slot: &Id) -> Result<ProofEvidence, Gone>;

    /// Why the attempt cannot go on, where that is so.
    fn broken(&mut self, slot: &Id) -> Result<Option<Broken>, Gone>;

    /// The counters of the model in force and its cameras.
    fn measure(&mut self, slot: &Id) -> Result<Measures, Gone>;

    /// Exchanges the model in force and the other one, without disturbing any camera. `why` is told in the log. Answers
    /// why that cannot be done.
    fn switch(&mut self, slot: &Id, why: &str) -> Result<Result<(), String>, Gone>;

    /// Closes the one that is not in force. `in_force` is what decides when the models are opened anew.
    fn close(&mut self, slot: &Id, in_force: InForce) -> Result<(), Gone>;

    /// Publishes how far the agent is.
    fn report(&mut self, report: ReportedMessage) -> Result<(), Gone>;
}
