//! Values of small integer tensors: the arithmetic with which exporters compute shapes.

use super::{Operands, axis};

/// The elements of the node's first output, where they can be told.
pub(super) fn of(operands: &Operands<'_>) -> Option<Vec<i64>> {
    let node = operands.node;
    match node.operator() {
        "Constant" => node.int("value_int").map(|value| vec![value]).or_else(|| node.ints("value_ints").map(Vec::from)),
        "Shape" => shape(operands),
        "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Reshape" => operands.numbers(0).map(Vec::from),
        "Concat" => {
            let all: Option<Vec<&[i64]>> = (0..node.input.len()).map(|at| operands.numbers(at)).collect();
            all.map(|parts| parts.concat())
        }
        "Gather" => gather(operands),
        "Slice" => slice(operands),
        "Add" => pairwise(operands, i64::checked_add),
        "Sub" => pairwise(operands, i64::checked_sub),
        "Mul" => pairwise(operands, i64::checked_mul),
        "Div" => pairwise(operands, i64::checked_div),
        _ => None,
    }
}

fn shape(operands: &Operands<'_>) -> Option<Vec<i64>> {
    let sizes: Vec<i64> = operands.sizes(0)?.iter().map(|&side| i64::try_from(side).ok()).collect::<Option<_>>()?;
    let place = |name, default: usize| match operands.node.int(name) {
        None => Some(default),
        Some(at) => usize::try_from(if at < 0 { at + i64::try_from(sizes.len()).ok()? } else { at }).ok(),
    };
    let (start, end) = (place("start", 0)?, place("end", sizes.len())?);
    Some(sizes.get(start..end.min(sizes.len()))?.to_vec())
}

fn gather(operands: &Operands<'_>) -> Option<Vec<i64>> {
    let (values, wanted) = (operands.numbers(0)?, operands.numbers(1)?);
    // Of a list; a table of integers has lost its sides here.
    if operands.sizes(0)?.len() != 1 || operands.node.int("axis").unwrap_or(0) != 0 {
        return None;
    }
    wanted.iter().map(|&at| values.get(axis(at, values.len())?).copied()).collect()
}

fn slice(operands: &Operands<'_>) -> Option<Vec<i64>> {
    let values = operands.numbers(0)?;
    if operands.sizes(0)?.len() != 1 {
        return None;
    }
    let (starts, ends) = (operands.ints("starts", 1)?, operands.ints("ends", 2)?);
    let ([start], [end]) = (starts, ends) else { return None };
    let step = operands.numbers(4).map_or(Some(1), |steps| steps.first().copied())?;
    (step == 1).then_some(())?;
    let (start, end) = range(*start, *end, values.len())?;
    Some(values[start..end].to_vec())
}

/// The part of `0..side` from `start` to `end`, both counted from the end where they are negative and cut to what is there.
pub(super) fn range(start: i64, end: i64, side: usize) -> Option<(usize, usize)> {
    let side = i64::try_from(side).ok()?;
    let place = |at: i64| if at < 0 { at.saturating_add(side).max(0) } else { at.min(side) };
    let (start, end) = (place(start), place(end));
    Some((usize::try_from(start).ok()?, usize::try_from(end.max(start)).ok()?))
}

/// Element by element, or a single number with each.
fn pairwise(operands: &Operands<'_>, combine: fn(i64, i64) -> Option<i64>) -> Option<Vec<i64>> {
    let (left, right) = (operands.numbers(0)?, operands.numbers(1)?);
    match (left, right) {
        _ if left.len() == right.len() => left.iter().zip(right).map(|(&a, &b)| combine(a, b)).collect(),
        (_, [right]) => left.iter().map(|&a| combine(a, *right)).collect(),
        ([left], _) => right.iter().map(|&b| combine(*left, b)).collect(),
        _ => None,
    }
}
