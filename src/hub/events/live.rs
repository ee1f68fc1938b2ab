//! Events as they are stored, for readers that wait for them.
//!
//! ```text
//!   intake ── has stored up to 17 ──╮
//!                                   ├──▶ pulse: 17 ──▶ each reader looks into the table, from where it was up to 17
//!   table  ◀── what is the newest? ─╯
//! ```
//!
//! The table alone says what there is: an event is seen there only when all with lower numbers are, whichever of several
//! hubs stored it. The word of this hub's own intake only saves the wait until the table is asked again.
//!
//! A reader holds a page at most and fetches the next when that has been taken. So a slow one costs no memory and holds
//! nobody up: what it has not taken lies in the table. It is told when it is far behind, and when it no longer is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::query::{self, EventFacts, Filter, QueryError};
use crate::base::shutdown::Stopping;
use crate::hub::database::{Database, DatabaseError};

/// How often the table is asked what the newest event is, while somebody reads.
const PERIOD: Duration = Duration::from_millis(500);
/// How long a reader hears nothing at most.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a reader waits when the database fails.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many read at the same time at most.
const READERS: usize = 200;
/// How many of them use the database at the same time: most of its connections are left to those who write.
const TURNS: usize = 2;
/// How many events a reader holds at most.
const PAGE: u16 = 64;
/// How many numbers are looked at for one page: a reader that wants few of very many must not take long turns.
const WINDOW: i64 = 10_000;
/// How many numbers a reader may be behind before it is told.
const BEHIND: i64 = 1000;

/// Why nobody reads.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Too many read already.
    #[error("{READERS} readers follow the events already: try again later")]
    Full,
    /// It does not say where to go on.
    #[error("the cursor of the live stream is the number of the last event that was seen, such as 4711")]
    Cursor,
    /// It is no page.
    #[error("the live stream has no limit: it sends every event")]
    Limit,
    /// The filter is faulty.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl From<DatabaseError> for LiveError {
    fn from(error: DatabaseError) -> Self {
        Self::Query(error.into())
    }
}

/// What a reader is told.
#[derive(Debug)]
pub enum News {
    /// An event.
    Event(EventFacts),
    /// The place where it wanted to go on is none of this database: it goes on from the newest event, this number.
    Reset(i64),
    /// It is behind: it has not been told of so many events, or fewer where it wants only some.
    Behind(i64),
    /// It is no longer behind.
    CaughtUp,
    /// It has been told of everything that it wants up to this number.
    Heartbeat(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pulse {
    /// The number of the newest event.
    newest: i64,
    /// The hub stops.
    is_over: bool,
}

/// The events as they are stored. Cloning is cheap.
#[derive(Clone)]
pub struct Live {
    database: Database,
    pulse: watch::Sender<Pulse>,
    readers: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Live {
    /// Those of `database`.
    pub fn new(database: Database) -> Self {
        let (readers, turns) = (Arc::new(Semaphore::new(READERS)), Arc::new(Semaphore::new(TURNS)));
        Self { database, pulse: watch::Sender::new(Pulse::default()), readers, turns }
    }

    /// Says that all events up to this number are stored.
    pub fn stored(&self, newest: i64) {
        self.pulse.send_if_modified(|pulse| {
            let is_new = newest > pulse.newest;
            pulse.newest = pulse.newest.max(newest);
            is_new
        });
    }

    /// Asks the table again and again until it is time to stop; then every reader ends.
    pub async fn run(self, stopping: Stopping) {
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            let asked = async {
                ticks.tick().await;
                if self.pulse.receiver_count() == 0 {
                    return;
                }
                if let Err(error) = self.ask().await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "events of other hubs are not told of yet");
                }
            };
            tokio::select! {
                () = asked => {}
                () = stopping.stopped() => break,
            }
        }
        self.pulse.send_modify(|pulse| pulse.is_over = true);
    }

    async fn ask(&self) -> Result<i64, DatabaseError> {
        let newest = query::newest(&self.database).await?;
        self.stored(newest);
        Ok(newest)
    }

    /// Reads what `filter` looks for: everything after the event `last`, or else after the cursor of the filter, or else what
    /// is stored from now on.
    ///
    /// # Errors
    /// When too many read, the filter is faulty, or the database fails.
    pub async fn read(&self, filter: Filter, last: Option<&str>) -> Result<Reader, LiveError> {
        if filter.limit.is_some() {
            return Err(LiveError::Limit);
        }
        query::check(&filter)?;
        let last = last.or(filter.cursor.as_deref()).map(str::parse::<i64>).transpose();
        let last = last.ok().filter(|last| last.is_none_or(|number| number >= 0)).ok_or(LiveError::Cursor)?;
        let seat = self.readers.clone().try_acquire_owned().map_err(|_| LiveError::Full)?;
        let pulse = self.pulse.subscribe();
        let newest = self.ask().await?;
        let place = last.filter(|last| *last <= newest).unwrap_or(newest);
        let first = if last.is_some_and(|last| last > newest) { News::Reset(newest) } else { News::Heartbeat(place) };
        Ok(Reader {
            database: self.database.clone(),
            filter,
            pulse,
            turns: self.turns.clone(),
            sought: place,
            page: VecDeque::new(),
            first: Some(first),
            is_behind: false,
            heartbeat: Instant::now() + HEARTBEAT,
            _seat: seat,
        })
    }
}

/// Somebody who reads.
pub struct Reader {
    database: Database,
    filter: Filter,
    pulse: watch::Receiver<Pulse>,
    turns: Arc<Semaphore>,
    /// Everything up to this number is in `page` or was taken from it.
    sought: i64,
    page: VecDeque<EventFacts>,
    first: Option<News>,
    is_behind: bool,
    heartbeat: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// What comes next, however long that takes; none when the hub stops.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            let pulse = *self.pulse.borrow_and_update();
            if pulse.is_over {
                return None;
            }
            if let Some(first) = self.first.take() {
                return Some(first);
            }
            if Instant::now() >= self.heartbeat {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(News::Heartbeat(self.place()));
            }
            if let Some(event) = self.page.pop_front() {
                return Some(News::Event(event));
            }
            let behind = pulse.newest - self.sought;
            if (self.is_behind && behind <= 0) || (!self.is_behind && behind > BEHIND) {
                self.is_behind = !self.is_behind;
                return Some(if self.is_behind { News::Behind(behind) } else { News::CaughtUp });
            }
            if behind <= 0 {
                // The next turn of the loop sees whatever it was that ended the wait.
                let _ = timeout_at(self.heartbeat, self.pulse.changed()).await;
            } else if let Err(error) = self.fetch(pulse.newest).await {
                tracing::warn!(%error, "a reader of the live stream waits for the database");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }

    /// It has been told of everything that it wants up to this number.
    fn place(&self) -> i64 {
        self.page.front().map_or(self.sought, |event| event.number - 1)
    }

    async fn fetch(&mut self, newest: i64) -> Result<(), QueryError> {
        let _turn = self.turns.acquire().await;
        let upto = newest.min(self.sought + WINDOW);
        let events = query::between(&self.database, &self.filter, self.sought, upto, PAGE).await?;
        let is_full = events.len() >= usize::from(PAGE);
        self.sought = events.last().filter(|_| is_full).map_or(upto, |event| event.number);
        self.page.extend(events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::events::store::tests::event;
    use crate::hub::events::store::{self, NewEvent};

    async fn opened() -> (tempfile::TempDir, Live) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        (folder, Live::new(database))
    }

    /// Stores events of the camera with these numbers of their spool; returns the number of the newest.
    async fn add(live: &Live, camera: &str, numbers: std::ops::RangeInclusive<u64>) -> i64 {
        let event = |seq: u64| NewEvent { camera: camera.to_owned(), ..event(seq) };
        let mut write = live.database.write().await.unwrap();
        let stored = store::store(&mut write, &numbers.map(event).collect::<Vec<_>>(), 0).await.unwrap();
        write.commit().await.unwrap();
        stored.last.unwrap()
    }

    fn cursor(cursor: &str) -> Filter {
        Filter { cursor: Some(cursor.to_owned()), ..Filter::default() }
    }

    async fn next(reader: &mut Reader) -> Option<News> {
        tokio::time::timeout(Duration::from_secs(5), reader.next()).await.unwrap()
    }

    #[tokio::test]
    async fn the_word_of_the_intake_wakes_a_reader_and_the_end_ends_it() {
        let (_folder, live) = opened().await;
        let mut reader = live.read(Filter::default(), None).await.unwrap();
        assert!(matches!(next(&mut reader).await, Some(News::Heartbeat(0))));
        let (teller, stopping) = (live.clone(), crate::base::shutdown::Shutdown::new());
        let newest = add(&live, "door", 1..=3).await;
        // Nothing asks the table here.
        let waits = tokio::time::timeout(Duration::from_millis(100), reader.next()).await;
        assert!(waits.is_err(), "{waits:?}");
        teller.stored(newest);
        for number in 1..=3 {
            assert!(matches!(next(&mut reader).await, Some(News::Event(event)) if event.number == number));
        }
        drop(stopping.0);
        live.run(stopping.1).await;
        assert!(next(&mut reader).await.is_none());
    }

    #[tokio::test]
    async fn who_wants_few_of_many_is_told_of_them_in_order_and_that_it_is_behind() {
        let (_folder, live) = opened().await;
        add(&live, "door", 1..=1).await;
        let far = 2 * WINDOW + 7;
        sqlx::query("UPDATE arrivals SET last = $1").bind(far).execute(live.database.pool()).await.unwrap();
        add(&live, "yard", 2..=100).await;
        add(&live, "door", 101..=101).await;
        let filter = Filter { camera: Some("door".to_owned()), ..cursor("0") };
        let mut reader = live.read(filter, None).await.unwrap();
        assert!(matches!(next(&mut reader).await, Some(News::Heartbeat(0))));
        assert!(matches!(next(&mut reader).await, Some(News::Behind(behind)) if behind == far + 100));
        assert!(matches!(next(&mut reader).await, Some(News::Event(event)) if event.number == 1));
        assert!(matches!(next(&mut reader).await, Some(News::Event(event)) if event.number == far + 100));
        assert!(matches!(next(&mut reader).await, Some(News::CaughtUp)));
    }

    #[tokio::test]
    async fn a_place_that_is_none_is_told_and_what_is_no_place_refused() {
        let (_folder, live) = opened().await;
        add(&live, "door", 1..=4).await;
        let mut reader = live.read(cursor("2"), Some("9")).await.unwrap();
        assert!(matches!(next(&mut reader).await, Some(News::Reset(4))));
        let mut reader = live.read(cursor("2"), Some("3")).await.unwrap();
        assert!(matches!(next(&mut reader).await, Some(News::Heartbeat(3))), "what was seen counts, not the cursor");
        assert!(matches!(next(&mut reader).await, Some(News::Event(event)) if event.number == 4));
        for wrong in ["-1", "x", "1.2", ""] {
            assert!(matches!(live.read(cursor(wrong), None).await, Err(LiveError::Cursor)), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn only_so_many_read_at_the_same_time() {
        let (_folder, live) = opened().await;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(live.read(Filter::default(), None).await.unwrap());
        }
        assert!(matches!(live.read(Filter::default(), None).await, Err(LiveError::Full)));
        readers.pop();
        assert!(live.read(Filter::default(), None).await.is_ok());
    }
}
