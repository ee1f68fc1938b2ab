//! Stopping: dropping the one [`Shutdown`] tells every [`Stopping`] that it is time to end.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Held by whoever may stop the program. Dropping it is the signal.
#[derive(Debug)]
pub struct Shutdown {
    state: Arc<State>,
    watch: watch::Sender<bool>,
}

/// Held by whoever must notice. Can be checked, waited on by a thread, or awaited by a task.
#[derive(Debug, Clone)]
pub struct Stopping {
    state: Arc<State>,
    watch: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct State {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    /// A pair: the signal and what waits for it.
    pub fn new() -> (Self, Stopping) {
        let state = Arc::new(State::default());
        let (tx, rx) = watch::channel(false);
        (Self { state: state.clone(), watch: tx }, Stopping { state, watch: rx })
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        *self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.changed.notify_all();
        self.watch.send_replace(true);
    }
}

impl Stopping {
    /// Whether it is time to end.
    pub fn is_stopping(&self) -> bool {
        *self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks this thread for `limit` or until it is time to end; returns whether it is.
    pub fn wait(&self, limit: Duration) -> bool {
        let guard = self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.state.changed.wait_timeout_while(guard, limit, |stopped| !*stopped);
        *result.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Resolves when it is time to end.
    pub async fn stopped(&self) {
        // An error means that the sender is gone, which is the signal too.
        let _ = self.watch.clone().wait_for(|stopped| *stopped).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_signal_wakes_a_waiting_thread() {
        let (shutdown, stopping) = Shutdown::new();
        let waiter = std::thread::spawn({
            let stopping = stopping.clone();
            move || stopping.wait(Duration::from_secs(60))
        });
        assert!(!stopping.is_stopping());
        drop(shutdown);
        assert!(waiter.join().unwrap());
    }

    #[tokio::test]
    async fn dropping_the_signal_resolves_the_future_even_when_awaited_later() {
        let (shutdown, stopping) = Shutdown::new();
        drop(shutdown);
        stopping.stopped().await;
        assert!(stopping.wait(Duration::ZERO));
    }
}
