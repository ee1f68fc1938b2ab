//! How much happened in each hour of the last seven days, as a table: a row for each day, a column for each hour of UTC.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::strtime;

use crate::hub::events::history::{Activity, HOUR_NS};

const DAYS: i64 = 7;
const DAY_NS: i64 = 24 * HOUR_NS;
/// How many colours there are, beside none.
const STEPS: u64 = 5;

/// The table.
pub(super) struct Week {
    pub(super) days: Vec<Day>,
    pub(super) most: u64,
    pub(super) alerts: u64,
    pub(super) others: u64,
}

/// A row.
pub(super) struct Day {
    pub(super) name: String,
    pub(super) hours: Vec<Hour>,
}

/// A cell.
pub(super) struct Hour {
    pub(super) hour: i64,
    /// How much began, or nothing where that hour has not come.
    pub(super) total: Option<u64>,
    pub(super) alerts: u64,
    /// 0 to [`STEPS`].
    pub(super) step: u64,
}

/// From when to when, for `now`: whole days of UTC, the last of them today's.
pub(super) fn span(now: i64) -> (i64, i64) {
    let tomorrow = now.div_euclid(DAY_NS).saturating_add(1).saturating_mul(DAY_NS);
    (tomorrow.saturating_sub(DAYS * DAY_NS), tomorrow)
}

/// The table of what happened by hours since `from`.
pub(super) fn week(hours: &BTreeMap<i64, Activity>, from: i64, now: i64) -> Week {
    let total = |activity: &Activity| activity.alerts + activity.others;
    let most = hours.values().map(total).max().unwrap_or(0);
    let cell = |day: i64, hour: i64| {
        let number = day * 24 + hour;
        let activity = hours.get(&number).copied().unwrap_or_default();
        let has_come = from.saturating_add(number * HOUR_NS) <= now;
        let total = total(&activity);
        // The least that is something has a colour too.
        let step = if most == 0 { 0 } else { (total * STEPS).div_ceil(most) };
        Hour { hour, total: has_come.then_some(total), alerts: activity.alerts, step }
    };
    let day = |day: i64| {
        let start = Timestamp::from_nanosecond(i128::from(from.saturating_add(day * DAY_NS))).unwrap_or_default();
        let name = strtime::format("%a %d %b", start).unwrap_or_default();
        Day { name, hours: (0..24).map(|hour| cell(day, hour)).collect() }
    };
    Week {
        days: (0..DAYS).map(day).collect(),
        most,
        alerts: hours.values().map(|activity| activity.alerts).sum(),
        others: hours.values().map(|activity| activity.others).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_ends_today_and_the_future_is_empty() {
        // 2026-11-23 14:27:53 UTC, a Monday.
        let now = 1_795_444_073_000_000_000;
        let (from, until) = span(now);
        assert_eq!((until - from, until > now, until - now < DAY_NS), (7 * DAY_NS, true, true));
        let busy =
            BTreeMap::from([(6 * 24 + 14, Activity { alerts: 2, others: 98 }), (0, Activity { alerts: 0, others: 1 })]);
        let week = week(&busy, from, now);
        let today = week.days.last().unwrap();
        assert_eq!((today.name.as_str(), week.days.len(), week.most), ("Mon 23 Nov", 7, 100));
        assert_eq!((today.hours[14].total, today.hours[14].step, today.hours[14].alerts), (Some(100), 5, 2));
        assert_eq!((today.hours[15].total, today.hours[13].total), (None, Some(0)));
        assert_eq!((week.days[0].hours[0].step, week.days[0].hours[1].step), (1, 0));
        assert_eq!((week.alerts, week.others), (2, 99));
    }
}
