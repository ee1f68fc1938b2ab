//! How one camera is kept connected. Pure: `step` takes the time and what happened, and returns what to do.
//!
//! ```text
//!                   ┌───────────────────── enable / restart ◀── Disabled ◀── disable, from anywhere
//!                   ▼
//!   ┌─────────▶ Connecting ──── 401, 403 ────────────▶ AuthFailed ──┐
//!   │               │    └───── error, no data ───┐                 │ auth_retry, 5 min
//!   │ wait is over  │ first picture               ▼                 │
//!   ├────────────── │ ◀──────────────────────── Backoff             │
//!   │               ▼                             ▲                 │
//!   │           Streaming ◀── picture ── Stalled ─┤ give_up         │
//!   │            ▲  │ └── nothing for `stall` ──▶ ┘                 │
//!   │    Normal  │  │ Frozen, Covered, Black (said by `scene`)      │
//!   │            │  ▼                                               │
//!   │      Frozen, Covered, Black ── as Streaming                   │
//!   │               │ a file's end                                  │
//!   │               ▼                                               │
//!   │             Ended ── restart ─┐                               │
//!   └───────────────────────────────┴───────────────────────────────┘
//! ```
//!
//! * Connecting: no byte for `connect_timeout`, or bytes but no picture for `keyframe_timeout`, is a failure.
//! * Streaming: no byte, or no picture, for `stall` is a stall. Where fewer pictures are wanted, none is due before the next
//!   wanted one; where only keyframes are, none before `keyframe_timeout`.
//! * Stalled keeps the connection: a server that was only slow goes on by itself, and nothing is lost. After `give_up` more
//!   it is closed.
//! * Backoff: the first wait is `retry_min`, doubling to `retry_max`, with jitter. `retry_max` is short (4 s), so that
//!   pictures are back within 10 s of the camera.
//! * A camera away for longer than `long_outage` is only asked whether it is there (Probing, shown as Backoff) before a
//!   stream is opened, which costs next to nothing and finds it as soon. Such an outage is told once: attempts that fail
//!   for the same reason as before are no news.
//! * AuthFailed waits minutes, as cameras lock accounts after a few wrong passwords.
//! * A live stream that ends is lost; only a file ends.
//! * A panic on the camera's thread, which may have been half-way through anything, closes whatever was open. Its waits
//!   double to `panic_retry_max`: what panics at every picture must not do so every few seconds for ever.

use std::time::Duration;

use super::Settings;
use super::steps::{Action, Input, Picture, Vitals};
use crate::base::backoff::Backoff;
use crate::decode::{DecodeError, Want};
use crate::vocab::CameraState;

/// How long the answer to a probe is waited for: looking a name up may take long.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// After so long without a panic the next one is taken for the first.
const PANICS_FORGOTTEN: Duration = Duration::from_secs(600);

#[derive(Debug)]
enum State {
    Disabled,
    Connecting { since: Duration },
    Streaming { picture: Picture },
    Stalled { since: Duration },
    Backoff { until: Duration },
    Probing { until: Duration },
    AuthFailed { until: Duration },
    Ended,
}

pub(super) struct Machine {
    settings: Settings,
    state: State,
    backoff: Backoff,
    /// The waits after a panic, and when the last one was.
    panics: Backoff,
    panicked: Option<Duration>,
    /// Since when there has been no picture.
    away_since: Option<Duration>,
    /// Whether that is a long outage.
    is_long_gone: bool,
    /// What was reported last.
    told: Option<(CameraState, String)>,
    vitals: Vitals,
    last_byte: Duration,
    last_picture: Duration,
    want: Want,
    actions: Vec<Action>,
}

impl Machine {
    /// A camera that is switched off; enable it.
    pub fn new(settings: Settings) -> Self {
        Self {
            backoff: Backoff::new(settings.retry_min, settings.retry_max),
            panics: Backoff::new(settings.retry_min, settings.panic_retry_max),
            panicked: None,
            want: Want::of_rate(settings.decode.max_fps),
            settings,
            state: State::Disabled,
            away_since: None,
            is_long_gone: false,
            told: None,
            vitals: Vitals::default(),
            last_byte: Duration::ZERO,
            last_picture: Duration::ZERO,
            actions: Vec::new(),
        }
    }

    /// Takes note of what happened at `now`, the machine's monotonic time, and says what to do, in order.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Action> {
        // Something is left only by a step that ended in a panic.
        self.actions.clear();
        match input {
            Input::Enable(true) if matches!(self.state, State::Disabled) => self.begin(now, "switched on"),
            Input::Enable(true) => {}
            Input::Enable(false) => self.disable(),
            Input::Restart if matches!(self.state, State::Disabled) => {}
            Input::Restart => self.restart(now),
            Input::Want(want) => self.set_want(now, want),
            Input::Picture(picture) => self.judge(picture),
            Input::Frame => self.picture_came(now),
            Input::Failed(error) => self.failed(now, &error),
            Input::Ended => self.ended(),
            Input::Probed(is_there) => self.probed(now, is_there),
            Input::Panicked(message) => self.panicked(now, &message),
            Input::Tick(vitals) => self.tick(now, vitals),
        }
        std::mem::take(&mut self.actions)
    }

    /// When `step` wants to hear a tick, at the latest. `None`: not before something else happens.
    pub fn deadline(&self) -> Option<Duration> {
        let s = &self.settings;
        match self.state {
            State::Disabled | State::Ended => None,
            State::Backoff { until } | State::Probing { until } | State::AuthFailed { until } => Some(until),
            State::Connecting { .. } => Some(self.last_byte + s.connect_timeout.min(s.stall)),
            State::Streaming { .. } => Some(self.last_byte.min(self.last_picture) + s.stall),
            State::Stalled { since } => Some(since + s.give_up),
        }
    }

    fn disable(&mut self) {
        if self.has_stream() {
            self.actions.push(Action::Close);
        }
        if !matches!(self.state, State::Disabled) {
            self.enter(State::Disabled, CameraState::Disabled, "switched off");
        }
    }

    fn restart(&mut self, now: Duration) {
        if self.has_stream() {
            self.actions.push(Action::Close);
        }
        self.begin(now, "restarted by command");
    }

    /// Connects as if it had never been away.
    fn begin(&mut self, now: Duration, why: &str) {
        self.backoff = Backoff::new(self.settings.retry_min, self.settings.retry_max);
        (self.away_since, self.is_long_gone) = (None, false);
        self.connect(now, why);
    }

    fn probed(&mut self, now: Duration, is_there: bool) {
        match self.state {
            State::Probing { .. } if is_there => self.connect(now, "it is there again"),
            State::Probing { .. } => self.state = State::Backoff { until: now + self.backoff.next_wait() },
            // Nobody waits for the answer any more.
            _ => {}
        }
    }

    fn connect(&mut self, now: Duration, why: &str) {
        self.vitals = Vitals::default();
        self.last_byte = now;
        self.last_picture = now;
        self.away_since.get_or_insert(now);
        self.enter(State::Connecting { since: now }, CameraState::Connecting, why);
        self.actions.push(Action::Open);
    }

    fn set_want(&mut self, now: Duration, want: Want) {
        let before = self.picture_limit();
        self.want = want;
        if self.picture_limit() < before {
            // Until now no picture was due.
            self.last_picture = now;
        }
    }

    /// How long there may be no picture.
    fn picture_limit(&self) -> Duration {
        match self.want {
            Want::Every => self.settings.stall,
            Want::OneIn(interval) | Want::About(interval) => self.settings.stall.max(interval.saturating_mul(2)),
            Want::Keyframes => self.settings.keyframe_timeout.max(self.settings.stall),
        }
    }

    fn judge(&mut self, picture: Picture) {
        let State::Streaming { picture: known } = self.state else { return };
        if known == picture {
            return;
        }
        let (state, cause) = match picture {
            Picture::Normal => (CameraState::Streaming, "the picture changes again"),
            Picture::Frozen => (CameraState::Frozen, "the picture has stopped changing"),
            Picture::Covered => (CameraState::Covered, "the lens is covered: the picture is of one brightness"),
            Picture::Black => (CameraState::Black, "the picture is black: no light reaches the sensor"),
        };
        self.enter(State::Streaming { picture }, state, cause);
    }

    fn picture_came(&mut self, now: Duration) {
        self.last_picture = now;
        self.last_byte = now;
        match self.state {
            State::Connecting { .. } => {
                self.is_long_gone = false;
                self.enter(State::Streaming { picture: Picture::Normal }, CameraState::Streaming, "pictures arrive");
            }
            State::Stalled { .. } => {
                let cause = "pictures arrive again on the same connection";
                self.enter(State::Streaming { picture: Picture::Normal }, CameraState::Streaming, cause);
            }
            // A picture that was on its way while the stream was closed.
            _ => return,
        }
        self.away_since = None;
    }

    fn failed(&mut self, now: Duration, error: &DecodeError) {
        if !self.has_stream() {
            return;
        }
        let lasted = matches!(self.state, State::Streaming { .. });
        match error {
            DecodeError::AuthFailed { .. } => {
                self.actions.push(Action::Close);
                self.note_absence(now);
                let wait = self.settings.auth_retry;
                // Up to a fifth more, so that a site's cameras do not ask in step.
                let until = now + wait + wait.mul_f64(fastrand::f64() / 5.0);
                self.enter(State::AuthFailed { until }, CameraState::AuthFailed, &error.to_string());
            }
            DecodeError::Decoder { .. } => {
                self.actions.push(Action::RejectDecoder);
                self.give_up(now, lasted, &error.to_string());
            }
            _ => self.give_up(now, lasted, &error.to_string()),
        }
    }

    fn ended(&mut self) {
        if self.has_stream() {
            self.actions.push(Action::Close);
            (self.away_since, self.is_long_gone) = (None, false);
            self.enter(State::Ended, CameraState::Ended, "the file has ended");
        }
    }

    fn panicked(&mut self, now: Duration, message: &str) {
        if self.has_stream() {
            self.actions.push(Action::Close);
        }
        if matches!(self.state, State::Disabled | State::Ended) {
            return;
        }
        if self.panicked.replace(now).is_some_and(|last| now.saturating_sub(last) >= PANICS_FORGOTTEN) {
            self.panics.reset();
        }
        self.note_absence(now);
        let until = now + self.panics.next_wait();
        let cause = format!("a panic on the camera's thread: {message}");
        self.enter(State::Backoff { until }, CameraState::Backoff, &cause);
    }

    fn tick(&mut self, now: Duration, vitals: Vitals) {
        if vitals.bytes != self.vitals.bytes {
            self.last_byte = now;
        }
        if vitals.decoded != self.vitals.decoded {
            self.last_picture = now;
        }
        self.vitals = vitals;
        match self.state {
            State::Disabled | State::Ended => {}
            State::Backoff { until } if now >= until && self.is_long_gone => {
                self.state = State::Probing { until: now + PROBE_PATIENCE };
                self.actions.push(Action::Probe);
            }
            State::Backoff { until } if now >= until => self.connect(now, "trying again"),
            State::AuthFailed { until } if now >= until => self.connect(now, "trying again"),
            State::Probing { until } if now >= until => self.probed(now, false),
            State::Backoff { .. } | State::Probing { .. } | State::AuthFailed { .. } => {}
            State::Connecting { since } => self.tick_connecting(now, since),
            State::Streaming { .. } => self.tick_streaming(now),
            State::Stalled { since } if now >= since + self.settings.give_up => {
                self.reject_a_stuck_decoder();
                self.give_up(now, true, "still nothing");
            }
            State::Stalled { .. } => {}
        }
    }

    fn tick_connecting(&mut self, now: Duration, since: Duration) {
        let s = &self.settings;
        let limit = if self.vitals.bytes == 0 { s.connect_timeout } else { s.stall };
        let (silent, waited, longest) = (now.saturating_sub(self.last_byte), now - since, s.keyframe_timeout);
        if silent >= limit {
            let cause = format!("no data within {} s", limit.as_secs());
            self.give_up(now, false, &cause);
        } else if waited >= longest {
            self.reject_a_stuck_decoder();
            self.give_up(now, false, &format!("data arrive, but no picture within {} s", longest.as_secs()));
        }
    }

    fn tick_streaming(&mut self, now: Duration) {
        let s = &self.settings;
        let no_data = now.saturating_sub(self.last_byte) >= s.stall;
        let limit = self.picture_limit();
        let no_picture = now.saturating_sub(self.last_picture) >= limit;
        let cause = match (no_data, no_picture) {
            (true, _) => format!("no data for {} s", s.stall.as_secs()),
            (false, true) => format!("data arrive, but no picture for {} s", limit.as_secs()),
            (false, false) => return,
        };
        self.enter(State::Stalled { since: now }, CameraState::Stalled, &cause);
    }

    /// A decoder that was given keyframes and made no picture of any does not work with this camera.
    fn reject_a_stuck_decoder(&mut self) {
        if self.vitals.keyframes >= 2 && self.vitals.decoded == 0 {
            self.actions.push(Action::RejectDecoder);
        }
    }

    /// Closes the stream and waits; for a stream that had `lasted`, the waits begin anew.
    fn give_up(&mut self, now: Duration, lasted: bool, cause: &str) {
        self.actions.push(Action::Close);
        if lasted {
            self.backoff = Backoff::new(self.settings.retry_min, self.settings.retry_max);
        }
        self.note_absence(now);
        if self.is_long_gone {
            self.backoff = Backoff::new(self.settings.long_retry_max, self.settings.long_retry_max);
        }
        let until = now + self.backoff.next_wait();
        self.enter(State::Backoff { until }, CameraState::Backoff, cause);
    }

    fn note_absence(&mut self, now: Duration) {
        let away = now.saturating_sub(*self.away_since.get_or_insert(now));
        self.is_long_gone = away >= self.settings.long_outage;
    }

    fn has_stream(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Streaming { .. } | State::Stalled { .. })
    }

    fn enter(&mut self, state: State, shown: CameraState, cause: &str) {
        self.state = state;
        let now_told = Some((shown, cause.to_owned()));
        if self.is_long_gone && (shown == CameraState::Connecting || self.told == now_told) {
            return;
        }
        self.told = now_told;
        self.actions.push(Action::Report(shown, cause.to_owned()));
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
