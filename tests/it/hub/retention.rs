//! How much is kept, in MiB, on both databases.

use std::path::Path;

use sqlx::Row as _;
use vedette::base::clock::SystemClock;
use vedette::base::shutdown::Shutdown;
use vedette::hub::clips::Clips;
use vedette::hub::database::Database;
use vedette::hub::events::snapshots::NewSnapshot;
use vedette::hub::events::{Keeper, Retention, Snapshots};

use super::live::{add, new_event};
use crate::support::postgres;
use crate::support::session::eventually;

async fn number(database: &Database, statement: &'static str) -> i64 {
    sqlx::query(statement).fetch_one(database.pool()).await.unwrap().try_get(0).unwrap()
}

/// The bytes of all events, once as they are counted and once added up.
async fn taken(database: &Database) -> [i64; 2] {
    let counted = number(database, "SELECT bytes FROM arrivals").await;
    let added = "SELECT CAST(COALESCE(SUM(OCTET_LENGTH(body)), 0) AS BIGINT) FROM events";
    [counted, number(database, added).await]
}

/// Stores pictures of 100 KiB, the first the oldest; the name is also what is in it.
async fn add_pictures(database: &Database, snapshots: &Snapshots, names: &[(&str, u8)]) {
    for (received_ns, (name, content)) in names.iter().enumerate() {
        let snapshot = NewSnapshot {
            agent: "gate".to_owned(),
            camera: "door".to_owned(),
            name: (*name).to_owned(),
            jpeg: vec![*content; 100 << 10],
        };
        let file = snapshots.write(std::slice::from_ref(&snapshot)).unwrap().remove(0);
        let mut write = database.write().await.unwrap();
        // Later than any event that is deleted here.
        Snapshots::note(&mut write, &snapshot, &file, i64::MAX - 100 + received_ns as i64).await.unwrap();
        write.commit().await.unwrap();
    }
}

async fn the_oldest_go_where_there_is_too_much(url: &str, folder: &Path) {
    let database = Database::open(url).await.unwrap();
    let snapshots = Snapshots::open(database.clone(), folder, 1 << 20).unwrap();
    for first in (1..=3000u64).step_by(500) {
        let events: Vec<_> = (first..first + 500).map(|seq| new_event("gate", "event", seq, 700)).collect();
        add(&database, &events).await;
    }
    // The same again changes nothing.
    add(&database, &[new_event("gate", "event", 7, 700)]).await;
    let [counted, added] = taken(&database).await;
    assert_eq!(counted, added);
    let pictures: Vec<(String, u8)> = (0..30).map(|n: u8| (format!("door-{n}"), if n == 29 { 0 } else { n })).collect();
    let named: Vec<_> = pictures.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    add_pictures(&database, &snapshots, &named).await;

    let (shutdown, stopping) = Shutdown::new();
    let keep = |events, pictures| Retention {
        // Longer than time has lasted: nothing goes for its age.
        keep_days: u32::MAX,
        max_event_mib: events,
        max_snapshot_mib: pictures,
        ..Retention::default()
    };
    let clips = Clips::open(database.clone(), SystemClock::shared(), &folder.join("clips"), 1 << 20).unwrap();
    let start = |retention| {
        let clock = SystemClock::shared();
        let keeper = Keeper::new(database.clone(), snapshots.clone(), clips.clone(), retention, clock);
        tokio::spawn(keeper.run(stopping.clone()))
    };
    let all = start(keep(Some(8), Some(8)));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(number(&database, "SELECT COUNT(*) FROM events").await, 3000, "there is room for all");
    all.abort();

    let one = start(keep(Some(1), Some(1)));
    let pictures = "SELECT COUNT(*) FROM snapshots";
    eventually("a MiB of pictures", async || number(&database, pictures).await <= 10).await;
    let [counted, added] = taken(&database).await;
    let kept = number(&database, "SELECT COUNT(*) FROM events").await;
    println!("{kept} of 3000 events are kept, {added} bytes; {} pictures", number(&database, pictures).await);
    assert_eq!(counted, added);
    assert!(counted <= 1 << 20, "{counted} bytes are kept");
    assert!(counted > (1 << 20) - 2000, "more than needed was deleted: {counted} bytes are kept");
    assert_eq!(number(&database, "SELECT MIN(number) FROM events").await, 3001 - kept, "the newest are kept");
    // Ten files of 100 KiB fit; one of them has two pictures, of which the elder is gone.
    assert_eq!(number(&database, pictures).await, 10);
    assert!(snapshots.path("gate", "door", "door-29").await.unwrap().is_some_and(|file| file.exists()));
    assert!(snapshots.path("gate", "door", "door-20").await.unwrap().is_some());
    assert!(snapshots.path("gate", "door", "door-19").await.unwrap().is_none());
    drop(shutdown);
    one.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_where_there_is_too_much_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/hub.db", folder.path().display());
    the_oldest_go_where_there_is_too_much(&url, &folder.path().join("snapshots")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_where_there_is_too_much_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    the_oldest_go_where_there_is_too_much(&server.url(), folder.path()).await;
}
