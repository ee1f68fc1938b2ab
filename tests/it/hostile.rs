//! What fuzzing found worth keeping: every input of the corpus is refused or read, and nothing panics.

use std::path::Path;

// The checks name them as `super::model` and so on, for they are compiled into the fuzzing targets too.
use vedette::{agent, config, identify, model, vocab, wire};

#[path = "../fuzz/src/checks.rs"]
mod checks;

/// Runs the corpus of a target through its check; `least` is how many inputs it has at least.
fn run(target: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let result = std::panic::catch_unwind(|| check(&bytes));
        assert!(result.is_ok(), "{} breaks the check", path.display());
        inputs += 1;
    }
    assert!(inputs >= least, "only {inputs} inputs for {target}");
}

#[test]
fn every_onnx_file_of_the_corpus_is_refused_or_read() {
    run("onnx", 150, checks::onnx);
}

#[test]
fn every_package_of_the_corpus_is_refused_or_read() {
    run("package", 150, checks::package);
}

#[test]
fn every_manifest_of_the_corpus_is_refused_or_read() {
    run("manifest", 800, checks::manifest);
}

#[test]
fn every_list_of_keys_of_the_corpus_is_refused_or_read() {
    run("keys", 300, checks::keys);
}

#[test]
fn every_configuration_of_the_corpus_is_refused_or_read() {
    run("config", 7, checks::config);
}

#[test]
fn every_letter_to_an_agent_of_the_corpus_is_refused_or_understood() {
    run("commands", 10, checks::commands);
}

#[test]
fn every_letter_to_a_hub_of_the_corpus_is_refused_or_understood() {
    run("wire", 10, checks::wire);
}

#[test]
fn every_gallery_of_the_corpus_is_refused_or_read() {
    run("gallery", 3, checks::gallery);
}
