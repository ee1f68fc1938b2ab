//! Takes channels out of a value: walks back to the layers that make them and finds every change that this takes.
//!
//! ```text
//!   value, axis, kept places ──▶ its maker ──▶ the same question about what the maker takes ──▶ … ──▶ rows of a layer
//! ```
//!
//! Nothing is changed before the whole way is known, and every other user of a value on the way must not notice. What
//! cannot be followed ends in a [`Blocked`] that names it.

mod edit;
mod rules;

use std::collections::{BTreeMap, HashSet};

use crate::model::proto::NodeProto;

use super::wiring::Wiring;

pub(super) use edit::{Edit, apply};

/// The places of a value that are kept along an axis, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) axis: usize,
    pub(super) keep: Vec<usize>,
}

/// What is to be done to the graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) edits: Vec<Edit>,
    /// Every value that becomes smaller.
    pub(super) cuts: BTreeMap<String, Cut>,
    /// Where all channels are still computed and only then dropped, because they depend on each other.
    pub(super) dropped_after: Vec<String>,
}

/// What stands in the way of taking channels out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// An operator that is not followed.
    #[error("{node} stands in the way: {reason}")]
    Node {
        /// The node.
        node: String,
        /// Why it is not followed.
        reason: String,
    },
    /// A value whose size cannot be told.
    #[error("the size of the value {value:?} cannot be told")]
    Size {
        /// The value.
        value: String,
    },
    /// Something else needs the value whole.
    #[error("{node} needs the value {value:?} whole")]
    User {
        /// Who needs it.
        node: String,
        /// The value.
        value: String,
    },
    /// The value comes from outside.
    #[error("the value {value:?} is an input of the model")]
    Input {
        /// The value.
        value: String,
    },
}

/// A walk back through the graph.
pub(super) struct Walk<'w, 'a> {
    pub(super) wiring: &'w Wiring<'a>,
    pub(super) opset: i64,
    plan: Plan,
    waiting: Vec<String>,
    /// Nodes that the walk came through.
    passed: HashSet<usize>,
}

/// Plans to keep only some places of `value`. `knows` are users of it that are changed by whoever asks.
///
/// # Errors
/// What stands in the way.
pub(super) fn plan(wiring: &Wiring<'_>, opset: i64, value: &str, cut: Cut, knows: &[usize]) -> Result<Plan, Blocked> {
    let mut walk = Walk { wiring, opset, plan: Plan::default(), waiting: Vec::new(), passed: HashSet::new() };
    walk.cut(value, cut, None)?;
    while let Some(value) = walk.waiting.pop() {
        walk.step(&value)?;
    }
    for name in walk.plan.cuts.keys() {
        let extra = if name == value { knows } else { &[] };
        walk.check_users(name, value, extra)?;
    }
    Ok(walk.plan)
}

impl Walk<'_, '_> {
    /// Asks for a cut of a value, which `user` takes.
    fn cut(&mut self, value: &str, cut: Cut, user: Option<&NodeProto>) -> Result<(), Blocked> {
        match self.plan.cuts.get(value) {
            Some(known) if *known == cut => Ok(()),
            Some(_) => Err(Blocked::User {
                node: user.map_or_else(|| "an output".to_owned(), NodeProto::label),
                value: value.to_owned(),
            }),
            None => {
                self.plan.cuts.insert(value.to_owned(), cut);
                self.waiting.push(value.to_owned());
                Ok(())
            }
        }
    }

    fn step(&mut self, value: &str) -> Result<(), Blocked> {
        let Some((at, place)) = self.wiring.maker(value) else {
            return Err(Blocked::Input { value: value.to_owned() });
        };
        let Some(cut) = self.plan.cuts.get(value).cloned() else { return Ok(()) };
        self.passed.insert(at);
        rules::back(self, at, place, &cut)
    }

    fn edit(&mut self, edit: Edit) {
        self.plan.edits.push(edit);
    }

    fn size(&self, value: &str) -> Result<Vec<usize>, Blocked> {
        let size = self.wiring.shapes.of(value);
        size.map(Vec::from).ok_or_else(|| Blocked::Size { value: value.to_owned() })
    }

    /// Whether nobody but the nodes on the way notices that a value becomes smaller.
    fn check_users(&self, value: &str, root: &str, knows: &[usize]) -> Result<(), Blocked> {
        let blocked = |node: String| Err(Blocked::User { node, value: value.to_owned() });
        if value != root && self.wiring.is_output(value) {
            return blocked("an output".to_owned());
        }
        // What is dropped only after it was computed is cut by a node of its own, behind the users of the whole.
        for &user in self.wiring.users(value) {
            let node = self.wiring.node(user);
            let sees_nothing = self.passed.contains(&user)
                || knows.contains(&user)
                // The sizes of the new graph are worked out anew and compared.
                || node.operator() == "Shape"
                || rules::takes_only_what_stays(self.wiring, node, &self.plan.cuts[value]);
            if !sees_nothing {
                return blocked(node.label());
            }
        }
        Ok(())
    }
}
