//! From one YAML file to settings that are ready to use, or to every fault in it at once.
//!
//! ```text
//!   bytes ──yaml──▶ tree ──structure──▶ Document ──check──▶ Config
//!             │               │                       │
//!             ╰───────────────┴───────── Faults ◀─────╯      line, column, found, allowed, remedy
//! ```
//!
//! serde stops at the first error, and an installer on a ladder should not learn of nine faults one by one. So the file
//! is read into a tree whose values know their places; `structure` holds the tree against the JSON Schema made from
//! [`document`], tells what is wrong and repairs it; `check` goes on with the meaning. A fault that only follows from
//! another one is not told.
//!
//! Nothing here touches the network, and nothing but [`load_file`] and [`missing_files`] touches the disk.

pub mod document;

mod access;
mod check;
mod fault;
mod overlay;
mod phrase;
mod plain;
mod ready;
mod reference;
mod schema;
mod settings;
mod structure;
mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::behaviour::Suppression;
use crate::detect::bundled;
use crate::vocab::WallTime;

pub use access::{Folders, Identity, Login, Password, PasswordError, Source, Tls};
pub use document::Isolation;
pub use fault::{Fault, Faults, Layer, Position, Weight};
pub use overlay::{LARGEST_OVERLAY, Overlay};
pub use plain::read_value;
pub use ready::{
    Camera, CameraIdentify, CameraReidentify, Config, Detect, Evidence, FaceModel, FromHub, History, Hub, Identify,
};
pub use ready::{LabelSource, Model, Motion, Mqtt, Reidentify, Spool, Tell, TellAgain};
pub use reference::reference;
pub use schema::schema;
pub use settings::SourceFault;

/// The largest configuration, in bytes.
pub const LARGEST: usize = 1 << 20;

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// What is probably not what was meant.
    pub warnings: Faults,
}

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("reading the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no usable configuration.
    #[error("the configuration {path} has {} {}", faults.errors(), if faults.errors() == 1 { "fault" } else { "faults" })]
    Faulty {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, warnings included.
        faults: Faults,
    },
}

/// Reads the file `path`, of which it never holds more than [`LARGEST`] bytes, and loads it.
///
/// # Errors
/// When the file cannot be read or is faulty.
pub fn load_file(path: &std::path::Path, folders: &Folders) -> Result<Loaded, LoadError> {
    load_file_with(path, None, folders)
}

/// The same with `overlay` laid over what the file says.
///
/// # Errors
/// When the file cannot be read, or is faulty with the overlay over it.
pub fn load_file_with(
    path: &std::path::Path,
    overlay: Option<&Overlay>,
    folders: &Folders,
) -> Result<Loaded, LoadError> {
    load_with(&read_file(path)?, overlay, folders).map_err(|faults| LoadError::Faulty { path: path.to_owned(), faults })
}

/// Reads the file `path`, at most one byte more than [`LARGEST`]; what it holds is not looked at.
///
/// # Errors
/// When it cannot be read.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Loads a configuration from its bytes.
///
/// # Errors
/// Every fault in it, warnings included, in the order of the file.
pub fn load(bytes: &[u8], folders: &Folders) -> Result<Loaded, Faults> {
    load_with(bytes, None, folders)
}

/// Loads a configuration from the bytes of a file and the overlay that is laid over it. What comes of both is checked as a
/// file is.
///
/// # Errors
/// Every fault in it, warnings included: those of the file in its order, then those of the overlay in its.
pub fn load_with(bytes: &[u8], overlay: Option<&Overlay>, folders: &Folders) -> Result<Loaded, Faults> {
    let mut faults = Faults::default();
    let config = read(bytes, overlay, folders, &mut faults);
    faults.sort();
    match config {
        Some(config) if !faults.any_errors() => Ok(Loaded { config, warnings: faults }),
        _ => Err(faults),
    }
}

/// Names a configuration: the first 12 hex digits of the SHA-256 of its bytes.
pub fn revision(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Names what comes of a file and the overlay over it.
fn revision_with(bytes: &[u8], overlay: Option<&Overlay>) -> String {
    // No text has a NUL in it, so that no file is taken for another one with an overlay.
    overlay.map_or_else(|| revision(bytes), |overlay| revision(&[bytes, b"\0", overlay.text().as_bytes()].concat()))
}

/// Files that a configuration names and that cannot be opened: the key and what happened. Paths of secrets are left
/// out, since a password may have been written where its file belongs.
pub fn missing_files(config: &Config) -> Vec<String> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let mut password = |key: &str, login: Option<&Login>| {
        if let Some(Login { password: Some(Password::File(path)), .. }) = login {
            files.push((format!("{key}.password_file"), path.clone()));
        }
    };
    password("mqtt", config.mqtt.login.as_ref());
    config.cameras.iter().for_each(|c| password(&format!("camera {}", c.id), c.login.as_ref()));
    if let Some(tls) = &config.mqtt.tls {
        files.extend(tls.ca_file.iter().map(|file| ("mqtt.ca_file".to_owned(), file.clone())));
        files.extend(tls.identity.iter().map(|i| ("mqtt.cert_file".to_owned(), i.cert_file.clone())));
        files.extend(tls.identity.iter().map(|i| ("mqtt.key_file".to_owned(), i.key_file.clone())));
    }
    if let Some(hub) = &config.hub {
        files.push(("hub.token_file".to_owned(), hub.token_file.clone()));
        files.extend(hub.ca_file.iter().map(|file| ("hub.ca_file".to_owned(), file.clone())));
    }
    for model in config.models.iter().filter(|model| bundled::find(&model.file).is_none()) {
        files.push((format!("models.{}.file", model.name), model.file.clone()));
    }
    if let Some(identify) = &config.identify {
        files.push(("identify.detector.file".to_owned(), identify.detector.file.clone()));
        files.push(("identify.embedder.file".to_owned(), identify.embedder.file.clone()));
        // One that comes from the hub may still be to come.
        if identify.from_hub.is_none() {
            files.push(("identify.gallery".to_owned(), identify.gallery.clone()));
        }
        files.push(("identify.key_file".to_owned(), identify.key_file.clone()));
    }
    files.extend(config.reidentify.iter().map(|it| ("reidentify.embedder.file".to_owned(), it.embedder.file.clone())));
    // All models have the same.
    let trust = config.models.iter().find_map(|model| model.trust.clone());
    files.extend(trust.map(|file| ("runtime.trust".to_owned(), file)));
    let open = |(key, path): (String, PathBuf)| File::open(&path).err().map(|error| format!("{key}: {error}"));
    files.into_iter().filter_map(open).collect()
}

/// Entries of `suppress` that have expired at `now`, for whoever tidies up: the camera, the entry and since when.
pub fn expired(config: &Config, now: WallTime) -> Vec<String> {
    let of_camera = |camera: &Camera| -> Vec<String> {
        let over = camera.suppress.iter().filter(|entry| entry.until <= now);
        let name = |entry: &Suppression| {
            format!(
                "camera {}: suppress.{} expired on {} and can be removed",
                camera.id,
                entry.id,
                entry.until.to_rfc3339()
            )
        };
        over.map(name).collect()
    };
    config.cameras.iter().flat_map(of_camera).collect()
}

fn read(bytes: &[u8], overlay: Option<&Overlay>, folders: &Folders, faults: &mut Faults) -> Option<Config> {
    let root = fault::Path::default();
    if bytes.len() > LARGEST {
        let problem = format!("found more than {LARGEST} bytes, must be at most 1 MiB");
        faults.error(
            Position::START,
            &root,
            problem,
            "split the site between two agents, or look whether this is the right file",
        );
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let problem = "found bytes that are not UTF-8, must be text in UTF-8";
            faults.error(Position { line, column, layer: Layer::File }, &root, problem, "save the file as UTF-8");
            return None;
        }
    };
    let mut tree = yaml::parse(text, Layer::File, faults)?;
    if let Some(overlay) = overlay {
        overlay.lay(&mut tree, faults);
    }
    let repaired = structure::read(&mut tree, faults)?;
    check::configure(&repaired.document, revision_with(bytes, overlay), &tree, &repaired.repairs, folders, faults)
}
