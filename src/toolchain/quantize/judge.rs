//! How a model does on the pictures held back: how far it agrees with the float model, and its mean average precision where
//! there are labels.
//!
//! Agreement is the average precision of what a model sees, with what the float model is sure of as the truth, pooled over
//! all classes: of 80 classes most occur once or never in some tens of pictures, and a mean over them would be chance.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::detect::{DetectError, Detector};
use crate::toolchain::detect::Shot;
use crate::toolchain::eval::coco::{self, Judged};
use crate::toolchain::eval::detect::{self, EvalError, Label, Numbering};
use crate::vocab::Detection;

use super::error::QuantizeError;

/// The float model is sure of what it sees with at least this score.
pub const SURE: f32 = 0.35;

/// How a model does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Agreement with the float model, averaged over IoU .50 to .95.
    pub agreement: f64,
    /// Agreement with the float model at IoU .50.
    pub agreement50: f64,
    /// Mean average precision over IoU .50 to .95, where there are labels.
    pub map: Option<f64>,
    /// Mean average precision at IoU .50, where there are labels.
    pub map50: Option<f64>,
}

/// What was seen in each of the pictures held back.
pub type Seen = Vec<Vec<Detection>>;

/// Knows the pictures, what the float model saw and what is there.
#[derive(Debug)]
pub struct Judge<'a> {
    held: &'a [Shot],
    /// What the float model saw.
    pub float: Seen,
    truth: Option<Vec<Vec<Label>>>,
    classes: u16,
}

impl<'a> Judge<'a> {
    /// Looks at all pictures with the float model. `labels` is a folder of label files.
    ///
    /// # Errors
    /// When the detector fails, sees nothing, or labels cannot be used.
    pub fn new(float: &mut Detector, held: &'a [Shot], labels: Option<&Path>) -> Result<Self, QuantizeError> {
        let classes = float.labels().len();
        let read = |folder: &Path| -> Result<Vec<Vec<Label>>, EvalError> {
            held.iter().map(|shot| detect::read_labels(&label_file(folder, shot), &Numbering::Same(classes))).collect()
        };
        let truth = labels.map(read).transpose()?;
        let seen = look(float, held)?;
        if !seen.iter().flatten().any(|detection| detection.score >= SURE) {
            return Err(QuantizeError::NothingSeen { pictures: held.len() });
        }
        if let (Some(folder), Some(truth)) = (labels, &truth)
            && truth.iter().all(Vec::is_empty)
        {
            let images = PathBuf::from("the pictures held back");
            return Err(EvalError::NoTruth { images, labels: folder.to_owned() }.into());
        }
        Ok(Self { held, float: seen, truth, classes: u16::try_from(classes).unwrap_or(u16::MAX) })
    }

    /// Looks at all pictures with another model.
    ///
    /// # Errors
    /// When it fails.
    pub fn look(&self, detector: &mut Detector) -> Result<Seen, DetectError> {
        look(detector, self.held)
    }

    /// How a model did that saw this.
    pub fn score(&self, seen: &Seen) -> Score {
        let (agreement, agreement50) = self.agreement(seen);
        let precision = self.truth.as_ref().and_then(|truth| self.precision(seen, truth));
        Score { agreement, agreement50, map: precision.map(|(map, _)| map), map50: precision.map(|(_, map50)| map50) }
    }

    fn agreement(&self, seen: &Seen) -> (f64, f64) {
        let mut judged = Vec::new();
        for ((shot, float), seen) in self.held.iter().zip(&self.float).zip(seen) {
            let sure = float.iter().filter(|detection| detection.score >= SURE);
            let truth = detect::judge(&shot.picture, &sure.copied().collect::<Vec<_>>(), Vec::new()).found;
            let found = detect::judge(&shot.picture, seen, Vec::new()).found;
            for class in 0..self.classes {
                let of = |objects: &[(u16, f64, coco::PixelBox)]| {
                    objects
                        .iter()
                        .filter(|object| object.0 == class)
                        .map(|(_, score, place)| (0, *score, *place))
                        .collect()
                };
                let (truth, found): (Vec<_>, Vec<_>) = (of(&truth), of(&found));
                if !truth.is_empty() || !found.is_empty() {
                    let truth = truth.into_iter().map(|(class, _, place)| (class, place)).collect();
                    judged.push(Judged { truth, found });
                }
            }
        }
        coco::mean(&coco::evaluate(&judged, 1)).unwrap_or((0.0, 0.0))
    }

    fn precision(&self, seen: &Seen, truth: &[Vec<Label>]) -> Option<(f64, f64)> {
        let all = self.held.iter().zip(seen).zip(truth);
        let judged: Vec<Judged> =
            all.map(|((shot, seen), truth)| detect::judge(&shot.picture, seen, truth.clone())).collect();
        coco::mean(&coco::evaluate(&judged, self.classes))
    }
}

fn look(detector: &mut Detector, held: &[Shot]) -> Result<Seen, DetectError> {
    let mut all = Vec::with_capacity(held.len());
    for shot in held {
        let mut found = Vec::new();
        detector.detect_picture(&shot.picture, &mut found)?;
        all.push(found);
    }
    Ok(all)
}

fn label_file(folder: &Path, shot: &Shot) -> PathBuf {
    folder.join(Path::new(&shot.source).file_stem().unwrap_or_default()).with_added_extension("txt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Picture, RgbPicture};
    use crate::vocab::Rect;

    fn shot() -> Shot {
        let picture = Picture::Rgb(RgbPicture::new(100, 100, vec![0; 30_000]).unwrap());
        Shot { source: "a.jpg".into(), frame: 0, pts_ms: 0, picture }
    }

    fn at(class: u16, score: f32, x: f32) -> Detection {
        Detection::new(class, score, Rect::new(x, 0.1, x + 0.2, 0.3))
    }

    fn score(float: Vec<Detection>, seen: Vec<Detection>) -> Score {
        let held = [shot()];
        let judge = Judge { held: &held, float: vec![float], truth: None, classes: 2 };
        judge.score(&vec![seen])
    }

    #[test]
    fn seeing_the_same_is_full_agreement_and_what_the_float_model_doubts_does_not_count() {
        let same =
            score(vec![at(0, 0.9, 0.1), at(1, 0.5, 0.6), at(0, 0.1, 0.4)], vec![at(0, 0.9, 0.1), at(1, 0.5, 0.6)]);
        assert!((same.agreement - 1.0).abs() < 1e-9 && same.map.is_none(), "{same:?}");
    }

    #[test]
    fn another_class_in_the_same_place_is_no_agreement() {
        assert_eq!(score(vec![at(0, 0.9, 0.1)], vec![at(1, 0.9, 0.1)]).agreement50, 0.0);
        let half = score(vec![at(0, 0.9, 0.1), at(1, 0.9, 0.6)], vec![at(0, 0.9, 0.1)]).agreement50;
        assert!((0.49..0.52).contains(&half), "{half}");
    }
}
