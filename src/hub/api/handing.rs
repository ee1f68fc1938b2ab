//! Handing over what is made piece by piece, to somebody who may stop taking it without going away.
//!
//! The maker runs in a task of its own and waits until its last piece has been taken, but not for ever: what it holds, a
//! place among few, is for those who read.

use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a piece waits to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Makes pieces.
pub(super) trait Maker: Send + 'static {
    /// What is made.
    type Piece: Send + 'static;
    /// The next piece; none after the last.
    fn next(&mut self) -> impl Future<Output = Option<Self::Piece>> + Send;
}

/// Nothing was taken for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing was taken for too long")]
pub(super) struct GivenUp;

/// The pieces of `maker`, each of which must be taken within `patience`. Without an error they are all that there were.
pub(super) fn hand_over<M: Maker>(maker: M, patience: Duration) -> impl Stream<Item = Result<M::Piece, GivenUp>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(make(maker, sender, patience));
    stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(receiver))),
            Some(None) => None,
            None => Some((Err(GivenUp), None)),
        }
    })
}

/// Sends the pieces, and after the last nothing.
async fn make<M: Maker>(mut maker: M, sender: mpsc::Sender<Option<M::Piece>>, patience: Duration) {
    loop {
        let piece = tokio::select! {
            piece = maker.next() => piece,
            () = sender.closed() => return,
        };
        let is_last = piece.is_none();
        if !matches!(timeout(patience, sender.send(piece)).await, Ok(Ok(()))) || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use futures_util::StreamExt as _;

    use super::*;

    /// Counts up to a number; who holds it sees whether it is still there.
    struct Counting {
        done: u32,
        most: u32,
        _held: Arc<()>,
    }

    fn counting(most: u32, held: &Arc<()>) -> Counting {
        Counting { done: 0, most, _held: held.clone() }
    }

    impl Maker for Counting {
        type Piece = u32;

        async fn next(&mut self) -> Option<u32> {
            self.done += 1;
            (self.done <= self.most).then_some(self.done)
        }
    }

    async fn until_gone(held: &Arc<()>) {
        while Arc::strong_count(held) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn all_pieces_come_in_order_however_slowly_they_are_taken() {
        let held = Arc::new(());
        let mut pieces = pin!(hand_over(counting(4, &held), PATIENCE));
        for number in 1..=4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(pieces.next().await, Some(Ok(number)));
        }
        assert_eq!(pieces.next().await, None);
        until_gone(&held).await;
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up_and_sees_that_it_is_not_all() {
        let held = Arc::new(());
        let mut pieces = pin!(hand_over(counting(4, &held), Duration::from_millis(20)));
        until_gone(&held).await;
        assert_eq!(pieces.next().await, Some(Ok(1)), "what was handed over already");
        assert_eq!(pieces.next().await, Some(Err(GivenUp)));
        assert_eq!(pieces.next().await, None);
    }

    #[tokio::test]
    async fn the_maker_ends_with_the_taker() {
        let held = Arc::new(());
        drop(hand_over(counting(u32::MAX, &held), PATIENCE));
        until_gone(&held).await;
    }
}
