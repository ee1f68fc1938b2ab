//! Writes the inputs that fuzzing starts from: `cargo run --bin seeds -- corpus`.

use std::fs;
use std::path::{Path, PathBuf};

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
        write(&root.join(target), "seed", &bytes)?;
    }
    for (target, named) in [
        ("config", configurations()?),
        ("commands", seeds::commands(&golden()?)),
        ("wire", seeds::wire(&golden()?)),
        ("gallery", seeds::gallery()),
        ("spool", seeds::spool()),
    ] {
        for (name, bytes) in named {
            write(&root.join(target), &format!("seed-{name}"), &bytes)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), bytes)
}

/// The golden messages, by name.
fn golden() -> std::io::Result<seeds::Named> {
    let files = files("src/wire/snapshots", "snap")?.into_iter();
    // What insta says of a snapshot stands between lines of dashes before it.
    let body = |(name, bytes): (String, Vec<u8>)| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = name.rsplit("__").next().unwrap_or_default().to_owned();
        (name, text.splitn(3, "---\n").nth(2).unwrap_or_default().trim().as_bytes().to_vec())
    };
    Ok(files.map(body).filter(|(name, _)| !name.starts_with("schema")).collect())
}

/// Those that are published, and one with an overlay. Faulty ones are in `tests/it/config/faulty`, which fuzzing can be given
/// as a further folder.
fn configurations() -> std::io::Result<seeds::Named> {
    let mut all = files("systemd/examples", "yaml")?;
    let site = all.iter().find(|(name, _)| name == "site").map(|(_, bytes)| bytes.clone());
    let overlay = b"\0cameras:\n  \"*\": { detect: { fps: 4 } }\n".as_slice();
    all.push(("overlay".to_owned(), [site.unwrap_or_default().as_slice(), overlay].concat()));
    all.retain(|(_, bytes)| bytes.len() <= 8 * 1024);
    Ok(all)
}

fn files(folder: &str, extension: &str) -> std::io::Result<seeds::Named> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, fs::read(&path)?));
        }
    }
    Ok(found)
}

fn entry(name: &str, offset: u64) -> FileEntry {
    FileEntry { name: name.into(), offset, size: 60, sha256: "0".repeat(64) }
}
