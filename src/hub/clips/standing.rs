//! How it is with the clip of an episode, out of what was asked, answered and received. Pure.

use serde::Serialize;

use super::ClipFacts;

/// How long after the last sign of it a clip is still waited for, in nanoseconds: agents try again for some minutes when
/// the hub does not answer.
const PATIENCE_NS: i64 = 600 * 1_000_000_000;

/// The last time that somebody asked for a clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The name of the token.
    pub by: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Until when the agent may take the command.
    pub expires_ns: i64,
    /// How it answered, such as `ok` or `not-found`; empty while it has not.
    pub code: String,
    /// Why, in its words.
    pub reason: String,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nobody has asked for it.
    None,
    /// The agent has been asked and has not answered yet.
    Asked,
    /// It is on its way.
    Coming,
    /// It is here.
    Here,
    /// The agent said that it cannot be had.
    Refused,
    /// The agent has not answered in time: it is away, or too old to know the command.
    Unanswered,
    /// It was on its way, and nothing more has come for a while.
    Stuck,
}

/// How it is, with all that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// In a word.
    pub state: Standing,
    /// The clip, where there is something of it.
    pub clip: Option<ClipFacts>,
    /// What was asked, where somebody has.
    pub asked: Option<Asked>,
}

impl Told {
    /// What follows from all that is known at `now`.
    pub(super) fn of(clip: Option<ClipFacts>, asked: Option<Asked>, now: i64) -> Self {
        Self { state: standing(clip.as_ref(), asked.as_ref(), now), clip, asked }
    }

    /// Whether something may change by itself.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, Standing::Asked | Standing::Coming)
    }
}

fn standing(clip: Option<&ClipFacts>, asked: Option<&Asked>, now: i64) -> Standing {
    let is_recent = |at_ns: i64| now.saturating_sub(at_ns) <= PATIENCE_NS;
    if clip.is_some_and(ClipFacts::is_whole) {
        return Standing::Here;
    }
    // An agent that gives up says so, whatever came before.
    if asked.is_some_and(|asked| !matches!(asked.code.as_str(), "" | "ok")) {
        return Standing::Refused;
    }
    // A later question counts more than pieces of before.
    let is_later = |asked: &&Asked| clip.is_none_or(|clip| asked.at_ns > clip.touched_ns);
    if let Some(asked) = asked.filter(is_later) {
        return match asked.code.as_str() {
            "" if now <= asked.expires_ns => Standing::Asked,
            "" => Standing::Unanswered,
            _ if is_recent(asked.at_ns) => Standing::Coming,
            _ => Standing::Stuck,
        };
    }
    match clip {
        Some(clip) if is_recent(clip.touched_ns) => Standing::Coming,
        Some(_) => Standing::Stuck,
        None => Standing::None,
    }
}
