//! The threads that run one version of a model: each owns a session and takes batches from the version's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::batch;
use super::error::ServeError;
use super::queue::{Batching, Done, Job, Queue};
use super::statistics::{Stages, Statistics};
use crate::base::clock::SharedClock;
use crate::detect::DetectError;
use crate::detect::tensors::{Tensor, TensorSession};

/// What the workers of a version share with whoever sends them requests.
pub struct Desk {
    /// The model's name.
    pub model: String,
    /// What waits.
    pub queue: Queue,
    /// What is counted.
    pub statistics: Arc<Statistics>,
    /// Rows of a batch at most. Becomes 1 when the model turns out not to give a row for each row.
    pub max_rows: AtomicUsize,
    /// How long the oldest of a batch waits.
    pub delay: Duration,
    /// The clock.
    pub clock: SharedClock,
}

impl Desk {
    fn batching(&self) -> Batching {
        Batching { max_rows: self.max_rows.load(Relaxed), delay: self.delay }
    }
}

/// Runs batches until the queue is closed and empty.
pub fn work(desk: &Desk, mut session: TensorSession) {
    while let Some(jobs) = desk.queue.take(|| desk.batching(), &*desk.clock) {
        desk.statistics.pending.fetch_sub(i64::try_from(jobs.len()).unwrap_or(0), Relaxed);
        let now = desk.clock.mono();
        let (timely, late): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| now <= job.deadline);
        for job in late {
            let limit_ms = u64::try_from(job.deadline.saturating_sub(job.arrived).as_millis()).unwrap_or(u64::MAX);
            answer(job, Err(ServeError::Timeout { model: desk.model.clone(), limit_ms }));
        }
        // Who has hung up wants no answer.
        let wanted: Vec<Job> = timely.into_iter().filter(|job| !job.reply.is_closed()).collect();
        if !wanted.is_empty() {
            run(desk, &mut session, wanted, now);
        }
    }
}

fn run(desk: &Desk, session: &mut TensorSession, jobs: Vec<Job>, taken: Duration) {
    if let [_] = jobs.as_slice() {
        return jobs.into_iter().for_each(|job| run_alone(desk, session, job, taken));
    }
    let rows: Vec<usize> = jobs.iter().map(Job::rows).collect();
    let inputs = batch::join(&jobs.iter().map(|job| job.inputs.as_slice()).collect::<Vec<_>>());
    let joined = desk.clock.mono();
    let outputs = jobs.first().map_or(Ok(Vec::new()), |job| session.run(&inputs, &job.wanted));
    let inferred = desk.clock.mono();
    let parts = outputs.as_ref().ok().and_then(|outputs| batch::split(outputs, &rows));
    let Some(parts) = parts else {
        // One bad request must not cost the others their answer, and a model without a row for each row runs them singly.
        if outputs.is_ok() {
            desk.max_rows.store(1, Relaxed);
            tracing::warn!(
                model = desk.model,
                "gives no row for each row; its requests are run one by one from now on"
            );
        }
        return jobs.into_iter().for_each(|job| run_alone(desk, session, job, taken));
    };
    let (input, infer) = (joined.saturating_sub(taken), inferred.saturating_sub(joined));
    let stages = Stages { queue: Duration::ZERO, input, infer, output: desk.clock.mono().saturating_sub(inferred) };
    desk.statistics.executed(rows.iter().sum(), &stages);
    for (job, outputs) in jobs.into_iter().zip(parts) {
        let stages = Stages { queue: taken.saturating_sub(job.arrived), ..stages };
        answer(job, Ok(Done { outputs, stages }));
    }
}

fn run_alone(desk: &Desk, session: &mut TensorSession, job: Job, taken: Duration) {
    let start = desk.clock.mono();
    let result = session.run(&job.inputs, &job.wanted);
    let infer = desk.clock.mono().saturating_sub(start);
    let stages = Stages { queue: taken.saturating_sub(job.arrived), infer, ..Stages::default() };
    let result = result.map_err(|error| failed(desk, &error));
    if result.is_ok() {
        desk.statistics.executed(job.rows(), &stages);
    }
    answer(job, result.map(|outputs: Vec<Tensor>| Done { outputs, stages }));
}

fn failed(desk: &Desk, error: &DetectError) -> ServeError {
    ServeError::Run { model: desk.model.clone(), reason: super::error::chain(error) }
}

fn answer(job: Job, result: Result<Done, ServeError>) {
    // An error means that the client has hung up.
    let _ = job.reply.send(result);
}
