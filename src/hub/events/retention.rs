//! How long events, their pictures and clips are kept, and how much of them.
//!
//! Events go in the order in which they came, by the hub's clock: an agent whose clock is wrong loses nothing by it. They go
//! in small batches, so that what comes in never waits long. What is known of their numbers stays, so one that is published
//! again does not come back.

use std::time::Duration;

use serde::Deserialize;
use sqlx::Row as _;

use super::Snapshots;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::hub::clips::{ClipError, Clips};
use crate::hub::database::{Database, DatabaseError, Doing as _};

/// How often it is looked whether something must go.
const PERIOD: Duration = Duration::from_secs(600);
/// How many rows are deleted in one transaction.
const BATCH: i64 = 500;
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// `events` in `hub.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// For how many days events, pictures and clips are kept, from 1; 90 by default.
    pub keep_days: u32,
    /// How many events are kept at most, from 1; 10,000,000 by default.
    pub max_events: u32,
    /// How many MiB the texts of events take at most, from 1; no matter how many by default. Columns and indexes take room
    /// beside them.
    pub max_event_mib: Option<u32>,
    /// How many MiB pictures take at most, from 1; no matter how many by default.
    pub max_snapshot_mib: Option<u32>,
    /// How many MiB clips take at most, from 1; 10240 by default. The oldest go first.
    pub max_clip_mib: u32,
    /// How many MiB one clip may have, 1..4096; 256 by default.
    pub largest_clip_mib: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep_days: 90,
            max_events: 10_000_000,
            max_event_mib: None,
            max_snapshot_mib: None,
            max_clip_mib: 10_240,
            largest_clip_mib: 256,
        }
    }
}

impl Retention {
    /// What cannot be as it is written.
    pub(in crate::hub) fn faults(self) -> Option<&'static str> {
        let always = [self.keep_days, self.max_events, self.max_clip_mib].map(Some);
        let all = always.into_iter().chain([self.max_event_mib, self.max_snapshot_mib]);
        if all.into_iter().any(|kept| kept == Some(0)) {
            return Some("what is kept, days, events or MiB, must be at least 1");
        }
        (!(1..=4096).contains(&self.largest_clip_mib)).then_some("largest_clip_mib must be 1 to 4096")
    }
}

/// Deletes what has been kept long enough.
pub struct Keeper {
    database: Database,
    snapshots: Snapshots,
    clips: Clips,
    retention: Retention,
    clock: SharedClock,
}

impl Keeper {
    /// A keeper of `database`, `snapshots` and `clips`.
    pub fn new(
        database: Database,
        snapshots: Snapshots,
        clips: Clips,
        retention: Retention,
        clock: SharedClock,
    ) -> Self {
        Self { database, snapshots, clips, retention, clock }
    }

    /// Looks again and again until it is time to stop. What fails is logged and tried the next time.
    pub async fn run(self, stopping: Stopping) {
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stopping.stopped() => return,
            }
            if let Err(error) = self.sweep_clips(&stopping).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "old clips are not deleted yet");
            }
            match self.sweep(&stopping).await {
                Ok(0) => {}
                Ok(events) => tracing::info!(events, "events were deleted that had been kept long enough"),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "old events are not deleted yet");
                }
            }
        }
    }

    /// Deletes all that has been kept long enough; returns how many events that were.
    async fn sweep(&self, stopping: &Stopping) -> Result<u64, DatabaseError> {
        let mut before_ns = self.before_ns();
        let mut deleted = 0;
        while !stopping.is_stopping() {
            let Some((last, received_ns)) = self.oldest(before_ns).await? else { break };
            deleted += self.delete(last).await?;
            // Pictures that came before an event that had to go are as old as it.
            before_ns = before_ns.max(received_ns);
        }
        while !stopping.is_stopping() && self.snapshots.forget(before_ns, BATCH).await? > 0 {}
        if let Some(limit) = self.retention.max_snapshot_mib.map(bytes) {
            while !stopping.is_stopping() && self.snapshots.shrink(limit, BATCH).await? > 0 {}
        }
        Ok(deleted)
    }

    /// Deletes clips that have been kept long enough, that take too much room, or of which nothing more comes.
    async fn sweep_clips(&self, stopping: &Stopping) -> Result<(), ClipError> {
        let before_ns = self.before_ns();
        while !stopping.is_stopping() && self.clips.forget(before_ns, BATCH).await? > 0 {}
        let limit = bytes(self.retention.max_clip_mib);
        while !stopping.is_stopping() && self.clips.shrink(limit, BATCH).await? > 0 {}
        Ok(())
    }

    /// What came before this moment has been kept long enough.
    fn before_ns(&self) -> i64 {
        self.clock.unix_nanos().saturating_sub(i64::from(self.retention.keep_days).saturating_mul(DAY_NS))
    }

    /// Deletes the events up to this number; returns how many those were.
    async fn delete(&self, last: i64) -> Result<u64, DatabaseError> {
        let doing = "deleting events";
        let mut write = self.database.write().await?;
        let statement = "DELETE FROM events WHERE number <= $1 RETURNING CAST(OCTET_LENGTH(body) AS BIGINT) AS bytes";
        let rows = sqlx::query(statement).bind(last).fetch_all(&mut *write).await.doing(doing)?;
        let bytes = rows.iter().map(|row| row.try_get::<i64, _>("bytes")).sum::<Result<i64, _>>().doing(doing)?;
        let update = sqlx::query("UPDATE arrivals SET bytes = bytes - $1").bind(bytes);
        update.execute(&mut *write).await.doing(doing)?;
        write.commit().await.doing(doing)?;
        Ok(rows.len() as u64)
    }

    /// The number of the last of the oldest events that must go, and when it came; none where nothing must.
    async fn oldest(&self, before_ns: i64) -> Result<Option<(i64, i64)>, DatabaseError> {
        let doing = "looking for events that have been kept long enough";
        let row = sqlx::query("SELECT last, bytes FROM arrivals").fetch_one(self.database.pool()).await.doing(doing)?;
        let floor = row.try_get::<i64, _>("last").doing(doing)? - i64::from(self.retention.max_events);
        let taken: i64 = row.try_get("bytes").doing(doing)?;
        let mut excess = self.retention.max_event_mib.map_or(0, |limit| taken - bytes(limit));
        let statement = "SELECT number, received_ns, CAST(OCTET_LENGTH(body) AS BIGINT) AS bytes FROM events \
             ORDER BY number LIMIT $1";
        let query = sqlx::query(statement).bind(BATCH);
        let mut last = None;
        for row in query.fetch_all(self.database.pool()).await.doing(doing)? {
            let number: i64 = row.try_get("number").doing(doing)?;
            let received_ns: i64 = row.try_get("received_ns").doing(doing)?;
            if number > floor && received_ns >= before_ns && excess <= 0 {
                break;
            }
            excess -= row.try_get::<i64, _>("bytes").doing(doing)?;
            last = Some((number, received_ns));
        }
        Ok(last)
    }
}

fn bytes(mib: u32) -> i64 {
    i64::from(mib) << 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::base::shutdown::Shutdown;
    use crate::hub::events::snapshots::NewSnapshot;
    use crate::hub::events::store::tests::event;
    use crate::hub::events::store::{self, NewEvent};

    async fn add(database: &Database, numbers: std::ops::RangeInclusive<u64>, now: i64) -> u64 {
        let mut write = database.write().await.unwrap();
        let events: Vec<NewEvent> = numbers.map(event).collect();
        let stored = store::store(&mut write, &events, now).await.unwrap();
        write.commit().await.unwrap();
        stored.new
    }

    async fn add_picture(snapshots: &Snapshots, database: &Database, name: &str, jpeg: &[u8], now: i64) {
        let snapshot = NewSnapshot {
            agent: "gate".to_owned(),
            camera: "door".to_owned(),
            name: name.to_owned(),
            jpeg: jpeg.to_vec(),
        };
        let file = snapshots.write(std::slice::from_ref(&snapshot)).unwrap().remove(0);
        let mut write = database.write().await.unwrap();
        Snapshots::note(&mut write, &snapshot, &file, now).await.unwrap();
        write.commit().await.unwrap();
    }

    async fn left(database: &Database) -> i64 {
        let row = sqlx::query("SELECT COUNT(*) AS many FROM events").fetch_one(database.pool()).await.unwrap();
        row.try_get("many").unwrap()
    }

    #[tokio::test]
    async fn the_oldest_go_with_their_pictures_and_do_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        let snapshots = Snapshots::open(database.clone(), &folder.path().join("snapshots"), 100).unwrap();
        let clock = SimulatedClock::at(0);
        let retention = Retention { keep_days: 2, max_events: 1500, ..Retention::default() };
        let clips = Clips::open(database.clone(), clock.clone(), &folder.path().join("clips"), 100).unwrap();
        let keeper = Keeper::new(database.clone(), snapshots.clone(), clips, retention, clock.clone());
        let (_shutdown, stopping) = Shutdown::new();
        add(&database, 1..=700, 1).await;
        add_picture(&snapshots, &database, "old", b"old", 1).await;
        add_picture(&snapshots, &database, "shared", b"shared", 1).await;
        add(&database, 701..=800, DAY_NS).await;
        add_picture(&snapshots, &database, "same", b"shared", DAY_NS).await;
        assert_eq!(keeper.sweep(&stopping).await.unwrap(), 0);

        clock.advance(Duration::from_nanos((2 * DAY_NS) as u64 + 2));
        assert_eq!(keeper.sweep(&stopping).await.unwrap(), 700, "those of more than two days");
        assert_eq!(left(&database).await, 100);
        assert!(snapshots.path("gate", "door", "old").await.unwrap().is_none());
        assert!(snapshots.path("gate", "door", "same").await.unwrap().is_some(), "its file is named once more");
        let files = std::fs::read_dir(folder.path().join("snapshots")).unwrap().flatten().filter(|entry| {
            entry.file_name() != "partial" && std::fs::read_dir(entry.path()).unwrap().next().is_some()
        });
        assert_eq!(files.count(), 1, "the file that nothing names is gone");
        assert_eq!(add(&database, 1..=1, 3 * DAY_NS).await, 0, "what was published again is known");

        add(&database, 801..=2400, 2 * DAY_NS).await;
        assert_eq!(keeper.sweep(&stopping).await.unwrap(), 200, "more than 1500");
        assert_eq!(left(&database).await, 1500);
    }
}
