//! Writes the inputs that fuzzing starts from: `cargo run --bin seeds -- corpus`.

use std::fs;
use std::path::PathBuf;

use vedette_fuzz::model::manifest::FileEntry;
use vedette_fuzz::seeds;

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).expect("the folder of the corpus"));
    let model = seeds::onnx();
    let manifest = seeds::manifest(&model);
    let mut whole = manifest.clone();
    whole.files = ["model.onnx", "street.png"].iter().zip([0, 64]).map(|(name, offset)| entry(name, offset)).collect();
    let seeds = [
        ("package", seeds::package()),
        ("manifest", whole.write().expect("a manifest")),
        ("onnx", model),
        ("keys", seeds::keys().into_bytes()),
    ];
    for (target, bytes) in seeds {
        let folder = root.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("seed"), bytes)?;
    }
    Ok(())
}

fn entry(name: &str, offset: u64) -> FileEntry {
    FileEntry { name: name.into(), offset, size: 60, sha256: "0".repeat(64) }
}
