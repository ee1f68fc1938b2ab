//! One quantisation from the file to the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::clock::SharedClock;
use crate::detect::{Detector, Settings, read_file};
use crate::model::package::is_package;
use crate::model::proto::ModelProto;
use crate::model::{Facts, sha256_hex};
use crate::toolchain::graph::View;
use crate::toolchain::graph::prepare::{Prepared, prepare};
use crate::toolchain::graph::silu;

use super::calibrate::{self, Ranges, Table};
use super::error::QuantizeError;
use super::grid::Grid;
use super::judge::{Judge, Seen};
use super::latency::{self, Latency};
use super::material::{self, Material, Selection, TensorFile};
use super::place::{self, Recipe};
use super::plan::Plan;
use super::profile::{Profile, Target};
use super::progress::{Progress, Silent};
use super::rank;
use super::search::{Found, Search};
use super::verdict::{Gate, Outcome, Side};
use super::workbench::{Workbench, beside};

/// How a model is quantised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method {
    /// Who will run it.
    pub target: Target,
    /// The target's rules.
    pub profile: Profile,
    /// How ranges follow from what is seen.
    pub ranges: Ranges,
    /// The highest step of a weight: 127, or 63 for x86 without VNNI.
    pub weight_limit: i8,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The float model and how it is read.
    pub settings: Settings,
    /// Photographs, folders, recordings and streams of the cameras that it will watch.
    pub calibration: Vec<PathBuf>,
    /// Which of their pictures are taken.
    pub selection: Selection,
    /// A folder of label files for the photographs.
    pub labels: Option<PathBuf>,
    /// How it is quantised.
    pub method: Method,
    /// What is asked of the result.
    pub gate: Gate,
    /// Where the result goes.
    pub output: PathBuf,
}

/// What a report shows beside the figures.
#[derive(Debug)]
pub struct Evidence {
    /// Histograms of all tensors.
    pub table: Table,
    /// The steps of all tensors.
    pub grids: BTreeMap<String, Grid>,
    /// The pictures held back.
    pub material: Material,
    /// What the float model saw in them.
    pub float: Seen,
    /// What the quantised model saw in them.
    pub int8: Seen,
}

/// Quantises, judges and writes the result: to the output where it passes, else beside it. ONNX Runtime must be loaded.
///
/// # Errors
/// See [`QuantizeError`]. That the result does not pass is no error but an [`Outcome`].
pub fn run(
    request: &Request,
    clock: &SharedClock,
    progress: &mut dyn Progress,
) -> Result<(Outcome, Evidence), QuantizeError> {
    let bytes = read(&request.settings.file)?;
    let places = [&request.settings.file, &request.output].map(std::fs::canonicalize);
    if let [Ok(float), Ok(int8)] = places
        && float == int8
    {
        return Err(QuantizeError::Overwrites { path: request.output.clone() });
    }
    let bench = Workbench::new(&request.settings, &request.output, clock.clone());
    let mut float = bench.float()?;
    let size = (float.input().width, float.input().height);
    let scratch = beside(&request.output, "tensors");
    let material = material::gather(&float, &request.calibration, request.selection, &scratch, clock, progress)?;
    let first = material.calibration.read(0)?;
    let simplified = beside(&request.output, "simplified");
    let mut prepared = prepare(&bytes, size, &first, &simplified)
        .map_err(|source| QuantizeError::Prepare { path: request.settings.file.clone(), source: Box::new(source) })?;
    if !request.method.profile.all_kernels {
        silu::fuse(&mut prepared.model);
    }
    let plan = request.method.plan(&prepared).ok_or_else(|| nothing_to_do(request))?;
    let table = calibrate::measure(&prepared, &plan, &material.calibration, size, progress)?;
    let grids = request.method.grids(&plan, &table);
    let recipe = request.method.recipe(&grids);

    progress.begin("looking with the float model", 1);
    let judge = Judge::new(&mut float, &material.held, request.labels.as_deref())?;
    let gate = request.gate;
    let search =
        Search { model: &prepared.model, plan: &plan, recipe, bench: &bench, float: &float, judge: &judge, gate };
    let mut ranked =
        |progress: &mut dyn Progress| rank::rank(&prepared.model, &plan, recipe, &material.calibration, size, progress);
    let found = search.run(&mut ranked, progress)?;
    let quantised = found.model.to_bytes();
    let timed = request.method.target.is_cpu_here().then(|| {
        progress.begin("timing", 1);
        latency::compare([&bytes, &quantised], size, &material.held_tensor, clock)
    });
    let timed = timed.transpose()?;
    let sides = sides(&judge, &found, timed, [bytes.len(), quantised.len()]);
    let mut outcome = outcome(request, &float, &plan, &found, sides);
    (outcome.calibrated_with, outcome.judged_by) = (material.calibration.count(), material.held.len());
    write(&mut outcome, &request.output, &quantised)?;
    let evidence = Evidence { table, float: judge.float, int8: found.seen, grids, material };
    Ok((outcome, evidence))
}

/// The bytes of a float model.
fn read(path: &Path) -> Result<Vec<u8>, QuantizeError> {
    let bytes = read_file(path).map_err(|source| QuantizeError::Read { path: path.to_owned(), source })?;
    if is_package(&bytes) {
        return Err(QuantizeError::Package { path: path.to_owned() });
    }
    // What is no ONNX file is told by the detector.
    if let Ok(facts) = Facts::parse(&bytes)
        && facts.is_quantised()
    {
        let is_sign =
            |name: &&String| name.contains("Quantize") || name.contains("Integer") || name.starts_with("QLinear");
        let operator = facts.operators.keys().find(is_sign).cloned().unwrap_or_default();
        return Err(QuantizeError::Quantised { path: path.to_owned(), operator });
    }
    Ok(bytes)
}

fn nothing_to_do(request: &Request) -> QuantizeError {
    QuantizeError::NothingToDo { path: request.settings.file.clone(), target: request.method.target.to_string() }
}

impl Method {
    /// Which tensors can be 8-bit; none where no operator with weights would compute in integers.
    fn plan(self, prepared: &Prepared) -> Option<Plan<'_>> {
        let graph = prepared.model.graph.as_ref()?;
        let plan = Plan::of(View::of(graph), &prepared.shapes, self.profile);
        (plan.weighted_integers() > 0).then_some(plan)
    }

    fn grids(self, plan: &Plan<'_>, table: &Table) -> BTreeMap<String, Grid> {
        calibrate::grids(plan, table, self.ranges, self.profile)
    }

    fn recipe(self, grids: &BTreeMap<String, Grid>) -> Recipe<'_> {
        Recipe { grids, profile: self.profile, weight_limit: self.weight_limit }
    }

    /// The model with everything in 8 bits that can be, which is what a search begins with; none where nothing can.
    ///
    /// # Errors
    /// When the model cannot be run or a tensor cannot be read.
    pub fn everything(
        self,
        prepared: &Prepared,
        tensors: &TensorFile,
        size: (u32, u32),
    ) -> Result<Option<ModelProto>, QuantizeError> {
        let Some(plan) = self.plan(prepared) else { return Ok(None) };
        let table = calibrate::measure(prepared, &plan, tensors, size, &mut Silent)?;
        let grids = self.grids(&plan, &table);
        Ok(Some(place::place(&prepared.model, &plan, self.recipe(&grids), &BTreeSet::new())))
    }
}

fn sides(judge: &Judge<'_>, found: &Found, timed: Option<[Latency; 2]>, sizes: [usize; 2]) -> [Side; 2] {
    let scores = [judge.score(&judge.float), found.score];
    std::array::from_fn(|at| Side { score: scores[at], latency: timed.map(|timed| timed[at]), bytes: sizes[at] })
}

fn outcome(request: &Request, float: &Detector, plan: &Plan<'_>, found: &Found, [before, after]: [Side; 2]) -> Outcome {
    let slow = before.latency.zip(after.latency).and_then(|(before, after)| request.gate.slowness(&before, &after));
    let reasons: Vec<String> = request.gate.inaccuracy(&before.score, &after.score).into_iter().chain(slow).collect();
    let left_out = found.left_out.iter().map(String::as_str).collect();
    Outcome {
        model: request.settings.file.clone(),
        file: request.output.clone(),
        sha256: String::new(),
        target: request.method.target.to_string(),
        family: float.family().to_string(),
        passed: reasons.is_empty(),
        reasons,
        float: before,
        int8: after,
        calibrated_with: 0,
        judged_by: 0,
        integer_operators: (plan.choose(&left_out).1.len(), plan.view.graph.node.len()),
        integer_work: found.work,
        left_in_floats: found.left_out.clone(),
        candidates: found.tried.clone(),
    }
}

/// Writes the file under the name it has earned.
fn write(outcome: &mut Outcome, output: &Path, bytes: &[u8]) -> Result<(), QuantizeError> {
    if !outcome.passed {
        outcome.file = rejected(output);
    }
    outcome.sha256 = sha256_hex(bytes);
    let trial = beside(output, "new");
    let fault = |source| QuantizeError::Write { path: outcome.file.clone(), source };
    std::fs::write(&trial, bytes).and_then(|()| std::fs::rename(&trial, &outcome.file)).map_err(fault)
}

/// Where a file goes that may not replace the float one.
pub fn rejected(output: &Path) -> PathBuf {
    output.with_extension("rejected.onnx")
}
