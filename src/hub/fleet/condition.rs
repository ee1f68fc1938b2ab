//! How an agent is, told truthfully: what it last said counts only as long as it goes on speaking. Pure.

use serde::Serialize;

/// An agent speaks of its health every ten seconds; one that has missed three is silent.
const FRESH_NS: i64 = 35_000_000_000;

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there and speaks.
    Online,
    /// It said that it goes, or the broker said that it is gone.
    Offline,
    /// It should be there, and says nothing.
    Silent,
    /// It has never said whether it is there.
    Unknown,
}

/// How an agent is and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// How.
    pub state: State,
    /// Since when, in nanoseconds since 1970: for a silent one, when it last spoke of its health.
    pub since_ns: i64,
}

/// What the last words of an agent were, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastWords<'a> {
    pub(super) status: &'a str,
    pub(super) boot: &'a str,
    pub(super) status_ns: i64,
    pub(super) health_boot: &'a str,
    /// 0 where there is none.
    pub(super) health_ns: i64,
}

impl Condition {
    /// What follows from the last words at `now`.
    pub(super) fn of(words: LastWords<'_>, now: i64) -> Self {
        let is_fresh = |at_ns: i64| now.saturating_sub(at_ns) <= FRESH_NS;
        // A later run is heard whose first word was covered by the late will of the run before.
        let lives_on = words.health_boot != words.boot && words.health_ns > words.status_ns;
        let since_ns = words.status_ns;
        match words.status {
            "offline" if !lives_on => Self { state: State::Offline, since_ns },
            "" if words.health_ns == 0 => Self { state: State::Unknown, since_ns },
            // One that has just come has not had the time to speak of its health.
            _ if is_fresh(words.health_ns.max(words.status_ns)) => Self { state: State::Online, since_ns },
            _ => Self { state: State::Silent, since_ns: words.health_ns.max(words.status_ns) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn words(status: &'static str, health_boot: &'static str, health_s: i64) -> LastWords<'static> {
        LastWords { status, boot: "b1", status_ns: 100 * SECOND, health_boot, health_ns: health_s * SECOND }
    }

    #[test]
    fn online_is_believed_only_while_the_agent_speaks() {
        let state = |words, now| Condition::of(words, now * SECOND);
        assert_eq!(state(words("online", "b1", 200), 210).state, State::Online);
        let silent = Condition { state: State::Silent, since_ns: 200 * SECOND };
        assert_eq!(state(words("online", "b1", 200), 300), silent);
        assert_eq!(state(words("online", "", 0), 110).state, State::Online, "it has just come");
        assert_eq!(state(words("online", "", 0), 150).state, State::Silent);
        assert_eq!(state(words("", "", 0), 110).state, State::Unknown);
        assert_eq!(state(words("offline", "b1", 99), 101).state, State::Offline);
        assert_eq!(state(words("offline", "b1", 101), 102).state, State::Offline, "its last health came late");
        assert_eq!(state(words("offline", "b2", 101), 102).state, State::Online, "a later run speaks");
    }
}
