//! How each operator is walked back through: which places of its inputs make the kept places of its output.

use crate::model::proto::{NodeProto, TensorProto};

use super::super::wiring::{Wiring, take};
use super::{Blocked, Cut, Edit, Walk};

/// Operators that make each place of the output from the same place of their first input. Pooling and resizing do so for
/// channels, which is all that is asked of them.
const SAME_PLACE: &[&str] = &[
    "Abs",
    "AveragePool",
    "Cast",
    "Ceil",
    "Clip",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "MaxPool",
    "Mish",
    "Neg",
    "Reciprocal",
    "Relu",
    "Resize",
    "Round",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
    "Upsample",
];
const PAIRS: &[&str] = &["Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum", "PRelu"];

/// Walks from output `place` of node `at` to what it is made of.
pub(super) fn back(walk: &mut Walk<'_, '_>, at: usize, place: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    match node.operator() {
        "Conv" => convolution(walk, at, cut),
        "Gemm" | "MatMul" => matrix(walk, at, cut),
        "BatchNormalization" => normalisation(walk, at, cut),
        "Softmax" | "LogSoftmax" => softmax(walk, at, place, cut),
        "QuantizeLinear" | "DequantizeLinear" => quantiser(walk, at, cut),
        "Concat" => concat(walk, at, cut),
        "Split" => split(walk, at, place, cut),
        "Slice" => slice(walk, at, cut),
        "Transpose" => transpose(walk, at, cut),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshape(walk, at, cut),
        name if SAME_PLACE.contains(&name) => input(walk, at, 0, cut.clone()),
        name if PAIRS.contains(&name) => pair(walk, at, cut),
        _ => Err(blocked(node, "it is not known how its channels belong together")),
    }
}

fn blocked(node: &NodeProto, reason: &str) -> Blocked {
    Blocked::Node { node: node.label(), reason: reason.to_owned() }
}

/// Asks for a cut of an input; of a constant the kept part is taken at once.
fn input(walk: &mut Walk<'_, '_>, at: usize, place: usize, cut: Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let Some(name) = node.input_name(place) else { return Ok(()) };
    match walk.wiring.constant(name) {
        Some(tensor) => {
            let tensor = take(tensor, cut.axis, &cut.keep)
                .ok_or_else(|| blocked(node, "a constant of it is no plain tensor"))?;
            walk.edit(Edit::Operand { node: at, at: place, tensor: Box::new(tensor) });
            Ok(())
        }
        None => walk.cut(name, cut, Some(node)),
    }
}

/// Rows of a constant, or of one in 8 bits behind a DequantizeLinear of its own.
fn rows(walk: &mut Walk<'_, '_>, at: usize, place: usize, cut: Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let Some(name) = node.input_name(place) else { return Ok(()) };
    if walk.wiring.constant(name).is_some() {
        return input(walk, at, place, cut);
    }
    let maker = walk.wiring.maker(name).map(|(at, _)| at).filter(|&at| {
        let maker = walk.wiring.node(at);
        maker.operator() == "DequantizeLinear" && maker.input_name(0).is_some_and(|w| walk.wiring.constant(w).is_some())
    });
    match maker {
        Some(maker) if walk.wiring.users(name) == [at] => quantiser(walk, maker, &cut),
        Some(_) => Err(blocked(node, "other layers have the same weights")),
        None => Err(blocked(node, "its weights are no constants")),
    }
}

fn convolution(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    if cut.axis != 1 {
        return Err(blocked(node, "the cut runs across the picture"));
    }
    let of_rows = || Cut { axis: 0, keep: cut.keep.clone() };
    let groups = node.int("group").unwrap_or(1);
    if groups != 1 {
        let channels = walk.size(node.input_name(0).unwrap_or_default())?.get(1).copied();
        let weights = walk.size(node.input_name(1).unwrap_or_default())?;
        let is_depthwise = channels == usize::try_from(groups).ok() && weights.first().copied() == channels;
        if !is_depthwise {
            return Err(blocked(node, "its channels belong to groups"));
        }
        walk.edit(Edit::Int { node: at, name: "group", value: cut.keep.len() as i64 });
        input(walk, at, 0, cut.clone())?;
    }
    rows(walk, at, 1, of_rows())?;
    rows(walk, at, 2, of_rows())
}

fn matrix(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let rank = walk.size(&node.output[0])?.len();
    let weights = walk.size(node.input_name(1).unwrap_or_default())?;
    if cut.axis + 1 != rank || weights.len() != 2 {
        return Err(blocked(node, "the cut is not along the columns of its weights"));
    }
    let axis = if node.int("transB") == Some(1) { 0 } else { 1 };
    rows(walk, at, 1, Cut { axis, keep: cut.keep.clone() })?;
    // The bias of Gemm may be a single number or a row.
    let Some(bias) = node.input_name(2) else { return Ok(()) };
    match walk.size(bias)?.as_slice() {
        [.., 1] | [] => Ok(()),
        sizes => rows(walk, at, 2, Cut { axis: sizes.len() - 1, keep: cut.keep.clone() }),
    }
}

fn normalisation(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    if cut.axis != 1 {
        return Err(blocked(walk.wiring.node(at), "the cut runs across the picture"));
    }
    (1..5).try_for_each(|place| rows(walk, at, place, Cut { axis: 0, keep: cut.keep.clone() }))?;
    input(walk, at, 0, cut.clone())
}

/// Every class weighs on every other one, so all of them are computed, and the others dropped after that.
fn softmax(walk: &mut Walk<'_, '_>, at: usize, place: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let rank = walk.size(&node.output[place])?.len();
    let last_by_default = if walk.opset >= 13 { -1 } else { 1 };
    let axis = axis_of(node, last_by_default, rank)?;
    // Before operator set 13 it ran over all axes from this one on.
    let is_apart = if walk.opset >= 13 { cut.axis != axis } else { cut.axis < axis };
    if is_apart {
        return input(walk, at, 0, cut.clone());
    }
    walk.plan.dropped_after.push(node.label());
    walk.edit(Edit::Drop { node: at, place, axis: cut.axis, keep: cut.keep.clone() });
    Ok(())
}

fn quantiser(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let scale = walk.size(node.input_name(1).unwrap_or_default())?;
    match scale.as_slice() {
        [] | [1] => {}
        [_] => {
            let rank = walk.size(&node.output[0])?.len();
            if axis_of(node, 1, rank)? != cut.axis {
                return input(walk, at, 0, cut.clone());
            }
            for place in [1, 2] {
                input(walk, at, place, Cut { axis: 0, keep: cut.keep.clone() })?;
            }
        }
        _ => return Err(blocked(node, "its scales are in blocks")),
    }
    input(walk, at, 0, cut.clone())
}

fn pair(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let output = walk.size(&node.output[0])?;
    for place in 0..node.input.len() {
        let sizes = walk.size(node.input_name(place).unwrap_or_default())?;
        // Operands are stretched from the right.
        let Some(axis) = (cut.axis + sizes.len()).checked_sub(output.len()) else { continue };
        if sizes[axis] == output[cut.axis] && output[cut.axis] != 1 {
            input(walk, at, place, Cut { axis, keep: cut.keep.clone() })?;
        }
    }
    Ok(())
}

fn concat(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let axis = axis_of(node, 0, walk.size(&node.output[0])?.len())?;
    let mut start = 0;
    for place in 0..node.input.len() {
        if axis != cut.axis {
            input(walk, at, place, cut.clone())?;
            continue;
        }
        let side = walk.size(&node.input[place])?[axis];
        let keep: Vec<usize> = cut.keep.iter().filter_map(|&k| k.checked_sub(start)).filter(|&k| k < side).collect();
        start += side;
        match keep.len() {
            0 if side > 0 => return Err(blocked(node, "nothing would be left of one of its inputs")),
            left if left == side => {}
            _ => input(walk, at, place, Cut { axis, keep })?,
        }
    }
    Ok(())
}

/// The places of a whole of which only those of a part change.
fn widened(whole: usize, start: usize, part: usize, keep: &[usize]) -> Vec<usize> {
    (0..start).chain(keep.iter().map(|&k| start + k)).chain(start + part..whole).collect()
}

fn split(walk: &mut Walk<'_, '_>, at: usize, place: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let whole = walk.size(node.input_name(0).unwrap_or_default())?;
    let axis = axis_of(node, 0, whole.len())?;
    if axis != cut.axis {
        // The other parts would become smaller too.
        return Err(blocked(node, "the cut runs across its parts"));
    }
    let parts =
        node.output.iter().map(|part| walk.size(part).map(|sizes| sizes[axis])).collect::<Result<Vec<_>, _>>()?;
    let start = parts[..place].iter().sum();
    let sizes: Vec<i64> =
        parts.iter().enumerate().map(|(p, &side)| if p == place { cut.keep.len() } else { side } as i64).collect();
    if walk.opset >= 13 {
        if node.int("num_outputs").is_some() {
            return Err(blocked(node, "its parts are equal by definition"));
        }
        let tensor = TensorProto::from_ints(format!("{}_parts", node.output[0]), &[sizes.len() as i64], &sizes);
        walk.edit(Edit::Operand { node: at, at: 1, tensor: Box::new(tensor) });
    } else {
        walk.edit(Edit::Ints { node: at, name: "split", values: sizes });
    }
    input(walk, at, 0, Cut { axis, keep: widened(whole[axis], start, parts[place], &cut.keep) })
}

/// Where a Slice with constant places begins and ends along an axis, as it says itself, and where that stands in its lists.
fn bounds(wiring: &Wiring<'_>, node: &NodeProto, axis: usize) -> Option<Option<(usize, i64, i64)>> {
    let list = |name: &str, at: usize| -> Option<Vec<i64>> {
        node.ints(name).map(Vec::from).or_else(|| wiring.shapes.numbers(node.input_name(at)?).map(Vec::from))
    };
    let (starts, ends) = (list("starts", 1)?, list("ends", 2)?);
    let rank = i64::try_from(wiring.shapes.of(node.input_name(0)?)?.len()).ok()?;
    let axes = if node.ints("axes").is_some() || node.input_name(3).is_some() {
        list("axes", 3)?
    } else {
        (0..i64::try_from(starts.len()).ok()?).collect()
    };
    let wanted = i64::try_from(axis).ok()?;
    let Some(at) = axes.iter().position(|&found| found == wanted || found + rank == wanted) else { return Some(None) };
    let step = if node.input_name(4).is_some() { *list("steps", 4)?.get(at)? } else { 1 };
    (step == 1).then_some(Some((at, *starts.get(at)?, *ends.get(at)?)))
}

fn slice(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let unclear = || blocked(node, "its places are no constants in steps of one");
    let Some((listed, start, end)) = bounds(walk.wiring, node, cut.axis).ok_or_else(unclear)? else {
        return input(walk, at, 0, cut.clone());
    };
    let whole = walk.size(node.input_name(0).unwrap_or_default())?[cut.axis];
    let part = walk.size(&node.output[0])?[cut.axis];
    let start = usize::try_from(start).map_err(|_| unclear())?;
    // An end that is counted from the end of the whole moves with it.
    if usize::try_from(end).is_ok_and(|end| end <= whole) {
        let end = (start + cut.keep.len()) as i64;
        match node.ints("ends") {
            Some(ends) => {
                let mut values = ends.to_vec();
                values[listed] = end;
                walk.edit(Edit::Ints { node: at, name: "ends", values });
            }
            None => {
                let mut ends = walk.wiring.shapes.numbers(&node.input[2]).map(Vec::from).ok_or_else(unclear)?;
                ends[listed] = end;
                let tensor = TensorProto::from_ints(format!("{}_ends", node.output[0]), &[ends.len() as i64], &ends);
                // The type of starts and ends must be the same.
                if walk.wiring.constant(&node.input[1]).is_none_or(|starts| starts.data_type() != tensor.data_type()) {
                    return Err(unclear());
                }
                walk.edit(Edit::Operand { node: at, at: 2, tensor: Box::new(tensor) });
            }
        }
    }
    input(walk, at, 0, Cut { axis: cut.axis, keep: widened(whole, start, part, &cut.keep) })
}

/// Whether a user takes a part in which, and before which, everything stays.
pub(super) fn takes_only_what_stays(wiring: &Wiring<'_>, node: &NodeProto, cut: &Cut) -> bool {
    if node.operator() != "Slice" {
        return false;
    }
    let Some(Some((_, start, end))) = bounds(wiring, node, cut.axis) else { return false };
    let first_gone = cut.keep.iter().enumerate().find(|(at, kept)| at != *kept).map_or(cut.keep.len(), |(at, _)| at);
    start >= 0 && usize::try_from(end).is_ok_and(|end| end <= first_gone)
}

fn transpose(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let rank = walk.size(&node.output[0])?.len();
    let from = match node.ints("perm") {
        Some(order) => order.get(cut.axis).and_then(|&axis| usize::try_from(axis).ok()),
        None => rank.checked_sub(cut.axis + 1),
    };
    let axis = from.ok_or_else(|| blocked(node, "its order is out of range"))?;
    input(walk, at, 0, Cut { axis, keep: cut.keep.clone() })
}

/// The axis of the input that holds the cut axis, alone or with others beside it, and which of its places are kept.
fn reshape(walk: &mut Walk<'_, '_>, at: usize, cut: &Cut) -> Result<(), Blocked> {
    let node = walk.wiring.node(at);
    let (before, after) = (walk.size(node.input_name(0).unwrap_or_default())?, walk.size(&node.output[0])?);
    let source =
        source_axis(&before, &after, cut).ok_or_else(|| blocked(node, "it mixes the channels with other places"))?;
    if let Some(wanted) =
        node.input_name(1).filter(|_| node.operator() == "Reshape").and_then(|name| walk.wiring.constant(name))
    {
        let mut sizes = wanted.ints().ok_or_else(|| blocked(node, "its shape is no list of integers"))?;
        if sizes.get(cut.axis).is_some_and(|&side| side > 0) {
            sizes[cut.axis] = cut.keep.len() as i64;
            let tensor = TensorProto::from_ints(format!("{}_shape", node.output[0]), &[sizes.len() as i64], &sizes);
            walk.edit(Edit::Operand { node: at, at: 1, tensor: Box::new(tensor) });
        }
    }
    input(walk, at, 0, source)
}

fn source_axis(before: &[usize], after: &[usize], cut: &Cut) -> Option<Cut> {
    let ahead: usize = after[..cut.axis].iter().product();
    // The first axis of the input that begins at or before the cut axis and reaches behind it.
    let mut outer = 1;
    for (axis, &side) in before.iter().enumerate() {
        let reaches = outer * side >= ahead * after[cut.axis] && ahead.is_multiple_of(outer);
        if reaches && side > 1 {
            let groups = ahead.checked_div(outer)?;
            let per_group = side.checked_div(groups).filter(|per_group| per_group * groups == side)?;
            let inner = per_group.checked_div(after[cut.axis]).filter(|inner| inner * after[cut.axis] == per_group)?;
            let place = |group: usize, kept: usize, inside: usize| (group * after[cut.axis] + kept) * inner + inside;
            let keep = (0..groups).flat_map(|group| {
                cut.keep.iter().flat_map(move |&kept| (0..inner).map(move |inside| place(group, kept, inside)))
            });
            return Some(Cut { axis, keep: keep.collect() });
        }
        outer *= side;
        if outer > ahead {
            return None;
        }
    }
    None
}

fn axis_of(node: &NodeProto, default: i64, rank: usize) -> Result<usize, Blocked> {
    let axis = node.int("axis").unwrap_or(default);
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    let axis = usize::try_from(from_start).ok().filter(|axis| *axis < rank);
    axis.ok_or_else(|| blocked(node, "its axis is out of range"))
}
