//! What mosquitto reads: `passwd`, `acl`, and the lines of its configuration that name them.
//!
//! The list has a block for each account rather than one `pattern` with `%u` for all. A pattern would hold for whoever has a
//! password, hubs included, so that the name of an account alone would make it an agent; it would not say who may do what to
//! somebody who reads it; and an agent that logs in with a certificate, which has no line in `passwd`, could not be revoked.
//!
//! What mosquitto does with the list, as its tests here have seen: the Last Will is held against it when it is published;
//! a subscription is never refused, and what may not be read is then not sent; `$SYS` is denied as everything that is not
//! named. A member of a shared subscription that may not read takes its share out all the same, and it is lost for the
//! group: that is why the group of the hubs has a secret name.

use std::fmt::Write as _;
use std::path::Path;

use super::rows::{Account, Kind};
use crate::wire::{Access, agent_rights, hub_rights};

/// The name of the file with the passwords.
pub const PASSWD: &str = "passwd";
/// The name of the file with the rights.
pub const ACL: &str = "acl";

/// The files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `passwd`: a user and its hash a line.
    pub passwd: String,
    /// `acl`: what each user may read and write.
    pub acl: String,
}

impl Files {
    /// The files for these accounts.
    pub fn of(accounts: &[Account]) -> Self {
        let mut passwd = String::new();
        let mut acl = String::from("# Written by the hub, which replaces it when an account is made or ended.\n");
        for account in accounts {
            let user = &account.user;
            if let Some(hash) = &account.hash {
                let _ = writeln!(passwd, "{user}:{hash}");
            }
            let _ = writeln!(acl, "\nuser {user}");
            let rights = match account.kind {
                Kind::Hub => hub_rights(),
                Kind::Agent => agent_rights(user),
            };
            for right in rights {
                let access = match right.access {
                    Access::Read => "read",
                    Access::Write => "write",
                };
                let _ = writeln!(acl, "topic {access} {}", right.filter);
            }
        }
        Self { passwd, acl }
    }
}

/// What stands in mosquitto's own configuration, where the files lie in `folder`.
pub fn configuration(folder: &Path) -> String {
    let (passwd, acl) = (folder.join(PASSWD), folder.join(ACL));
    format!(
        "# Lines for mosquitto.conf; mosquitto must be started anew for them, once. Later changes of both files need SIGHUP.
listener 8883
# The certificate of the broker: without it passwords cross the network in the clear.
#cafile /etc/mosquitto/certs/ca.pem
#certfile /etc/mosquitto/certs/broker.pem
#keyfile /etc/mosquitto/certs/broker.key
allow_anonymous false
password_file {}
acl_file {}
# The account is the client id: nobody ends the connection of another, or takes over its session with what waits in it.
use_username_as_clientid true
# What waits for the hub waits, however much, and outlives the broker. (With 0, which is no limit, mosquitto 2.0 ends the
# connection of whoever publishes where it may not, in place of refusing that message.)
max_queued_messages 1000000000
persistence true
",
        passwd.display(),
        acl.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Id;

    fn account(user: &str, kind: Kind, hash: Option<&str>) -> Account {
        Account { user: Id::new(user).unwrap(), kind, hash: hash.map(str::to_owned) }
    }

    #[test]
    fn nobody_has_more_than_its_own() {
        let accounts =
            [account("hub", Kind::Hub, Some("$7$101$h")), account("gate-north", Kind::Agent, Some("$7$101$g"))];
        let files = Files::of(&accounts);
        assert_eq!(files.passwd, "hub:$7$101$h\ngate-north:$7$101$g\n");
        insta::assert_snapshot!(files.acl, @r"
        # Written by the hub, which replaces it when an account is made or ended.

        user hub
        topic read vedette/v1/+/alert/#
        topic read vedette/v1/+/event/#
        topic read vedette/v1/+/snapshot/#
        topic read vedette/v1/+/reply/+
        topic read vedette/v1/+/status
        topic read vedette/v1/+/health
        topic read vedette/v1/+/camera/+/state
        topic read vedette/v1/+/reported
        topic write vedette/v1/+/ack
        topic write vedette/v1/+/desired
        topic write vedette/v1/+/command/clip

        user gate-north
        topic write vedette/v1/gate-north/status
        topic write vedette/v1/gate-north/health
        topic write vedette/v1/gate-north/camera/+/state
        topic write vedette/v1/gate-north/alert/+/+
        topic write vedette/v1/gate-north/event/+
        topic write vedette/v1/gate-north/count/+/+
        topic write vedette/v1/gate-north/snapshot/+/+
        topic write vedette/v1/gate-north/reply/+
        topic write vedette/v1/gate-north/reported
        topic read vedette/v1/gate-north/command/#
        topic read vedette/v1/gate-north/ack
        topic read vedette/v1/gate-north/desired
        topic read vedette/v1/gate-north/status
        ");
    }

    #[test]
    fn whoever_shows_a_certificate_has_rights_and_no_password() {
        let files = Files::of(&[account("hub", Kind::Hub, None)]);
        assert_eq!(files.passwd, "");
        assert!(files.acl.contains("user hub\ntopic read "));
        assert!(Files::of(&[]).acl.lines().all(|line| line.starts_with('#')), "nobody may do anything");
    }
}
