//! The group in which all hubs on one database subscribe, so that each event goes to one of them.
//!
//! Its name is drawn once and kept in the database. It must be hard to guess: mosquitto lets anybody join a group, and gives
//! whoever may not read what comes a turn all the same. An agent that knew the name could make events of others disappear.

use sqlx::Row as _;

use crate::hub::access::{AccessError, secret};
use crate::hub::database::{Database, Doing as _};

/// The name of the group, drawn where there is none yet.
///
/// # Errors
/// When the database fails or the system gives no random bytes.
pub async fn group(database: &Database) -> Result<String, AccessError> {
    let doing = "reading the name of the group in which hubs subscribe";
    let drawn = format!("hub-{}", secret::random::<16>()?);
    let mut write = database.write().await?;
    let insert = "INSERT INTO intake_group (id, name) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
    sqlx::query(insert).bind(drawn).execute(&mut *write).await.doing(doing)?;
    let row = sqlx::query("SELECT name FROM intake_group WHERE id = 1").fetch_one(&mut *write).await.doing(doing)?;
    let name = row.try_get("name").doing(doing)?;
    write.commit().await.doing(doing)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hubs_on_one_database_share_it_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            async |name: &str| Database::open(&format!("sqlite://{}/{name}", folder.path().display())).await.unwrap();
        let (one, same, other) = (open("a.db").await, open("a.db").await, open("b.db").await);
        let name = group(&one).await.unwrap();
        assert_eq!(group(&same).await.unwrap(), name);
        assert_ne!(group(&other).await.unwrap(), name);
        assert!(name.len() >= 32 && !name.contains(['/', '+', '#']), "{name}");
    }
}
