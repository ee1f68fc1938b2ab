//! Which classes a rule is about, and which classes a detector cannot keep apart.

use super::settings::Rule;
use crate::vocab::Labels;

/// Names that stand for several classes, where the model has no class of that name itself.
const GROUPS: [(&str, &[&str]); 2] = [
    ("vehicle", &["car", "truck", "bus", "van", "motorcycle", "motorbike"]),
    ("animal", &["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "deer"]),
];

/// Detectors call the same vehicle by these names in turn.
const CONFUSED: [&str; 5] = ["car", "truck", "bus", "van", "vehicle"];

/// The classes that a rule is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    All,
    /// By class index.
    These(Vec<bool>),
}

impl Wanted {
    /// The classes that `names` mean; all where there are no names. Names that mean none are left out.
    pub(super) fn new(names: &[String], labels: &Labels) -> Self {
        if names.is_empty() {
            return Self::All;
        }
        let means = |name: &String, label| name == label || group(name, labels).contains(&label);
        Self::These(labels.iter().map(|label| names.iter().any(|name| means(name, label))).collect())
    }

    /// The classes that `rule` is about: those that it names, else those that its kind is usually about, as far as the model
    /// has them.
    pub(super) fn of_rule(rule: &Rule, labels: &Labels) -> Self {
        if !rule.labels.is_empty() {
            return Self::new(&rule.labels, labels);
        }
        match rule.kind.usual_label().filter(|label| Self::is_known(label, labels)) {
            Some(label) => Self::new(&[label.to_owned()], labels),
            None => Self::All,
        }
    }

    /// Whether `name` means at least one class.
    pub(super) fn is_known(name: &str, labels: &Labels) -> bool {
        labels.index(name).is_some() || group(name, labels).iter().any(|label| labels.index(label).is_some())
    }

    pub(super) fn has(&self, class: u16) -> bool {
        match self {
            Self::All => true,
            Self::These(classes) => classes.get(usize::from(class)).copied().unwrap_or(false),
        }
    }
}

fn group<'a>(name: &str, labels: &Labels) -> &'a [&'a str] {
    let found = GROUPS.iter().find(|(group, _)| *group == name && labels.index(group).is_none());
    found.map_or(&[], |(_, members)| members)
}

/// Whether a detector may call the same object by both classes.
pub(super) fn may_be_the_same(a: u16, b: u16, labels: &Labels) -> bool {
    a == b || (CONFUSED.contains(&labels.name(a)) && CONFUSED.contains(&labels.name(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stands_for_its_members_only_where_the_model_has_no_such_class() {
        let coco = Labels::new(["person", "car", "truck", "dog"]);
        let wanted = Wanted::new(&["vehicle".into(), "dog".into()], &coco);
        assert_eq!([0, 1, 2, 3, 9].map(|class| wanted.has(class)), [false, true, true, true, false]);
        let own = Labels::new(["person", "vehicle", "car"]);
        let wanted = Wanted::new(&["vehicle".into()], &own);
        assert_eq!([0, 1, 2].map(|class| wanted.has(class)), [false, true, false]);
        assert!(Wanted::is_known("animal", &coco) && !Wanted::is_known("animal", &own));
        assert!(Wanted::new(&[], &own).has(77));
    }

    #[test]
    fn a_car_may_be_called_a_truck_but_not_a_person() {
        let coco = Labels::new(["person", "car", "truck"]);
        assert!(may_be_the_same(1, 2, &coco));
        assert!(!may_be_the_same(0, 1, &coco));
    }
}
