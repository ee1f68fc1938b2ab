//! Numbers as they are written: at most four decimals, always finite.

/// `value` rounded to four decimals. JSON has no infinity and no NaN: an infinite value becomes the largest one
/// that is written, a billion, and NaN becomes 0.
pub(super) fn short(value: impl Into<f64>) -> f64 {
    let value = value.into();
    if value.is_nan() {
        return 0.0;
    }
    let rounded = (value.clamp(-1e9, 1e9) * 1e4).round() / 1e4;
    // Minus zero would be written as -0.0.
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// Writes a number as [`short`] makes it, for fields that others fill in.
pub(super) fn write_short<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(short(*value))
}

#[cfg(test)]
mod tests {
    use super::short;
    use proptest::prelude::*;

    #[test]
    fn a_score_is_written_as_a_person_would() {
        assert_eq!(serde_json::to_string(&short(0.87f32)).unwrap(), "0.87");
        assert_eq!(serde_json::to_string(&short(-0.000_01f32)).unwrap(), "0.0");
        assert_eq!(short(f32::NAN), 0.0);
        assert_eq!(short(f64::INFINITY), 1e9);
    }

    proptest! {
        #[test]
        fn every_fraction_has_at_most_four_decimals(value in -1000.0f32..1000.0) {
            let text = serde_json::to_string(&short(value)).unwrap();
            let decimals = text.split_once('.').map_or(0, |(_, d)| d.len());
            prop_assert!(decimals <= 4, "{}", text);
            prop_assert!((short(value) - f64::from(value)).abs() <= 0.000_051);
        }
    }
}
