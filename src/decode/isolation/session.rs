//! What there is of one stream that a process decodes, on the thread that decodes it: packets go to the process, and the pictures
//! that come back are given on. Where the process ends before its time, the stream goes on with the next keyframe in another one,
//! which is started on a thread of its own: packets go on coming, so that the camera is not taken for silent.
//!
//! ```text
//!   Starting ── ready ──▶ Running ── no answer, or one that is not believed ──▶ Starting, at once or later
//!   (packets are dropped, the gate waits for a keyframe)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::super::DecodeError;
use super::super::feed::{Feed, count, lock};
use super::super::pool::PicturePool;
use super::layout;
use super::link::{Answer, Link, LinkError, NoLink, Start};
use super::protocol::{Done, MOST_PICTURES, PacketHead, PictureHead, ProtocolError};
use crate::base::clock::{Clock, SystemClock};
use crate::base::restart::Restarts;
use crate::base::threads;

/// The memory that a process may have: an 8K picture of 16 bits takes 200 MB, a decoder of 1080p pictures takes less than a
/// tenth of this in all.
pub(super) const MEMORY: u64 = 2 << 30;
/// So many processes that end one after the other without a picture show that this decoder does not work for this stream.
const FRUITLESS: u32 = 5;
/// A keyframe, which may be the only one for ten seconds, waits so long for a process that is being started: less than it takes
/// until a camera is taken for silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// Decoders may show the whole of the last macroblock or coding tree block: so much more either way is believed.
const MACROBLOCK: u32 = 64;
/// No decoder holds back more pictures.
const MOST_TIMES: usize = 64;

/// The process that decodes.
enum Process {
    /// It is ready.
    Running(Link),
    /// It is being started.
    Starting {
        /// Where it, or what became of it, comes from.
        next: Receiver<Result<Link, NoLink>>,
        /// Dropped, it ends the wait before the start.
        _end: Sender<()>,
        /// How long the next keyframe may wait for it.
        patience: Duration,
    },
    /// There is none, and none is to come.
    None,
}

/// What there is of a stream, on the thread that decodes it.
pub(super) struct Session {
    start: Arc<Start>,
    feed: Arc<Feed>,
    process: Process,
    restarts: Restarts,
    /// Processes that have ended since the last picture.
    fruitless: u32,
    caps: Option<String>,
    /// The width and height that the packets announce, and announced before, where they do.
    announced: [Option<(u32, u32)>; 2],
    /// Whether the present process knows how the stream is encoded.
    told: bool,
    /// The form of the last picture, and memory for the next.
    form: Option<(PictureHead, PicturePool)>,
    segment: Option<gst::Event>,
    /// When the camera took the wanted pictures that are in the decoder, where it says so.
    taken: VecDeque<(gst::ClockTime, gst::Caps, gst::ClockTime)>,
}

impl Session {
    /// Of a stream whose pictures a process of `start` decodes, which is started at once.
    pub(super) fn new(start: Start, feed: Arc<Feed>) -> Self {
        let mut session = Self {
            start: Arc::new(start),
            feed,
            process: Process::None,
            restarts: Restarts::new(SystemClock.mono()),
            fruitless: 0,
            caps: None,
            announced: [None; 2],
            told: false,
            form: None,
            segment: None,
            taken: VecDeque::new(),
        };
        session.start_after(Duration::ZERO);
        session
    }

    /// The number of the process, while there is one.
    #[cfg(test)]
    pub(super) fn process(&self) -> Option<u32> {
        match &self.process {
            Process::Running(link) => link.process(),
            _ => None,
        }
    }

    /// Takes a packet to the process and its pictures to `source`.
    pub(super) fn decode(
        &mut self,
        source: &gst::Pad,
        buffer: &gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let is_keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if !self.is_running(is_keyframe)? {
            // Also if this is a keyframe: without it nothing can be made of what follows.
            self.feed.begin_anew();
            return Ok(gst::FlowSuccess::Ok);
        }
        if lock(&self.feed.gate).is_waiting() {
            return Ok(gst::FlowSuccess::Ok);
        }
        let wanted = self.feed.owes(buffer.pts());
        if wanted {
            self.note_taken(buffer);
        }
        let nanos = |time: Option<gst::ClockTime>| time.map(gst::ClockTime::nseconds);
        let (pts, dts, duration) = (nanos(buffer.pts()), nanos(buffer.dts()), nanos(buffer.duration()));
        let head = PacketHead { pts, dts, duration, flags: buffer.flags().bits(), wanted };
        let Ok(bytes) = buffer.map_readable() else { return Err(gst::FlowError::Error) };
        let sent = self.give(head, &bytes);
        let answered = sent.and_then(|()| self.take(source));
        self.settle(answered)
    }

    /// The connection to the process that runs.
    fn link(&mut self) -> Option<&mut Link> {
        match &mut self.process {
            Process::Running(link) => Some(link),
            _ => None,
        }
    }

    fn give(&mut self, head: PacketHead, bytes: &[u8]) -> Result<(), LinkError> {
        let Process::Running(link) = &mut self.process else { return Ok(()) };
        if let (false, Some(caps)) = (self.told, &self.caps) {
            link.caps(caps)?;
            self.told = true;
        }
        link.packet(head, bytes)
    }

    /// Takes all answers to what was given.
    fn take(&mut self, source: &gst::Pad) -> Result<Result<gst::FlowSuccess, gst::FlowError>, LinkError> {
        let mut flow = Ok(gst::FlowSuccess::Ok);
        let mut pictures = 0;
        while let Some(link) = self.link() {
            match link.answer()? {
                Answer::Picture(head, bytes) => {
                    pictures += 1;
                    if pictures > MOST_PICTURES {
                        return Err(ProtocolError::TooMany.into());
                    }
                    let pushed = self.picture(source, head, bytes)?;
                    flow = flow.and(pushed);
                }
                Answer::Done(done) => {
                    self.note(done);
                    break;
                }
            }
        }
        Ok(flow)
    }

    /// Reads a picture, into memory of the pool, and gives it on.
    fn picture(
        &mut self,
        source: &gst::Pad,
        head: PictureHead,
        bytes: usize,
    ) -> Result<Result<gst::FlowSuccess, gst::FlowError>, LinkError> {
        let info = layout::info(&head)?;
        let PictureHead { width, height, format, .. } = head;
        // What was in the decoder when the form changed is of the form before.
        let fits = |announced: &(u32, u32)| {
            width <= announced.0.saturating_add(MACROBLOCK) && height <= announced.1.saturating_add(MACROBLOCK)
        };
        let is_too_large = self.announced[0].is_some() && !self.announced.iter().flatten().any(fits);
        if is_too_large || info.size() != bytes {
            return Err(ProtocolError::Picture { width, height, format }.into());
        }
        let mut buffer = match self.memory(source, head, &info) {
            Ok(buffer) => buffer,
            Err(error) => {
                // It has to be read all the same: what follows would be taken for it.
                self.link().map_or(Ok(()), |link| link.picture(&mut vec![0; bytes]))?;
                return Ok(Err(error));
            }
        };
        let Some(writable) = buffer.get_mut() else { return Ok(Err(gst::FlowError::Error)) };
        writable.set_pts(head.pts.map(gst::ClockTime::from_nseconds));
        if head.corrupted {
            writable.set_flags(gst::BufferFlags::CORRUPTED);
        }
        self.add_taken(writable);
        {
            let Ok(mut map) = writable.map_writable() else { return Ok(Err(gst::FlowError::Error)) };
            self.link().map_or(Ok(()), |link| link.picture(&mut map))?;
        }
        self.fruitless = 0;
        Ok(source.push(buffer))
    }

    /// Memory for a picture of this form, after it has been said what form that is.
    fn memory(
        &mut self,
        source: &gst::Pad,
        head: PictureHead,
        info: &gst_video::VideoInfo,
    ) -> Result<gst::Buffer, gst::FlowError> {
        let form = PictureHead { pts: None, corrupted: false, ..head };
        if self.form.as_ref().is_none_or(|(known, _)| *known != form) {
            self.let_go();
            let caps = info.to_caps().map_err(|_| gst::FlowError::NotNegotiated)?;
            source.push_event(gst::event::Caps::new(&caps));
            let pool = PicturePool::of(info, &caps).ok_or(gst::FlowError::Error)?;
            self.form = Some((form, pool));
        }
        if let Some(segment) = self.segment.take() {
            source.push_event(segment);
        }
        self.form.as_ref().ok_or(gst::FlowError::Error)?.1.acquire_buffer(None)
    }

    fn note(&self, done: Done) {
        (0..done.kept).for_each(|_| self.feed.stays_inside());
        count(&self.feed.counters.corrupt, usize::from(done.damaged));
    }

    /// What becomes of the stream after this answer.
    fn settle(
        &mut self,
        answered: Result<Result<gst::FlowSuccess, gst::FlowError>, LinkError>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        match answered {
            Ok(flow) => flow,
            Err(LinkError::Refused(reason)) => self.give_up(reason),
            Err(error) => {
                let reason = match std::mem::replace(&mut self.process, Process::None) {
                    Process::Running(link) => link.failed(&error),
                    _ => error.to_string(),
                };
                self.ended(reason)
            }
        }
    }

    /// Whether a process is ready, which is taken up if it has become so.
    fn is_running(&mut self, is_keyframe: bool) -> Result<bool, gst::FlowError> {
        let Process::Starting { next, patience, .. } = &mut self.process else {
            return Ok(matches!(self.process, Process::Running(_)));
        };
        let came = match next.recv_timeout(if is_keyframe { std::mem::take(patience) } else { Duration::ZERO }) {
            Ok(came) => came,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(NoLink::Failed("no thread to start the process".to_owned())),
        };
        match came {
            Ok(link) => {
                if self.restarts.count() > 0 {
                    let (camera, process) = (&self.feed.source, link.process());
                    tracing::info!(%camera, process, restarts = self.restarts.count(), "the camera is decoded again");
                }
                self.restarts.ready(SystemClock.mono());
                (self.process, self.told) = (Process::Running(link), false);
                Ok(true)
            }
            // Trying again would change nothing.
            Err(NoLink::Refused(reason)) => self.give_up(reason).map(|_| false),
            Err(NoLink::Failed(reason)) => self.ended(reason).map(|_| false),
        }
    }

    /// Has a process started after `wait`.
    fn start_after(&mut self, wait: Duration) {
        let ((give, next), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let start = self.start.clone();
        let thread = threads::spawn("decode-start", move || {
            if ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                // Whoever wanted it may be gone; then it ends with this.
                let _ = give.send(start.link());
            }
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread to start a decoder's process");
        }
        let patience = PATIENCE.saturating_sub(wait);
        self.process = Process::Starting { next, _end: end, patience };
    }

    /// The process has ended, or could not be started.
    fn ended(&mut self, reason: String) -> Result<gst::FlowSuccess, gst::FlowError> {
        let wait = self.restarts.ended(SystemClock.mono());
        self.fruitless += 1;
        self.taken.clear();
        count(&self.feed.counters.restarts, 1);
        self.feed.begin_anew();
        tracing::warn!(camera = %self.feed.source, reason, "the camera's decoder is started again");
        if self.fruitless >= FRUITLESS {
            return self.give_up(reason);
        }
        self.start_after(wait);
        Ok(gst::FlowSuccess::Ok)
    }

    /// This decoder does not work for this stream.
    fn give_up(&mut self, detail: String) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.process = Process::None;
        let decoder = self.start.opening.decoder.clone();
        self.feed.fail(DecodeError::Decoder { source_name: self.feed.source.to_string(), decoder, detail });
        Err(gst::FlowError::Error)
    }

    /// How the packets that follow are encoded; no: nobody behind is to be told.
    pub(super) fn set_caps(&mut self, caps: &gst::CapsRef) -> bool {
        (self.caps, self.told) = (Some(plain(caps).to_string()), false);
        let side = |name: &str| u32::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok().filter(|side| *side > 0);
        let announced = side("width").zip(side("height"));
        if announced != self.announced[0] {
            self.announced = [announced, self.announced[0]];
        }
        false
    }

    /// Keeps it until there is a picture.
    pub(super) fn keep_segment(&mut self, event: &gst::Event) -> bool {
        self.segment = Some(event.clone());
        false
    }

    /// Brings out what is still inside, before the end; yes: which is to be told.
    pub(super) fn drain(&mut self, source: &gst::Pad) -> bool {
        if let Process::Running(link) = &mut self.process {
            let drained = link.drain();
            let answered = drained.and_then(|()| self.take(source));
            // An error has been told to the feed, and the end comes all the same.
            let _ = self.settle(answered);
        }
        true
    }

    /// Ends the process.
    pub(super) fn rest(&mut self) {
        self.process = Process::None;
        self.let_go();
    }

    /// Lets the memory of pictures go that are not looked at.
    fn let_go(&mut self) {
        if let Some((_, pool)) = self.form.take() {
            // What is still looked at goes back to a pool at rest, and so is freed.
            let _ = pool.set_active(false);
        }
    }

    fn note_taken(&mut self, buffer: &gst::Buffer) {
        let Some((pts, meta)) = buffer.pts().zip(buffer.meta::<gst::ReferenceTimestampMeta>()) else { return };
        if self.taken.len() >= MOST_TIMES {
            self.taken.pop_front();
        }
        self.taken.push_back((pts, meta.reference().to_owned(), meta.timestamp()));
    }

    fn add_taken(&mut self, buffer: &mut gst::BufferRef) {
        let at = self.taken.iter().position(|(pts, ..)| Some(*pts) == buffer.pts());
        if let Some((_, reference, time)) = at.and_then(|at| self.taken.remove(at)) {
            gst::ReferenceTimestampMeta::add(buffer, &reference, time, None);
        }
    }
}

/// Caps with nothing but what GStreamer's core knows: a process that has loaded a decoder and nothing else cannot read the
/// types of other libraries, such as flags for stereoscopic pictures.
fn plain(caps: &gst::CapsRef) -> gst::Caps {
    let known = [
        gst::glib::Type::I32,
        gst::glib::Type::BOOL,
        gst::glib::Type::STRING,
        gst::Fraction::static_type(),
        gst::Buffer::static_type(),
    ];
    let mut caps = caps.to_owned();
    for structure in caps.make_mut().iter_mut() {
        let strangers = structure.iter().filter(|(_, value)| !known.contains(&value.type_()));
        let strangers: Vec<String> = strangers.map(|(name, _)| name.to_string()).collect();
        structure.remove_fields(strangers.iter().map(String::as_str));
    }
    caps
}
