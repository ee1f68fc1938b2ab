//! Versions of models and programs: three numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version `major.minor.patch`, ordered as Semantic Versioning 2.0.0 orders releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version; one is three numbers such as 1.4.0")]
pub struct NoVersion(String);

impl Version {
    /// Of these numbers.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// The version of this program. What follows a `-`, as in a release candidate, does not count.
    pub fn of_this_program() -> Self {
        let release = env!("CARGO_PKG_VERSION").split(['-', '+']).next().unwrap_or_default();
        release.parse().unwrap_or(Self::new(0, 0, 0))
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let is_plain = part == "0" || !part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u64>().ok().filter(|_| is_plain)
        };
        let parts: Option<Vec<u64>> = text.splitn(4, '.').map(number).collect();
        match parts.as_deref() {
            Some([major, minor, patch]) => Ok(Self::new(*major, *minor, *patch)),
            _ => Err(NoVersion(text.chars().take(40).collect())),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_and_not_by_digit() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("1.10.0") > version("1.9.9") && version("2.0.0") > version("1.99.99"));
        assert_eq!(version("1.4.0").to_string(), "1.4.0");
        assert!(Version::of_this_program() > Version::new(0, 0, 0));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for wrong in
            ["", "1", "1.2", "1.2.3.4", "1.02.3", "1.2.x", "-1.2.3", "+1.2.3", "1.2.3-rc1", "99999999999999999999.0.0"]
        {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }
}
