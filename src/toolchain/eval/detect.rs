//! Measures a detector on photographs with YOLO labels: COCO's mean average precision.
//!
//! Labels are a text file per photograph, of the same name with `.txt`, a line per object: `class cx cy w h`, the last
//! four normalised. A photograph without such a file shows nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::detect::{DetectError, Detector, Picture};
use crate::toolchain::photographs::{self, PhotographError};
use crate::vocab::Detection;

use super::coco::{self, Judged, PixelBox};

/// Detections below this score are not counted; low enough to trace the whole curve. YOLOX and Ultralytics use the same.
pub const THRESHOLD: f32 = 0.001;
/// Overlap at which boxes are suppressed; YOLOX's own evaluation uses the same.
pub const NMS_IOU: f32 = 0.65;
/// Enough for 100 per class, of which no picture has many.
pub const MAX_DETECTIONS: usize = 4096;

/// The result; a JSON object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Mean average precision over IoU .50 to .95.
    pub map: f64,
    /// Mean average precision at IoU .50.
    pub map50: f64,
    /// For each class that has truth, by name.
    pub per_class: BTreeMap<String, ClassReport>,
    /// How many pictures were looked at.
    pub images: usize,
}

/// The result for one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassReport {
    /// Average precision over IoU .50 to .95.
    pub ap: f64,
    /// Average precision at IoU .50.
    pub ap50: f64,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A photograph or the folder with them cannot be used.
    #[error(transparent)]
    Photograph(#[from] PhotographError),
    /// A label file cannot be read.
    #[error("cannot read the labels {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no label.
    #[error(
        "{path}:{line}: found {found:?}, expected `class cx cy w h` with a class below {classes} and the rest in 0..1"
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The line's text.
        found: String,
        /// How many classes the model has.
        classes: usize,
    },
    /// A class is mapped to a label that the model does not have.
    #[error("the model has no label {label:?}; it has {known}")]
    UnknownLabel {
        /// The label.
        label: String,
        /// Those of the model.
        known: String,
    },
    /// No label at all.
    #[error("no photograph of {images} has a label in {labels}")]
    NoTruth {
        /// The folder with photographs.
        images: PathBuf,
        /// The folder with labels.
        labels: PathBuf,
    },
    /// The detector failed.
    #[error("cannot look at {path}")]
    Detect {
        /// The photograph.
        path: PathBuf,
        /// Why.
        source: Box<DetectError>,
    },
}

/// Looks at every photograph in `images` and compares with the labels in `labels`. The detector should have been opened
/// with [`THRESHOLD`], [`NMS_IOU`] and [`MAX_DETECTIONS`]. `map` tells which class of the label files is which label of
/// the model, and leaves out all others; where it is empty, the classes are the model's.
///
/// # Errors
/// When a photograph or label file cannot be used, the model lacks a label, or there is no truth at all.
pub fn run(
    detector: &mut Detector,
    images: &Path,
    labels: &Path,
    map: &BTreeMap<u16, String>,
) -> Result<Report, EvalError> {
    let files = photographs::in_folder(images)?;
    let classes = detector.labels().len();
    let numbering = Numbering::new(map, detector)?;
    let mut judged = Vec::with_capacity(files.len());
    let mut found = Vec::new();
    for path in &files {
        let picture = photographs::read(path)?;
        detector
            .detect_picture(&picture, &mut found)
            .map_err(|source| EvalError::Detect { path: path.clone(), source: Box::new(source) })?;
        let name = path.file_stem().unwrap_or_default();
        let label_file = labels.join(name).with_added_extension("txt");
        judged.push(judge(&picture, &found, read_labels(&label_file, &numbering)?));
    }
    let count = u16::try_from(classes).unwrap_or(u16::MAX);
    let precisions = coco::evaluate(&judged, count);
    let (map, map50) = coco::mean(&precisions)
        .ok_or_else(|| EvalError::NoTruth { images: images.to_owned(), labels: labels.to_owned() })?;
    let named = (0..count).zip(&precisions).filter_map(|(class, precision)| {
        let report = precision.map(|p| ClassReport { ap: p.ap, ap50: p.ap50 })?;
        Some((detector.labels().name(class).to_owned(), report))
    });
    Ok(Report { map, map50, per_class: named.collect(), images: files.len() })
}

/// How the classes of label files become those of the model.
#[derive(Debug)]
pub enum Numbering {
    /// They are the same, so many.
    Same(usize),
    /// Those that are not there are left out.
    Mapped(BTreeMap<u16, u16>),
}

impl Numbering {
    fn new(map: &BTreeMap<u16, String>, detector: &Detector) -> Result<Self, EvalError> {
        let (labels, count) = (detector.labels(), detector.labels().len());
        if map.is_empty() {
            return Ok(Self::Same(count));
        }
        let all = || 0..u16::try_from(count).unwrap_or(u16::MAX);
        let numbered = map.iter().map(|(class, label)| match all().find(|number| labels.name(*number) == label) {
            Some(number) => Ok((*class, number)),
            None => {
                let known = all().map(|number| labels.name(number)).collect::<Vec<_>>().join(", ");
                Err(EvalError::UnknownLabel { label: label.clone(), known })
            }
        });
        Ok(Self::Mapped(numbered.collect::<Result<_, _>>()?))
    }

    /// How many classes a label file may have.
    fn limit(&self) -> usize {
        match self {
            Self::Same(count) => *count,
            Self::Mapped(_) => usize::from(u16::MAX),
        }
    }

    fn of_the_model(&self, class: u16) -> Option<u16> {
        match self {
            Self::Same(_) => Some(class),
            Self::Mapped(map) => map.get(&class).copied(),
        }
    }
}

/// An object as a label file has it: class, centre and size, normalised.
pub type Label = (u16, [f64; 4]);

/// What there is and what was seen in one picture, in its pixels.
pub fn judge(picture: &Picture, found: &[Detection], truth: Vec<Label>) -> Judged {
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    let to_pixels =
        |[cx, cy, bw, bh]: [f64; 4]| -> PixelBox { [(cx - bw / 2.0) * w, (cy - bh / 2.0) * h, bw * w, bh * h] };
    let found = found.iter().map(|d| {
        let [x1, y1, x2, y2] = <[f32; 4]>::from(d.bbox).map(f64::from);
        (d.class, f64::from(d.score), [x1 * w, y1 * h, (x2 - x1) * w, (y2 - y1) * h])
    });
    Judged {
        truth: truth.into_iter().map(|(class, place)| (class, to_pixels(place))).collect(),
        found: found.collect(),
    }
}

/// The objects in a label file for a model; none where there is no such file.
///
/// # Errors
/// When the file cannot be read or a line is no label.
pub fn read_labels(path: &Path, numbering: &Numbering) -> Result<Vec<Label>, EvalError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(EvalError::Read { path: path.to_owned(), source }),
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let classes = numbering.limit();
    let labels = lines.map(|(at, line)| {
        read_label(line, classes).ok_or_else(|| EvalError::Label {
            path: path.to_owned(),
            line: at + 1,
            found: line.chars().take(80).collect(),
            classes,
        })
    });
    let labels = labels.collect::<Result<Vec<_>, _>>()?;
    Ok(labels.into_iter().filter_map(|(class, place)| Some((numbering.of_the_model(class)?, place))).collect())
}

fn read_label(line: &str, classes: usize) -> Option<Label> {
    let mut words = line.split_whitespace();
    let class: u16 = words.next()?.parse().ok()?;
    let mut place = [0f64; 4];
    for value in &mut place {
        *value = words.next()?.parse().ok().filter(|v| (0.0..=1.0).contains(v))?;
    }
    (words.next().is_none() && usize::from(class) < classes).then_some((class, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_and_a_wrong_one_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        fs::write(&path, "0 0.5 0.5 0.25 1\n\n3 0 0 1 1\n").unwrap();
        assert_eq!(
            read_labels(&path, &Numbering::Same(4)).unwrap(),
            [(0, [0.5, 0.5, 0.25, 1.0]), (3, [0.0, 0.0, 1.0, 1.0])]
        );
        let error = read_labels(&path, &Numbering::Same(3)).unwrap_err().to_string();
        assert!(error.contains("a.txt:3") && error.contains("below 3"), "{error}");
        for wrong in ["0 0.5 0.5 0.25", "x 0 0 0 0", "0 1.5 0 0 0", "0 0 0 0 0 0", "0 nan 0 0 0"] {
            assert_eq!(read_label(wrong, 80), None, "{wrong}");
        }
        let mapped = Numbering::Mapped([(3, 1)].into());
        assert_eq!(read_labels(&path, &mapped).unwrap(), [(1, [0.0, 0.0, 1.0, 1.0])], "others are left out");
        assert_eq!(read_labels(&dir.path().join("none.txt"), &Numbering::Same(3)).unwrap(), []);
    }
}
