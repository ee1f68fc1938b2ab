//! One session of ONNX Runtime in this process with one provider: opened, fed and run.
//!
//! Whatever type the outputs have, decoders see 32-bit floats: those that are others are converted into buffers that the
//! session keeps.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session as OrtSession};
use ort::value::{DynTensor, TensorElementType, TensorValueTypeMarker, Value, ValueType};

use super::error::DetectError;
use super::families::{OutputPort, Tensor};
use super::feed::{self, Feed, Input};
use super::input::Inputs;
use super::provider::{Launch, Placement, Provider};
use super::recorded::Recorded;
use super::runtime;
use super::session::Fill;
use super::settings::Settings;
use crate::model::{ElementType, Facts, focus};

/// More outputs than any detector has; what is beyond is not read.
pub(super) const MAX_OUTPUTS: usize = 32;

/// A model made ready on one provider.
pub(super) struct LocalSession {
    session: OrtSession,
    /// Where a GPU's kernels are replayed; without it they are launched one by one.
    recorded: Option<Recorded>,
    /// Keeps runs quiet: the session itself may listen to everything to learn where operators go.
    options: RunOptions,
    input: Input,
    /// What the inputs beside the picture are fed, by name; for nearly every model there are none.
    constants: Vec<(String, DynTensor)>,
    /// The name of the input that takes the picture.
    picture_name: String,
    /// Outputs that are no 32-bit floats, converted; kept to save the allocation.
    converted: Vec<Vec<f32>>,
    pub(super) provider: Provider,
    pub(super) placement: Option<Placement>,
    /// The outputs as a first run on an empty input gave them.
    pub(super) outputs: Vec<OutputPort>,
}

impl LocalSession {
    /// Opens the model in `bytes` on `provider`, with nothing but the CPU beneath it, and runs it once.
    ///
    /// # Errors
    /// The refusal of the provider or of ONNX Runtime, as a sentence.
    pub(super) fn open(
        bytes: &[u8],
        facts: &Facts,
        settings: &Settings,
        provider: Provider,
        inputs: &Inputs,
    ) -> Result<Self, String> {
        if !provider.is_built_in() {
            return Err("the loaded ONNX Runtime was built without it".to_owned());
        }
        let folded = focus::folded(bytes, facts);
        let bytes = folded.as_deref().unwrap_or(bytes);
        if provider.records() && inputs.constants.is_empty() {
            match Self::open_to(Launch::Recorded, bytes, facts, settings, provider, inputs) {
                Ok(session) => return Ok(session),
                Err(reason) => tracing::debug!(model = %settings.name, reason, "kernels are launched one by one"),
            }
        }
        Self::open_to(Launch::OneByOne, bytes, facts, settings, provider, inputs)
    }

    fn open_to(
        launch: Launch,
        bytes: &[u8],
        facts: &Facts,
        settings: &Settings,
        provider: Provider,
        inputs: &Inputs,
    ) -> Result<Self, String> {
        let heard = Arc::new(Heard::default());
        let session = configure(facts, settings, provider, launch, &heard)
            .and_then(|builder| commit(builder, bytes))
            .map_err(|error| first_line(&error))?;
        let placement = heard.placement(provider);
        if placement.is_some_and(|p| p.on_provider == 0) {
            return Err("it took none of the model's operators".to_owned());
        }
        let picture_name = inputs.picture_name.clone();
        let recorded = match launch {
            Launch::OneByOne => None,
            Launch::Recorded => {
                let recorded = Recorded::new(&session, &picture_name, &inputs.picture, settings.device_number());
                Some(recorded.map_err(|error| first_line(&error))?)
            }
        };
        let prepare = || Ok((quiet_options()?, Input::new(&inputs.picture)?, feed::constants(inputs)?));
        let (options, input, constants) = prepare().map_err(|error: ort::Error| first_line(&error))?;
        let converted = vec![Vec::new(); MAX_OUTPUTS];
        let outputs = Vec::new();
        let mut session = Self {
            session,
            recorded,
            options,
            input,
            constants,
            picture_name,
            converted,
            provider,
            placement,
            outputs,
        };
        session.outputs = session.first_run()?;
        Ok(session)
    }

    /// Runs the model on what was last filled in and hands the outputs to `read`.
    ///
    /// # Errors
    /// When the provider fails, in its words.
    pub(super) fn run<R>(&mut self, read: impl FnOnce(&[Tensor<'_>]) -> R) -> Result<R, String> {
        if let Some(recorded) = &mut self.recorded {
            let ran = recorded.run(&mut self.session, &self.options, &self.input);
            ran.map_err(|error| first_line(&error))?;
            return Ok(read_as_floats(recorded.outputs(), &mut self.converted, read));
        }
        let feed = Feed { picture: &self.input, name: &self.picture_name, constants: &self.constants };
        let outputs = feed.run(&mut self.session, &self.options).map_err(|error| first_line(&error))?;
        Ok(read_as_floats((0..outputs.len()).map(|at| &outputs[at]), &mut self.converted, read))
    }

    /// Fills the input tensor.
    pub(super) fn fill<F: Fill>(&mut self, fill: F) -> F::Output {
        self.input.fill(fill)
    }

    /// The input tensor as bytes, in the machine's own order.
    pub(super) fn input_bytes(&mut self) -> &mut [u8] {
        self.input.bytes()
    }

    fn first_run(&mut self) -> Result<Vec<OutputPort>, String> {
        let names: Vec<String> = self.session.outputs().iter().map(|o| o.name().to_owned()).collect();
        let provider = self.provider.as_str();
        let failed = |error| DetectError::Run { provider, reason: first_line(&error) }.to_string();
        let types: Vec<ValueType> = if let Some(recorded) = &mut self.recorded {
            recorded.run(&mut self.session, &self.options, &self.input).map_err(failed)?;
            recorded.outputs().map(|output| output.dtype().clone()).collect()
        } else {
            let feed = Feed { picture: &self.input, name: &self.picture_name, constants: &self.constants };
            let outputs = feed.run(&mut self.session, &self.options).map_err(failed)?;
            outputs.values().map(|output| output.dtype().clone()).collect()
        };
        Ok(names.into_iter().zip(&types).map(|(name, dtype)| port(name, dtype)).collect())
    }
}

fn port(name: String, dtype: &ValueType) -> OutputPort {
    let shape =
        dtype.tensor_shape().map(|shape| shape.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect());
    OutputPort {
        name,
        shape: shape.unwrap_or_default(),
        element: dtype.tensor_type().map_or(ElementType::Other(0), element_type),
    }
}

/// Hands `outputs` as 32-bit floats to `read`; `converted` has room for those that are others.
fn read_as_floats<'v, T: TensorValueTypeMarker + ?Sized + 'v, R>(
    outputs: impl Iterator<Item = &'v Value<T>>,
    converted: &mut [Vec<f32>],
    read: impl FnOnce(&[Tensor<'_>]) -> R,
) -> R {
    let mut tensors = [Tensor::default(); MAX_OUTPUTS];
    let mut count = 0;
    for ((tensor, buffer), output) in tensors.iter_mut().zip(converted).zip(outputs) {
        *tensor = Tensor { data: as_floats(output, buffer) };
        count += 1;
    }
    read(&tensors[..count])
}

fn element_type(element: TensorElementType) -> ElementType {
    match element {
        TensorElementType::Float32 => ElementType::F32,
        TensorElementType::Float16 => ElementType::F16,
        TensorElementType::Uint8 => ElementType::U8,
        TensorElementType::Int8 => ElementType::I8,
        TensorElementType::Int32 => ElementType::I32,
        TensorElementType::Int64 => ElementType::I64,
        _ => ElementType::Other(0),
    }
}

/// The elements of an output as 32-bit floats: as they are, or converted into `buffer`. Anything but the floats and
/// integers that detectors have is empty: decoders were chosen by type and shape and do not look there.
fn as_floats<'a, T: TensorValueTypeMarker + ?Sized>(output: &'a Value<T>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    buffer.clear();
    match output.dtype().tensor_type() {
        Some(TensorElementType::Float32) => {
            return output.try_extract_tensor::<f32>().map(|(_, data)| data).unwrap_or_default();
        }
        Some(TensorElementType::Float16) => {
            if let Ok((_, data)) = output.try_extract_tensor::<f16>() {
                buffer.resize(data.len(), 0.0);
                data.convert_to_f32_slice(buffer);
            }
        }
        // Labels and counts are small, so nothing is lost.
        Some(TensorElementType::Int64) => {
            if let Ok((_, data)) = output.try_extract_tensor::<i64>() {
                buffer.extend(data.iter().map(|&value| value as f32));
            }
        }
        Some(TensorElementType::Int32) => {
            if let Ok((_, data)) = output.try_extract_tensor::<i32>() {
                buffer.extend(data.iter().map(|&value| value as f32));
            }
        }
        _ => {}
    }
    buffer
}

pub(super) fn quiet_options() -> ort::Result<RunOptions> {
    let mut options = RunOptions::new()?;
    options.set_log_level(LogLevel::Warning)?;
    Ok(options)
}

/// Spinning threads are the largest waste on a small box, so they are off: the next frame is milliseconds away. The CPU
/// memory arena stays on, which is the default as long as `ort`'s CPU provider is not registered by hand. Memory patterns
/// are off: the block that they lay out after the first run comes on top of what that run needed, which the arena keeps
/// (4 MiB more for YOLOX-nano at 416), and does not make a run any faster.
pub(super) fn configure(
    facts: &Facts,
    settings: &Settings,
    provider: Provider,
    launch: Launch,
    heard: &Arc<Heard>,
) -> ort::Result<SessionBuilder> {
    let environment = runtime::environment().ok_or_else(|| ort::Error::new("ONNX Runtime is not loaded"))?;
    let mut builder = OrtSession::builder(environment)?
        .with_intra_threads(usize::from(settings.threads))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_id(settings.name.as_str())?;
    let off = disabled_optimizers(facts, settings);
    if !off.is_empty() {
        builder = builder.with_disabled_optimizers(off.join(";"))?;
    }
    let cache = cache_folder(settings, facts, provider);
    let Some(request) = provider.request(settings, cache.as_deref(), facts.is_quantised(), launch) else {
        return Ok(builder.with_log_level(LogLevel::Warning)?);
    };
    // Only in its most talkative mode does ONNX Runtime say which operators a provider really took.
    let listener = heard.clone();
    let log = move |level: LogLevel, category: &str, id: &str, at: &str, message: &str| {
        listener.note(message);
        if matches!(level, LogLevel::Warning | LogLevel::Error | LogLevel::Fatal) {
            runtime::log(level, category, id, at, message);
        }
    };
    Ok(builder.with_logger(Arc::new(log))?.with_log_level(LogLevel::Verbose)?.with_execution_providers([request])?)
}

/// From memory: what was read and checked, which a file may no longer be.
pub(super) fn commit(mut builder: SessionBuilder, bytes: &[u8]) -> ort::Result<OrtSession> {
    builder.commit_from_memory(bytes)
}

/// Optimisers that must stay off for 8-bit models: this one turns a convolution that was left in floats on purpose into one
/// with 8-bit weights.
pub const OFF_FOR_8_BIT: [&str; 1] = ["WeightBiasQuantization"];

/// Under which key the metadata of an ONNX file names optimisers that must stay off, separated by semicolons.
pub const DISABLED_OPTIMIZERS_KEY: &str = "vedette.session.disable_specified_optimizers";

/// The optimisers that must stay off: those that the model's package or its own metadata names, and those for 8-bit models.
fn disabled_optimizers<'s>(facts: &'s Facts, settings: &'s Settings) -> Vec<&'s str> {
    let mut names: Vec<&str> = settings.disabled_optimizers.iter().map(String::as_str).collect();
    names.extend(disabled_by_file(facts).filter(|name| !settings.disabled_optimizers.iter().any(|n| n == *name)));
    names
}

/// The optimisers that must stay off whatever the settings say, each once.
pub(super) fn disabled_by_file(facts: &Facts) -> impl Iterator<Item = &str> {
    let named = facts.metadata(DISABLED_OPTIMIZERS_KEY).unwrap_or_default().split(';').map(str::trim);
    let usual = OFF_FOR_8_BIT.into_iter().filter(|_| facts.is_quantised());
    let names: BTreeSet<&str> = named.chain(usual).filter(|name| !name.is_empty()).collect();
    names.into_iter()
}

/// A folder for what a provider compiled from exactly this model with exactly this ONNX Runtime.
fn cache_folder(settings: &Settings, facts: &Facts, provider: Provider) -> Option<PathBuf> {
    let version = runtime::loaded().map(|runtime| runtime.version)?;
    let name = format!("{provider}-{version}-{}", &facts.sha256[..16]);
    let folder = settings.cache_dir.as_ref()?.join(name);
    match std::fs::create_dir_all(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "cannot keep compiled models; they are compiled at every start");
            None
        }
    }
}

/// What a session's log said about where operators were placed.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Vec<(String, usize)>>);

impl Heard {
    fn note(&self, message: &str) {
        if let Some(line) = placed(message) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// How many operators `provider` took and how many others did; none on the CPU or where nothing was said.
    pub(super) fn placement(&self, provider: Provider) -> Option<Placement> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if provider == Provider::Cpu || lines.is_empty() {
            return None;
        }
        let count = |wanted: bool| {
            let is_wanted = |line: &&(String, usize)| (line.0 == provider.runtime_name()) == wanted;
            lines.iter().filter(is_wanted).map(|(_, nodes)| nodes).sum()
        };
        Some(Placement { on_provider: count(true), on_cpu: count(false) })
    }
}

/// Reads `… placed on [OpenVINOExecutionProvider]. Number of nodes: 3`.
fn placed(message: &str) -> Option<(String, usize)> {
    let (provider, rest) = message.split_once("placed on [")?.1.split_once(']')?;
    let nodes = rest.split_once("Number of nodes:")?.1.trim();
    let digits = nodes.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((provider.to_owned(), digits.parse().ok()?))
}

/// ONNX Runtime's messages can carry stack traces; the first line is for people.
pub(super) fn first_line(error: &ort::Error) -> String {
    let text = error.to_string();
    without_source(text.lines().next().unwrap_or_default()).chars().take(400).collect()
}

/// A provider's message without the place in ONNX Runtime's source that stands before it:
/// `/onnxruntime_src/….cc:1988 onnxruntime::Provider& … [ONNXRuntimeError] : 1 : FAIL : Failed to load library …`.
fn without_source(line: &str) -> &str {
    let coded = line.split_once("[ONNXRuntimeError] : ").map(|(_, coded)| coded);
    coded.and_then(|coded| coded.splitn(3, " : ").nth(2)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimisers_that_the_file_or_the_settings_name_stay_off_each_once() {
        let settings = Settings {
            disabled_optimizers: vec!["GeluFusion".into()],
            ..Settings::new(crate::vocab::Id::new("m").unwrap(), "m.onnx")
        };
        let mut facts = Facts::default();
        assert_eq!(disabled_optimizers(&facts, &settings), ["GeluFusion"]);
        facts.metadata = vec![(DISABLED_OPTIMIZERS_KEY.into(), "GeluFusion; WeightBiasQuantization;".into())];
        assert_eq!(disabled_optimizers(&facts, &settings), ["GeluFusion", "WeightBiasQuantization"]);
        facts.metadata.clear();
        facts.operators.insert("QuantizeLinear".into(), 1);
        assert_eq!(disabled_optimizers(&facts, &settings), ["GeluFusion", "WeightBiasQuantization"]);
    }

    #[test]
    fn of_a_refusal_the_reason_is_told_and_not_the_place_in_the_source() {
        let said =
            "/src/core/bridge.cc:1988 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library a.so : b.so: none";
        assert_eq!(without_source(said), "Failed to load library a.so : b.so: none");
        for other in ["no such thing", "[ONNXRuntimeError] : 1", ""] {
            assert_eq!(without_source(other), other);
        }
    }

    #[test]
    fn the_log_tells_who_took_the_operators() {
        let heard = Heard::default();
        heard.note("Node placements");
        heard.note(" Node(s) placed on [OpenVINOExecutionProvider]. Number of nodes: 3");
        heard.note(" Node(s) placed on [CPUExecutionProvider]. Number of nodes: 12");
        let placement = heard.placement(Provider::OpenVino);
        assert_eq!(placement, Some(Placement { on_provider: 3, on_cpu: 12 }));
        let all_on_cpu = Heard::default();
        all_on_cpu.note(" All nodes placed on [CPUExecutionProvider]. Number of nodes: 200");
        assert_eq!(all_on_cpu.placement(Provider::OpenVino), Some(Placement { on_provider: 0, on_cpu: 200 }));
        assert_eq!(Heard::default().placement(Provider::Cuda), None);
    }
}
