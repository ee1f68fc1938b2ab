//! `blobs` in `hub.yaml`: where packages lie.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

/// `blobs` in `hub.yaml`. By default packages lie in the folder `blobs` of the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The bucket in which packages lie, in place of the folder. Several hubs on one PostgreSQL share one.
    pub s3: Option<S3>,
}

/// A bucket of S3, or of what speaks its protocol. Bucket and prefix belong to one database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Its name. The hub does not make it.
    pub bucket: String,
    /// What the names of all objects begin with, such as `vedette/north`; nothing by default.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Where the bucket is, `us-east-1` by default. Without keys here, `AWS_REGION` of the environment counts too.
    #[serde(default)]
    pub region: Option<String>,
    /// `https://HOST[:PORT]`, or `http://…` in the clear, of a server that is not Amazon's. Amazon's by default.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The id of the access key; needs `secret_access_key_file`. Without both, credentials come from where Amazon's own
    /// programs have them: the environment (`AWS_ACCESS_KEY_ID` …), a web identity, the container or the instance.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// The file that holds the secret key in its first line. A relative path starts at the configuration.
    #[serde(default)]
    pub secret_access_key_file: Option<PathBuf>,
    /// Certificates (PEM) of further authorities that may vouch for the endpoint; needs `https`. Those of the system count
    /// always. A relative path starts at the configuration.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How many MiB of the data folder may hold copies of packages, 64..1048576; 8192 by default. What is being served
    /// stays, even if it is more.
    #[serde(default = "default_cache_mib")]
    pub cache_mib: u32,
}

fn default_cache_mib() -> u32 {
    8192
}

impl Settings {
    /// Makes relative paths start at `folder`.
    pub(in crate::hub) fn resolve(&mut self, folder: &Path) {
        let Some(s3) = &mut self.s3 else { return };
        for file in [&mut s3.secret_access_key_file, &mut s3.ca_file] {
            *file = file.take().map(|path| folder.join(path));
        }
    }

    /// What cannot be as it is written.
    pub(in crate::hub) fn faults(&self) -> Vec<String> {
        self.s3.as_ref().map(S3::faults).unwrap_or_default()
    }
}

impl S3 {
    /// What a person knows it by.
    pub(super) fn place(&self) -> String {
        match (&self.endpoint, &self.region) {
            (Some(endpoint), _) => format!("the bucket {} at {endpoint}", self.bucket),
            (None, Some(region)) => format!("the bucket {} of Amazon S3 in {region}", self.bucket),
            (None, None) => format!("the bucket {} of Amazon S3", self.bucket),
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut demand = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        let allowed =
            |text: &str, more: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter));
        let bucket_fits = (3..=63).contains(&self.bucket.len()) && allowed(&self.bucket, "-._");
        demand(bucket_fits, "s3.bucket is 3 to 63 letters, digits, dots, dashes and underscores");
        let prefix_fits = |prefix: &str| {
            prefix.len() <= 256
                && allowed(prefix, "-._/")
                && prefix.split('/').all(|part| !part.trim_matches('.').is_empty())
        };
        demand(
            self.prefix.as_deref().is_none_or(prefix_fits),
            "s3.prefix is at most 256 letters, digits, dots, dashes, underscores, and slashes between them",
        );
        let scheme = self.endpoint.as_deref().map(scheme);
        demand(scheme != Some(None), "s3.endpoint is https://HOST[:PORT] or http://HOST[:PORT], and nothing behind it");
        let is_encrypted = scheme.is_none_or(|scheme| scheme.as_deref() == Some("https"));
        demand(self.ca_file.is_none() || is_encrypted, "s3.ca_file needs an endpoint with https");
        demand(
            self.access_key_id.is_some() == self.secret_access_key_file.is_some(),
            "s3.access_key_id and s3.secret_access_key_file belong together",
        );
        demand((64..=1 << 20).contains(&self.cache_mib), "s3.cache_mib must be 64 to 1048576");
        faults
    }
}

/// The scheme of an endpoint, if it is one.
fn scheme(endpoint: &str) -> Option<String> {
    let url = Url::parse(endpoint).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    let is_http = matches!(url.scheme(), "http" | "https");
    (is_http && is_bare && is_anonymous && url.host_str().is_some()).then(|| url.scheme().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(more: &serde_json::Value) -> S3 {
        let mut value = serde_json::json!({"bucket": "vedette"});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        for fine in [
            serde_json::json!({}),
            serde_json::json!({"endpoint": "http://127.0.0.1:9000", "access_key_id": "a", "secret_access_key_file": "f"}),
            serde_json::json!({"endpoint": "https://minio.example/", "ca_file": "f", "prefix": "a/b.c", "region": "x"}),
        ] {
            assert_eq!(s3(&fine).faults(), Vec::<String>::new(), "{fine}");
        }
        for (faulty, told) in [
            (serde_json::json!({"bucket": "a/b"}), "s3.bucket"),
            (serde_json::json!({"prefix": "/a"}), "s3.prefix"),
            (serde_json::json!({"prefix": "a/../b"}), "s3.prefix"),
            (serde_json::json!({"endpoint": "minio:9000"}), "s3.endpoint"),
            (serde_json::json!({"endpoint": "https://u:hunter2@minio"}), "s3.endpoint"),
            (serde_json::json!({"endpoint": "https://minio/bucket"}), "s3.endpoint"),
            (serde_json::json!({"endpoint": "http://minio", "ca_file": "f"}), "needs an endpoint with https"),
            (serde_json::json!({"access_key_id": "a"}), "belong together"),
            (serde_json::json!({"cache_mib": 1}), "64 to 1048576"),
        ] {
            let faults = s3(&faulty).faults().join("; ");
            assert!(faults.contains(told) && !faults.contains("hunter2"), "{faulty}: {faults}");
        }
    }
}
