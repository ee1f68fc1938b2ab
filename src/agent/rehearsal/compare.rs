//! Which happenings of two tellings are the same. Pure.
//!
//! The same are two of one rule that overlap in time and are about the same object: they share a track, or are both about the
//! zone as a whole. A rule that asks for more may tell of it a little later, and in pieces: then the first piece is what
//! stays, and the others appear. What has no duration is the same within [`MOMENT`].

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Happening, Rehearsal, Totals};
use crate::vocab::WallTime;

/// How far apart two happenings may lie to be the same. Longer than any rule takes to be sure.
const MOMENT: Duration = Duration::from_secs(2);

/// Compares what the rules in force told with what the changed ones tell.
pub(super) fn compare([old, new]: [Vec<Happening>; 2], to: &mut Rehearsal) {
    let mut old: Vec<Option<Happening>> = old.into_iter().map(Some).collect();
    for happening in new {
        let is_same = |other: &&mut Option<Happening>| other.as_ref().is_some_and(|other| are_same(other, &happening));
        match old.iter_mut().find(is_same) {
            Some(place) => {
                *place = None;
                to.stay.push(happening);
            }
            None => to.appear.push(happening),
        }
    }
    to.vanish.extend(old.into_iter().flatten());
}

/// One of the numbers that are counted.
type Number = fn(&mut Totals) -> &mut u64;

/// Orders everything by time, and counts it by rule and day.
pub(super) fn count(rehearsal: &mut Rehearsal, timezone: &TimeZone) {
    let Rehearsal { appear, vanish, stay, rules, days, .. } = rehearsal;
    let lists: [(&mut Vec<Happening>, Number); 3] = [
        (appear, |totals| &mut totals.appear),
        (vanish, |totals| &mut totals.vanish),
        (stay, |totals| &mut totals.stay),
    ];
    for (list, number) in lists {
        list.sort_by_key(|happening| happening.start);
        for happening in list.iter() {
            let rule = format!("{}/{}", happening.camera, happening.rule);
            *number(rules.entry(rule).or_default()) += 1;
            *number(days.entry(day(happening.start, timezone)).or_default()) += 1;
        }
    }
}

fn are_same(a: &Happening, b: &Happening) -> bool {
    let share_a_track = a.tracks.iter().any(|track| b.tracks.contains(track));
    let are_of_the_zone = a.tracks.is_empty() && b.tracks.is_empty();
    let overlap = a.start <= b.end.plus(MOMENT) && b.start <= a.end.plus(MOMENT);
    a.camera == b.camera
        && a.rule == b.rule
        && a.severity == b.severity
        && overlap
        && (share_a_track || are_of_the_zone)
}

fn day(time: WallTime, timezone: &TimeZone) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(time.unix_nanos())).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timezone.to_datetime(stamp).date().to_string()
}
