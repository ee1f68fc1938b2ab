//! What runs on a box, for whoever looks at it.

use std::sync::Arc;

use super::Site;
use crate::agent::clips::Clips;
use crate::agent::engine::Engine;
use crate::agent::forward::Forwarder;
use crate::agent::layers::Layers;
use crate::agent::post::{Means, Post};
use crate::base::clock::SharedClock;
use crate::config::Config;
use crate::history;
use crate::spool::Spool;
use crate::vocab::Id;

impl Site {
    /// The post of one camera.
    pub fn post_of(&self, camera: &Id) -> Option<&Arc<Post>> {
        self.posts.get(camera)
    }

    /// Every post.
    pub fn posts(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.posts.values()
    }

    /// Every model.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.engines.values()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is made of.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// What names this run.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// What every post shares.
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// Where tracks are kept, where they are.
    pub fn history(&self) -> Option<&history::Store> {
        self.history.as_ref()
    }

    /// Clips, where any are kept.
    pub fn clips(&self) -> Option<&Clips> {
        self.clips.as_ref()
    }

    /// The queue on disk.
    pub fn spool(&self) -> &Arc<dyn Spool> {
        &self.spool
    }

    /// Who publishes what the spool holds.
    pub fn forwarder(&self) -> &Arc<Forwarder> {
        &self.forwarder
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}
