//! What waits for a thread that works beside the line: jobs in order, a newer one in the place of one that it supersedes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::threads;

/// How long dropping such a thread waits for the work in progress.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// The jobs of one thread.
#[derive(Debug)]
pub struct Inbox<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    waiting: VecDeque<J>,
    is_ending: bool,
}

impl<J> Inbox<J> {
    /// Nothing waits.
    pub fn new() -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), is_ending: false }), changed: Condvar::new() }
    }

    /// Hands over a job, in the place of the first one that waits and is superseded by it. That one.
    pub fn put(&self, job: J, supersedes: impl Fn(&J) -> bool) -> Option<J> {
        let mut state = self.lock();
        let superseded = match state.waiting.iter_mut().find(|waiting| supersedes(waiting)) {
            Some(place) => Some(std::mem::replace(place, job)),
            None => {
                state.waiting.push_back(job);
                None
            }
        };
        drop(state);
        self.changed.notify_one();
        superseded
    }

    /// Hands over a job that is done before all that wait, unless one waits already that it supersedes.
    pub fn put_first(&self, job: J, supersedes: impl Fn(&J) -> bool) {
        let mut state = self.lock();
        if !state.waiting.iter().any(supersedes) {
            state.waiting.push_front(job);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next job; none when it is time to end.
    pub fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.is_ending {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many wait of those that count.
    pub fn waiting(&self, counts: impl Fn(&J) -> bool) -> usize {
        self.lock().waiting.iter().filter(|job| counts(job)).count()
    }

    /// Ends the thread `name` after the work in progress, for which it waits only so long. What still waits is not done.
    pub fn end(&self, name: &str, thread: Option<JoinHandle<()>>) {
        self.lock().is_ending = true;
        self.changed.notify_all();
        let Some(thread) = thread else { return };
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        match threads::with_deadline(&format!("{name}-join"), DROP_LIMIT, move || thread.join()) {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::error!(name, "the thread had ended in a panic"),
            None => tracing::error!(name, "an inference does not come back; its thread is left to itself"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_in_order_and_a_newer_one_in_the_place_of_the_one_it_supersedes() {
        let inbox = Inbox::new();
        let put = |job: (u32, char)| inbox.put(job, |(camera, _)| *camera == job.0);
        assert_eq!([put((1, 'a')), put((2, 'b')), put((1, 'c'))], [None, None, Some((1, 'a'))]);
        assert_eq!((inbox.waiting(|_| true), inbox.waiting(|(camera, _)| *camera == 2)), (2, 1));
        assert_eq!([inbox.next(), inbox.next()], [Some((1, 'c')), Some((2, 'b'))]);
        put((3, 'd'));
        inbox.put_first((4, 'e'), |(camera, _)| *camera == 4);
        inbox.put_first((4, 'f'), |(camera, _)| *camera == 4);
        assert_eq!(inbox.next(), Some((4, 'e')), "before those that came earlier");
        inbox.end("test", None);
        assert_eq!(inbox.next(), None, "what still waits is not done");
    }
}
