//! The element that stands where a decoder would: it hands each packet to the process and gives on the pictures that come
//! back. Where the process ends before its time, the stream goes on with the next keyframe in another one.
//!
//! ```text
//!   Running ── no answer, or one that is not believed ──▶ Waiting ── its time has come ──▶ Running
//!                                                          (packets are dropped, the gate waits for a keyframe)
//! ```

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer_video as gst_video;

use super::super::DecodeError;
use super::super::feed::{Feed, count, lock};
use super::super::pool::PicturePool;
use super::layout;
use super::link::{Answer, Link, LinkError, Start};
use super::protocol::{Done, Opening, PacketHead, PictureHead, ProtocolError};
use crate::base::child::Program;
use crate::base::clock::{Clock, SystemClock};
use crate::base::restart::Restarts;

/// The memory that a process may have: an 8K picture of 16 bits takes 200 MB, a decoder of 1080p pictures takes less than a
/// tenth of this in all.
const MEMORY: u64 = 2 << 30;
/// So many processes that end one after the other without a picture show that this decoder does not work for this stream.
const FRUITLESS: u32 = 5;
/// Decoders may show the whole of the last macroblock or coding tree block: so much more either way is believed.
const MACROBLOCK: u32 = 64;
/// No decoder holds back more pictures.
const MOST_TIMES: usize = 64;

mod imp {
    use std::sync::Mutex;

    use super::super::super::feed::lock;
    use super::{Core, gst};
    use gst::glib;
    use gst::prelude::*;
    use gst::subclass::prelude::*;

    pub struct RemoteDecoder {
        sink: gst::Pad,
        pub(super) source: gst::Pad,
        pub(super) core: Mutex<Option<Core>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for RemoteDecoder {
        const NAME: &'static str = "VedetteRemoteDecoder";
        type Type = super::RemoteDecoder;
        type ParentType = gst::Element;

        fn with_class(_: &Self::Class) -> Self {
            let sink = gst::Pad::builder(gst::PadDirection::Sink)
                .name("sink")
                .chain_function(|_, parent, buffer| {
                    let failed = || Err(gst::FlowError::Error);
                    Self::catch_panic_pad_function(parent, failed, |this| this.chain(&buffer))
                })
                .event_function(|pad, parent, event| {
                    Self::catch_panic_pad_function(parent, || false, |this| this.event(pad, event))
                })
                .build();
            let source = gst::Pad::builder(gst::PadDirection::Src).name("src").build();
            Self { sink, source, core: Mutex::default() }
        }
    }

    impl ObjectImpl for RemoteDecoder {
        fn constructed(&self) {
            self.parent_constructed();
            // They are new, and so can be added.
            let _ = self.obj().add_pad(&self.sink);
            let _ = self.obj().add_pad(&self.source);
        }
    }

    impl GstObjectImpl for RemoteDecoder {}

    impl ElementImpl for RemoteDecoder {
        fn change_state(&self, change: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            let changed = self.parent_change_state(change);
            if change == gst::StateChange::PausedToReady {
                // The pads are at rest by now, so that nobody is decoding.
                lock(&self.core).iter_mut().for_each(Core::rest);
            }
            changed
        }
    }

    impl RemoteDecoder {
        fn chain(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            lock(&self.core).as_mut().ok_or(gst::FlowError::Error)?.decode(&self.source, buffer)
        }

        fn event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
            let forward = match (event.view(), lock(&self.core).as_mut()) {
                (gst::EventView::Caps(caps), Some(core)) => core.set_caps(caps.caps()),
                // What is said before the pictures' own form would be in disorder.
                (gst::EventView::Segment(_), Some(core)) => core.keep_segment(&event),
                (gst::EventView::Eos(_), Some(core)) => core.drain(&self.source),
                (gst::EventView::Tag(_), _) => false,
                _ => true,
            };
            if forward { gst::Pad::event_default(pad, Some(&*self.obj()), event) } else { true }
        }
    }
}

gst::glib::wrapper! {
    /// A decoder in a process of its own.
    pub struct RemoteDecoder(ObjectSubclass<imp::RemoteDecoder>) @extends gst::Element, gst::Object;
}

/// What there is of a stream, on the thread that decodes it.
struct Core {
    start: Start,
    feed: Arc<Feed>,
    link: Option<Link>,
    restarts: Restarts,
    /// When the next process may be started, on the monotonic clock.
    next: Duration,
    /// Processes that have ended since the last picture.
    fruitless: u32,
    caps: Option<String>,
    /// The width and height that the packets announce, where they do.
    announced: Option<(u32, u32)>,
    /// Whether the present process knows how the stream is encoded.
    told: bool,
    /// The form of the last picture, and memory for the next.
    form: Option<(PictureHead, PicturePool)>,
    segment: Option<gst::Event>,
    /// When the camera took the wanted pictures that are in the decoder, where it says so.
    taken: VecDeque<(gst::ClockTime, gst::Caps, gst::ClockTime)>,
}

impl RemoteDecoder {
    /// Stands where the element `decoder` of the plugin in `plugin` would, which a process of `program` has.
    pub(in super::super) fn new(
        program: &Program,
        decoder: &str,
        plugin: PathBuf,
        threads: u32,
        feed: &Arc<Feed>,
    ) -> Self {
        let this: Self = gst::glib::Object::new();
        let opening = Opening { plugin, decoder: decoder.to_owned(), threads, memory: MEMORY };
        let core = Core {
            start: Start { program: program.clone(), opening },
            feed: feed.clone(),
            link: None,
            restarts: Restarts::new(SystemClock.mono()),
            next: Duration::ZERO,
            fruitless: 0,
            caps: None,
            announced: None,
            told: false,
            form: None,
            segment: None,
            taken: VecDeque::new(),
        };
        *lock(&this.imp().core) = Some(core);
        this
    }

    /// The number of the process, while there is one.
    #[cfg(test)]
    pub(super) fn process(&self) -> Option<u32> {
        lock(&self.imp().core).as_ref()?.link.as_ref()?.process()
    }
}

impl Core {
    /// Takes a packet to the process and its pictures to `source`.
    fn decode(&mut self, source: &gst::Pad, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.is_running()? || lock(&self.feed.gate).is_waiting() {
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

    fn give(&mut self, head: PacketHead, bytes: &[u8]) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
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
        while let Some(link) = &mut self.link {
            match link.answer()? {
                Answer::Picture(head, bytes) => {
                    pictures += 1;
                    if pictures > super::protocol::MOST_PICTURES {
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
        let is_too_large = self.announced.is_some_and(|(most_wide, most_high)| {
            width > most_wide.saturating_add(MACROBLOCK) || height > most_high.saturating_add(MACROBLOCK)
        });
        if is_too_large || info.size() != bytes {
            return Err(ProtocolError::Picture { width, height, format }.into());
        }
        let mut buffer = match self.memory(source, head, &info) {
            Ok(buffer) => buffer,
            Err(error) => {
                // It has to be read all the same: what follows would be taken for it.
                self.link.as_mut().map_or(Ok(()), |link| link.picture(&mut vec![0; bytes]))?;
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
            self.link.as_mut().map_or(Ok(()), |link| link.picture(&mut map))?;
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
                let reason = self.link.take().map_or_else(|| error.to_string(), |link| link.failed(&error));
                self.ended(reason)
            }
        }
    }

    /// Whether a process is there, which is started if it may be.
    fn is_running(&mut self) -> Result<bool, gst::FlowError> {
        if self.link.is_some() {
            return Ok(true);
        }
        if SystemClock.mono() < self.next {
            return Ok(false);
        }
        match self.start.link() {
            Ok(link) => {
                if self.restarts.count() > 0 {
                    let (camera, process) = (&self.feed.source, link.process());
                    tracing::info!(%camera, process, restarts = self.restarts.count(), "the camera is decoded again");
                }
                self.restarts.ready(SystemClock.mono());
                (self.link, self.told) = (Some(link), false);
                Ok(true)
            }
            Err(reason) => self.ended(reason).map(|_| false),
        }
    }

    /// The process has ended, or could not be started.
    fn ended(&mut self, reason: String) -> Result<gst::FlowSuccess, gst::FlowError> {
        let now = SystemClock.mono();
        self.next = now + self.restarts.ended(now);
        self.fruitless += 1;
        self.taken.clear();
        count(&self.feed.counters.restarts, 1);
        self.feed.begin_anew();
        tracing::warn!(camera = %self.feed.source, reason, "the camera's decoder is started again");
        if self.fruitless >= FRUITLESS { self.give_up(reason) } else { Ok(gst::FlowSuccess::Ok) }
    }

    /// This decoder does not work for this stream.
    fn give_up(&mut self, detail: String) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.link = None;
        let decoder = self.start.opening.decoder.clone();
        self.feed.fail(DecodeError::Decoder { source_name: self.feed.source.to_string(), decoder, detail });
        Err(gst::FlowError::Error)
    }

    /// How the packets that follow are encoded; no: nobody behind is to be told.
    fn set_caps(&mut self, caps: &gst::CapsRef) -> bool {
        (self.caps, self.told) = (Some(plain(caps).to_string()), false);
        let side = |name: &str| u32::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok().filter(|side| *side > 0);
        self.announced = side("width").zip(side("height"));
        false
    }

    /// Keeps it until there is a picture.
    fn keep_segment(&mut self, event: &gst::Event) -> bool {
        self.segment = Some(event.clone());
        false
    }

    /// Brings out what is still inside, before the end; yes: which is to be told.
    fn drain(&mut self, source: &gst::Pad) -> bool {
        if let Some(link) = &mut self.link {
            let drained = link.drain();
            let answered = drained.and_then(|()| self.take(source));
            // An error has been told to the feed, and the end comes all the same.
            let _ = self.settle(answered);
        }
        true
    }

    /// Ends the process.
    fn rest(&mut self) {
        self.link = None;
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
