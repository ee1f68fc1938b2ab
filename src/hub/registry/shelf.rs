//! What is served from the registry: a copy in memory, so that a request for a model never waits for the database.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::rows::ModelFacts;
use crate::hub::blobs::{BlobName, Blobs, LocalFile};
use crate::hub::serving::catalogue::is_name;
use crate::hub::serving::{Catalogue, CatalogueError, Entry};

/// The registry as [`Catalogue`]. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Shelf {
    blobs: Blobs,
    models: Arc<RwLock<BTreeMap<String, Model>>>,
    /// Models of which a file could not be had, to be tried again.
    missed: Arc<Mutex<BTreeSet<String>>>,
}

/// A model on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Model {
    aliases: BTreeMap<String, u64>,
    /// The package of each version, by its SHA-256.
    packages: BTreeMap<u64, String>,
}

impl Shelf {
    pub(super) fn new(blobs: Blobs) -> Self {
        Self { blobs, models: Arc::default(), missed: Arc::default() }
    }

    /// Puts other models there. Returns the names of those that changed, came or went, and of those of which a file could
    /// not be had the last time.
    pub(super) fn replace(&self, models: Vec<ModelFacts>) -> Vec<String> {
        let new: BTreeMap<String, Model> = models.into_iter().map(|facts| (facts.name.clone(), model(facts))).collect();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let differs = |name: &&String| models.get(*name) != new.get(*name);
        let mut changed: Vec<String> = models.keys().chain(new.keys()).filter(differs).cloned().collect();
        changed.extend(std::mem::take(&mut *self.missed.lock().unwrap_or_else(PoisonError::into_inner)));
        changed.sort_unstable();
        changed.dedup();
        *models = new;
        changed
    }

    fn entries<T>(&self, read: impl FnOnce(&BTreeMap<String, Model>) -> T) -> T {
        read(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn model(facts: ModelFacts) -> Model {
    let number = |version: i64| u64::try_from(version).unwrap_or(0);
    Model {
        aliases: facts.aliases.into_iter().map(|(alias, version)| (alias, number(version))).collect(),
        packages: facts.versions.into_iter().map(|version| (number(version.version), version.sha256)).collect(),
    }
}

fn entry((name, model): (&String, &Model)) -> Entry {
    Entry { name: name.clone(), versions: model.packages.keys().copied().collect(), aliases: model.aliases.clone() }
}

impl Catalogue for Shelf {
    fn models(&self) -> Result<Vec<Entry>, CatalogueError> {
        Ok(self.entries(|models| models.iter().filter(|(name, _)| is_name(name)).map(entry).collect()))
    }

    fn model(&self, name: &str) -> Result<Option<Entry>, CatalogueError> {
        Ok(self.entries(|models| models.get_key_value(name).map(entry)))
    }

    fn file(&self, name: &str, version: u64) -> Result<LocalFile, CatalogueError> {
        let sha256 = self.entries(|models| models.get(name).and_then(|model| model.packages.get(&version).cloned()));
        let blob = sha256.and_then(|sha256| BlobName::new(&sha256).ok());
        let missing = || CatalogueError::NoFile { path: PathBuf::from(format!("{name}/{version}")) };
        let file = blob.map(|blob| self.blobs.local(&blob)).transpose().map_err(|source| {
            self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            let cause = source.source().map(ToString::to_string);
            tracing::error!(model = name, version, error = %source, cause, "a package cannot be fetched; it is tried again");
            CatalogueError::Fetch { model: name.to_owned(), version, reason: source.to_string() }
        })?;
        file.flatten().ok_or_else(missing)
    }
}

/// One catalogue before another: a name that both have is the first one's.
pub struct Joined<A, B>(pub A, pub B);

impl<A: Catalogue, B: Catalogue> Catalogue for Joined<A, B> {
    fn models(&self) -> Result<Vec<Entry>, CatalogueError> {
        let mut all: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in self.1.models()?.into_iter().chain(self.0.models()?) {
            all.insert(entry.name.clone(), entry);
        }
        Ok(all.into_values().collect())
    }

    fn model(&self, name: &str) -> Result<Option<Entry>, CatalogueError> {
        match self.0.model(name)? {
            Some(entry) => Ok(Some(entry)),
            None => self.1.model(name),
        }
    }

    fn file(&self, name: &str, version: u64) -> Result<LocalFile, CatalogueError> {
        match self.0.model(name)? {
            Some(_) => self.0.file(name, version),
            None => self.1.file(name, version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::registry::VersionFacts;

    fn facts(name: &str, versions: &[i64], champion: i64) -> ModelFacts {
        let version = |&version: &i64| VersionFacts {
            model: name.to_owned(),
            version,
            sha256: format!("{version:064}"),
            size: 1,
            parent: None,
            note: String::new(),
            pushed_by: "admin".to_owned(),
            pushed_ns: 0,
            report: serde_json::Value::Null,
            manifest: serde_json::Value::Null,
        };
        let aliases = BTreeMap::from([("champion".to_owned(), champion)]);
        ModelFacts { name: name.to_owned(), aliases, versions: versions.iter().map(version).collect() }
    }

    #[test]
    fn only_what_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(Blobs::open(folder.path(), 1).unwrap());
        assert_eq!(shelf.replace(vec![facts("a", &[1], 1), facts("b", &[1, 2], 1)]), ["a", "b"]);
        assert!(shelf.replace(vec![facts("a", &[1], 1), facts("b", &[1, 2], 1)]).is_empty());
        assert_eq!(shelf.replace(vec![facts("b", &[1, 2], 2)]), ["a", "b"]);
        let entry = shelf.model("b").unwrap().unwrap();
        assert_eq!((entry.versions, entry.aliases["champion"]), (vec![1, 2], 2));
        assert!(matches!(shelf.file("b", 2), Err(CatalogueError::NoFile { .. })), "its file was never received");
    }
}
