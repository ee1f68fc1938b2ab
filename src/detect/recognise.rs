//! Finds out which family a model belongs to, by its ports and by what it makes of the golden picture.

use crate::model::Facts;
use crate::vocab::Labels;

use super::draw::Draw;
use super::error::DetectError;
use super::families::{Evidence, Family, Implausible, KINDS, Kind, OutputPort, Ports, Reading};
use super::golden;
use super::input::InputSpec;
use super::letterbox::Letterbox;
use super::picture::Picture;
use super::session::Session;
use super::settings::Settings;

/// A model whose family is known and whose outputs are plausible.
pub(super) struct Recognised {
    pub(super) family: Family,
    pub(super) reading: Reading,
    pub(super) letterbox: Letterbox,
    /// The families whose shapes it has too, and what spoke against each.
    pub(super) ruled_out: Vec<(Family, String)>,
}

/// How a model was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// What the claim rests on; none where the settings named the family.
    pub evidence: Option<Evidence>,
    /// The families whose shapes it has too, and what spoke against each.
    pub ruled_out: Vec<(Family, String)>,
}

/// Shows the golden picture to the model behind `session` in the way of every family its ports fit, or of the one that the
/// settings name, and returns the only one that can be right. `labels` are the names of the classes, where the settings
/// give them.
///
/// # Errors
/// When none or several can be right, the outputs are impossible in any case, or the inference fails.
pub(super) fn recognise(
    session: &mut Session,
    facts: &Facts,
    settings: &Settings,
    spec: &InputSpec,
    labels: Option<&Labels>,
) -> Result<Recognised, DetectError> {
    let outputs = session.outputs.clone();
    let ports = Ports { width: spec.width, height: spec.height, outputs: &outputs, facts, labels };
    let (claims, mut against) = claims(&ports, settings);
    let (mut fitting, mut broken) = (Vec::<Recognised>::new(), None);
    let picture = golden::picture();
    for (kind, mut reading) in claims {
        if fitting.iter().any(|better| better.reading.evidence > reading.evidence) {
            break;
        }
        match show(session, spec, &picture, &mut reading)? {
            Ok(letterbox) => fitting.push(Recognised::new(kind, reading, letterbox)),
            Err((Implausible::OtherForm(reason), letterbox)) if settings.family.is_some() => {
                // Whoever names the family knows more than a single picture can tell.
                tracing::warn!(model = %settings.name, "the outputs do not look like {}: {reason}", kind.name);
                fitting.push(Recognised::new(kind, reading, letterbox));
            }
            Err((Implausible::OtherForm(reason), _)) => against.push((kind.family, reason)),
            Err((Implausible::Broken(reason), _)) => broken = broken.or(Some(reason)),
        }
    }
    if fitting.len() > 1 {
        let possible: Vec<&str> = fitting.iter().map(|r| r.family.as_str()).collect();
        let (path, possible) = (settings.file.clone(), possible.join(", "));
        return Err(DetectError::AmbiguousFamily { path, outputs: describe(&outputs), possible });
    }
    let path = settings.file.clone();
    match (fitting.pop(), broken) {
        (Some(recognised), _) => Ok(Recognised { ruled_out: against, ..recognised }),
        (None, Some(reason)) => Err(DetectError::SelfTest { path, provider: session.provider.as_str(), reason }),
        (None, None) => Err(DetectError::NoFamily {
            path,
            input: format!("{}x{}", spec.width, spec.height),
            outputs: describe(&outputs),
            advice: advice(settings, &outputs, &against),
            hints: against.iter().map(|(family, text)| format!("\n  {family}: {text}")).collect(),
        }),
    }
}

/// Families and what speaks against each.
type Against = Vec<(Family, String)>;

/// Every kind that the ports fit, with its reading, the strongest evidence first, and what is to be said of the family
/// that the settings name if it is not among them.
fn claims(ports: &Ports<'_>, settings: &Settings) -> (Vec<(&'static Kind, Reading)>, Against) {
    let (mut claims, mut against) = (Vec::new(), Vec::new());
    for kind in KINDS.iter().filter(|kind| settings.family.is_none_or(|family| family == kind.family)) {
        match (kind.fits)(ports) {
            // Whatever wrote the file may have named its classes as Ultralytics does.
            Some(reading) if reading.labels.is_none() => claims.push((kind, reading.names_of(ports.facts))),
            Some(reading) => claims.push((kind, reading)),
            None if settings.family.is_some() => against.push((kind.family, format!("expects {}", kind.shapes))),
            None => {}
        }
    }
    claims.sort_by_key(|(_, reading)| std::cmp::Reverse(reading.evidence));
    (claims, against)
}

impl Recognised {
    fn new(kind: &Kind, reading: Reading, letterbox: Letterbox) -> Self {
        Self { family: kind.family, reading, letterbox, ruled_out: Vec::new() }
    }
}

/// Shows the golden picture in the way of one reading. The letterbox that comes back is a fresh one: another kind may draw
/// its own padding into the tensor after this.
fn show(
    session: &mut Session,
    spec: &InputSpec,
    picture: &Picture,
    reading: &mut Reading,
) -> Result<Result<Letterbox, (Implausible, Letterbox)>, DetectError> {
    let letterbox = || Letterbox::new(spec.width, spec.height, spec.layout, reading.preprocess);
    session.fill(Draw { letterbox: &mut letterbox(), picture })?;
    let fresh = letterbox();
    Ok(match session.run(|outputs| reading.decoder.plausible(outputs))? {
        Ok(()) => Ok(fresh),
        Err(implausible) => Err((implausible, fresh)),
    })
}

fn advice(settings: &Settings, outputs: &[OutputPort], against: &[(Family, String)]) -> String {
    if let Some(family) = settings.family {
        return format!("The settings say `family: {family}`; without that key the family is recognised");
    }
    if !against.is_empty() {
        return "These have such shapes, but not such values. If one is right all the same, set `family:` to it"
            .to_owned();
    }
    // A vector per picture, or a table of one row, has no boxes in it.
    if let [OutputPort { shape, .. }] = outputs
        && shape.iter().filter(|side| **side > 1).count() <= 1
    {
        return "One vector for the whole picture: this classifies it or describes a face or a person, and finds nothing \
                in it; a detector is needed"
            .to_owned();
    }
    let names: Vec<&str> = Family::names().collect();
    format!("No family has outputs of these shapes. Families: {}", names.join(", "))
}

fn describe(outputs: &[OutputPort]) -> String {
    let text = |port: &OutputPort| format!("{} {} {}", port.name, port.element, port.shape_text());
    outputs.iter().map(text).collect::<Vec<_>>().join(", ")
}
