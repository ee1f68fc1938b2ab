//! Galleries: sealed and opened, changed on the disk, rolled back, cut, crashed, and hostile bytes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::identify::gallery::audit::Action;
use proptest::prelude::*;

const NOW: WallTime = WallTime::from_unix_nanos(1_800_000_000_000_000_000);

fn key(fill: u8) -> Key {
    Key::from_bytes([fill; 32])
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn face(space: &str, raw: &[f32]) -> (Embedding, Template) {
    let space: Arc<str> = space.into();
    let embedding = Embedding::new(&space, raw).unwrap();
    let template = Template { vector: embedding.unit().to_vec(), worth: 0.5, source: "a.jpg".to_owned() };
    (embedding, template)
}

fn enrolment(who: &str) -> Enrolment {
    Enrolment { id: id(who), name: Some(who.to_uppercase()), lists: vec![id("staff")], expires: None }
}

fn with(people: &[(&str, [f32; 3])]) -> Gallery {
    let mut gallery = Gallery::new("s");
    for (who, raw) in people {
        gallery.enrol(enrolment(who), &[face("s", raw)], 0.5, NOW).unwrap();
    }
    gallery
}

fn change(action: Action, who: &str, seconds: i64) -> Change {
    Change {
        who: "root".to_owned(),
        at: WallTime::from_unix_nanos(seconds * 1_000_000_000),
        action,
        person: Some(id(who)),
        detail: "by hand".to_owned(),
    }
}

fn enrolled(store: &Store, who: &str, raw: [f32; 3], expires: Option<i64>, seconds: i64) -> Gallery {
    store
        .change::<StoreError>("s", change(Action::Enrol, who, seconds), |gallery| {
            gallery.enrol(Enrolment { expires, ..enrolment(who) }, &[face("s", &raw)], 0.5, NOW).unwrap();
            Ok(())
        })
        .unwrap()
}

#[test]
fn people_stand_in_order_and_who_is_enrolled_again_has_more_vectors() {
    let mut gallery = with(&[("bob", [0.0, 1.0, 0.0]), ("ann", [1.0, 0.0, 0.0])]);
    assert_eq!(gallery.people.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["ann", "bob"]);
    let again = Enrolment { id: id("ann"), name: None, lists: Vec::new(), expires: Some(9) };
    gallery.enrol(again, &[face("s", &[0.9, 0.1, 0.0])], 0.5, NOW).unwrap();
    let ann = gallery.person(&id("ann")).unwrap();
    assert_eq!((ann.templates.len(), ann.name.as_str(), ann.lists.len(), ann.expires), (2, "ANN", 1, Some(9)));
    assert!(gallery.remove(&id("ann")) && !gallery.remove(&id("ann")));
}

#[test]
fn who_looks_like_somebody_else_or_not_like_himself_is_not_enrolled() {
    let mut gallery = with(&[("ann", [1.0, 0.0, 0.0])]);
    let before = gallery.clone();
    let taken = gallery.enrol(enrolment("bob"), &[face("s", &[0.9, 0.1, 0.0])], 0.5, NOW).unwrap_err();
    assert!(taken.to_string().contains("looks like ann"), "{taken}");
    let stranger = gallery.enrol(enrolment("ann"), &[face("s", &[0.0, 1.0, 0.0])], 0.5, NOW).unwrap_err();
    assert!(stranger.to_string().contains("does not look like the other pictures of ann"), "{stranger}");
    let other = gallery.enrol(enrolment("bob"), &[face("t", &[0.0, 1.0, 0.0])], 0.5, NOW).unwrap_err();
    assert!(matches!(other, EnrolError::Space(_)));
    let many: Vec<_> = (0..17).map(|_| face("s", &[0.0, 1.0, 0.0])).collect();
    let full = gallery.enrol(enrolment("bob"), &many, 0.5, NOW).unwrap_err();
    assert!(matches!(full, EnrolError::Full { found: 17, most: 16, .. }));
    assert_eq!(gallery, before, "nothing of it was kept");
}

#[test]
fn a_file_opens_with_its_key_alone_and_shows_nothing_without() {
    let gallery = with(&[("ann", [1.0, 0.0, 0.0])]);
    let file = seal(&gallery, &key(1), [7; 12]).unwrap();
    assert_eq!(open(&file, &key(1)), Ok(gallery));
    assert_eq!(open(&file, &key(2)), Err(FormatError::Sealed));
    assert_eq!(head(&file), Ok(Head { space: "s".to_owned(), revision: 0 }));
    let shown = String::from_utf8_lossy(&file);
    assert!(!shown.contains("ann") && !shown.contains("ANN") && !shown.contains("staff"));
}

/// The format of files that are out there: a change of it needs a new version.
#[test]
fn the_format_is_what_it_was() {
    let file = seal(&Gallery::new("s"), &key(1), [7; 12]).unwrap();
    let hex = crate::model::hex::encode(&file);
    insta::assert_snapshot!(hex);
    assert_eq!(open(&file, &key(1)), Ok(Gallery::new("s")));
}

#[test]
fn impossible_content_is_refused_even_where_it_is_sealed_with_the_right_key() {
    let template = Template { vector: vec![2.0, 0.0], worth: 1.0, source: String::new() };
    let mut gallery = with(&[("ann", [1.0, 0.0, 0.0]), ("bob", [0.0, 1.0, 0.0])]);
    gallery.people[0].templates.push(template);
    assert!(matches!(seal(&gallery, &key(1), [7; 12]), Err(FormatError::Content(_))));
    let mut gallery = with(&[("ann", [1.0, 0.0, 0.0]), ("bob", [0.0, 1.0, 0.0])]);
    gallery.people.swap(0, 1);
    assert!(matches!(seal(&gallery, &key(1), [7; 12]), Err(FormatError::Content(_))));
}

proptest! {
    #[test]
    fn any_changed_byte_is_noticed(at in 0usize..4096, bit in 0u8..8) {
        let mut file = seal(&with(&[("ann", [1.0, 0.0, 0.0])]), &key(1), [7; 12]).unwrap();
        let at = at % file.len();
        file[at] ^= 1 << bit;
        prop_assert!(open(&file, &key(1)).is_err());
    }

    #[test]
    fn a_file_that_breaks_off_or_is_anything_else_is_an_error(
        length in 0usize..400, noise in proptest::collection::vec(any::<u8>(), 0..200), starts_right in any::<bool>(),
    ) {
        let file = seal(&with(&[("ann", [1.0, 0.0, 0.0])]), &key(1), [7; 12]).unwrap();
        prop_assert!(open(&file[..length.min(file.len() - 1)], &key(1)).is_err());
        let start: &[u8] = if starts_right { b"VEDGALRY\x01\x00" } else { b"" };
        prop_assert!(open(&[start, &noise].concat(), &key(1)).is_err());
    }

    #[test]
    fn what_is_sealed_is_what_is_opened(
        people in proptest::collection::btree_map("[a-z]{1,9}", proptest::array::uniform8(0.01f32..1.0), 0..6),
        revision in any::<u64>(), nonce in any::<[u8; 12]>(),
    ) {
        let people = people.into_iter().map(|(who, raw)| Person {
            id: id(&who),
            name: format!("{who} Ü\u{1f600}"),
            lists: Vec::new(),
            created: -5,
            expires: None,
            templates: vec![face("s", &raw).1],
        });
        let gallery = Gallery { revision, people: people.collect(), ..Gallery::new("s") };
        let file = seal(&gallery, &key(9), nonce).unwrap();
        prop_assert_eq!(open(&file, &key(9)), Ok(gallery));
    }
}

fn store(folder: &Path) -> Store {
    Store::new(&folder.join("people.gallery"), key(1))
}

#[test]
fn each_change_is_written_logged_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    assert!(matches!(store.read(), Err(StoreError::Missing { .. })));
    enrolled(&store, "ann", [1.0, 0.0, 0.0], None, 10);
    enrolled(&store, "bob", [0.0, 1.0, 0.0], None, 20);
    let removed = store
        .change::<StoreError>("s", change(Action::Remove, "ann", 30), |gallery| {
            assert!(gallery.remove(&id("ann")));
            Ok(())
        })
        .unwrap();
    assert_eq!((removed.revision, removed.people.len()), (3, 1));
    store.note(&removed, change(Action::Match, "bob", 40)).unwrap();
    assert_eq!(store.read().unwrap(), removed);
    let lines = store.lines().unwrap();
    let told: Vec<_> = lines.iter().map(|l| (l.entry.action, l.entry.revision, l.entry.at.as_str())).collect();
    assert_eq!(told[0], (Action::Enrol, 1, "1970-01-01T00:00:10.000Z"));
    assert_eq!(told[3], (Action::Match, 3, "1970-01-01T00:00:40.000Z"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(store.log()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let before = enrolled(&store, "ann", [1.0, 0.0, 0.0], None, 10);
    let failed = store.change::<StoreError>("s", change(Action::Remove, "ann", 20), |gallery| {
        gallery.people.clear();
        Err(StoreError::Random)
    });
    assert!(failed.is_err());
    assert_eq!((store.read().unwrap(), store.lines().unwrap().len()), (before, 1));
}

#[test]
fn whose_time_has_run_out_is_forgotten_with_the_next_change() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    enrolled(&store, "ann", [1.0, 0.0, 0.0], Some(15), 10);
    let gallery = enrolled(&store, "bob", [0.0, 1.0, 0.0], None, 20);
    assert_eq!(gallery.people.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["bob"]);
    let told: Vec<_> = store.lines().unwrap().into_iter().map(|l| (l.entry.action, l.entry.person)).collect();
    let expected = [(Action::Enrol, "ann"), (Action::Expire, "ann"), (Action::Enrol, "bob")];
    assert_eq!(told, expected.map(|(action, who)| (action, Some(id(who)))));
    store.read().unwrap();
}

#[test]
fn an_older_copy_in_its_place_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    enrolled(&store, "ann", [1.0, 0.0, 0.0], None, 10);
    let copy = fs::read(folder.path().join("people.gallery")).unwrap();
    store
        .change::<StoreError>("s", change(Action::Remove, "ann", 20), |gallery| {
            gallery.remove(&id("ann"));
            Ok(())
        })
        .unwrap();
    fs::write(folder.path().join("people.gallery"), copy).unwrap();
    assert!(matches!(store.read(), Err(StoreError::RolledBack { found: 1, known: 2, .. })));
    // Nor does somebody get round it who takes the gallery away: its revisions go on.
    fs::remove_file(folder.path().join("people.gallery")).unwrap();
    assert_eq!(enrolled(&store, "bob", [0.0, 1.0, 0.0], None, 30).revision, 3);
}

#[test]
fn a_log_that_was_cut_or_changed_is_noticed_and_one_that_a_crash_cut_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    enrolled(&store, "ann", [1.0, 0.0, 0.0], None, 10);
    enrolled(&store, "bob", [0.0, 1.0, 0.0], None, 20);
    let log = fs::read_to_string(store.log()).unwrap();
    let first = log.split_inclusive('\n').next().unwrap();
    // The crash: the gallery is written, and half of the line.
    fs::write(store.log(), &log[..log.len() - 40]).unwrap();
    store.read().unwrap();
    enrolled(&store, "cid", [0.0, 0.0, 1.0], None, 30);
    let mended = fs::read_to_string(store.log()).unwrap();
    assert!(mended.starts_with(&log) && mended.lines().count() == 3, "{mended}");
    fs::write(store.log(), first).unwrap();
    assert!(matches!(store.read(), Err(StoreError::LogCut { revision: 3, .. })));
    fs::write(store.log(), mended.replace("by hand", "by foot")).unwrap();
    assert!(matches!(store.read(), Err(StoreError::Audit { source: audit::AuditError::Chain(1), .. })));
    fs::write(store.log(), mended.split_inclusive('\n').skip(1).collect::<String>()).unwrap();
    assert!(matches!(store.read(), Err(StoreError::Audit { .. })));
    fs::write(store.log(), "{}\n").unwrap();
    assert!(matches!(store.read(), Err(StoreError::Audit { source: audit::AuditError::Form(1), .. })));
}

/// What a store does with a gallery that comes from elsewhere, if it is newer than what is known.
fn receive(store: &Store, bytes: &[u8], seconds: i64) -> Result<Gallery, String> {
    let file = store.log().with_extension("incoming");
    fs::write(&file, bytes).unwrap();
    let at = WallTime::from_unix_nanos(seconds * 1_000_000_000);
    let judge = |gallery: &Gallery, known: Known| match known.highest {
        Some(highest) if gallery.revision <= highest => Err(Refusal("older".to_owned())),
        _ => Ok(()),
    };
    store.receive(&file, ("hub", at), judge).map_err(|Refusal(why)| why)
}

#[derive(Debug)]
struct Refusal(String);

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(format!("{error:?}"))
    }
}

#[test]
fn what_came_from_elsewhere_takes_the_place_of_the_older_and_never_of_the_newer() {
    let [centre, site] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let kept = store(centre.path());
    let sealed = || fs::read(centre.path().join("people.gallery")).unwrap();
    let there = store(site.path()).received();
    assert_eq!(there.known().unwrap(), Known::default());
    enrolled(&kept, "ann", [1.0, 0.0, 0.0], None, 10);
    let with_ann = sealed();
    enrolled(&kept, "bob", [0.0, 1.0, 0.0], None, 20);
    let with_both = sealed();
    assert_eq!(receive(&there, &with_both, 30).unwrap().revision, 2, "without the log of the centre");
    assert_eq!(there.read().unwrap(), kept.read().unwrap());
    assert_eq!(receive(&there, &with_ann, 40), Err("older".to_owned()));
    assert_eq!((there.read().unwrap().revision, there.known().unwrap().has), (2, Some(2)));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(site.path().join("people.gallery")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    // By hand, with the file itself: the log remembers.
    fs::write(site.path().join("people.gallery"), &with_ann).unwrap();
    assert!(matches!(there.read(), Err(StoreError::RolledBack { found: 1, known: 2, .. })));
    assert_eq!(there.known().unwrap(), Known { highest: Some(2), has: Some(1) });
    fs::remove_file(site.path().join("people.gallery")).unwrap();
    assert_eq!(there.known().unwrap(), Known { highest: Some(2), has: None });
    assert_eq!(receive(&there, &with_ann, 50), Err("older".to_owned()));
    let told: Vec<_> = there.lines().unwrap().into_iter().map(|l| (l.entry.action, l.entry.revision)).collect();
    assert_eq!(told, [(Action::Receive, 2)]);
}

#[test]
fn what_another_key_sealed_leaves_everything_as_it_was_and_what_came_is_not_changed_here() {
    let [centre, site] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let kept = store(centre.path());
    enrolled(&kept, "ann", [1.0, 0.0, 0.0], None, 10);
    let there = store(site.path()).received();
    let before = receive(&there, &fs::read(centre.path().join("people.gallery")).unwrap(), 20).unwrap();
    let foreign = seal(&Gallery { revision: 9, ..Gallery::new("s") }, &key(2), [7; 12]).unwrap();
    assert!(receive(&there, &foreign, 30).unwrap_err().contains("Sealed"));
    assert_eq!((there.read().unwrap(), there.lines().unwrap().len()), (before, 1));
    let changed = there.change::<StoreError>("s", change(Action::Remove, "ann", 40), |_| Ok(()));
    assert!(matches!(changed, Err(StoreError::Received { .. })));
    // Nor by whoever does not know that it came from elsewhere.
    assert!(matches!(store(site.path()).read(), Err(StoreError::LogCut { .. })));
}

#[test]
fn a_file_is_told_by_its_beginning_and_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("a"), seal(&with(&[("ann", [1.0, 0.0, 0.0])]), &key(1), [7; 12]).unwrap());
    fs::write(&path, &file).unwrap();
    assert_eq!(look(&path).unwrap(), (Head { space: "s".to_owned(), revision: 0 }, file.len() as u64));
    assert!(outline(&file, MOST_BYTES as u64 + 1).is_err(), "too large");
    let head = file.len() - seal_length(&file);
    assert!(outline(&file[..head], head as u64 + 27).is_err() && outline(&file[..head], head as u64 + 28).is_ok());
    fs::write(&path, b"not at all").unwrap();
    assert!(matches!(look(&path), Err(StoreError::Format { source: FormatError::NotAGallery, .. })));
}

/// How many bytes follow the head.
fn seal_length(file: &[u8]) -> usize {
    file.len() - 12 - usize::from(u16::from_le_bytes([file[10], file[11]]))
}

#[test]
fn no_line_of_the_log_holds_a_vector() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    enrolled(&store, "ann", [0.123, 0.456, 0.0], None, 10);
    let log = fs::read_to_string(store.log()).unwrap();
    assert!(!log.contains("vector") && !log.contains("0.26"), "{log}");
}
