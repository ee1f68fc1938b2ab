//! What agents are to have: one signed document for each agent, which only ever gets a higher revision.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Row as _, Transaction};

use crate::hub::database::{DatabaseError, Doing as _};
use crate::toolchain::keys::SecretKey;
use crate::vocab::Id;
use crate::wire::{self, DesiredConfig, DesiredMessage, DesiredModel, SignError, SignedDesired};

const DOING: &str = "reading what an agent is to have";

/// Something that an agent is to have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// A model, under the name that it has in the agent's configuration.
    Model(Id, DesiredModel),
    /// An overlay over that.
    Config(DesiredConfig),
}

/// Why a wish is not written down.
#[derive(Debug, thiserror::Error)]
pub(super) enum WishError {
    /// With what else is wished of the agent, it is more than the agent would take.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Wish {
    fn enter(self, message: &mut DesiredMessage) {
        match self {
            Self::Model(slot, model) => drop(message.models.insert(slot, model)),
            Self::Config(config) => message.config = Some(config),
        }
    }
}

/// Writes down, signed, what `agent` is to have; what else is wished of it stays. Returns the revision, which is higher than
/// any that the agent has `taken`, also when this database has forgotten some.
pub(super) async fn wish(
    write: &mut Transaction<'static, Any>,
    key: &SecretKey,
    agent: &Id,
    taken: u64,
    wish: Wish,
    now: i64,
) -> Result<i64, WishError> {
    let mut message = wished(write, agent).await?;
    message.revision = message.revision.max(taken).saturating_add(1);
    wish.enter(&mut message);
    let document = String::from_utf8_lossy(&wire::to_json(&message.sign(key)?)).into_owned();
    let revision = i64::try_from(message.revision).unwrap_or(i64::MAX);
    let statement = "INSERT INTO desired (agent, revision, document, told_ns) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (agent) DO UPDATE SET revision = excluded.revision, document = excluded.document, \
         told_ns = excluded.told_ns";
    let insert = sqlx::query(statement).bind(agent.as_str()).bind(revision).bind(document).bind(now);
    insert.execute(&mut **write).await.doing("writing down what an agent is to have")?;
    Ok(revision)
}

/// Whether each of `agents` would take `wish` with what else is wished of it, by its size.
pub(super) async fn must_fit(connection: &mut AnyConnection, agents: &[Id], wish: &Wish) -> Result<(), WishError> {
    // Any key signs equally long, and the highest revision is the longest.
    let key = SecretKey::from_seed("size", [0; 32]);
    for agent in agents {
        let mut message = wished(connection, agent).await?;
        message.revision = u64::MAX;
        wish.clone().enter(&mut message);
        message.sign(&key)?;
    }
    Ok(())
}

/// What is wished of an agent.
async fn wished(connection: &mut AnyConnection, agent: &Id) -> Result<DesiredMessage, DatabaseError> {
    let statement = "SELECT document FROM desired WHERE agent = $1";
    let row = sqlx::query(statement).bind(agent.as_str()).fetch_optional(connection).await.doing(DOING)?;
    let none = || DesiredMessage { agent: agent.clone(), revision: 0, models: BTreeMap::new(), config: None };
    row.as_ref().map_or_else(|| Ok(none()), message)
}

fn message(row: &AnyRow) -> Result<DesiredMessage, DatabaseError> {
    let document: String = row.try_get("document").doing(DOING)?;
    let signed: Result<SignedDesired, _> = serde_json::from_str(&document);
    let message = signed.and_then(|signed| serde_json::from_str(&signed.payload));
    message.map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)
}

/// Every agent of which something is wished, with the revision of that.
pub(super) async fn revisions(connection: &mut AnyConnection) -> Result<Vec<(Id, i64)>, DatabaseError> {
    let rows =
        sqlx::query("SELECT agent, revision FROM desired ORDER BY agent").fetch_all(connection).await.doing(DOING)?;
    let read = |row: &AnyRow| {
        let agent: String = row.try_get("agent").doing(DOING)?;
        let agent = Id::new(&agent).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)?;
        Ok((agent, row.try_get("revision").doing(DOING)?))
    };
    rows.iter().map(read).collect()
}

/// The document of an agent as it is published, with its revision.
pub(super) async fn document(
    connection: &mut AnyConnection,
    agent: &Id,
) -> Result<Option<(i64, String)>, DatabaseError> {
    let statement = "SELECT revision, document FROM desired WHERE agent = $1";
    let row = sqlx::query(statement).bind(agent.as_str()).fetch_optional(connection).await.doing(DOING)?;
    let read = |row: AnyRow| Ok((row.try_get("revision").doing(DOING)?, row.try_get("document").doing(DOING)?));
    row.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::database::Database;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn model(rollout: &str) -> DesiredModel {
        DesiredModel { rollout: rollout.to_owned(), package: None, proof: None }
    }

    #[tokio::test]
    async fn a_revision_only_rises_and_what_is_wished_of_other_models_stays() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        let (key, gate) = (SecretKey::from_seed("hub", [1; 32]), id("gate"));
        let mut revisions = Vec::new();
        for (taken, slot, rollout) in [
            (0, "people", "people-1-1"),
            (0, "cars", "cars-1-1"),
            // The database was restored from an old copy, and the agent has taken more than it knows of.
            (57, "people", "people-2-1"),
            (3, "people", "people-2-1"),
        ] {
            let mut write = database.write().await.unwrap();
            let model = Wish::Model(id(slot), model(rollout));
            revisions.push(wish(&mut write, &key, &gate, taken, model, 0).await.unwrap());
            write.commit().await.unwrap();
        }
        assert_eq!(revisions, [1, 2, 58, 59]);
        let mut read = database.pool().acquire().await.unwrap();
        assert_eq!(super::revisions(&mut read).await.unwrap(), [(gate.clone(), 59)]);
        let (revision, document) = document(&mut read, &gate).await.unwrap().unwrap();
        let message = DesiredMessage::verify(document.as_bytes(), &gate, &[key.public()]).unwrap();
        assert_eq!((revision, message.revision), (59, 59));
        let models = [(id("people"), model("people-2-1")), (id("cars"), model("cars-1-1"))];
        assert_eq!(message.models, models.into());
    }

    #[tokio::test]
    async fn a_wish_for_the_configuration_leaves_those_for_models_and_what_is_too_large_is_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        let (key, gate) = (SecretKey::from_seed("hub", [1; 32]), id("gate"));
        let config = |text: &str| {
            let overlay = Some(wire::OverlayRef::of(text));
            Wish::Config(DesiredConfig {
                rollout: "config-1".into(),
                overlay,
                text: Some(text.to_owned()),
                trial: None,
            })
        };
        // Escaped twice, it takes three times its size.
        let large = config(&"#\n".repeat(12_000));
        let mut write = database.write().await.unwrap();
        wish(&mut write, &key, &gate, 0, Wish::Model(id("people"), model("people-1-1")), 0).await.unwrap();
        must_fit(&mut write, std::slice::from_ref(&gate), &config("{}")).await.unwrap();
        let refused = must_fit(&mut write, std::slice::from_ref(&gate), &large).await.unwrap_err();
        assert!(refused.to_string().starts_with("what gate is to have takes "), "{refused}");
        wish(&mut write, &key, &gate, 0, config("{}"), 0).await.unwrap();
        assert!(matches!(wish(&mut write, &key, &gate, 0, large, 0).await, Err(WishError::Sign(_))));
        write.commit().await.unwrap();
        let mut read = database.pool().acquire().await.unwrap();
        let message = wished(&mut read, &gate).await.unwrap();
        assert_eq!((message.revision, message.models.len()), (2, 1));
        assert_eq!(message.config.unwrap().text.as_deref(), Some("{}"));
    }
}
