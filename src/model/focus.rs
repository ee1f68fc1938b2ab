//! The "Focus" that YOLOX and early YOLOv5 models begin with, as the one convolution that it is.
//!
//! They cut the picture into four of half the size (each second row and column, from the first or the second on), stack
//! those as channels, and convolve the stack with a kernel of k x k. A kernel of 2k x 2k with twice the stride and twice the
//! padding makes the same sums from the picture itself: where `dy` and `dx` tell the quarter, tap `(i, j)` of the small
//! kernel is tap `(2i + dy, 2j + dx)` of the large one. YOLOv5 replaced one by the other in its release 6.0. The cuts are
//! copies with a stride, which no provider does well: on a CPU they are 4 % of a look of YOLOX-nano.

use std::collections::BTreeSet;

use super::Facts;
use super::graph::{View, int, ints_attribute};
use super::proto::{ModelProto, NodeProto, TensorProto};

/// The file again with its Focus folded; none where it has none, or cannot be taken apart.
pub fn folded(bytes: &[u8], facts: &Facts) -> Option<Vec<u8>> {
    let count = |operator: &str| facts.operators.get(operator).copied().unwrap_or(0);
    // Most files have none, and need not be taken apart to know.
    if count("Slice") < 4 || count("Concat") == 0 || facts.is_quantised() {
        return None;
    }
    let mut model = ModelProto::parse(bytes).ok()?;
    fold(&mut model).then(|| model.to_bytes())
}

/// Folds the Focus of a model, and returns whether there was one.
pub fn fold(model: &mut ModelProto) -> bool {
    let Some(graph) = &mut model.graph else { return false };
    let view = View::of(graph);
    let Some(found) = (0..graph.node.len()).find_map(|at| find(&view, at)) else { return false };
    let removed = orphans(&view, found.concat);
    let conv = &mut graph.node[found.conv];
    conv.input[0] = found.source;
    conv.input[1] = found.weights.name().to_owned();
    ["kernel_shape", "pads", "strides"].into_iter().zip(found.geometry).for_each(|(name, values)| {
        conv.attribute.retain(|attribute| attribute.name() != name);
        conv.attribute.push(ints_attribute(name, &values));
    });
    graph.initializer.push(found.weights);
    let mut at = 0;
    graph.node.retain(|_| {
        at += 1;
        !removed.contains(&(at - 1))
    });
    forget_unused(model);
    true
}

/// A Focus: what its convolution becomes.
struct Focus {
    conv: usize,
    concat: usize,
    source: String,
    weights: TensorProto,
    /// Kernel shape, pads and strides.
    geometry: [Vec<i64>; 3],
}

fn find(view: &View<'_>, conv: usize) -> Option<Focus> {
    let node = &view.graph.node[conv];
    if node.operator() != "Conv" || !is_plain(node) {
        return None;
    }
    let stack = node.input.first()?;
    let concat = view.producer(stack)?;
    let stacked = &view.graph.node[concat];
    let is_stack = stacked.operator() == "Concat" && int(stacked, "axis", 0) == 1 && stacked.input.len() == 4;
    if !is_stack || view.consumers(stack) != [conv] || view.is_output(stack) {
        return None;
    }
    let quarters: Vec<Quarter<'_>> = stacked.input.iter().map(|name| quarter(view, name)).collect::<Option<_>>()?;
    let source = quarters[0].source;
    let distinct: BTreeSet<_> = quarters.iter().map(|quarter| (quarter.dy, quarter.dx)).collect();
    if distinct.len() != 4 || quarters.iter().any(|quarter| quarter.source != source) {
        return None;
    }
    let weights = enlarged(view.constant(node.input.get(1)?)?, &quarters)?;
    let doubled = |name: &str, default: &[i64]| -> Vec<i64> {
        node.ints(name).unwrap_or(default).iter().map(|value| value * 2).collect()
    };
    let geometry = [weights.dims[2..].to_vec(), doubled("pads", &[0; 4]), doubled("strides", &[1; 2])];
    Some(Focus { conv, concat, source: source.to_owned(), weights, geometry })
}

/// Whether a convolution sees all channels, pads as it says, and has no gaps between its taps.
fn is_plain(conv: &NodeProto) -> bool {
    let pads_itself = conv.attribute("auto_pad").is_none_or(|pad| pad.s.as_deref() == Some(b"NOTSET"));
    pads_itself
        && int(conv, "group", 1) == 1
        && conv.ints("dilations").is_none_or(|gaps| gaps.iter().all(|&gap| gap == 1))
}

/// Each second row of `source` from `dy` on, and each second column from `dx` on.
struct Quarter<'a> {
    source: &'a str,
    dy: usize,
    dx: usize,
}

/// Follows a tensor up through the cuts that it comes from.
fn quarter<'a>(view: &View<'a>, tensor: &'a str) -> Option<Quarter<'a>> {
    let (mut source, mut phases) = (tensor, [None; 2]);
    // Rows and columns are cut by one node or by two.
    for _ in 0..2 {
        let Some(node) = view.producer(source).map(|at| &view.graph.node[at]).filter(|n| n.operator() == "Slice")
        else {
            break;
        };
        for (axis, start) in cuts(view, node)? {
            if phases[axis].replace(start).is_some() {
                return None;
            }
        }
        source = node.input.first()?;
    }
    let [Some(dy), Some(dx)] = phases else { return None };
    Some(Quarter { source, dy, dx })
}

/// What a node cuts: pairs of 0 for rows or 1 for columns and of the first that is kept, if it keeps each second one to the
/// end and does nothing else.
fn cuts(view: &View<'_>, slice: &NodeProto) -> Option<Vec<(usize, usize)>> {
    let ints = |at: usize| view.constant(slice.input.get(at)?)?.ints();
    let (starts, ends, axes, steps) = (ints(1)?, ints(2)?, ints(3)?, ints(4)?);
    let whole = ends.iter().all(|&end| end >= i64::from(i32::MAX)) && steps.iter().all(|&step| step == 2);
    if !whole || [&ends, &axes, &steps].iter().any(|values| values.len() != starts.len()) {
        return None;
    }
    let cut = |(&axis, &start): (&i64, &i64)| {
        let axis = match axis {
            2 | -2 => 0,
            3 | -1 => 1,
            _ => return None,
        };
        Some((axis, usize::try_from(start).ok().filter(|start| *start < 2)?))
    };
    axes.iter().zip(&starts).map(cut).collect()
}

/// The kernel over the whole picture.
fn enlarged(weights: &TensorProto, quarters: &[Quarter<'_>]) -> Option<TensorProto> {
    let [outputs, inputs, rows, columns] = *weights.dims.as_slice() else { return None };
    let values = weights.floats()?;
    let size = |side: i64| usize::try_from(side).ok();
    let (outputs, inputs, rows, columns) = (size(outputs)?, size(inputs)?, size(rows)?, size(columns)?);
    let channels = inputs / quarters.len();
    if inputs != channels * quarters.len() || values.is_empty() {
        return None;
    }
    let mut large = vec![0.0; values.len()];
    for (at, &value) in values.iter().enumerate() {
        let (j, i) = (at % columns, at / columns % rows);
        let (input, output) = (at / (columns * rows) % inputs, at / (columns * rows * inputs));
        let (quarter, channel) = (&quarters[input / channels], input % channels);
        let (y, x) = (2 * i + quarter.dy, 2 * j + quarter.dx);
        large[((output * channels + channel) * 2 * rows + y) * 2 * columns + x] = value;
    }
    let dims = [outputs, channels, 2 * rows, 2 * columns].map(|side| i64::try_from(side).unwrap_or(0));
    Some(TensorProto::from_floats(format!("{}_focus", weights.name()), &dims, &large))
}

/// The node `first` and those that only it, or others of them, take anything from.
fn orphans(view: &View<'_>, first: usize) -> BTreeSet<usize> {
    let mut gone = BTreeSet::from([first]);
    // Nodes stand behind those that they take from.
    for at in (0..first).rev() {
        let outputs = &view.graph.node[at].output;
        let serves_gone = outputs.iter().flat_map(|name| view.consumers(name)).any(|taker| gone.contains(taker));
        let serves_others = outputs
            .iter()
            .any(|name| view.is_output(name) || view.consumers(name).iter().any(|taker| !gone.contains(taker)));
        if serves_gone && !serves_others {
            gone.insert(at);
        }
    }
    gone
}

/// Drops the constants that no node takes: ONNX Runtime warns of each.
fn forget_unused(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let taken: BTreeSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    let outputs: BTreeSet<&str> = graph.output.iter().map(|port| port.name()).collect();
    let inner = graph.node.iter().flat_map(|node| &node.attribute).any(|a| a.g.is_some() || !a.graphs.is_empty());
    // A graph inside a node may take what is outside.
    if !inner {
        graph.initializer.retain(|tensor| taken.contains(tensor.name()) || outputs.contains(tensor.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::{int_attribute, node};
    use crate::model::proto::{GraphProto, ValueInfoProto};

    /// A Focus over one channel with a kernel of 1 x 1 that gives the quarters 1, 2, 3 and 4.
    fn model() -> ModelProto {
        let end = i64::MAX;
        let ints = |name: &str, values: &[i64]| TensorProto::from_ints(name, &[values.len() as i64], values);
        let mut initializer = vec![
            TensorProto::from_floats("w", &[1, 4, 1, 1], &[1.0, 2.0, 3.0, 4.0]),
            ints("ends", &[end, end]),
            ints("axes", &[2, -1]),
            ints("steps", &[2, 2]),
        ];
        let mut nodes = Vec::new();
        for (at, starts) in [[0, 0], [1, 0], [0, 1], [1, 1]].iter().enumerate() {
            initializer.push(ints(&format!("starts{at}"), starts));
            let inputs = ["x", &format!("starts{at}"), "ends", "axes", "steps"];
            nodes.push(node("Slice", &inputs, &format!("q{at}")));
        }
        let mut stack = node("Concat", &["q0", "q1", "q2", "q3"], "stack");
        stack.attribute.push(int_attribute("axis", 1));
        nodes.extend([stack, node("Conv", &["stack", "w"], "y")]);
        let output = vec![ValueInfoProto { name: Some("y".into()), ..ValueInfoProto::default() }];
        let graph = GraphProto { node: nodes, initializer, output, ..GraphProto::default() };
        ModelProto { graph: Some(graph), ..ModelProto::default() }
    }

    #[test]
    fn four_quarters_become_one_convolution_and_nothing_is_left_of_them() {
        let mut model = model();
        assert!(fold(&mut model));
        let graph = model.graph.as_ref().unwrap();
        assert_eq!(graph.node.len(), 1);
        assert_eq!(graph.node[0].input, ["x", "w_focus"]);
        assert_eq!(graph.node[0].ints("kernel_shape"), Some([2, 2].as_slice()));
        assert_eq!(graph.node[0].ints("strides"), Some([2, 2].as_slice()));
        let [weights] = graph.initializer.as_slice() else { panic!("{:?}", graph.initializer) };
        assert_eq!(
            weights.floats().unwrap(),
            [1.0, 3.0, 2.0, 4.0],
            "rows first: the second quarter lies below the first"
        );
        assert!(!fold(&mut model), "there is only one");
    }

    #[test]
    fn what_is_not_quite_a_focus_stays() {
        type Change = fn(&mut GraphProto);
        let changes: [(&str, Change); 7] = [
            ("a quarter twice", |graph| graph.node[4].input[3] = "q0".into()),
            ("stacked along rows", |graph| graph.node[4].attribute[0].i = Some(2)),
            ("each row", |graph| graph.initializer[3] = TensorProto::from_ints("steps", &[2], &[1, 2])),
            ("not to the end", |graph| graph.initializer[1] = TensorProto::from_ints("ends", &[2], &[100, 100])),
            ("somebody else takes the stack", |graph| graph.node.push(node("Relu", &["stack"], "z"))),
            ("a gap between the taps", |graph| graph.node[5].attribute.push(ints_attribute("dilations", &[2, 2]))),
            ("weights that are computed", |graph| graph.node[5].input[1] = "elsewhere".into()),
        ];
        for (what, change) in changes {
            let mut model = model();
            change(model.graph.as_mut().unwrap());
            let before = model.clone();
            assert!(!fold(&mut model), "{what}");
            assert_eq!(model, before, "{what}");
        }
    }

    #[test]
    fn a_quarter_that_others_see_is_still_made() {
        let mut model = model();
        model.graph.as_mut().unwrap().node.push(node("Relu", &["q0"], "z"));
        assert!(fold(&mut model));
        let operators: Vec<_> =
            model.graph.as_ref().unwrap().node.iter().map(|node| node.op_type().to_owned()).collect();
        assert_eq!(operators, ["Slice", "Conv", "Relu"]);
    }
}
