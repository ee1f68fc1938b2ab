//! Which false alerts look alike: of one rule of one camera, at one place of its picture. Pure.
//!
//! The boxes of false alerts are grouped by single linkage: two belong together when they overlap or stand close. A group is
//! worth a proposal when it is large enough and no alert that somebody called true stands where it would suppress any. The
//! region is the smallest rectangle that holds the feet of its boxes, with a margin: an object of the next false alert will
//! not stand exactly where the last one stood. Rules whose zone goes by another point of the box than its foot may not be
//! quietened by it; nothing more than the place where these stood is.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::sha256_hex;
use crate::vocab::{Id, Point, Rect};

/// How many false alerts it takes.
pub const LEAST: usize = 3;
/// How far back verdicts count, in nanoseconds: 14 days.
pub const REACH_NS: i64 = 14 * 24 * 3600 * 1_000_000_000;
/// Boxes that overlap by this much (intersection over union) are of the same thing.
const OVERLAP: f32 = 0.3;
/// Boxes whose centres are this near, in pictures, are too: small ones seldom overlap.
const NEAR: f32 = 0.05;
/// What is added to a region on each side, in pictures.
const MARGIN: f32 = 0.02;

/// An alert of which somebody has said whether it was right.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Whose.
    pub agent: Id,
    /// The camera.
    pub camera: Id,
    /// The rule.
    pub rule: Id,
    /// What it was taken for.
    pub label: String,
    /// Its name among those of the agent.
    pub episode: String,
    /// Where it was, normalised.
    pub bbox: Rect,
    /// Whether it was right to raise it.
    pub is_true: bool,
    /// When somebody said so, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// False alerts that look alike.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Proposal {
    /// What it goes by, the same as long as the oldest of its alerts counts.
    pub id: String,
    /// Whose.
    pub agent: Id,
    /// The camera.
    pub camera: Id,
    /// The rule.
    pub rule: Id,
    /// What they were taken for.
    pub labels: BTreeSet<String>,
    /// Where they stood: a rectangle as a polygon, normalised.
    pub region: Vec<Point>,
    /// Their names, the oldest first.
    pub episodes: Vec<String>,
    /// When the last verdict on one of them was given, in nanoseconds since 1970.
    pub last_ns: i64,
}

/// What is worth a proposal at `now`, out of all that was judged; by agent, camera and rule.
pub fn propose(judged: &[Judged], now: i64) -> Vec<Proposal> {
    let since = now.saturating_sub(REACH_NS);
    let mut of_rules: BTreeMap<(&Id, &Id, &Id), Vec<&Judged>> = BTreeMap::new();
    for one in judged.iter().filter(|one| (since..=now).contains(&one.at_ns) && is_sound(&one.bbox)) {
        of_rules.entry((&one.agent, &one.camera, &one.rule)).or_default().push(one);
    }
    let of_rule = |all: Vec<&Judged>| {
        let (right, mut wrong): (Vec<&Judged>, Vec<&Judged>) = all.into_iter().partition(|one| one.is_true);
        // The order of the database must not matter.
        wrong.sort_by(|a, b| (a.at_ns, &a.episode).cmp(&(b.at_ns, &b.episode)));
        let large = groups(&wrong).into_iter().filter(|group| group.len() >= LEAST);
        large.filter_map(|group| proposal(&group, &right)).collect::<Vec<_>>()
    };
    of_rules.into_values().flat_map(of_rule).collect()
}

fn is_sound(bbox: &Rect) -> bool {
    bbox.is_finite() && bbox.width() > 0.0 && bbox.height() > 0.0
}

/// Who belongs together, each group in the order of `all`.
fn groups<'a>(all: &[&'a Judged]) -> Vec<Vec<&'a Judged>> {
    let mut groups: Vec<Vec<&Judged>> = Vec::new();
    for one in all {
        let belongs = |group: &Vec<&Judged>| group.iter().any(|other| are_alike(&one.bbox, &other.bbox));
        let (with, without): (Vec<_>, Vec<_>) = groups.into_iter().partition(belongs);
        groups = without;
        groups.push(with.into_iter().flatten().chain([*one]).collect());
    }
    for group in &mut groups {
        group.sort_by(|a, b| (a.at_ns, &a.episode).cmp(&(b.at_ns, &b.episode)));
    }
    groups
}

fn are_alike(one: &Rect, other: &Rect) -> bool {
    let (a, b) = (one.centre(), other.centre());
    one.iou(other) >= OVERLAP || (a.x - b.x).hypot(a.y - b.y) <= NEAR
}

fn proposal(group: &[&Judged], right: &[&Judged]) -> Option<Proposal> {
    let oldest = group.first()?;
    let region = region(group);
    if right.iter().any(|one| would_suppress(&region, &one.bbox)) {
        return None;
    }
    let Judged { agent, camera, rule, .. } = oldest;
    let digest = sha256_hex(format!("{agent}/{camera}/{rule}/{}", oldest.episode).as_bytes());
    let corners = [(region.x1, region.y1), (region.x2, region.y1), (region.x2, region.y2), (region.x1, region.y2)];
    Some(Proposal {
        id: format!("false-{}", &digest[..12]),
        agent: agent.clone(),
        camera: camera.clone(),
        rule: rule.clone(),
        labels: group.iter().map(|one| one.label.clone()).filter(|label| !label.is_empty()).collect(),
        region: corners.map(|(x, y)| Point::new(x, y)).into(),
        episodes: group.iter().map(|one| one.episode.clone()).collect(),
        last_ns: group.last()?.at_ns,
    })
}

/// The smallest rectangle around the feet of the boxes, with a margin.
fn region(group: &[&Judged]) -> Rect {
    let mut around = Rect::new(1.0, 1.0, 0.0, 0.0);
    for point in group.iter().map(|one| foot(&one.bbox)) {
        around =
            Rect::new(around.x1.min(point.x), around.y1.min(point.y), around.x2.max(point.x), around.y2.max(point.y));
    }
    let Rect { x1, y1, x2, y2 } = around;
    let thousandths = |value: f32| (value.clamp(0.0, 1.0) * 1000.0).round() / 1000.0;
    Rect::new(thousandths(x1 - MARGIN), thousandths(y1 - MARGIN), thousandths(x2 + MARGIN), thousandths(y2 + MARGIN))
}

/// Where it stands, within the picture.
fn foot(bbox: &Rect) -> Point {
    let Point { x, y } = bbox.foot();
    Point::new(x.clamp(0.0, 1.0), y.clamp(0.0, 1.0))
}

fn would_suppress(region: &Rect, bbox: &Rect) -> bool {
    region.contains(foot(bbox))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;
    const NOW: i64 = 100 * DAY_NS;

    fn judged(number: usize, rule: &str, (x, y): (f32, f32), is_true: bool, days_ago: i64) -> Judged {
        Judged {
            agent: Id::new("gate").unwrap(),
            camera: Id::new("door").unwrap(),
            rule: Id::new(rule).unwrap(),
            label: "person".to_owned(),
            episode: format!("gate-door-1-{number}"),
            bbox: Rect::from_centre(x, y, 0.1, 0.2),
            is_true,
            at_ns: NOW - days_ago * DAY_NS,
        }
    }

    fn a_bush() -> Vec<Judged> {
        (0..3).map(|n| judged(n, "yard", (0.5 + 0.01 * n as f32, 0.5), false, 3 - n as i64)).collect()
    }

    #[test]
    fn three_that_look_alike_are_proposed_with_where_they_stood() {
        let found = propose(&a_bush(), NOW);
        let [bush] = &found[..] else { panic!("{found:?}") };
        assert_eq!(bush.episodes, ["gate-door-1-0", "gate-door-1-1", "gate-door-1-2"]);
        assert_eq!(bush.labels, BTreeSet::from(["person".to_owned()]));
        let corners: Vec<[f32; 2]> = bush.region.iter().map(|point| (*point).into()).collect();
        assert_eq!(corners, [[0.48, 0.58], [0.54, 0.58], [0.54, 0.62], [0.48, 0.62]]);
        assert!(bush.id.len() == 18 && Id::new(&bush.id).is_ok(), "{}", bush.id);
        let mut more = a_bush();
        more.push(judged(3, "yard", (0.53, 0.5), false, 0));
        assert_eq!(propose(&more, NOW)[0].id, bush.id, "one more is the same proposal");
    }

    #[test]
    fn too_few_too_old_apart_or_of_another_rule_are_not() {
        assert!(propose(&a_bush()[..2], NOW).is_empty());
        assert!(propose(&a_bush(), NOW + 12 * DAY_NS).is_empty(), "the oldest verdict no longer counts");
        let mut apart = a_bush();
        apart[2].bbox = Rect::from_centre(0.8, 0.5, 0.1, 0.2);
        assert!(propose(&apart, NOW).is_empty());
        let mut other = a_bush();
        other[2].rule = Id::new("gate").unwrap();
        assert!(propose(&other, NOW).is_empty());
        let mut strange = a_bush();
        strange[1].bbox = Rect::new(f32::NAN, 0.0, 1.0, 1.0);
        assert!(propose(&strange, NOW).is_empty());
    }

    #[test]
    fn where_somebody_really_was_nothing_is_suppressed() {
        let mut all = a_bush();
        all.push(judged(9, "yard", (0.52, 0.51), true, 1));
        assert!(propose(&all, NOW).is_empty());
        all[3].rule = Id::new("gate").unwrap();
        assert_eq!(propose(&all, NOW).len(), 1, "another rule is not suppressed");
    }

    #[test]
    fn one_that_stands_between_two_groups_makes_them_one() {
        let at = |number, x| judged(number, "yard", (x, 0.5), false, 1);
        let apart = [at(0, 0.40), at(1, 0.41), at(2, 0.50), at(3, 0.51)];
        assert!(propose(&apart, NOW).is_empty());
        let joined: Vec<_> = apart.into_iter().chain([at(4, 0.455)]).collect();
        assert_eq!(propose(&joined, NOW)[0].episodes.len(), 5);
    }

    fn any_judged() -> impl Strategy<Value = Vec<Judged>> {
        let one =
            (0usize..3, 0.0f32..1.0, 0.0f32..1.0, 0.01f32..0.4, 0.01f32..0.4, prop::bool::weighted(0.1), 0i64..20);
        prop::collection::vec(one, 0..40).prop_map(|all| {
            let numbered = all.into_iter().enumerate();
            numbered
                .map(|(number, (rule, x, y, w, h, is_true, days))| Judged {
                    bbox: Rect::from_centre(x, y, w, h),
                    ..judged(number, ["a", "b", "c"][rule], (x, y), is_true, days)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_proposal_suppresses_all_of_its_own_and_nothing_that_was_true(all in any_judged(), seed in any::<u64>()) {
            let found = propose(&all, NOW);
            let mut names = BTreeSet::new();
            for proposal in &found {
                prop_assert!(proposal.episodes.len() >= LEAST);
                prop_assert!(proposal.region.iter().all(|point| point.is_normalised()));
                let [from, to] = [proposal.region[0], proposal.region[2]];
                let region = Rect::new(from.x, from.y, to.x, to.y);
                let same = |one: &&Judged| one.rule == proposal.rule;
                for one in all.iter().filter(same).filter(|one| NOW - one.at_ns <= REACH_NS) {
                    if proposal.episodes.contains(&one.episode) {
                        prop_assert!(!one.is_true && would_suppress(&region, &one.bbox));
                        prop_assert!(names.insert(&one.episode), "in two proposals");
                    }
                    prop_assert!(!one.is_true || !would_suppress(&region, &one.bbox));
                }
            }
            let mut shuffled = all;
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            prop_assert_eq!(propose(&shuffled, NOW), found, "the order does not matter");
        }
    }
}
