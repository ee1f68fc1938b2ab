//! Moments in a manifest: RFC 3339 in UTC, to the second.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment, to the second. As text `2026-11-25T09:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(jiff::Timestamp);

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no moment; one is written as 2026-11-25T09:00:00Z")]
pub struct NoMoment(String);

impl Moment {
    /// From seconds since 1970-01-01 UTC; what lies beyond the years -9999 to 9999 is moved to them.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        let limit = if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(
            jiff::Timestamp::from_second(seconds).unwrap_or_else(|_| {
                jiff::Timestamp::from_second(limit.as_second()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            }),
        )
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn unix_seconds(self) -> i64 {
        self.0.as_second()
    }
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = text.parse().map(Self).ok();
        // One text per moment: other offsets, fractions and spellings are refused.
        moment.filter(|moment| moment.to_string() == text).ok_or_else(|| NoMoment(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for Moment {
    type Error = NoMoment;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_text() {
        let moment: Moment = "2026-11-25T09:00:00Z".parse().unwrap();
        assert_eq!((moment.unix_seconds(), moment.to_string().as_str()), (1_795_597_200, "2026-11-25T09:00:00Z"));
        for other in
            ["2026-11-25T09:00:00+00:00", "2026-11-25T09:00:00.5Z", "2026-11-25 09:00:00Z", "2026-11-25", "soon"]
        {
            assert!(other.parse::<Moment>().is_err(), "{other}");
        }
        assert!(Moment::from_unix_seconds(i64::MAX) > moment && Moment::from_unix_seconds(i64::MIN) < moment);
    }
}
