//! Sizes of what slides a window over a picture: convolutions and pooling.

use super::Operands;

/// The sizes that a window leaves of `sides`, by the node's strides, dilations and padding.
pub(super) fn slide(operands: &Operands<'_>, sides: &[usize], kernel: &[usize]) -> Option<Vec<usize>> {
    let node = operands.node;
    let rounds_up = node.int("ceil_mode") == Some(1);
    let (strides, dilations) = (node.ints("strides"), node.ints("dilations"));
    let pads = padding(operands, sides.len())?;
    let side = |(at, (&side, &kernel)): (usize, (&usize, &usize))| {
        let (stride, dilation) = (at_or_one(strides, at)?, at_or_one(dilations, at)?);
        let Some(pads) = &pads else { return Some(side.div_ceil(stride)) };
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let room = side.checked_add(pads[at])?.checked_add(pads[at + sides.len()])?.checked_sub(reach)?;
        Some(if rounds_up { room.div_ceil(stride) } else { room / stride } + 1)
    };
    if kernel.len() != sides.len() {
        return None;
    }
    sides.iter().zip(kernel).enumerate().map(side).collect()
}

/// The sizes that a transposed convolution makes of `sides`.
pub(super) fn widen(operands: &Operands<'_>, sides: &[usize], kernel: &[usize]) -> Option<Vec<usize>> {
    let node = operands.node;
    if node.ints("output_shape").is_some() || kernel.len() != sides.len() {
        return None;
    }
    let (strides, dilations) = (node.ints("strides"), node.ints("dilations"));
    let pads = padding(operands, sides.len())?;
    let side = |(at, (&side, &kernel)): (usize, (&usize, &usize))| {
        let (stride, dilation) = (at_or_one(strides, at)?, at_or_one(dilations, at)?);
        let Some(pads) = &pads else { return side.checked_mul(stride) };
        let more = node.ints("output_padding").and_then(|more| more.get(at)).map_or(Some(0), |&n| n.try_into().ok())?;
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let whole = side.checked_sub(1)?.checked_mul(stride)?.checked_add(reach)?.checked_add(more)?;
        whole.checked_sub(pads[at].checked_add(pads[at + sides.len()])?)
    };
    sides.iter().zip(kernel).enumerate().map(side).collect()
}

/// Padding before and after each side; `Some(None)` where it is as much as keeps the size.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it is known, the inner one whether it is explicit"
)]
fn padding(operands: &Operands<'_>, sides: usize) -> Option<Option<Vec<usize>>> {
    match operands.node.text("auto_pad") {
        b"SAME_UPPER" | b"SAME_LOWER" => Some(None),
        b"" | b"NOTSET" => {
            let given = operands.node.ints("pads").unwrap_or_default();
            let pads: Option<Vec<usize>> = given.iter().map(|&pad| usize::try_from(pad).ok()).collect();
            let pads = pads.filter(|pads| pads.is_empty() || pads.len() == 2 * sides)?;
            Some(Some(if pads.is_empty() { vec![0; 2 * sides] } else { pads }))
        }
        b"VALID" => Some(Some(vec![0; 2 * sides])),
        _ => None,
    }
}

fn at_or_one(values: Option<&[i64]>, at: usize) -> Option<usize> {
    match values {
        Some(values) if !values.is_empty() => usize::try_from(*values.get(at)?).ok().filter(|value| *value > 0),
        _ => Some(1),
    }
}
