//! Requests put together along their first size, and their answers taken apart again.

use bytes::{Bytes, BytesMut};

use crate::detect::tensors::{Elements, Tensor, element_count};

/// The tensors of a batch: for each input, those of all requests under each other. The requests fit, see
/// [`queue`](super::queue).
pub fn join(requests: &[&[Tensor]]) -> Vec<Tensor> {
    let Some(first) = requests.first() else { return Vec::new() };
    (0..first.len())
        .map(|input| {
            let parts: Vec<&Tensor> = requests.iter().filter_map(|tensors| tensors.get(input)).collect();
            stack(&parts)
        })
        .collect()
}

fn stack(parts: &[&Tensor]) -> Tensor {
    let mut shape = parts[0].shape.clone();
    if let Some(rows) = shape.first_mut() {
        *rows = parts.iter().filter_map(|part| part.shape.first()).sum();
    }
    let elements = match &parts[0].elements {
        Elements::Packed(_) => {
            let mut all = BytesMut::with_capacity(parts.iter().map(|part| packed(part).len()).sum());
            parts.iter().for_each(|part| all.extend_from_slice(packed(part)));
            Elements::Packed(all.freeze())
        }
        Elements::Texts(_) => Elements::Texts(parts.iter().flat_map(|part| texts(part)).cloned().collect()),
    };
    Tensor { name: parts[0].name.clone(), datatype: parts[0].datatype, shape, elements }
}

fn packed(tensor: &Tensor) -> &[u8] {
    match &tensor.elements {
        Elements::Packed(bytes) => bytes,
        Elements::Texts(_) => &[],
    }
}

fn texts(tensor: &Tensor) -> &[Bytes] {
    match &tensor.elements {
        Elements::Texts(texts) => texts,
        Elements::Packed(_) => &[],
    }
}

/// The outputs of a batch for each request, of which `rows` says how many rows it brought; nothing is copied. `None`
/// when an output has not a row for each row that went in.
pub fn split(outputs: &[Tensor], rows: &[usize]) -> Option<Vec<Vec<Tensor>>> {
    let total: usize = rows.iter().sum();
    let mut from = 0;
    rows.iter()
        .map(|&count| {
            let part = outputs.iter().map(|output| cut(output, from, count, total)).collect::<Option<Vec<_>>>();
            from += count;
            part
        })
        .collect()
}

fn cut(output: &Tensor, from: usize, count: usize, total: usize) -> Option<Tensor> {
    let (rows, tail) = output.shape.split_first()?;
    if usize::try_from(*rows).ok()? != total {
        return None;
    }
    let per_row = element_count(tail)?;
    let elements = match (&output.elements, output.datatype.size()) {
        (Elements::Packed(bytes), Some(size)) => {
            let row = per_row * size;
            (bytes.len() == row * total).then(|| Elements::Packed(bytes.slice(from * row..(from + count) * row)))?
        }
        (Elements::Texts(texts), _) => Elements::Texts(texts.get(from * per_row..(from + count) * per_row)?.to_vec()),
        (Elements::Packed(_), None) => return None,
    };
    let shape = std::iter::once(i64::try_from(count).ok()?).chain(tail.iter().copied()).collect();
    Some(Tensor { name: output.name.clone(), datatype: output.datatype, shape, elements })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tensors::Datatype;
    use proptest::prelude::*;

    fn tensor(rows: usize, seed: u8) -> Tensor {
        let elements = Elements::Packed((0..rows * 6).map(|at| seed.wrapping_add(at as u8)).collect::<Vec<_>>().into());
        Tensor { name: "x".into(), datatype: Datatype::Int16, shape: vec![rows as i64, 3], elements }
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart_as_it_was(rows in proptest::collection::vec(0usize..5, 1..6)) {
            let requests: Vec<Vec<Tensor>> =
                rows.iter().enumerate().map(|(at, &rows)| vec![tensor(rows, 50 * at as u8)]).collect();
            let joined = join(&requests.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(split(&joined, &rows), Some(requests));
        }
    }

    #[test]
    fn an_output_without_a_row_for_each_row_cannot_be_taken_apart() {
        assert_eq!(split(&[tensor(3, 0)], &[1, 1]), None);
        let scalar = Tensor { shape: vec![], ..tensor(0, 0) };
        assert_eq!(split(&[scalar], &[1]), None);
    }
}
