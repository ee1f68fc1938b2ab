//! When a rule is awake: windows of local time on days of the week.
//!
//! ```text
//! schedule = part *( ";" part )            "mon-fri 08:00-18:00; sat 09:00-12:00"
//! part     = [ days ] window *( "," window )  |  days
//! days     = "daily" | "weekdays" | "weekend" | day [ "-" day ] *( "," day [ "-" day ] )
//! day      = "mon" … "sun", also in full
//! window   = HH:MM "-" HH:MM               from 00:00; up to, and without, the second time; 24:00 is midnight
//! ```
//!
//! Without days a window holds every day. Without windows the days are whole. A window whose end is not after its
//! start runs across midnight and belongs to the day on which it starts: `fri 22:00-06:00` ends on Saturday morning.
//! `sat-mon` runs over the end of the week.
//!
//! Times are those on a wall clock in the rules' time zone, so daylight saving needs no special case: an hour that the
//! clock skips is never in a window, an hour that it shows twice is in it twice.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::vocab::WallTime;

/// Windows of local time. Parsed once, asked often, without allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    spans: Vec<Span>,
}

/// One window on some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    days: Days,
    /// Minutes from midnight, 0..1440.
    from: u16,
    /// Minutes from midnight, 0..=1440; not after `from` where the window runs across midnight.
    to: u16,
}

/// Days of the week as bits, Monday being the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days(u8);

/// Why a text is not a [`Schedule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is nothing in the text, or in one of its parts.
    #[error("a schedule needs at least one window such as 22:00-06:00; leave the key out for a rule that never sleeps")]
    Empty,
    /// Not a day, or not a range of days.
    #[error(
        "{0:?} is not a day; allowed are mon, tue, wed, thu, fri, sat, sun, ranges such as mon-fri, daily, weekdays, weekend"
    )]
    Day(String),
    /// Not two times with a dash between.
    #[error("{0:?} is not a window; write HH:MM-HH:MM, such as 22:00-06:00")]
    Window(String),
    /// Not a time of day.
    #[error("{0:?} is not a time; write HH:MM from 00:00 to 23:59, or 24:00 as an end")]
    Time(String),
    /// Start and end are the same.
    #[error("window {0:?} ends when it starts; for the whole day write 00:00-24:00")]
    SameTime(String),
    /// Too long a list.
    #[error("a schedule has at most {MOST_WINDOWS} windows, found {0}")]
    TooMany(usize),
}

const MOST_WINDOWS: usize = 64;
const MINUTES_PER_DAY: u16 = 24 * 60;
const DAY_NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Schedule {
    /// Reads a schedule in the form that this file opens with. Case and blanks around `-`, `,` and `;` do not matter.
    ///
    /// # Errors
    /// Says which piece of the text was not understood, and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut spans = Vec::new();
        for part in text.to_lowercase().replace('–', "-").split(';') {
            parse_part(&close_gaps(part), &mut spans)?;
        }
        if spans.len() > MOST_WINDOWS {
            return Err(ScheduleError::TooMany(spans.len()));
        }
        Ok(Self { spans })
    }

    /// Whether the schedule is open at `wall` in `zone`. Constant within a minute of UTC.
    pub fn is_open(&self, wall: WallTime, zone: &TimeZone) -> bool {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(wall.unix_nanos()));
        // Every i64 of nanoseconds lies within the years 1677 to 2262, which jiff can hold.
        stamp.is_ok_and(|stamp| self.is_open_at(zone.to_datetime(stamp)))
    }

    fn is_open_at(&self, local: DateTime) -> bool {
        let minute = local.hour().unsigned_abs() as u16 * 60 + local.minute().unsigned_abs() as u16;
        let today = local.weekday().to_monday_zero_offset().unsigned_abs();
        self.spans.iter().any(|span| span.holds(today, minute))
    }
}

impl Span {
    fn holds(&self, today: u8, minute: u16) -> bool {
        if self.from < self.to {
            return self.days.has(today) && (self.from..self.to).contains(&minute);
        }
        let yesterday = (today + 6) % 7;
        (self.days.has(today) && minute >= self.from) || (self.days.has(yesterday) && minute < self.to)
    }
}

impl Days {
    const ALL: Self = Self(0b111_1111);

    fn has(self, day: u8) -> bool {
        self.0 & (1 << day) != 0
    }

    fn from_to(first: usize, last: usize) -> Self {
        let length = (last + 7 - first) % 7 + 1;
        Self((0..length).fold(0, |bits, i| bits | 1 << ((first + i) % 7)))
    }
}

/// Takes out blanks around dashes and commas, so that what is left splits at blanks into days and windows.
fn close_gaps(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for word in part.split_whitespace() {
        let joins = text.ends_with(['-', ',']) || word.starts_with(['-', ',']);
        if !text.is_empty() && !joins {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

fn parse_part(part: &str, spans: &mut Vec<Span>) -> Result<(), ScheduleError> {
    let mut words = part.split(' ').filter(|w| !w.is_empty()).peekable();
    let Some(first) = words.peek().copied() else {
        return Err(ScheduleError::Empty);
    };
    let mut days = Days::ALL;
    if first.starts_with(char::is_alphabetic) {
        days = parse_days(first)?;
        words.next();
        if words.peek().is_none() {
            spans.push(Span { days, from: 0, to: MINUTES_PER_DAY });
        }
    }
    for window in words.flat_map(|word| word.split(',')) {
        let (from, to) = parse_window(window)?;
        spans.push(Span { days, from, to });
    }
    Ok(())
}

fn parse_days(text: &str) -> Result<Days, ScheduleError> {
    let mut bits = 0;
    for item in text.split(',') {
        let days = match item {
            "daily" => Days::ALL,
            "weekdays" => Days::from_to(0, 4),
            "weekend" => Days::from_to(5, 6),
            _ => {
                let (first, last) = item.split_once('-').unwrap_or((item, item));
                let day = |name| day_index(name).ok_or_else(|| ScheduleError::Day(item.to_owned()));
                Days::from_to(day(first)?, day(last)?)
            }
        };
        bits |= days.0;
    }
    Ok(Days(bits))
}

fn day_index(name: &str) -> Option<usize> {
    DAY_NAMES.iter().position(|full| name == *full || name == &full[..3])
}

fn parse_window(text: &str) -> Result<(u16, u16), ScheduleError> {
    let (from, to) = text.split_once('-').ok_or_else(|| ScheduleError::Window(text.to_owned()))?;
    let start = parse_time(from)?;
    let end = parse_time(to)?;
    if start == MINUTES_PER_DAY {
        return Err(ScheduleError::Time(from.to_owned()));
    }
    if start == end {
        return Err(ScheduleError::SameTime(text.to_owned()));
    }
    Ok((start, end))
}

fn parse_time(text: &str) -> Result<u16, ScheduleError> {
    let fault = || ScheduleError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(fault)?;
    let digits = |t: &str, lengths: &[usize]| lengths.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour, &[1, 2]) || !digits(minute, &[2]) {
        return Err(fault());
    }
    let (hour, minute): (u16, u16) = (hour.parse().map_err(|_| fault())?, minute.parse().map_err(|_| fault())?);
    let total = hour * 60 + minute;
    if minute < 60 && total <= MINUTES_PER_DAY { Ok(total) } else { Err(fault()) }
}

impl std::str::FromStr for Schedule {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

impl fmt::Display for Schedule {
    /// In the form that [`Schedule::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, span) in self.spans.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            if span.days != Days::ALL {
                let names = (0..7).filter(|day| span.days.has(*day)).map(|day| &DAY_NAMES[usize::from(day)][..3]);
                write!(f, "{} ", names.collect::<Vec<_>>().join(","))?;
            }
            let (from, to) = (span.from, span.to);
            write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn open(schedule: &str, local: &str) -> bool {
        Schedule::parse(schedule).unwrap().is_open_at(local.parse().unwrap())
    }

    /// 2026-11-23 is a Monday.
    #[test]
    fn windows_hold_from_their_start_up_to_their_end() {
        let table = [
            ("22:00-06:00", "2026-11-23T21:59:59", false),
            ("22:00-06:00", "2026-11-23T22:00", true),
            ("22:00-06:00", "2026-11-24T05:59:59", true),
            ("22:00-06:00", "2026-11-24T06:00", false),
            ("08:00-18:00", "2026-11-23T08:00", true),
            ("08:00-18:00", "2026-11-23T18:00", false),
            ("8:00-18:00", "2026-11-23T08:00", true),
            ("00:00-24:00", "2026-11-23T23:59:59", true),
            ("22:00-00:00", "2026-11-23T23:59", true),
            ("22:00-00:00", "2026-11-24T00:00", false),
            ("22:00-24:00", "2026-11-24T00:00", false),
            // Several windows, with every separator.
            ("08:00-12:00, 13:00-17:00", "2026-11-23T12:30", false),
            ("08:00-12:00, 13:00-17:00", "2026-11-23T13:00", true),
            ("08:00 - 12:00; 13:00 – 17:00", "2026-11-23T16:59", true),
            // Days.
            ("mon-fri 08:00-18:00; sat 09:00-12:00", "2026-11-27T17:00", true),
            ("mon-fri 08:00-18:00; sat 09:00-12:00", "2026-11-28T11:00", true),
            ("mon-fri 08:00-18:00; sat 09:00-12:00", "2026-11-28T13:00", false),
            ("mon-fri 08:00-18:00; sat 09:00-12:00", "2026-11-29T10:00", false),
            ("Sat - Mon 10:00-11:00", "2026-11-23T10:00", true),
            ("sat-mon 10:00-11:00", "2026-11-24T10:00", false),
            ("mon, wednesday 10:00-11:00", "2026-11-25T10:00", true),
            ("weekend", "2026-11-28T00:00", true),
            ("weekend", "2026-11-30T00:00", false),
            ("weekdays 10:00-11:00", "2026-11-27T10:30", true),
            ("daily 10:00-11:00", "2026-11-29T10:30", true),
            // Across midnight a window belongs to the day it starts on.
            ("fri 22:00-06:00", "2026-11-28T05:00", true),
            ("fri 22:00-06:00", "2026-11-27T05:00", false),
            ("sun 22:00-06:00", "2026-11-23T05:00", true),
        ];
        for (schedule, local, expected) in table {
            assert_eq!(open(schedule, local), expected, "{schedule} at {local}");
        }
    }

    #[test]
    fn what_is_not_a_schedule_says_what_is_allowed() {
        use ScheduleError as E;
        let table = [
            ("", E::Empty),
            ("22:00-06:00;", E::Empty),
            ("noon", E::Day("noon".into())),
            ("mon-xyz 10:00-11:00", E::Day("mon-xyz".into())),
            ("montag 10:00-11:00", E::Day("montag".into())),
            ("mon, 10:00-11:00", E::Day("10:00-11:00".into())),
            ("22:00", E::Window("22:00".into())),
            ("22:00-06:00,", E::Window(String::new())),
            ("22-06", E::Time("22".into())),
            ("22:00-25:00", E::Time("25:00".into())),
            ("24:00-06:00", E::Time("24:00".into())),
            ("22:60-23:00", E::Time("22:60".into())),
            ("22:0-23:00", E::Time("22:0".into())),
            ("+2:00-23:00", E::Time("+2:00".into())),
            ("10:00-24:01", E::Time("24:01".into())),
            ("10pm-6am", E::Time("10pm".into())),
            ("08:00-08:00", E::SameTime("08:00-08:00".into())),
        ];
        for (text, expected) in table {
            assert_eq!(Schedule::parse(text), Err(expected), "{text:?}");
        }
        assert_eq!(Schedule::parse(&vec!["10:00-11:00"; 65].join(";")), Err(E::TooMany(65)));
        assert_eq!(
            Schedule::parse("10pm-6am").unwrap_err().to_string(),
            "\"10pm\" is not a time; write HH:MM from 00:00 to 23:59, or 24:00 as an end"
        );
    }

    fn minutes_open(schedule: &str, zone: &str, day: jiff::civil::Date) -> usize {
        let zone = TimeZone::get(zone).unwrap();
        let schedule = Schedule::parse(schedule).unwrap();
        let start = zone.to_timestamp(day.at(12, 0, 0, 0)).unwrap().as_second();
        let open =
            |minute: i64| schedule.is_open(WallTime::from_unix_nanos((start + minute * 60) * 1_000_000_000), &zone);
        (0..24 * 60).filter(|minute| open(*minute)).count()
    }

    /// In Berlin clocks go from 02:00 to 03:00 on 2026-03-29 and from 03:00 back to 02:00 on 2026-10-25.
    #[test]
    fn a_night_is_shorter_or_longer_where_clocks_change() {
        let night = "22:00-06:00";
        assert_eq!(minutes_open(night, "Europe/Berlin", date(2026, 7, 1)), 8 * 60);
        assert_eq!(minutes_open(night, "Europe/Berlin", date(2026, 3, 28)), 7 * 60);
        assert_eq!(minutes_open(night, "Europe/Berlin", date(2026, 10, 24)), 9 * 60);
        assert_eq!(minutes_open("02:00-03:00", "Europe/Berlin", date(2026, 3, 28)), 0, "an hour that never came");
        assert_eq!(minutes_open("02:00-03:00", "Europe/Berlin", date(2026, 10, 24)), 120, "an hour that came twice");
    }

    #[test]
    fn the_time_zone_decides_which_hour_it_is() {
        let schedule = Schedule::parse("mon 22:00-23:00").unwrap();
        // 2026-11-23T21:30:00Z: 22:30 in Berlin, already Tuesday morning in Tokyo.
        let wall = WallTime::from_unix_nanos(1_795_469_400_000_000_000);
        assert_eq!(wall.to_rfc3339(), "2026-11-23T21:30:00.000Z");
        for (zone, expected) in
            [("Europe/Berlin", true), ("UTC", false), ("Asia/Tokyo", false), ("Asia/Kolkata", false)]
        {
            assert_eq!(schedule.is_open(wall, &TimeZone::get(zone).unwrap()), expected, "{zone}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(spans in prop::collection::vec((1u8..128, 0u16..1440, 0u16..=1440), 1..6)) {
            let spans = spans.into_iter().filter(|(_, from, to)| from != to);
            let spans: Vec<Span> = spans.map(|(days, from, to)| Span { days: Days(days), from, to }).collect();
            prop_assume!(!spans.is_empty());
            let schedule = Schedule { spans };
            prop_assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-z0-9:;, \\-–ſ]{0,40}") {
            let _ = Schedule::parse(&text);
        }
    }
}
