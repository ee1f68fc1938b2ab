//! Pictures that somebody asked for.

use super::{Post, lock};
use crate::vocab::Frame;

/// The most that wait for a frame.
const MOST: usize = 16;

impl Post {
    /// Asks for a picture of the next frame, to be published as `snapshot/<camera>/<name>`. False where too many wait:
    /// somebody asks faster than the camera delivers.
    pub fn want_picture(&self, name: &str) -> bool {
        let mut sight = lock(&self.sight);
        let has_room = sight.wanted.len() < MOST;
        if has_room {
            sight.wanted.push(name.to_owned());
        }
        has_room
    }

    /// Serves everybody who waits for one. What has been seen is let go before the line is waited for: others take both the
    /// other way round.
    pub(super) fn serve_pictures(&self, frame: &Frame) {
        let wanted = std::mem::take(&mut lock(&self.sight).wanted);
        for name in wanted {
            let shot = lock(&self.line).shot(frame, None);
            self.means.recorder.publish_picture(self.id().clone(), name, shot);
        }
    }
}
