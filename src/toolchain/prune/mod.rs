//! Takes out of a detector what is not needed, and proves that what is left is the same: classes that nobody asks for,
//! channels that are always zero, and what no output depends on.
//!
//! ```text
//!   file ── classes (cut) ── silent channels (cut) ── unreachable ──▶ file beside the output ── proof ──▶ output
//!                                                                              └ not equal: stays there, as .refused
//! ```

mod classes;
mod cut;
mod error;
mod proof;
mod silent;
#[cfg(test)]
mod tests;
mod unreachable;
mod wiring;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::detect::{self, DetectError, Detector, Provider, ProviderChoice, Settings};
use crate::model::cost::Cost;
use crate::model::hostile;
use crate::model::package::is_package;
use crate::model::proto::{DimensionValue, ModelProto};
use crate::model::shapes::Shapes;
use crate::model::{Facts, weights};

use super::bench;
use super::keys;
use super::photographs;

use cut::{Blocked, Cut, Plan};
use wiring::Wiring;

pub use error::PruneError;
pub use proof::Proof;

/// Photographs of a folder that are shown.
const MOST_PICTURES: usize = 64;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The labels to keep; all, where none is named.
    pub classes: Vec<String>,
    /// Where the result goes.
    pub output: PathBuf,
    /// A folder with photographs for the proof; built-in pictures, where there is none.
    pub pictures: Option<PathBuf>,
    /// How long each of the two is measured.
    pub time: Duration,
    /// The file, and how it is run.
    pub settings: Settings,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file that was made.
    pub output: String,
    /// The family of detectors.
    pub family: String,
    /// How many classes there were.
    pub classes_before: usize,
    /// The classes that are left.
    pub classes: Vec<String>,
    /// Layers that still compute the classes that are gone, because theirs and the others' scores depend on each other.
    pub still_computed_by: Vec<String>,
    /// Channels that were always zero and are gone.
    pub silent_channels: usize,
    /// Operators that no output depended on, or that nothing was left of.
    pub removed_operators: usize,
    /// Constants that nothing needs any more.
    pub removed_constants: usize,
    /// What it was.
    pub before: Figures,
    /// What it is.
    pub after: Figures,
    /// That what is left is the same.
    pub proof: Proof,
}

/// What a file takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Bytes of the file.
    pub bytes: u64,
    /// Elements of its constants.
    pub parameters: u64,
    /// Multiply-additions of one look, of the layers that can be told.
    pub multiply_adds: u64,
    /// Median time of an inference on the CPU at one thread, in milliseconds.
    pub p50_ms: f64,
}

/// Prunes the file that the settings name. ONNX Runtime must be loaded.
///
/// # Errors
/// When the file is no detector, a class is unknown, the head cannot be followed, or the result is not equal.
pub fn prune(request: &Request, clock: &SharedClock) -> Result<Report, PruneError> {
    let settings =
        Settings { provider: ProviderChoice::One(Provider::Cpu), required: true, ..request.settings.clone() };
    let (bytes, mut model) = read(&settings.file)?;
    let resolved = |path: &Path| path.canonicalize().ok();
    if resolved(&request.output).is_some_and(|output| Some(output) == resolved(&settings.file)) {
        return Err(PruneError::Same { path: request.output.clone() });
    }
    let mut detector = Detector::open(&settings, clock.clone()).map_err(|error| PruneError::Open(Box::new(error)))?;
    let inputs = detect::input_sizes(detector.file_facts(), settings.input).unwrap_or_default();
    let before = model.clone();
    let mut work = Work { model: &mut model, opset: detector.file_facts().opset(), inputs: &inputs };
    // What nobody uses does not stand in the way of a cut.
    let unused = work.remove_unreachable();
    let classes = cut_classes(&mut work, &detector, &request.classes)?;
    let silent_channels = work.cut_silent_channels()?;
    let left_over = work.remove_unreachable();
    let pruned = model.to_bytes();
    let (proof, after) = prove(request, &settings, &pruned, &mut detector, classes.cut.as_ref(), clock)?;
    let labels = classes.kept.iter().filter_map(|&at| detector.labels().iter().nth(at)).map(str::to_owned);
    let mut report = Report {
        output: request.output.display().to_string(),
        family: detector.family().to_string(),
        classes_before: detector.labels().len(),
        classes: labels.collect(),
        still_computed_by: classes.dropped_after,
        silent_channels,
        removed_operators: unused + left_over,
        removed_constants: constants(&before).saturating_sub(constants(&model)),
        before: figures(&before, bytes.len(), &inputs),
        after: figures(&model, pruned.len(), &inputs),
        proof,
    };
    let medians = bench::medians(vec![detector, after], request.time, clock);
    if let [was, is] = medians.map_err(|error| PruneError::Bench(Box::new(error)))?[..] {
        (report.before.p50_ms, report.after.p50_ms) = (was, is);
    }
    Ok(report)
}

fn read(path: &Path) -> Result<(Vec<u8>, ModelProto), PruneError> {
    let bytes = detect::read_file(path).map_err(|source| PruneError::Read { path: path.to_owned(), source })?;
    if is_package(&bytes) {
        return Err(PruneError::Package { path: path.to_owned() });
    }
    // What is no ONNX file at all is told by its own words.
    Facts::parse(&bytes)
        .map_err(|source| PruneError::Open(Box::new(DetectError::Model { path: path.to_owned(), source })))?;
    hostile::check(&bytes).map_err(|source| PruneError::Hostile { path: path.to_owned(), source })?;
    let model = ModelProto::parse(&bytes).map_err(|source| PruneError::Proto { path: path.to_owned(), source })?;
    Ok((bytes, model))
}

/// The classes that are kept, and how that was done.
struct Classes {
    kept: Vec<usize>,
    cut: Option<(usize, Cut)>,
    dropped_after: Vec<String>,
}

fn cut_classes(work: &mut Work<'_>, detector: &Detector, names: &[String]) -> Result<Classes, PruneError> {
    let all = detector.labels().len();
    let kept = if names.is_empty() { (0..all).collect() } else { classes::wanted(detector, names)? };
    if kept.len() == all {
        return Ok(Classes { kept, cut: None, dropped_after: Vec::new() });
    }
    let family = detector.family().to_string();
    let outputs = &detector.file_facts().outputs;
    let refused =
        || PruneError::Family { family: family.clone(), outputs: outputs.len(), known: classes::FAMILIES.join(", ") };
    let [output] = outputs.as_slice() else { return Err(refused()) };
    let rank = work.size(&output.name).map_or(output.shape.len(), |sizes| sizes.len());
    let place = classes::place(&family, rank).ok_or_else(refused)?;
    let cut = classes::cut(&place, &kept);
    let dropped_after = work
        .cut(&output.name, cut.clone())?
        .map_err(|source| PruneError::Head { output: output.name.clone(), source })?;
    let labels: Vec<&str> = kept.iter().filter_map(|&at| detector.labels().iter().nth(at)).collect();
    classes::rename(work.model, &labels, all);
    Ok(Classes { kept, cut: Some((0, cut)), dropped_after })
}

/// A model that is being pruned.
struct Work<'a> {
    model: &'a mut ModelProto,
    opset: i64,
    inputs: &'a [(String, Vec<usize>)],
}

impl Work<'_> {
    fn size(&self, value: &str) -> Option<Vec<usize>> {
        Shapes::infer(self.model.graph.as_ref()?, self.inputs).of(value).map(Vec::from)
    }

    /// Returns how many operators that were.
    fn remove_unreachable(&mut self) -> usize {
        self.model.graph.as_mut().map_or(0, unreachable::remove)
    }

    /// Cuts an output. The inner error is what stands in the way; else the layers that compute all of it still.
    fn cut(&mut self, value: &str, cut: Cut) -> Result<Result<Vec<String>, Blocked>, PruneError> {
        let Some(graph) = &self.model.graph else { return Ok(Err(Blocked::Size { value: value.to_owned() })) };
        let plan = cut::plan(&Wiring::of(graph, self.inputs), self.opset, value, cut, &[]);
        match plan {
            Err(blocked) => Ok(Err(blocked)),
            Ok(plan) => {
                let dropped_after = plan.dropped_after.clone();
                self.carry_out(plan)?;
                Ok(Ok(dropped_after))
            }
        }
    }

    /// Takes out channels that are always zero, value by value: each may silence others. Returns how many.
    fn cut_silent_channels(&mut self) -> Result<usize, PruneError> {
        let mut all = 0;
        while let Some(graph) = &self.model.graph {
            let Some((plan, channels)) = silent::next(&Wiring::of(graph, self.inputs), self.opset) else { break };
            self.carry_out(plan)?;
            all += channels;
        }
        Ok(all)
    }

    /// Carries a plan out and works all sizes out anew: each must be what was planned.
    fn carry_out(&mut self, plan: Plan) -> Result<(), PruneError> {
        let Some(graph) = &mut self.model.graph else { return Ok(()) };
        let old = Shapes::infer(graph, self.inputs);
        cut::apply(graph, plan.edits);
        graph.value_info.clear();
        let new = Shapes::infer(graph, self.inputs);
        for (value, cut) in &plan.cuts {
            let (Some(old), found) = (old.of(value), new.of(value).unwrap_or_default()) else { continue };
            let mut expected = old.to_vec();
            expected[cut.axis] = cut.keep.len();
            if found != expected {
                let (value, found) = (value.clone(), found.to_vec());
                return Err(PruneError::Inconsistent { value, expected, found });
            }
        }
        for output in &mut graph.output {
            let Some(cut) = plan.cuts.get(output.name()) else { continue };
            let side = wiring::declared_shape(output).and_then(|shape| shape.dim.get_mut(cut.axis));
            if let Some(side) = side {
                side.value = Some(DimensionValue::Size(cut.keep.len() as i64));
            }
        }
        Ok(())
    }
}

/// Writes the result beside its place, compares, and only then moves it there.
fn prove(
    request: &Request,
    settings: &Settings,
    pruned: &[u8],
    before: &mut Detector,
    cut: Option<&(usize, Cut)>,
    clock: &SharedClock,
) -> Result<(Proof, Detector), PruneError> {
    let pictures = match &request.pictures {
        None => proof::built_in(),
        Some(folder) => {
            let files = photographs::in_folder(folder)?;
            files.iter().take(MOST_PICTURES).map(|path| photographs::read(path)).collect::<Result<_, _>>()?
        }
    };
    let mut aside = request.output.as_os_str().to_owned();
    aside.push(".refused");
    let aside = PathBuf::from(aside);
    keys::write(&aside, pruned).map_err(|error| PruneError::Write(Box::new(error)))?;
    let not_equal = |reason: String| PruneError::NotEqual { reason, aside: aside.clone() };
    // Its labels are in the file now.
    let labels = settings.labels.clone().filter(|_| cut.is_none());
    let settings = Settings { file: aside.clone(), labels, ..settings.clone() };
    let mut after = Detector::open(&settings, clock.clone()).map_err(|error| not_equal(error.to_string()))?;
    if after.family() != before.family() {
        return Err(not_equal(format!("it is recognised as {}, not as {}", after.family(), before.family())));
    }
    let proof = proof::compare(before, &mut after, &pictures, cut.map(|(at, cut)| (*at, cut)))?;
    if !proof.holds() {
        let (largest, most) = (proof.largest_difference, proof.tolerance);
        return Err(not_equal(format!("outputs differ by {largest:e}, at most {most:e} is allowed")));
    }
    let moved = std::fs::rename(&aside, &request.output);
    moved.map_err(|source| PruneError::Move { path: request.output.clone(), source })?;
    Ok((proof, after))
}

fn constants(model: &ModelProto) -> usize {
    model.graph.as_ref().map_or(0, |graph| graph.initializer.len())
}

fn figures(model: &ModelProto, bytes: usize, inputs: &[(String, Vec<usize>)]) -> Figures {
    let graph = model.graph.clone().unwrap_or_default();
    let parameters = weights::by_type(&graph).values().map(|held| held.elements).sum();
    let multiply_adds = Cost::of(&graph, &Shapes::infer(&graph, inputs)).multiply_adds();
    Figures { bytes: bytes as u64, parameters, multiply_adds, p50_ms: 0.0 }
}
