//! The spool on a real disk, in a process that is killed.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vedette::base::clock::SystemClock;
use vedette::spool::{Class, Draft, DurableSpool, Limit, Order, RecordId, RingSpool, Settings, Spool};

use crate::support::child;

/// A folder has a ring in it, anything else is a file of redb.
fn open(path: &Path) -> Arc<dyn Spool> {
    if path.is_dir() {
        return Arc::new(RingSpool::open(path, Settings::default(), SystemClock::shared()));
    }
    Arc::new(DurableSpool::open(path, Settings::default(), SystemClock::shared()))
}

fn payload(id: RecordId) -> Vec<u8> {
    format!("{:?} {} {} {}", id.class, id.epoch, id.seq, "x".repeat(700)).into_bytes()
}

fn all(spool: &dyn Spool, class: Class) -> BTreeMap<u64, Vec<u8>> {
    let limit = Limit { records: usize::MAX, bytes: usize::MAX };
    let records = spool.peek(class, Order::Oldest, &HashSet::new(), limit);
    records.into_iter().map(|r| (r.id.seq, r.payload)).collect()
}

/// Played in a process of its own: commits records, prints what was committed and what was retired, for ever.
#[test]
fn child_that_commits() {
    if !child::is("spool::child_that_commits") {
        return;
    }
    let spool = open(Path::new(&std::env::var("SPOOL").unwrap()));
    for round in 0.. {
        let drafts: Vec<Draft<'_>> = (0..1 + round % 5).map(|_| Draft::new(Class::Event, payload)).collect();
        for receipt in spool.commit(&drafts) {
            println!("committed {}", receipt.unwrap().id.seq);
        }
        let alert = spool.append(Class::Alert, payload).unwrap();
        println!("alerted {}", alert.id.seq);
        if round % 7 == 0 {
            let oldest = spool.peek(Class::Event, Order::Oldest, &HashSet::new(), Limit { records: 3, bytes: 1 << 20 });
            for record in &oldest {
                println!("retiring {}", record.id.seq);
            }
            spool.retire(&oldest.iter().map(|r| r.id).collect::<Vec<_>>());
        }
    }
}

/// What the child said it had done.
#[derive(Default)]
struct Said {
    events: HashSet<u64>,
    alerts: HashSet<u64>,
    retiring: HashSet<u64>,
}

impl Said {
    fn note(&mut self, line: &str) {
        // The test runner prints the test's name before the child's first line.
        let mut words = line.rsplit(' ');
        let Some(seq) = words.next().and_then(|w| w.parse().ok()) else { return };
        match words.next() {
            Some("committed") => assert!(self.events.insert(seq), "event {seq} was committed twice"),
            Some("alerted") => assert!(self.alerts.insert(seq), "alert {seq} was committed twice"),
            Some("retiring") => drop(self.retiring.insert(seq)),
            _ => {}
        }
    }
}

#[test]
fn nothing_committed_to_a_ring_is_missing_after_twelve_kills() {
    let folder = tempfile::tempdir().unwrap();
    kills(folder.path(), 12);
}

#[test]
#[ignore = "long: make test-faults"]
fn nothing_committed_to_a_ring_is_missing_after_a_thousand_kills() {
    let folder = tempfile::tempdir().unwrap();
    kills(folder.path(), 1000);
}

#[test]
fn nothing_committed_to_redb_is_missing_after_twelve_kills() {
    let folder = tempfile::tempdir().unwrap();
    kills(&folder.path().join("spool.redb"), 12);
}

fn kills(path: &Path, times: u32) {
    let mut said = Said::default();
    for kill in 0..times {
        let mut child = child::start("spool::child_that_commits", &[("SPOOL", path.to_str().unwrap())]);
        for _ in 0..20 + fastrand::usize(..80) {
            said.note(&child.line("").expect("the child prints until it is killed"));
        }
        pause(Duration::from_micros(fastrand::u64(..20_000)));
        child.kill();
        // What it had printed by then is still in the pipe.
        while let Some(line) = child.line("") {
            said.note(&line);
        }
        let spool = open(path);
        assert_eq!(spool.health().degraded, None);
        let (events, alerts) = (all(&*spool, Class::Event), all(&*spool, Class::Alert));
        let lost_alerts: Vec<_> = said.alerts.iter().filter(|seq| !alerts.contains_key(seq)).collect();
        assert!(lost_alerts.is_empty(), "alerts lost at kill {kill}: {lost_alerts:?}");
        let kept = said.events.difference(&said.retiring);
        let lost_events: Vec<_> = kept.filter(|seq| !events.contains_key(seq)).collect();
        assert!(lost_events.is_empty(), "events lost at kill {kill}: {lost_events:?}");
        let sound = |(seq, bytes): (&u64, &Vec<u8>)| String::from_utf8_lossy(bytes).contains(&format!(" {seq} x"));
        assert!(events.iter().all(sound) && alerts.iter().all(sound));
    }
    println!(
        "{} events and {} alerts committed over {times} kills, none missing",
        said.events.len(),
        said.alerts.len()
    );
    assert!(said.alerts.len() > 50);
}

#[expect(clippy::disallowed_methods, reason = "the moment of the kill is meant to be arbitrary")]
fn pause(for_: Duration) {
    std::thread::sleep(for_);
}
