//! A model made ready on one provider: the seam between detectors and what runs them, which is this process or one of the
//! model's own.

use super::error::DetectError;
use super::families::{OutputPort, Tensor};
use super::input::Inputs;
use super::isolation::{Isolation, Remote};
use super::letterbox::Element;
use super::local::LocalSession;
use super::provider::{Placement, Provider};
use super::settings::Settings;
use crate::model::Facts;

/// A model made ready.
pub(super) struct Session {
    place: Place,
    pub(super) provider: Provider,
    pub(super) placement: Option<Placement>,
    /// The outputs as a first run on an empty input gave them.
    pub(super) outputs: Vec<OutputPort>,
}

/// Where it runs.
enum Place {
    Here(Box<LocalSession>),
    Apart(Box<Remote>),
}

/// Fills an input tensor of either type.
pub(super) trait Fill {
    type Output;
    fn fill<T: Element>(self, tensor: &mut [T]) -> Self::Output;
}

impl Session {
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
        match &settings.isolation {
            Isolation::None => {
                let mut session = LocalSession::open(bytes, facts, settings, provider, inputs)?;
                let (placement, outputs) = (session.placement, std::mem::take(&mut session.outputs));
                Ok(Self { place: Place::Here(Box::new(session)), provider, placement, outputs })
            }
            Isolation::Process(program) => {
                let remote = Remote::open(program, bytes, settings, provider, &inputs.picture)?;
                let (placement, outputs) = (remote.placement(), remote.ports().to_vec());
                Ok(Self { place: Place::Apart(Box::new(remote)), provider, placement, outputs })
            }
        }
    }

    /// Runs the model on what was last filled in and hands the outputs to `read`.
    ///
    /// # Errors
    /// When the provider fails, or the process that runs the model has ended or is being started again.
    pub(super) fn run<R>(&mut self, read: impl FnOnce(&[Tensor<'_>]) -> R) -> Result<R, DetectError> {
        let run = match &mut self.place {
            Place::Here(session) => session.run(read),
            Place::Apart(remote) => remote.run(read),
        };
        run.map_err(|reason| DetectError::Run { provider: self.provider.as_str(), reason })
    }

    /// Fills the input tensor.
    pub(super) fn fill<F: Fill>(&mut self, fill: F) -> F::Output {
        match &mut self.place {
            Place::Here(session) => session.fill(fill),
            Place::Apart(remote) => remote.fill(fill),
        }
    }

    /// The process of its own that runs it; none where it is this one, or while that is being started again.
    pub(super) fn process(&self) -> Option<u32> {
        match &self.place {
            Place::Here(_) => None,
            Place::Apart(remote) => remote.process(),
        }
    }

    /// How often its process ended before its time, and another was started.
    pub(super) fn restarts(&self) -> u64 {
        match &self.place {
            Place::Here(_) => 0,
            Place::Apart(remote) => remote.restarts(),
        }
    }
}
