//! Clips as data: what an agent may say of one, how it is with one, and files against rows.

use std::time::Duration;

use axum::body::Bytes;

use super::*;
use crate::base::clock::SimulatedClock;
use crate::hub::blobs::BlobName;
use crate::hub::database::Database;

const SECOND: i64 = 1_000_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A clip of which so much is here.
pub(super) fn clip(received: i64, size: i64) -> ClipFacts {
    ClipFacts {
        agent: "gate".to_owned(),
        sha256: "0".repeat(64),
        camera: "door".to_owned(),
        episode: "door-7".to_owned(),
        begins_ns: 0,
        ends_ns: 10 * SECOND,
        size,
        received,
        touched_ns: 1000 * SECOND,
        received_ns: (received == size).then_some(1000 * SECOND),
    }
}

fn asked(at_s: i64, code: &str) -> Asked {
    let at_ns = at_s * SECOND;
    let expires_ns = at_ns + 120 * SECOND;
    Asked { by: "night".to_owned(), at_ns, expires_ns, code: code.to_owned(), reason: String::new() }
}

#[test]
fn how_it_is_follows_from_the_latest_word() {
    let state = |clip, asked, now: i64| Told::of(clip, asked, now * SECOND).state;
    assert_eq!(state(None, None, 0), Standing::None);
    assert_eq!(state(None, Some(asked(1000, "")), 1100), Standing::Asked);
    assert_eq!(state(None, Some(asked(1000, "")), 1121), Standing::Unanswered);
    assert_eq!(state(None, Some(asked(1000, "ok")), 1500), Standing::Coming);
    assert_eq!(state(None, Some(asked(1000, "ok")), 1601), Standing::Stuck);
    assert_eq!(state(None, Some(asked(1000, "not-found")), 1001), Standing::Refused);
    assert_eq!(state(Some(clip(5, 10)), None, 1001), Standing::Coming);
    assert_eq!(state(Some(clip(5, 10)), Some(asked(900, "")), 1550), Standing::Coming, "its pieces are the answer");
    assert_eq!(state(Some(clip(5, 10)), Some(asked(900, "failed")), 1001), Standing::Refused, "it gave up on the way");
    assert_eq!(state(Some(clip(5, 10)), None, 1601), Standing::Stuck);
    assert_eq!(state(Some(clip(5, 10)), Some(asked(1700, "")), 1701), Standing::Asked, "asked once more");
    assert_eq!(state(Some(clip(10, 10)), Some(asked(1700, "failed")), 1701), Standing::Here);
}

#[test]
fn what_a_clip_cannot_be_is_told() {
    let good = about(9);
    assert_eq!(good.fault(), None);
    assert!(About { size: 0, ..good.clone() }.fault().is_some());
    assert!(About { ends_ns: good.begins_ns - 1, ..good.clone() }.fault().is_some());
    assert!(About { episode: "a\0b".to_owned(), ..good.clone() }.fault().is_some());
    assert!(About { episode: "x".repeat(257), ..good }.fault().is_some());
}

fn about(size: u64) -> About {
    let (camera, episode) = (Id::new("door").unwrap(), "door-7".to_owned());
    About { camera, episode, begins_ns: SECOND, ends_ns: 2 * SECOND, size }
}

/// The bytes of something that begins as an MP4 does.
fn video(length: usize, filling: u8) -> (BlobName, Bytes) {
    let mut bytes = vec![filling; length];
    bytes[..8].copy_from_slice(b"\0\0\0\x18ftyp");
    (BlobName::of(&bytes), bytes.into())
}

struct Bench {
    folder: tempfile::TempDir,
    clips: Clips,
    database: Database,
    clock: std::sync::Arc<SimulatedClock>,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
    let clock = SimulatedClock::at(1_000 * SECOND);
    let clips = Clips::open(database.clone(), clock.clone(), &folder.path().join("clips"), 1000).unwrap();
    Bench { folder, clips, database, clock }
}

impl Bench {
    async fn send(&self, agent: &Id, offset: u64, about: Option<&About>, piece: Bytes) -> Result<Progress, ClipError> {
        self.clips.receive(agent, &video(900, 1).0, offset, about, piece).await
    }

    fn files(&self, agent: &str) -> usize {
        let mut folders = vec![self.folder.path().join("clips").join(agent)];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files += 1 }
            }
        }
        files
    }
}

#[tokio::test]
async fn a_clip_comes_in_pieces_and_each_says_where_it_begins() {
    let bench = bench().await;
    let (gate, (name, bytes)) = (Id::new("gate").unwrap(), video(900, 1));
    let about = about(900);
    assert_eq!(bench.clips.state(&gate, &name).await.unwrap(), None);
    let later = bench.send(&gate, 400, None, bytes.slice(400..)).await;
    assert!(matches!(later, Err(ClipError::Offset { received: 0, is_whole: false })));
    assert!(matches!(bench.send(&gate, 0, None, bytes.slice(..400)).await, Err(ClipError::Unannounced)));
    let no_mp4 = bench.send(&gate, 0, Some(&about), bytes.slice(20..400)).await;
    assert!(matches!(no_mp4, Err(ClipError::NoMp4)));
    let vast = About { size: 1001, ..about.clone() };
    assert!(matches!(bench.send(&gate, 0, Some(&vast), bytes.slice(..400)).await, Err(ClipError::TooLarge { .. })));

    let part = bench.send(&gate, 0, Some(&about), bytes.slice(..400)).await.unwrap();
    assert_eq!(part, Progress { received: 400, is_whole: false });
    assert!(matches!(bench.clips.whole(&gate, &name).await, Err(ClipError::NoClip { .. })), "half of it is none");
    let again = bench.send(&gate, 0, Some(&about), bytes.slice(..400)).await;
    assert!(matches!(again, Err(ClipError::Offset { received: 400, is_whole: false })));
    let yard = Id::new("yard").unwrap();
    assert_eq!(bench.clips.state(&yard, &name).await.unwrap(), None, "each agent has its own");

    let whole = bench.send(&gate, 400, None, bytes.slice(400..)).await.unwrap();
    assert_eq!(whole, Progress { received: 900, is_whole: true });
    let (facts, file) = bench.clips.whole(&gate, &name).await.unwrap();
    assert_eq!((facts.camera.as_str(), facts.received, facts.is_whole()), ("door", 900, true));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    let overwritten = bench.send(&gate, 0, Some(&about), bytes.slice(..400)).await;
    assert!(matches!(overwritten, Err(ClipError::Offset { received: 900, is_whole: true })));
    assert_eq!(bench.send(&gate, 900, None, Bytes::new()).await.unwrap(), whole, "a last word that was lost");

    std::fs::remove_file(file).unwrap();
    assert_eq!(bench.clips.state(&gate, &name).await.unwrap(), None, "what somebody took away must be sent again");
    bench.send(&gate, 0, Some(&about), bytes.clone()).await.unwrap();
    assert!(bench.clips.whole(&gate, &name).await.is_ok());
}

#[tokio::test]
async fn another_clip_than_it_was_said_to_be_is_thrown_away() {
    let bench = bench().await;
    let (gate, (name, bytes)) = (Id::new("gate").unwrap(), video(900, 2));
    let wrong = bench.send(&gate, 0, Some(&about(900)), bytes.clone()).await;
    assert!(matches!(wrong, Err(ClipError::Blob(crate::hub::blobs::BlobError::Digest { .. }))), "{wrong:?}");
    assert_eq!(bench.clips.state(&gate, &name).await.unwrap(), None);
    bench.send(&gate, 0, Some(&about(900)), bytes.slice(..400)).await.unwrap();
    let more = bench.send(&gate, 400, None, Bytes::from(vec![0; 501])).await;
    assert!(matches!(more, Err(ClipError::Overflow { size: 900 })));
    assert_eq!((bench.files("gate"), bench.clips.state(&gate, &name).await.unwrap()), (0, None));
}

#[tokio::test]
async fn a_hub_that_was_killed_after_the_last_piece_knows_that_it_is_the_last() {
    let bench = bench().await;
    let (gate, (name, bytes)) = (Id::new("gate").unwrap(), video(900, 1));
    bench.send(&gate, 0, Some(&about(900)), bytes).await.unwrap();
    let forgetting = "UPDATE clips SET received = 400, received_ns = NULL";
    sqlx::query(forgetting).execute(bench.database.pool()).await.unwrap();
    assert_eq!(bench.clips.state(&gate, &name).await.unwrap(), Some(Progress { received: 900, is_whole: true }));
    assert!(bench.clips.whole(&gate, &name).await.is_ok());
}

#[tokio::test]
async fn the_oldest_go_and_so_does_what_was_given_up() {
    let bench = bench().await;
    let gate = Id::new("gate").unwrap();
    for filling in 1..=3 {
        let (name, bytes) = video(900, filling);
        bench.clips.receive(&gate, &name, 0, Some(&about(900)), bytes).await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
    let (half, bytes) = video(900, 4);
    bench.clips.receive(&gate, &half, 0, Some(&about(900)), bytes.slice(..300)).await.unwrap();
    assert_eq!(bench.clips.shrink(3000, 10).await.unwrap(), 0, "there is room for all");
    assert_eq!(bench.clips.shrink(2100, 10).await.unwrap(), 1);
    assert!(bench.clips.whole(&gate, &video(900, 1).0).await.is_err());
    assert_eq!(bench.files("gate"), 3);

    bench.clock.advance(DAY);
    assert_eq!(bench.clips.forget(0, 10).await.unwrap(), 0, "a day has not passed for the half one");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.clips.forget(0, 10).await.unwrap(), 1);
    assert_eq!((bench.files("gate"), bench.clips.state(&gate, &half).await.unwrap()), (2, None));
    assert_eq!(
        bench.clips.forget(1_001 * SECOND + 1, 10).await.unwrap(),
        1,
        "the one that came a second after the first"
    );
    assert!(bench.clips.whole(&gate, &video(900, 3).0).await.is_ok());
    assert_eq!(bench.files("gate"), 1);
}
