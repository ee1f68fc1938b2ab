//! Finds out which family a model belongs to, by its ports and by what it makes of the golden picture.

use std::fmt::Write as _;

use crate::model::Facts;

use super::error::DetectError;
use super::families::{Family, Implausible, KINDS, OutputPort, Ports, Reading};
use super::golden;
use super::input::InputSpec;
use super::letterbox::{Element, Geometry, Letterbox};
use super::picture::{Picture, PictureError};
use super::session::{Fill, Session};
use super::settings::Settings;

/// A model whose family is known and whose outputs are plausible.
pub(super) struct Recognised {
    pub(super) family: Family,
    pub(super) reading: Reading,
    pub(super) letterbox: Letterbox,
}

/// Shows the golden picture to the model behind `session` in the way of every family its ports fit, or of the one that the
/// settings name, and returns the only one that can be right.
///
/// # Errors
/// When none or several can be right, the outputs are impossible in any case, or the inference fails.
pub(super) fn recognise(
    session: &mut Session,
    facts: &Facts,
    settings: &Settings,
    spec: &InputSpec,
) -> Result<Recognised, DetectError> {
    let outputs = session.outputs.clone();
    let ports = Ports { width: spec.width, height: spec.height, outputs: &outputs, facts };
    let picture = golden::picture();
    let (mut fitting, mut hints) = (Vec::new(), String::new());
    for kind in KINDS.iter().filter(|kind| settings.family.is_none_or(|family| family == kind.family)) {
        let Some(reading) = (kind.fits)(&ports) else {
            note(&mut hints, kind.family, &format!("expects {}", kind.shapes));
            continue;
        };
        let mut letterbox = Letterbox::new(spec.width, spec.height, spec.layout, reading.preprocess);
        session.fill(DrawGolden { letterbox: &mut letterbox, picture: &picture })?;
        match session.run(|outputs| reading.decoder.plausible(outputs))? {
            Ok(()) => {
                // A fresh one: another kind may draw its own padding into the tensor after this.
                let letterbox = Letterbox::new(spec.width, spec.height, spec.layout, reading.preprocess);
                fitting.push(Recognised { family: kind.family, reading, letterbox });
            }
            Err(Implausible::OtherForm(reason)) => note(&mut hints, kind.family, &reason),
            Err(Implausible::Broken(reason)) => {
                let (path, provider) = (settings.file.clone(), session.provider.as_str());
                return Err(DetectError::SelfTest { path, provider, reason });
            }
        }
    }
    if fitting.len() > 1 {
        let possible: Vec<&str> = fitting.iter().map(|r| r.family.as_str()).collect();
        let (path, possible) = (settings.file.clone(), possible.join(", "));
        return Err(DetectError::AmbiguousFamily { path, outputs: describe(&outputs), possible });
    }
    fitting.pop().ok_or_else(|| DetectError::NoFamily {
        path: settings.file.clone(),
        input: format!("{}x{}", spec.width, spec.height),
        outputs: describe(&outputs),
        hints,
        advice: advice(settings),
    })
}

fn advice(settings: &Settings) -> String {
    match settings.family {
        Some(family) => format!("The settings say `family: {family}`; without that key the family is recognised"),
        None => {
            let names: Vec<&str> = Family::names().collect();
            format!("If it is one of them, set `family:` for this model; allowed: {}", names.join(", "))
        }
    }
}

fn note(hints: &mut String, family: Family, text: &str) {
    // Writing to a String cannot fail.
    let _ = write!(hints, "\n  {family}: {text}");
}

fn describe(outputs: &[OutputPort]) -> String {
    let text = |port: &OutputPort| {
        let kind = if port.is_f32 { "" } else { " (not f32)" };
        format!("{} {}{kind}", port.name, port.shape_text())
    };
    outputs.iter().map(text).collect::<Vec<_>>().join(", ")
}

struct DrawGolden<'a> {
    letterbox: &'a mut Letterbox,
    picture: &'a Picture,
}

impl Fill for DrawGolden<'_> {
    type Output = Result<Geometry, PictureError>;

    fn fill<T: Element>(self, tensor: &mut [T]) -> Self::Output {
        self.letterbox.draw(self.picture, tensor)
    }
}
