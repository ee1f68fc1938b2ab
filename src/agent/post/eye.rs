//! What a camera's thread sees, handed to its post.

use std::sync::Arc;

use super::{Post, lock};
use crate::agent::cadence::Verdict;
use crate::agent::clips::Recording;
use crate::agent::sight::Told;
use crate::camera::{Discontinuity, StateChange, Tape, Viewer};
use crate::event::Notice;
use crate::scene::Picture;
use crate::vocab::{CameraState, DropReason, Frame};

/// Sees for a post, on the camera's thread.
pub(super) struct Eye {
    pub(super) post: Arc<Post>,
}

impl Viewer for Eye {
    fn frame(&mut self, frame: Frame) {
        let post = &self.post;
        let mut looked = None;
        post.tell(|line| {
            let mut now = line.look(&frame, post.means.clock_watch.state());
            let occurrences = std::mem::take(&mut now.occurrences);
            looked = Some(now);
            occurrences
        });
        let Some(looked) = looked else { return };
        post.note_arrival(&frame, looked.picture, looked.ailments);
        post.serve_pictures(&frame);
        match looked.verdict {
            Verdict::Look => post.submit(frame),
            Verdict::Seen => {}
            Verdict::Leave(reason) => post.dropped(reason),
        }
    }

    fn state(&mut self, change: StateChange) {
        let post = &self.post;
        let from = {
            let mut sight = lock(&post.sight);
            // What is retained of a camera that was removed has been cleared, and of one whose agent stops it is said.
            if post.is_closed() {
                return;
            }
            let told = Told { state: change.state, since: change.since, cause: change.cause.clone() };
            post.publish(&mut sight, told);
            if !change.state.has_pictures() && change.state != CameraState::Stalled {
                // The next connection is taken to be live until the picture says otherwise.
                sight.picture = Picture::Live;
            }
            std::mem::replace(&mut sight.state, change.state)
        };
        post.tell(|line| {
            line.advance(change.media, change.since, post.means.clock_watch.state());
            vec![line.state_changed(from, change.state, &change.cause)]
        });
    }

    fn discontinuity(&mut self, cause: Discontinuity) {
        let notice = match cause {
            Discontinuity::Reconnected { gap } => Notice::Reconnected { gap },
            Discontinuity::ClockJump { millis } => Notice::ClockJump { seconds: millis as f64 / 1000.0 },
            Discontinuity::SizeChanged { from, to } => Notice::SizeChange { from, to },
            Discontinuity::CodecChanged => Notice::CodecChange,
        };
        let post = &self.post;
        if post.worker().is_some_and(|worker| worker.withdraw(post.key).is_some()) {
            post.dropped(DropReason::Superseded);
        }
        {
            let mut sight = lock(&post.sight);
            sight.cut = sight.last_pts.map(|_| sight.last_seq);
        }
        post.tell(|line| line.cut(&notice));
        post.say_who_is_there(None);
    }

    fn tape(&mut self) -> Option<Arc<dyn Tape>> {
        self.post.recording.as_ref().map(Recording::tape)
    }
}
