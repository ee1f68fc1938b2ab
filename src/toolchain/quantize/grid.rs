//! From a range of values to 256 steps: scale and zero point, and weights and biases laid onto them.
//!
//! The arithmetic is that of `onnxruntime.quantization` (`quant_utils.py`: `compute_scale_zp`, `quantize_nparray`):
//! ranges in 64 bits, scales rounded to 32, ties to even.

use super::profile::Steps;

/// The steps of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The value of one step, above 0.
    pub scale: f32,
    /// The step that stands for 0: 0..255, or 0 for symmetric grids.
    pub zero_point: u8,
    /// Which of both layouts.
    pub steps: Steps,
}

impl Grid {
    /// The grid that covers `lowest..=highest`, stretched to hold 0.
    pub fn covering(lowest: f32, highest: f32, steps: Steps) -> Self {
        let (lowest, highest) = (f64::from(lowest.min(0.0)), f64::from(highest.max(0.0)));
        let scale = match steps {
            Steps::Unsigned => (highest - lowest) / 255.0,
            Steps::Symmetric => highest.max(-lowest) / 127.0,
        };
        if scale < f64::from(f32::MIN_POSITIVE) || !scale.is_finite() {
            return Self { scale: 1.0, zero_point: 0, steps };
        }
        let zero_point = match steps {
            // Within 0..255, because 0 lies within the range.
            Steps::Unsigned => (-lowest / scale).round_ties_even() as u8,
            Steps::Symmetric => 0,
        };
        Self { scale: scale as f32, zero_point, steps }
    }

    /// The least and the greatest value that it holds.
    pub fn range(&self) -> (f32, f32) {
        let (first, last) = match self.steps {
            Steps::Unsigned => (0.0 - f32::from(self.zero_point), 255.0 - f32::from(self.zero_point)),
            Steps::Symmetric => (-127.0, 127.0),
        };
        (first * self.scale, last * self.scale)
    }
}

/// The weights of one convolution or matrix on steps of their own per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// The steps, in the order of the weights, -127..127 (or -63..63).
    pub steps: Vec<i8>,
    /// A scale per channel.
    pub scales: Vec<f32>,
}

/// Lays `values` onto steps, symmetric, with one scale for each of `channels` along the axis behind which `inner`
/// elements lie. `limit` is the highest step: 127, or 63 for x86 without VNNI, whose additions would overflow.
///
/// `raise` says the least scale of a channel; see [`least_scale`].
pub fn weights(values: &[f32], channels: usize, inner: usize, limit: i8, raise: &[f32]) -> Weights {
    let mut highest = vec![0f32; channels];
    let channel_of = |at: usize| at / inner.max(1) % channels.max(1);
    for (at, value) in values.iter().enumerate() {
        let channel = &mut highest[channel_of(at)];
        *channel = channel.max(value.abs());
    }
    let scale = |(channel, highest): (usize, &f32)| {
        let scale = (f64::from(*highest) * 2.0 / (2.0 * f64::from(limit))) as f32;
        let scale = if scale < f32::MIN_POSITIVE { 1.0 } else { scale };
        scale.max(raise.get(channel).copied().unwrap_or(0.0))
    };
    let scales: Vec<f32> = highest.iter().enumerate().map(scale).collect();
    let limit = f32::from(limit);
    let step =
        |(at, value): (usize, &f32)| (value / scales[channel_of(at)]).round_ties_even().clamp(-limit, limit) as i8;
    let steps = values.iter().enumerate().map(step).collect();
    Weights { steps, scales }
}

/// The least scale of a channel's weights with which its bias fits 32 bits, at the input's scale `input`.
pub fn least_scale(bias: f32, input: f32) -> f32 {
    let limit = f64::from(i32::MAX) / 2.0;
    (f64::from(bias.abs()) / (f64::from(input) * limit)) as f32
}

/// A bias in steps of the products of input and weights.
pub fn bias(value: f32, input: f32, weight: f32) -> i32 {
    // The product is taken in 32 bits, as the tensor that holds it is. A cast to an integer saturates.
    (f64::from(value) / f64::from(input * weight)).round_ties_even() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_byte_picture_loses_nothing() {
        assert_eq!(
            Grid::covering(0.0, 255.0, Steps::Unsigned),
            Grid { scale: 1.0, zero_point: 0, steps: Steps::Unsigned }
        );
        assert_eq!(Grid::covering(3.0, 255.0, Steps::Unsigned).scale, 1.0);
    }

    #[test]
    fn a_range_of_nothing_has_steps_of_one() {
        for steps in [Steps::Unsigned, Steps::Symmetric] {
            assert_eq!(Grid::covering(0.0, 0.0, steps).scale, 1.0);
        }
    }

    #[test]
    fn each_channel_has_its_own_scale_on_either_axis() {
        let rows = weights(&[1.27, -0.5, 12.7, 0.1], 2, 2, 127, &[]);
        assert_eq!(rows.steps, [127, -50, 127, 1]);
        let columns = weights(&[1.27, 12.7, -0.5, 0.1], 2, 1, 127, &[]);
        assert_eq!(columns.steps, [127, 127, -50, 1]);
        assert_eq!(rows.scales, columns.scales);
        assert_eq!(weights(&[0.0, 0.0], 1, 2, 127, &[]).scales, [1.0]);
    }

    #[test]
    fn a_bias_beyond_32_bits_raises_the_scale_of_its_weights() {
        let least = least_scale(1e6, 1e-4);
        let raised = weights(&[1e-6], 1, 1, 127, &[least]);
        assert!(i64::from(bias(1e6, 1e-4, raised.scales[0])) < i64::from(i32::MAX) * 6 / 10);
    }

    proptest! {
        #[test]
        fn every_value_within_the_range_is_kept_to_half_a_step(a in -1e3f32..1e3, b in -1e3f32..1e3, at in 0f32..1.0) {
            let (low, high) = (a.min(b).min(0.0), a.max(b).max(0.0));
            prop_assume!(high - low > 1e-3);
            let grid = Grid::covering(low, high, Steps::Unsigned);
            let value = low + (high - low) * at;
            let step = (value / grid.scale).round_ties_even() + f32::from(grid.zero_point);
            let back = (step.clamp(0.0, 255.0) - f32::from(grid.zero_point)) * grid.scale;
            prop_assert!((back - value).abs() <= grid.scale * 1.001, "{} became {}", value, back);
        }
    }
}
