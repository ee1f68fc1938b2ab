//! The constants of a graph by type: how many parameters, and how many bytes they take.

use std::collections::BTreeMap;

use super::onnx::ElementType;
use super::proto::{GraphProto, TensorProto};

/// The constants of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// How many tensors.
    pub tensors: usize,
    /// How many elements they have.
    pub elements: u64,
    /// How many bytes the file gives to them.
    pub bytes: u64,
}

/// The constants of a graph, initialisers and nodes that are constants, by the name of their type.
pub fn by_type(graph: &GraphProto) -> BTreeMap<String, Held> {
    let inside = graph.node.iter().filter(|node| node.operator() == "Constant");
    let inside = inside.filter_map(|node| node.attribute("value")?.t.as_ref());
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for tensor in graph.initializer.iter().chain(inside) {
        let entry = held.entry(ElementType::from_number(tensor.data_type().into()).to_string()).or_default();
        entry.tensors += 1;
        entry.elements += tensor.count().unwrap_or(0) as u64;
        entry.bytes += bytes(tensor) as u64;
    }
    held
}

/// Elements that stand by themselves, small integers among them, are counted as large as they are in memory.
fn bytes(tensor: &TensorProto) -> usize {
    let listed = 4 * (tensor.float_data.len() + tensor.int32_data.len())
        + 8 * (tensor.int64_data.len() + tensor.double_data.len() + tensor.uint64_data.len());
    tensor.raw_data.as_ref().map_or(listed, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_counted_by_type() {
        let initializer = vec![
            TensorProto::from_floats("a", &[2, 2], &[0.0; 4]),
            TensorProto::raw("b", &[3], 3, vec![0; 3]),
            TensorProto { dims: vec![1], data_type: Some(7), int64_data: vec![5], ..TensorProto::default() },
        ];
        let held = by_type(&GraphProto { initializer, ..GraphProto::default() });
        assert_eq!(held["f32"], Held { tensors: 1, elements: 4, bytes: 16 });
        assert_eq!(held["i8"], Held { tensors: 1, elements: 3, bytes: 3 });
        assert_eq!(held["i64"], Held { tensors: 1, elements: 1, bytes: 8 });
    }
}
