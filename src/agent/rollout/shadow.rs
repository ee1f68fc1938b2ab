//! Two models on the same pictures: the one in force decides, the other one's answers are only compared.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::detect::{CameraKey, Timing, Worker};
use crate::vocab::{Detection, Frame, Labels};
use crate::wire::ProofEvidence;

/// Detections of the same label that overlap by at least this, as intersection over union, are of one object.
const SAME: f32 = 0.5;

/// How one of both models speaks.
#[derive(Debug, Clone)]
pub struct Voice {
    /// The names of its classes.
    pub labels: Labels,
    /// The score from which on a detection counts.
    pub threshold: f32,
}

/// A comparison in progress. One picture at a time is compared, so that the new model falls behind nobody.
#[derive(Debug)]
pub struct Shadow {
    worker: Arc<Worker>,
    before: Voice,
    candidate: Voice,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many pictures are still wanted.
    left: u32,
    /// The picture that the candidate looks at, what the model in force saw in it, and how long that took.
    waiting: Option<(CameraKey, u64, Vec<Detection>, u32)>,
    seen: ProofEvidence,
    /// The times of the looks of both, in microseconds.
    times: [Vec<u32>; 2],
}

impl Shadow {
    /// Compares over `looks` pictures; `worker` runs the candidate.
    pub fn new(worker: Arc<Worker>, before: Voice, candidate: Voice, looks: u32) -> Self {
        let state = State { left: looks, ..State::default() };
        Self { worker, before, candidate, state: Mutex::new(state) }
    }

    /// The model in force has looked at a picture.
    pub fn reference(
        &self,
        camera: CameraKey,
        frame: &Frame,
        found: &[Detection],
        timing: Timing,
        now: std::time::Duration,
    ) {
        let mut state = self.lock();
        if state.left == 0 || state.waiting.is_some() {
            return;
        }
        let counted = found.iter().filter(|d| d.score >= self.before.threshold).copied().collect();
        state.waiting = Some((camera, frame.seq, counted, look_us(timing)));
        drop(state);
        drop(self.worker.submit(camera, frame.clone(), now));
    }

    /// The candidate has looked at it.
    pub fn candidate(&self, camera: CameraKey, seq: u64, found: &[Detection], timing: Timing) {
        let mut state = self.lock();
        let Some((_, _, before, before_us)) = state.waiting.take_if(|waiting| (waiting.0, waiting.1) == (camera, seq))
        else {
            return;
        };
        let found: Vec<Detection> = found.iter().filter(|d| d.score >= self.candidate.threshold).copied().collect();
        let name = |d: &Detection| self.before.labels.name(d.class).to_owned();
        let candidate_name = |d: &Detection| self.candidate.labels.name(d.class).to_owned();
        let same = |a: &Detection, b: &Detection| name(a) == candidate_name(b);
        let matched = matches(&before, &found, same);
        state.left -= 1;
        state.seen.looks += 1;
        state.seen.objects_before += before.len() as u64;
        state.seen.objects += found.len() as u64;
        state.seen.same += matched;
        state.times[0].push(before_us);
        state.times[1].push(look_us(timing));
    }

    /// What has come of it so far.
    pub fn seen(&self) -> ProofEvidence {
        let state = self.lock();
        let [before, now] = &state.times;
        ProofEvidence { look_before_ms: median_ms(before), look_ms: median_ms(now), ..state.seen.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_us(timing: Timing) -> u32 {
    timing.letterbox_us.saturating_add(timing.infer_us).saturating_add(timing.decode_us)
}

fn median_ms(times: &[u32]) -> f64 {
    let mut times = times.to_vec();
    let middle = times.len() / 2;
    if times.is_empty() { 0.0 } else { f64::from(*times.select_nth_unstable(middle).1) / 1000.0 }
}

/// How many of `one` have a partner among `other`: greedily, the greatest overlap first, each once.
fn matches(one: &[Detection], other: &[Detection], same: impl Fn(&Detection, &Detection) -> bool) -> u64 {
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (i, a) in one.iter().enumerate() {
        for (j, b) in other.iter().enumerate() {
            let overlap = a.bbox.iou(&b.bbox);
            if overlap >= SAME && same(a, b) {
                pairs.push((overlap, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut taken_one, mut taken_other) = (vec![false; one.len()], vec![false; other.len()]);
    let mut count = 0;
    for (_, i, j) in pairs {
        if !taken_one[i] && !taken_other[j] {
            (taken_one[i], taken_other[j]) = (true, true);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Rect;

    fn at(x: f32) -> Detection {
        Detection::new(0, 0.9, Rect::new(x, 0.0, x + 0.1, 0.1))
    }

    #[test]
    fn each_object_has_at_most_one_partner_and_only_of_its_label() {
        assert_eq!(matches(&[at(0.0), at(0.5)], &[at(0.01), at(0.02)], |_, _| true), 1);
        assert_eq!(matches(&[at(0.0), at(0.5)], &[at(0.51), at(0.01)], |_, _| true), 2);
        assert_eq!(matches(&[at(0.0)], &[at(0.0)], |_, _| false), 0);
        assert_eq!(matches(&[at(0.0)], &[at(0.09)], |_, _| true), 0, "they hardly overlap");
    }

    #[test]
    fn the_median_is_of_what_was_measured() {
        assert_eq!((median_ms(&[]), median_ms(&[9000, 1000, 2000])), (0.0, 2.0));
    }
}
