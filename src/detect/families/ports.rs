//! What a model and its session say of inputs and outputs, and the questions that families ask about it.

use crate::model::{ElementType, Facts};
use crate::vocab::Labels;

/// What a model and its session say, once shapes are known.
pub(in super::super) struct Ports<'a> {
    /// Width of the input in pixels.
    pub(in super::super) width: u32,
    /// Height of the input in pixels.
    pub(in super::super) height: u32,
    /// The outputs as they came out of a first run.
    pub(in super::super) outputs: &'a [OutputPort],
    /// The file's own words.
    pub(in super::super) facts: &'a Facts,
    /// The names of the classes, where the settings give them.
    pub(in super::super) labels: Option<&'a Labels>,
}

/// An output as it came out of a first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct OutputPort {
    pub(in super::super) name: String,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) element: ElementType,
}

/// One output of one run.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Tensor<'a> {
    /// The elements, whatever their type in the model; empty where they are no numbers.
    pub(in super::super) data: &'a [f32],
}

/// An output seen as a table: where it stands among the outputs, its rows and its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) at: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// An output seen as channels of a map, channel by channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) at: usize,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl OutputPort {
    /// Its shape as text, such as `[1,3549,85]`.
    pub(in super::super) fn shape_text(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        format!("[{}]", sizes.join(","))
    }

    /// Whether the elements are floats.
    pub(in super::super) fn is_float(&self) -> bool {
        matches!(self.element, ElementType::F32 | ElementType::F16)
    }

    /// Whether the elements are integers.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self.element, ElementType::I32 | ElementType::I64)
    }

    /// Its shape without the batch of one in front, which some exports lack; none where the elements are no floats.
    fn sizes(&self, rank: usize) -> Option<&[usize]> {
        let shape = self.shape.as_slice();
        let sizes = if shape.len() == rank + 1 && shape[0] == 1 { &shape[1..] } else { shape };
        (sizes.len() == rank && self.is_float()).then_some(sizes)
    }
}

impl Ports<'_> {
    /// Every output as a table [rows, columns] of floats, with at least one column; none if one is anything else.
    pub(super) fn tables(&self) -> Option<Vec<Table>> {
        let table = |(at, port): (usize, &OutputPort)| match *port.sizes(2)? {
            [rows, columns] if columns > 0 => Some(Table { at, rows, columns }),
            _ => None,
        };
        self.outputs.iter().enumerate().map(table).collect()
    }

    /// Every output as a map [channels, rows, columns] of floats, with at least one cell; none if one is anything else.
    pub(super) fn maps(&self) -> Option<Vec<Map>> {
        let map = |(at, port): (usize, &OutputPort)| match *port.sizes(3)? {
            [channels, rows, columns] if rows * columns > 0 => Some(Map { at, channels, rows, columns }),
            _ => None,
        };
        self.outputs.iter().enumerate().map(map).collect()
    }

    /// The only output, if there is one and it is a table of floats: its rows and columns.
    pub(super) fn single_table(&self) -> Option<(usize, usize)> {
        match self.tables()?.as_slice() {
            [table] => Some((table.rows, table.columns)),
            _ => None,
        }
    }

    /// The two outputs of a model that has scores [boxes, classes] and boxes [boxes, 4] and nothing else, in either order.
    /// Where both have four columns, only a name can tell.
    pub(super) fn scores_and_boxes(&self) -> Option<(Table, Table)> {
        let tables = self.tables()?;
        let [first, second] = *tables.as_slice() else { return None };
        let is_named = |table: Table| {
            let name = &self.outputs[table.at].name;
            ["score", "conf", "logit", "label"].iter().any(|word| name.contains(word))
        };
        let pair = match (first.columns, second.columns) {
            (4, 4) if is_named(first) => (first, second),
            (4, 4) if is_named(second) => (second, first),
            (4, 4) => return None,
            (_, 4) => (first, second),
            (4, _) => (second, first),
            _ => return None,
        };
        (first.rows == second.rows).then_some(pair)
    }

    /// Where the output stands whose name is `name`, as it is or with TensorFlow's `:0`.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|port| port.name.strip_suffix(":0").unwrap_or(&port.name) == name)
    }

    /// The text of metadata entry `task`, with which Ultralytics says what a file is for.
    pub(super) fn task(&self) -> Option<&str> {
        self.facts.metadata("task")
    }
}
