//! Opens detectors in the test process and runs the program with one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vedette::base::clock::SystemClock;
use vedette::detect::{DetectError, Detector, LibrarySearch, Provider, ProviderChoice, Settings, runtime};
use vedette::vocab::Id;

/// The library that `variable` names, or `None` after printing that the test is skipped.
pub fn library(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        println!("SKIPPED {}: {variable} names no library", std::thread::current().name().unwrap_or("test"));
    }
    path
}

/// Loads ONNX Runtime into the test process, or says that the test is skipped.
pub fn load() -> bool {
    let Some(path) = library("VEDETTE_ORT") else { return false };
    let facts = runtime::load(&LibrarySearch { from_env: Some(path), ..LibrarySearch::default() }).unwrap();
    assert!(facts.version.starts_with("1."), "{}", facts.version);
    assert!(facts.providers.contains(&Provider::Cpu));
    true
}

/// The settings of the model in `file`, on the CPU.
pub fn settings(file: impl Into<PathBuf>) -> Settings {
    Settings { provider: ProviderChoice::One(Provider::Cpu), ..Settings::new(Id::new("test").unwrap(), file) }
}

/// Opens a detector.
pub fn open(settings: &Settings) -> Result<Detector, DetectError> {
    Detector::open(settings, SystemClock::shared())
}

/// Writes `model` into a folder of its own.
pub fn written(model: &super::onnx::Model) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    std::fs::write(&path, model.bytes()).unwrap();
    (dir, path)
}

/// Runs the program with this ONNX Runtime.
pub fn vedette(library: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vedette")).args(arguments).env("VEDETTE_ORT", library).output().unwrap()
}

/// What a command printed, line by line.
pub fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
