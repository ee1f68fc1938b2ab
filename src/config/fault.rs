//! What is wrong with a configuration: where, what was found, what is allowed and what to do.

use std::fmt;

use serde::Serialize;

/// More faults than this are counted, not told.
const MOST: usize = 100;

/// Which of the documents that make up a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The file.
    #[default]
    File,
    /// The overlay that is laid over it.
    Overlay,
}

impl Layer {
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// A place in one of the documents; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// The document.
    #[serde(skip_serializing_if = "Layer::is_file")]
    pub layer: Layer,
}

impl Position {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1, layer: Layer::File };
}

/// The way to a value, such as `cameras[0].rules[2].zone`; empty for the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl Path {
    /// The path of the value under `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The path of element `index`.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// Its steps from the document inwards.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether one of the two lies within the other, or both are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }

    /// The list that holds the list that holds this value, as a polygon holds the corner that holds a coordinate.
    pub fn list_of_lists(&self) -> Option<&[Step]> {
        match self.0.as_slice() {
            [list @ .., Step::Index(_), Step::Index(_)] => Some(list),
            _ => None,
        }
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// Whether a fault keeps the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It does.
    Error,
    /// It can be used, but is probably not what was meant.
    Warning,
}

/// One thing that is wrong. No text in it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// How bad it is.
    pub weight: Weight,
    /// Which document it stands in.
    #[serde(skip_serializing_if = "Layer::is_file")]
    pub layer: Layer,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The value it is about, such as `cameras[0].rules[2].zone`; empty for the document as a whole.
    pub path: String,
    /// What was found, and what is allowed.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    list: Vec<Fault>,
    untold: usize,
}

impl Faults {
    /// Whether any of them keeps the configuration from being used.
    pub fn any_errors(&self) -> bool {
        self.list.iter().any(|f| f.weight == Weight::Error)
    }

    /// How many keep the configuration from being used, those beyond the first 100 included.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|f| f.weight == Weight::Error).count() + self.untold
    }

    /// All of them, or the first 100, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// Writes them for a person, as a compiler would: `FILE:LINE:COLUMN: PATH: PROBLEM` and the remedy below. What stands
    /// in an overlay is said to be in `overlay`.
    pub fn render(&self, file: &str) -> String {
        let mut text = String::new();
        for fault in &self.list {
            text.push_str(&fault.render(file));
        }
        if self.untold > 0 {
            text.push_str(&format!("{file}: and {} more\n", self.untold));
        }
        text
    }

    pub(super) fn error(&mut self, at: Position, path: &Path, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Weight::Error, at, path, problem.into(), remedy.into());
    }

    pub(super) fn warning(&mut self, at: Position, path: &Path, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Weight::Warning, at, path, problem.into(), remedy.into());
    }

    /// Brings them into the order of the file.
    pub(super) fn sort(&mut self) {
        self.list.sort_by_key(|f| (f.layer, f.line, f.column));
    }

    fn push(&mut self, weight: Weight, at: Position, path: &Path, problem: String, remedy: String) {
        if self.list.len() < MOST {
            let Position { line, column, layer } = at;
            self.list.push(Fault { weight, layer, line, column, path: path.to_string(), problem, remedy });
        } else if weight == Weight::Error {
            self.untold += 1;
        }
    }
}

impl Fault {
    fn render(&self, file: &str) -> String {
        let Self { line, column, problem, remedy, .. } = self;
        let file = if self.layer == Layer::Overlay { "overlay" } else { file };
        let warning = if self.weight == Weight::Warning { "warning: " } else { "" };
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{file}:{line}:{column}: {warning}{path}{problem}\n    {remedy}\n")
    }
}
