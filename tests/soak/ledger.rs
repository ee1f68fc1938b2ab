//! Which alerts and events the agent has committed, by its own spool, and which of them the hub has, by its database.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::Value;
use sqlx::Row as _;
use vedette::base::clock::SystemClock;
use vedette::hub::database::Database;
use vedette::spool::{Class, Limit, Order, RingSpool, Settings, Spool};
use vedette::wire::Gap;

use crate::figures::Account;
use crate::stage::AGENT;

/// A row of the hub's.
#[derive(Debug, Clone)]
pub struct Stored {
    pub class: String,
    epoch: u64,
    seq: u64,
    pub kind: String,
    pub camera: String,
    pub phase: String,
    /// When it happened and when it was stored, in nanoseconds since 1970.
    pub time_ns: i64,
    pub received_ns: i64,
    /// Numbers that the agent gave up, where it tells of some.
    gap: Option<Gap>,
}

impl Stored {
    pub fn is_alert(&self) -> bool {
        self.class == "alert"
    }
}

/// How many alerts and events the hub has of the agent.
pub async fn count(database: &Database) -> i64 {
    let query = sqlx::query("SELECT COUNT(*) FROM events WHERE agent = $1").bind(AGENT);
    query.fetch_one(database.pool()).await.unwrap().get(0)
}

/// All that the hub has of the agent, in the order in which it came.
pub async fn stored(database: &Database) -> Vec<Stored> {
    let query = sqlx::query(
        "SELECT class, epoch, seq, kind, camera, phase, time_ns, received_ns, CASE WHEN kind = 'gap' THEN body ELSE '' END \
         FROM events WHERE agent = $1 ORDER BY number",
    );
    let rows = query.bind(AGENT).fetch_all(database.pool()).await.unwrap();
    let read = |row: sqlx::any::AnyRow| Stored {
        class: row.get(0),
        epoch: u64::from_str_radix(row.get(1), 16).unwrap(),
        seq: row.get::<i64, _>(2) as u64,
        kind: row.get(3),
        camera: row.get(4),
        phase: row.get(5),
        time_ns: row.get(6),
        received_ns: row.get(7),
        gap: gap(row.get(8)),
    };
    rows.into_iter().map(read).collect()
}

fn gap(body: &str) -> Option<Gap> {
    let body: Value = serde_json::from_str(body).ok()?;
    serde_json::from_value(body["data"]["gap"].clone()).ok()
}

/// What the spool says of one class.
#[derive(Debug)]
pub struct Committed {
    class: Class,
    epoch: u64,
    /// The last number that was given.
    upto: u64,
    waiting: BTreeSet<(u64, u64)>,
}

/// Opens the spool of an agent that has ended. The number that it would give next tells how many it gave before.
pub fn committed(folder: &Path) -> Vec<Committed> {
    let spool: Box<dyn Spool> = Box::new(RingSpool::open(folder, Settings::default(), SystemClock::shared()));
    let all = Limit { records: usize::MAX, bytes: usize::MAX };
    let of = |class: Class| {
        let waiting = spool.peek(class, Order::Oldest, &HashSet::new(), all);
        let next = spool.append(class, |_| b"next".to_vec()).unwrap();
        assert!(next.durable, "the spool is where it was looked for, and sound");
        Committed {
            class,
            epoch: next.id.epoch,
            upto: next.id.seq - 1,
            waiting: waiting.iter().map(|record| (record.id.epoch, record.id.seq)).collect(),
        }
    };
    vec![of(Class::Alert), of(Class::Event)]
}

/// What became of all that was committed, and how many rows of the hub's are there twice.
pub fn settle(committed: &[Committed], rows: &[Stored]) -> (Account, u64) {
    let mut numbers: BTreeMap<(&str, u64), BTreeSet<u64>> = BTreeMap::new();
    let mut twice = 0;
    for row in rows {
        twice += u64::from(!numbers.entry((&row.class, row.epoch)).or_default().insert(row.seq));
    }
    let mut total = Account::default();
    for spool in committed {
        numbers.entry((class_of(spool.class), spool.epoch)).or_default();
        // A spool that had to be made anew numbers anew, under another epoch; of an earlier one the highest number is known.
        for ((_, epoch), stored) in numbers.iter().filter(|((of, _), _)| *of == class_of(spool.class)) {
            let highest = stored.last().copied().unwrap_or_default();
            let upto = if *epoch == spool.epoch { spool.upto.max(highest) } else { highest };
            let waiting = spool.waiting.iter().filter(|(of, _)| of == epoch).map(|(_, seq)| *seq).collect();
            total = total.and(Account::of(upto, stored, &waiting, &told(rows, spool.class, *epoch)));
        }
    }
    (total, twice)
}

/// The numbers of this class and epoch that the agent gave up.
fn told(rows: &[Stored], class: Class, epoch: u64) -> Vec<RangeInclusive<u64>> {
    let gaps = rows.iter().filter_map(|row| row.gap);
    let ours = gaps.filter(|gap| gap.epoch == epoch && gap.class.as_str() == class_of(class));
    ours.map(|gap| gap.first..=gap.last).collect()
}

fn class_of(class: Class) -> &'static str {
    match class {
        Class::Alert => "alert",
        Class::Event => "event",
        Class::Telemetry => "telemetry",
    }
}

#[test]
fn what_is_neither_stored_nor_waiting_nor_told_is_lost_in_every_epoch() {
    let row = |class: &str, epoch, seq| Stored {
        class: class.to_owned(),
        epoch,
        seq,
        kind: String::new(),
        camera: String::new(),
        phase: String::new(),
        time_ns: 0,
        received_ns: 0,
        gap: None,
    };
    let gap = Gap { class: vedette::wire::Class::Alert, epoch: 7, first: 3, last: 4 };
    let rows = [
        row("alert", 7, 1),
        row("alert", 7, 2),
        row("alert", 7, 2),
        row("event", 7, 1),
        // Of an epoch that the spool does not know any more, 1 is missing.
        row("event", 6, 2),
        Stored { gap: Some(gap), ..row("event", 7, 2) },
    ];
    let spool = |class, upto, waiting: &[(u64, u64)]| Committed {
        class,
        epoch: 7,
        upto,
        waiting: waiting.iter().copied().collect(),
    };
    // Of the alerts 3 and 4 were given up, 5 is lost and 6 waits; of the events 3 is lost.
    let (account, twice) = settle(&[spool(Class::Alert, 6, &[(7, 6)]), spool(Class::Event, 3, &[])], &rows);
    assert_eq!(account, Account { committed: 11, stored: 5, waiting: 1, given_up: 2, lost: 3 });
    assert_eq!(twice, 1);
}
