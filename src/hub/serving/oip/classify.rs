//! The classification extension: instead of scores, the largest of them with their indexes and, where known, labels.

use bytes::Bytes;

use crate::detect::tensors::{Datatype, Elements, Tensor};

/// The `count` largest of each row as texts `score:index` or `score:index:label`. A tensor of one dimension is one row.
///
/// # Errors
/// When the elements are no numbers.
pub fn classify(scores: &Tensor, count: usize, labels: &[String]) -> Result<Tensor, String> {
    let values = numbers(scores).ok_or_else(|| format!("output '{}' is no scores to classify by", scores.name))?;
    let rows = match scores.shape.as_slice() {
        [] | [_] => None,
        [rows, ..] => Some(*rows),
    };
    let row_count = rows.map_or(1, |rows| usize::try_from(rows).unwrap_or(0));
    let per_row = values.len().checked_div(row_count).unwrap_or(0);
    let kept = count.min(per_row);
    let mut texts = Vec::with_capacity(kept * row_count);
    if per_row > 0 {
        for row in values.chunks_exact(per_row) {
            let mut order: Vec<usize> = (0..per_row).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            texts.extend(order.into_iter().take(kept).map(|at| text(row[at], at, labels, per_row)));
        }
    }
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    let shape = rows.into_iter().chain([kept]).collect();
    Ok(Tensor { name: scores.name.clone(), datatype: Datatype::Bytes, shape, elements: Elements::Texts(texts) })
}

/// Labels are told only where there is one for each score.
fn text(score: f64, at: usize, labels: &[String], classes: usize) -> Bytes {
    match labels.get(at).filter(|_| labels.len() == classes) {
        Some(label) => format!("{score:.6}:{at}:{label}").into(),
        None => format!("{score:.6}:{at}").into(),
    }
}

fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    let Elements::Packed(bytes) = &tensor.elements else { return None };
    let read = |bytes: &[u8]| -> Option<f64> {
        let mut eight = [0u8; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(eight);
        Some(match tensor.datatype {
            Datatype::Fp16 => half::f16::from_bits(bits as u16).to_f64(),
            Datatype::Bf16 => half::bf16::from_bits(bits as u16).to_f64(),
            Datatype::Fp32 => f64::from(f32::from_bits(bits as u32)),
            Datatype::Fp64 => f64::from_bits(bits),
            Datatype::Int8 => f64::from(bits as i8),
            Datatype::Int16 => f64::from(bits as i16),
            Datatype::Int32 => f64::from(bits as i32),
            Datatype::Int64 => bits as i64 as f64,
            Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => bits as f64,
            Datatype::Bool | Datatype::Bytes => return None,
        })
    };
    bytes.chunks_exact(tensor.datatype.size()?).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_row_by_row() {
        let elements =
            Elements::Packed([0.1f32, 0.7, 0.2, 0.5, 0.1, 0.4].iter().flat_map(|v| v.to_le_bytes()).collect());
        let scores = Tensor { name: "y".into(), datatype: Datatype::Fp32, shape: vec![2, 3], elements };
        let labels = ["cat", "dog", "cow"].map(str::to_owned);
        let classes = classify(&scores, 2, &labels).unwrap();
        assert_eq!(classes.shape, [2, 2]);
        let texts = ["0.700000:1:dog", "0.200000:2:cow", "0.500000:0:cat", "0.400000:2:cow"];
        assert_eq!(classes.elements, Elements::Texts(texts.map(Bytes::from).to_vec()));
        let one = classify(&Tensor { shape: vec![6], ..scores }, 9, &labels).unwrap();
        assert_eq!(one.shape, [6]);
    }
}
