//! **Who**: rules that are about some people alone, or about everybody but some, by whom their faces are recognised as.
//!
//! ```text
//!                          a face is recognised as one of them
//!   except:      counts ────────────────────────────────────────► does not count
//!   only:        does not count ────────────────────────────────► counts
//!                       ◄────────────────────────────────────────
//!                          a better look at the face says otherwise
//! ```
//!
//! - A face is usually recognised some time after its track began. Until then nobody is anybody: a rule with `except` is about
//!   him, one with `only` is not. What is found out counts from the next look on, or the next tick, and changes nothing before.
//! - **What goes on ends** as soon as its object counts no longer (`ended_identity`), and so does what is told of a zone as a
//!   whole where those who count are too few without him. What has no duration and was told is told.
//! - **What may begin** does so as soon as its object counts. How long he has been there is measured from when he was first
//!   seen, whoever he was then. A line that was crossed before is not crossed again: that is not told afterwards.
//! - Who somebody is goes with his track, and with a track that continues it where it vanished (see `motion.rs`), until a
//!   face of that one says otherwise. Nobody is anybody after a cut.
//! - `tailgating` asks it of the one behind: a stranger who follows one of the staff is told.

use std::sync::Arc;
use std::time::Duration;

use super::motion::Movements;
use crate::vocab::{Id, Identity, MediaTime, Track, TrackId};

/// Who was recognised is forgotten when his track was not reported for this long.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Whom a rule is about. Each id is that of a watch list of the gallery, or of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// People who are recognised as one of these, and nobody else.
    Only(Vec<Id>),
    /// Everybody and everything but people who are recognised as one of these.
    Except(Vec<Id>),
}

impl Who {
    /// The watch lists and persons that it names.
    pub fn names(&self) -> &[Id] {
        let (Self::Only(names) | Self::Except(names)) = self;
        names
    }

    /// Whether he is one of those.
    fn has(&self, identity: &Identity) -> bool {
        let is_named = |id: &Id, lists: &[Id]| self.names().iter().any(|name| name == id || lists.contains(name));
        identity.person.as_ref().is_some_and(|person| is_named(&person.id, &person.lists))
    }
}

/// Who was recognised before a camera, by track.
#[derive(Debug, Default)]
pub(super) struct Recognised {
    people: Vec<Person>,
    /// Grows with every change.
    revision: u64,
}

#[derive(Debug)]
struct Person {
    track: TrackId,
    /// The number by which he was known first.
    object: TrackId,
    identity: Arc<Identity>,
    reported: MediaTime,
}

impl Recognised {
    /// Takes in who `track` is taken for.
    pub(super) fn learn(&mut self, track: TrackId, identity: &Identity, now: MediaTime, movements: &Movements) {
        match self.people.iter_mut().find(|person| person.track == track) {
            Some(person) => {
                person.reported = now;
                if *person.identity == *identity {
                    return;
                }
                person.identity = Arc::new(identity.clone());
            }
            None => {
                let (object, identity) = (movements.first_known_as(track), Arc::new(identity.clone()));
                self.people.push(Person { track, object, identity, reported: now });
            }
        }
        self.revision += 1;
    }

    /// Takes in the tracks of a frame: those that continue somebody's are his, and whose are long gone is forgotten.
    pub(super) fn look(&mut self, now: MediaTime, tracks: &[Track], movements: &Movements) {
        if self.people.is_empty() {
            return;
        }
        for track in tracks {
            if let Some(person) = self.people.iter_mut().find(|person| person.track == track.id) {
                person.reported = now;
                continue;
            }
            let object = movements.first_known_as(track.id);
            let before = self.people.iter().filter(|person| person.object == object).max_by_key(|p| p.reported);
            if let Some(identity) = before.map(|person| person.identity.clone()) {
                self.people.push(Person { track: track.id, object, identity, reported: now });
                self.revision += 1;
            }
        }
        let known = self.people.len();
        self.people.retain(|person| now.since(person.reported) < FORGET_AFTER);
        self.revision += u64::from(self.people.len() < known);
    }

    /// Who `track` is taken for, where a face was good enough.
    pub(super) fn of(&self, track: TrackId) -> Option<&Arc<Identity>> {
        self.people.iter().find(|person| person.track == track).map(|person| &person.identity)
    }

    /// Tracks before and after this moment have nothing to do with each other.
    pub(super) fn cut(&mut self) {
        self.people.clear();
        self.revision += 1;
    }
}

/// Whom one rule is about, in the light of who was recognised.
#[derive(Debug)]
pub(super) struct Meant {
    who: Who,
    /// The tracks of those whom `who` names.
    named: Vec<TrackId>,
    /// Those of the moment before, where something has changed since.
    before: Vec<TrackId>,
    has_changed: bool,
    revision: u64,
}

impl Meant {
    pub(super) fn new(who: Who) -> Self {
        Self { who, named: Vec::new(), before: Vec::new(), has_changed: false, revision: 0 }
    }

    /// Brings it up to date; costs nothing where nobody was recognised since.
    pub(super) fn look(&mut self, recognised: &Recognised) {
        self.has_changed = self.revision != recognised.revision;
        if self.has_changed {
            self.revision = recognised.revision;
            std::mem::swap(&mut self.named, &mut self.before);
            let named = recognised.people.iter().filter(|person| self.who.has(&person.identity));
            self.named.clear();
            self.named.extend(named.map(|person| person.track));
        }
    }

    /// Whether the rule is about whom `track` is taken for.
    pub(super) fn has(&self, track: TrackId) -> bool {
        self.is_about(&self.named, track)
    }

    /// Whether it was a moment ago, and is no more.
    pub(super) fn has_just_lost(&self, track: TrackId) -> bool {
        self.has_changed && self.is_about(&self.before, track) && !self.has(track)
    }

    fn is_about(&self, named: &[TrackId], track: TrackId) -> bool {
        named.contains(&track) == matches!(self.who, Who::Only(_))
    }
}
