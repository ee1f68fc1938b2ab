//! Requests that wait for one version of a model, and which of them are run together.
//!
//! [`plan`] decides, as data in and data out; [`Queue`] owns the lock and the waiting. A batch is the oldest request and
//! those behind it that fit: the same outputs, and inputs that differ in their first size alone. It is run as soon as it
//! is full, its oldest has waited for the delay, or the queue is closed. Requests that do not fit keep their places.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::ServeError;
use super::statistics::Stages;
use crate::base::clock::Clock;
use crate::detect::tensors::Tensor;

/// A request that waits.
#[derive(Debug)]
pub struct Job {
    /// Its tensors, in the order of the model's inputs.
    pub inputs: Vec<Tensor>,
    /// The numbers of the outputs that it wants.
    pub wanted: Vec<usize>,
    /// When it came, on the monotonic clock.
    pub arrived: Duration,
    /// After this moment nobody wants the answer.
    pub deadline: Duration,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Done, ServeError>>,
}

/// An answer.
#[derive(Debug)]
pub struct Done {
    /// The outputs that were wanted, in the order they were asked for.
    pub outputs: Vec<Tensor>,
    /// What it took.
    pub stages: Stages,
}

/// How requests are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Rows of a batch at most; 1 runs every request alone.
    pub max_rows: usize,
    /// How long the oldest waits for others.
    pub delay: Duration,
}

/// Why a request may not wait.
#[derive(Debug)]
pub enum Refused {
    /// As many wait as may.
    Full,
    /// The version is stopping; another may have taken its place.
    Closed(Box<Job>),
}

/// Requests that wait, oldest first.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Run these, by their places in the queue, in rising order.
    Run(Vec<usize>),
    /// Wait for others, for so long at most.
    Wait(Duration),
}

impl Job {
    /// How many rows it brings to a batch.
    pub fn rows(&self) -> usize {
        let first = self.inputs.first().and_then(|tensor| tensor.shape.first());
        first.and_then(|&rows| usize::try_from(rows).ok()).unwrap_or(1)
    }

    /// Whether every input brings as many rows.
    fn is_even(&self) -> bool {
        let rows = self.inputs.first().map(|tensor| tensor.shape.first());
        self.inputs.iter().all(|tensor| Some(tensor.shape.first()) == rows)
    }

    /// Whether both can be rows of one batch.
    fn fits(&self, other: &Self) -> bool {
        let tail = |tensor: &Tensor| tensor.shape.get(1..).map(<[i64]>::to_vec);
        let same = |(a, b): (&Tensor, &Tensor)| a.datatype == b.datatype && tail(a) == tail(b);
        self.wanted == other.wanted
            && self.is_even()
            && other.is_even()
            && self.inputs.len() == other.inputs.len()
            && self.inputs.iter().zip(&other.inputs).all(same)
    }
}

/// Which of the requests to run at `now`; there is at least one.
pub fn plan(jobs: &VecDeque<Job>, batching: Batching, now: Duration, is_closed: bool) -> Plan {
    let Some(oldest) = jobs.front() else { return Plan::Wait(Duration::MAX) };
    let (mut chosen, mut rows) = (vec![0], oldest.rows());
    for (at, job) in jobs.iter().enumerate().skip(1) {
        if rows >= batching.max_rows {
            break;
        }
        if rows + job.rows() <= batching.max_rows && oldest.fits(job) {
            chosen.push(at);
            rows += job.rows();
        }
    }
    let waits_until = oldest.arrived.saturating_add(batching.delay);
    if rows >= batching.max_rows || now >= waits_until || is_closed {
        Plan::Run(chosen)
    } else {
        Plan::Wait(waits_until.saturating_sub(now))
    }
}

impl Queue {
    /// An empty queue of at most `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), limit }
    }

    /// Appends a request.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn push(&self, job: Job) -> Result<(), Refused> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Refused::Closed(Box::new(job)));
        }
        if state.jobs.len() >= self.limit {
            return Err(Refused::Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for a batch and takes it; `None` when the queue is closed and empty.
    pub fn take(&self, batching: impl Fn() -> Batching, clock: &dyn Clock) -> Option<Vec<Job>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.jobs.is_empty() {
                if state.is_closed {
                    return None;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            match plan(&state.jobs, batching(), clock.mono(), state.is_closed) {
                Plan::Run(places) => {
                    let taken = places.iter().enumerate().filter_map(|(before, at)| state.jobs.remove(at - before));
                    let taken = taken.collect();
                    if !state.jobs.is_empty() {
                        // Another worker may have slept through what this one left.
                        self.changed.notify_one();
                    }
                    return Some(taken);
                }
                Plan::Wait(limit) => {
                    let waited = self.changed.wait_timeout(state, limit);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Takes no more requests. Those that wait are still answered.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tensors::{Datatype, Elements};

    fn job(shape: &[i64], arrived_ms: u64) -> Job {
        let elements = Elements::Packed(bytes::Bytes::new());
        let input = Tensor { name: "x".into(), datatype: Datatype::Fp32, shape: shape.to_vec(), elements };
        let (arrived, deadline) = (Duration::from_millis(arrived_ms), Duration::MAX);
        Job { inputs: vec![input], wanted: vec![0], arrived, deadline, reply: oneshot::channel().0 }
    }

    fn planned(jobs: Vec<Job>, max_rows: usize, now_ms: u64) -> Plan {
        let batching = Batching { max_rows, delay: Duration::from_millis(10) };
        plan(&jobs.into(), batching, Duration::from_millis(now_ms), false)
    }

    #[test]
    fn a_batch_is_run_when_it_is_full_or_its_oldest_has_waited() {
        let two = || vec![job(&[1, 4], 0), job(&[1, 4], 5)];
        assert_eq!(planned(two(), 8, 5), Plan::Wait(Duration::from_millis(5)));
        assert_eq!(planned(two(), 8, 10), Plan::Run(vec![0, 1]));
        assert_eq!(planned(two(), 2, 5), Plan::Run(vec![0, 1]));
        assert_eq!(planned(two(), 1, 5), Plan::Run(vec![0]));
    }

    #[test]
    fn only_requests_that_fit_are_put_together_and_no_batch_is_too_large() {
        let mixed = || vec![job(&[1, 4], 0), job(&[1, 5], 0), job(&[3, 4], 0), job(&[1, 4], 0)];
        assert_eq!(planned(mixed(), 8, 10), Plan::Run(vec![0, 2, 3]));
        assert_eq!(planned(mixed(), 3, 10), Plan::Run(vec![0, 3]));
        let large = vec![job(&[20, 4], 0), job(&[1, 4], 0)];
        assert_eq!(planned(large, 8, 0), Plan::Run(vec![0]));
    }

    #[test]
    fn a_full_queue_refuses_and_a_closed_one_is_emptied_first() {
        let clock = crate::base::clock::SystemClock;
        let (queue, alone) = (Queue::new(1), || Batching { max_rows: 1, delay: Duration::ZERO });
        queue.push(job(&[1], 0)).unwrap();
        assert!(matches!(queue.push(job(&[1], 0)), Err(Refused::Full)));
        queue.close();
        assert!(matches!(queue.push(job(&[1], 0)), Err(Refused::Closed(_))));
        assert_eq!(queue.take(alone, &clock).map(|jobs| jobs.len()), Some(1));
        assert!(queue.take(alone, &clock).is_none());
    }
}
