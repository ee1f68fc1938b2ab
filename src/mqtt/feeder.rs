//! Asks the outbox, which may block on a disk, on a thread of its own, so that the connection never waits for it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Outbox, Outgoing, Refusal};
use crate::base::threads;

/// What the outbox is asked or told, in order.
pub(super) enum Ask {
    /// For at most so many messages, on behalf of this connection.
    Batch {
        connection: u64,
        room: usize,
    },
    Acknowledged(Vec<u64>),
    Refused(u64, Refusal),
    Disconnected,
}

/// An answer to [`Ask::Batch`].
pub(super) struct Batch {
    pub(super) connection: u64,
    pub(super) messages: Vec<Outgoing>,
}

/// The connection's end of the thread.
pub(super) struct Feeder {
    asks: mpsc::UnboundedSender<Ask>,
    batches: mpsc::Receiver<Batch>,
}

impl Feeder {
    /// Starts the thread; it ends when the feeder is dropped.
    pub(super) fn start(outbox: Arc<dyn Outbox>) -> std::io::Result<Self> {
        // Unbounded, yet never long: there are at most a window of acknowledgements and one question at a time.
        let (asks, mut asked) = mpsc::unbounded_channel();
        let (answers, batches) = mpsc::channel(1);
        threads::spawn("mqtt-outbox", move || {
            while let Some(ask) = asked.blocking_recv() {
                match ask {
                    Ask::Batch { connection, room } => {
                        let batch = Batch { connection, messages: outbox.next_batch(room) };
                        if answers.blocking_send(batch).is_err() {
                            outbox.disconnected();
                            return;
                        }
                    }
                    Ask::Acknowledged(tokens) => outbox.acknowledged(&tokens),
                    Ask::Refused(token, why) => outbox.refused(token, &why),
                    Ask::Disconnected => outbox.disconnected(),
                }
            }
        })?;
        Ok(Self { asks, batches })
    }

    pub(super) fn ask(&self, ask: Ask) {
        if self.asks.send(ask).is_err() {
            // Only after a panic in the outbox, which has been printed; nothing more is delivered until a restart.
            tracing::error!("the outbox has ended");
        }
    }

    /// The next answer for this connection; those for earlier ones are passed over.
    pub(super) async fn batch(&mut self, connection: u64) -> Vec<Outgoing> {
        loop {
            match self.batches.recv().await {
                Some(batch) if batch.connection == connection => return batch.messages,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}
