//! What a rollout does next: from what was ordered, what every node has reported and the time. Pure; whoever carries it out
//! makes each step durable before its effect.
//!
//! ```text
//!                        ╭──────────────── next group: told when the one before has succeeded and soaked ◀─╮
//!                        ▼                                                                                 │
//!   created ──────▶ running ──first group has soaked, approval is asked for──▶ waiting-approval ──approve──┤
//!      │              │  ▲ │                                                        │                     │
//!      │         pause│  │ ╰──all groups have soaked──▶ finished                      │pause                │
//!      │              ▼  │resume                                                      ▼                     │
//!      ╰──pause────▶ paused ◀───────────────────────────────────────────────────── paused ──resume─────────╯
//!
//!   any of these ──too many errors, or abort──▶ reverting ──every node that is there has gone back──▶ reverted, aborted
//! ```
//!
//! An agent that is away is pending: neither a success nor an error. Nodes that have been told carry their wish out by
//! themselves, so a pause holds the next group alone; errors turn a paused rollout back as they do a running one. While it
//! reverts, every node that was ever told gets a wish for what it had before, without proof. Those that are away keep
//! that wish, retained at the broker, and go back when they return; `reverted` does not wait for them, and says so.

use serde::{Deserialize, Serialize};

use super::node::{Node, Stage, Standing};
use super::spec::{Artifact, Spec};
use crate::vocab::Id;

/// The most agents that a sentence names.
const NAMED: usize = 5;

/// How a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was ordered, and nobody has been told.
    Created,
    /// It goes on by itself.
    Running,
    /// The first group has succeeded, and somebody must approve.
    WaitingApproval,
    /// Somebody holds it.
    Paused,
    /// Everybody who was told goes back.
    Reverting,
    /// Everybody who is there has gone back, after errors.
    Reverted,
    /// The last group has succeeded and soaked.
    Finished,
    /// Everybody who is there has gone back, as somebody wanted.
    Aborted,
}

impl State {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Running,
        Self::WaitingApproval,
        Self::Paused,
        Self::Reverting,
        Self::Reverted,
        Self::Finished,
        Self::Aborted,
    ];

    /// Whether nothing more will happen.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Reverted | Self::Finished | Self::Aborted)
    }

    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::WaitingApproval => "waiting-approval",
            Self::Paused => "paused",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }

    /// Reads what [`State::as_str`] writes.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Where a rollout is in its course: all of it that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// How it is.
    pub state: State,
    /// Why it turned back, who paused it, who is away: for people.
    pub why: String,
    /// How many groups have been told.
    pub groups_told: u32,
    /// Since when the newest of them has succeeded; none while it has not.
    pub succeeded_ns: Option<i64>,
    /// Whether somebody has approved of what follows the first group.
    pub is_approved: bool,
    /// Whether it turns back because somebody wanted it.
    pub is_aborted: bool,
}

impl Course {
    /// Of a rollout that was just ordered.
    pub fn new() -> Self {
        Self {
            state: State::Created,
            why: String::new(),
            groups_told: 0,
            succeeded_ns: None,
            is_approved: false,
            is_aborted: false,
        }
    }
}

impl Default for Course {
    fn default() -> Self {
        Self::new()
    }
}

/// A rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its name.
    pub id: String,
    /// What was ordered.
    pub spec: Spec,
    /// Where it is.
    pub course: Course,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where the rollout is then.
    pub course: Course,
    /// Who is told to try what is rolled out, and what it would go back to.
    pub tell: Vec<Turn>,
    /// Who is told to go back, and to what.
    pub take_back: Vec<Turn>,
}

/// An agent that is told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Which.
    pub agent: Id,
    /// What was there before; none for its own file.
    pub previous: Option<Artifact>,
}

/// What somebody wants of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hold it.
    Pause,
    /// Let it go on.
    Resume,
    /// Let it go beyond the first group.
    Approve,
    /// Turn it back.
    Abort,
}

impl Action {
    /// The action as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Approve => "approve",
            Self::Abort => "abort",
        }
    }
}

/// The course of a rollout that cannot go on, of which `why` says why.
pub fn turn_back(course: &Course, why: String) -> Course {
    Course { state: State::Reverting, why, ..course.clone() }
}

/// The course after somebody named `by` has done `action`; none where the rollout is not such that it can be done.
pub fn act(course: &Course, action: Action, by: &str) -> Option<Course> {
    let mut course = course.clone();
    match (action, course.state) {
        (Action::Pause, State::Created | State::Running | State::WaitingApproval) => {
            course.state = State::Paused;
            course.why = format!("paused by {by}");
        }
        (Action::Resume, State::Paused) => {
            course.state = State::Running;
            course.why = String::new();
        }
        (Action::Approve, State::WaitingApproval) => {
            course.state = State::Running;
            course.why = format!("approved by {by}");
            course.is_approved = true;
        }
        (Action::Abort, State::Created | State::Running | State::WaitingApproval | State::Paused) => {
            course.state = State::Reverting;
            course.why = format!("aborted by {by}");
            course.is_aborted = true;
        }
        _ => return None,
    }
    Some(course)
}

/// What `rollout` does at `now`, one step.
pub fn plan(rollout: &Rollout, nodes: &[Node], now: i64) -> Plan {
    let standings: Vec<(&Node, Standing)> =
        nodes.iter().map(|node| (node, node.standing(&rollout.id, &rollout.spec, now))).collect();
    let mut plan = Plan { course: rollout.course.clone(), tell: Vec::new(), take_back: Vec::new() };
    match rollout.course.state {
        State::Created | State::Running | State::Paused | State::WaitingApproval => {
            match too_many_errors(&rollout.spec, &standings) {
                Some(why) => {
                    plan.course.state = State::Reverting;
                    plan.course.why = why;
                    take_back(&mut plan, &standings);
                }
                None => go_on(rollout, &standings, now, &mut plan),
            }
        }
        State::Reverting => {
            take_back(&mut plan, &standings);
            if plan.take_back.is_empty() {
                settle(&mut plan.course, &standings);
            }
        }
        State::Reverted | State::Finished | State::Aborted => {}
    }
    plan
}

/// Why the rollout must turn back, where it must.
fn too_many_errors(spec: &Spec, standings: &[(&Node, Standing)]) -> Option<String> {
    let told = standings.iter().filter(|(node, _)| node.told.is_some()).count();
    let errors: Vec<_> = standings.iter().filter(|(_, standing)| standing.stage.is_error()).collect();
    let limit = f64::from(spec.terms.error_nodes).max(spec.terms.error_share * told as f64);
    if errors.is_empty() || (errors.len() as f64) < limit {
        return None;
    }
    let named = errors.iter().take(NAMED).map(|(node, standing)| {
        let (agent, stage) = (&node.agent, standing.stage.as_str());
        if standing.reason.is_empty() {
            format!("{agent} {stage}")
        } else {
            format!("{agent} {stage}: {}", standing.reason)
        }
    });
    let named: Vec<String> = named.collect();
    let rest = if errors.len() > NAMED { "; …" } else { "" };
    Some(format!("{} of {told} told have failed: {}{rest}", errors.len(), named.join("; ")))
}

fn take_back(plan: &mut Plan, standings: &[(&Node, Standing)]) {
    let ahead = standings.iter().filter(|(node, _)| node.taken_back.is_none());
    let turn = |(node, _): &(&Node, Standing)| {
        node.told.as_ref().map(|told| Turn { agent: node.agent.clone(), previous: told.previous.clone() })
    };
    plan.take_back = ahead.filter_map(turn).collect();
}

/// Tells the next group, asks for approval or ends, when it is time.
fn go_on(rollout: &Rollout, standings: &[(&Node, Standing)], now: i64, plan: &mut Plan) {
    let (course, terms) = (&mut plan.course, &rollout.spec.terms);
    let groups = standings.iter().map(|(node, _)| node.group + 1).max().unwrap_or(0);
    course.succeeded_ns = match has_succeeded(course.groups_told, terms.success, standings) {
        true => Some(course.succeeded_ns.unwrap_or(now)),
        false => None,
    };
    let has_soaked = course.succeeded_ns.is_some_and(|since| now.saturating_sub(since) >= terms.soak_ns());
    let may_go_on = course.groups_told == 0 || has_soaked;
    if !may_go_on || !matches!(course.state, State::Created | State::Running) {
        return;
    }
    if course.groups_told == groups {
        course.state = State::Finished;
        course.why = pending(standings);
    } else if course.groups_told == 1 && terms.needs_approval && !course.is_approved {
        course.state = State::WaitingApproval;
    } else {
        course.state = State::Running;
        let next = standings.iter().filter(|(node, _)| node.group == course.groups_told && node.told.is_none());
        let turn = |node: &Node| Turn { agent: node.agent.clone(), previous: node.in_force(&rollout.spec.target) };
        plan.tell = next.map(|(node, _)| turn(node)).collect();
        course.groups_told += 1;
        course.succeeded_ns = None;
    }
}

/// Whether enough of the newest group that was told have committed.
fn has_succeeded(groups_told: u32, success: f64, standings: &[(&Node, Standing)]) -> bool {
    let of_group = || standings.iter().filter(|(node, _)| node.group + 1 == groups_told);
    let committed = of_group().filter(|(_, standing)| standing.stage == Stage::Committed).count();
    committed > 0 && committed as f64 >= success * of_group().count() as f64
}

/// Who is not done although the rollout is.
fn pending(standings: &[(&Node, Standing)]) -> String {
    let left: Vec<&Id> = standings.iter().filter(|(_, s)| s.stage != Stage::Committed).map(|(n, _)| &n.agent).collect();
    if left.is_empty() { String::new() } else { format!("not done and still told: {}", names(&left)) }
}

/// Ends a rollout that has turned back, once everybody who is there has gone back.
fn settle(course: &mut Course, standings: &[(&Node, Standing)]) {
    let told: Vec<_> = standings.iter().filter(|(node, _)| node.told.is_some()).collect();
    let is_back = |standing: &Standing| standing.stage == Stage::Back;
    if told.iter().any(|(node, standing)| node.online_since_ns.is_some() && !is_back(standing)) {
        return;
    }
    course.state = if course.is_aborted { State::Aborted } else { State::Reverted };
    let away: Vec<&Id> = told.iter().filter(|(_, standing)| !is_back(standing)).map(|(node, _)| &node.agent).collect();
    if !away.is_empty() {
        course.why = format!("{}; away and told to go back: {}", course.why, names(&away));
    }
}

/// Some agents in a sentence.
pub(super) fn names(agents: &[&Id]) -> String {
    let named: Vec<&str> = agents.iter().take(NAMED).map(|agent| agent.as_str()).collect();
    match agents.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
