//! Opening a model for tensors, and running it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ort::session::{RunOptions, Session as OrtSession, SessionInputValue};
use ort::value::{Outlet, ValueType};

use super::super::error::DetectError;
use super::super::local::{self, Heard};
use super::super::open::{candidates, completed, may_run};
use super::super::provider::{Attempt, Launch, Placement, Provider, ProviderReport};
use super::super::runtime;
use super::super::settings::Settings;
use super::super::source::{ModelFile, PackageFacts, Source};
use super::{Datatype, Tensor, TensorSpec, convert};
use crate::base::clock::Clock;

/// A model that was read and passed the static checks.
pub struct TensorModel {
    settings: Settings,
    source: Source,
}

/// Where one of a model's sessions runs: the file that was for its provider, and what was obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// SHA-256 of the ONNX file, in hex.
    pub sha256: String,
    /// Bytes of the ONNX file.
    pub size: usize,
    /// What was asked for and what was obtained.
    pub report: ProviderReport,
}

/// A model made ready to be fed with tensors. It belongs to one thread at a time.
pub struct TensorSession {
    session: OrtSession,
    options: RunOptions,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    placed: Placed,
}

impl TensorModel {
    /// Reads the file or package that the settings name.
    ///
    /// # Errors
    /// When it cannot be read, or must not be used.
    pub fn read(settings: &Settings, clock: &dyn Clock) -> Result<Self, DetectError> {
        Self::checked(settings, Source::read(settings, clock)?)
    }

    /// Takes a file or package that was read from elsewhere; the settings' `file` names it in errors.
    ///
    /// # Errors
    /// When it must not be used.
    pub fn from_bytes(bytes: Vec<u8>, settings: &Settings, clock: &dyn Clock) -> Result<Self, DetectError> {
        Self::checked(settings, Source::from_bytes(bytes, settings, clock)?)
    }

    fn checked(settings: &Settings, source: Source) -> Result<Self, DetectError> {
        settings.check()?;
        runtime::loaded().ok_or(DetectError::NoRuntime)?;
        let settings = match &source.package {
            Some(package) => completed(settings, &package.manifest)?,
            None => settings.clone(),
        };
        Ok(Self { settings, source })
    }

    /// The package it came in, if it did.
    pub fn package(&self) -> Option<&PackageFacts> {
        self.source.package.as_ref().map(|package| &package.facts)
    }

    /// The names of its classes, where its package or its settings list them.
    pub fn labels(&self) -> &[String] {
        self.source.package.as_ref().map_or(&[], |package| &package.manifest.labels)
    }

    /// Bytes of the file that a session would be opened from.
    pub fn size(&self) -> usize {
        let mut files = candidates(&self.settings).into_iter().filter_map(|provider| self.source.file(provider));
        files.next().map_or(0, |file| file.bytes.len())
    }

    /// Opens the model on what the settings ask for. Each call gives a session of its own.
    ///
    /// # Errors
    /// When no provider runs it, or an input or output is no tensor.
    pub fn open(&self) -> Result<TensorSession, DetectError> {
        let mut attempts = Vec::new();
        for provider in candidates(&self.settings) {
            let file = self.source.file(provider).filter(|file| may_run(provider, file, &self.settings));
            let opened = file.map_or(Err("no file is for it".to_owned()), |file| self.open_on(file, provider));
            match (opened, file) {
                (Ok((session, placement)), Some(file)) => {
                    attempts.push(Attempt { provider, refusal: None });
                    let asked = self.settings.provider;
                    let report = ProviderReport::new(asked, provider, placement, attempts, &file.facts);
                    let placed = Placed { sha256: file.facts.sha256.clone(), size: file.bytes.len(), report };
                    return TensorSession::new(session, placed, &self.settings.file);
                }
                (Err(refusal), _) => attempts.push(Attempt { provider, refusal: Some(refusal) }),
                (Ok(_), None) => {}
            }
        }
        Err(DetectError::Provider { path: self.settings.file.clone(), asked: self.settings.provider, attempts })
    }

    fn open_on(&self, file: &ModelFile, provider: Provider) -> Result<(OrtSession, Option<Placement>), String> {
        if !provider.is_built_in() {
            return Err("the loaded ONNX Runtime was built without it".to_owned());
        }
        let heard = Arc::new(Heard::default());
        let session = local::configure(&file.facts, &file.settings(&self.settings), provider, Launch::OneByOne, &heard)
            .and_then(|builder| local::commit(builder, &file.bytes))
            .map_err(|error| local::first_line(&error))?;
        let placement = heard.placement(provider);
        if placement.is_some_and(|placement| placement.on_provider == 0) {
            return Err("it took none of the model's operators".to_owned());
        }
        Ok((session, placement))
    }
}

impl TensorSession {
    fn new(session: OrtSession, placed: Placed, path: &Path) -> Result<Self, DetectError> {
        let refused = |reason: String| DetectError::Tensors { path: path.to_owned(), reason };
        let specs = |outlets: &[Outlet]| outlets.iter().map(spec).collect::<Result<Vec<_>, _>>().map_err(refused);
        let (inputs, outputs) = (specs(session.inputs())?, specs(session.outputs())?);
        let options = local::quiet_options().map_err(|error| refused(local::first_line(&error)))?;
        Ok(Self { session, options, inputs, outputs, placed })
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Where it runs.
    pub fn placed(&self) -> &Placed {
        &self.placed
    }

    /// Runs the model and hands back the outputs of these numbers, in that order.
    ///
    /// # Errors
    /// When a tensor is not what the model takes, or the provider fails.
    pub fn run(&mut self, inputs: &[Tensor], wanted: &[usize]) -> Result<Vec<Tensor>, DetectError> {
        let provider = self.placed.report.obtained.as_str();
        let failed = |reason: String| DetectError::Run { provider, reason };
        let mut fed: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for tensor in inputs {
            let value = convert::input_value(tensor).map_err(|why| failed(format!("input {}: {why}", tensor.name)))?;
            fed.push((Cow::from(&tensor.name), value));
        }
        let values = self.session.run_with_options(fed, &self.options);
        let values = values.map_err(|error| failed(local::first_line(&error)))?;
        let name = |at: usize| self.outputs.get(at).map_or("", |spec| spec.name.as_str());
        let value = |at: usize| values.values().nth(at);
        let missing = |at: usize| format!("it has no output {at}");
        wanted
            .iter()
            .map(|&at| convert::output_tensor(name(at), &*value(at).ok_or_else(|| missing(at))?))
            .collect::<Result<_, _>>()
            .map_err(failed)
    }
}

impl std::fmt::Debug for TensorModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorModel").field("file", &self.settings.file).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TensorSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorSession").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

fn spec(outlet: &Outlet) -> Result<TensorSpec, String> {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
        return Err(format!("{name} is {}", outlet.dtype()));
    };
    let datatype = Datatype::of(*ty).ok_or_else(|| format!("{name} is {}", outlet.dtype()))?;
    let symbols = dimension_symbols.iter().map(ToString::to_string).collect();
    Ok(TensorSpec { name, datatype, shape: shape.to_vec(), symbols })
}
