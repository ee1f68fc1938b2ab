//! Takes out of a graph what no output depends on: nodes, constants, and inputs that are only constants.

use std::collections::HashSet;

use crate::model::proto::GraphProto;

use super::wiring::used_by;

/// Takes it out, and returns how many nodes that were. What is fed stays, used or not: whoever feeds it expects it.
pub(super) fn remove(graph: &mut GraphProto) -> usize {
    let mut needed: HashSet<String> = graph.output.iter().map(|output| output.name().to_owned()).collect();
    let mut is_needed = vec![false; graph.node.len()];
    // Nodes come after what they need, so that one way from the end finds all; a file in another order takes more.
    loop {
        let before = needed.len();
        for (node, is_needed) in graph.node.iter().zip(&mut is_needed).rev() {
            if !*is_needed && node.output.iter().any(|output| needed.contains(output)) {
                *is_needed = true;
                needed.extend(used_by(node).into_iter().map(str::to_owned));
            }
        }
        if needed.len() == before {
            break;
        }
    }
    let nodes = graph.node.len();
    let mut is_kept = is_needed.into_iter();
    graph.node.retain(|_| is_kept.next().unwrap_or(true));
    let gone: HashSet<String> =
        graph.initializer.iter().map(|c| c.name().to_owned()).filter(|name| !needed.contains(name)).collect();
    graph.initializer.retain(|constant| !gone.contains(constant.name()));
    // Before IR version 4 constants are listed as inputs too.
    graph.input.retain(|input| !gone.contains(input.name()));
    let made: HashSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    graph.value_info.retain(|value| made.contains(&value.name().to_owned()));
    graph.quantization_annotation.retain(|note| needed.contains(note.tensor_name()));
    nodes - graph.node.len()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{graph, node};
    use super::*;
    use crate::model::proto::{AttributeProto, TensorProto, ValueInfoProto};

    #[test]
    fn what_no_output_depends_on_is_taken_out() {
        let nodes = vec![
            node("Relu", &["x"], &["a"], &[]),
            node("Relu", &["a"], &["y"], &[]),
            node("Add", &["a", "spare"], &["unused"], &[]),
        ];
        let mut graph = graph(nodes, vec![TensorProto::from_floats("spare", &[1], &[1.0])], &["y"]);
        graph.input.push(ValueInfoProto { name: Some("spare".into()), ..ValueInfoProto::default() });
        assert_eq!(remove(&mut graph), 1);
        assert_eq!((graph.node.len(), graph.initializer.len(), graph.input.len()), (2, 0, 0));
        assert_eq!(remove(&mut graph), 0);
    }

    #[test]
    fn what_a_graph_within_a_node_reaches_for_stays() {
        let inner = graph(vec![node("Relu", &["a"], &["b"], &[])], vec![], &["b"]);
        let mut branch = node("If", &["condition"], &["y"], &[]);
        branch.attribute.push(AttributeProto {
            name: Some("then_branch".into()),
            g: Some(inner),
            ..Default::default()
        });
        let mut graph = graph(vec![node("Relu", &["x"], &["a"], &[]), branch], vec![], &["y"]);
        assert_eq!(remove(&mut graph), 0);
    }
}
