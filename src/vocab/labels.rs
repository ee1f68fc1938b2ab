//! The names of a model's classes.

use std::sync::Arc;

/// Class names by index. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Arc<[String]>);

impl Labels {
    /// From names in the order of the model's class indices.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The name of class `index`, or `unknown` for an index the model did not declare.
    pub fn name(&self, index: u16) -> &str {
        self.0.get(usize::from(index)).map_or("unknown", String::as_str)
    }

    /// The index of `name`.
    pub fn index(&self, name: &str) -> Option<u16> {
        self.0.iter().position(|n| n == name).and_then(|i| u16::try_from(i).ok())
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
