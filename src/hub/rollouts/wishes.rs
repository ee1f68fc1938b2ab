//! What agents are to have: one signed document for each agent, which only ever gets a higher revision.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Row as _, Transaction};

use crate::hub::database::{DatabaseError, Doing as _};
use crate::toolchain::keys::SecretKey;
use crate::vocab::Id;
use crate::wire::{self, DesiredMessage, DesiredModel, SignedDesired};

const DOING: &str = "reading what an agent is to have";

/// Writes down, signed, what `agent` is to have in `slot`; what is wished of its other models stays. Returns the revision,
/// which is higher than any that the agent has `taken`, also when this database has forgotten some.
pub(super) async fn wish(
    write: &mut Transaction<'static, Any>,
    key: &SecretKey,
    agent: &Id,
    taken: u64,
    slot: &Id,
    model: DesiredModel,
    now: i64,
) -> Result<i64, DatabaseError> {
    let statement = "SELECT document FROM desired WHERE agent = $1";
    let row = sqlx::query(statement).bind(agent.as_str()).fetch_optional(&mut **write).await.doing(DOING)?;
    let none = || DesiredMessage { agent: agent.clone(), revision: 0, models: BTreeMap::new() };
    let mut message = row.as_ref().map_or_else(|| Ok(none()), message)?;
    message.revision = message.revision.max(taken).saturating_add(1);
    message.models.insert(slot.clone(), model);
    let document = String::from_utf8_lossy(&wire::to_json(&message.sign(key))).into_owned();
    let revision = i64::try_from(message.revision).unwrap_or(i64::MAX);
    let statement = "INSERT INTO desired (agent, revision, document, told_ns) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (agent) DO UPDATE SET revision = excluded.revision, document = excluded.document, \
         told_ns = excluded.told_ns";
    let insert = sqlx::query(statement).bind(agent.as_str()).bind(revision).bind(document).bind(now);
    insert.execute(&mut **write).await.doing("writing down what an agent is to have")?;
    Ok(revision)
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
            revisions.push(wish(&mut write, &key, &gate, taken, &id(slot), model(rollout), 0).await.unwrap());
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
}
