//! The models that are loaded. A load opens the new versions first and then puts them in the place of the old ones in one
//! step; requests that wait for an old one are still answered by it, so none fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::catalogue::{self, Catalogue, Entry};
use super::error::ServeError;
use super::settings::{Settings, Tuning};
use super::statistics::Statistics;
use super::version::{Content, Plan, Version, footprint};
use crate::base::clock::SharedClock;

/// The models that are loaded.
pub struct Models {
    catalogue: Arc<dyn Catalogue>,
    clock: SharedClock,
    table: RwLock<BTreeMap<String, Model>>,
    /// Loads and unloads take turns.
    turn: Mutex<()>,
    /// They outlive a version that is loaded anew, so that counters never fall.
    statistics: Mutex<BTreeMap<(String, u64), Arc<Statistics>>>,
}

/// The versions of one model, and why those that are not loaded are not.
#[derive(Default, Clone)]
struct Model {
    versions: BTreeMap<u64, Arc<Version>>,
    aliases: BTreeMap<String, u64>,
    reasons: BTreeMap<u64, String>,
}

/// Which version a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// None: the one with the default alias, else the highest.
    Default,
    /// This one.
    Number(u64),
    /// The one with this alias.
    Alias(String),
}

/// What a load brings along.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// How the model is run, instead of what the settings say.
    pub tuning: Option<Tuning>,
    /// The versions, instead of what the catalogue has.
    pub files: BTreeMap<u64, Vec<u8>>,
    /// Whether versions that are loaded stay as they are.
    pub keeps_loaded: bool,
}

/// A line of the repository's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The model.
    pub name: String,
    /// The version.
    pub version: u64,
    /// Whether it is loaded.
    pub is_ready: bool,
    /// Why it is not; empty when it is or nobody wanted it.
    pub reason: String,
}

impl Selector {
    /// Reads what stands in a path or behind `@`.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Alias(text.to_owned()), Self::Number)
    }
}

impl Models {
    /// None of the catalogue's models, yet.
    pub fn new(catalogue: Arc<dyn Catalogue>, clock: SharedClock) -> Self {
        let (table, turn, statistics) = Default::default();
        Self { catalogue, clock, table, turn, statistics }
    }

    /// The version that a request names.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn find(&self, settings: &Settings, name: &str, selector: &Selector) -> Result<Arc<Version>, ServeError> {
        let table = self.read();
        let model = table.get(name).filter(|model| !model.versions.is_empty());
        let model = model.ok_or_else(|| ServeError::UnknownModel { model: super::validate::shown(name) })?;
        let aliased = |alias: &str| model.aliases.get(alias).and_then(|number| model.versions.get(number));
        let (found, asked) = match selector {
            Selector::Number(number) => (model.versions.get(number), number.to_string()),
            Selector::Alias(alias) => (aliased(alias), super::validate::shown(alias)),
            Selector::Default => {
                let highest = model.versions.last_key_value().map(|(_, version)| version);
                (aliased(&settings.default_alias).or(highest), String::new())
            }
        };
        found.cloned().ok_or_else(|| ServeError::UnknownVersion { model: name.to_owned(), version: asked })
    }

    /// The versions of a model that are loaded, in rising order.
    ///
    /// # Errors
    /// When there are none.
    pub fn versions(&self, name: &str) -> Result<Vec<Arc<Version>>, ServeError> {
        let table = self.read();
        let versions: Vec<_> =
            table.get(name).map(|model| model.versions.values().cloned().collect()).unwrap_or_default();
        if versions.is_empty() {
            return Err(ServeError::UnknownModel { model: super::validate::shown(name) });
        }
        Ok(versions)
    }

    /// All that is loaded, by name and version.
    pub fn all(&self) -> Vec<Arc<Version>> {
        self.read().values().flat_map(|model| model.versions.values().cloned()).collect()
    }

    /// Every version of the catalogue or loaded without it.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn index(&self) -> Result<Vec<Line>, ServeError> {
        let entries = self.catalogue.models().map_err(ServeError::Catalogue)?;
        let table = self.read();
        let mut known: BTreeSet<(String, u64)> = BTreeSet::new();
        for entry in entries {
            known.extend(entry.versions.iter().map(|&version| (entry.name.clone(), version)));
        }
        for (name, model) in &*table {
            known.extend(model.versions.keys().chain(model.reasons.keys()).map(|&version| (name.clone(), version)));
        }
        let line = |(name, version): (String, u64)| {
            let model = table.get(&name);
            let is_ready = model.is_some_and(|model| model.versions.contains_key(&version));
            let reason = model.and_then(|model| model.reasons.get(&version)).filter(|_| !is_ready);
            Line { reason: reason.cloned().unwrap_or_default(), name, version, is_ready }
        };
        Ok(known.into_iter().map(line).collect())
    }

    /// Loads a model, or loads it anew. Blocks for as long as its sessions take.
    ///
    /// # Errors
    /// When it is not in the catalogue, cannot be opened, or there is no room; what was loaded before stays.
    pub fn load(&self, settings: &Settings, name: &str, load: Load) -> Result<(), ServeError> {
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.entry(name, &load)?;
        let tuning = load.tuning.clone().unwrap_or_else(|| settings.tuning_of(name).clone());
        let wanted = wanted(&entry, &tuning, &load);
        if wanted.is_empty() {
            return Err(ServeError::UnknownModel { model: name.to_owned() });
        }
        let before = self.read().get(name).cloned().unwrap_or_default();
        let mut model = Model { aliases: entry.aliases.clone(), ..Model::default() };
        let mut load = load;
        for number in wanted {
            if let Some(kept) = before.versions.get(&number).filter(|_| load.keeps_loaded) {
                model.versions.insert(number, kept.clone());
                continue;
            }
            let opened = self.open(settings, name, number, &tuning, load.files.remove(&number), &model);
            match opened {
                Ok(version) => drop(model.versions.insert(number, Arc::new(version))),
                Err(error) => {
                    self.write().entry(name.to_owned()).or_default().reasons.insert(number, error.to_string());
                    return Err(error);
                }
            }
        }
        let loaded = model.versions.clone();
        self.write().insert(name.to_owned(), model);
        // In place of the old ones now: whoever still holds one of those finds its queue closed and asks again.
        let is_gone = |old: &&Arc<Version>| !loaded.get(&old.number()).is_some_and(|new| Arc::ptr_eq(new, old));
        before.versions.values().filter(is_gone).for_each(|old| old.close());
        Ok(())
    }

    fn entry(&self, name: &str, load: &Load) -> Result<Entry, ServeError> {
        let unknown = || ServeError::UnknownModel { model: super::validate::shown(name) };
        if !catalogue::is_name(name) {
            return Err(unknown());
        }
        if !load.files.is_empty() {
            let versions = load.files.keys().copied().collect();
            return Ok(Entry { name: name.to_owned(), versions, ..Entry::default() });
        }
        self.catalogue.model(name).map_err(ServeError::Catalogue)?.ok_or_else(unknown)
    }

    fn open(
        &self,
        settings: &Settings,
        name: &str,
        number: u64,
        tuning: &Tuning,
        bytes: Option<Vec<u8>>,
        siblings: &Model,
    ) -> Result<Version, ServeError> {
        let content = match bytes {
            Some(bytes) => Content::Bytes(bytes),
            None => Content::File(self.catalogue.file(name, number).map_err(ServeError::Catalogue)?),
        };
        let plan = Plan {
            model: name.to_owned(),
            number,
            content,
            tuning: tuning.clone(),
            max_queue: settings.max_queue,
            statistics: self.statistics_of(name, number),
            clock: self.clock.clone(),
        };
        let model = plan.read()?;
        self.check_room(settings, name, footprint(model.size(), tuning), siblings)?;
        plan.open(&model)
    }

    /// Whether `needed` bytes have room beside all other models and the versions opened in the same load.
    fn check_room(&self, settings: &Settings, name: &str, needed: u64, siblings: &Model) -> Result<(), ServeError> {
        let others = self.all().into_iter().filter(|version| version.model() != name).map(|version| version.bytes());
        let taken: u64 = others.chain(siblings.versions.values().map(|version| version.bytes())).sum();
        let (limit, free) = (settings.max_loaded_bytes, settings.max_loaded_bytes.saturating_sub(taken));
        if needed > free {
            return Err(ServeError::Memory { model: name.to_owned(), needed, free, limit });
        }
        Ok(())
    }

    fn statistics_of(&self, name: &str, number: u64) -> Arc<Statistics> {
        let mut all = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((name.to_owned(), number)).or_default().clone()
    }

    /// Unloads a model: what waits for it is answered, then its memory is free. Blocks until then.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn unload(&self, name: &str) -> Result<(), ServeError> {
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = self.versions(name)?;
        let reasons = versions.iter().map(|version| (version.number(), "unloaded".to_owned())).collect();
        self.write().insert(name.to_owned(), Model { reasons, ..Model::default() });
        versions.iter().for_each(|version| version.drain());
        Ok(())
    }

    /// The names of all models of the catalogue.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn catalogued(&self) -> Result<Vec<String>, ServeError> {
        let entries = self.catalogue.models().map_err(ServeError::Catalogue)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Model>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Model>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The versions to load: what the policy chooses, and what an alias names.
fn wanted(entry: &Entry, tuning: &Tuning, load: &Load) -> BTreeSet<u64> {
    if !load.files.is_empty() {
        return entry.versions.iter().copied().collect();
    }
    let chosen = tuning.versions.choose(&entry.versions);
    let aliased = entry.aliases.values().copied().filter(|version| entry.versions.contains(version));
    chosen.into_iter().chain(aliased).collect()
}
