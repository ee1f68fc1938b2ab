//! The way of what the hub wishes from whoever hears it to the rollout's thread: only the newest counts.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where wishes arrive for a rollout. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Wishes(Arc<(Mutex<Inbox>, Condvar)>);

#[derive(Debug, Default)]
struct Inbox {
    /// The newest, as it came: each is the whole of what is wished.
    newest: Option<Vec<u8>>,
    has_changed: bool,
    is_ending: bool,
}

impl Wishes {
    /// Hands over what came on the topic `desired`.
    pub fn put(&self, bytes: Vec<u8>) {
        self.lock().newest = Some(bytes);
        self.0.1.notify_all();
    }

    /// Says that the agent's file was read anew.
    pub fn tell_change(&self) {
        self.lock().has_changed = true;
        self.0.1.notify_all();
    }

    /// Ends the rollout's thread after what it is doing.
    pub fn end(&self) {
        self.lock().is_ending = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next one, `limit` at most.
    pub(super) fn next(&self, limit: Option<Duration>) -> Next {
        let idle = |inbox: &mut Inbox| inbox.newest.is_none() && !inbox.has_changed && !inbox.is_ending;
        let mut inbox = match limit {
            None => self.0.1.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.0.1.wait_timeout_while(self.lock(), limit, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if inbox.is_ending {
            return Next::Ending;
        }
        if std::mem::take(&mut inbox.has_changed) {
            return Next::Changed;
        }
        inbox.newest.take().map_or(Next::Nothing, Next::Wish)
    }
}

/// What came of waiting.
pub(super) enum Next {
    /// A wish, as it came.
    Wish(Vec<u8>),
    /// The agent's file was read anew.
    Changed,
    /// Nothing in this time.
    Nothing,
    /// It is to end.
    Ending,
}
