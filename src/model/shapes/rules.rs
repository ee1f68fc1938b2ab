//! The sizes of what each operator gives, from the sizes of what it takes.

use super::numbers::range;
use super::window::{slide, widen};
use super::{Operands, axis};

type Sizes = Vec<usize>;

/// The sizes of the node's outputs, in order; none where they cannot be told.
pub(super) fn outputs(operands: &Operands<'_>) -> Option<Vec<Sizes>> {
    let node = operands.node;
    let first = || operands.sizes(0).map(Vec::from);
    let one = |sizes: Option<Sizes>| sizes.map(|sizes| vec![sizes]);
    match node.operator() {
        "Split" => split(operands),
        "MaxPool" => pool(operands).map(|sizes| vec![sizes; node.output.len()]),
        "TopK" => top_k(operands).map(|sizes| vec![sizes; 2]),
        "AveragePool" | "LpPool" => one(pool(operands)),
        "Conv" | "ConvInteger" => one(convolution(operands, 1)),
        "QLinearConv" => one(convolution(operands, 3)),
        "ConvTranspose" => one(transposed(operands)),
        "GlobalAveragePool" | "GlobalMaxPool" => one(first().map(|mut sizes| {
            sizes.iter_mut().skip(2).for_each(|side| *side = 1);
            sizes
        })),
        "Gemm" => one(gemm(operands)),
        "MatMul" | "MatMulInteger" => one(matrix(operands.sizes(0)?, operands.sizes(1)?)),
        "QLinearMatMul" => one(matrix(operands.sizes(0)?, operands.sizes(3)?)),
        "Concat" => one(concat(operands)),
        "Slice" => one(slice(operands)),
        "Reshape" => one(reshape(operands)),
        "Transpose" => one(transpose(operands)),
        "Flatten" => one(flatten(operands)),
        "Squeeze" => one(squeeze(operands)),
        "Unsqueeze" => one(unsqueeze(operands)),
        "Shape" => one(operands.sizes(0).map(|sizes| vec![sizes.len()])),
        "Gather" => one(gather(operands)),
        "Resize" | "Upsample" => one(resize(operands)),
        "Pad" => one(pad(operands)),
        "Expand" => one(broadcast([operands.sizes(0)?.to_vec(), as_sizes(operands.numbers(1)?)?].into_iter())),
        "ConstantOfShape" => one(as_sizes(operands.numbers(0)?)),
        "Tile" => one(tile(operands)),
        "DepthToSpace" | "SpaceToDepth" => one(blocks(operands)),
        "ArgMax" | "ArgMin" => one(reduce(operands, Some(&[node.int("axis").unwrap_or(0)]))),
        name if name.starts_with("Reduce") => one(reduce(operands, operands.ints("axes", 1))),
        name if JOINS.contains(&name) => {
            let all: Option<Vec<Sizes>> = (0..node.input.len()).map(|at| operands.sizes(at).map(Vec::from)).collect();
            one(broadcast(all?.into_iter()))
        }
        name if KEEPS.contains(&name) => one(first()),
        _ => None,
    }
}

/// Operators whose output has the size of their first input.
const KEEPS: &[&str] = &[
    "Abs",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Cos",
    "CumSum",
    "DequantizeLinear",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "Mish",
    "Neg",
    "Not",
    "PRelu",
    "QuantizeLinear",
    "Reciprocal",
    "Relu",
    "Round",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
];

/// Operators whose inputs are stretched to a common size.
const JOINS: &[&str] = &[
    "Add",
    "And",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "Pow",
    "Sub",
    "Sum",
    "Where",
    "Xor",
];

fn as_sizes(numbers: &[i64]) -> Option<Sizes> {
    numbers.iter().map(|&side| usize::try_from(side).ok()).collect()
}

/// How many elements there are; none beyond any memory.
fn elements(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |all, &side| all.checked_mul(side))
}

fn broadcast(all: impl Iterator<Item = Sizes>) -> Option<Sizes> {
    let mut joined: Sizes = Vec::new();
    for sizes in all {
        let rank = joined.len().max(sizes.len());
        let side = |sizes: &Sizes, at: usize| (at + sizes.len()).checked_sub(rank).map_or(1, |at| sizes[at]);
        joined = (0..rank)
            .map(|at| match (side(&joined, at), side(&sizes, at)) {
                (a, b) if a == b || b == 1 => Some(a),
                (1, b) => Some(b),
                _ => None,
            })
            .collect::<Option<_>>()?;
    }
    Some(joined)
}

fn convolution(operands: &Operands<'_>, weight: usize) -> Option<Sizes> {
    let (input, weight) = (operands.sizes(0)?, operands.sizes(weight)?);
    let sides = slide(operands, input.get(2..)?, weight.get(2..)?)?;
    Some([&[input[0], weight[0]], sides.as_slice()].concat())
}

fn transposed(operands: &Operands<'_>) -> Option<Sizes> {
    let (input, weight) = (operands.sizes(0)?, operands.sizes(1)?);
    let groups = usize::try_from(operands.node.int("group").unwrap_or(1)).ok()?;
    let sides = widen(operands, input.get(2..)?, weight.get(2..)?)?;
    Some([&[input[0], weight[1].checked_mul(groups)?], sides.as_slice()].concat())
}

fn pool(operands: &Operands<'_>) -> Option<Sizes> {
    let input = operands.sizes(0)?;
    let kernel = as_sizes(operands.node.ints("kernel_shape")?)?;
    let sides = slide(operands, input.get(2..)?, &kernel)?;
    Some([&input[..2], sides.as_slice()].concat())
}

fn gemm(operands: &Operands<'_>) -> Option<Sizes> {
    let ([a, b], [c, d]) = (operands.sizes(0)?, operands.sizes(1)?) else { return None };
    let is_on = |name| operands.node.int(name) == Some(1);
    Some(vec![if is_on("transA") { *b } else { *a }, if is_on("transB") { *c } else { *d }])
}

fn matrix(left: &[usize], right: &[usize]) -> Option<Sizes> {
    let ([before, rows, _], [others @ .., _, columns]) = (split_last_two(left)?, right) else { return None };
    let mut sizes = broadcast([before.to_vec(), others.to_vec()].into_iter())?;
    sizes.extend([rows[0], *columns]);
    Some(sizes)
}

/// What is before the last two sides, and each of these as a list of one.
fn split_last_two(sizes: &[usize]) -> Option<[&[usize]; 3]> {
    let at = sizes.len().checked_sub(2)?;
    Some([&sizes[..at], &sizes[at..=at], &sizes[at + 1..]])
}

fn concat(operands: &Operands<'_>) -> Option<Sizes> {
    let mut sizes = operands.sizes(0)?.to_vec();
    let axis = axis(operands.node.int("axis")?, sizes.len())?;
    for at in 1..operands.node.input.len() {
        sizes[axis] += operands.sizes(at)?.get(axis)?;
    }
    Some(sizes)
}

fn split(operands: &Operands<'_>) -> Option<Vec<Sizes>> {
    let (sizes, outputs) = (operands.sizes(0)?, operands.node.output.len());
    let axis = axis(operands.node.int("axis").unwrap_or(0), sizes.len())?;
    let parts = match operands.ints("split", 1) {
        Some(parts) => as_sizes(parts)?,
        None if operands.node.input_name(1).is_some() => return None,
        None => {
            // Equal ones, the last of which may be smaller.
            let part = sizes[axis].div_ceil(outputs.max(1));
            (0..outputs).map(|at| part.min(sizes[axis].saturating_sub(at * part))).collect()
        }
    };
    let sized = |&part: &usize| {
        let mut sizes = sizes.to_vec();
        sizes[axis] = part;
        sizes
    };
    Some(parts.iter().map(sized).collect())
}

fn slice(operands: &Operands<'_>) -> Option<Sizes> {
    let mut sizes = operands.sizes(0)?.to_vec();
    let (starts, ends) = (operands.ints("starts", 1)?, operands.ints("ends", 2)?);
    let all: Vec<i64> = (0..i64::try_from(starts.len()).ok()?).collect();
    let has_axes = operands.node.ints("axes").is_some() || operands.node.input_name(3).is_some();
    let axes = if has_axes { operands.ints("axes", 3)? } else { &all };
    let ones = vec![1; starts.len()];
    let steps = if operands.node.input_name(4).is_some() { operands.numbers(4)? } else { &ones };
    for (((&start, &end), &at), &step) in starts.iter().zip(ends).zip(axes).zip(steps) {
        let at = axis(at, sizes.len())?;
        let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
        let (start, end) = range(start, end, sizes[at])?;
        sizes[at] = (end - start).div_ceil(step);
    }
    Some(sizes)
}

fn reshape(operands: &Operands<'_>) -> Option<Sizes> {
    let (sizes, wanted) = (operands.sizes(0)?, operands.ints("shape", 1)?);
    let keeps_zeros = operands.node.int("allowzero") != Some(1);
    let mut open = None;
    let mut found: Sizes = Vec::with_capacity(wanted.len());
    for (at, &side) in wanted.iter().enumerate() {
        found.push(match side {
            -1 => {
                open = Some(at);
                1
            }
            0 if keeps_zeros => *sizes.get(at)?,
            side => usize::try_from(side).ok()?,
        });
    }
    let (all, given) = (elements(sizes)?, elements(&found)?);
    if let Some(open) = open {
        found[open] = all.checked_div(given)?;
    }
    (elements(&found)? == all).then_some(found)
}

fn transpose(operands: &Operands<'_>) -> Option<Sizes> {
    let sizes = operands.sizes(0)?;
    match operands.node.ints("perm") {
        Some(order) => order.iter().map(|&at| sizes.get(axis(at, sizes.len())?).copied()).collect(),
        None => Some(sizes.iter().rev().copied().collect()),
    }
}

fn flatten(operands: &Operands<'_>) -> Option<Sizes> {
    let sizes = operands.sizes(0)?;
    let at = operands.node.int("axis").unwrap_or(1);
    let at = if at == i64::try_from(sizes.len()).ok()? { sizes.len() } else { axis(at, sizes.len())? };
    Some(vec![sizes[..at].iter().product(), sizes[at..].iter().product()])
}

fn squeeze(operands: &Operands<'_>) -> Option<Sizes> {
    let sizes = operands.sizes(0)?;
    let axes = match operands.ints("axes", 1) {
        Some(axes) => axes.iter().map(|&at| axis(at, sizes.len())).collect::<Option<Sizes>>()?,
        None => (0..sizes.len()).filter(|&at| sizes[at] == 1).collect(),
    };
    Some((0..sizes.len()).filter(|at| !axes.contains(at)).map(|at| sizes[at]).collect())
}

fn unsqueeze(operands: &Operands<'_>) -> Option<Sizes> {
    let (sizes, axes) = (operands.sizes(0)?, operands.ints("axes", 1)?);
    let rank = sizes.len() + axes.len();
    let axes = axes.iter().map(|&at| axis(at, rank)).collect::<Option<Sizes>>()?;
    let mut rest = sizes.iter();
    (0..rank).map(|at| if axes.contains(&at) { Some(1) } else { rest.next().copied() }).collect()
}

fn gather(operands: &Operands<'_>) -> Option<Sizes> {
    let (sizes, indices) = (operands.sizes(0)?, operands.sizes(1)?);
    let at = axis(operands.node.int("axis").unwrap_or(0), sizes.len())?;
    Some([&sizes[..at], indices, &sizes[at + 1..]].concat())
}

/// Scales are an attribute of Upsample before operator set 9, input 1 up to set 10, input 2 of Resize from set 11 on.
fn resize(operands: &Operands<'_>) -> Option<Sizes> {
    let sizes = operands.sizes(0)?;
    if let Some(wanted) = operands.numbers(3).filter(|wanted| wanted.len() == sizes.len()) {
        return as_sizes(wanted);
    }
    let at = if operands.node.input.len() > 2 { 2 } else { 1 };
    let scales = operands.node.floats("scales").map(Vec::from).or_else(|| operands.floats(at))?;
    let scaled = |(&side, &scale): (&usize, &f32)| (side as f64 * f64::from(scale)).floor() as usize;
    (scales.len() == sizes.len()).then(|| sizes.iter().zip(&scales).map(scaled).collect())
}

fn pad(operands: &Operands<'_>) -> Option<Sizes> {
    let (sizes, pads) = (operands.sizes(0)?, operands.ints("pads", 1)?);
    // From operator set 18 on it may pad some of the axes only.
    if pads.len() != 2 * sizes.len() {
        return None;
    }
    let padded = |(at, &side): (usize, &usize)| {
        let more = pads[at].checked_add(pads[at + sizes.len()])?;
        usize::try_from(i64::try_from(side).ok()?.checked_add(more)?).ok()
    };
    sizes.iter().enumerate().map(padded).collect()
}

fn tile(operands: &Operands<'_>) -> Option<Sizes> {
    let (sizes, repeats) = (operands.sizes(0)?, as_sizes(operands.numbers(1)?)?);
    sizes.iter().zip(&repeats).map(|(side, times)| side.checked_mul(*times)).collect()
}

fn blocks(operands: &Operands<'_>) -> Option<Sizes> {
    let [batch, channels, rows, columns] = operands.sizes(0)? else { return None };
    let block = usize::try_from(operands.node.int("blocksize")?).ok().filter(|block| *block > 0)?;
    let area = block.checked_mul(block)?;
    Some(match operands.node.operator() {
        "DepthToSpace" => vec![*batch, channels / area, rows.checked_mul(block)?, columns.checked_mul(block)?],
        _ => vec![*batch, channels.checked_mul(area)?, rows / block, columns / block],
    })
}

fn reduce(operands: &Operands<'_>, axes: Option<&[i64]>) -> Option<Sizes> {
    let sizes = operands.sizes(0)?;
    let axes = match axes {
        Some(axes) => axes.iter().map(|&at| axis(at, sizes.len())).collect::<Option<Sizes>>()?,
        None if operands.node.input_name(1).is_some() => return None,
        None => (0..sizes.len()).collect(),
    };
    let keeps = operands.node.int("keepdims").unwrap_or(1) == 1;
    let side = |at: usize| match axes.contains(&at) {
        true => keeps.then_some(1),
        false => Some(sizes[at]),
    };
    Some((0..sizes.len()).filter_map(side).collect())
}

fn top_k(operands: &Operands<'_>) -> Option<Sizes> {
    let mut sizes = operands.sizes(0)?.to_vec();
    let at = axis(operands.node.int("axis").unwrap_or(-1), sizes.len())?;
    let wanted = operands.node.int("k").or_else(|| operands.numbers(1)?.first().copied())?;
    sizes[at] = usize::try_from(wanted).ok()?;
    Some(sizes)
}
