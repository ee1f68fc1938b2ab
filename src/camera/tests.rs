//! The camera's states on a simulated time line.

use proptest::prelude::*;

use super::*;

/// A machine, the time, and what it last showed.
struct Line {
    machine: Machine,
    now: Duration,
    state: CameraState,
    log: Vec<(u64, CameraState)>,
    open: bool,
    rejected: usize,
    vitals: Vitals,
    /// What a probe finds, and how many there were.
    there: bool,
    probes: usize,
    opened: usize,
}

impl Line {
    fn start() -> Self {
        let mut line = Self {
            machine: Machine::new(Settings::default()),
            now: Duration::from_secs(1000),
            state: CameraState::Disabled,
            log: Vec::new(),
            open: false,
            rejected: 0,
            vitals: Vitals::default(),
            there: true,
            probes: 0,
            opened: 0,
        };
        line.give(Input::Enable(true));
        line
    }

    fn give(&mut self, input: Input) {
        let mut is_asked = false;
        for action in self.machine.step(self.now, input) {
            match action {
                Action::Open => {
                    assert!(!self.open, "opened twice");
                    self.open = true;
                    self.opened += 1;
                    self.vitals = Vitals::default();
                }
                Action::Probe => {
                    assert!(!self.open, "asked whether one is there that is connected");
                    self.probes += 1;
                    is_asked = true;
                }
                Action::Close => {
                    assert!(self.open, "closed what is not open");
                    self.open = false;
                }
                Action::RejectDecoder => {
                    assert!(self.open, "rejected the decoder of a closed stream");
                    self.rejected += 1;
                }
                Action::Report(state, cause) => {
                    assert!(!cause.is_empty());
                    self.log.push((self.now.as_millis() as u64 - 1_000_000, state));
                    self.state = state;
                }
            }
        }
        if is_asked {
            self.give(Input::Probed(self.there));
        }
    }

    /// Lets `millis` pass in ticks of a tenth of a second, with a picture or bytes in each if so wanted.
    fn pass(&mut self, millis: u64, bytes: bool, pictures: bool) {
        for _ in 0..millis / 100 {
            self.now += Duration::from_millis(100);
            if self.open && bytes {
                self.vitals.bytes += 1000;
            }
            if self.open && pictures {
                self.vitals.keyframes += 1;
                self.vitals.decoded += 1;
                self.give(Input::Frame);
            }
            self.give(Input::Tick(self.vitals));
        }
    }

    fn lost(&mut self) {
        self.give(Input::Failed(DecodeError::Lost { source_name: "x".into() }));
    }
}

#[test]
fn a_camera_streams_stalls_and_is_given_up() {
    let mut line = Line::start();
    line.pass(1000, true, true);
    assert_eq!(line.state, CameraState::Streaming);
    line.pass(3900, false, false);
    assert_eq!(line.state, CameraState::Streaming);
    line.pass(200, false, false);
    assert_eq!(line.state, CameraState::Stalled);
    assert!(line.open, "a stalled connection is kept for a while");
    line.pass(4000, false, false);
    assert_eq!(line.state, CameraState::Backoff);
    assert!(!line.open);
}

#[test]
fn a_stalled_stream_that_goes_on_is_streaming_again_without_a_new_connection() {
    let mut line = Line::start();
    line.pass(1000, true, true);
    line.pass(6000, false, false);
    line.pass(100, true, true);
    let states: Vec<_> = line.log.iter().map(|&(_, s)| s).collect();
    use CameraState::{Connecting, Stalled, Streaming};
    assert_eq!(states, [Connecting, Streaming, Stalled, Streaming]);
}

#[test]
fn data_without_pictures_are_a_stall_but_not_where_none_is_wanted() {
    let mut line = Line::start();
    line.pass(1000, true, true);
    line.pass(5000, true, false);
    assert_eq!(line.state, CameraState::Stalled);

    let mut line = Line::start();
    line.pass(1000, true, true);
    line.give(Input::Want(Want::Keyframes));
    line.pass(20_000, true, false);
    assert_eq!(line.state, CameraState::Streaming);
    line.give(Input::Want(Want::Every));
    line.pass(3000, true, false);
    assert_eq!(line.state, CameraState::Streaming, "a picture is due only since idling ended");

    let mut line = Line::start();
    line.pass(1000, true, true);
    line.give(Input::Want(Want::OneIn(Duration::from_secs(10))));
    line.pass(15_000, true, false);
    assert_eq!(line.state, CameraState::Streaming, "one picture in ten seconds is wanted");
    line.pass(6_000, true, false);
    assert_eq!(line.state, CameraState::Stalled);
}

#[test]
fn a_half_open_connection_is_given_up_after_five_seconds() {
    let mut line = Line::start();
    line.pass(4900, false, false);
    assert_eq!(line.state, CameraState::Connecting);
    line.pass(200, false, false);
    assert_eq!(line.state, CameraState::Backoff);
}

#[test]
fn waiting_for_a_keyframe_is_not_a_failure_for_thirty_seconds() {
    let mut line = Line::start();
    line.pass(29_000, true, false);
    assert_eq!(line.state, CameraState::Connecting);
    line.pass(1_100, true, false);
    assert_eq!((line.state, line.rejected), (CameraState::Backoff, 0));
}

#[test]
fn a_decoder_that_swallows_keyframes_is_not_used_again() {
    let mut line = Line::start();
    line.vitals.keyframes = 3;
    line.pass(30_100, true, false);
    assert_eq!((line.state, line.rejected), (CameraState::Backoff, 1));

    let mut line = Line::start();
    let error = DecodeError::Decoder { source_name: "x".into(), decoder: "vah264dec".into(), detail: "broke".into() };
    line.give(Input::Failed(error));
    assert_eq!((line.state, line.rejected), (CameraState::Backoff, 1));
}

#[test]
fn a_returning_camera_is_found_within_seconds_however_long_it_was_away() {
    for (away, limit) in [(60_000, 4_100), (599_000, 4_100), (3_600_000, 6_100)] {
        let mut line = Line::start();
        line.pass(1000, true, true);
        let gone = line.now;
        line.there = false;
        while line.now < gone + Duration::from_millis(away) {
            if line.open {
                line.lost();
            }
            line.pass(100, false, false);
        }
        let returned = line.now;
        line.there = true;
        while !line.open {
            line.pass(100, false, false);
        }
        let waited = (line.now - returned).as_millis();
        assert!(waited <= limit, "{waited} ms after {away} ms away");
        line.pass(100, true, true);
        assert_eq!(line.state, CameraState::Streaming);
    }
}

/// A camera away for an hour, whose stream, when it is opened, fails as `fail` says.
fn an_hour_away(there: bool, fail: impl Fn(&mut Line)) -> Line {
    let mut line = Line::start();
    line.pass(1000, true, true);
    line.there = there;
    for _ in 0..36_000 {
        if line.open {
            fail(&mut line);
        }
        line.pass(100, false, false);
    }
    line
}

#[test]
fn a_camera_that_is_away_for_long_is_asked_for_often_and_neither_opened_nor_told_of_again() {
    let line = an_hour_away(false, Line::lost);
    assert!((500..1100).contains(&line.probes), "{}", line.probes);
    let late = |log: &[(u64, CameraState)]| log.iter().filter(|(at, _)| *at > 700_000).count();
    assert_eq!((late(&line.log), line.state), (0, CameraState::Backoff));
    let opened = line.opened;
    assert!(opened < 400, "{opened} streams, all of the first ten minutes");

    // One that answers and does not stream is tried, and told of once.
    let line = an_hour_away(true, Line::lost);
    assert!(line.opened > opened + 300, "{}", line.opened);
    assert_eq!((late(&line.log), line.state), (0, CameraState::Backoff));
}

#[test]
fn a_wrong_password_is_not_tried_more_often_because_it_is_wrong_for_long() {
    let line = an_hour_away(true, |line| line.give(Input::Failed(DecodeError::AuthFailed { source_name: "x".into() })));
    assert!(line.opened <= 13 && line.probes == 0, "{} attempts in an hour", line.opened);
    assert_eq!(line.state, CameraState::AuthFailed);
}

#[test]
fn another_cause_of_a_long_outage_is_news_and_so_is_a_command() {
    let mut line = an_hour_away(true, Line::lost);
    let told = line.log.len();
    while !line.open {
        line.pass(100, false, false);
    }
    let detail = "404".to_owned();
    line.give(Input::Failed(DecodeError::NotFound { source_name: "x".into(), detail }));
    assert_eq!(line.log.len(), told + 1);
    line.give(Input::Restart);
    assert_eq!((line.state, line.log.len()), (CameraState::Connecting, told + 2));
    line.lost();
    assert_eq!((line.state, line.log.len()), (CameraState::Backoff, told + 3));
}

#[test]
fn a_probe_without_an_answer_is_asked_again() {
    let mut line = an_hour_away(false, Line::lost);
    while line.machine.step(line.now, Input::Tick(Vitals::default())) != [Action::Probe] {
        line.now += Duration::from_millis(100);
    }
    let probes = line.probes;
    line.pass(25_000, false, false);
    assert!(line.probes > probes, "the machine waits for ever");
}

#[test]
fn a_panic_closes_the_stream_and_what_panics_again_and_again_is_tried_ever_more_rarely() {
    let mut line = Line::start();
    let mut waits = Vec::new();
    for _ in 0..12 {
        line.pass(200, true, true);
        assert_eq!(line.state, CameraState::Streaming);
        line.give(Input::Panicked("index out of bounds".into()));
        assert_eq!((line.state, line.open), (CameraState::Backoff, false));
        let began = line.now;
        while !line.open {
            line.pass(100, false, false);
        }
        waits.push((line.now - began).as_secs());
    }
    assert!(waits[0] <= 1 && waits[11] >= 30 && waits.iter().all(|w| *w <= 60), "{waits:?}");
    line.pass(700_000, true, true);
    line.give(Input::Panicked("index out of bounds".into()));
    line.pass(1100, false, false);
    assert!(line.open, "a panic after a long time without one is taken for the first");
}

#[test]
fn a_panic_switches_nothing_on_and_loses_no_state_it_interrupted() {
    let mut line = Line::start();
    line.give(Input::Enable(false));
    line.give(Input::Panicked("while it was told".into()));
    line.pass(100_000, false, false);
    assert_eq!((line.state, line.open), (CameraState::Disabled, false));
}

#[test]
fn a_wrong_password_is_tried_again_only_after_minutes_or_a_restart() {
    let mut line = Line::start();
    line.give(Input::Failed(DecodeError::AuthFailed { source_name: "x".into() }));
    line.pass(299_000, false, false);
    assert_eq!((line.state, line.open), (CameraState::AuthFailed, false));
    line.pass(70_000, false, false);
    assert_ne!(line.state, CameraState::AuthFailed);

    let mut line = Line::start();
    line.give(Input::Failed(DecodeError::AuthFailed { source_name: "x".into() }));
    line.give(Input::Restart);
    assert_eq!((line.state, line.open), (CameraState::Connecting, true));
}

#[test]
fn frozen_and_covered_are_said_by_scene_and_stall_like_streaming() {
    let mut line = Line::start();
    line.give(Input::Picture(Picture::Frozen));
    assert_eq!(line.state, CameraState::Connecting, "nothing can be frozen before there is a picture");
    line.pass(1000, true, true);
    line.give(Input::Picture(Picture::Covered));
    line.give(Input::Picture(Picture::Covered));
    assert_eq!(line.state, CameraState::Covered);
    line.pass(5000, true, true);
    assert_eq!(line.state, CameraState::Covered, "pictures alone do not uncover it");
    line.give(Input::Picture(Picture::Normal));
    assert_eq!(line.state, CameraState::Streaming);
    line.give(Input::Picture(Picture::Frozen));
    line.pass(5000, false, false);
    assert_eq!(line.state, CameraState::Stalled);
    assert_eq!(line.log.iter().filter(|(_, s)| *s == CameraState::Covered).count(), 1);
}

#[test]
fn a_file_ends_and_a_disabled_camera_stays_so() {
    let mut line = Line::start();
    line.pass(1000, true, true);
    line.give(Input::Ended);
    line.pass(100_000, false, false);
    assert_eq!((line.state, line.open), (CameraState::Ended, false));
    line.give(Input::Restart);
    assert_eq!(line.state, CameraState::Connecting);
    line.give(Input::Enable(false));
    line.give(Input::Restart);
    line.pass(100_000, false, false);
    assert_eq!((line.state, line.open), (CameraState::Disabled, false));
    assert_eq!(line.machine.deadline(), None);
}

fn inputs() -> impl Strategy<Value = (u64, Input)> {
    let vitals = (0u64..3, 0u64..3, 0u64..3);
    let input = prop_oneof![
        1 => any::<bool>().prop_map(Input::Enable),
        1 => Just(Input::Restart),
        1 => (0u64..9_000).prop_map(|ms| Input::Want(Want::OneIn(Duration::from_millis(ms.max(1))))),
        1 => Just(Input::Want(Want::Keyframes)),
        1 => prop_oneof![Just(Picture::Normal), Just(Picture::Frozen), Just(Picture::Covered), Just(Picture::Black)].prop_map(Input::Picture),
        4 => Just(Input::Frame),
        1 => Just(Input::Failed(DecodeError::Lost { source_name: "x".into() })),
        1 => Just(Input::Failed(DecodeError::AuthFailed { source_name: "x".into() })),
        1 => Just(Input::Ended),
        1 => Just(Input::Panicked("x".into())),
        1 => any::<bool>().prop_map(Input::Probed),
        8 => vitals.prop_map(|(bytes, keyframes, decoded)| Input::Tick(Vitals { bytes, keyframes, decoded })),
    ];
    (0u64..9_000, input)
}

proptest! {
    /// `Line::give` asserts that streams are opened and closed in turn.
    #[test]
    fn streams_open_and_close_in_turn_and_no_state_but_that_of_a_long_outage_hides_it(steps in prop::collection::vec(inputs(), 1..300)) {
        let mut line = Line::start();
        for (wait, input) in steps {
            line.now += Duration::from_millis(wait);
            line.give(input);
            use CameraState::{Black, Connecting, Covered, Frozen, Stalled, Streaming};
            let shown_open = matches!(line.state, Connecting | Streaming | Stalled | Frozen | Covered | Black);
            // While an outage is long, attempts are not shown.
            let is_hidden = line.open && !shown_open;
            prop_assert!(line.open == shown_open || (is_hidden && line.machine.is_long_gone));
            let waits = !matches!(line.state, CameraState::Disabled | CameraState::Ended);
            prop_assert_eq!(line.machine.deadline().is_some(), waits);
        }
    }
}
