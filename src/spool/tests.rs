//! The spool against a simple model, on a disk that fails, and on files that were damaged: in a ring, and in redb alone.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use redb::{BackendError, Database, StorageBackend, backends::FileBackend};

use super::ring::{RealDisk, Storage, Vfs};
use super::*;
use crate::base::clock::{SharedClock, SimulatedClock};

const ALL: Limit = Limit { records: usize::MAX, bytes: usize::MAX };
const NOON: i64 = 1_795_444_073_000_000_000;

fn payload(id: RecordId, length: usize) -> Vec<u8> {
    let mut bytes = id.seq.to_le_bytes().to_vec();
    bytes.resize(length.max(8), id.class as u8);
    bytes
}

fn everything(spool: &dyn Spool, class: Class) -> Vec<Record> {
    spool.peek(class, Order::Oldest, &HashSet::new(), ALL)
}

/// Room for ten alerts, twenty events and five telemetry records of 52 bytes.
fn small() -> Settings {
    Settings { alert_bytes: 1000, event_bytes: 2000, telemetry_bytes: 500, memory_bytes: 3500, record_bytes: 300 }
}

/// Where the records are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Store {
    Redb,
    Ring,
}

impl Store {
    const BOTH: [Self; 2] = [Self::Redb, Self::Ring];

    fn open(self, folder: &Path, clock: &Arc<SimulatedClock>) -> Box<dyn Spool> {
        let clock = clock.clone() as SharedClock;
        match self {
            Self::Redb => Box::new(DurableSpool::open(&folder.join("spool.redb"), small(), clock)),
            Self::Ring => Box::new(RingSpool::open(folder, small(), clock)),
        }
    }

    fn file(self, folder: &Path) -> PathBuf {
        match self {
            Self::Redb => folder.join("spool.redb"),
            Self::Ring => folder.join("spool.ring"),
        }
    }

    /// A spool whose writes all fail while `full` is set.
    fn on_failing_disk(self, folder: &Path, full: &Arc<AtomicBool>, clock: &Arc<SimulatedClock>) -> Box<dyn Spool> {
        let redb = redb_on_failing_disk(&folder.join("spool.redb"), full, clock);
        match self {
            Self::Redb => Box::new(redb),
            Self::Ring => {
                let disk = Box::new(FailingDisk { full: full.clone() });
                Box::new(RingSpool::with(&self.file(folder), small(), clock.clone(), disk, redb))
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Action {
    Append(Vec<(Class, usize)>),
    /// Of the class, the records at these places of what waits.
    Retire(Class, Vec<usize>),
    RetireUpto(Class, u64),
    Tell,
    PutState(u8, u8),
    Reopen,
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Alert), Just(Class::Event), Just(Class::Telemetry)]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => proptest::collection::vec((class(), 8usize..320), 1..6).prop_map(Action::Append),
        3 => (class(), proptest::collection::vec(0usize..12, 1..6)).prop_map(|(c, i)| Action::Retire(c, i)),
        1 => (class(), 0u64..60).prop_map(|(c, n)| Action::RetireUpto(c, n)),
        1 => Just(Action::Tell),
        1 => (0u8..4, any::<u8>()).prop_map(|(k, v)| Action::PutState(k, v)),
        1 => Just(Action::Reopen),
    ]
}

/// What a spool is, in the plainest words.
#[derive(Default)]
struct Model {
    waiting: [Vec<(u64, usize)>; 3],
    next: [u64; 3],
    lost: [u64; 3],
    told: [u64; 3],
    state: BTreeMap<u8, u8>,
}

impl Model {
    fn append(&mut self, class: Class, length: usize) -> bool {
        if length > 300 {
            return false;
        }
        self.next[class.index()] += 1;
        self.waiting[class.index()].push((self.next[class.index()], length));
        true
    }

    fn used(&self, classes: &[Class]) -> u64 {
        classes.iter().flat_map(|c| &self.waiting[c.index()]).map(|(_, length)| *length as u64 + 48).sum()
    }

    fn shed(&mut self) {
        loop {
            let within = self.used(&[Class::Telemetry]) <= 500
                && self.used(&[Class::Telemetry, Class::Event]) <= 2500
                && self.used(&Class::ALL) <= 3500;
            if within {
                return;
            }
            let victim = (0..3).rev().find(|&c| !self.waiting[c].is_empty()).unwrap();
            self.waiting[victim].remove(0);
            self.lost[victim] += 1;
        }
    }
}

fn check(spool: &dyn Spool, model: &Model) -> Result<(), TestCaseError> {
    let health = spool.health();
    prop_assert_eq!(&health.degraded, &None);
    for class in Class::ALL {
        let found: Vec<(u64, usize)> = everything(spool, class).iter().map(|r| (r.id.seq, r.payload.len())).collect();
        prop_assert_eq!(&found, &model.waiting[class.index()]);
        let backlog = health.backlog[class.index()];
        prop_assert_eq!(backlog.records, found.len() as u64);
        prop_assert_eq!(backlog.bytes, model.used(&[class]));
        prop_assert_eq!(backlog.lost, model.lost[class.index()]);
        let untold: u64 = spool.losses().iter().filter(|g| g.class == class).map(|g| g.count).sum();
        prop_assert_eq!(untold, model.lost[class.index()] - model.told[class.index()]);
    }
    for (key, value) in &model.state {
        prop_assert_eq!(spool.get_state(&key.to_string()), Some(vec![*value]));
    }
    // Names are one digit here, so each is the beginning of itself alone.
    for prefix in ["", "0", "3", "x"] {
        let wanted = model.state.iter().map(|(key, value)| (key.to_string(), vec![*value]));
        let wanted: BTreeMap<_, _> = wanted.filter(|(name, _)| name.starts_with(prefix)).collect();
        prop_assert_eq!(spool.states(prefix), wanted);
    }
    Ok(())
}

fn play(
    mut spool: Box<dyn Spool>,
    actions: &[Action],
    reopen: impl Fn(Box<dyn Spool>) -> Box<dyn Spool>,
) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    for action in actions {
        match action {
            Action::Append(records) => {
                let drafts: Vec<Draft<'_>> =
                    records.iter().map(|&(class, length)| Draft::new(class, move |id| payload(id, length))).collect();
                let answers = spool.commit(&drafts);
                for (answer, &(class, length)) in answers.iter().zip(records) {
                    prop_assert_eq!(answer.is_ok(), model.append(class, length));
                }
                model.shed();
            }
            Action::Retire(class, places) => {
                let waiting = everything(&*spool, *class);
                let ids: Vec<RecordId> = places.iter().filter_map(|&p| waiting.get(p)).map(|r| r.id).collect();
                spool.retire(&ids);
                model.waiting[class.index()].retain(|(seq, _)| ids.iter().all(|id| id.seq != *seq));
            }
            Action::RetireUpto(class, upto) => {
                let Some(first) = everything(&*spool, *class).first().map(|r| r.id) else { continue };
                let there = model.waiting[class.index()].len();
                model.waiting[class.index()].retain(|(seq, _)| seq > upto && *seq != upto + 3);
                let gone = (there - model.waiting[class.index()].len()) as u64;
                prop_assert_eq!(spool.retire_upto(*class, first.epoch, *upto, &[upto + 3]), gone);
            }
            Action::Tell => {
                spool.settle(&spool.losses());
                model.told = model.lost;
            }
            Action::PutState(key, value) => {
                spool.put_state(&key.to_string(), &[*value]);
                model.state.insert(*key, *value);
            }
            Action::Reopen => spool = reopen(spool),
        }
        check(&*spool, &model)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_spool_on_disk_does_what_the_model_does_also_across_restarts(actions in proptest::collection::vec(action(), 1..40)) {
        for store in Store::BOTH {
            let folder = tempfile::tempdir().unwrap();
            let clock = SimulatedClock::at(NOON);
            play(store.open(folder.path(), &clock), &actions, |spool| {
                drop(spool);
                store.open(folder.path(), &clock)
            })?;
        }
    }

    #[test]
    fn the_spool_in_memory_does_what_the_model_does(actions in proptest::collection::vec(action(), 1..40)) {
        play(Box::new(MemorySpool::new(&small(), SimulatedClock::at(NOON))), &actions, |spool| spool)?;
    }
}

#[test]
fn an_epoch_outlives_a_restart_and_a_new_file_has_another() {
    let clock = SimulatedClock::at(NOON);
    for store in Store::BOTH {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let epoch = |folder: &tempfile::TempDir| {
            let spool = store.open(folder.path(), &clock);
            spool.append(Class::Alert, |id| payload(id, 8)).unwrap().id.epoch
        };
        let first = epoch(&one);
        assert_eq!(epoch(&one), first);
        assert_ne!(epoch(&other), first);
    }
}

#[test]
fn newest_comes_first_where_asked_and_what_is_in_flight_is_left_out() {
    let spool: Box<dyn Spool> = Box::new(MemorySpool::new(&small(), SimulatedClock::at(NOON)));
    let ids: Vec<RecordId> = (0..5).map(|_| spool.append(Class::Event, |id| payload(id, 10)).unwrap().id).collect();
    let skip = HashSet::from([ids[0], ids[4]]);
    let limit = Limit { records: 2, bytes: 1000 };
    let seqs = |order| spool.peek(Class::Event, order, &skip, limit).iter().map(|r| r.id.seq).collect::<Vec<_>>();
    assert_eq!(seqs(Order::Oldest), [2, 3]);
    assert_eq!(seqs(Order::Newest), [4, 3]);
    assert_eq!(spool.peek(Class::Event, Order::Oldest, &skip, Limit { records: 9, bytes: 1 }).len(), 1);
}

/// A file whose writes all fail while `full` is set, as on a disk that is remounted read-only.
#[derive(Debug)]
struct Failing {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Failing {
    fn check(&self) -> Result<(), BackendError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        Ok(())
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.check().map_err(into_io)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.check().map_err(into_io)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.check().map_err(into_io)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), std::io::Error> {
        self.file.close()
    }
}

fn into_io(error: BackendError) -> std::io::Error {
    match error {
        BackendError::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

fn redb_on_failing_disk(path: &Path, full: &Arc<AtomicBool>, clock: &Arc<SimulatedClock>) -> DurableSpool {
    let (file, full) = (path.to_owned(), full.clone());
    let open = move || {
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&file)?;
        let backend = Failing { file: FileBackend::new(file)?, full: full.clone() };
        Database::builder().create_with_backend(backend)
    };
    DurableSpool::with(path, small(), clock.clone(), Box::new(open))
}

/// The same for a ring.
struct FailingDisk {
    full: Arc<AtomicBool>,
}

struct FailingFile {
    file: Box<dyn Storage>,
    full: Arc<AtomicBool>,
}

fn refuse(full: &AtomicBool) -> io::Result<()> {
    if full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl Vfs for FailingDisk {
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        RealDisk.lock(path)
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(FailingFile { file: RealDisk.open(path, create)?, full: self.full.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        refuse(&self.full)?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }
}

impl Storage for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<bool> {
        refuse(&self.full)?;
        self.file.reserve(bytes)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(at, out)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        refuse(&self.full)?;
        self.file.write_at(at, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        refuse(&self.full)?;
        self.file.sync()
    }
}

#[test]
fn a_disk_that_refuses_all_writes_is_survived_in_memory_and_what_waits_there_reaches_the_disk_afterwards() {
    for store in Store::BOTH {
        println!("{store:?}");
        let folder = tempfile::tempdir().unwrap();
        let (full, clock) = (Arc::new(AtomicBool::new(false)), SimulatedClock::at(NOON));
        let spool = store.on_failing_disk(folder.path(), &full, &clock);
        let before = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
        let acknowledged = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
        assert!(before.durable);

        full.store(true, Ordering::SeqCst);
        let during = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
        assert!(!during.durable);
        assert_ne!(during.id.epoch, before.id.epoch, "a number on the disk must not be used for what may be lost");
        assert!(spool.health().degraded.unwrap().contains("no storage space"), "{:?}", spool.health());
        assert!(everything(&*spool, Class::Alert).iter().any(|r| r.id == during.id), "delivery goes on");
        spool.retire(&[acknowledged.id]);
        spool.put_state("counts", b"7");
        assert_eq!(spool.get_state("counts").as_deref(), Some(&b"7"[..]));
        clock.advance(Duration::from_secs(120));
        assert!(spool.health().degraded.is_some(), "it is still full");

        full.store(false, Ordering::SeqCst);
        clock.advance(Duration::from_secs(120));
        assert_eq!(spool.health().degraded, None);
        let after = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
        assert!(after.durable);
        drop(spool);

        let spool = store.on_failing_disk(folder.path(), &full, &clock);
        let ids: HashSet<RecordId> = everything(&*spool, Class::Alert).iter().map(|r| r.id).collect();
        assert_eq!(ids, HashSet::from([before.id, during.id, after.id]));
        assert_eq!(spool.get_state("counts").as_deref(), Some(&b"7"[..]));
        let seqs_without_holes: HashSet<u64> = HashSet::from([acknowledged.id.seq + 1, acknowledged.id.seq + 2]);
        let renumbered: u64 = spool.losses().iter().map(|g| g.count).sum();
        assert!(seqs_without_holes.contains(&after.id.seq), "{after:?}");
        assert_eq!(after.id.seq, acknowledged.id.seq + 1 + renumbered, "a hole in the numbers is told as a gap");
    }
}

#[test]
fn memory_is_bounded_while_the_disk_is_full_and_every_loss_is_counted() {
    for store in Store::BOTH {
        println!("{store:?}");
        let folder = tempfile::tempdir().unwrap();
        let (full, clock) = (Arc::new(AtomicBool::new(false)), SimulatedClock::at(NOON));
        let spool = store.on_failing_disk(folder.path(), &full, &clock);
        spool.append(Class::Telemetry, |id| payload(id, 52)).unwrap();
        full.store(true, Ordering::SeqCst);
        for _ in 0..100 {
            spool.append(Class::Event, |id| payload(id, 52)).unwrap();
        }
        let backlog = spool.health().backlog[Class::Event.index()];
        assert!(backlog.bytes <= small().memory_bytes);
        assert_eq!(backlog.records + backlog.lost, 100);
        full.store(false, Ordering::SeqCst);
        clock.advance(Duration::from_secs(120));
        assert_eq!(spool.losses().iter().map(|g| g.count).sum::<u64>(), backlog.lost + 1, "and the telemetry gave way");
        assert_eq!(everything(&*spool, Class::Event).len() as u64, backlog.records);
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_one_is_made() {
    for store in Store::BOTH {
        println!("{store:?}");
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::at(NOON);
        std::fs::write(store.file(folder.path()), vec![0x5a; 100_000]).unwrap();
        let spool = store.open(folder.path(), &clock);
        assert!(spool.append(Class::Alert, |id| payload(id, 20)).unwrap().durable);
        let health = spool.health();
        assert_eq!(health.set_aside, [store.file(folder.path()).with_added_extension("corrupt-1")]);
        assert_eq!(health.degraded, None);
        drop(spool);
        std::fs::write(store.file(folder.path()), b"").unwrap();
        assert!(store.open(folder.path(), &clock).append(Class::Alert, |id| payload(id, 20)).unwrap().durable);
    }
}

#[test]
fn bytes_that_change_on_the_disk_never_pass_for_a_record() {
    for store in Store::BOTH {
        println!("{store:?}");
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::at(NOON);
        let spool = store.open(folder.path(), &clock);
        let marked = |id: RecordId| format!("record-{:04}-{}", id.seq, "x".repeat(40)).into_bytes();
        for _ in 0..10 {
            spool.append(Class::Alert, marked).unwrap();
        }
        drop(spool);
        let mut file = std::fs::read(store.file(folder.path())).unwrap();
        let places: Vec<usize> =
            file.windows(11).enumerate().filter(|(_, w)| *w == b"record-0004").map(|(i, _)| i).collect();
        assert!(!places.is_empty());
        for place in places {
            file[place + 20] ^= 1;
        }
        std::fs::write(store.file(folder.path()), file).unwrap();

        let spool = store.open(folder.path(), &clock);
        let seqs: Vec<u64> = everything(&*spool, Class::Alert).iter().map(|r| r.id.seq).collect();
        assert_eq!(seqs, [1, 2, 3, 5, 6, 7, 8, 9, 10]);
        let gaps: Vec<(u64, u64, LossReason)> = spool.losses().iter().map(|g| (g.from, g.to, g.reason)).collect();
        assert_eq!(gaps, [(4, 4, LossReason::Damaged)]);
        assert_eq!(spool.health().backlog[0].lost, 1);
    }
}

#[test]
fn a_folder_that_cannot_be_used_leaves_the_spool_in_memory() {
    for store in Store::BOTH {
        println!("{store:?}");
        let clock = SimulatedClock::at(NOON);
        let spool = store.open(Path::new("/proc/nowhere"), &clock);
        assert!(!spool.append(Class::Alert, |id| payload(id, 20)).unwrap().durable);
        assert_eq!(everything(&*spool, Class::Alert).len(), 1);
        assert!(spool.health().degraded.unwrap().contains("cannot open the spool"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_damage_to_the_file_makes_the_spool_panic_or_invent_records(
        // A ring has its first records in the first 8 KiB after its 512 KiB of checkpoints.
        (store, place) in prop_oneof![
            (Just(Store::Redb), 0usize..200_000),
            (Just(Store::Ring), prop_oneof![0usize..10_000, 524_288usize..532_480]),
        ],
        byte in 1u8..,
        length in 1usize..64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = store.file(folder.path());
        let clock = SimulatedClock::at(NOON);
        let spool = store.open(folder.path(), &clock);
        for _ in 0..8 {
            spool.append(Class::Event, |id| payload(id, 64)).unwrap();
        }
        drop(spool);
        let mut file = std::fs::read(&path).unwrap();
        let place = place % file.len();
        for b in file.iter_mut().skip(place).take(length) {
            *b ^= byte;
        }
        std::fs::write(&path, file).unwrap();
        let spool = store.open(folder.path(), &clock);
        for record in everything(&*spool, Class::Event) {
            prop_assert_eq!(record.payload, payload(record.id, 64));
        }
        clock.advance(Duration::from_secs(120));
        spool.append(Class::Event, |id| payload(id, 64)).unwrap();
        prop_assert!(!everything(&*spool, Class::Event).is_empty());
    }
}

/// Records of all classes, some acknowledged, some lost, and a state.
fn fill(spool: &dyn Spool) {
    for class in Class::ALL {
        let ids: Vec<RecordId> = (0..30).map(|_| spool.append(class, |id| payload(id, 52)).unwrap().id).collect();
        spool.retire(&[ids[26], ids[29]]);
    }
    spool.put_state("counts", b"7");
}

#[test]
fn a_ring_takes_over_what_an_agent_from_before_has_in_redb() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::at(NOON);
    let old = Store::Redb.open(folder.path(), &clock);
    fill(&*old);
    let before = Class::ALL.map(|class| everything(&*old, class));
    let (losses, lost) = (old.losses(), old.health().backlog.map(|b| b.lost));
    assert!(before.iter().all(|records| !records.is_empty()) && !losses.is_empty());
    drop(old);
    let as_it_was = std::fs::read(folder.path().join("spool.redb")).unwrap();

    let check = |spool: &dyn Spool| {
        assert_eq!(Class::ALL.map(|class| everything(spool, class)), before);
        assert_eq!((spool.losses(), spool.health().backlog.map(|b| b.lost)), (losses.clone(), lost));
        assert_eq!(spool.health().backlog[0].oldest_unix_ms, Some(NOON / 1_000_000));
        assert_eq!(spool.get_state("counts").as_deref(), Some(&b"7"[..]));
    };
    clock.advance(Duration::from_secs(60));
    let spool = Store::Ring.open(folder.path(), &clock);
    check(&*spool);
    drop(spool);
    let rest = Store::Redb.open(folder.path(), &clock);
    assert!(Class::ALL.iter().all(|&class| everything(&*rest, class).is_empty()), "each is in one place only");
    drop(rest);

    // The power failed before they were gone from redb.
    std::fs::write(folder.path().join("spool.redb"), as_it_was).unwrap();
    let spool = Store::Ring.open(folder.path(), &clock);
    check(&*spool);
    let new = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
    assert_ne!(new.id.epoch, before[0][0].id.epoch);
    let first = before[0][0].id;
    assert_eq!(spool.retire_upto(Class::Alert, first.epoch, u64::MAX, &[]), before[0].len() as u64);
    assert_eq!(everything(&*spool, Class::Alert).iter().map(|r| r.id).collect::<Vec<_>>(), [new.id]);
    spool.settle(&losses);
    drop(spool);
    let spool = Store::Ring.open(folder.path(), &clock);
    assert_eq!(spool.losses(), []);
    assert_eq!(everything(&*spool, Class::Alert).len(), 1);
}

#[test]
fn without_room_for_a_ring_redb_takes_the_records_until_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (full, never, clock) =
        (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)), SimulatedClock::at(NOON));
    let redb = redb_on_failing_disk(&folder.path().join("spool.redb"), &never, &clock);
    let disk = Box::new(FailingDisk { full: full.clone() });
    let path = Store::Ring.file(folder.path());
    let spool: Box<dyn Spool> = Box::new(RingSpool::with(&path, small(), clock.clone(), disk, redb));
    fill(&*spool);
    assert_eq!(spool.health().degraded, None, "everything is on the disk");
    assert!(spool.append(Class::Alert, |id| payload(id, 20)).unwrap().durable);
    // Makes room for what comes.
    spool.retire(&everything(&*spool, Class::Alert).iter().take(5).map(|r| r.id).collect::<Vec<_>>());
    let before = Class::ALL.map(|class| everything(&*spool, class));
    let losses = spool.losses();
    full.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(120));
    let after = spool.append(Class::Alert, |id| payload(id, 20)).unwrap();
    assert_ne!(after.id.epoch, before[0][0].id.epoch, "the ring numbers it");
    let mut waiting = everything(&*spool, Class::Alert);
    assert_eq!(waiting.pop().map(|record| record.id), Some(after.id));
    assert_eq!(waiting, before[0]);
    assert_eq!([1, 2].map(|i| everything(&*spool, Class::ALL[i])), [before[1].clone(), before[2].clone()]);
    assert_eq!(spool.losses(), losses);
}

#[test]
fn other_shares_make_another_ring_with_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::at(NOON);
    let spool = Store::Ring.open(folder.path(), &clock);
    fill(&*spool);
    let before = Class::ALL.map(|class| everything(&*spool, class));
    drop(spool);
    let length = || std::fs::metadata(folder.path().join("spool.ring")).unwrap().len();
    let small_length = length();
    let larger = Settings { event_bytes: 2_000_000, record_bytes: 20_000, ..small() };
    let spool: Box<dyn Spool> = Box::new(RingSpool::open(folder.path(), larger, clock.clone()));
    assert!(length() > small_length + 2_000_000);
    assert_eq!(Class::ALL.map(|class| everything(&*spool, class)), before);
    assert!(spool.append(Class::Event, |id| payload(id, 20_000)).unwrap().durable);
    drop(spool);
    let spool = Store::Ring.open(folder.path(), &clock);
    assert_eq!(length(), small_length);
    assert_eq!(everything(&*spool, Class::Alert), before[0]);
}

/// Needs a file system of a few MiB, which a test cannot make without root: `mount -t tmpfs -o size=3m tmpfs DIR`.
#[test]
fn on_a_disk_that_is_really_full_reading_and_acknowledging_go_on() {
    let Some(folder) = std::env::var_os("VEDETTE_SMALL_DISK") else {
        println!("SKIPPED: set VEDETTE_SMALL_DISK to a folder on an empty file system of a few MiB");
        return;
    };
    let folder = tempfile::tempdir_in(folder).unwrap();
    let filler = folder.path().join("filler");
    std::fs::write(&filler, vec![1; 1_000_000]).unwrap();
    let clock = SimulatedClock::at(NOON);
    let path = folder.path().join("spool.redb");
    let spool: Box<dyn Spool> = Box::new(DurableSpool::open(&path, Settings::default(), clock.clone()));
    let durable =
        (0..100_000).take_while(|_| spool.append(Class::Alert, |id| payload(id, 700)).unwrap().durable).count();
    assert!(durable > 100 && spool.health().degraded.unwrap().contains("No space left"), "{durable}");
    let waiting = everything(&*spool, Class::Alert);
    assert_eq!(waiting.len(), durable + 1, "everything can be read while the disk is full");
    spool.retire(&waiting.iter().take(100).map(|r| r.id).collect::<Vec<_>>());
    assert_eq!(everything(&*spool, Class::Alert).len(), durable - 99);
    std::fs::remove_file(filler).unwrap();
    clock.advance(Duration::from_secs(120));
    assert_eq!(spool.health().degraded, None);
    assert_eq!(everything(&*spool, Class::Alert).len(), durable - 99);
}

/// Needs the same, for itself.
#[test]
fn on_a_disk_that_is_really_full_a_ring_takes_records_as_before() {
    let Some(folder) = std::env::var_os("VEDETTE_SMALL_DISK") else {
        println!("SKIPPED: set VEDETTE_SMALL_DISK to a folder on an empty file system of a few MiB");
        return;
    };
    let folder = tempfile::tempdir_in(folder).unwrap();
    let clock = SimulatedClock::at(NOON);
    let spool = Store::Ring.open(folder.path(), &clock);
    let mut filler = std::fs::File::create(folder.path().join("filler")).unwrap();
    while io::Write::write_all(&mut filler, &[1; 512]).is_ok() {}
    for n in 1..=1000 {
        assert!(spool.append(Class::Event, |id| payload(id, 200)).unwrap().durable);
        let backlog = spool.health().backlog[1];
        assert_eq!(backlog.records + backlog.lost, n);
    }
    drop(spool);
    let spool = Store::Ring.open(folder.path(), &clock);
    let backlog = spool.health().backlog[1];
    assert_eq!(backlog.records + backlog.lost, 1000);
    assert!(spool.append(Class::Event, |id| payload(id, 200)).unwrap().durable);
}
