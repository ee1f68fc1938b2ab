//! Tells of clips, as events of their own: each is on the disk before anything else is done about the clip.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::clockwatch::ClockWatch;
use crate::agent::pipeline::Occurrence;
use crate::agent::post::Means;
use crate::agent::recorder::Recorder;
use crate::event::{self, Narrator, Notice};
use crate::vocab::{Evidence, Id, Labels, MediaTime, WallTime};

/// Tells of clips of every camera.
pub(super) struct Teller {
    agent: Id,
    config_revision: Arc<str>,
    recorder: Arc<Recorder>,
    clock_watch: Arc<ClockWatch>,
    narrators: BTreeMap<Id, Narrator>,
    /// Of the episodes of what is told here; no other part of the program uses it.
    epoch: u64,
}

impl Teller {
    pub fn new(agent: Id, config_revision: Arc<str>, means: &Means) -> Self {
        Self {
            agent,
            config_revision,
            recorder: means.recorder.clone(),
            clock_watch: means.clock_watch.clone(),
            narrators: BTreeMap::new(),
            epoch: fastrand::u64(1..=u64::from(u32::MAX)),
        }
    }

    /// Tells that a clip is there or is not, and what it lacks, in words. `at` is the moment that it reaches. Returns once
    /// that is committed.
    pub fn tell(&mut self, camera: &Id, evidence: Evidence, lacks: &str, (pts, captured): (MediaTime, WallTime)) {
        let narrator = self.narrators.entry(camera.clone()).or_insert_with(|| {
            // Beside the camera's own episodes, whose numbers have another epoch.
            Narrator::new(event::Settings::new(self.agent.clone(), Some(camera.clone()), self.epoch))
        });
        let labels = Labels::default();
        let context = event::Context {
            pts,
            captured,
            clock: self.clock_watch.state(),
            model: None,
            config_revision: &self.config_revision,
            labels: &labels,
        };
        let event = narrator.notice(&Notice::Clip { evidence, lacks: lacks.to_owned() }, &context);
        self.recorder.record(vec![Occurrence { event, shot: None }]);
        self.recorder.flush();
    }
}
