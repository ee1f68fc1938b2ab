//! The store of files: the same on a folder and on a bucket of a real S3 server.

use std::path::Path;

use futures_util::TryStreamExt as _;
use vedette::hub::blobs::BucketError;
use vedette::hub::blobs::{BlobError, BlobName, Blobs, Fault, OpenError, Received, Source};

use crate::support::proxy::Proxy;
use crate::support::s3::{self, S3};

/// Larger than a part of an upload, and no multiple of one.
const LARGE: usize = (20 << 20) + 7;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

/// Runs a test on a folder and, where there is a server, on a bucket.
async fn on_both(limit: u64, test: fn(&Blobs)) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), limit).unwrap();
    tokio::task::spawn_blocking(move || test(&blobs)).await.unwrap();
    let Some(server) = started().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let blobs = bucket(&server, folder.path(), limit).await;
    tokio::task::spawn_blocking(move || test(&blobs)).await.unwrap();
}

async fn started() -> Option<S3> {
    tokio::task::spawn_blocking(s3::start).await.unwrap()
}

async fn bucket(server: &S3, folder: &Path, limit: u64) -> Blobs {
    Blobs::open_bucket(folder, limit, &server.settings("north", server.port)).await.unwrap()
}

fn read(blobs: &Blobs, name: &BlobName) -> Vec<u8> {
    std::fs::read(blobs.local(name).unwrap().unwrap().path()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_pieces_and_is_there_only_when_it_is_whole() {
    on_both(100, |blobs| {
        let name = BlobName::of(b"one two");
        let mut piece = blobs.receive(&name, 0).unwrap();
        assert!(matches!(blobs.receive(&name, 0), Err(BlobError::Busy)));
        piece.write(b"one ").unwrap();
        drop(piece);
        assert_eq!(blobs.state(&name).unwrap(), Received { received: 4, complete: false });
        assert!(blobs.local(&name).unwrap().is_none() && blobs.source(&name).unwrap().is_none());
        assert!(matches!(blobs.receive(&name, 0), Err(BlobError::Offset { received: 4, given: 0 })));
        let mut piece = blobs.receive(&name, 4).unwrap();
        piece.write(b"two").unwrap();
        assert_eq!(piece.finish().unwrap(), Received { received: 7, complete: true });
        assert_eq!(read(blobs, &name), b"one two");
        assert!(matches!(blobs.receive(&name, 7), Err(BlobError::Offset { .. })), "a whole file never changes");
        blobs.remove(&name).unwrap();
        blobs.remove(&name).unwrap();
        assert_eq!(blobs.state(&name).unwrap(), Received { received: 0, complete: false });
        assert!(blobs.local(&name).unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_is_thrown_away_and_one_that_is_too_large_is_not_received() {
    on_both(10, |blobs| {
        let name = BlobName::of(b"one two");
        let mut piece = blobs.receive(&name, 0).unwrap();
        piece.write(b"one 2").unwrap();
        let error = piece.finish().unwrap_err();
        let other = BlobName::of(b"one 2");
        assert!(matches!(&error, BlobError::Digest { found } if found == other.as_str()), "{error}");
        assert_eq!(blobs.state(&name).unwrap().received, 0);
        let mut piece = blobs.receive(&name, 0).unwrap();
        piece.write(b"123456").unwrap();
        assert!(matches!(piece.write(b"7890a"), Err(BlobError::TooLarge { limit: 10 })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_is_put_whole_whatever_an_earlier_attempt_left() {
    on_both(10, |blobs| {
        for content in [&b"one two"[..], b""] {
            let name = BlobName::of(content);
            blobs.receive(&name, 0).unwrap().write(&content[..content.len() / 2]).unwrap();
            for _ in 0..2 {
                assert_eq!(blobs.put(content).unwrap(), name);
                assert_eq!(read(blobs, &name), content);
            }
        }
        assert!(matches!(blobs.put(b"12345678901"), Err(BlobError::TooLarge { limit: 10 })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_the_same_when_it_comes_back() {
    on_both(1 << 30, |blobs| {
        let content = content(LARGE);
        let name = blobs.put(&content).unwrap();
        assert_eq!(blobs.state(&name).unwrap(), Received { received: LARGE as u64, complete: true });
        assert!(read(blobs, &name) == content);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_goes_on_with_is_thrown_away_and_a_whole_file_stays() {
    on_both(10, |blobs| {
        let (part, whole) = (BlobName::of(b"12"), blobs.put(b"345").unwrap());
        blobs.receive(&part, 0).unwrap().write(b"1").unwrap();
        assert_eq!(blobs.sweep(0).unwrap(), 0);
        let going_on = blobs.receive(&part, 1).unwrap();
        assert_eq!(blobs.sweep(i64::MAX).unwrap(), 0, "somebody goes on with it");
        drop(going_on);
        assert_eq!(blobs.sweep(i64::MAX).unwrap(), 1);
        assert_eq!(blobs.state(&part).unwrap().received, 0);
        assert!(blobs.state(&whole).unwrap().complete);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_machine_on_the_bucket_reads_it_whole_and_by_ranges() {
    let Some(server) = started().await else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = bucket(&server, one.path(), 1 << 30).await;
    let content = content(LARGE);
    let name = tokio::task::spawn_blocking({
        let content = content.clone();
        move || first.put(&content).unwrap()
    });
    let name = name.await.unwrap();
    let place = format!("north/{}/{}", &name.as_str()[..2], name.as_str());
    assert_eq!(
        server.objects(),
        std::slice::from_ref(&place),
        "the probes are gone, and the upload in parts has ended"
    );
    assert_eq!(server.uploads(), Vec::<String>::new());
    let second = bucket(&server, two.path(), 1 << 30).await;
    let (found, second, name) =
        tokio::task::spawn_blocking(move || (second.source(&name).unwrap(), second, name)).await.unwrap();
    let Some(Source::Remote(remote)) = found else { panic!("there is no copy yet: {found:?}") };
    let all = remote.length();
    for range in [0..1, all / 2..all / 2 + 9, all - 1..all, 0..all] {
        let pieces: Vec<_> = remote.read(range.clone()).await.unwrap().try_collect().await.unwrap();
        let expected = &content[range.start as usize..range.end as usize];
        assert!(pieces.concat() == expected, "{range:?}");
    }
    tokio::task::spawn_blocking(move || {
        assert!(read(&second, &name) == content);
        assert!(matches!(second.source(&name).unwrap(), Some(Source::File(_))), "now there is a copy");
        server.spoil(&place);
        assert!(read(&second, &name) == content, "a copy was checked when it was made");
        std::fs::remove_file(two.path().join("copies").join(name.as_str())).unwrap();
        let error = second.local(&name).unwrap_err();
        assert!(matches!(error, BlobError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read_dir(two.path().join("copies")).unwrap().count(), 0);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_of_a_killed_hub_is_aborted() {
    let Some(server) = started().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let blobs = bucket(&server, folder.path(), 10).await;
    let name = BlobName::of(b"never sent");
    let place = format!("north/{}/{}", &name.as_str()[..2], name.as_str());
    tokio::task::spawn_blocking(move || {
        std::fs::write(folder.path().join("uploads").join(name.as_str()), server.begin(&place)).unwrap();
        assert_eq!(server.uploads(), [place]);
        assert_eq!(blobs.sweep(0).unwrap(), 1);
        assert_eq!(server.uploads(), Vec::<String>::new());
        assert_eq!(blobs.sweep(0).unwrap(), 0, "and forgotten");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_nothing_is_lost_and_the_end_can_be_sent_again() {
    let Some(server) = started().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(server.port);
    let blobs = Blobs::open_bucket(folder.path(), 1 << 30, &server.settings("north", proxy.port)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let content = content(LARGE);
        let name = BlobName::of(&content);
        let mut piece = blobs.receive(&name, 0).unwrap();
        piece.write(&content).unwrap();
        proxy.refuse(true);
        let error = piece.finish().unwrap_err();
        let BlobError::Bucket(BucketError::Request { fault, .. }) = &error else { panic!("{error}") };
        assert_eq!(*fault, Fault::Unreachable, "{error:?}");
        assert!(matches!(blobs.state(&name), Err(BlobError::Bucket(_))));
        assert!(matches!(blobs.local(&name), Err(BlobError::Bucket(_))));
        proxy.refuse(false);
        assert_eq!(blobs.state(&name).unwrap(), Received { received: LARGE as u64, complete: false });
        assert!(blobs.receive(&name, LARGE as u64).unwrap().finish().unwrap().complete);
        proxy.refuse(true);
        assert!(read(&blobs, &name) == content, "its copy is here");
    })
    .await
    .unwrap();
}

async fn refused(server: &S3, change: impl FnOnce(&mut vedette::hub::blobs::S3)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = server.settings("north", server.port);
    change(&mut settings);
    let error = Blobs::open_bucket(folder.path(), 10, &settings).await.unwrap_err();
    let OpenError::Bucket(error) = error else { panic!("{error}") };
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_start_it_is_said_what_is_wrong_with_the_bucket() {
    let Some(server) = started().await else { return };
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "hunter2\n").unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    let told = refused(&server, |s3| s3.secret_access_key_file = Some(wrong.path().to_owned())).await;
    let place = format!("writing to the bucket packages at {url}");
    assert_eq!(told, format!("{place}: the credentials are wrong, or do not allow it"));
    let told = refused(&server, |s3| s3.access_key_id = Some("AKIANOBODY".to_owned())).await;
    assert_eq!(told, format!("{place}: the credentials are wrong, or do not allow it"));
    let told = refused(&server, |s3| s3.bucket = "nobodys".to_owned()).await;
    assert_eq!(told, format!("writing to the bucket nobodys at {url}: there is no such bucket"));
    let told = refused(&server, |s3| s3.endpoint = Some("http://127.0.0.1:1".to_owned())).await;
    assert_eq!(told, "writing to the bucket packages at http://127.0.0.1:1: the endpoint does not answer");
    let told = refused(&server, |s3| s3.secret_access_key_file = Some("/nowhere".into())).await;
    assert_eq!(told, format!("reading /nowhere for the bucket packages at {url}"));
}
