//! Galleries of people who are known, sealed, on their way from where they are kept to the agents.
//!
//! ```text
//!   vedette gallery publish ──▶ blobs (sealed bytes) + a row ◀── asked for again and again ── agents, which have the key
//!                                                                                               │
//!   dashboard ◀── who has which revision ◀── health of each agent ◀─────────────────────────────╯
//! ```
//!
//! No key and no vector is ever here in the clear, so that nothing here can tell who is in a gallery or change it. What its file
//! says of itself (revision, embedding model) is believed for the sake of order alone: agents open it and see. Only the newest
//! is kept: whoever was removed would be in an older one.

mod error;
mod rows;
mod standing;

pub use error::GalleryError;
pub use rows::GalleryFacts;
pub use standing::{Listed, Shown, Standing};

use serde_json::json;

use super::access::{Audit, Caller, Change, Role};
use super::blobs::BlobName;
use super::database::{Database, Doing as _};
use super::fleet::Fleet;
use super::registry::{self, Registry, RegistryError};
use crate::base::clock::SharedClock;
use crate::toolchain::gallery::{self, Head, StoreError};
use crate::vocab::Id;

/// All galleries. Cloning is cheap.
#[derive(Clone)]
pub struct Galleries {
    database: Database,
    clock: SharedClock,
    registry: Registry,
    fleet: Fleet,
}

impl Galleries {
    /// Those in `database`, whose files are in the store of `registry`, for agents of `fleet`.
    pub fn new(database: Database, clock: SharedClock, registry: Registry, fleet: Fleet) -> Self {
        Self { database, clock, registry, fleet }
    }

    /// What is here, and which agents have it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn show(&self) -> Result<Shown, GalleryError> {
        let galleries = rows::all(&self.database).await?;
        Ok(standing::show(galleries, &self.fleet.whole_agents().await?))
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When there is none, or the database fails.
    pub async fn gallery(&self, name: &Id) -> Result<GalleryFacts, GalleryError> {
        let found = rows::one(&self.database, name).await?;
        found.ok_or_else(|| GalleryError::NoGallery { gallery: name.clone() })
    }

    /// Puts the file with this digest, which was received before, in the place of the older one, whose file is deleted. The
    /// same file again changes nothing.
    ///
    /// # Errors
    /// When `by` is no engineer, the file was not received, is no gallery or is not newer, or the database fails.
    pub async fn publish(&self, by: &Caller, name: &Id, sha256: &str) -> Result<GalleryFacts, GalleryError> {
        by.needs(Role::Engineer)?;
        let blob = BlobName::new(sha256).map_err(RegistryError::from)?;
        // From here on it is not taken for one that nobody wants.
        self.registry.expect(&blob).await?;
        let (head, size) = self.look(blob).await?;
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        if !registry::hold(&mut write, sha256, now).await? {
            return Err(GalleryError::NoFile { sha256: sha256.to_owned() });
        }
        let before = rows::locked(&mut write, name).await?;
        if let Some(same) = before.as_ref().filter(|before| before.sha256 == sha256) {
            return Ok(same.clone());
        }
        let (offered, present) = (head.revision, before.as_ref().map_or(0, |before| before.revision));
        let facts = GalleryFacts::new(name, (offered, head.space), (sha256, size), by, now);
        if before.is_some() && offered <= present || !rows::put(&mut write, &facts).await? {
            return Err(GalleryError::NotNewer { gallery: name.clone(), offered, present });
        }
        let leaving = match &before {
            Some(before) => registry::leave(&mut write, &before.sha256, now).await?,
            None => None,
        };
        let details = json!({ "revision": offered, "before": before.map(|_| present), "sha256": sha256, "size": size });
        let change = Change { action: "gallery.publish", object: name.as_str(), details };
        Audit::note(&mut write, now, by, &change).await?;
        write.commit().await.doing("publishing a gallery")?;
        if let Some(leaving) = leaving {
            self.registry.delete_or_leave_to_sweep(&leaving).await;
        }
        Ok(facts)
    }

    /// Takes one away, with its file. Agents keep what they have.
    ///
    /// # Errors
    /// When `by` is no engineer, there is none, or the database fails.
    pub async fn withdraw(&self, by: &Caller, name: &Id) -> Result<(), GalleryError> {
        by.needs(Role::Engineer)?;
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let before = rows::locked(&mut write, name).await?;
        let before = before.ok_or_else(|| GalleryError::NoGallery { gallery: name.clone() })?;
        rows::remove(&mut write, name).await?;
        let leaving = registry::leave(&mut write, &before.sha256, now).await?;
        let details = json!({ "revision": before.revision, "sha256": before.sha256 });
        let change = Change { action: "gallery.withdraw", object: name.as_str(), details };
        Audit::note(&mut write, now, by, &change).await?;
        write.commit().await.doing("withdrawing a gallery")?;
        if let Some(leaving) = leaving {
            self.registry.delete_or_leave_to_sweep(&leaving).await;
        }
        Ok(())
    }

    /// What a received file says of itself.
    async fn look(&self, blob: BlobName) -> Result<(Head, u64), GalleryError> {
        let (blobs, sha256) = (self.registry.blobs().clone(), blob.as_str().to_owned());
        let looked = self.registry.blocking(move || {
            let file = blobs.local(&blob)?;
            Ok(file.map(|file| gallery::look(file.path())))
        });
        let (head, size) = match looked.await?.ok_or(GalleryError::NoFile { sha256 })? {
            Ok(looked) => looked,
            Err(StoreError::Format { source, .. }) => {
                return Err(GalleryError::Refused { reason: source.to_string() });
            }
            Err(error) => return Err(RegistryError::Broken { reason: error.to_string() }.into()),
        };
        match i64::try_from(head.revision) {
            Ok(_) => Ok((head, size)),
            Err(_) => Err(GalleryError::Refused { reason: "no gallery was changed that often".to_owned() }),
        }
    }
}
