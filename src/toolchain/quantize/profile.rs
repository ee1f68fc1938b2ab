//! What each kind of processor wants of an 8-bit model.

use std::fmt;
use std::str::FromStr;

/// Who will run the 8-bit model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// ONNX Runtime's own kernels on x86.
    CpuX86,
    /// ONNX Runtime's own kernels on Arm.
    CpuArm,
    /// NVIDIA TensorRT.
    TensorRt,
    /// Intel OpenVINO.
    OpenVino,
    /// Qualcomm QNN.
    Qnn,
}

/// How activations are laid onto 256 steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// 0..255 with a zero point anywhere.
    Unsigned,
    /// -127..127 around a zero point of 0.
    Symmetric,
}

/// The rules of one [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// How activations are laid out.
    pub steps: Steps,
    /// Whether outputs of operators are quantised too, which CPUs need to stay in integers, or only inputs, from which
    /// compilers derive the rest.
    pub outputs: bool,
    /// Whether biases are 32-bit integers; compilers want floats.
    pub integer_bias: bool,
    /// Whether the convolutions before the float tail keep 8-bit weights although their outputs are floats.
    pub heads: bool,
    /// Whether it has good integer kernels for what ONNX Runtime's CPU computes in floats only (transposed convolutions,
    /// space exchanged for depth: `qdq_selector_action_transformer.cc` leaves them out) or computes badly: its largest of
    /// a window takes eleven times as long in 8 bits, and `x * sigmoid(x)` twice (both measured).
    pub all_kernels: bool,
    /// Convolutions with fewer input channels than this stay floats: on ONNX Runtime's CPU one over three colours takes
    /// twice as long in integers (measured), and ModelOpt has the rule for TensorRT.
    pub fewest_channels: i64,
}

impl Target {
    const NAMED: [(Self, &'static str); 5] = [
        (Self::CpuX86, "cpu-x86"),
        (Self::CpuArm, "cpu-arm"),
        (Self::TensorRt, "tensorrt"),
        (Self::OpenVino, "openvino"),
        (Self::Qnn, "qnn"),
    ];

    /// The rules.
    pub fn profile(self) -> Profile {
        let cpu = Profile {
            steps: Steps::Unsigned,
            outputs: true,
            integer_bias: true,
            heads: false,
            all_kernels: false,
            fewest_channels: 4,
        };
        match self {
            Self::CpuX86 | Self::CpuArm => cpu,
            Self::Qnn => Profile { heads: true, all_kernels: true, ..cpu },
            Self::OpenVino => Profile { outputs: false, integer_bias: false, heads: true, all_kernels: true, ..cpu },
            Self::TensorRt => Profile {
                steps: Steps::Symmetric,
                outputs: false,
                integer_bias: false,
                heads: true,
                all_kernels: true,
                fewest_channels: 16,
            },
        }
    }

    /// Whether this machine's CPU can stand in for the target where latency is measured.
    pub fn is_cpu_here(self) -> bool {
        match self {
            Self::CpuX86 => cfg!(target_arch = "x86_64"),
            Self::CpuArm => cfg!(target_arch = "aarch64"),
            _ => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMED.iter().find(|(target, _)| target == self).map_or("cpu-x86", |(_, name)| name))
    }
}

/// A name that is no target's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no target is called {0:?}; allowed: cpu-x86, cpu-arm, tensorrt, openvino, qnn")]
pub struct UnknownTarget(String);

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMED.iter().find(|(_, name)| *name == text);
        found.map(|(target, _)| *target).ok_or_else(|| UnknownTarget(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_called_what_it_is_read_as_and_others_are_refused() {
        for (target, name) in Target::NAMED {
            assert_eq!((target.to_string().as_str(), name.parse()), (name, Ok(target)));
        }
        let error = "gpu".parse::<Target>().unwrap_err().to_string();
        assert!(error.contains("gpu") && error.contains("openvino"), "{error}");
    }
}
