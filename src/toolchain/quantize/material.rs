//! The pictures that ranges are learned from and the model is judged by: read once, every third held back.
//!
//! Tensors wait in a file, not in memory: 300 of them are a gigabyte, which small machines lack.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::detect::{Detector, Picture};
use crate::toolchain::detect::Shot;
use crate::toolchain::photographs;
use crate::toolchain::pictures::{self, Input, Sampling};

use super::error::QuantizeError;
use super::progress::Progress;

/// Fewer pictures than this say nothing of ranges.
const LEAST: usize = 8;
/// More are not held back: each is looked at by every candidate.
const MOST_HELD: usize = 100;

/// Which pictures are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selection {
    /// At most so many, evenly from all photographs, and equally from each recording or stream.
    pub pictures: usize,
    /// From a recording or stream, so many a second of its own time at most.
    pub fps: f64,
    /// From a recording or stream, so much of its own time.
    pub length: Option<Duration>,
}

/// The pictures of one quantisation.
#[derive(Debug)]
pub struct Material {
    /// What ranges are learned from.
    pub calibration: TensorFile,
    /// What the result is judged by.
    pub held: Vec<Shot>,
    /// The first of the held back, as the model is fed.
    pub held_tensor: Vec<f32>,
}

/// Input tensors in a file that nobody else sees and that vanishes with this value.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: File,
    /// Elements of each.
    len: usize,
    count: usize,
}

impl TensorFile {
    /// An empty one at `path` for tensors of `len` elements.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, len: usize) -> Result<Self, QuantizeError> {
        let open = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
            // Open files outlive their names: nothing is left behind, whatever happens.
            std::fs::remove_file(path)?;
            Ok(file)
        };
        let file = open().map_err(|source| QuantizeError::Scratch { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, len, count: 0 })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, tensor: &[f32]) -> Result<(), QuantizeError> {
        let bytes: Vec<u8> = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, self.offset(self.count)).map_err(|source| self.fault(source))?;
        self.count += 1;
        Ok(())
    }

    /// The one of that number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, at: usize) -> Result<Vec<f32>, QuantizeError> {
        let mut bytes = vec![0; 4 * self.len];
        self.file.read_exact_at(&mut bytes, self.offset(at)).map_err(|source| self.fault(source))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn offset(&self, at: usize) -> u64 {
        4 * self.len as u64 * at as u64
    }

    fn fault(&self, source: std::io::Error) -> QuantizeError {
        QuantizeError::Scratch { path: self.path.clone(), source }
    }
}

/// Reads the pictures of all `arguments` (photographs, folders, recordings, streams) as `detector` is fed. `scratch` is a
/// file that is made and vanishes.
///
/// # Errors
/// When an argument cannot be used, a picture cannot be read, or there are too few.
pub fn gather(
    detector: &Detector,
    arguments: &[PathBuf],
    selection: Selection,
    scratch: &Path,
    clock: &SharedClock,
    progress: &mut dyn Progress,
) -> Result<Material, QuantizeError> {
    let inputs = inputs(arguments, selection.pictures)?;
    let videos = inputs.iter().filter(|input| matches!(input, Input::Video(_))).count();
    let each = (selection.pictures / inputs.len().max(1)).max(1);
    let sampling = Sampling { fps: Some(selection.fps), frames: Some(each as u64), length: selection.length };
    let mut material: Option<Material> = None;
    let mut found = 0;
    progress.begin("reading pictures", inputs.len() - videos + videos * each);
    for input in &inputs {
        let named = |source| QuantizeError::Input { from: name(input), source: Box::new(source) };
        for shot in input.open(sampling, clock).map_err(named)? {
            let shot = shot.map_err(named)?;
            let tensor = tensor(detector, &shot.picture, &shot.source)?;
            let material = match &mut material {
                Some(material) => material,
                None => material.insert(Material {
                    calibration: TensorFile::create(scratch, tensor.len())?,
                    held: Vec::new(),
                    held_tensor: Vec::new(),
                }),
            };
            // Neighbours in a recording are alike: a third of all, spread evenly, is held back.
            if found % 3 == 2 && material.held.len() < MOST_HELD {
                if material.held.is_empty() {
                    material.held_tensor = tensor;
                }
                material.held.push(shot);
            } else {
                material.calibration.push(&tensor)?;
            }
            found += 1;
            progress.step();
        }
    }
    material.filter(|_| found >= LEAST).ok_or(QuantizeError::TooFew { found, least: LEAST })
}

fn tensor(detector: &Detector, picture: &Picture, from: &str) -> Result<Vec<f32>, QuantizeError> {
    detector.tensor_of(picture).map_err(|source| QuantizeError::Picture { from: from.to_owned(), source })
}

/// All inputs, photographs thinned out evenly.
fn inputs(arguments: &[PathBuf], most: usize) -> Result<Vec<Input>, QuantizeError> {
    let mut inputs = Vec::new();
    for argument in arguments {
        let found = pictures::inputs(std::slice::from_ref(&pictures_of(argument)));
        let from = || argument.display().to_string();
        inputs.extend(found.map_err(|source| QuantizeError::Input { from: from(), source: Box::new(source) })?);
    }
    if inputs.iter().all(|input| matches!(input, Input::Photograph(_))) && inputs.len() > most {
        let all = inputs.len();
        let kept = (0..most).map(|at| inputs[at * all / most].clone()).collect();
        return Ok(kept);
    }
    Ok(inputs)
}

/// Data sets have their photographs in a folder `images` beside labels and licences.
fn pictures_of(argument: &Path) -> PathBuf {
    let inner = argument.join("images");
    if inner.is_dir() && photographs::in_folder(argument).is_err() { inner } else { argument.to_owned() }
}

fn name(input: &Input) -> String {
    match input {
        Input::Photograph(path) => path.display().to_string(),
        Input::Video(source) => source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_as_they_were_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tensors");
        let mut file = TensorFile::create(&path, 3).unwrap();
        file.push(&[1.0, -2.5, 3.0]).unwrap();
        file.push(&[4.0, 0.0, f32::MIN_POSITIVE]).unwrap();
        assert_eq!((file.count(), path.exists()), (2, false));
        assert_eq!(file.read(1).unwrap(), [4.0, 0.0, f32::MIN_POSITIVE]);
        assert_eq!(file.read(0).unwrap(), [1.0, -2.5, 3.0]);
        let error = file.read(2).unwrap_err().to_string();
        assert!(error.contains("tensors"), "{error}");
    }

    #[test]
    fn a_large_folder_is_thinned_out_evenly() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..100 {
            std::fs::write(dir.path().join(format!("{number:03}.jpg")), "").unwrap();
        }
        let kept = inputs(&[dir.path().to_owned()], 10).unwrap();
        let names: Vec<String> = kept.iter().map(name).collect();
        assert_eq!(names.len(), 10);
        assert!(names[1].ends_with("010.jpg") && names[9].ends_with("090.jpg"), "{names:?}");
        let set = tempfile::tempdir().unwrap();
        std::fs::create_dir(set.path().join("images")).unwrap();
        std::fs::write(set.path().join("images/a.jpg"), "").unwrap();
        assert_eq!(inputs(&[set.path().to_owned()], 10).unwrap().len(), 1, "the usual layout of a data set");
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        let error = inputs(&[empty], 10).unwrap_err();
        assert!(matches!(error, QuantizeError::Input { .. }) && error.is_refusal(), "{error}");
    }
}
