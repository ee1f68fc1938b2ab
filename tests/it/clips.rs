//! Clips cut of what a camera sends: they begin at the right keyframe, play in a browser, are what their digest says, and
//! come to the hub whatever happens on the way.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use vedette::base::clock::{Clock, SystemClock};
use vedette::client::{Client, ClientError, ClipUpload};
use vedette::decode::{Clip, Info, Muxer, Pace, Settings, Source, Stream, StreamEvent, Tap};
use vedette::evidence::{ClipSettings, Cursor, Folder, Ring, RingLimits, Saved};
use vedette::vocab::{Encoding, Frame, MediaTime, Packet, Secret, VideoCodec};

use crate::hub::browser::Driver;
use crate::support::clip_hub::{ClipHub, Fate};
use crate::support::clips;
use crate::support::rtsp::{Offer, Server};
use crate::support::session::eventually;

/// A ring at the tap of a stream; its media clock is the stream's own.
struct Reel(Mutex<(Ring, Option<String>)>);

impl Reel {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((Ring::new(RingLimits::default()), None))))
    }

    fn ring<T>(&self, look: impl FnOnce(&mut Ring) -> T) -> T {
        look(&mut self.0.lock().unwrap().0)
    }
}

impl Tap for Reel {
    fn encoding(&self, encoding: Arc<Encoding>) {
        self.ring(|ring| ring.begin(encoding));
    }
    fn packet(&self, packet: Packet) {
        self.ring(|ring| {
            let pts = packet.pts;
            ring.push(packet);
            ring.anchor(pts, pts);
        });
    }
    fn unable(&self, why: &str) {
        self.0.lock().unwrap().1 = Some(why.to_owned());
    }
}

/// Watches a source until `enough`, or until it ends.
fn watch(source: &str, reel: &Arc<Reel>, enough: impl Fn(MediaTime) -> bool) -> Info {
    let source = Source::parse(source).unwrap();
    let tap = Some(reel.clone() as Arc<dyn Tap>);
    let mut stream =
        Stream::open(&source, &Settings::default(), &[], SystemClock::shared(), Box::new(|| ()), tap).unwrap();
    let until = SystemClock.mono() + Duration::from_secs(60);
    let info = loop {
        match stream.poll() {
            Some(StreamEvent::Frame(frame)) if enough(frame.pts) => break stream.info(),
            Some(StreamEvent::Frame(_)) => {}
            Some(StreamEvent::Ended) => break stream.info(),
            Some(StreamEvent::Failed(error)) => panic!("{error}"),
            None => std::thread::park_timeout(Duration::from_millis(5)),
        }
        assert!(SystemClock.mono() < until, "{source} does not come so far");
    };
    stream.close(Duration::from_secs(5));
    info
}

/// Cuts what `reel` holds from `from` to `to` into a file of `folder`, in two steps as a writer that follows does.
fn cut(reel: &Reel, folder: &mut Folder, from: MediaTime, to: MediaTime) -> (Cursor, Saved) {
    let draft = folder.draft("gate-door-1-1");
    let mut cursor = reel.ring(|ring| ring.find(from, to)).unwrap();
    let begins = cursor.clone();
    let mut muxer = Muxer::create(&cursor.encoding, draft.path()).unwrap();
    let half = from + to.since(from) / 2;
    for until in [half, to] {
        let reading = reel.ring(|ring| ring.read(&mut cursor, until));
        muxer.push(&reading.packets).unwrap();
    }
    muxer.finish(Duration::from_secs(20)).unwrap();
    (begins, folder.adopt(&draft, true).unwrap())
}

fn open(folder: &Path) -> Folder {
    Folder::open_clips(&ClipSettings { folder: folder.to_owned(), ..ClipSettings::default() }, &|_| false).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every picture of a file.
fn play(path: &Path) -> Vec<Frame> {
    Clip::open(&Source::file(path), &Settings::default(), Pace::Max).unwrap().map(Result::unwrap).collect()
}

/// The boxes at the top of an MP4 file.
fn boxes(bytes: &[u8]) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + 8 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        found.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += length.max(8);
    }
    found
}

const fn secs(seconds: u64) -> MediaTime {
    MediaTime::from_millis(seconds * 1000)
}

#[test]
fn a_clip_of_a_camera_begins_at_most_one_group_before_the_asked_time_and_is_what_its_digest_says() {
    // A keyframe a second.
    let server = Server::start(Offer::h264(640, 360, 10));
    let reel = Reel::new();
    let info = watch(&server.url(), &reel, |pts| pts >= secs(7));
    let temp = tempfile::tempdir().unwrap();
    let mut folder = open(temp.path());
    let (from, to) = (MediaTime::from_millis(2_450), MediaTime::from_millis(5_500));
    let (begins, saved) = cut(&reel, &mut folder, from, to);
    let early = from.since(begins.begins);
    println!("{} bytes of {info:?}, {early:?} before the asked time", saved.bytes);
    assert!(begins.begins <= from && early <= Duration::from_millis(1_050), "{early:?} before");
    let path = temp.path().join(&saved.name);
    let bytes = fs::read(&path).unwrap();
    assert_eq!((sha256(&bytes), bytes.len() as u64), (saved.sha256, saved.bytes));
    let boxes = boxes(&bytes);
    assert_eq!(boxes[..2], ["ftyp", "moov"], "{boxes:?}");
    assert!(boxes.iter().filter(|name| *name == "moof").count() >= 3, "a fragment a second: {boxes:?}");
    let frames = play(&path);
    assert!(frames[0].keyframe && frames[0].pts == MediaTime::ZERO, "{:?}", frames[0]);
    let shown = frames.last().unwrap().pts;
    let wanted = to.since(begins.begins);
    assert!(shown.as_secs_f64() > wanted.as_secs_f64() - 0.25 && shown.as_secs_f64() <= wanted.as_secs_f64() + 0.05);
    assert_eq!((frames[0].width, frames[0].height), (640, 360));
}

#[test]
fn pictures_that_refer_to_later_ones_and_h265_are_kept_whole() {
    let temp = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=320,height=240,framerate=25/1";
    let kinds = [
        ("b.mkv", "x264enc bframes=3 b-adapt=false key-int-max=25 ! h264parse ! matroskamux", VideoCodec::H264),
        ("hevc.mkv", "x265enc speed-preset=ultrafast key-int-max=25 ! h265parse ! matroskamux", VideoCodec::H265),
    ];
    for (name, encoder, codec) in kinds {
        let film = clips::make(temp.path(), name, 150, caps, encoder);
        let reel = Reel::new();
        watch(film.to_str().unwrap(), &reel, |_| false);
        let mut folder = open(temp.path());
        let (begins, saved) = cut(&reel, &mut folder, secs(1), secs(4));
        assert_eq!((begins.encoding.codec, begins.encoding.size), (codec, (320, 240)), "{name}");
        let frames = play(&temp.path().join(&saved.name));
        println!("{name}: from {:?}, {} pictures in {} bytes", begins.begins, frames.len(), saved.bytes);
        assert!((70..=102).contains(&frames.len()), "{name}: {} pictures", frames.len());
        let steps: Vec<u128> = frames.windows(2).map(|pair| pair[1].pts.since(pair[0].pts).as_millis()).collect();
        let odd = steps.iter().filter(|step| !(39..=41).contains(*step)).count();
        assert!(odd <= 3, "{name}: {steps:?}");
    }
}

#[test]
fn a_stream_without_packets_that_can_be_kept_says_so() {
    let source = "scene://street?fps=10";
    let reel = Reel::new();
    watch(source, &reel, |_| true);
    assert!(reel.0.lock().unwrap().1.as_ref().unwrap().contains("only H.264 and H.265"), "{source}");
    let temp = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=320,height=240,framerate=25/1";
    let film = clips::make(temp.path(), "mjpeg.avi", 10, caps, "jpegenc ! avimux");
    let reel = Reel::new();
    watch(film.to_str().unwrap(), &reel, |_| true);
    assert!(reel.0.lock().unwrap().1.as_ref().unwrap().contains("mjpeg"));
    assert_eq!(reel.ring(|ring| ring.bytes()), 0);
}

/// Serves one file, whole or a range of it, and a page that shows it.
async fn serve(file: Vec<u8>) -> String {
    async fn clip(State(file): State<Arc<Vec<u8>>>, headers: HeaderMap) -> Response {
        let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
        let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let kind = (header::CONTENT_TYPE, "video/mp4".to_owned());
        let Some((from, to)) = range else {
            return ([kind, (header::ACCEPT_RANGES, "bytes".to_owned())], Body::from(file.to_vec())).into_response();
        };
        let from: usize = from.parse().unwrap();
        let to = to.parse().unwrap_or(file.len() - 1).min(file.len() - 1);
        let said = (header::CONTENT_RANGE, format!("bytes {from}-{to}/{}", file.len()));
        (StatusCode::PARTIAL_CONTENT, [kind, said], Body::from(file[from..=to].to_vec())).into_response()
    }
    let page = || async { Html("<!doctype html><video src=/clip.mp4 muted autoplay></video>") };
    let app = Router::new().route("/", get(page)).route("/clip.mp4", get(clip)).with_state(Arc::new(file));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_plays_in_a_real_browser_and_can_be_gone_through() {
    let Some(driver) = Driver::start().await else { return };
    let file = tokio::task::spawn_blocking(|| {
        let server = Server::start(Offer::h264(640, 360, 10));
        let reel = Reel::new();
        watch(&server.url(), &reel, |pts| pts >= secs(6));
        let temp = tempfile::tempdir().unwrap();
        let (_, saved) = cut(&reel, &mut open(temp.path()), secs(1), secs(5));
        fs::read(temp.path().join(saved.name)).unwrap()
    });
    let url = serve(file.await.unwrap()).await;
    let browser = driver.browser().await;
    browser.goto(&url).await.unwrap();
    let state = "const v = document.querySelector('video'); \
        return [v.error && v.error.message, v.videoWidth, v.videoHeight, v.currentTime, v.ended, v.duration]";
    let asked = async || browser.execute(state, Vec::new()).await.unwrap();
    eventually("the clip plays", async || {
        let said = asked().await;
        assert!(said[0].is_null(), "{said}");
        said[3].as_f64().unwrap() > 1.0
    })
    .await;
    let said = asked().await;
    println!("while it plays: {said}");
    assert_eq!((said[1].as_u64(), said[2].as_u64()), (Some(640), Some(360)), "{said}");
    let duration = said[5].as_f64().unwrap_or(f64::INFINITY);
    assert!((3.5..=5.5).contains(&duration), "its length is known: {said}");
    browser.execute("document.querySelector('video').currentTime = 3", Vec::new()).await.unwrap();
    eventually("it plays to its end", async || {
        let said = asked().await;
        assert!(said[0].is_null(), "{said}");
        said[4] == true
    })
    .await;
    browser.close().await.unwrap();
}

/// A file of two and a half pieces, and its digest.
fn some_clip(folder: &Path) -> (std::path::PathBuf, Vec<u8>, String) {
    let mut random = fastrand::Rng::with_seed(11);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5 << 19).collect();
    let path = folder.join("gate-door-1-1.mp4");
    fs::write(&path, &bytes).unwrap();
    let digest = sha256(&bytes);
    (path, bytes, digest)
}

fn upload(hub: &ClipHub, path: &Path, bytes: u64, sha256: &str) -> Result<(), ClientError> {
    let client = Client::new(&hub.url(), Secret::new("vedette_canary"), None).unwrap();
    client.upload_clip(&ClipUpload {
        agent: "gate",
        sha256,
        bytes,
        camera: "door",
        episode: "gate-door-1-1",
        begins: "2026-11-23T12:00:00.000Z",
        ends: "2026-11-23T12:00:10.000Z",
        file: path,
    })
}

#[test]
fn a_clip_comes_to_the_hub_whatever_happens_to_its_pieces() {
    let temp = tempfile::tempdir().unwrap();
    let (path, bytes, digest) = some_clip(temp.path());
    let cases: [(&[Fate], &[u64]); 6] = [
        (&[], &[0, 1 << 20, 2 << 20]),
        (&[Fate::Taken, Fate::Cut], &[0, 1 << 20, 3 << 19, 5 << 19]),
        (&[Fate::Unsaid], &[0, 1 << 20, 2 << 20]),
        (&[Fate::Taken, Fate::Forgotten], &[0, 1 << 20, 1 << 19, 3 << 19]),
        (&[Fate::Taken, Fate::Damaged], &[0, 1 << 20, 2 << 20, 0, 1 << 20, 2 << 20]),
        (&[Fate::Taken, Fate::Refused(503)], &[0, 1 << 20, 1 << 20, 2 << 20]),
    ];
    for (fates, offsets) in cases {
        let hub = ClipHub::start(fates);
        upload(&hub, &path, bytes.len() as u64, &digest).unwrap_or_else(|error| panic!("{fates:?}: {error}"));
        hub.look(|book| {
            assert!(book.complete && book.bytes == bytes, "{fates:?}");
            let expected = offsets.iter().filter(|offset| **offset < bytes.len() as u64);
            assert!(book.offsets.iter().eq(expected), "{fates:?}: {:?}", book.offsets);
            let query = "bytes=2621440&camera=door&episode=gate-door-1-1&begins=2026-11-23T12%3A00%3A00.000Z&\
                ends=2026-11-23T12%3A00%3A10.000Z&mime=video%2Fmp4";
            assert!(book.queries.iter().all(|said| plain(said) == plain(query)), "{:?}", book.queries);
            assert!(book.paths.iter().all(|path| *path == format!("/api/v1/clips/gate/{digest}")));
            assert!(book.tokens.iter().all(|token| token == "Bearer vedette_canary"));
        });
        // What is there is not sent again.
        let pieces = hub.look(|book| book.offsets.len());
        upload(&hub, &path, bytes.len() as u64, &digest).unwrap();
        assert_eq!(hub.look(|book| book.offsets.len()), pieces, "{fates:?}");
    }
}

/// A query as it is understood, however it is written.
fn plain(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[test]
fn a_hub_that_does_not_take_a_clip_is_an_error_that_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let (path, bytes, digest) = some_clip(temp.path());
    for status in [401, 403, 413] {
        let hub = ClipHub::start(&[Fate::Refused(status)]);
        let error = upload(&hub, &path, bytes.len() as u64, &digest).unwrap_err();
        assert!(matches!(error, ClientError::Refused { status: said, .. } if said == status), "{error}");
        assert!(!error.may_pass() && !error.to_string().contains("canary"));
    }
    let hub = ClipHub::start(&[Fate::Damaged, Fate::Taken, Fate::Taken, Fate::Damaged]);
    let error = upload(&hub, &path, bytes.len() as u64, &digest).unwrap_err();
    assert!(matches!(error, ClientError::Mismatch { .. }), "{error}");
    let hub = ClipHub::start(&[Fate::Refused(500); 40]);
    let error = upload(&hub, &path, bytes.len() as u64, &digest).unwrap_err();
    assert!(error.may_pass(), "{error}");
    fs::remove_file(&path).unwrap();
    let error = upload(&hub, &path, bytes.len() as u64, &digest).unwrap_err();
    assert!(matches!(error, ClientError::File { .. }), "{error}");
}
