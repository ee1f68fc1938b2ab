//! The thread of one camera: carries out what [`Machine`] decides, and hands pictures to the viewer.
//!
//! A panic, most likely in what the viewer does with a picture, ends this camera's connection and not its thread: it is
//! counted, told with its message, and the camera is connected anew after a wait. No other camera notices.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::machine::Machine;
use super::media_clock::{Discontinuity, MediaClock};
use super::stats::{CameraStats, Meter};
use super::steps::{Action, Input, Vitals};
use super::{Settings, StateChange, Tape, Viewer};
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::decode::{Codec, Counts, DecodeError, Source, Stream, StreamEvent, Tap, Want};
use crate::vocab::{CameraState, Frame, Id, WallTime};

/// How often the signs of life are looked at while a stream is open.
const TICK: Duration = Duration::from_millis(250);
/// How long a stream may take to close before it is left to itself.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// What others leave for the camera's thread.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    woken: bool,
}

/// What the camera's thread is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Give(Input),
    Stop,
}

impl Inbox {
    pub fn send(&self, command: Command) {
        let mut waiting = lock(&self.waiting);
        waiting.commands.push_back(command);
        self.changed.notify_one();
    }

    /// Says that the stream has something. Cheap, and never waits for the camera's thread.
    fn wake(&self) {
        lock(&self.waiting).woken = true;
        self.changed.notify_one();
    }

    /// Waits for a command or a wake, at most `limit`.
    fn wait(&self, limit: Duration) {
        let idle = |waiting: &mut Waiting| !waiting.woken && waiting.commands.is_empty();
        let guard = self.changed.wait_timeout_while(lock(&self.waiting), limit, idle);
        guard.unwrap_or_else(PoisonError::into_inner).0.woken = false;
    }

    fn next(&self) -> Option<Command> {
        lock(&self.waiting).commands.pop_front()
    }
}

pub(super) struct Driver {
    pub id: Id,
    pub source: Source,
    pub settings: Settings,
    pub clock: SharedClock,
    pub viewer: Box<dyn Viewer>,
    pub inbox: Arc<Inbox>,
    pub stats: Arc<Mutex<CameraStats>>,
    machine: Machine,
    stream: Option<Stream>,
    /// Who keeps what the current stream sends, where somebody does.
    tape: Option<Arc<dyn Tape>>,
    media: MediaClock,
    meter: Meter,
    want: Want,
    rejected: Vec<String>,
    /// Counts of the streams before the current one.
    before: Counts,
    opened: u64,
    /// Numbers of the pictures: what the current stream's count from, and the next free one.
    seq_base: u64,
    seq_next: u64,
    size: Option<(u32, u32)>,
    codec: Option<Codec>,
}

impl Driver {
    pub fn new(
        id: Id,
        source: Source,
        settings: Settings,
        clock: SharedClock,
        viewer: Box<dyn Viewer>,
        inbox: Arc<Inbox>,
        stats: Arc<Mutex<CameraStats>>,
    ) -> Self {
        Self {
            machine: Machine::new(settings.clone()),
            want: Want::of_rate(settings.decode.max_fps),
            id,
            source,
            settings,
            clock,
            viewer,
            inbox,
            stats,
            stream: None,
            tape: None,
            media: MediaClock::default(),
            meter: Meter::default(),
            rejected: Vec::new(),
            before: Counts::default(),
            opened: 0,
            seq_base: 0,
            seq_next: 0,
            size: None,
            codec: None,
        }
    }

    /// Runs until it is told to stop.
    pub fn run(mut self) {
        if let Err(message) = self.guarded(Self::begin) {
            self.recover(message);
        }
        while let Err(message) = self.guarded(Self::work) {
            self.recover(message);
        }
    }

    /// Runs a part of the camera's life. What a panic leaves half-done is put right by [`Driver::recover`].
    fn guarded(&mut self, part: impl FnOnce(&mut Self)) -> Result<(), String> {
        panic::catch_unwind(AssertUnwindSafe(|| part(self))).map_err(|panic| threads::panic_message(&*panic))
    }

    fn recover(&mut self, message: String) {
        let panics = {
            let mut stats = lock(&self.stats);
            stats.panics += 1;
            stats.panics
        };
        tracing::error!(camera = %self.id, panics, message, "the camera's thread panicked; it connects anew");
        // The machine has decided before anybody is told, so a viewer that cannot even take that in changes nothing.
        if let Err(message) = self.guarded(|driver| driver.give(Input::Panicked(message))) {
            tracing::error!(camera = %self.id, message, "telling of the panic ended in another one");
        }
    }

    fn begin(&mut self) {
        if self.settings.enabled {
            self.give(Input::Enable(true));
        } else {
            self.report(CameraState::Disabled, "switched off by configuration");
        }
    }

    /// Returns when it was told to stop.
    fn work(&mut self) {
        loop {
            while let Some(command) = self.inbox.next() {
                match command {
                    Command::Give(input) => self.give(input),
                    Command::Stop => return self.close(),
                }
            }
            self.drain();
            self.tick();
            self.inbox.wait(self.next_look());
        }
    }

    /// Feeds the machine and does what it says. What that leads to is fed in turn, never from within.
    fn give(&mut self, input: Input) {
        if let Input::Want(want) = input {
            self.want = want;
            self.stream.iter().for_each(|stream| stream.set_want(want));
        }
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for action in self.machine.step(self.clock.mono(), input) {
                match action {
                    Action::Open => next = self.open().err().map(Input::Failed),
                    Action::Probe => self.probe(),
                    Action::Close => self.close(),
                    Action::RejectDecoder => self.reject_decoder(),
                    Action::Report(state, cause) => self.report(state, &cause),
                }
            }
        }
    }

    /// Takes what the stream has. A picture is handed on before the next is looked for.
    fn drain(&mut self) {
        while let Some(event) = self.stream.as_mut().and_then(Stream::poll) {
            match event {
                StreamEvent::Frame(frame) => {
                    self.give(Input::Frame);
                    self.deliver(frame);
                }
                StreamEvent::Failed(error) => {
                    if matches!(error, DecodeError::Unsupported { .. }) {
                        // Whatever was wrong with the decoders may have passed by the next attempt.
                        self.rejected.clear();
                    }
                    if let DecodeError::Decoder { decoder, .. } = &error {
                        self.rejected.push(decoder.clone());
                    }
                    self.give(Input::Failed(error));
                }
                StreamEvent::Ended => self.give(Input::Ended),
            }
        }
    }

    fn tick(&mut self) {
        let counts = self.stream.as_ref().map(Stream::counts).unwrap_or_default();
        let vitals = Vitals { bytes: counts.bytes, keyframes: counts.keyframes, decoded: counts.decoded };
        self.give(Input::Tick(vitals));
        self.note();
    }

    fn next_look(&self) -> Duration {
        if self.stream.is_some() {
            return TICK;
        }
        let due = self.machine.deadline().map(|at| at.saturating_sub(self.clock.mono()));
        // Without a deadline only a command changes anything; the hour guards against a mistake in that belief.
        due.unwrap_or(Duration::from_secs(3600)).max(Duration::from_millis(1))
    }

    fn open(&mut self) -> Result<(), DecodeError> {
        self.opened += 1;
        self.media.reconnect();
        self.seq_base = self.seq_next;
        let inbox = self.inbox.clone();
        let wake = Box::new(move || inbox.wake());
        self.tape = self.viewer.tape();
        let tap = self.tape.clone().map(|tape| tape as Arc<dyn Tap>);
        let (source, decode, clock) = (&self.source, &self.settings.decode, self.clock.clone());
        let stream = Stream::open(source, decode, &self.rejected, clock, wake, tap)?;
        stream.set_want(self.want);
        self.stream = Some(stream);
        Ok(())
    }

    /// On a thread of its own, as neither looking a name up nor connecting can be interrupted.
    fn probe(&self) {
        let (source, inbox, limit) = (self.source.clone(), self.inbox.clone(), self.settings.probe_limit);
        let answer = move || inbox.send(Command::Give(Input::Probed(source.is_there(limit))));
        if let Err(error) = threads::spawn(&format!("ask-{}", self.id), answer) {
            tracing::warn!(camera = %self.id, %error, "no thread to ask whether the camera is there");
        }
    }

    fn close(&mut self) {
        self.note();
        let Some(stream) = self.stream.take() else { return };
        self.before = self.before.plus(stream.counts());
        if !stream.close(CLOSE_LIMIT) {
            tracing::warn!(camera = %self.id, "the stream did not close in time and is left to itself");
        }
    }

    fn reject_decoder(&mut self) {
        let used = self.stream.as_ref().and_then(|stream| stream.info().decoder);
        let Some(used) = used.filter(|name| !self.rejected.contains(name)) else { return };
        tracing::warn!(camera = %self.id, decoder = %used, "the decoder does not work for this camera");
        self.rejected.push(used);
    }

    fn deliver(&mut self, mut frame: Frame) {
        let stream_time = Duration::from_nanos(frame.pts.as_nanos());
        let (media, jump) = self.media.stamp(stream_time, self.clock.mono());
        self.tape.iter().for_each(|tape| tape.anchor(frame.pts, media));
        let size = (frame.width, frame.height);
        let known = self.size.replace(size);
        for cause in [jump, self.codec_change(), size_change(known, size)].into_iter().flatten() {
            tracing::info!(camera = %self.id, ?cause, "the stream has a discontinuity");
            self.viewer.discontinuity(cause);
        }
        frame.pts = media;
        frame.seq += self.seq_base;
        self.seq_next = frame.seq + 1;
        self.viewer.frame(frame);
    }

    /// Looked at once per connection: within one, the codec cannot change.
    fn codec_change(&mut self) -> Option<Discontinuity> {
        if self.seq_next != self.seq_base {
            return None;
        }
        let codec = self.stream.as_ref()?.info().codec?;
        let known = self.codec.replace(codec.clone())?;
        (known != codec).then_some(Discontinuity::CodecChanged)
    }

    fn report(&mut self, state: CameraState, cause: &str) {
        tracing::info!(camera = %self.id, ?state, cause, "camera state");
        let since = WallTime::from_unix_nanos(self.clock.unix_nanos());
        {
            let mut stats = lock(&self.stats);
            (stats.state, stats.since) = (state, since);
            cause.clone_into(&mut stats.cause);
        }
        let media = self.media.at(self.clock.mono());
        self.viewer.state(StateChange { state, cause: cause.to_owned(), since, media });
    }

    /// Brings the shared statistics up to date.
    fn note(&mut self) {
        let current = self.stream.as_ref().map(|stream| (stream.counts(), stream.info()));
        let counts = self.before.plus(current.as_ref().map_or_else(Counts::default, |c| c.0));
        let fps = self.meter.mark(self.clock.mono(), counts.delivered);
        let mut stats = lock(&self.stats);
        (stats.counts, stats.fps, stats.reconnects) = (counts, fps, self.opened.saturating_sub(1));
        if let Some((_, info)) = current
            && info.codec.is_some()
        {
            stats.info = info;
        }
    }
}

fn size_change(known: Option<(u32, u32)>, to: (u32, u32)) -> Option<Discontinuity> {
    known.filter(|&from| from != to).map(|from| Discontinuity::SizeChanged { from, to })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
