//! Whether a text is a schedule: `mon-fri 08:00-12:00,13:00-18:00; sat 09:00-12:00`.
//!
//! The seam to `behaviour`, which owns schedules: it gives the one answer that is needed here.

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const GROUPS: [&str; 3] = ["daily", "weekdays", "weekend"];

/// Says what is wrong with a schedule.
pub(super) fn check(text: &str) -> Result<(), String> {
    text.to_lowercase().split(';').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), String> {
    let mut words = part.split_whitespace().peekable();
    let Some(first) = words.peek().copied() else {
        return Err("found an empty schedule, must have a window".to_owned());
    };
    if first.starts_with(|c: char| c.is_ascii_alphabetic()) {
        check_days(first)?;
        words.next();
    }
    words.flat_map(|word| word.split(',')).filter(|w| !w.is_empty()).try_for_each(check_window)
}

fn check_days(text: &str) -> Result<(), String> {
    let is_day = |day: &str| DAYS.contains(&day) || LONG_DAYS.contains(&day);
    let is_range = |text: &str| text.split('-').all(is_day) && text.split('-').count() <= 2;
    match text.split(',').find(|day| !is_range(day) && !GROUPS.contains(day)) {
        None => Ok(()),
        Some(day) => {
            Err(format!("found the day {}, must be mon to sun, daily, weekdays or weekend", super::phrase::name(day)))
        }
    }
}

fn check_window(window: &str) -> Result<(), String> {
    let shown = super::phrase::name(window);
    let Some((from, to)) = window.split_once('-') else {
        return Err(format!("found the window {shown}, must be HH:MM-HH:MM"));
    };
    let (from_minute, to_minute) = (minute(from), minute(to));
    match (from_minute, to_minute) {
        (Some(from), Some(to)) if from < 1440 && from != to => Ok(()),
        (Some(from), Some(to)) if from == to => {
            Err(format!("found the window {shown}, which ends when it starts, must be 00:00-24:00 for the whole day"))
        }
        _ => Err(format!("found the window {shown}, must be two times from 00:00 to 24:00")),
    }
}

/// Minutes since midnight.
fn minute(time: &str) -> Option<u16> {
    let (hours, minutes) = time.split_once(':')?;
    let digits = |text: &str| {
        (text.len() <= 2 && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes).filter(|m| *m < 60)?);
    let minute = hours * 60 + minutes;
    (minute <= 1440).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_in_words() {
        for text in ["22:00-06:00", "mon-fri 08:00-12:00,13:00-18:00; sat 09:00-12:00", "weekend", "daily 00:00-24:00"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["", "22-06", "25:00-26:00", "08:00-08:00", "fun 08:00-09:00", "08:00", "mon-tue-wed", "8:5x-9:00"]
        {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
