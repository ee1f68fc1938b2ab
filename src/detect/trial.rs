//! Whether the providers of this machine run a model, and where its operators would lie: sessions without a detector.

use crate::model::Facts;

use super::input::Inputs;
use super::provider::{Placement, Provider};
use super::runtime;
use super::session::Session;
use super::settings::Settings;

/// How one provider did.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Which.
    pub provider: Provider,
    /// What became of it.
    pub result: Result<Tried, String>,
}

/// A model that a provider runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Where the operators lie; none where ONNX Runtime did not say.
    pub placement: Option<Placement>,
    /// Name and sizes of each output of a first run.
    pub outputs: Vec<(String, Vec<usize>)>,
}

/// Opens the model in `bytes`, which has passed the static checks, on every provider that the loaded ONNX Runtime was built
/// with, and runs it once on each. `settings` are those of the model.
pub fn try_providers(bytes: &[u8], facts: &Facts, settings: &Settings) -> Vec<Trial> {
    let built_in = runtime::loaded().map(|runtime| runtime.providers).unwrap_or_default();
    let attempt = |provider: Provider| {
        let inputs = Inputs::of(facts, settings.input).map_err(|reason| format!("it cannot be fed: {reason}"))?;
        let session = Session::open(bytes, facts, settings, provider, &inputs)?;
        let outputs = session.outputs.iter().map(|port| (port.name.clone(), port.shape.clone()));
        Ok(Tried { placement: session.placement, outputs: outputs.collect() })
    };
    built_in.into_iter().map(|provider| Trial { provider, result: attempt(provider) }).collect()
}
