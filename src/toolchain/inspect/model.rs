//! One ONNX file: its own words, its weights, its cost, and the providers of this machine.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::detect::{self, Settings, Trial};
use crate::model::cost::{Cost, Share};
use crate::model::hostile::{self, HostileError};
use crate::model::proto::ModelProto;
use crate::model::shapes::Shapes;
use crate::model::weights::{self, Held};
use crate::model::{Dimension, Facts, ModelError, Port};

use super::{Part, Told, advice};

/// One ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// Its name in the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The providers that the package has it for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of each operator set; the standard one is `ai.onnx`.
    pub opsets: BTreeMap<String, i64>,
    /// Who wrote it, and in which version.
    pub producer: String,
    /// What has to be fed.
    pub inputs: Vec<PortReport>,
    /// What comes out.
    pub outputs: Vec<PortReport>,
    /// Its constants by type.
    pub weights: BTreeMap<String, WeightReport>,
    /// In which numbers it computes.
    pub precision: String,
    /// How often each operator occurs in the main graph.
    pub operators: BTreeMap<String, usize>,
    /// What one look costs, or why that cannot be told.
    pub cost: Told<CostReport>,
    /// `passed`, or what speaks against handing it to ONNX Runtime.
    pub static_checks: String,
    /// The same as an error.
    #[serde(skip)]
    pub refused: Option<HostileError>,
    /// How each provider of this machine did, or why none was tried.
    pub providers: Told<Vec<ProviderTrial>>,
    /// Its free key-value pairs.
    pub metadata: BTreeMap<String, String>,
    /// What whoever runs it should know.
    pub warnings: Vec<String>,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PortReport {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: String,
    /// Its sides.
    pub shape: Vec<Side>,
    /// Its sides as they are when the model runs here, where that is known and the file leaves them open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_as: Option<Vec<usize>>,
}

/// A side of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Side {
    /// Fixed.
    Fixed(u64),
    /// Open, by the name that the file gives it, or `?`.
    Open(String),
}

/// The constants of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WeightReport {
    /// How many tensors.
    pub tensors: usize,
    /// How many elements.
    pub elements: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What one look costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostReport {
    /// Multiply-additions of convolutions and matrix products.
    pub multiply_adds: u64,
    /// Layers whose share is unknown and not in that number.
    pub unknown_layers: usize,
    /// By kind of layer, the most expensive first.
    pub kinds: Vec<KindReport>,
}

/// The layers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindReport {
    /// The kind.
    pub kind: &'static str,
    /// How many layers.
    pub layers: usize,
    /// Their multiply-additions.
    pub multiply_adds: u64,
    /// Their share of all, 0..1.
    pub share: f64,
    /// How many compute in 8 bits.
    pub in_8_bits: usize,
}

/// How one provider did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderTrial {
    /// The provider.
    pub provider: String,
    /// Whether it runs the model.
    pub runs: bool,
    /// How many operators it took after optimisation, where ONNX Runtime said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_provider: Option<usize>,
    /// How many operators fell to the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_cpu: Option<usize>,
    /// Why it does not run the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// Describes one file.
///
/// # Errors
/// When it is no ONNX model.
pub(super) fn describe(
    part: &Part<'_>,
    settings: &Settings,
    runtime: &Result<(), String>,
) -> Result<ModelReport, ModelError> {
    let facts = Facts::parse(part.bytes)?;
    let refused = hostile::check(part.bytes).err();
    // Nothing larger than its bytes justify is taken apart.
    let whole = match &refused {
        None => ModelProto::parse(part.bytes).map_err(|error| error.to_string()),
        Some(_) => Err("the file would not be run".to_owned()),
    };
    let settings = Settings { disabled_optimizers: part.disabled_optimizers.clone(), ..settings.clone() };
    let trials = match (&refused, runtime) {
        (Some(_), _) => Err("the file would not be run".to_owned()),
        (None, Err(reason)) => Err(reason.clone()),
        (None, Ok(())) => Ok(detect::try_providers(part.bytes, &facts, &settings)),
    };
    let cost = whole.as_ref().map_err(String::clone).and_then(|model| cost(model, &facts, &settings));
    let held = whole.as_ref().ok().and_then(|model| model.graph.as_ref()).map(weights::by_type).unwrap_or_default();
    let sizes = trials.iter().flatten().find_map(|trial| trial.result.as_ref().ok()).map(|tried| &tried.outputs);
    let inputs = detect::input_sizes(&facts, settings.input).ok();
    let warnings = advice::for_model(&facts, whole.as_ref().ok(), cost.as_ref().ok(), inputs.as_deref());
    Ok(ModelReport {
        name: part.name.clone(),
        profiles: part.providers.clone(),
        bytes: part.bytes.len() as u64,
        sha256: facts.sha256.clone(),
        ir_version: facts.ir_version,
        opsets: facts.opsets.iter().map(|(domain, version)| (named(domain), *version)).collect(),
        producer: [facts.producer.as_str(), facts.producer_version.as_str()].join(" ").trim().to_owned(),
        inputs: facts.inputs.iter().map(|port| port_report(port, inputs.as_ref())).collect(),
        outputs: facts.outputs.iter().map(|port| port_report(port, sizes)).collect(),
        precision: precision(&held, cost.as_ref().ok()),
        weights: held.iter().map(|(name, held)| (name.clone(), weight_report(*held))).collect(),
        operators: facts.operators.clone(),
        cost: cost.map(|cost| cost_report(&cost)).into(),
        static_checks: refused.as_ref().map_or_else(|| "passed".to_owned(), ToString::to_string),
        refused,
        providers: trials.map(|trials| trials.into_iter().map(provider_trial).collect()).into(),
        metadata: facts.metadata.iter().cloned().collect(),
        warnings,
    })
}

/// The cost of the file's main graph at the sizes at which it runs.
pub(super) fn cost(model: &ModelProto, facts: &Facts, settings: &Settings) -> Result<Cost, String> {
    let graph = model.graph.as_ref().ok_or_else(|| "it has no graph".to_owned())?;
    // A model that is fed with something else than pictures has sizes too, where it fixes them.
    let inputs = detect::input_sizes(facts, settings.input).or_else(|reason| fixed(facts).ok_or(reason))?;
    Ok(Cost::of(graph, &Shapes::infer(graph, &inputs)))
}

fn fixed(facts: &Facts) -> Option<Vec<(String, Vec<usize>)>> {
    let side = |side: &Dimension| match side {
        Dimension::Fixed(side) => usize::try_from(*side).ok(),
        Dimension::Free(_) => None,
    };
    let sizes = |port: &Port| Some((port.name.clone(), port.shape.iter().map(side).collect::<Option<_>>()?));
    facts.inputs.iter().map(sizes).collect()
}

fn named(domain: &str) -> String {
    if domain.is_empty() { "ai.onnx".to_owned() } else { domain.to_owned() }
}

fn port_report(port: &Port, sizes: Option<&Vec<(String, Vec<usize>)>>) -> PortReport {
    let side = |side: &Dimension| match side {
        Dimension::Fixed(side) => Side::Fixed(*side),
        Dimension::Free(_) => Side::Open(side.to_string()),
    };
    let shape: Vec<Side> = port.shape.iter().map(side).collect();
    let is_open = shape.is_empty() || shape.iter().any(|side| matches!(side, Side::Open(_)));
    let runs_as = sizes.filter(|_| is_open).and_then(|sizes| sizes.iter().find(|(name, _)| *name == port.name));
    PortReport {
        name: port.name.clone(),
        element: port.element.to_string(),
        shape,
        runs_as: runs_as.map(|(_, sizes)| sizes.clone()),
    }
}

fn weight_report(held: Held) -> WeightReport {
    WeightReport { tensors: held.tensors, elements: held.elements, bytes: held.bytes }
}

/// By what most of the weights are, and how many layers compute in 8 bits.
fn precision(held: &BTreeMap<String, Held>, cost: Option<&Cost>) -> String {
    let largest = ["f32", "f16", "i8", "u8"].into_iter().max_by_key(|name| held.get(*name).map_or(0, |h| h.elements));
    let floats = match largest {
        Some("f16") => "16-bit floats",
        _ => "32-bit floats",
    };
    match cost {
        Some(cost) if cost.in_8_bits() > 0 => {
            format!("8-bit integers in {} of {} layers, else {floats}", cost.in_8_bits(), cost.layers())
        }
        _ if held.is_empty() => "unknown".to_owned(),
        _ => floats.to_owned(),
    }
}

fn cost_report(cost: &Cost) -> CostReport {
    let all = cost.multiply_adds();
    let kind = |(kind, share): (&crate::model::cost::LayerKind, &Share)| KindReport {
        kind: kind.as_str(),
        layers: share.layers,
        multiply_adds: share.multiply_adds,
        share: if all == 0 { 0.0 } else { (share.multiply_adds as f64 / all as f64 * 1e4).round() / 1e4 },
        in_8_bits: share.in_8_bits,
    };
    let mut kinds: Vec<KindReport> = cost.kinds.iter().map(kind).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.multiply_adds));
    CostReport { multiply_adds: all, unknown_layers: cost.unknown(), kinds }
}

fn provider_trial(trial: Trial) -> ProviderTrial {
    let placement = trial.result.as_ref().ok().and_then(|tried| tried.placement);
    ProviderTrial {
        provider: trial.provider.to_string(),
        runs: trial.result.is_ok(),
        on_provider: placement.map(|placement| placement.on_provider),
        on_cpu: placement.map(|placement| placement.on_cpu),
        refusal: trial.result.err(),
    }
}
