//! Which clips are made, from when to when, and which happenings share one. Pure: all times are media times.
//!
//! ```text
//!   happening A        ├────────┤
//!   happening B                     ├──┤
//!   clip        ├─pre──┼────────┼──post┼──┼──post──┤      B begins before the clip of A is over: they share it
//! ```
//!
//! A clip begins before its first happening and ends after its last one. It is never longer than `longest`: a happening
//! that goes on is shown from its beginning. One that begins when too little is left of that for it has a clip of its own,
//! which then overlaps the one before.

use std::time::Duration;

use crate::vocab::{MediaTime, Phase, Severity};

/// How clips are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSettings {
    /// How much is shown before a happening. Default 5 s.
    pub before: Duration,
    /// How much is shown after it. Default 5 s.
    pub after: Duration,
    /// The longest clip, more than both together. Default 60 s.
    pub longest: Duration,
    /// Whether happenings that are no alerts have clips too. Default false.
    pub events_too: bool,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            before: Duration::from_secs(5),
            after: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            events_too: false,
        }
    }
}

/// What the plan must know of an event of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening<'a> {
    /// Its episode.
    pub episode: &'a str,
    /// Which part of it this is.
    pub phase: Phase,
    /// Whether it goes on after its start.
    pub lasts: bool,
    /// Whether somebody should look now.
    pub severity: Severity,
    /// When.
    pub at: MediaTime,
}

/// The clips of one camera that are being made, and the happenings that they are about.
#[derive(Debug)]
pub struct Plan {
    settings: PlanSettings,
    clips: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    name: String,
    begins: MediaTime,
    /// When the last of what has ended did.
    ended: MediaTime,
    /// The episodes that go on.
    open: Vec<String>,
    /// All its episodes, in the order in which they began.
    episodes: Vec<String>,
    alert: bool,
    /// Whether its file is closed: nothing more can come into it.
    closed: bool,
}

/// What the plan says to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The name of the clip that shows it, without extension: the episode that began it.
    pub name: String,
    /// Where the clip begins, if it begins with this event.
    pub begins: Option<MediaTime>,
}

/// What a clip is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The episodes that it shows, in the order in which they began.
    pub episodes: Vec<String>,
    /// Whether one of them is an alert.
    pub alert: bool,
    /// Whether one of them goes on.
    pub goes_on: bool,
}

impl Plan {
    /// A plan without clips.
    pub fn new(settings: PlanSettings) -> Self {
        Self { settings, clips: Vec::new() }
    }

    /// Takes in an event of a rule. Returns the clip that shows it, where one does.
    pub fn note(&mut self, happening: &Happening<'_>) -> Option<Announced> {
        if let Some(index) = self.clips.iter().position(|clip| clip.episodes.iter().any(|e| e == happening.episode)) {
            return Some(self.goes_on(index, happening));
        }
        let is_wanted = self.settings.events_too || happening.severity == Severity::Alert;
        if happening.phase != Phase::Start || !is_wanted {
            return None;
        }
        let begins = happening.at - self.settings.before;
        let index = self.clips.iter().position(|clip| self.has_room(clip, happening.at, begins));
        let is_new = index.is_none();
        let clip = match index {
            Some(index) => &mut self.clips[index],
            None => {
                self.clips.push(Planned::beginning(happening, begins));
                self.clips.last_mut()?
            }
        };
        clip.take_up(happening);
        Some(Announced { name: clip.name.clone(), begins: is_new.then_some(begins) })
    }

    /// When the clip of this name ends, as far as is known: it may be put off by what happens until then. `None` for a
    /// clip that is not planned.
    pub fn until(&self, name: &str) -> Option<MediaTime> {
        self.clips.iter().find(|clip| clip.name == name).map(|clip| self.end_of(clip))
    }

    /// What the clip of this name is about.
    pub fn about(&self, name: &str) -> About {
        let clip = self.clips.iter().find(|clip| clip.name == name);
        clip.map_or_else(About::default, |clip| About {
            episodes: clip.episodes.clone(),
            alert: clip.alert,
            goes_on: !clip.open.is_empty(),
        })
    }

    /// Notes that nothing more comes into the clip of this name; what it is about. It is remembered for as long as one of
    /// its happenings goes on, so that their later events name it too.
    pub fn close(&mut self, name: &str) -> About {
        let about = self.about(name);
        self.clips.iter_mut().filter(|clip| clip.name == name).for_each(|clip| clip.closed = true);
        self.forget();
        about
    }

    /// How many clips are being made.
    pub fn open(&self) -> usize {
        self.clips.iter().filter(|clip| !clip.closed).count()
    }

    fn goes_on(&mut self, index: usize, happening: &Happening<'_>) -> Announced {
        let clip = &mut self.clips[index];
        if happening.phase == Phase::End {
            clip.open.retain(|episode| episode != happening.episode);
            clip.ended = clip.ended.max(happening.at);
        }
        let name = clip.name.clone();
        self.forget();
        Announced { name, begins: None }
    }

    /// Whether a happening that begins now comes into a clip, with all that is shown around it.
    fn has_room(&self, clip: &Planned, at: MediaTime, begins: MediaTime) -> bool {
        let last = clip.begins + self.settings.longest;
        !clip.closed && begins <= self.end_of(clip) && begins >= clip.begins && at + self.settings.after <= last
    }

    fn end_of(&self, clip: &Planned) -> MediaTime {
        let last = clip.begins + self.settings.longest;
        if clip.open.is_empty() { last.min(clip.ended + self.settings.after) } else { last }
    }

    fn forget(&mut self) {
        self.clips.retain(|clip| !clip.closed || !clip.open.is_empty());
    }
}

impl Planned {
    fn beginning(happening: &Happening<'_>, begins: MediaTime) -> Self {
        Self {
            name: happening.episode.to_owned(),
            begins,
            ended: happening.at,
            open: Vec::new(),
            episodes: Vec::new(),
            alert: false,
            closed: false,
        }
    }

    fn take_up(&mut self, happening: &Happening<'_>) {
        self.episodes.push(happening.episode.to_owned());
        self.alert |= happening.severity == Severity::Alert;
        self.ended = self.ended.max(happening.at);
        if happening.lasts {
            self.open.push(happening.episode.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn happening(episode: &str, phase: Phase, seconds: u64) -> Happening<'_> {
        let at = MediaTime::from_millis(seconds * 1000);
        Happening { episode, phase, lasts: true, severity: Severity::Alert, at }
    }

    fn at(seconds: u64) -> MediaTime {
        MediaTime::from_millis(seconds * 1000)
    }

    fn plan() -> Plan {
        Plan::new(PlanSettings::default())
    }

    #[test]
    fn a_clip_begins_before_its_happening_and_ends_after_it() {
        let mut plan = plan();
        let begun = plan.note(&happening("a", Phase::Start, 20)).unwrap();
        assert_eq!(begun, Announced { name: "a".into(), begins: Some(at(15)) });
        assert_eq!(plan.until("a"), Some(at(75)), "it goes on: the longest clip is the limit");
        let end = plan.note(&happening("a", Phase::End, 30)).unwrap();
        assert_eq!(end, Announced { name: "a".into(), begins: None });
        assert_eq!(plan.until("a"), Some(at(35)));
        let about = plan.close("a");
        assert_eq!(about, About { episodes: vec!["a".into()], alert: true, goes_on: false });
        assert_eq!((plan.open(), plan.until("a")), (0, None));
    }

    #[test]
    fn what_is_over_at_once_is_shown_from_before_to_after() {
        let mut plan = plan();
        plan.note(&Happening { lasts: false, ..happening("crossing", Phase::Start, 20) });
        assert_eq!(plan.until("crossing"), Some(at(25)));
    }

    #[test]
    fn happenings_that_overlap_share_a_clip() {
        let mut plan = plan();
        plan.note(&happening("a", Phase::Start, 20));
        plan.note(&happening("a", Phase::End, 22));
        let joins = plan.note(&happening("b", Phase::Start, 31)).unwrap();
        assert_eq!(joins, Announced { name: "a".into(), begins: None }, "what precedes b begins within the clip of a");
        plan.note(&happening("b", Phase::End, 33));
        assert_eq!(plan.until("a"), Some(at(38)));
        assert_eq!(plan.note(&happening("c", Phase::Start, 44)).unwrap().name, "c", "there is a time between them");
    }

    #[test]
    fn a_happening_that_goes_on_is_shown_from_its_beginning_and_a_later_one_by_itself() {
        let mut plan = plan();
        plan.note(&happening("long", Phase::Start, 20));
        assert_eq!(plan.note(&happening("in", Phase::Start, 70)).unwrap().name, "long");
        let own = plan.note(&happening("late", Phase::Start, 71)).unwrap();
        assert_eq!(own, Announced { name: "late".into(), begins: Some(at(66)) }, "too little was left for it");
        assert!(plan.close("long").goes_on);
        assert_eq!(plan.note(&happening("long", Phase::End, 300)).unwrap().name, "long", "its end still names it");
        assert_eq!(plan.open(), 1);
    }

    #[test]
    fn what_is_no_alert_has_a_clip_only_where_that_is_asked_for() {
        let event = Happening { severity: Severity::Event, ..happening("e", Phase::Start, 20) };
        assert_eq!(plan().note(&event), None);
        let mut both = Plan::new(PlanSettings { events_too: true, ..PlanSettings::default() });
        assert!(both.note(&event).is_some());
        assert!(!both.about("e").alert);
        both.note(&happening("a", Phase::Start, 21));
        assert!(both.about("e").alert, "an alert that joins makes it precious");
        assert_eq!(plan().note(&happening("x", Phase::End, 21)), None, "what began before is in no clip");
    }

    proptest! {
        #[test]
        fn every_alert_is_shown_with_what_is_around_it_and_no_clip_is_too_long(
            steps in prop::collection::vec((1u64..40, 0u64..30), 1..30),
        ) {
            let mut plan = plan();
            let (mut now, mut clips, mut shown) = (100, Vec::<(String, MediaTime)>::new(), Vec::new());
            let mut open: Vec<(String, u64)> = Vec::new();
            for (i, (wait, length)) in steps.into_iter().enumerate() {
                now += wait;
                for (episode, ends) in open.extract_if(.., |(_, ends)| *ends <= now) {
                    prop_assert!(plan.note(&happening(&episode, Phase::End, ends)).is_some());
                }
                // What is due is closed, as whoever writes the files does.
                let due: Vec<String> =
                    clips.iter().map(|(name, _)| name.clone()).filter(|name| plan.until(name) < Some(at(now))).collect();
                due.iter().for_each(|name| drop(plan.close(name)));
                let episode = format!("e{i}");
                let said = plan.note(&happening(&episode, Phase::Start, now)).unwrap();
                clips.extend(said.begins.map(|begins| (said.name.clone(), begins)));
                shown.push((said.name, now));
                open.push((episode, now + length));
            }
            for (name, start) in shown {
                let begins = clips.iter().find(|(clip, _)| *clip == name).unwrap().1;
                prop_assert!(begins <= at(start - 5), "{name} begins after {start}");
                prop_assert!(at(start + 5) <= begins + Duration::from_secs(60), "{name} ends before {start}");
            }
        }
    }
}
