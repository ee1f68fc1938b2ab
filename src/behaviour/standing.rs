//! What rules about a zone as a whole have in common: a condition that has lasted, with one happening at a time.
//!
//! ```text
//!            true                  true for `hold`, schedule open, cooldown over
//!   Quiet ─────────► Pending ─────────────────────────────────────────────────► Open ──┐ update
//!     ▲                 │                                                        │  ▲ ◄┘
//!     ├── false for 1 s ┘         false for 1 s, or schedule closed, or cut      ▼  │ true again
//!     └───────────────────────────────────────────────────────────────────── (Calming)
//! ```
//!
//! The second that it must be false, pending or open, keeps one frame in which a detection drops out from changing anything. Where it is false
//! because somebody was recognised whom the rule is not about (see `who.rs`), it ends at once.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Moment, seconds};
use crate::vocab::{EndReason, Firing, Measure, MediaTime};

/// How long the condition must be false to be so.
const CALM: Duration = Duration::from_secs(1);

/// A condition of a zone.
#[derive(Debug)]
pub(super) struct Lasting {
    hold: Duration,
    cooldown: Duration,
    update_every: Duration,
    /// Since when it is true.
    since: Option<MediaTime>,
    /// Since when it is false, while that is not certain.
    calm: Option<MediaTime>,
    rests_until: MediaTime,
    open: Option<Open>,
}

/// A happening that goes on.
#[derive(Debug)]
struct Open {
    started: MediaTime,
    updated: MediaTime,
    told: f64,
    most: f64,
}

/// How the condition stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Whether it is true now.
    pub is_so: bool,
    /// Whether it is so by those alone who are seen in this very step, without which nothing starts: the grace for those
    /// unseen is not held time.
    pub is_seen: bool,
    /// Whether it would be so with those who were only now recognised and count no longer.
    pub was_so: bool,
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Nothing,
    Start { held: Duration },
    Update,
    End { at: MediaTime, reason: EndReason, lasted: Duration, most: f64 },
}

impl Lasting {
    pub(super) fn new(post: &Post, hold: Duration) -> Self {
        Self {
            hold,
            cooldown: post.rule.cooldown(),
            update_every: post.settings.update_every,
            since: None,
            calm: None,
            rests_until: MediaTime::ZERO,
            open: None,
        }
    }

    pub(super) fn hold(&self) -> Duration {
        self.hold
    }

    /// `size` is how large what it is about is: an update is due when that changes.
    pub(super) fn judge(&mut self, moment: &Moment, standing: Standing, is_awake: bool, size: f64) -> Verdict {
        let (now, Standing { is_so, is_seen, was_so }) = (moment.now, standing);
        if let Some(reason) = moment.ending {
            (self.since, self.calm) = (None, None);
            return self.end(now, now, reason);
        }
        if is_so {
            self.calm = None;
            self.since.get_or_insert(now);
        } else {
            if was_so && self.open.is_some() {
                self.since = None;
                return self.end(now, now, EndReason::Identity);
            }
            let calm = *self.calm.get_or_insert(now);
            if now.since(calm) >= CALM {
                self.since = None;
                if self.open.is_some() {
                    return self.end(now, calm, EndReason::Ceased);
                }
            }
        }
        if self.open.is_some() && !is_awake {
            return self.end(now, now, EndReason::Schedule);
        }
        match &mut self.open {
            Some(open) => {
                open.most = open.most.max(size);
                let is_due = is_so && size != open.told && now.since(open.updated) >= self.update_every;
                if !is_due {
                    return Verdict::Nothing;
                }
                (open.told, open.updated) = (size, now);
                Verdict::Update
            }
            None => self.start(moment, is_so && is_seen && is_awake, size),
        }
    }

    fn start(&mut self, moment: &Moment, may_start: bool, size: f64) -> Verdict {
        let now = moment.now;
        let Some(since) = self.since.filter(|_| may_start && moment.is_look) else { return Verdict::Nothing };
        let held = now.since(since);
        if held < self.hold || now < self.rests_until {
            return Verdict::Nothing;
        }
        self.open = Some(Open { started: now, updated: now, told: size, most: size });
        Verdict::Start { held }
    }

    fn end(&mut self, now: MediaTime, at: MediaTime, reason: EndReason) -> Verdict {
        let Some(open) = self.open.take() else { return Verdict::Nothing };
        // Never again in the same moment, even without a cooldown.
        self.rests_until = now + self.cooldown.max(Duration::from_nanos(1));
        let at = at.max(open.started);
        Verdict::End { at, reason, lasted: at.since(open.started), most: open.most }
    }
}

impl Verdict {
    /// Adds what it knows to the measures of its firing: how long it was held, or lasted, and why it ended.
    pub(super) fn measure(&self, hold: Duration, firing: &mut Firing) {
        match *self {
            Self::Start { held } if !hold.is_zero() => {
                firing.measures.push(Measure::against(Measure::HELD, seconds(held), seconds(hold)));
            }
            Self::End { reason, lasted, most, .. } => {
                firing.measures.push(Measure::plain(Measure::PEAK, most));
                firing.measures.push(Measure::plain(Measure::DWELL, seconds(lasted)));
                firing.measures.push(reason.measure());
            }
            _ => {}
        }
    }
}
