//! What the scores of an object's sightings come to: the best, the mean, and both sides of the question fused.
//!
//! **Fused** is the chance that the object is real, after everything that was seen of it: the sum of the log-odds of its
//! scores (the binary Bayes filter in its log-odds form: S. Thrun, W. Burgard, D. Fox, *Probabilistic Robotics*, 2005, section
//! 4.2; the same sum that trackers use to believe a track, A. Wald, *Sequential Analysis*, 1947), from even odds on. A score
//! above 0.5 speaks for it, one below against it, and a look in which it was not seen counts as one of [`MISSED`]. So one lucky
//! picture does not make an object of a shadow, and many fair ones do.
//!
//! - **Time, not pictures.** Pictures that follow each other closely show the same thing and are no new evidence. Each look
//!   weighs as many seconds as have passed since the one before, at most [`HEAVIEST`], of [`INDEPENDENT`], within which looks
//!   are taken to say the same. The first weighs [`HEAVIEST`]. So 5 and 25 pictures a second come to the same.
//! - **It forgets.** The sum stays within the log-odds of [`SUREST`] and its opposite: what was sure for an hour is in doubt
//!   within seconds.
//!
//! Detectors are not calibrated: with a detector that gives real objects less than 0.5, fused scores sink, and `best` or `mean`
//! serve better.

use std::time::Duration;

use super::settings::ScoreOf;
use crate::vocab::MediaTime;

/// Looks within this time say the same.
const INDEPENDENT: f32 = 1.0;
/// No look weighs more than this many seconds.
const HEAVIEST: f32 = 0.5;
/// What a look counts as in which the object was not seen. Not far below even: it may have been hidden.
const MISSED: f32 = 0.35;
/// Nothing is surer than this. Log-odds 3.9: four seconds of a score of 0.7 away from even.
const SUREST: f32 = 0.98;
/// Scores nearer to 0 or 1 than this would outweigh everything.
const PLAINEST: f32 = 0.02;

/// The scores of the sightings where a rule looks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scores {
    sum: f32,
    count: u32,
    log_odds: f32,
    last: Option<MediaTime>,
}

impl Scores {
    /// Those of an object that was seen for the first time, at `now`.
    pub(super) fn first(score: f32, now: MediaTime) -> Self {
        let mut scores = Self::default();
        scores.see(score, now);
        scores
    }

    /// It was seen at `now`.
    pub(super) fn see(&mut self, score: f32, now: MediaTime) {
        self.sum += score;
        self.count += 1;
        self.weigh(score, now);
    }

    /// It was looked for at `now`, and not seen.
    pub(super) fn miss(&mut self, now: MediaTime) {
        if self.last.is_some() {
            self.weigh(MISSED, now);
        }
    }

    /// The score that a rule compares; `best` is the best that the track ever had.
    pub(super) fn of(&self, which: ScoreOf, best: f32) -> f32 {
        match which {
            ScoreOf::Best => best,
            ScoreOf::Mean => self.sum / self.count.max(1) as f32,
            ScoreOf::Fused => 1.0 / (1.0 + (-self.log_odds).exp()),
        }
    }

    fn weigh(&mut self, score: f32, now: MediaTime) {
        let passed = self.last.map_or(HEAVIEST, |last| seconds(now.since(last)));
        self.last = Some(now);
        let weight = passed.min(HEAVIEST) / INDEPENDENT;
        let most = log_odds(SUREST);
        self.log_odds = (self.log_odds + weight * log_odds(score)).clamp(-most, most);
    }
}

fn log_odds(score: f32) -> f32 {
    let score = score.clamp(PLAINEST, 1.0 - PLAINEST);
    (score / (1.0 - score)).ln()
}

fn seconds(passed: Duration) -> f32 {
    passed.as_secs_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fused(scores: &[f32], fps: f64) -> f32 {
        let mut all = Scores::default();
        for (i, score) in scores.iter().enumerate() {
            all.see(*score, MediaTime::from_secs_f64(i as f64 / fps));
        }
        all.of(ScoreOf::Fused, 1.0)
    }

    #[test]
    fn one_lucky_picture_makes_no_object_of_a_shadow_and_many_fair_ones_do() {
        let shadow = [0.42, 0.41, 0.88, 0.4, 0.42, 0.41, 0.4, 0.42, 0.41, 0.42];
        assert!(fused(&shadow, 5.0) < 0.6, "{}", fused(&shadow, 5.0));
        let person = [0.65; 15];
        assert!(fused(&person, 5.0) > 0.8, "{}", fused(&person, 5.0));
        assert!(fused(&person[..3], 5.0) < 0.65, "not so soon: {}", fused(&person[..3], 5.0));
    }

    #[test]
    fn the_same_two_seconds_come_to_the_same_at_any_rate() {
        for score in [0.3, 0.45, 0.55, 0.7, 0.9] {
            let rates = [4.0, 5.0, 10.0, 25.0].map(|fps: f64| fused(&vec![score; (2.0 * fps) as usize + 1], fps));
            assert!(rates.iter().all(|fused| (fused - rates[0]).abs() < 1e-3), "{score}: {rates:?}");
        }
    }

    #[test]
    fn what_was_sure_for_an_hour_is_in_doubt_within_seconds_of_not_being_seen() {
        let mut scores = Scores::default();
        for i in 0..3600 * 5 {
            scores.see(0.9, MediaTime::from_millis(i * 200));
        }
        let end = 3600 * 1000;
        assert!((scores.of(ScoreOf::Fused, 0.9) - SUREST).abs() < 1e-3);
        for i in 0..40 {
            scores.miss(MediaTime::from_millis(end + i * 200));
        }
        assert!(scores.of(ScoreOf::Fused, 0.9) < 0.5);
        assert_eq!(scores.of(ScoreOf::Best, 0.9), 0.9);
        assert!((scores.of(ScoreOf::Mean, 0.9) - 0.9).abs() < 1e-2);
    }
}
