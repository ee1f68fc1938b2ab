//! Whether a changed configuration has proved itself: that no camera has lost its pictures, and the hub is not lost. Pure.
//!
//! A camera is held to its frame rate when the configuration has changed it, which connects it anew, and when it had pictures
//! before. It is measured from its first picture on, for which it may take half of the trial and at most [`GRACE`]. The
//! broker is there while the agent is connected to it. The hub is there once it has acknowledged something since the trial
//! began; there is always something, as a configuration that is put in force is an event. A hub of which nothing was ever
//! heard is not missed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ground::{CameraReading, Reading};
use crate::vocab::Id;
use crate::wire::{CameraRates, ConfigEvidence, Trial};

/// The longest that a camera may take until its first picture.
const GRACE: Duration = Duration::from_secs(30);
/// So many pictures fewer are nothing, as in a short trial.
const FEW: f64 = 2.0;

/// Why a configuration does not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// In words.
    pub reason: String,
    /// Whether it is the configuration's; a network has reasons of its own.
    pub is_its_fault: bool,
}

/// A trial in progress.
#[derive(Debug)]
pub struct Watch {
    trial: Trial,
    began: Reading,
    /// The cameras that had pictures and were changed.
    changed: BTreeMap<Id, Held>,
    /// Which had somebody looking at their pictures.
    seen: Vec<Id>,
    hub_was_there: bool,
    /// Since when the broker or the hub is away.
    away: Option<Duration>,
    longest_away: Duration,
}

/// What a camera is held to.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Frames a second before the trial.
    before: f64,
    /// When there was a first frame on trial, and how many there were then.
    first: Option<(Duration, u64)>,
}

impl Watch {
    /// `before` and `until` are two moments before the trial, and `began` is one after it began.
    pub fn new(trial: Trial, before: &Reading, until: &Reading, began: Reading) -> Self {
        let seconds = until.at.saturating_sub(before.at).as_secs_f64();
        let rate = |id: &Id, camera: &CameraReading| {
            let earlier = before.cameras.get(id).filter(|earlier| earlier.post == camera.post)?;
            let frames = camera.frames.saturating_sub(earlier.frames);
            (seconds > 0.0 && camera.has_pictures).then(|| frames as f64 / seconds)
        };
        let is_changed = |id: &Id, camera: &CameraReading| began.cameras.get(id).is_none_or(|c| c.post != camera.post);
        let changed = until.cameras.iter().filter(|(id, camera)| is_changed(id, camera));
        let changed = changed
            .filter_map(|(id, camera)| Some((id.clone(), Held { before: rate(id, camera)?, first: None })))
            .collect();
        let seen = until.cameras.iter().filter(|(_, camera)| camera.unseen.is_none()).map(|(id, _)| id.clone());
        let (seen, hub_was_there) = (seen.collect(), until.acknowledged > 0);
        Self { trial, changed, seen, hub_was_there, away: None, longest_away: Duration::ZERO, began }
    }

    /// Whether a configuration was put in force by somebody else meanwhile.
    pub fn is_disturbed(&self, now: &Reading) -> bool {
        now.applied != self.began.applied
    }

    /// Whether the time is over.
    pub fn is_over(&self, now: &Reading) -> bool {
        now.at.saturating_sub(self.began.at) >= self.length()
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.trial.trial_seconds.into())
    }

    /// Takes note of a moment.
    ///
    /// # Errors
    /// When it need not go on.
    pub fn note(&mut self, now: &Reading) -> Result<(), Lost> {
        for (id, held) in &mut self.changed {
            if let Some(camera) = now.cameras.get(id).filter(|camera| camera.frames > 0) {
                held.first.get_or_insert((now.at, camera.frames));
            }
        }
        self.note_link(now)
    }

    fn note_link(&mut self, now: &Reading) -> Result<(), Lost> {
        let Some(who) = self.missing(now) else {
            self.away = None;
            return Ok(());
        };
        let since = *self.away.get_or_insert(now.at);
        let length = now.at.saturating_sub(since);
        self.longest_away = self.longest_away.max(length);
        if length <= Duration::from_secs(self.trial.link_seconds.into()) {
            return Ok(());
        }
        Err(lost_link(who, &format!("was away for more than {} s on trial", self.trial.link_seconds)))
    }

    /// Who of broker and hub is not there.
    fn missing(&self, now: &Reading) -> Option<&'static str> {
        let has_heard = now.acknowledged > self.began.acknowledged;
        if !now.is_connected {
            Some("the broker")
        } else if self.hub_was_there && !has_heard {
            Some("the hub")
        } else {
            None
        }
    }

    /// What was measured until `now`.
    pub fn evidence(&self, now: &Reading) -> ConfigEvidence {
        let rates = |(id, held): (&Id, &Held)| {
            let (from, frames) = self.stretch(id, held.first, now);
            let seconds = now.at.saturating_sub(from).as_secs_f64();
            let on_trial = if seconds > 0.0 { frames as f64 / seconds } else { 0.0 };
            (id.clone(), CameraRates { before: held.before, on_trial })
        };
        let cameras = self.changed.iter().map(rates).collect();
        ConfigEvidence { cameras, link_away_s: self.longest_away.as_secs_f64() }
    }

    /// From when on a camera is measured, and how many frames it has sent since.
    fn stretch(&self, id: &Id, first: Option<(Duration, u64)>, now: &Reading) -> (Duration, u64) {
        let frames = now.cameras.get(id).map_or(0, |camera| camera.frames);
        let latest = self.began.at + GRACE.min(self.length() / 2);
        match first {
            Some((at, already)) if at <= latest => (at, frames.saturating_sub(already)),
            _ => (latest, frames),
        }
    }

    /// Judges the whole trial at its end.
    ///
    /// # Errors
    /// When the configuration must not stay.
    pub fn judge(&self, now: &Reading) -> Result<(), Lost> {
        for (id, Held { before, first }) in &self.changed {
            let (from, frames) = self.stretch(id, *first, now);
            let seconds = now.at.saturating_sub(from).as_secs_f64();
            let least = before * self.trial.frame_rate;
            if now.cameras.get(id).is_none_or(|camera| !camera.has_pictures) {
                return Err(its_fault(format!(
                    "the camera {id} has no pictures any more, it had {before:.1} a second"
                )));
            }
            if frames as f64 + FEW < least * seconds {
                let rate = frames as f64 / seconds;
                return Err(its_fault(format!(
                    "the frame rate of the camera {id} fell from {before:.1} to {rate:.1} a second on trial"
                )));
            }
        }
        let unseen = |id: &Id| Some((id.clone(), now.cameras.get(id)?.unseen.clone()?));
        if let Some((id, why)) = self.seen.iter().find_map(unseen) {
            return Err(its_fault(format!("nobody looks at the pictures of the camera {id} any more: {why}")));
        }
        match self.missing(now) {
            Some(who) => Err(lost_link(who, "was not there at the end of the trial")),
            None => Ok(()),
        }
    }
}

fn its_fault(reason: String) -> Lost {
    Lost { reason, is_its_fault: true }
}

fn lost_link(who: &str, how: &str) -> Lost {
    Lost { reason: format!("the link to the hub is lost: {who} {how}"), is_its_fault: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn at(seconds: u64, post: u32, frames: u64) -> Reading {
        let door = CameraReading { post, frames, has_pictures: true, unseen: None };
        let yard = CameraReading { post: 7, frames: seconds * 25, has_pictures: true, unseen: None };
        Reading {
            at: Duration::from_secs(seconds),
            applied: u64::from(post),
            cameras: [(id("door"), door), (id("yard"), yard)].into(),
            is_connected: true,
            acknowledged: seconds,
        }
    }

    fn trial(seconds: u32) -> Trial {
        Trial { trial_seconds: seconds, ..Trial::default() }
    }

    /// 25 frames a second before, then what `on_trial` says, a reading a second.
    fn judged(trial: Trial, on_trial: impl Fn(u64) -> Reading) -> Result<ConfigEvidence, Lost> {
        let mut watch = Watch::new(trial, &at(0, 1, 0), &at(10, 1, 250), on_trial(0));
        for second in 0.. {
            let now = on_trial(second);
            watch.note(&now)?;
            if watch.is_over(&now) {
                watch.judge(&now)?;
                return Ok(watch.evidence(&now));
            }
        }
        unreachable!()
    }

    fn steady(second: u64, frames: u64) -> Reading {
        at(10 + second, 2, frames)
    }

    #[test]
    fn a_camera_that_comes_back_as_it_was_proves_it_also_when_that_takes_a_while() {
        let evidence = judged(trial(60), |s| steady(s, s.saturating_sub(8) * 25)).unwrap();
        assert_eq!(evidence.cameras.keys().map(Id::as_str).collect::<Vec<_>>(), ["door"], "the other one goes on");
        assert_eq!(evidence.cameras[&id("door")], CameraRates { before: 25.0, on_trial: 25.0 });
        assert!(judged(trial(2), |s| steady(s, s * 24)).is_ok());
    }

    #[test]
    fn a_camera_that_loses_frames_or_does_not_come_back_in_time_takes_the_configuration_with_it() {
        let fell = judged(trial(60), |s| steady(s, s * 20)).unwrap_err();
        assert_eq!(fell.reason, "the frame rate of the camera door fell from 25.0 to 20.0 a second on trial");
        assert!(fell.is_its_fault);
        let late = judged(trial(60), |s| steady(s, s.saturating_sub(50) * 25)).unwrap_err();
        assert!(late.reason.contains("fell from 25.0 to 8.3"), "{}", late.reason);
        let gone = judged(trial(20), |s| {
            let mut now = steady(s, 0);
            now.cameras.get_mut(&id("door")).unwrap().has_pictures = false;
            now
        });
        assert!(gone.unwrap_err().reason.contains("has no pictures any more"));
    }

    #[test]
    fn a_camera_that_was_away_before_and_one_that_is_not_changed_are_not_held_to_anything() {
        let mut until = at(10, 1, 250);
        until.cameras.get_mut(&id("door")).unwrap().has_pictures = false;
        let mut now = steady(20, 0);
        now.cameras.get_mut(&id("door")).unwrap().has_pictures = false;
        now.cameras.get_mut(&id("yard")).unwrap().has_pictures = false;
        let mut watch = Watch::new(trial(20), &at(0, 1, 0), &until, steady(0, 0));
        watch.note(&now).unwrap();
        assert_eq!((watch.judge(&now), watch.evidence(&now).cameras.len()), (Ok(()), 0));
    }

    #[test]
    fn a_model_that_no_longer_runs_is_told() {
        let unseen = judged(trial(5), |s| {
            let mut now = steady(s, s * 25);
            now.cameras.get_mut(&id("door")).unwrap().unseen = Some("model people does not run".into());
            now
        });
        assert!(unseen.unwrap_err().reason.ends_with("door any more: model people does not run"));
    }

    #[test]
    fn a_link_may_be_lost_for_a_while_but_not_for_longer_and_not_at_the_end() {
        let away =
            |from: u64, to: u64| move |s: u64| Reading { is_connected: !(from..to).contains(&s), ..steady(s, s * 25) };
        let patient = Trial { link_seconds: 10, ..trial(30) };
        assert_eq!(judged(patient.clone(), away(5, 14)).unwrap().link_away_s, 8.0);
        let lost = judged(patient.clone(), away(5, 40)).unwrap_err();
        assert_eq!(lost.reason, "the link to the hub is lost: the broker was away for more than 10 s on trial");
        assert!(!lost.is_its_fault);
        assert!(judged(patient, away(25, 40)).unwrap_err().reason.ends_with("was not there at the end of the trial"));
    }

    #[test]
    fn a_hub_that_acknowledges_nothing_any_more_is_missed_and_one_that_never_did_is_not() {
        let silent = |acknowledged: u64| move |s: u64| Reading { acknowledged, ..steady(s, s * 25) };
        let lost = judged(trial(30), silent(10)).unwrap_err();
        assert_eq!(lost.reason, "the link to the hub is lost: the hub was not there at the end of the trial");
        let never = Reading { acknowledged: 0, ..at(10, 1, 250) };
        let mut watch = Watch::new(trial(5), &at(0, 1, 0), &never, silent(0)(0));
        watch.note(&silent(0)(5)).unwrap();
        assert_eq!(watch.judge(&silent(0)(5)), Ok(()));
    }

    #[test]
    fn somebody_elses_change_is_noticed() {
        let watch = Watch::new(trial(5), &at(0, 1, 0), &at(10, 1, 250), steady(0, 0));
        assert!(!watch.is_disturbed(&steady(1, 25)) && watch.is_disturbed(&at(11, 3, 0)));
    }

    proptest! {
        #[test]
        fn whoever_keeps_its_rate_stays_and_whoever_halves_it_does_not(rate in 4u64..60, seconds in 5u32..200) {
            let before = |s: u64| at(s, 1, s * rate);
            let run = |per_second: f64| {
                let on_trial = |s: u64| steady(s, (s as f64 * per_second) as u64);
                let mut watch = Watch::new(trial(seconds), &before(0), &before(10), on_trial(0));
                for s in 0..=u64::from(seconds) {
                    watch.note(&on_trial(s)).unwrap();
                }
                watch.judge(&on_trial(seconds.into()))
            };
            prop_assert!(run(rate as f64).is_ok());
            prop_assert!(run(rate as f64 / 2.0).is_err() || rate * u64::from(seconds) < 20);
        }
    }
}
