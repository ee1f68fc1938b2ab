//! Finds and loads ONNX Runtime's shared library, once per process.
//!
//! It is looked for in this order, and the first that loads and is new enough is taken:
//! 1. the path in the configuration,
//! 2. the path in the environment variable `VEDETTE_ORT`, which the command line reads,
//! 3. the folder of the executable,
//! 4. `/usr/lib/vedette`,
//! 5. wherever the system's loader looks.
//!
//! A path that was named (1 and 2) and does not load ends the search: running another library than the one that was
//! asked for would be a surprise.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::provider::Provider;
use super::version;

/// The oldest ONNX Runtime that works: 1.20.
pub const OLDEST_MINOR: u32 = 20;

/// The library's file name.
const FILE_NAME: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// Where to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibrarySearch {
    /// The file, or the folder that holds it, named by the configuration.
    pub configured: Option<PathBuf>,
    /// The same from `VEDETTE_ORT`.
    pub from_env: Option<PathBuf>,
    /// The folder of the running executable.
    pub executable_dir: Option<PathBuf>,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFacts {
    /// The library; a bare file name when the system's loader found it.
    pub path: PathBuf,
    /// Its version, such as `1.32.0`.
    pub version: String,
    /// The providers it was built with. Their drivers may still be missing.
    pub providers: Vec<Provider>,
}

/// No usable library was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeError {
    /// Each place that was looked at, and what was wrong with it.
    pub tried: Vec<Tried>,
}

/// A place where the library was looked for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Who named the place, such as `beside the executable`.
    pub origin: &'static str,
    /// The place.
    pub path: PathBuf,
    /// What was wrong.
    pub reason: String,
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ONNX Runtime 1.{OLDEST_MINOR} or newer was not found; looked at")?;
        for Tried { origin, path, reason } in &self.tried {
            write!(f, "\n  {} ({origin}): {reason}", path.display())?;
        }
        write!(
            f,
            "\nInstall it (the Python wheel `onnxruntime` contains {FILE_NAME}), then put it beside the executable or in \
             /usr/lib/vedette, or name it in VEDETTE_ORT"
        )
    }
}

impl std::error::Error for RuntimeError {}

/// The process has one runtime and one environment; `ort` allows no second.
static LOADED: OnceLock<(RuntimeFacts, Environment)> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Loads the library, or says what was loaded before: the first call decides for the whole process.
///
/// # Errors
/// When no place holds a usable library. A later call may try again.
pub fn load(search: &LibrarySearch) -> Result<RuntimeFacts, RuntimeError> {
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((facts, _)) = LOADED.get() {
        return Ok(facts.clone());
    }
    let mut tried = Vec::new();
    for place in places(search) {
        match try_place(&place) {
            Ok((facts, environment)) => {
                tracing::info!(path = %facts.path.display(), version = facts.version, "loaded ONNX Runtime");
                let (facts, _) = LOADED.get_or_init(|| (facts, environment));
                return Ok(facts.clone());
            }
            Err(reason) => {
                tried.push(Tried { origin: place.origin, path: place.path, reason });
                if place.is_binding {
                    break;
                }
            }
        }
    }
    Err(RuntimeError { tried })
}

/// What was loaded, if anything was.
pub fn loaded() -> Option<RuntimeFacts> {
    LOADED.get().map(|(facts, _)| facts.clone())
}

/// The environment that sessions are made in, once [`load`] has succeeded.
pub(super) fn environment() -> Option<&'static Environment> {
    LOADED.get().map(|(_, environment)| environment)
}

#[derive(Debug, PartialEq, Eq)]
struct Place {
    origin: &'static str,
    path: PathBuf,
    is_binding: bool,
}

fn places(search: &LibrarySearch) -> Vec<Place> {
    let named = |origin, path: &Option<PathBuf>| {
        path.as_ref().map(|path| Place { origin, path: file_in(path), is_binding: true })
    };
    let unnamed = |origin, path| Place { origin, path, is_binding: false };
    let beside = search.executable_dir.as_ref().map(|dir| unnamed("beside the executable", in_folder(dir)));
    [
        named("named in the configuration", &search.configured),
        named("named in VEDETTE_ORT", &search.from_env),
        beside,
        Some(unnamed("installed with the package", in_folder(Path::new("/usr/lib/vedette")))),
        Some(unnamed("wherever the system's loader looks", PathBuf::from(FILE_NAME))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn file_in(path: &Path) -> PathBuf {
    // `ort` takes relative paths as relative to the executable; people mean the current folder.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.is_dir() { in_folder(&path) } else { path }
}

/// The library in `folder`: under its plain name, else under one with a version behind it, as wheels and packages have it.
fn in_folder(folder: &Path) -> PathBuf {
    let plain = folder.join(FILE_NAME);
    if plain.exists() {
        return plain;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_versioned = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.strip_prefix(FILE_NAME).is_some_and(|rest| rest.starts_with('.')))
    };
    entries.filter(is_versioned).max().unwrap_or(plain)
}

fn try_place(place: &Place) -> Result<(RuntimeFacts, Environment), String> {
    if place.path.is_absolute() && !place.path.exists() {
        return Err("no such file".to_owned());
    }
    let (builder, version) = version::overhear(|| ort::init_from(&place.path));
    let builder = builder.map_err(|error| plain_reason(&error))?;
    let environment = builder
        .with_name("vedette")
        .with_telemetry(false)
        .with_logger(std::sync::Arc::new(log))
        .build()
        .map_err(|error| format!("it loads, but cannot be started: {error}"))?;
    // Warnings of ONNX Runtime (one per weight for some files) are for developers; see `log`.
    environment.set_log_level(LogLevel::Warning);
    let facts = RuntimeFacts {
        path: place.path.clone(),
        version: version.unwrap_or_else(|| "unknown".to_owned()),
        providers: Provider::all().filter(|provider| provider.is_built_in()).collect(),
    };
    Ok((facts, environment))
}

fn plain_reason(error: &ort::LoadDynamicError) -> String {
    use ort::LoadDynamicError::{BadVersion, Dlopen, InvalidVersionString, MissingApi};
    match error {
        Dlopen { error, .. } => format!("cannot be loaded: {}", cause(error)),
        MissingApi { .. } => "not ONNX Runtime: it has no OrtGetApiBase".to_owned(),
        InvalidVersionString => "its version is not a text".to_owned(),
        BadVersion { version_str, .. } => {
            format!("too old: version {version_str}, at least 1.{OLDEST_MINOR} is needed")
        }
    }
}

/// The innermost cause, which is where the loader's own words are.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Takes what ONNX Runtime logs. It speaks to developers of models: errors become warnings (what fails is also returned
/// as an error value), all else debug lines.
pub(super) fn log(level: LogLevel, category: &str, id: &str, at: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(category, id, at, "ONNX Runtime: {message}"),
        LogLevel::Warning => tracing::debug!(category, id, at, "ONNX Runtime: {message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(category, id, at, "ONNX Runtime: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_looked_at_in_the_documented_order() {
        let search = LibrarySearch {
            configured: Some("/a/lib.so".into()),
            from_env: Some("/b/lib.so".into()),
            executable_dir: Some("/opt/bin".into()),
        };
        let paths: Vec<_> = places(&search).into_iter().map(|p| p.path.display().to_string()).collect();
        let expected = ["/a/lib.so", "/b/lib.so", "/opt/bin/libonnxruntime.so", "/usr/lib/vedette/libonnxruntime.so"];
        assert_eq!(paths[..4], expected);
        assert_eq!(paths[4], FILE_NAME);
    }

    #[test]
    fn a_named_folder_means_the_library_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(file_in(dir.path()), dir.path().join(FILE_NAME));
        let versioned = dir.path().join(format!("{FILE_NAME}.1.32.0"));
        std::fs::write(&versioned, "").unwrap();
        std::fs::write(dir.path().join("libonnxruntime_providers_shared.so"), "").unwrap();
        assert_eq!(file_in(dir.path()), versioned);
    }
}
