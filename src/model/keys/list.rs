//! Whom to trust: a list of keys and how many of them must have signed, in versions of which each is signed by the one
//! before it.
//!
//! The document is JSON: `{"versions":[{"list":{…},"signatures":[{"key":…,"signature":…}]},…]}`. Version 1 is signed by as
//! many of its own keys as it demands. Each later version counts one up and is signed by as many keys as the version
//! before it demands, and by as many of its own as it demands itself: the old keys vouch for the new ones, and the new
//! ones are shown to be in somebody's hands. The last version is in force. What is signed is the canonical JSON of
//! `list`.
//!
//! Where nothing more is needed, a text file with one public key per line does as well: any one of them is enough.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::canonical;
use super::{NoPublicKey, PublicKey, Purpose, SecretKey, Signature};

/// Versions of one document.
pub const MOST_VERSIONS: usize = 256;
/// Keys of one list, and signatures under it.
const MOST_KEYS: usize = 16;
/// Bytes of a document.
const MOST_BYTES: usize = 1 << 20;
/// Bytes of a key's name.
const LONGEST_NAME: usize = 64;

/// A list of trusted keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    /// Counts up from 1.
    pub version: u64,
    /// How many of the keys must have signed, 1 and more.
    pub threshold: u32,
    /// The keys.
    pub keys: Vec<NamedKey>,
}

/// A key and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// Its name.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// One version with the signatures under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    list: KeyList,
    signatures: Vec<KeySignature>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySignature {
    key: PublicKey,
    signature: Signature,
}

/// All versions of a list, whether or not they are signed as they must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct SignedList {
    versions: Vec<Version>,
}

/// Why a list of keys is not trusted or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// It is no such document.
    #[error("it is no list of keys: {0}")]
    Form(String),
    /// A list cannot be used.
    #[error("version {version} of the list of keys cannot be used: {reason}")]
    List {
        /// Which.
        version: u64,
        /// Why.
        reason: &'static str,
    },
    /// The versions do not count up one by one.
    #[error("version {found} of the list of keys stands where version {expected} must be")]
    Order {
        /// What is there.
        found: u64,
        /// What must be there.
        expected: u64,
    },
    /// A version lacks signatures.
    #[error(
        "version {version} of the list of keys is signed by {found} of the {needed} keys of {whose} that are needed; add one with `vedette keys sign`"
    )]
    Signatures {
        /// Which.
        version: u64,
        /// How many of them are there.
        found: usize,
        /// How many are needed.
        needed: u32,
        /// Of the list itself or of the one before.
        whose: &'static str,
    },
    /// It does not continue another list.
    #[error(
        "the list of keys is not a later version of the one that is trusted already; they part at version {version}"
    )]
    Foreign {
        /// The first version that differs.
        version: u64,
    },
}

/// Who may sign, and how many of them must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// How many.
    pub threshold: u32,
    /// Who.
    pub keys: BTreeSet<PublicKey>,
}

/// Why a file does not say whom to trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Neither a list nor public keys.
    #[error(transparent)]
    Key(#[from] NoPublicKey),
    /// The list is not in order.
    #[error(transparent)]
    List(#[from] KeyListError),
    /// There is nobody in it.
    #[error("it names no key")]
    Nobody,
}

impl Trust {
    /// From the content of a file: a list of keys, or public keys one per line.
    ///
    /// # Errors
    /// When it is neither, or the list is not signed as it must be.
    pub fn from_file(text: &str) -> Result<Self, TrustError> {
        if text.trim_start().starts_with('{') {
            return Ok(SignedList::from_json(text)?.in_force()?.trust());
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.take(MOST_KEYS).map(str::parse).collect::<Result<BTreeSet<PublicKey>, _>>()?;
        if keys.is_empty() { Err(TrustError::Nobody) } else { Ok(Self { threshold: 1, keys }) }
    }

    /// How many different trusted keys are among `signers`.
    pub fn count(&self, signers: impl IntoIterator<Item = PublicKey>) -> usize {
        signers.into_iter().filter(|key| self.keys.contains(key)).collect::<BTreeSet<_>>().len()
    }
}

impl KeyList {
    /// Its keys and threshold.
    pub fn trust(&self) -> Trust {
        Trust { threshold: self.threshold, keys: self.keys.iter().map(|named| named.key).collect() }
    }

    fn check(&self) -> Result<(), KeyListError> {
        let refuse = |reason| Err(KeyListError::List { version: self.version, reason });
        let different: BTreeSet<PublicKey> = self.keys.iter().map(|named| named.key).collect();
        let is_name = |name: &str| {
            (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        };
        match () {
            () if self.keys.is_empty() || self.keys.len() > MOST_KEYS => refuse("it must have 1 to 16 keys"),
            () if different.len() < self.keys.len() => refuse("it has a key twice"),
            () if self.threshold == 0 => refuse("its threshold is 0"),
            () if self.threshold as usize > self.keys.len() => refuse("its threshold is more than its keys"),
            () if !self.keys.iter().all(|named| is_name(&named.name)) => {
                refuse("names have 1 to 64 letters, digits, signs and spaces of ASCII")
            }
            () => Ok(()),
        }
    }

    /// What is signed.
    fn message(&self) -> Vec<u8> {
        // Numbers and texts always have a JSON form.
        canonical::write(self).unwrap_or_default()
    }
}

impl SignedList {
    /// Reads the document; says nothing yet of its signatures.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn from_json(text: &str) -> Result<Self, KeyListError> {
        let form = |reason: String| KeyListError::Form(reason);
        if text.len() > MOST_BYTES {
            return Err(form(format!("it has more than {MOST_BYTES} bytes")));
        }
        let list: Self = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
        if list.versions.is_empty() || list.versions.len() > MOST_VERSIONS {
            return Err(form(format!("it must have 1 to {MOST_VERSIONS} versions")));
        }
        Ok(list)
    }

    /// The document.
    pub fn to_json(&self) -> String {
        // Numbers and texts always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The list in force, after every version was checked.
    ///
    /// # Errors
    /// When a version is not signed as it must be, or the versions do not follow one another.
    pub fn in_force(&self) -> Result<&KeyList, KeyListError> {
        let mut before: Option<&KeyList> = None;
        for (version, expected) in self.versions.iter().zip(1..) {
            let list = &version.list;
            list.check()?;
            if list.version != expected {
                return Err(KeyListError::Order { found: list.version, expected });
            }
            if let Some(before) = before {
                version.require(&before.trust(), "the version before it")?;
            }
            version.require(&list.trust(), "its own")?;
            before = Some(list);
        }
        before.ok_or_else(|| KeyListError::Form("it has no version".to_owned()))
    }

    /// The newest version, signed or not.
    pub fn newest(&self) -> Option<&KeyList> {
        self.versions.last().map(|version| &version.list)
    }

    /// Who signed the newest version.
    pub fn signers(&self) -> Vec<PublicKey> {
        self.versions.last().map(Version::signers).unwrap_or_default()
    }

    /// Checks that this is `older`, or a later version of it.
    ///
    /// # Errors
    /// When it is another list, or an earlier version.
    pub fn continues(&self, older: &Self) -> Result<(), KeyListError> {
        for (at, version) in older.versions.iter().enumerate() {
            if self.versions.get(at).map(|own| &own.list) != Some(&version.list) {
                return Err(KeyListError::Foreign { version: at as u64 + 1 });
            }
        }
        Ok(())
    }

    /// Appends a version with `keys` and `threshold`, signed by `signers`. It may still lack signatures.
    ///
    /// # Errors
    /// When the list cannot be used.
    pub fn append(&mut self, keys: Vec<NamedKey>, threshold: u32, signers: &[SecretKey]) -> Result<(), KeyListError> {
        let list = KeyList { version: self.versions.len() as u64 + 1, threshold, keys };
        list.check()?;
        if self.versions.len() >= MOST_VERSIONS {
            return Err(KeyListError::List { version: list.version, reason: "a document has at most 256 versions" });
        }
        self.versions.push(Version { list, signatures: Vec::new() });
        signers.iter().for_each(|signer| self.sign(signer));
        Ok(())
    }

    /// Adds a signature to the newest version, or puts it in the place of an older one of the same key.
    pub fn sign(&mut self, signer: &SecretKey) {
        if let Some(version) = self.versions.last_mut() {
            let (key, signature) = (signer.public(), signer.sign(Purpose::KeyList, &version.list.message()));
            version.signatures.retain(|other| other.key != key);
            version.signatures.push(KeySignature { key, signature });
        }
    }
}

impl Version {
    /// Whose signatures hold.
    fn signers(&self) -> Vec<PublicKey> {
        let message = self.list.message();
        let holds = |s: &&KeySignature| s.key.verifies(Purpose::KeyList, &message, &s.signature);
        self.signatures.iter().take(2 * MOST_KEYS).filter(holds).map(|s| s.key).collect()
    }

    fn require(&self, trust: &Trust, whose: &'static str) -> Result<(), KeyListError> {
        let found = trust.count(self.signers());
        if found >= trust.threshold as usize {
            return Ok(());
        }
        Err(KeyListError::Signatures { version: self.list.version, found, needed: trust.threshold, whose })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed(format!("key {number}"), [number; 32])
    }

    fn named(keys: &[u8]) -> Vec<NamedKey> {
        keys.iter().map(|&n| NamedKey { name: format!("key {n}"), key: key(n).public() }).collect()
    }

    fn first(keys: &[u8], threshold: u32) -> SignedList {
        let mut list = SignedList::default();
        list.append(named(keys), threshold, &[key(1), key(2)]).unwrap();
        list
    }

    #[test]
    fn a_new_key_is_trusted_when_the_old_one_vouches_for_it() {
        let old = first(&[1], 1);
        let mut new = old.clone();
        new.append(named(&[3]), 1, &[key(1), key(3)]).unwrap();
        assert_eq!(new.in_force().unwrap().trust().keys, BTreeSet::from([key(3).public()]));
        assert_eq!(new.continues(&old), Ok(()));
        assert_eq!(old.continues(&new), Err(KeyListError::Foreign { version: 2 }));
        assert_eq!(first(&[2], 1).continues(&old), Err(KeyListError::Foreign { version: 1 }));
    }

    #[test]
    fn a_version_that_the_old_keys_or_the_new_ones_did_not_sign_is_refused() {
        let mut list = first(&[1, 2], 2);
        list.append(named(&[3]), 1, &[key(1), key(3)]).unwrap();
        let error = list.in_force().unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("1 of the 2 keys of the version before it"), "{error}");
        list.sign(&key(2));
        assert!(list.in_force().is_ok());
        let mut unheld = first(&[1], 1);
        unheld.append(named(&[3]), 1, &[key(1)]).unwrap();
        assert!(unheld.in_force().unwrap_err().to_string().contains("its own"));
    }

    #[test]
    fn a_changed_list_loses_its_signatures() {
        let list = first(&[1], 1);
        let text = list.to_json();
        assert_eq!(SignedList::from_json(&text).unwrap(), list);
        let changed = text.replace(&key(1).public().to_string(), &key(3).public().to_string());
        assert!(SignedList::from_json(&changed).unwrap().in_force().is_err());
        let skipped = text.replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(
            SignedList::from_json(&skipped).unwrap().in_force(),
            Err(KeyListError::Order { found: 2, expected: 1 })
        ));
        assert!(matches!(SignedList::from_json("{\"versions\":[]}"), Err(KeyListError::Form(_))));
        assert!(matches!(SignedList::from_json("{\"versions\":[],\"more\":1}"), Err(KeyListError::Form(_))));
    }

    #[test]
    fn a_list_that_makes_no_sense_is_not_made() {
        let refusal = |keys: &[u8], threshold| SignedList::default().append(named(keys), threshold, &[]).unwrap_err();
        assert!(refusal(&[], 1).to_string().contains("1 to 16 keys"));
        assert!(refusal(&[1, 1], 1).to_string().contains("twice"));
        assert!(refusal(&[1], 0).to_string().contains("threshold"));
        assert!(refusal(&[1], 2).to_string().contains("threshold"));
    }

    #[test]
    fn whom_to_trust_is_a_list_or_public_keys_line_by_line() {
        let lines = format!("# release\n{}\n\n{}\n", key(1).public(), key(2).public());
        let trust = Trust::from_file(&lines).unwrap();
        assert_eq!((trust.threshold, trust.keys.len()), (1, 2));
        assert_eq!(Trust::from_file(&first(&[1, 2], 2).to_json()).unwrap().threshold, 2);
        assert_eq!(Trust::from_file("# nobody\n"), Err(TrustError::Nobody));
        assert!(matches!(Trust::from_file("hello"), Err(TrustError::Key(_))));
        assert!(matches!(Trust::from_file("{}"), Err(TrustError::List(_))));
    }
}
