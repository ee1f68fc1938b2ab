//! Accounts in a database: made, replaced, ended; and the hub's own.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::clock::SimulatedClock;
use crate::hub::access::Looked;

struct Bed {
    accounts: Accounts,
    clock: Arc<SimulatedClock>,
    folder: tempfile::TempDir,
}

async fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
    let clock = SimulatedClock::at(1_000);
    Bed { accounts: Accounts::new(database, clock.clone()), clock, folder }
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn caller(role: Role) -> Caller {
    Caller::new("somebody", role)
}

impl Bed {
    async fn in_force(&self, user: &str) -> PasswordHash {
        let all = self.accounts.all().await.unwrap();
        let account = all.into_iter().find(|account| account.user == id(user)).unwrap();
        account.hash.unwrap().parse().unwrap()
    }

    fn own(&self, user: &str, owner: &str) -> Own {
        Own { user: id(user), owner: owner.to_owned(), password_file: Some(self.folder.path().join("hub.password")) }
    }
}

#[tokio::test]
async fn the_first_password_holds_at_once_and_the_next_when_somebody_says_so() {
    let bed = bed().await;
    let (admin, gate) = (caller(Role::Admin), id("gate"));
    let first = bed.accounts.issue(&admin, &gate, false).await.unwrap();
    assert!(!first.is_pending && first.password.expose().starts_with("vedette_mqtt_"));
    assert!(bed.in_force("gate").await.is_of(&first.password));
    assert!(matches!(bed.accounts.activate(&admin, &gate).await, Err(AccountError::NonePending { .. })));

    bed.clock.advance(Duration::from_nanos(500));
    let forgotten = bed.accounts.issue(&admin, &gate, false).await.unwrap();
    let next = bed.accounts.issue(&admin, &gate, false).await.unwrap();
    assert!(forgotten.is_pending && next.is_pending);
    assert!(bed.in_force("gate").await.is_of(&first.password), "the box does not have the next one yet");
    let facts = bed.accounts.show(&gate).await.unwrap();
    assert_eq!((facts.since_ns, facts.pending_ns), (1_000, Some(1_500)));
    let facts = bed.accounts.activate(&admin, &gate).await.unwrap();
    assert_eq!((facts.since_ns, facts.pending_ns), (1_500, None));
    assert!(bed.in_force("gate").await.is_of(&next.password));

    let waits = bed.accounts.issue(&admin, &gate, false).await.unwrap();
    let at_once = bed.accounts.issue(&admin, &gate, true).await.unwrap();
    assert!(waits.is_pending && !at_once.is_pending);
    assert!(bed.in_force("gate").await.is_of(&at_once.password), "the old one has leaked");
    assert_eq!(bed.accounts.show(&gate).await.unwrap().pending_ns, None, "and so may have the one that waited");

    bed.accounts.revoke(&admin, &gate).await.unwrap();
    assert!(bed.accounts.all().await.unwrap().is_empty());
    for result in [
        bed.accounts.revoke(&admin, &gate).await,
        bed.accounts.activate(&admin, &gate).await.map(drop),
        bed.accounts.show(&gate).await.map(drop),
    ] {
        assert!(matches!(result, Err(AccountError::NoAccount { .. })));
    }
    let audit = Audit::new(bed.accounts.database.clone());
    let records = audit.look(&Looked { action: "credentials.".to_owned(), ..Looked::default() }, 20).await.unwrap();
    let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions[0], "credentials.revoke");
    assert_eq!(actions.iter().filter(|action| **action == "credentials.issue").count(), 5);
    assert!(records.iter().all(|record| !record.details.contains("vedette_mqtt_") && !record.details.contains("$7$")));
}

#[tokio::test]
async fn only_an_admin_changes_an_account() {
    let bed = bed().await;
    for role in [Role::Viewer, Role::Operator, Role::Engineer] {
        let refused = |result: Result<(), AccountError>| {
            assert!(matches!(result, Err(AccountError::Access(_))), "{role}: {result:?}");
        };
        refused(bed.accounts.issue(&caller(role), &id("gate"), false).await.map(drop));
        refused(bed.accounts.activate(&caller(role), &id("gate")).await.map(drop));
        refused(bed.accounts.revoke(&caller(role), &id("gate")).await);
    }
    assert!(bed.accounts.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hub_notes_its_own_account_and_no_agent_has_its_name() {
    let bed = bed().await;
    let (admin, hub) = (caller(Role::Admin), bed.own("hub", "hub-1"));
    assert!(matches!(hub.register(&bed.accounts).await, Err(AccountError::File { doing: "reading", .. })));
    hub.ensure_password().unwrap();
    assert!(hub.register(&bed.accounts).await.unwrap());
    assert!(!hub.register(&bed.accounts).await.unwrap(), "nothing has changed");
    let made = std::fs::read_to_string(hub.password_file.as_ref().unwrap()).unwrap();
    assert!(bed.in_force("hub").await.is_of(&Secret::new(made.trim())));
    hub.ensure_password().unwrap();
    assert_eq!(std::fs::read_to_string(hub.password_file.as_ref().unwrap()).unwrap(), made, "what is there stays");

    std::fs::write(hub.password_file.as_ref().unwrap(), "another\n").unwrap();
    assert!(hub.register(&bed.accounts).await.unwrap());
    assert!(bed.in_force("hub").await.is_of(&Secret::new("another")));
    assert!(matches!(bed.accounts.issue(&admin, &id("hub"), true).await, Err(AccountError::OfHub { .. })));
    assert!(matches!(bed.accounts.revoke(&admin, &id("hub")).await, Err(AccountError::OfHub { .. })));

    // A second hub on the same database, and the first under another name.
    assert!(bed.own("hub-b", "hub-2").register(&bed.accounts).await.unwrap());
    assert!(bed.own("centre", "hub-1").register(&bed.accounts).await.unwrap());
    bed.accounts.issue(&admin, &id("a-gate"), false).await.unwrap();
    let users: Vec<String> = bed.accounts.list().await.unwrap().iter().map(|facts| facts.user.to_string()).collect();
    assert_eq!(users, ["centre", "hub-b", "a-gate"], "hubs come first");
    let taken = bed.own("a-gate", "hub-1").register(&bed.accounts).await;
    assert!(matches!(taken, Err(AccountError::OfAgent { .. })), "{taken:?}");
    let bare = Own { password_file: None, ..bed.own("centre", "hub-1") };
    assert!(bare.register(&bed.accounts).await.unwrap(), "its certificate stands for a password");
    assert!(bed.accounts.all().await.unwrap().iter().any(|account| account.hash.is_none()));
}
