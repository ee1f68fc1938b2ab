//! **Loitering**: something the rule is about stays in its zone for too long.
//!
//! - **Start** at the sighting with which the object has been in the zone for `seconds`, if the schedule is open and
//!   label, score and size pass.
//! - The **dwell** is media time from the first to the last sighting inside, whatever the frame rate. It stands still
//!   while the object is not seen, and goes on if it is seen again within the grace of 2 s, even under a new number
//!   (see `presence.rs`). It starts from nothing when the object was outside for 0.5 s or unseen for longer. Time inside
//!   before the schedule opened counts. A predicted box of a `Lost` track adds nothing.
//! - **Update** and **End** are those of an intrusion (see `intrusion.rs`), and so are the cooldown and the memory of
//!   parked objects: a lost and found car or sleeper does not loiter anew in the same place. After an end a new start
//!   needs a new dwell, except after the schedule's, where the object never left.
//!
//! The key is the number of the track that came in.

use std::time::Duration;

use super::gate::{Identity, Moment};
use super::presence::Presence;
use super::settings::{Rule, Settings};
use super::stay::Stays;
use crate::vocab::{Firing, Labels};

/// The rule at work.
#[derive(Debug)]
pub(super) struct Loitering(Stays);

impl Loitering {
    pub(super) fn new(identity: Identity, rule: &Rule, limit: Duration, settings: &Settings, labels: &Labels) -> Self {
        let common = (settings.parked, settings.update_every);
        Self(Stays::new(identity, rule, limit, common, labels))
    }

    pub(super) fn step(&mut self, moment: &Moment, presences: &[Presence], out: &mut Vec<Firing>) {
        self.0.step(moment, presences, out);
    }

    pub(super) fn cut(&mut self) {
        self.0.cut();
    }
}
