//! Who may say and hear what at the broker, as MQTT filters: an agent its own topics, a hub what it takes in and tells.
//!
//! Where a topic has a fixed number of levels, so has the filter: an agent cannot leave messages below its own name that
//! nobody looks for. The one `#` of an agent is that of commands, whose names have levels.

use super::{RECORDED, STATES, Topics};
use crate::vocab::Id;

/// What may be done on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Being sent what is published there.
    Read,
    /// Publishing there, the Last Will included.
    Write,
}

/// Something that a party may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// What.
    pub access: Access,
    /// Where: a filter of MQTT.
    pub filter: String,
}

/// Where an agent publishes, below its own name.
const SAID: [&str; 9] =
    ["status", "health", "camera/+/state", "alert/+/+", "event/+", "count/+/+", "snapshot/+/+", "reply/+", "reported"];
/// Where hubs publish, for any agent. Of all commands a hub gives but one: it can neither restart nor switch off anything.
const TOLD: [&str; 3] = ["vedette/v1/+/ack", "vedette/v1/+/desired", "vedette/v1/+/command/clip"];

/// What an agent may do, and no other may do for it.
pub fn agent_rights(agent: &Id) -> Vec<Right> {
    let said = SAID.map(|rest| Right { access: Access::Write, filter: format!("vedette/v1/{agent}/{rest}") });
    let topics = Topics::new(agent);
    // By what stands at its own status an agent notices another box that goes by its name.
    let heard = topics.subscriptions().into_iter().chain([topics.status()]);
    let heard = heard.map(|filter| Right { access: Access::Read, filter });
    said.into_iter().chain(heard).collect()
}

/// What a hub may do.
pub fn hub_rights() -> Vec<Right> {
    let right = |access| move |filter: &&str| Right { access, filter: (*filter).to_owned() };
    let heard = RECORDED.iter().chain(&STATES).map(right(Access::Read));
    heard.chain(TOLD.iter().map(right(Access::Write))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::EventKind;
    use crate::wire::Command;

    /// Whether a filter of MQTT covers a topic.
    fn covers(filter: &str, topic: &str) -> bool {
        let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
        loop {
            match (filter.next(), topic.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }

    fn may(rights: &[Right], access: Access, topic: &str) -> bool {
        rights.iter().any(|right| right.access == access && covers(&right.filter, topic))
    }

    fn said(agent: &Id, camera: &Id, rule: &Id) -> Vec<String> {
        let topics = Topics::new(agent);
        let events = [EventKind::CameraState, EventKind::Track].map(|kind| topics.event(kind));
        let others = [
            topics.status(),
            topics.health(),
            topics.camera_state(camera),
            topics.alert(camera, rule),
            topics.count(camera, rule),
            topics.snapshot(camera, "door-7-42"),
            topics.reply("a1"),
            topics.reported(),
        ];
        events.into_iter().chain(others).collect()
    }

    fn heard(agent: &Id) -> Vec<String> {
        let topics = Topics::new(agent);
        vec![topics.ack(), topics.desired(), topics.command("snapshot"), topics.command("camera/enable")]
    }

    fn id() -> impl Strategy<Value = Id> {
        "[a-z0-9][a-z0-9-]{0,62}".prop_map(|text| Id::new(&text).unwrap())
    }

    proptest! {
        #[test]
        fn an_agent_may_do_all_that_it_does_and_nothing_of_another(
            one in id(), other in id(), camera in id(), rule in id()
        ) {
            prop_assume!(one != other);
            let rights = agent_rights(&one);
            for topic in said(&one, &camera, &rule) {
                prop_assert!(may(&rights, Access::Write, &topic), "{topic}");
                prop_assert_eq!(may(&rights, Access::Read, &topic), topic == Topics::new(&one).status(), "{}", topic);
            }
            for topic in heard(&one) {
                prop_assert!(may(&rights, Access::Read, &topic), "{topic}");
                prop_assert!(!may(&rights, Access::Write, &topic), "{topic}: it would speak for the hub");
            }
            for topic in said(&other, &camera, &rule).into_iter().chain(heard(&other)) {
                prop_assert!(!may(&rights, Access::Write, &topic) && !may(&rights, Access::Read, &topic), "{topic}");
            }
            let hub = hub_rights();
            prop_assert!(may(&hub, Access::Write, &Topics::new(&one).ack()));
            prop_assert!(may(&hub, Access::Write, &Topics::new(&one).desired()));
            prop_assert!(may(&hub, Access::Write, &Topics::new(&one).command(Command::CLIP)));
            prop_assert!(!may(&hub, Access::Write, &Topics::new(&one).command("camera/enable")));
            prop_assert!(may(&hub, Access::Read, &Topics::new(&one).reply("clip-7")));
            for topic in said(&one, &camera, &rule) {
                prop_assert!(!may(&hub, Access::Write, &topic), "{topic}: the hub would speak for an agent");
            }
        }
    }

    #[test]
    fn the_hub_hears_what_it_takes_in() {
        for filter in RECORDED.iter().chain(&STATES) {
            assert!(hub_rights().iter().any(|right| right.access == Access::Read && right.filter == *filter));
        }
        assert!(!covers("vedette/v1/a/alert/+/+", "vedette/v1/a/alert/door"));
        assert!(covers("vedette/v1/a/command/#", "vedette/v1/a/command/camera/enable"));
    }
}
