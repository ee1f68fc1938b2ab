//! What `hub.yaml` says: where the hub listens, where it keeps things, how it serves models.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::access;
use super::blobs;
use super::broker::Broker;
use super::door::Tls;
use super::events::Retention;
use super::serving;
use crate::config::read_value;
use crate::vocab::Secret;

/// The file of the token that the first start makes, in the data folder.
pub const FIRST_TOKEN: &str = "admin.token";

/// A hub's settings. All have defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The address of the HTTP API; `127.0.0.1:8642` by default, which only this machine reaches.
    pub listen: SocketAddr,
    /// The certificate for HTTPS; none by default, and then the API is plain HTTP. Relative paths start at the
    /// configuration; renewed files are noticed.
    pub tls: Option<Tls>,
    /// The folder for everything that must outlive a restart; `/var/lib/vedette-hub` by default.
    pub data_dir: PathBuf,
    /// Where the tables are.
    pub database: Database,
    /// How callers are let in.
    pub access: access::Settings,
    /// The models to serve: `NAME/VERSION/model.onnx` or `NAME/VERSION/*.vedette` below it; `models` in the data folder
    /// by default. A relative path starts at the configuration.
    pub models_dir: Option<PathBuf>,
    /// Which packages the registry takes.
    pub registry: Registry,
    /// Where packages lie: in the data folder by default, or in a bucket of S3.
    pub blobs: blobs::Settings,
    /// The broker that agents publish to; without one nothing is taken in from them.
    pub mqtt: Broker,
    /// How long events and their pictures are kept.
    pub events: Retention,
    /// What runs the models.
    pub runtime: Runtime,
    /// How models are served.
    pub serving: serving::Settings,
}

/// Where the tables are. At most one of both keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH` or `postgres://…`; `hub.db` in the data folder by default.
    pub url: Option<Url>,
    /// A file whose first line is the URL, for one that holds a password. A relative path starts at the configuration.
    pub url_file: Option<PathBuf>,
}

/// Which packages the registry takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// Who must have signed a package: the list that `vedette keys rotate` writes, or public keys one per line. By default
    /// packages need no signature here.
    pub trust: Option<PathBuf>,
    /// The largest package in MiB, 1..4096; 1024 by default.
    pub max_package_mib: u32,
}

impl Default for Registry {
    fn default() -> Self {
        Self { trust: None, max_package_mib: 1024 }
    }
}

/// What runs the models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// ONNX Runtime's library; by default it is looked for where `vedette doctor` says.
    pub library: Option<PathBuf>,
}

/// A database URL, which may hold a password and is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(…)")
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("the configuration {path} is faulty:\n{faults}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Every fault with its place.
        faults: String,
    },
    /// A key or a value is wrong.
    #[error("the configuration {path}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong; never a value of a secret.
        reason: String,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8642)),
            tls: None,
            data_dir: PathBuf::from("/var/lib/vedette-hub"),
            database: Database::default(),
            access: access::Settings::default(),
            models_dir: None,
            registry: Registry::default(),
            blobs: blobs::Settings::default(),
            mqtt: Broker::default(),
            events: Retention::default(),
            runtime: Runtime::default(),
            serving: serving::Settings::default(),
        }
    }
}

impl Settings {
    /// Reads a configuration; relative paths in it start at its folder.
    ///
    /// # Errors
    /// When it cannot be read, has an unknown key or a value that is wrong.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let bytes = read(path)?;
        let faults = |faults: crate::config::Faults| SettingsError::Yaml {
            path: path.to_owned(),
            faults: faults.render(&path.display().to_string()),
        };
        let value = if says_nothing(&bytes) { serde_json::json!({}) } else { read_value(&bytes).map_err(faults)? };
        let folder = path.parent().unwrap_or(Path::new("."));
        let refused = |reason: String| SettingsError::Value { path: path.to_owned(), reason };
        let mut settings: Self = serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        settings.data_dir = folder.join(settings.data_dir);
        settings.tls =
            settings.tls.map(|tls| Tls { cert_file: folder.join(tls.cert_file), key_file: folder.join(tls.key_file) });
        settings.models_dir = settings.models_dir.map(|dir| folder.join(dir));
        settings.database.url_file = settings.database.url_file.map(|file| folder.join(file));
        settings.registry.trust = settings.registry.trust.map(|file| folder.join(file));
        settings.blobs.resolve(folder);
        settings.mqtt.resolve(folder);
        settings.runtime.library = settings.runtime.library.map(|file| folder.join(file));
        if settings.database.url.is_some() && settings.database.url_file.is_some() {
            return Err(refused("database has both url and url_file: leave one out".to_owned()));
        }
        if !(1..=4096).contains(&settings.registry.max_package_mib) {
            return Err(refused("registry.max_package_mib must be 1 to 4096".to_owned()));
        }
        if let Some(fault) = settings.access.fault() {
            return Err(refused(format!("access: {fault}")));
        }
        if let Some(fault) = settings.events.faults() {
            return Err(refused(format!("events: {fault}")));
        }
        if let faults = settings.blobs.faults()
            && !faults.is_empty()
        {
            return Err(refused(format!("blobs: {}", faults.join("; "))));
        }
        if let faults = settings.mqtt.faults()
            && !faults.is_empty()
        {
            return Err(refused(format!("mqtt: {}", faults.join("; "))));
        }
        match settings.serving.faults() {
            faults if faults.is_empty() => Ok(settings),
            faults => Err(refused(format!("serving: {}", faults.join("; ")))),
        }
    }

    /// The URL of the database, read from its file where it has one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn database_url(&self) -> Result<Secret, SettingsError> {
        if let Some(file) = &self.database.url_file {
            let text = String::from_utf8_lossy(&read(file)?).into_owned();
            return Ok(Secret::new(text.lines().next().unwrap_or_default().trim()));
        }
        let default = || format!("sqlite://{}", self.data_dir.join("hub.db").display());
        Ok(Secret::new(self.database.url.as_ref().map_or_else(default, |url| url.0.clone())))
    }

    /// The folder of the models that are served.
    pub fn models(&self) -> PathBuf {
        self.models_dir.clone().unwrap_or_else(|| self.data_dir.join("models"))
    }
}

/// Whether there are only comments: all settings then have their defaults.
fn says_nothing(bytes: &[u8]) -> bool {
    let is_comment = |line: &[u8]| line.trim_ascii().is_empty() || line.trim_ascii_start().starts_with(b"#");
    bytes.split(|byte| *byte == b'\n').all(is_comment)
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.yaml");
        std::fs::write(&file, text).unwrap();
        Settings::load(&file)
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_only_this_machine_is_listened_to() {
        let settings = load("# nothing yet\n\n").unwrap();
        assert_eq!(settings.serving, serving::Settings::default());
        assert!(settings.listen.ip().is_loopback());
        assert!(settings.database_url().unwrap().expose().ends_with("/hub.db"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        for (text, told) in [
            ("listn: 1", "listn"),
            ("listen: here", "socket address"),
            ("serving: {max_queue: 0}", "max_queue"),
            ("mqtt: {url: 'mqtt://u:hunter2@b'}", "password_file"),
            ("mqtt: {username: u}", "without url"),
            ("mqtt: {url: 'mqtt://b', broker_files: d}", "needs username"),
            ("access: {session_hours: 0}", "session_hours"),
            ("access: {failures_per_minute: 0}", "failures_per_minute"),
            ("events: {keep_days: 0}", "at least 1"),
            ("registry: {max_package_mib: 0}", "1 to 4096"),
            ("blobs: {s3: {bucket: packages, secret_access_key: hunter2}}", "secret_access_key"),
            ("blobs: {s3: {bucket: packages, endpoint: 'https://u:hunter2@minio'}}", "s3.endpoint"),
            ("blobs: {s3: {}}", "bucket"),
            ("database: {url: 'postgres://u:hunter2@h/d', url_file: f}", "leave one out"),
            ("a: 1\na: 2", "a"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.to_string().contains(told), "{text}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let settings = load("database: {url: 'postgres://u:hunter2@h/d'}").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn the_example_is_a_configuration() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/hub.yaml");
        let settings = Settings::load(&example).unwrap();
        assert_eq!(settings.mqtt.reload_command, ["systemctl", "reload", "mosquitto"]);
        assert_eq!(settings.mqtt.broker_files, Some(PathBuf::from("/var/lib/vedette-hub/broker")));
        assert!(settings.tls.is_some_and(|tls| tls.cert_file.ends_with("systemd/tls.pem")));
    }

    #[test]
    fn what_the_package_installs_is_a_configuration_and_the_default() {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/debian/hub.yaml");
        let settings = Settings::load(&installed).unwrap();
        assert_eq!((settings.listen, settings.data_dir), (Settings::default().listen, Settings::default().data_dir));
    }

    #[test]
    fn relative_paths_start_at_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.yaml");
        std::fs::write(folder.path().join("db"), "postgres://u:p@h/d\n").unwrap();
        std::fs::write(&file, "data_dir: state\ndatabase: {url_file: db}\n").unwrap();
        let settings = Settings::load(&file).unwrap();
        assert_eq!(settings.data_dir, folder.path().join("state"));
        assert_eq!(settings.database_url().unwrap().expose(), "postgres://u:p@h/d");
    }
}
