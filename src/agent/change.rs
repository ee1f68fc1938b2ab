//! What a changed configuration concerns beyond the cameras and models that it changes. Pure.

use std::collections::BTreeSet;

use crate::config::{self, Config};
use crate::wire::Topics;

/// What a change of the configuration concerns that is set up only once.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("agent.id", old.id != new.id || old.site != new.site),
        ("agent.state_dir", old.state_dir != new.state_dir),
        ("mqtt", old.mqtt != new.mqtt),
        ("hub", old.hub != new.hub),
        ("evidence", old.evidence != new.evidence),
        ("history", old.history != new.history),
        ("spool", old.spool != new.spool),
        ("runtime.library", old.runtime_library != new.runtime_library),
    ];
    changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(key, _)| key).collect()
}

/// `new`, but for what is set up only once: there `old` stays in force until the program is restarted.
pub fn without_what_needs_a_restart(old: &Config, new: Config) -> Config {
    let old = old.clone();
    Config {
        id: old.id,
        site: old.site,
        state_dir: old.state_dir,
        mqtt: old.mqtt,
        hub: old.hub,
        evidence: old.evidence,
        history: old.history,
        spool: old.spool,
        runtime_library: old.runtime_library,
        ..new
    }
}

/// Whether a camera of `old` goes on as it is under `new`, as far as models do not change.
pub fn leaves_alone(old: &Config, new: &Config, camera: &config::Camera) -> bool {
    let knows_the_same = camera.identify.is_none() || old.identify == new.identify;
    let remembers_the_same = camera.reidentify.is_none() || old.reidentify == new.reidentify;
    new.cameras.contains(camera) && old.timezone == new.timezone && knows_the_same && remembers_the_same
}

/// The topics on which something is retained while `config` is in force.
pub fn retained(topics: &Topics, config: &Config) -> BTreeSet<String> {
    let of_camera = |camera: &config::Camera| {
        let places = camera.zones.iter().map(|z| &z.id).chain(camera.lines.iter().map(|l| &l.id));
        let counts = places.map(|place| topics.count(&camera.id, place));
        counts.chain([topics.camera_state(&camera.id)]).collect::<Vec<_>>()
    };
    config.cameras.iter().flat_map(of_camera).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Folders;
    use crate::vocab::Id;

    fn config(broker: &str, zone: &str) -> Config {
        let text = format!(
            "agent: {{ id: gate }}\nmqtt: {{ url: \"mqtt://{broker}\" }}\ncameras:\n  - id: door\n    url: rtsp://10.0.0.5/a\n    \
             zones: [ {{ id: {zone}, polygon: [[0, 0], [1, 0], [1, 1]] }} ]\n"
        );
        let folders = Folders { config: Path::new("/etc/vedette").into(), credentials: None };
        config::load(text.as_bytes(), &folders).unwrap().config
    }

    #[test]
    fn what_needs_a_restart_is_told_each_time_until_there_was_one() {
        let (old, new) = (config("a", "yard"), config("b", "yard"));
        let in_force = without_what_needs_a_restart(&old, new.clone());
        assert_eq!((needs_restart(&old, &new), needs_restart(&in_force, &new)), (vec!["mqtt"], vec!["mqtt"]));
        assert_eq!((in_force.mqtt, in_force.revision), (old.mqtt, new.revision));
    }

    #[test]
    fn the_state_of_each_camera_and_the_count_of_each_place_are_retained() {
        let topics = Topics::new(&Id::new("gate").unwrap());
        let retained: Vec<String> = retained(&topics, &config("a", "yard")).into_iter().collect();
        assert_eq!(retained, ["vedette/v1/gate/camera/door/state", "vedette/v1/gate/count/door/yard"]);
    }
}
