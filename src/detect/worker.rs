//! The thread that owns a detector and takes turns among cameras.
//!
//! Each camera has one waiting place. A newer frame takes the place of the one that waits there, but keeps its turn, so
//! that a fast camera cannot push a slow one back. The thread takes the camera that has waited longest, looks, and calls
//! back. No lock is held while it looks. Frames are looked at one by one: on a CPU with few cores a batch gains nothing;
//! for providers that gain by it, this loop is where frames would be gathered.
//!
//! An inference that does not come back is noticed from outside, by [`Worker::overdue`].

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::threads;
use crate::vocab::{Detection, Frame, StageLatency};

use super::deadline::Deadline;
use super::detector::{Detector, Timing};
use super::latency::Histogram;

/// Names a camera to a worker; the caller gives the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraKey(pub u32);

/// What is called with the result of every look, on the worker's thread.
pub type Results = Box<dyn FnMut(CameraKey, Frame, &[Detection], Timing) + Send>;

/// How long dropping a worker waits for the look in progress.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// A thread with a detector. Dropping it ends the thread after the look in progress; one that hangs is left to itself.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker did since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerTotals {
    /// Frames looked at.
    pub looked: u64,
    /// Frames whose place a newer one took.
    pub superseded: u64,
    /// Looks that failed.
    pub failed: u64,
    /// How often the process of the model ended before its time, or could not be started again.
    pub restarts: u64,
}

/// What a worker did since the last report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkerReport {
    /// Frames looked at.
    pub looked: u64,
    /// Frames whose place a newer one took.
    pub superseded: u64,
    /// Looks that failed; their frames were given up.
    pub failed: u64,
    /// Failures since the last look that succeeded, whatever the report.
    pub failed_in_a_row: u64,
    /// Why the last look failed.
    pub last_failure: Option<String>,
    /// From a frame's arrival until its turn.
    pub wait: StageLatency,
    /// From the frame to the input tensor.
    pub letterbox: StageLatency,
    /// The inference itself.
    pub infer: StageLatency,
    /// From the outputs to detections.
    pub decode: StageLatency,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    counts: Counts,
    totals: WorkerTotals,
    deadline: Deadline,
    is_ending: bool,
}

/// The waiting places in the order of their turns.
#[derive(Debug, Default)]
struct Waiting {
    turns: VecDeque<Place>,
}

#[derive(Debug)]
struct Place {
    camera: CameraKey,
    frame: Frame,
    arrived: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    looked: u64,
    superseded: u64,
    failed: u64,
    failed_in_a_row: u64,
    last_failure: Option<String>,
    wait: Histogram,
    letterbox: Histogram,
    infer: Histogram,
    decode: Histogram,
}

impl Waiting {
    /// Puts a frame into its camera's place; returns the frame that waited there.
    fn put(&mut self, camera: CameraKey, frame: Frame, now: Duration) -> Option<Frame> {
        if let Some(place) = self.turns.iter_mut().find(|place| place.camera == camera) {
            place.arrived = now;
            return Some(std::mem::replace(&mut place.frame, frame));
        }
        self.turns.push_back(Place { camera, frame, arrived: now });
        None
    }

    fn take(&mut self) -> Option<Place> {
        self.turns.pop_front()
    }

    fn remove(&mut self, camera: CameraKey) -> Option<Frame> {
        let at = self.turns.iter().position(|place| place.camera == camera)?;
        self.turns.remove(at).map(|place| place.frame)
    }
}

impl Worker {
    /// Starts the thread `detect-<number>`. `results` is called on it and should be quick; a panic in it is a counted
    /// failure.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(number: usize, detector: Detector, results: Results) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let thread = threads::spawn(&format!("detect-{number}"), {
            let shared = shared.clone();
            move || run(&shared, detector, results)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands over a frame that arrived at `now`, on the clock the detector was opened with. Returns the frame of this
    /// camera that was still waiting and now never will be looked at: a
    /// [`DropReason::Superseded`](crate::vocab::DropReason::Superseded).
    #[must_use = "a frame that comes back was dropped and has to be counted"]
    pub fn submit(&self, camera: CameraKey, frame: Frame, now: Duration) -> Option<Frame> {
        let mut state = self.shared.lock();
        let replaced = state.waiting.put(camera, frame, now);
        state.counts.superseded += u64::from(replaced.is_some());
        state.totals.superseded += u64::from(replaced.is_some());
        drop(state);
        self.shared.changed.notify_one();
        replaced
    }

    /// Takes back a camera's waiting frame, such as when the camera is switched off.
    pub fn withdraw(&self, camera: CameraKey) -> Option<Frame> {
        self.shared.lock().waiting.remove(camera)
    }

    /// Whether the thread lives; it ends only when the worker is dropped.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// For how long the inference in progress has been going on at `now`, where that is much longer than any should
    /// take: it hangs, perhaps for ever.
    pub fn overdue(&self, now: Duration) -> Option<Duration> {
        self.shared.lock().deadline.overdue(now)
    }

    /// What was done since it was started.
    pub fn totals(&self) -> WorkerTotals {
        self.shared.lock().totals
    }

    /// What was done since the last call.
    pub fn take_report(&self) -> WorkerReport {
        let mut state = self.shared.lock();
        let counts = &mut state.counts;
        WorkerReport {
            looked: std::mem::take(&mut counts.looked),
            superseded: std::mem::take(&mut counts.superseded),
            failed: std::mem::take(&mut counts.failed),
            failed_in_a_row: counts.failed_in_a_row,
            last_failure: counts.last_failure.clone(),
            wait: counts.wait.take(),
            letterbox: counts.letterbox.take(),
            infer: counts.infer.take(),
            decode: counts.decode.take(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_all();
        let Some(thread) = self.thread.take() else { return };
        // Whoever the last result was for may have held the last hand on this worker: a thread cannot wait for itself,
        // and ends by itself after this look.
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        match threads::with_deadline("detect-join", DROP_LIMIT, move || thread.join()) {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::error!("a detector thread had ended in a panic"),
            None => tracing::error!("an inference does not come back; its thread is left to itself"),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next frame; none when it is time to end.
    fn next(&self) -> Option<Place> {
        let mut state = self.lock();
        loop {
            if state.is_ending {
                return None;
            }
            if let Some(place) = state.waiting.take() {
                return Some(place);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn count(&self, outcome: &Result<Timing, String>) {
        let mut state = self.lock();
        let State { counts, totals, .. } = &mut *state;
        match outcome {
            Ok(timing) => {
                counts.looked += 1;
                totals.looked += 1;
                counts.failed_in_a_row = 0;
                counts.wait.record(timing.wait_us);
                counts.letterbox.record(timing.letterbox_us);
                counts.infer.record(timing.infer_us);
                counts.decode.record(timing.decode_us);
            }
            Err(reason) => {
                counts.failed += 1;
                totals.failed += 1;
                counts.failed_in_a_row += 1;
                counts.last_failure = Some(reason.clone());
                // The first of a row is news, the hundredth is not.
                if counts.failed_in_a_row.is_power_of_two() {
                    tracing::warn!(in_a_row = counts.failed_in_a_row, "a look failed: {reason}");
                }
            }
        }
    }
}

fn run(shared: &Shared, mut detector: Detector, mut results: Results) {
    let mut found = Vec::with_capacity(64);
    while let Some(place) = shared.next() {
        let outcome = look(shared, &mut detector, &mut found, &mut results, place);
        shared.count(&outcome);
        shared.lock().totals.restarts = detector.restarts();
    }
}

/// One look. A panic, in the decoding of strange outputs or in the callback, ends this look and not the thread.
fn look(
    shared: &Shared,
    detector: &mut Detector,
    found: &mut Vec<Detection>,
    results: &mut Results,
    place: Place,
) -> Result<Timing, String> {
    let clock = detector.clock().clone();
    let began = clock.mono();
    let wait = began.saturating_sub(place.arrived);
    shared.lock().deadline.begin(began);
    let guarded = AssertUnwindSafe(|| -> Result<Timing, String> {
        let detected = detector.detect(&place.frame, found);
        // Whoever takes the result may have to wait for a disk; that is not for the model to answer.
        shared.lock().deadline.end(clock.mono());
        let timing = detected.map_err(|error| chain(&error))?;
        let timing = Timing { wait_us: u32::try_from(wait.as_micros()).unwrap_or(u32::MAX), ..timing };
        results(place.camera, place.frame, found, timing);
        Ok(timing)
    });
    let outcome = panic::catch_unwind(guarded);
    shared.lock().deadline.end(clock.mono());
    outcome.unwrap_or_else(|panic| Err(format!("panic: {}", threads::panic_message(&*panic))))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |e| e.source()).fold(error.to_string(), |text, e| format!("{text}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Frame {
        let mut frame = Frame::from_i420(2, 2, vec![0; 6]).unwrap();
        frame.seq = seq;
        frame
    }

    #[test]
    fn a_newer_frame_takes_the_place_and_keeps_the_turn() {
        let mut waiting = Waiting::default();
        let (fast, slow) = (CameraKey(1), CameraKey(2));
        assert!(waiting.put(fast, frame(1), Duration::from_millis(1)).is_none());
        assert!(waiting.put(slow, frame(1), Duration::from_millis(2)).is_none());
        let replaced = waiting.put(fast, frame(2), Duration::from_millis(3)).unwrap();
        assert_eq!(replaced.seq, 1);
        let order: Vec<_> =
            std::iter::from_fn(|| waiting.take()).map(|p| (p.camera, p.frame.seq, p.arrived.as_millis())).collect();
        assert_eq!(order, [(fast, 2, 3), (slow, 1, 2)]);
    }

    #[test]
    fn a_worker_that_is_let_go_by_its_own_thread_does_not_wait_for_itself() {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (give, given) = std::sync::mpsc::channel::<Worker>();
        let (told, outcome) = std::sync::mpsc::channel();
        let thread = threads::spawn("detect-test", move || {
            let worker = given.recv().unwrap();
            told.send(panic::catch_unwind(AssertUnwindSafe(|| drop(worker))).is_ok()).unwrap();
        });
        give.send(Worker { shared: shared.clone(), thread: Some(thread.unwrap()) }).unwrap();
        assert!(outcome.recv().unwrap(), "dropping it panicked");
        assert!(shared.lock().is_ending);
    }

    #[test]
    fn a_withdrawn_camera_waits_no_more() {
        let mut waiting = Waiting::default();
        let _ = waiting.put(CameraKey(1), frame(1), Duration::ZERO);
        assert_eq!(waiting.remove(CameraKey(1)).map(|f| f.seq), Some(1));
        assert!(waiting.take().is_none() && waiting.remove(CameraKey(1)).is_none());
    }
}
