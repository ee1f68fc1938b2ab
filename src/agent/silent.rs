//! An outbox without messages, for a session that only listens.

use tokio::sync::watch;

use crate::mqtt::{Outbox, Outgoing, Refusal};

/// Never has anything to publish.
#[derive(Debug, Default)]
pub struct Silent {
    changes: watch::Sender<u64>,
}

impl Outbox for Silent {
    fn next_batch(&self, _room: usize) -> Vec<Outgoing> {
        Vec::new()
    }

    fn acknowledged(&self, _tokens: &[u64]) {}

    fn refused(&self, _token: u64, _why: &Refusal) {}

    fn disconnected(&self) {}

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
