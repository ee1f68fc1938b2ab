//! The execution providers of ONNX Runtime by name: which there are, which `auto` tries, and how each is asked for.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProvider, ExecutionProviderDispatch};

use super::settings::Settings;
use crate::model::Facts;

/// What should run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProviderChoice {
    /// The first of [`Provider::auto_order`] that the loaded library has and that runs the model.
    #[default]
    Auto,
    /// This one.
    One(Provider),
}

/// An execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime's own kernels; always there.
    Cpu,
    /// NVIDIA GPUs, float models.
    Cuda,
    /// NVIDIA GPUs and DLA through TensorRT.
    TensorRt,
    /// NVIDIA RTX desktop GPUs through TensorRT for RTX.
    NvRtx,
    /// Intel CPUs, GPUs and NPUs.
    OpenVino,
    /// Qualcomm NPUs.
    Qnn,
    /// Arm Compute Library.
    Acl,
    /// XNNPACK, on Arm and x86 CPUs.
    Xnnpack,
    /// Apple's Neural Engine and GPUs.
    CoreMl,
    /// AMD GPUs.
    MiGraphX,
    /// Huawei Ascend NPUs.
    Cann,
    /// AMD Ryzen AI and Versal.
    Vitis,
    /// Any GPU that Dawn reaches.
    WebGpu,
    /// oneDNN, on x86 CPUs.
    OneDnn,
    /// DirectX 12 GPUs, on Windows.
    DirectMl,
}

/// How a GPU is told what to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Launch {
    /// Kernel by kernel.
    OneByOne,
    /// All at once, as they were recorded.
    Recorded,
}

/// One provider that was tried for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub provider: Provider,
    /// Why it does not run the model; none where it does.
    pub refusal: Option<String>,
}

/// Who really computes: how many of the model's operators lie where, after optimisation. A compiled part counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Operators that the provider took.
    pub on_provider: usize,
    /// Operators that fell to the CPU.
    pub on_cpu: usize,
}

/// What was asked for and what was obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReport {
    /// What the configuration asks for.
    pub asked: ProviderChoice,
    /// What runs the model.
    pub obtained: Provider,
    /// Where the operators lie; none on the CPU, where there is nothing to tell apart, or where ONNX Runtime did not say.
    pub placement: Option<Placement>,
    /// Every provider that was tried, in order; the last one runs the model.
    pub attempts: Vec<Attempt>,
    /// What an operator of the site should know, such as that the CPU runs what an accelerator was asked for.
    pub warnings: Vec<String>,
}

impl ProviderReport {
    /// Gathers what happened and what is worth a warning. `facts` are those of the model.
    pub(super) fn new(
        asked: ProviderChoice,
        obtained: Provider,
        placement: Option<Placement>,
        attempts: Vec<Attempt>,
        facts: &Facts,
    ) -> Self {
        let refused = attempts.iter().filter_map(|a| a.refusal.as_ref().map(|reason| (a.provider, reason)));
        let mut warnings: Vec<String> = match asked {
            ProviderChoice::Auto => refused.map(|(p, reason)| format!("auto passed over {p}: {reason}")).collect(),
            ProviderChoice::One(_) => {
                refused.map(|(p, reason)| format!("{p} was asked for, {obtained} runs the model: {reason}")).collect()
            }
        };
        if obtained == Provider::Cuda && facts.is_quantised() {
            let advice =
                "cuda has no 8-bit convolutions, this 8-bit model runs slower than its float form; use tensorrt";
            warnings.push(advice.to_owned());
        }
        if let Some(Placement { on_provider, on_cpu }) = placement.filter(|p| p.on_cpu > p.on_provider) {
            warnings.push(format!("{obtained} took {on_provider} operators, {on_cpu} stay on the CPU"));
        }
        Self { asked, obtained, placement, attempts, warnings }
    }
}

/// A name that is no provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no execution provider is called {0:?}; allowed: {names}", names = ProviderChoice::NAMES.join(", "))]
pub struct UnknownProvider(String);

const NAMED: [(Provider, &str); 15] = [
    (Provider::Cpu, "cpu"),
    (Provider::Cuda, "cuda"),
    (Provider::TensorRt, "tensorrt"),
    (Provider::NvRtx, "nvrtx"),
    (Provider::OpenVino, "openvino"),
    (Provider::Qnn, "qnn"),
    (Provider::Acl, "acl"),
    (Provider::Xnnpack, "xnnpack"),
    (Provider::CoreMl, "coreml"),
    (Provider::MiGraphX, "migraphx"),
    (Provider::Cann, "cann"),
    (Provider::Vitis, "vitis"),
    (Provider::WebGpu, "webgpu"),
    (Provider::OneDnn, "onednn"),
    (Provider::DirectMl, "directml"),
];

impl ProviderChoice {
    /// Every name that can stand in a configuration.
    pub const NAMES: [&'static str; 16] = [
        "auto", "cpu", "cuda", "tensorrt", "nvrtx", "openvino", "qnn", "acl", "xnnpack", "coreml", "migraphx", "cann",
        "vitis", "webgpu", "onednn", "directml",
    ];

    /// The name as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::One(provider) => provider.as_str(),
        }
    }
}

impl FromStr for ProviderChoice {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let found = NAMED.iter().find(|(_, name)| *name == text);
        found.map(|(provider, _)| Self::One(*provider)).ok_or_else(|| UnknownProvider(text.chars().take(40).collect()))
    }
}

impl fmt::Display for ProviderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Provider {
    /// Every provider.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().map(|(provider, _)| *provider)
    }

    /// The name as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        NAMED.iter().find(|(provider, _)| *provider == self).map_or("cpu", |(_, name)| name)
    }

    /// The name ONNX Runtime itself uses, in its logs and in Python.
    pub fn runtime_name(self) -> &'static str {
        match self {
            Self::Cpu => ep::CPU::NAME,
            Self::Cuda => ep::CUDA::NAME,
            Self::TensorRt => ep::TensorRT::NAME,
            Self::NvRtx => ep::NVRTX::NAME,
            Self::OpenVino => ep::OpenVINO::NAME,
            Self::Qnn => ep::QNN::NAME,
            Self::Acl => ep::ACL::NAME,
            Self::Xnnpack => ep::XNNPACK::NAME,
            Self::CoreMl => ep::CoreML::NAME,
            Self::MiGraphX => ep::MIGraphX::NAME,
            Self::Cann => ep::CANN::NAME,
            Self::Vitis => ep::Vitis::NAME,
            Self::WebGpu => ep::WebGPU::NAME,
            Self::OneDnn => ep::OneDNN::NAME,
            Self::DirectMl => ep::DirectML::NAME,
        }
    }

    /// What `auto` tries, in order, before the CPU: accelerators from the most to the least specific. XNNPACK and
    /// oneDNN are left out because they bring thread pools of their own for what the CPU provider does as well; Vitis
    /// and WebGPU because they need options of their own. CUDA is left out for 8-bit models: it has no 8-bit
    /// convolutions and runs them slower than floats.
    pub fn auto_order(is_quantised: bool) -> impl Iterator<Item = Self> {
        use Provider::{Acl, Cann, CoreMl, Cuda, DirectMl, MiGraphX, NvRtx, OpenVino, Qnn, TensorRt};
        let order = [TensorRt, NvRtx, Cuda, MiGraphX, Cann, Qnn, CoreMl, DirectMl, OpenVino, Acl];
        order.into_iter().filter(move |provider| !(is_quantised && *provider == Cuda))
    }

    /// Whether kernels can be recorded and replayed. TensorRT compiles a model into few kernels and gains less by it.
    pub(super) fn records(self) -> bool {
        self == Self::Cuda
    }

    /// Whether the loaded library was built with this provider. Its driver may still be missing.
    pub(super) fn is_built_in(self) -> bool {
        let answer = match self {
            Self::Cpu => ep::CPU::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::NvRtx => ep::NVRTX::is_available(),
            Self::OpenVino => ep::OpenVINO::is_available(),
            Self::Qnn => ep::QNN::is_available(),
            Self::Acl => ep::ACL::is_available(),
            Self::Xnnpack => ep::XNNPACK::is_available(),
            Self::CoreMl => ep::CoreML::is_available(),
            Self::MiGraphX => ep::MIGraphX::is_available(),
            Self::Cann => ep::CANN::is_available(),
            Self::Vitis => ep::Vitis::is_available(),
            Self::WebGpu => ep::WebGPU::is_available(),
            Self::OneDnn => ep::OneDNN::is_available(),
            Self::DirectMl => ep::DirectML::is_available(),
        };
        // An error here means that the list itself could not be read; then nothing but the CPU is certain.
        answer.unwrap_or(false)
    }

    /// How ONNX Runtime is asked for this provider: always so that a refusal is an error. `None` for the CPU, which is
    /// there without asking; registering `ort`'s CPU provider would switch the memory arena off. `launch` counts where
    /// [`Self::records`] says so.
    pub(super) fn request(
        self,
        settings: &Settings,
        cache: Option<&Path>,
        is_quantised: bool,
        launch: Launch,
    ) -> Option<ExecutionProviderDispatch> {
        let threads = NonZeroUsize::new(usize::from(settings.threads)).unwrap_or(NonZeroUsize::MIN);
        let device = settings.device.as_deref();
        let device_number = settings.device_number();
        let dispatch = match self {
            Self::Cpu => return None,
            Self::Cuda => cuda(device_number, launch).build(),
            Self::TensorRt => tensorrt(device_number, cache, is_quantised).build(),
            Self::NvRtx => nvrtx(device_number, cache).build(),
            Self::OpenVino => openvino(device, threads, cache).build(),
            Self::Qnn => ep::QNN::default().with_backend_path(device.unwrap_or("libQnnHtp.so")).build(),
            Self::Acl => ep::ACL::default().build(),
            Self::Xnnpack => ep::XNNPACK::default().with_intra_op_num_threads(threads).build(),
            Self::CoreMl => ep::CoreML::default().with_static_input_shapes(true).build(),
            Self::MiGraphX => ep::MIGraphX::default().with_device_id(device_number).build(),
            Self::Cann => ep::CANN::default().with_device_id(device_number).build(),
            Self::Vitis => ep::Vitis::default().build(),
            Self::WebGpu => ep::WebGPU::default().build(),
            Self::OneDnn => ep::OneDNN::default().with_arena_allocator(true).build(),
            Self::DirectMl => ep::DirectML::default().with_device_id(device_number).build(),
        };
        Some(dispatch.error_on_failure())
    }
}

fn cuda(device: i32, launch: Launch) -> ep::CUDA {
    // By default cuDNN times every algorithm of every convolution at the first run. What it chooses without is as fast: with
    // ONNX Runtime 1.29 on an H200 4.6 against 4.7 ms an inference of YOLOX-nano, ready after 1.8 s instead of 3.8.
    ep::CUDA::default()
        .with_device_id(device)
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_cuda_graph(launch == Launch::Recorded)
}

fn tensorrt(device: i32, cache: Option<&Path>, is_quantised: bool) -> ep::TensorRT {
    // No auxiliary streams: least memory, and one frame at a time gains nothing from them.
    let provider = ep::TensorRT::default().with_device_id(device).with_int8(is_quantised).with_auxiliary_streams(0);
    match cache {
        Some(folder) => provider
            .with_engine_cache(true)
            .with_engine_cache_path(folder.display())
            .with_timing_cache(true)
            .with_timing_cache_path(folder.display()),
        None => provider,
    }
}

fn nvrtx(device: i32, cache: Option<&Path>) -> ep::NVRTX {
    let provider = ep::NVRTX::default().with_device_id(u32::try_from(device).unwrap_or(0));
    match cache {
        Some(folder) => provider.with_runtime_cache_path(folder.display()),
        None => provider,
    }
}

fn openvino(device: Option<&str>, threads: NonZeroUsize, cache: Option<&Path>) -> ep::OpenVINO {
    let device = device.unwrap_or("CPU");
    let mut provider = ep::OpenVINO::default().with_device_type(device).with_num_streams(1);
    if device == "CPU" {
        // Float precision is said aloud: on CPUs with bfloat16 units OpenVINO would round to it by itself.
        provider = provider.with_num_threads(threads.get()).with_arbitrary_config("precision", "FP32");
    }
    match cache {
        Some(folder) => provider.with_cache_dir(folder.display()),
        None => provider,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_the_same_provider() {
        for name in ProviderChoice::NAMES {
            assert_eq!(name.parse::<ProviderChoice>().unwrap().as_str(), name);
        }
        assert_eq!(Provider::all().count() + 1, ProviderChoice::NAMES.len());
        let error = "gpu".parse::<ProviderChoice>().unwrap_err().to_string();
        assert!(error.contains("\"gpu\"") && error.contains("openvino"), "{error}");
    }

    #[test]
    fn every_surprise_is_a_warning() {
        let warnings = |asked, obtained, placement, refused: &[Provider], facts: &Facts| {
            let attempt = |p: &Provider| Attempt { provider: *p, refusal: Some("no driver".to_owned()) };
            let attempts = refused.iter().map(attempt).chain([Attempt { provider: obtained, refusal: None }]);
            ProviderReport::new(asked, obtained, placement, attempts.collect(), facts).warnings
        };
        let float = Facts::default();
        let int8 = Facts { operators: [("QuantizeLinear".to_owned(), 1)].into(), ..Facts::default() };
        let (cuda, openvino) = (Provider::Cuda, Provider::OpenVino);
        assert!(warnings(ProviderChoice::One(cuda), cuda, None, &[], &float).is_empty());
        assert!(warnings(ProviderChoice::One(cuda), cuda, None, &[], &int8)[0].contains("use tensorrt"));
        let fallen = warnings(ProviderChoice::One(cuda), Provider::Cpu, None, &[cuda], &float);
        assert_eq!(fallen, ["cuda was asked for, cpu runs the model: no driver"]);
        let passed = warnings(ProviderChoice::Auto, Provider::Cpu, None, &[openvino], &float);
        assert_eq!(passed, ["auto passed over openvino: no driver"]);
        let mostly_cpu = Some(Placement { on_provider: 2, on_cpu: 40 });
        let partly = warnings(ProviderChoice::One(openvino), openvino, mostly_cpu, &[], &float);
        assert_eq!(partly, ["openvino took 2 operators, 40 stay on the CPU"]);
    }

    #[test]
    fn auto_never_puts_an_8_bit_model_on_cuda() {
        assert!(Provider::auto_order(false).any(|p| p == Provider::Cuda));
        assert!(!Provider::auto_order(true).any(|p| p == Provider::Cuda));
    }
}
