//! What a site does by the clock: lets time pass for its cameras, and tells of losses, clock steps and models that hang.

use std::sync::Arc;
use std::time::Duration;

use super::Site;
use crate::agent::engine::Engine;
use crate::agent::post::Post;
use crate::event::{ModelChange, Notice};
use crate::spool::{self, LossReason};
use crate::vocab::{self, Id, ModelFacts};

/// How often losses are told of at most.
const LOSSES_INTERVAL: Duration = Duration::from_secs(10);
/// How often maps are kept: so much of one is lost in a crash.
const HEATS_INTERVAL: Duration = Duration::from_secs(300);

impl Site {
    /// Does what is due by the clock, about twice a second.
    pub fn tick(&mut self) {
        if let Some((from, to)) = self.means.clock_watch.look() {
            self.notice(&Notice::ClockStep { from, to });
        }
        self.tell_hangs();
        self.tell_losses();
        for post in self.posts.values() {
            if let Some(counts) = post.tick() {
                self.kept.keep_counts(post.id(), &counts);
            }
        }
        self.posts.values().for_each(|post| self.kept.set_tracks_aside(post.id(), post.next_track()));
        self.keep_heats();
    }

    /// What maps have come to is kept now and then, as each writing wears the disk.
    fn keep_heats(&mut self) {
        let now = self.clock.mono();
        if self.heats_kept.is_some_and(|last| now.saturating_sub(last) < HEATS_INTERVAL) {
            return;
        }
        self.heats_kept = Some(now);
        self.posts.values().for_each(|post| self.keep_heat(post));
    }

    /// Keeps what the map of one camera has come to.
    pub(super) fn keep_heat(&self, post: &Post) {
        if let Some(heat) = post.saved_heat() {
            self.kept.keep_heat(post.id(), &heat);
        }
    }

    /// An inference that does not come back is told once, as an event and by every camera whose pictures nobody looks at.
    fn tell_hangs(&mut self) {
        let now = self.clock.mono();
        let changed = |engine: &mut Engine| {
            let change = engine.look_for_hang(now)?;
            Some((engine.name().clone(), engine.running.as_ref().ok()?.facts.clone(), change))
        };
        let changes: Vec<(Id, ModelFacts, ModelChange)> = self.engines.values_mut().filter_map(changed).collect();
        for (name, model, change) in changes {
            let hangs = matches!(change, ModelChange::Hangs { .. });
            tracing::error!(model = %name, ?change, "a model does not come back, or does at last");
            let why = hangs.then(|| format!("nobody looks at its pictures: model {name} hangs"));
            self.posts_of(&name).for_each(|post| post.told_unseen(why.clone()));
            self.notice(&Notice::Model { model, change });
        }
    }

    pub(super) fn posts_of<'a>(&'a self, model: &'a Id) -> impl Iterator<Item = &'a Arc<Post>> {
        self.posts.values().filter(move |post| post.config.model() == Some(model))
    }

    /// Every loss becomes an event, so that the hub does not wait for what never comes. Only while somebody hears it, and
    /// not often: in a full spool the event itself displaces another.
    fn tell_losses(&mut self) {
        let now = self.clock.mono();
        let is_heard = self.means.broker.status().borrow().connected_since.is_some();
        if !is_heard || self.losses_told.is_some_and(|last| now.saturating_sub(last) < LOSSES_INTERVAL) {
            return;
        }
        let losses = self.spool.losses();
        if losses.is_empty() {
            return;
        }
        self.losses_told = Some(now);
        for loss in &losses {
            tracing::warn!(?loss, "records were lost");
            self.notice(&Notice::Gap {
                class: format!("{:?} (epoch {:016x})", loss.class, loss.epoch).to_lowercase(),
                // Renumbered records arrive under another id: told, so that nobody waits for the first, but not lost.
                lost: if loss.reason == LossReason::Renumbered { 0 } else { loss.count },
                range: Some((loss.from, loss.to)),
                reason: format!("{:?}", loss.reason).to_lowercase(),
                numbers: numbers(loss),
            });
        }
        // Forgotten only once the events that tell of them are on the disk.
        self.means.recorder.flush();
        self.spool.settle(&losses);
    }
}

/// The numbers of a loss as a hub may rely on them: none where others of the range still wait to be sent.
fn numbers(loss: &spool::Gap) -> Option<vocab::Gap> {
    let &spool::Gap { class, epoch, from, to, count, .. } = loss;
    let is_whole = to.checked_sub(from).is_some_and(|more| more + 1 == count);
    is_whole.then(|| vocab::Gap { class: format!("{class:?}").to_lowercase(), epoch, first: from, last: to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Class;

    #[test]
    fn only_a_range_that_is_lost_as_a_whole_is_named() {
        let loss = spool::Gap { class: Class::Alert, epoch: 7, from: 3, to: 5, count: 3, reason: LossReason::Quota };
        let gap = crate::wire::Gap::new(&numbers(&loss).unwrap()).unwrap();
        assert_eq!((gap.class, gap.epoch, gap.first, gap.last), (crate::wire::Class::Alert, 7, 3, 5));
        assert_eq!(numbers(&spool::Gap { count: 2, ..loss }), None, "one of them still waits to be sent");
    }
}
