//! Commits in groups, on a thread of its own: an alert at once, other records together within 200 ms.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Class, Draft, RecordId, Spool};
use crate::base::{clock::SharedClock, threads};

/// How long an event or telemetry may wait for company. What is lost when the power fails is at most this much.
const PATIENCE: Duration = Duration::from_millis(200);
/// The largest group.
const GROUP: usize = 64;
/// Drafts that wait for the thread; beyond it the caller waits, as events may not be dropped.
const WAITING: usize = 1024;

/// Hands drafts to a thread that commits them. Dropping it commits what is waiting and ends the thread.
pub struct Writer {
    drafts: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    refused: Arc<AtomicU64>,
}

enum Job {
    Append(Draft<'static>),
    Flush(SyncSender<()>),
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(spool: Arc<dyn Spool>, clock: SharedClock) -> io::Result<Self> {
        let (drafts, jobs) = mpsc::sync_channel(WAITING);
        let refused = Arc::new(AtomicU64::new(0));
        let count = refused.clone();
        let thread = threads::spawn("spool-writer", move || write_all(&*spool, &clock, &jobs, &count))?;
        Ok(Self { drafts: Some(drafts), thread: Some(thread), refused })
    }

    /// Hands over a record; waits while 1024 are waiting.
    pub fn append(&self, class: Class, build: impl Fn(RecordId) -> Vec<u8> + Send + 'static) {
        self.send(Job::Append(Draft::new(class, build)));
    }

    /// Waits until everything handed over before is committed.
    pub fn flush(&self) {
        let (done, finished) = mpsc::sync_channel(1);
        self.send(Job::Flush(done));
        // An error means that the thread is gone, and with it whatever there was to wait for.
        let _ = finished.recv();
    }

    /// Whether its thread runs; it ends only in a panic.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How many records were refused as too large.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn send(&self, job: Job) {
        let sent = self.drafts.as_ref().is_some_and(|drafts| drafts.send(job).is_ok());
        if !sent {
            // Only after a panic on the writer's thread; the watchdog restarts the agent.
            tracing::error!("the spool's writer has ended; a record is lost");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.drafts = None;
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has been printed already.
            let _ = thread.join();
        }
    }
}

fn write_all(spool: &dyn Spool, clock: &SharedClock, jobs: &Receiver<Job>, refused: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let mut group = Group::default();
        let deadline = clock.mono() + PATIENCE;
        let mut urgent = group.take(first);
        while !urgent && group.drafts.len() < GROUP {
            match jobs.recv_timeout(deadline.saturating_sub(clock.mono())) {
                Ok(job) => urgent = group.take(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        for refusal in spool.commit(&group.drafts).into_iter().filter_map(Result::err) {
            refused.fetch_add(1, Ordering::Relaxed);
            tracing::error!(error = %refusal, "a record was not committed");
        }
        for waiting in group.flushes {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
    }
}

#[derive(Default)]
struct Group {
    drafts: Vec<Draft<'static>>,
    flushes: Vec<SyncSender<()>>,
}

impl Group {
    /// Takes a job; returns whether the group must not wait any longer.
    fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Append(draft) => {
                let urgent = draft.class == Class::Alert;
                self.drafts.push(draft);
                urgent
            }
            Job::Flush(done) => {
                self.flushes.push(done);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::spool::{MemorySpool, Settings};

    #[test]
    fn everything_handed_over_is_committed_in_order_by_flush_and_by_drop() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SystemClock::shared()));
        let writer = Writer::start(spool.clone(), SystemClock::shared()).unwrap();
        for n in 0..100u8 {
            writer.append(Class::Event, move |_| vec![n]);
        }
        writer.flush();
        assert_eq!(spool.health().backlog[1].records, 100);
        writer.append(Class::Event, |_| vec![100]);
        writer.append(Class::Event, |_| vec![0; 1_000_000]);
        let refused = writer.refused.clone();
        drop(writer);
        let all = spool.peek(
            Class::Event,
            super::super::Order::Oldest,
            &Default::default(),
            super::super::Limit { records: 1000, bytes: usize::MAX },
        );
        assert!(all.iter().map(|r| r.payload[0]).eq(0..=100));
        assert_eq!(refused.load(Ordering::Relaxed), 1);
    }
}
