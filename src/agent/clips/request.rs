//! A command that wants a clip: one that exists, or one of what the ring still holds.

use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::{Entry, Stage};
use super::{Clips, NewClip};
use crate::evidence::clip_name;
use crate::vocab::{Id, WallTime};
use crate::wire::ReplyCode;

/// How far into the future a clip may reach that somebody asks for.
const AHEAD: Duration = Duration::from_secs(60);

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipRequest {
    /// Of what.
    pub of: Wanted,
    /// Whether it is to be brought to the hub.
    pub upload: bool,
}

/// Of what a clip is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The clip that shows this episode.
    Episode(String),
    /// What a camera sent from one moment to another, as far as it is still in memory.
    Span {
        /// Which.
        camera: Id,
        /// When it begins.
        from: WallTime,
        /// When it ends.
        to: WallTime,
    },
}

/// Why a clip cannot be had.
pub type Refusal = (ReplyCode, String);

impl Clips {
    /// Serves the command with the id `command`. Returns at once: what takes long is queued. The answer says what there is
    /// of the clip, and where it is to be brought to the hub, that this is queued; a second answer to the same command says
    /// when it is done.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn ask(&self, request: &ClipRequest, command: &str, now: WallTime) -> Result<Value, Refusal> {
        if request.upload && self.uploads.is_none() {
            return Err((ReplyCode::Refused, "the configuration names no hub to bring a clip to".to_owned()));
        }
        let entry = match &request.of {
            Wanted::Episode(episode) => {
                let entry = self.ledger.of_episode(episode);
                let none = || format!("no clip shows the episode {episode}, or it is no longer kept");
                entry.ok_or_else(|| (ReplyCode::NotFound, none()))?
            }
            Wanted::Span { camera, from, to } => self.cut_span(camera, *from, *to, command, now)?,
        };
        if request.upload {
            self.ledger.set_upload(&entry.file, Some(command.to_owned()));
            // What is not written yet is queued by whoever writes it. It may have been written meanwhile, and then is
            // queued twice, which brings it once.
            let known = self.ledger.entry(&entry.file);
            if let (Some(uploads), Some(Stage::Written(_))) = (&self.uploads, known.map(|known| known.stage)) {
                uploads.bring(&entry.file, command);
            }
        }
        Ok(answer(&entry, request.upload))
    }

    fn cut_span(
        &self,
        camera: &Id,
        from: WallTime,
        to: WallTime,
        command: &str,
        now: WallTime,
    ) -> Result<Entry, Refusal> {
        let recording = self.recording(camera);
        let none = || (ReplyCode::NotFound, format!("no clips are kept of a camera {camera}"));
        let recording = recording.ok_or_else(none)?;
        let longest = self.settings.plan.longest;
        if to <= from || to > from.plus(longest) {
            let limit = longest.as_secs_f64();
            return Err((ReplyCode::Refused, format!("args.to must lie behind args.from, by at most {limit} s")));
        }
        if to > now.plus(AHEAD) {
            return Err((ReplyCode::Refused, format!("args.to lies more than {} s ahead", AHEAD.as_secs())));
        }
        if let Some(why) = recording.unable() {
            return Err((ReplyCode::Failed, why));
        }
        let span = {
            let state = recording.lock();
            state.ring.media_at(from).zip(state.ring.media_at(to)).filter(|_| state.ring.reaches(to))
        };
        let Some((begins, until)) = span else {
            return Err((ReplyCode::NotFound, "nothing of that time is in memory".to_owned()));
        };
        let name = format!("{}-{camera}-asked-{command}", self.agent);
        let file = clip_name(&name);
        self.ledger.announce(&file, camera, None, true);
        let entry = self.ledger.entry(&file);
        recording.cut(NewClip { name, begins, until: Some(until) });
        entry.ok_or_else(|| (ReplyCode::Failed, "it cannot be noted".to_owned()))
    }
}

fn answer(entry: &Entry, upload: bool) -> Value {
    let mut answer = json!({ "clip": entry.file, "camera": entry.camera, "episodes": entry.episodes });
    match &entry.stage {
        Stage::Written(file) => {
            answer["state"] = "kept".into();
            answer["clip_file"] = serde_json::to_value(file).unwrap_or_default();
        }
        Stage::Announced | Stage::Closing(_) => answer["state"] = "being-written".into(),
    }
    if upload {
        answer["upload"] = "queued".into();
    }
    answer
}
