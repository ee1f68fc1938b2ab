//! Galleries from a hub that has them, cuts them off, lies, or was taken over.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base::clock::SystemClock;
use crate::config::Hub;
use crate::identify::Embedding;
use crate::identify::gallery::audit::Action;
use crate::identify::gallery::{Change, Enrolment, Gallery, Known, MOST_BYTES, Template, seal};
use crate::model::sha256_hex;
use crate::vocab::Id;

const NOW: WallTime = WallTime::from_unix_nanos(1_800_000_000_000_000_000);

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn key(fill: u8) -> Key {
    Key::from_bytes([fill; 32])
}

/// What the hub has and does.
#[derive(Default)]
struct Book {
    /// What it says; nothing where it has no gallery.
    offer: Value,
    file: Vec<u8>,
    /// After how many bytes the next file is cut off.
    cut: Option<usize>,
    is_away: bool,
    /// The ranges of files that were asked for.
    ranges: Vec<String>,
}

/// A hub that has one gallery.
struct FakeHub {
    port: u16,
    book: Arc<Mutex<Book>>,
}

impl FakeHub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, book) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Book>>::default());
        let shared = book.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &mut shared.lock().unwrap());
            }
        });
        Self { port, book }
    }

    fn offer(&self, revision: u64, file: &[u8]) {
        let mut book = self.book.lock().unwrap();
        book.offer = json!({"name": "people", "revision": revision, "sha256": sha256_hex(file), "size": file.len()});
        book.file = file.to_vec();
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book.lock().unwrap());
    }

    fn ranges(&self) -> Vec<String> {
        self.book.lock().unwrap().ranges.clone()
    }
}

fn answer(mut stream: TcpStream, book: &mut Book) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    if book.is_away {
        return;
    }
    let respond = |stream: &mut TcpStream, status: &str, length: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    };
    if request.contains("/api/v1/galleries/people") {
        let body = match &book.offer {
            Value::Null => return respond(&mut stream, "404 Not Found", 22, b"{\"error\":\"none is here\"}"),
            offer => offer.to_string(),
        };
        return respond(&mut stream, "200 OK", body.len(), body.as_bytes());
    }
    let range = headers.iter().find_map(|line| line.to_lowercase().strip_prefix("range: ").map(str::to_owned)).unwrap();
    let begin: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    book.ranges.push(range);
    let rest = &book.file[begin.min(book.file.len())..];
    let sent = book.cut.take().map_or(rest, |cut| &rest[..cut]);
    respond(&mut stream, "206 Partial Content", rest.len(), sent);
}

/// Where the gallery is kept, and a box that takes it from a hub.
struct Bench {
    folder: tempfile::TempDir,
    hub: FakeHub,
    centre: Store,
    shared: Shared,
}

impl Bench {
    fn new() -> Self {
        let (folder, hub) = (tempfile::tempdir().unwrap(), FakeHub::start());
        fs::create_dir(folder.path().join("box")).unwrap();
        fs::write(folder.path().join("token"), "a token\n").unwrap();
        let centre = Store::new(&folder.path().join("people.gallery"), key(1));
        Self { folder, hub, centre, shared: Shared::new(id("people")) }
    }

    fn updater(&self) -> Updater {
        let hub = Hub {
            url: format!("http://127.0.0.1:{}", self.hub.port),
            token_file: self.folder.path().join("token"),
            ca_file: None,
            keys: Vec::new(),
        };
        let from_hub = FromHub { gallery: id("people"), every: Duration::from_secs(60), hub };
        let settings = Settings { from_hub, file: self.file(), key: key(1), space: "s".to_owned() };
        Updater::new(settings, SystemClock::shared())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("box/people.gallery")
    }

    /// Changes the gallery where it is kept, and publishes that.
    fn publish(&self, action: Action, who: &str, face: [f32; 3]) -> Vec<u8> {
        let change = Change { who: "eve".to_owned(), at: NOW, action, person: Some(id(who)), detail: String::new() };
        let changed = self.centre.change::<StoreError>("s", change, |gallery| {
            if action == Action::Remove {
                assert!(gallery.remove(&id(who)));
                return Ok(());
            }
            let embedding = Embedding::new(&"s".into(), &face).unwrap();
            let template = Template { vector: embedding.unit().to_vec(), worth: 0.5, source: "a.jpg".to_owned() };
            let enrolment = Enrolment { id: id(who), name: None, lists: Vec::new(), expires: None };
            gallery.enrol(enrolment, &[(embedding, template)], 0.5, NOW).unwrap();
            Ok(())
        });
        let bytes = fs::read(self.folder.path().join("people.gallery")).unwrap();
        self.hub.offer(changed.unwrap().revision, &bytes);
        bytes
    }

    fn round(&self, updater: &mut Updater) -> Result<Step, String> {
        updater.round(&self.shared).map_err(|error| error_chain(&error))
    }

    /// Who is known on the box.
    fn people(&self) -> Vec<String> {
        let gallery = Store::new(&self.file(), key(1)).received().read().unwrap();
        gallery.people.iter().map(|person| person.id.to_string()).collect()
    }

    fn health(&self) -> GalleryHealth {
        self.shared.lock().health.clone()
    }

    fn leftovers(&self) -> usize {
        let names = fs::read_dir(self.folder.path().join("box")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains("incoming")).count()
    }
}

#[test]
fn a_box_has_what_was_published_last_and_who_was_removed_is_gone() {
    let bench = Bench::new();
    let mut updater = bench.updater();
    assert!(bench.round(&mut updater).unwrap_err().contains("none is here"));
    assert_eq!((bench.health().offered, bench.health().asked.is_some()), (None, true));
    bench.publish(Action::Enrol, "ann", [1.0, 0.0, 0.0]);
    let old = bench.publish(Action::Enrol, "bob", [0.0, 1.0, 0.0]);
    assert_eq!(bench.round(&mut updater), Ok(Step::Fetch));
    assert_eq!(bench.people(), ["ann", "bob"]);
    assert_eq!(bench.round(&mut updater), Ok(Step::Nothing));
    assert_eq!(bench.hub.ranges().len(), 1, "what is here is not fetched again");
    bench.publish(Action::Remove, "ann", [0.0; 3]);
    assert_eq!(bench.round(&mut updater), Ok(Step::Fetch));
    assert_eq!(
        (bench.people(), bench.health().has, bench.health().offered),
        (vec!["bob".to_owned()], Some(3), Some(3))
    );

    // The hub, or somebody who has it, offers the older one again: as what it is, and as what it is not.
    bench.hub.offer(2, &old);
    assert!(bench.round(&mut updater).unwrap_err().contains("revision 3 was here"));
    assert_eq!(bench.hub.ranges().len(), 2, "it is not even fetched");
    bench.hub.offer(4, &old);
    assert!(bench.round(&mut updater).unwrap_err().contains("offered revision 4 and sent revision 2"));
    assert_eq!((bench.people(), bench.health().has, bench.leftovers()), (vec!["bob".to_owned()], Some(3), 0));
    // Nor does it come back where the file is lost and the agent was started anew.
    fs::remove_file(bench.file()).unwrap();
    let mut updater = bench.updater();
    bench.hub.offer(2, &old);
    assert!(bench.round(&mut updater).unwrap_err().contains("revision 3 was here"));
}

#[test]
fn what_another_key_sealed_or_another_model_made_leaves_the_old_one_in_use_and_is_fetched_once() {
    let bench = Bench::new();
    let mut updater = bench.updater();
    bench.publish(Action::Enrol, "ann", [1.0, 0.0, 0.0]);
    bench.round(&mut updater).unwrap();
    let gallery = |space: &str| Gallery { revision: 9, ..Gallery::new(space) };
    for (file, why) in [
        (seal(&gallery("s"), &key(2), [7; 12]).unwrap(), "the key does not open it"),
        (seal(&gallery("t"), &key(1), [7; 12]).unwrap(), "another embedding model: t, not s"),
        (b"no gallery at all".to_vec(), "it is no gallery"),
    ] {
        bench.hub.offer(9, &file);
        let before = bench.hub.ranges().len();
        for _ in 0..3 {
            let told = bench.round(&mut updater).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert_eq!((bench.hub.ranges().len(), bench.leftovers()), (before + 1, 0), "{why}");
        assert_eq!((bench.people(), bench.health().has), (vec!["ann".to_owned()], Some(1)), "{why}");
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off_when_the_hub_is_back() {
    let bench = Bench::new();
    let mut updater = bench.updater();
    let file = bench.publish(Action::Enrol, "ann", [1.0, 0.0, 0.0]);
    let cut = file.len() / 2;
    bench.hub.change(|book| book.cut = Some(cut));
    assert_eq!(bench.round(&mut updater), Ok(Step::Fetch));
    assert_eq!(bench.hub.ranges(), ["bytes=0-".to_owned(), format!("bytes={cut}-")]);

    // And over a restart of the agent.
    let file = bench.publish(Action::Enrol, "bob", [0.0, 1.0, 0.0]);
    let part = bench.updater().incoming(&sha256_hex(&file)).with_added_extension("part");
    fs::write(&part, &file[..100]).unwrap();
    bench.hub.change(|book| book.is_away = true);
    bench.round(&mut updater).unwrap_err();
    assert!(part.exists());
    bench.hub.change(|book| book.is_away = false);
    assert_eq!(bench.round(&mut bench.updater()), Ok(Step::Fetch));
    assert_eq!(bench.hub.ranges()[2..], ["bytes=100-"]);
    assert_eq!((bench.people(), bench.leftovers()), (vec!["ann".to_owned(), "bob".to_owned()], 0));
}

#[test]
fn what_arrives_damaged_and_what_was_begun_of_an_older_one_is_thrown_away() {
    let bench = Bench::new();
    let mut updater = bench.updater();
    let older = bench.updater().incoming(&"0".repeat(64)).with_added_extension("part");
    fs::write(&older, b"the beginning of a gallery in which somebody is who was removed").unwrap();
    let file = bench.publish(Action::Enrol, "ann", [1.0, 0.0, 0.0]);
    bench.hub.change(|book| book.file[20] ^= 1);
    assert!(bench.round(&mut updater).unwrap_err().contains("another file"));
    assert_eq!(bench.leftovers(), 0);
    bench.hub.change(|book| book.file = file);
    assert_eq!(bench.round(&mut updater), Ok(Step::Fetch), "it may have been the line");
}

#[test]
fn an_answer_that_is_no_offer_is_refused_whatever_it_names() {
    let good = json!({"revision": 2, "sha256": "0".repeat(64), "size": 5, "name": "people"});
    assert_eq!(Offer::read(good.clone()).unwrap().revision, 2);
    for (field, value) in [
        ("sha256", json!("../../../etc/passwd")),
        ("sha256", json!(format!("{}/", "0".repeat(63)))),
        ("revision", json!(-1)),
        ("size", json!("5")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(Offer::read(bad), Err(Refusal::Answer));
    }
    assert_eq!(Offer::read(Value::Null), Err(Refusal::Answer));
    let large = Offer { revision: 2, sha256: String::new(), size: MOST_BYTES as u64 + 1 };
    assert_eq!(consider(&large, &Held::default()), Err(Refusal::TooLarge(MOST_BYTES as u64 + 1)));
}

#[test]
fn two_of_one_revision_are_not_exchanged_and_a_lost_one_may_come_again() {
    let offer = Offer { revision: 5, sha256: "b".repeat(64), size: 9 };
    let held = |has, sha256: &str| Held { known: Known { highest: Some(5), has }, sha256: Some(sha256.to_owned()) };
    assert_eq!(consider(&offer, &held(Some(5), &"b".repeat(64))), Ok(Step::Nothing));
    assert_eq!(consider(&offer, &held(Some(5), &"a".repeat(64))), Err(Refusal::Another(5)));
    assert_eq!(consider(&offer, &held(Some(3), &"a".repeat(64))), Ok(Step::Fetch), "somebody put an older one there");
    let older = Offer { revision: 3, sha256: "a".repeat(64), size: 9 };
    let refused = Refusal::Older { offered: 3, highest: 5 };
    assert_eq!(consider(&older, &held(Some(3), &"a".repeat(64))), Err(refused), "the hub has that older one too");
    assert_eq!(consider(&offer, &Held { known: Known { highest: Some(5), has: None }, sha256: None }), Ok(Step::Fetch));
}

proptest! {
    /// Whatever the hub says and sends, nothing older than what was here is ever taken.
    #[test]
    fn no_hub_brings_a_revision_back(steps in proptest::collection::vec((0u64..9, 0u64..9, any::<bool>()), 1..40)) {
        let mut known = Known::default();
        for (offered, sent, is_lost) in steps {
            if is_lost {
                known.has = None;
            }
            let offer = Offer { revision: offered, sha256: format!("{offered:064}"), size: 1 };
            let held = Held { known, sha256: None };
            let gallery = Gallery { revision: sent, ..Gallery::new("s") };
            if consider(&offer, &held) == Ok(Step::Fetch) && judge(&gallery, &offer, known, "s").is_ok() {
                prop_assert!(known.highest.is_none_or(|highest| sent >= highest));
                prop_assert!(known.has.is_none_or(|has| sent > has));
                known = Known { highest: Some(sent), has: Some(sent) };
            }
        }
    }
}
