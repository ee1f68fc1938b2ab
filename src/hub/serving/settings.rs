//! How models are served: what the configuration says, and the defaults.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::detect::ProviderChoice;

/// How models are served.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The model of `POST /predict` and of `POST /v1/detect` without `model=`; none by default.
    pub default_model: Option<String>,
    /// A request that names no version gets the version with this alias, where a model has it, else the highest one;
    /// `champion` by default.
    pub default_alias: String,
    /// Which models of the catalogue are loaded at the start; all by default.
    pub load: LoadAtStart,
    /// The largest request body in bytes, after decompression; 64 MiB by default.
    pub max_request_bytes: usize,
    /// The largest picture in pixels; 64 million by default.
    pub max_picture_pixels: u64,
    /// Requests that may wait for one version of a model; 128 by default. More are answered with 503.
    pub max_queue: usize,
    /// How long a request may take in milliseconds, 1 and more; 30 seconds by default.
    pub request_timeout_ms: u64,
    /// What the loaded models may take together: bytes of their files, times their instances; 4 GiB by default. A version
    /// that is being replaced is not counted beside its successor.
    pub max_loaded_bytes: u64,
    /// An inference server, `http://host:port`, that `/v2` is handed on to; none by default.
    pub upstream: Option<String>,
    /// How models are run that `models` does not name.
    pub tuning: Tuning,
    /// How single models are run, by name.
    pub models: BTreeMap<String, Tuning>,
}

/// Which models are loaded at the start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LoadAtStart {
    /// Every model of the catalogue.
    #[default]
    All,
    /// None: they are loaded through `/v2/repository`.
    None,
    /// These.
    Only(Vec<String>),
}

impl LoadAtStart {
    /// Whether this model is to be loaded without being asked for.
    pub fn wants(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(models) => models.iter().any(|name| name == model),
        }
    }
}

/// How one model is run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    /// Which versions are loaded, beside those that an alias names; the newest by default.
    pub versions: VersionPolicy,
    /// What should run it; `auto` by default.
    #[serde(deserialize_with = "provider")]
    pub provider: ProviderChoice,
    /// Sessions that run at the same time, 1..64; 1 by default.
    pub instances: u16,
    /// Threads of each session, 1..64; 1 by default.
    pub threads: u16,
    /// Rows that are run together at most, 1..1024; 8 by default. 1 runs every request alone. Has no effect on models
    /// whose first dimension is fixed, or whose rows turn out to depend on each other.
    pub max_batch: usize,
    /// How long in microseconds the first of a batch waits for others; 0 by default: those that wait anyway are run
    /// together.
    pub max_queue_delay_us: u64,
}

/// Which versions of a model are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionPolicy {
    /// So many of the newest.
    Latest(usize),
    /// These.
    Specific(Vec<u64>),
    /// Every one.
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_model: None,
            default_alias: "champion".to_owned(),
            load: LoadAtStart::All,
            max_request_bytes: 64 << 20,
            max_picture_pixels: 64_000_000,
            max_queue: 128,
            request_timeout_ms: 30_000,
            max_loaded_bytes: 4 << 30,
            upstream: None,
            tuning: Tuning::default(),
            models: BTreeMap::new(),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            versions: VersionPolicy::Latest(1),
            provider: ProviderChoice::Auto,
            instances: 1,
            threads: 1,
            max_batch: 8,
            max_queue_delay_us: 0,
        }
    }
}

impl Settings {
    /// How the model of that name is run.
    pub fn tuning_of(&self, model: &str) -> &Tuning {
        self.models.get(model).unwrap_or(&self.tuning)
    }

    /// Every value that is out of range, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut range = |key: &str, value: u64, least: u64, most: u64| {
            faults.extend(fault(key, value, least, most));
        };
        range("max_request_bytes", self.max_request_bytes as u64, 1 << 10, 2 << 30);
        range("max_picture_pixels", self.max_picture_pixels, 1, 1 << 30);
        range("max_queue", self.max_queue as u64, 1, 1 << 16);
        range("request_timeout_ms", self.request_timeout_ms, 1, 3_600_000);
        for (place, tuning) in self.models.iter().map(|(name, tuning)| (format!("models.{name}"), tuning)) {
            tuning.check(&place, &mut range);
        }
        self.tuning.check("tuning", &mut range);
        if let Some(url) = &self.upstream
            && !url.starts_with("http://")
        {
            faults.push(format!("upstream is {url:?}; allowed: an address that starts with http://"));
        }
        faults
    }
}

impl Tuning {
    /// Every value that is out of range, a sentence each; `place` stands before the keys.
    pub fn faults(&self, place: &str) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(place, &mut |key, value, least, most| faults.extend(fault(key, value, least, most)));
        faults
    }

    fn check(&self, place: &str, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range(&format!("{place}.instances"), u64::from(self.instances), 1, 64);
        range(&format!("{place}.threads"), u64::from(self.threads), 1, 64);
        range(&format!("{place}.max_batch"), self.max_batch as u64, 1, 1024);
        range(&format!("{place}.max_queue_delay_us"), self.max_queue_delay_us, 0, 10_000_000);
    }
}

fn fault(key: &str, value: u64, least: u64, most: u64) -> Option<String> {
    (!(least..=most).contains(&value)).then(|| format!("{key} is {value}; allowed: {least} to {most}"))
}

impl VersionPolicy {
    /// The versions of `all` that are loaded.
    pub fn choose(&self, all: &[u64]) -> Vec<u64> {
        let mut sorted = all.to_vec();
        sorted.sort_unstable();
        match self {
            Self::All => sorted,
            Self::Latest(count) => sorted.split_off(sorted.len().saturating_sub(*count)),
            Self::Specific(wanted) => sorted.into_iter().filter(|version| wanted.contains(version)).collect(),
        }
    }
}

fn provider<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ProviderChoice, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_default_and_unknown_ones_are_refused() {
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(Settings::default().faults().is_empty());
        let text = r#"{"load":{"only":["a"]},"models":{"a":{"provider":"cpu","versions":"all","threads":99}}}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.load, LoadAtStart::Only(vec!["a".to_owned()]));
        assert_eq!(settings.tuning_of("a").versions, VersionPolicy::All);
        assert_eq!(settings.tuning_of("b"), &Tuning::default());
        assert_eq!(settings.faults(), ["models.a.threads is 99; allowed: 1 to 64"]);
        assert!(serde_json::from_str::<Settings>(r#"{"thread":1}"#).is_err());
    }

    #[test]
    fn a_policy_chooses_from_the_versions_that_there_are() {
        let all = [10, 2, 1];
        assert_eq!(VersionPolicy::Latest(2).choose(&all), [2, 10]);
        assert_eq!(VersionPolicy::Latest(0).choose(&all), [0u64; 0]);
        assert_eq!(VersionPolicy::Specific(vec![1, 3]).choose(&all), [1]);
        assert_eq!(VersionPolicy::All.choose(&all), [1, 2, 10]);
    }
}
