//! The planner, in golden texts and by chance: a fleet that is told what a plan says and reports what a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use super::node::{Node, Report, Told, Word};
use super::plan::{Action, Course, Rollout, State, Turn, act, plan};
use super::spec::{Artifact, Spec, Target, Terms};
use crate::vocab::Id;
use crate::wire::{OverlayRef, PackageRef, ReportedConfig, ReportedMessage, ReportedModel, RolloutStage};

const SECOND: i64 = 1_000_000_000;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// The package of a version.
fn package(version: i64) -> PackageRef {
    PackageRef { model: id("people"), version, sha256: format!("{version:064x}"), size: 1000 }
}

/// The same as what an agent may have.
fn artifact(version: i64) -> Artifact {
    Artifact::Package(package(version))
}

/// An overlay of a number.
fn overlay(number: i64) -> OverlayRef {
    OverlayRef { sha256: format!("{number:064x}"), size: 100 }
}

/// A fleet that does what it is told when a test says so, and what has happened to it as text.
struct Fleet {
    rollout: Rollout,
    nodes: Vec<Node>,
    now: i64,
    /// What ran on each agent before the rollout: none for its own file.
    before: BTreeMap<Id, Option<Artifact>>,
    revision: u64,
    text: String,
}

impl Fleet {
    /// So many agents, online, of which every second one has a package of its own version.
    fn new(agents: usize, terms: serde_json::Value) -> Self {
        let target = Target::Model { slot: id("people"), package: package(400) };
        Self::of("people-400-1", target, artifact, agents, terms)
    }

    /// The same with overlays over their configuration.
    fn of_configurations(agents: usize, terms: serde_json::Value) -> Self {
        let target = Target::Config { overlay: overlay(400), purpose: "quieter nights".to_owned() };
        Self::of("config-1", target, |number| Artifact::Overlay(overlay(number)), agents, terms)
    }

    fn of(
        name: &str,
        target: Target,
        artifact: impl Fn(i64) -> Artifact,
        agents: usize,
        terms: serde_json::Value,
    ) -> Self {
        let terms: Terms = serde_json::from_value(terms).unwrap();
        assert_eq!(terms.fault(), None);
        let groups = terms.group(agents);
        let spec = Spec { target, terms };
        let agent = |number: usize| id(&format!("a-{}", number + 1));
        let before = (0..agents).map(|number| (agent(number), (number % 2 == 1).then(|| artifact(number as i64 + 1))));
        let before: BTreeMap<Id, Option<Artifact>> = before.collect();
        let nodes = groups.iter().enumerate().map(|(number, group)| Node {
            agent: agent(number),
            group: *group,
            told: None,
            taken_back: None,
            online_since_ns: Some(0),
            report: before[&agent(number)].clone().map(|active| Report {
                message: message(1, "people-9-1", 1, RolloutStage::Committed, Some(active), None, ""),
                heard_ns: 0,
            }),
        });
        let nodes = nodes.collect();
        let rollout = Rollout { id: name.to_owned(), spec, course: Course::new() };
        Self { rollout, nodes, now: 1000 * SECOND, before, revision: 1, text: String::new() }
    }

    /// Plans until nothing changes, and does what the plans say.
    fn settle(&mut self) {
        for _ in 0..10 {
            if !self.step() {
                return;
            }
        }
        panic!("it does not come to rest:\n{}", self.text);
    }

    /// One plan; whether it changed anything.
    fn step(&mut self) -> bool {
        let plan = plan(&self.rollout, &self.nodes, self.now);
        let is_new = plan.course != self.rollout.course || !plan.tell.is_empty() || !plan.take_back.is_empty();
        if plan.course.state != self.rollout.course.state || plan.course.why != self.rollout.course.why {
            let (state, why) = (plan.course.state.as_str(), &plan.course.why);
            self.say(&format!("{state}{}{why}", if why.is_empty() { "" } else { ": " }));
        }
        self.turns("tell", &plan.tell);
        self.turns("take back", &plan.take_back);
        self.rollout.course = plan.course;
        for turn in &plan.tell {
            self.revision += 1;
            let word = Word { revision: self.revision, at_ns: self.now };
            self.node(turn.agent.as_str()).told = Some(Told { word, previous: turn.previous.clone() });
        }
        for turn in &plan.take_back {
            self.revision += 1;
            let word = Word { revision: self.revision, at_ns: self.now };
            self.node(turn.agent.as_str()).taken_back = Some(word);
        }
        is_new
    }

    fn turns(&mut self, what: &str, turns: &[Turn]) {
        if turns.is_empty() {
            return;
        }
        let previous = |turn: &Turn| match &turn.previous {
            None => "own file".to_owned(),
            Some(Artifact::Package(package)) => format!("version {}", package.version),
            Some(Artifact::Overlay(overlay)) => format!("overlay {}", overlay.sha256.trim_start_matches('0')),
        };
        let named: Vec<String> = turns.iter().map(|turn| format!("{} ({})", turn.agent, previous(turn))).collect();
        self.say(&format!("{what} {}", named.join(", ")));
    }

    fn say(&mut self, what: &str) {
        writeln!(self.text, "{:>5} s  {what}", self.now / SECOND - 1000).unwrap();
    }

    fn node(&mut self, agent: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.agent.as_str() == agent).unwrap()
    }

    /// Lets time pass, planning each second as a hub does.
    fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.settle();
        }
    }

    /// An agent reports on the last that it was told.
    fn reports(&mut self, agent: &str, stage: RolloutStage, reason: &str) {
        let (now, name) = (self.now, self.rollout.id.clone());
        let new = match &self.rollout.spec.target {
            Target::Model { package, .. } => Artifact::Package(package.clone()),
            Target::Config { overlay, .. } => Artifact::Overlay(overlay.clone()),
        };
        let node = self.node(agent);
        let told = node.told.clone().unwrap();
        let word = node.taken_back.unwrap_or(told.word);
        let wanted = if node.taken_back.is_some() { told.previous.clone() } else { Some(new.clone()) };
        let active =
            if matches!(stage, RolloutStage::Committed | RolloutStage::Trial) { wanted } else { told.previous.clone() };
        let message = match new {
            Artifact::Package(_) => message(word.revision, &name, word.revision, stage, active, told.previous, reason),
            Artifact::Overlay(_) => config_message(&name, word.revision, stage, active, reason),
        };
        node.report = Some(Report { message, heard_ns: now });
    }

    fn commits(&mut self, agents: &[&str]) {
        for agent in agents {
            self.reports(agent, RolloutStage::Committed, "");
        }
        self.say(&format!("      {} committed", agents.join(", ")));
        self.settle();
    }

    fn fails(&mut self, agent: &str, stage: RolloutStage, reason: &str) {
        self.reports(agent, stage, reason);
        self.say(&format!("      {agent} {stage:?}: {reason}"));
        self.settle();
    }

    fn goes(&mut self, agent: &str) {
        self.node(agent).online_since_ns = None;
        self.say(&format!("      {agent} is away"));
        self.settle();
    }

    fn returns(&mut self, agent: &str) {
        self.node(agent).online_since_ns = Some(self.now);
        self.say(&format!("      {agent} is there"));
        self.settle();
    }

    fn does(&mut self, action: Action) -> bool {
        let Some(course) = act(&self.rollout.course, action, "eve") else { return false };
        self.rollout.course = course;
        self.say(&format!("      {}", action.as_str()));
        self.settle();
        true
    }

    fn state(&self) -> State {
        self.rollout.course.state
    }
}

fn message(
    sequence: u64,
    rollout: &str,
    revision: u64,
    stage: RolloutStage,
    active: Option<Artifact>,
    previous: Option<Artifact>,
    reason: &str,
) -> ReportedMessage {
    if let Some(Artifact::Overlay(_)) = &active {
        return config_message(rollout, revision, stage, active, reason);
    }
    let package = |artifact: Option<Artifact>| artifact.as_ref().and_then(Artifact::package).cloned();
    let (active, previous) = (package(active), package(previous));
    let (rollout, reason) = (rollout.to_owned(), reason.to_owned());
    let model = ReportedModel {
        revision,
        rollout,
        stage,
        reason,
        active,
        previous,
        candidate: None,
        evidence: None,
        quarantined: Vec::new(),
    };
    let models = BTreeMap::from([(id("people"), model)]);
    ReportedMessage { boot: "b".to_owned(), sequence, revision, refused: None, models, config: None }
}

fn config_message(
    rollout: &str,
    revision: u64,
    stage: RolloutStage,
    active: Option<Artifact>,
    reason: &str,
) -> ReportedMessage {
    let config = ReportedConfig {
        revision,
        rollout: rollout.to_owned(),
        stage,
        reason: reason.to_owned(),
        active: active.as_ref().and_then(Artifact::overlay).cloned(),
        unfit: None,
        candidate: None,
        evidence: None,
        quarantined: Vec::new(),
    };
    let (boot, models) = ("b".to_owned(), BTreeMap::new());
    ReportedMessage { boot, sequence: revision, revision, refused: None, models, config: Some(config) }
}

fn short() -> serde_json::Value {
    serde_json::json!({"groups": [1, "25%", "100%"], "soak_seconds": 60, "node_timeout_seconds": 600})
}

#[test]
fn a_good_package_reaches_all_group_by_group() {
    let mut fleet = Fleet::new(8, short());
    fleet.settle();
    fleet.wait(30);
    fleet.reports("a-1", RolloutStage::Shadow, "");
    fleet.wait(30);
    fleet.reports("a-1", RolloutStage::Trial, "");
    fleet.wait(30);
    fleet.commits(&["a-1"]);
    fleet.wait(70);
    fleet.commits(&["a-2"]);
    fleet.wait(70);
    fleet.commits(&["a-3", "a-4", "a-5", "a-6", "a-7"]);
    fleet.wait(70);
    fleet.commits(&["a-8"]);
    fleet.wait(70);
    assert_eq!(fleet.state(), State::Finished);
    insta::assert_snapshot!("good", fleet.text);
}

#[test]
fn a_configuration_reaches_all_group_by_group_and_goes_back_to_what_each_had() {
    let mut fleet = Fleet::of_configurations(4, short());
    fleet.settle();
    fleet.wait(30);
    fleet.reports("a-1", RolloutStage::Trial, "");
    fleet.wait(30);
    fleet.commits(&["a-1"]);
    fleet.wait(70);
    fleet.commits(&["a-2"]);
    fleet.wait(60);
    fleet.commits(&["a-3"]);
    fleet.fails("a-4", RolloutStage::RolledBack, "the frame rate of the camera door fell from 25.0 to 3.1 a second");
    for agent in ["a-1", "a-2", "a-3", "a-4"] {
        fleet.wait(1);
        fleet.reports(agent, RolloutStage::Committed, "");
    }
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverted);
    insta::assert_snapshot!("configuration", fleet.text);
}

#[test]
fn an_overlay_that_no_longer_fits_the_file_on_the_box_is_no_success() {
    let mut fleet = Fleet::of_configurations(4, short());
    fleet.settle();
    fleet.commits(&["a-1"]);
    let config = fleet.node("a-1").report.as_mut().unwrap().message.config.as_mut().unwrap();
    config.unfit = Some("overlay:1:12: cameras.door: found `door`".to_owned());
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverting);
    assert!(fleet.rollout.course.why.contains("a-1 failed: overlay:1:12"), "{}", fleet.rollout.course.why);
}

#[test]
fn an_error_in_the_first_group_touches_nobody_else() {
    let mut fleet = Fleet::new(8, short());
    fleet.settle();
    fleet.wait(10);
    fleet.fails("a-1", RolloutStage::RolledBack, "it sees twice as many objects");
    fleet.wait(5);
    fleet.reports("a-1", RolloutStage::Committed, "");
    fleet.wait(5);
    assert_eq!(fleet.state(), State::Reverted);
    insta::assert_snapshot!("error_in_the_first_group", fleet.text);
}

#[test]
fn an_error_in_the_last_group_takes_everybody_back() {
    let mut fleet = Fleet::new(6, short());
    fleet.settle();
    fleet.commits(&["a-1"]);
    fleet.wait(60);
    fleet.commits(&["a-2"]);
    fleet.wait(60);
    fleet.commits(&["a-3", "a-4"]);
    fleet.goes("a-4");
    fleet.fails("a-5", RolloutStage::Failed, "its golden pictures differ");
    for agent in ["a-1", "a-2", "a-3", "a-5", "a-6"] {
        fleet.wait(1);
        assert_eq!(fleet.state(), State::Reverting, "before {agent}");
        fleet.reports(agent, RolloutStage::Committed, "");
    }
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverted);
    insta::assert_snapshot!("error_in_the_last_group", fleet.text);
}

#[test]
fn who_is_away_is_neither_success_nor_error() {
    let mut fleet = Fleet::new(4, short());
    fleet.goes("a-1");
    fleet.wait(2000);
    fleet.returns("a-1");
    fleet.wait(590);
    fleet.commits(&["a-1"]);
    fleet.wait(60);
    fleet.goes("a-3");
    fleet.goes("a-4");
    fleet.commits(&["a-2"]);
    fleet.wait(5000);
    fleet.returns("a-3");
    fleet.returns("a-4");
    fleet.commits(&["a-3", "a-4"]);
    // One that is done may leave.
    fleet.goes("a-2");
    fleet.wait(60);
    assert_eq!(fleet.state(), State::Finished);
    insta::assert_snapshot!("offline", fleet.text);
}

#[test]
fn the_last_group_may_end_without_some_who_are_away() {
    let mut fleet = Fleet::new(4, serde_json::json!({"groups": ["100%"], "soak_seconds": 60, "success": 0.75}));
    fleet.settle();
    fleet.goes("a-4");
    fleet.commits(&["a-1", "a-2", "a-3"]);
    fleet.wait(60);
    assert_eq!(fleet.state(), State::Finished);
    insta::assert_snapshot!("offline_in_the_last_group", fleet.text);
}

#[test]
fn a_pause_holds_the_next_group_and_an_abort_takes_all_back() {
    let mut fleet = Fleet::new(4, short());
    fleet.settle();
    fleet.commits(&["a-1"]);
    fleet.wait(30);
    assert!(fleet.does(Action::Pause));
    assert!(!fleet.does(Action::Pause) && !fleet.does(Action::Approve));
    fleet.wait(100);
    assert!(fleet.does(Action::Resume));
    fleet.commits(&["a-2"]);
    fleet.wait(60);
    assert!(fleet.does(Action::Abort));
    assert!(!fleet.does(Action::Abort) && !fleet.does(Action::Resume));
    for agent in ["a-1", "a-2", "a-3", "a-4"] {
        fleet.wait(1);
        fleet.reports(agent, RolloutStage::Committed, "");
    }
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Aborted);
    insta::assert_snapshot!("pause_resume_abort", fleet.text);
}

#[test]
fn errors_turn_back_what_is_paused_and_an_abort_of_nothing_is_over_at_once() {
    let mut fleet = Fleet::new(4, short());
    assert!(fleet.does(Action::Abort));
    assert_eq!(fleet.state(), State::Aborted);
    assert!(fleet.nodes.iter().all(|node| node.told.is_none()));
    let mut fleet = Fleet::new(4, short());
    fleet.settle();
    assert!(fleet.does(Action::Pause));
    fleet.fails("a-1", RolloutStage::Failed, "no room");
    assert_eq!(fleet.state(), State::Reverting);
}

#[test]
fn somebody_approves_after_the_first_group() {
    let mut terms = short();
    terms["needs_approval"] = true.into();
    let mut fleet = Fleet::new(4, terms);
    fleet.settle();
    assert!(!fleet.does(Action::Approve));
    fleet.commits(&["a-1"]);
    fleet.wait(500);
    assert_eq!(fleet.state(), State::WaitingApproval);
    assert!(fleet.does(Action::Pause) && fleet.does(Action::Resume));
    assert_eq!(fleet.state(), State::WaitingApproval, "a pause is no approval");
    fleet.wait(500);
    assert!(fleet.does(Action::Approve));
    fleet.commits(&["a-2"]);
    fleet.wait(60);
    fleet.commits(&["a-3", "a-4"]);
    fleet.wait(60);
    assert_eq!(fleet.state(), State::Finished);
    insta::assert_snapshot!("approval", fleet.text);
}

#[test]
fn who_is_there_and_does_not_get_done_is_an_error() {
    let mut fleet = Fleet::new(4, short());
    fleet.settle();
    fleet.wait(300);
    fleet.reports("a-1", RolloutStage::Downloading, "");
    fleet.wait(400);
    fleet.reports("a-1", RolloutStage::Committed, "");
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverted);
    insta::assert_snapshot!("timeout", fleet.text);
}

#[test]
fn who_does_not_take_the_wish_or_knows_the_package_as_bad_is_an_error() {
    for (change, told) in [
        (
            Box::new(|message: &mut ReportedMessage| {
                message.revision = 1;
                message.models.clear();
                message.refused = Some("none of the hub keys in the configuration signed it".to_owned());
            }) as Box<dyn Fn(&mut ReportedMessage)>,
            "a-1 refused: none of the hub keys",
        ),
        (
            Box::new(|message| {
                let model = message.models.get_mut(&id("people")).unwrap();
                model.stage = RolloutStage::Downloading;
                model.quarantined = vec![package(400).sha256];
            }),
            "a-1 quarantined: ",
        ),
        (
            Box::new(|message| message.models.get_mut(&id("people")).unwrap().active = Some(package(7))),
            "a-1 failed: it says that it is done",
        ),
    ] {
        let mut fleet = Fleet::new(4, short());
        fleet.settle();
        fleet.wait(1);
        fleet.reports("a-1", RolloutStage::Committed, "");
        change(&mut fleet.node("a-1").report.as_mut().unwrap().message);
        fleet.settle();
        assert!(fleet.rollout.course.why.contains(told), "{}", fleet.text);
        assert_eq!(fleet.state(), State::Reverting);
    }
}

#[test]
fn what_an_agent_says_of_an_earlier_wish_or_another_rollout_counts_for_nothing() {
    let mut fleet = Fleet::new(2, short());
    fleet.settle();
    fleet.reports("a-1", RolloutStage::Committed, "");
    let good = fleet.node("a-1").report.clone().unwrap();
    let model = |report: &Report| report.message.models[&id("people")].clone();
    for change in [
        ReportedModel { revision: 1, ..model(&good) },
        ReportedModel { rollout: "people-399-1".to_owned(), ..model(&good) },
    ] {
        fleet.node("a-1").report.as_mut().unwrap().message.models.insert(id("people"), change);
        fleet.wait(100);
        assert_eq!(fleet.rollout.course.groups_told, 1);
    }
    fleet.node("a-1").report = Some(good);
    fleet.wait(61);
    assert_eq!(fleet.rollout.course.groups_told, 2);
}

#[test]
fn a_success_that_is_lost_while_it_soaks_begins_anew() {
    let mut fleet = Fleet::new(4, serde_json::json!({"groups": ["50%", "100%"], "soak_seconds": 60, "error_nodes": 3}));
    fleet.settle();
    fleet.commits(&["a-1", "a-2"]);
    fleet.wait(50);
    fleet.fails("a-2", RolloutStage::RolledBack, "it took too long");
    fleet.wait(50);
    assert_eq!(fleet.rollout.course.groups_told, 1);
    fleet.commits(&["a-2"]);
    fleet.wait(59);
    assert_eq!(fleet.rollout.course.groups_told, 1);
    fleet.wait(1);
    assert_eq!(fleet.rollout.course.groups_told, 2);
}

#[test]
fn a_node_that_cannot_go_back_keeps_the_rollout_open_while_it_is_there() {
    let mut fleet = Fleet::new(2, short());
    fleet.settle();
    fleet.fails("a-1", RolloutStage::Failed, "no room");
    fleet.reports("a-1", RolloutStage::Failed, "the disk is broken");
    fleet.node("a-1").report.as_mut().unwrap().message.models.get_mut(&id("people")).unwrap().active =
        Some(package(400));
    fleet.wait(1000);
    assert_eq!(fleet.state(), State::Reverting);
    fleet.goes("a-1");
    assert_eq!(fleet.state(), State::Reverted);
    assert!(fleet.rollout.course.why.ends_with("away and told to go back: a-1"), "{}", fleet.rollout.course.why);
}

#[test]
fn what_is_on_trial_is_nothing_to_go_back_to() {
    let mut fleet = Fleet::new(2, short());
    let report = |stage, active, previous| {
        Some(Report { message: message(1, "people-9-1", 1, stage, active, previous, ""), heard_ns: 0 })
    };
    for (stage, active, previous, goes_back_to) in [
        (RolloutStage::Trial, Some(artifact(8)), Some(artifact(3)), Some(artifact(3))),
        (RolloutStage::Trial, Some(artifact(8)), None, None),
        (RolloutStage::Committed, Some(artifact(8)), Some(artifact(3)), Some(artifact(8))),
        (RolloutStage::RolledBack, Some(artifact(3)), Some(artifact(3)), Some(artifact(3))),
    ] {
        fleet.node("a-1").report = report(stage, active, previous);
        let plan = plan(&fleet.rollout, &fleet.nodes, fleet.now);
        assert_eq!(plan.tell, [Turn { agent: id("a-1"), previous: goes_back_to }], "{stage:?}");
    }
}

#[test]
fn an_agent_need_not_speak_of_its_own_file_to_be_back() {
    let mut fleet = Fleet::new(2, short());
    fleet.settle();
    fleet.fails("a-1", RolloutStage::Failed, "no room");
    let back = fleet.node("a-1").taken_back.unwrap();
    fleet.reports("a-1", RolloutStage::Committed, "");
    let message = &mut fleet.node("a-1").report.as_mut().unwrap().message;
    message.models.clear();
    message.revision = back.revision - 1;
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverting, "it has not taken the wish");
    fleet.node("a-1").report.as_mut().unwrap().message.revision = back.revision;
    fleet.wait(1);
    assert_eq!(fleet.state(), State::Reverted);
}

#[test]
fn the_threshold_of_errors_is_a_number_or_a_share_whichever_is_more() {
    let mut fleet = Fleet::new(100, serde_json::json!({"groups": ["100%"], "soak_seconds": 1}));
    fleet.settle();
    for number in 1..=4 {
        fleet.fails(&format!("a-{number}"), RolloutStage::Failed, "no room");
        assert_eq!(fleet.state(), State::Running, "after {number}");
    }
    fleet.fails("a-5", RolloutStage::Failed, "no room");
    assert_eq!(fleet.state(), State::Reverting);
}

/// What may happen to a fleet.
#[derive(Debug, Clone)]
enum Chance {
    Wait(i64),
    Report(usize, RolloutStage),
    Go(usize),
    Return(usize),
    Do(Action),
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    use RolloutStage::{Committed, Downloading, Failed, RolledBack, Shadow, Trial};
    let stage = prop_oneof![
        16 => Just(Committed), 2 => Just(Downloading), 2 => Just(Shadow), 2 => Just(Trial), 1 => Just(Failed),
        1 => Just(RolledBack)
    ];
    let action = prop_oneof![
        4 => Just(Action::Pause), 6 => Just(Action::Resume), 4 => Just(Action::Approve), 1 => Just(Action::Abort)
    ];
    let chance = prop_oneof![
        8 => (1_i64..90).prop_map(Chance::Wait),
        20 => (0_usize..12, stage).prop_map(|(node, stage)| Chance::Report(node, stage)),
        2 => (0_usize..12).prop_map(Chance::Go),
        3 => (0_usize..12).prop_map(Chance::Return),
        2 => action.prop_map(Chance::Do),
    ];
    proptest::collection::vec(chance, 0..120)
}

fn terms() -> impl Strategy<Value = serde_json::Value> {
    let groups = prop_oneof![
        Just(serde_json::json!([1, "25%", "100%"])),
        Just(serde_json::json!(["50%", "100%"])),
        Just(serde_json::json!([1, 2, 3, "100%"])),
    ];
    (groups, 0_u32..120, prop_oneof![Just(0.5), Just(0.95)], 1_u32..4, any::<bool>()).prop_map(
        |(groups, soak, success, errors, approval)| {
            serde_json::json!({"groups": groups, "soak_seconds": soak, "success": success, "error_nodes": errors,
                               "node_timeout_seconds": 300, "needs_approval": approval})
        },
    )
}

/// What a test knows of a fleet without asking the planner.
#[derive(Default)]
struct Witness {
    committed: BTreeSet<Id>,
    /// Since when enough of each group have committed.
    succeeded: BTreeMap<u32, i64>,
    is_approved: bool,
}

impl Witness {
    fn look(&mut self, fleet: &Fleet) {
        let terms = &fleet.rollout.spec.terms;
        for group in fleet.nodes.iter().map(|node| node.group).collect::<BTreeSet<_>>() {
            let of_group: Vec<_> = fleet.nodes.iter().filter(|node| node.group == group).collect();
            let committed = of_group.iter().filter(|node| self.committed.contains(&node.agent)).count();
            if committed as f64 >= terms.success * of_group.len() as f64 {
                self.succeeded.entry(group).or_insert(fleet.now);
            } else {
                self.succeeded.remove(&group);
            }
        }
    }

    /// One plan, and what must hold of it.
    fn step(&mut self, fleet: &mut Fleet) -> bool {
        self.look(fleet);
        let before = fleet.rollout.course.clone();
        let told_before: BTreeSet<Id> =
            fleet.nodes.iter().filter(|node| node.told.is_some()).map(|node| node.agent.clone()).collect();
        let changed = fleet.step();
        let new: Vec<&Node> =
            fleet.nodes.iter().filter(|node| node.told.is_some() && !told_before.contains(&node.agent)).collect();
        if let Some(first) = new.first() {
            let group = first.group;
            assert!(new.iter().all(|node| node.group == group), "two groups at once");
            assert!(fleet.nodes.iter().filter(|node| node.group < group).all(|node| node.told.is_some()));
            assert!(matches!(before.state, State::Created | State::Running), "told while {:?}", before.state);
            if group > 0 {
                let since = self.succeeded.get(&(group - 1)).expect("the group before has succeeded");
                assert!(fleet.now - since >= fleet.rollout.spec.terms.soak_ns(), "the group before has soaked");
            }
            if group == 1 {
                assert!(self.is_approved || !fleet.rollout.spec.terms.needs_approval);
            }
        }
        changed
    }

    fn settle(&mut self, fleet: &mut Fleet) {
        for _ in 0..10 {
            if !self.step(fleet) {
                return;
            }
        }
        panic!("it does not come to rest:\n{}", fleet.text);
    }
}

fn happen(fleet: &mut Fleet, witness: &mut Witness, chance: &Chance) {
    let nodes = fleet.nodes.len();
    let name = |node: usize| format!("a-{}", node % nodes + 1);
    match *chance {
        Chance::Wait(seconds) => {
            for _ in 0..seconds {
                fleet.now += SECOND;
                witness.settle(fleet);
            }
        }
        Chance::Report(node, stage) => {
            let name = name(node);
            let is_told = fleet.node(&name).told.is_some();
            let is_back = fleet.node(&name).taken_back.is_some();
            if is_told {
                fleet.reports(&name, stage, "by chance");
                if !is_back && stage == RolloutStage::Committed {
                    witness.committed.insert(id(&name));
                } else {
                    witness.committed.remove(&id(&name));
                }
            }
        }
        Chance::Go(node) => fleet.node(&name(node)).online_since_ns = None,
        Chance::Return(node) => {
            let now = fleet.now;
            fleet.node(&name(node)).online_since_ns.get_or_insert(now);
        }
        Chance::Do(action) => {
            if let Some(course) = act(&fleet.rollout.course, action, "eve") {
                witness.is_approved |= action == Action::Approve;
                fleet.rollout.course = course;
            }
        }
    }
    witness.settle(fleet);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_group_is_told_before_the_one_before_has_proved_itself_and_all_go_back(
        agents in 1_usize..12, terms in terms(), chances in chances(),
    ) {
        let (mut fleet, mut witness) = (Fleet::new(agents, terms), Witness::default());
        witness.settle(&mut fleet);
        for chance in &chances {
            happen(&mut fleet, &mut witness, chance);
        }
        if !fleet.state().is_settled() && fleet.state() != State::Reverting {
            fleet.rollout.course = act(&fleet.rollout.course, Action::Abort, "eve").unwrap();
            witness.settle(&mut fleet);
        }
        if fleet.state() != State::Finished {
            for node in &fleet.nodes {
                let Some(told) = &node.told else {
                    prop_assert!(node.taken_back.is_none(), "{} was never told", node.agent);
                    continue;
                };
                prop_assert_eq!(&told.previous, &fleet.before[&node.agent], "{} goes back to its own", node.agent);
                let back = node.taken_back.expect("everybody who was told is told to go back");
                prop_assert!(back.revision > told.word.revision);
            }
        }
    }
}
