//! One source's GStreamer pipeline, from its origin to the branch that decodes it, and its end.
//!
//! ```text
//!   rtspsrc ─ video only ─┐
//!   filesrc ─ typefind ─ demuxer ─ first video ─┼─▶ [branch: depay ─ parse ─ gate ─ decoder] ─ convert ─ appsink
//!   v4l2src ──────────────┘
//! ```
//!
//! The chain is explicit: no element is plugged that is not named in this room, except a decoder for a codec that this
//! room does not know. Errors of the pipeline are classified where they are posted and kept in the [`Feed`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use url::Url;

use super::branch::{self, Plan};
use super::error::{Reporter, classify};
use super::feed::{Feed, count};
use super::flood::Guard;
use super::source::Place;
use super::{Codec, DecodeError, Settings, Transport, codec, redirect};
use crate::base::threads;

/// A running pipeline. Dropping it stops it, on a thread of its own.
pub(super) struct Pipeline {
    inner: gst::Pipeline,
    sink: gst_app::AppSink,
}

/// How long `drop` waits for a pipeline to stop before it is left to itself.
const DROP_LIMIT: Duration = Duration::from_secs(2);

/// What every callback of a pipeline needs.
#[derive(Clone)]
struct Context {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    into: gst::Element,
    feed: Arc<Feed>,
    plan: Arc<Plan>,
    /// Set by the first video stream: others are left alone.
    attached: Arc<AtomicBool>,
}

impl Pipeline {
    /// Builds the pipeline of the feed's source and starts it. Whether it works shows later, in the feed.
    pub fn start(feed: &Arc<Feed>, settings: &Settings, plan: Plan) -> Result<Self, DecodeError> {
        let pipeline = gst::Pipeline::new();
        let (into, sink) = branch::tail(&pipeline, feed, plan.delivery)?;
        let context = Context {
            pipeline: pipeline.downgrade(),
            into,
            feed: feed.clone(),
            plan: Arc::new(plan),
            attached: Arc::default(),
        };
        listen(&pipeline, feed);
        let started = Self { inner: pipeline, sink };
        match feed.source.place() {
            Place::Rtsp(url) => context.add_rtsp(&started.inner, url, settings)?,
            Place::File(path) => context.add_file(&started.inner, path)?,
            Place::Device(path) => context.add_device(&started.inner, path)?,
            // A `Stream` draws it without a pipeline; a `Clip` would never end.
            Place::Scene(_) => {
                return Err(context.unsupported("it has no end, so it can be watched but not played as a clip"));
            }
        }
        // A failure is also posted as a message, with its cause, and so ends up in the feed.
        if started.inner.set_state(gst::State::Playing).is_err() && feed.outcome().is_none() {
            feed.fail(branch::other(feed, "the pipeline does not start"));
        }
        Ok(started)
    }

    /// Where the pictures come out.
    pub fn sink(&self) -> &gst_app::AppSink {
        &self.sink
    }

    /// How long the clip says it is.
    pub fn duration(&self) -> Option<Duration> {
        let duration = self.inner.query_duration::<gst::ClockTime>()?;
        Some(Duration::from_nanos(duration.nseconds()))
    }

    /// Stops it. Returns whether it stopped within `limit`; if not, the thread that stops it is left to itself.
    pub fn stop(&self, limit: Duration) -> bool {
        self.sink.set_callbacks(gst_app::AppSinkCallbacks::builder().build());
        let pipeline = self.inner.clone();
        let stop = move || halt(&pipeline);
        threads::with_deadline("gst-stop", limit, stop).is_some()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.inner.current_state() != gst::State::Null && !self.stop(DROP_LIMIT) {
            tracing::warn!("a GStreamer pipeline did not stop in time and is left to itself");
        }
    }
}

/// Stops a pipeline, and then what it passed over because it was just being added.
fn halt(pipeline: &gst::Pipeline) {
    let _ = pipeline.set_state(gst::State::Null);
    for element in pipeline.iterate_elements().into_iter().flatten() {
        if element.current_state() != gst::State::Null {
            let _ = element.set_state(gst::State::Null);
        }
    }
}

/// Turns errors and the end of the stream into the feed's outcome, on the thread that posts them.
fn listen(pipeline: &gst::Pipeline, feed: &Arc<Feed>) {
    let Some(bus) = pipeline.bus() else { return };
    let feed = feed.clone();
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Qos(_) = message.view() {
            note_dropped(message, &feed);
        }
        if let gst::MessageView::Error(error) = message.view() {
            let factory = message.src().and_then(|s| s.downcast_ref::<gst::Element>()).and_then(ElementExt::factory);
            let name = factory.as_ref().map(|f| f.name().to_string()).unwrap_or_default();
            let reporter = match &factory {
                Some(f) if f.has_type(gst::ElementFactoryType::DECODER) => Reporter::Decoder(&name),
                Some(f) if f.has_type(gst::ElementFactoryType::SRC) || name == "rtspsrc" => Reporter::Origin,
                _ => Reporter::Between,
            };
            let debug = error.debug().map(|d| d.to_string()).unwrap_or_default();
            feed.fail(classify(&feed.source, reporter, &error.error(), &debug));
        }
        gst::BusSyncReply::Drop
    });
}

/// Counts a picture that the decoder dropped. Lateness is no reason here, as the sink asks for no haste: what is left is
/// damage. libav's decoders tell that in more detail, see `damage`.
fn note_dropped(message: &gst::Message, feed: &Feed) {
    let element = message.src().and_then(|s| s.downcast_ref::<gst::Element>());
    let Some(factory) = element.and_then(ElementExt::factory) else { return };
    if factory.has_type(gst::ElementFactoryType::DECODER) && !factory.name().starts_with("avdec_") {
        count(&feed.counters.corrupt, 1);
    }
}

impl Context {
    fn add_rtsp(&self, pipeline: &gst::Pipeline, url: &Url, settings: &Settings) -> Result<(), DecodeError> {
        let origin = branch::make("rtspsrc")?;
        origin.set_property("location", url.as_str());
        origin.set_property("latency", u32::try_from(settings.latency.as_millis()).unwrap_or(u32::MAX));
        // Packets dropped here would spoil pictures; the gate before the decoder leaves out whole ones instead.
        origin.set_property("drop-on-latency", false);
        origin.set_property("do-retransmission", false);
        origin.set_property("tcp-timeout", 5_000_000u64);
        origin.set_property("teardown-timeout", 200_000_000u64);
        origin.set_property_from_str(
            "protocols",
            match settings.transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp+udp-mcast",
                Transport::Auto => "udp+udp-mcast+tcp",
            },
        );
        // Shorter than any camera's own limit for the first picture: else that would always strike before the second try.
        origin.set_property("timeout", if settings.transport == Transport::Auto { 2_000_000u64 } else { 5_000_000u64 });
        if !settings.verify_tls {
            origin.set_property_from_str("tls-validation-flags", "0");
        }
        // Since GStreamer 1.22, and only there the camera's own time is known.
        if origin.find_property("add-reference-timestamp-meta").is_some() {
            origin.set_property("add-reference-timestamp-meta", true);
        }
        if let Some(user) = self.feed.source.user() {
            origin.set_property("user-id", user);
        }
        if let Some(password) = self.feed.source.password() {
            origin.set_property("user-pw", password.expose());
        }
        let guard = Guard::new(&self.feed, settings);
        redirect::stay_on_host(&origin, &self.feed, url, &guard);
        self.select_video(&origin, guard);
        let context = self.clone();
        origin.connect_pad_added(move |_, pad| context.attach_rtp(pad));
        pipeline.add(&origin).map_err(|e| branch::other(&self.feed, e))
    }

    /// Asks the server for the first video stream only: audio and metadata would cost it and us a session each.
    fn select_video(&self, origin: &gst::Element, guard: Arc<Guard>) {
        let chosen = AtomicBool::new(false);
        origin.connect("select-stream", false, move |arguments| {
            guard.described();
            let caps = arguments.get(2).and_then(|value| value.get::<gst::Caps>().ok());
            let is_video = caps.is_some_and(|caps| Codec::of_rtp(&caps).is_some());
            Some((is_video && !chosen.swap(true, SeqCst)).to_value())
        });
        let context = self.clone();
        origin.connect_no_more_pads(move |_| context.fail_without_video("it offers no video that can be decoded"));
    }

    fn attach_rtp(&self, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if let Some(codec) = Codec::of_rtp(&caps) {
            self.attach(pad, &codec, true);
        }
    }

    fn add_file(&self, pipeline: &gst::Pipeline, path: &Path) -> Result<(), DecodeError> {
        let named = |detail: std::io::Error| DecodeError::NotFound {
            source_name: self.feed.source.to_string(),
            detail: detail.to_string(),
        };
        let file = std::fs::metadata(path).map_err(named)?;
        if file.is_dir() {
            return Err(self.unsupported("it is a folder"));
        }
        let origin = branch::make("filesrc")?;
        origin.set_property("location", path);
        let typefind = branch::make("typefind")?;
        pipeline.add_many([&origin, &typefind]).map_err(|e| branch::other(&self.feed, e))?;
        origin.link(&typefind).map_err(|e| branch::other(&self.feed, e))?;
        let context = self.clone();
        typefind.connect("have-type", false, move |arguments| {
            let typefind = arguments.first().and_then(|value| value.get::<gst::Element>().ok());
            let caps = arguments.get(2).and_then(|value| value.get::<gst::Caps>().ok());
            if let (Some(typefind), Some(caps)) = (typefind, caps)
                && let Err(error) = context.open_container(&typefind, &caps)
            {
                context.feed.fail(error);
            }
            None
        });
        Ok(())
    }

    fn open_container(&self, typefind: &gst::Element, caps: &gst::Caps) -> Result<(), DecodeError> {
        let Some(output) = typefind.static_pad("src") else { return Ok(()) };
        let media = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
        let demuxer = match codec::demuxer(&media) {
            Some(Some(demuxer)) => demuxer,
            Some(None) => {
                let codec = Codec::of_media(caps).ok_or_else(|| self.unsupported(&media))?;
                self.attach(&output, &codec, false);
                return Ok(());
            }
            None if codec::is_program_stream(caps) => "mpegpsdemux",
            None => return Err(self.unsupported(&format!("it is {media}, which is no video file known here"))),
        };
        let Some(pipeline) = self.pipeline.upgrade() else { return Ok(()) };
        let demuxer = branch::make(demuxer)?;
        let context = self.clone();
        demuxer.connect_pad_added(move |_, pad| context.attach_media(pad));
        let context = self.clone();
        demuxer.connect_no_more_pads(move |_| context.fail_without_video("it holds no video"));
        // Whoever starts the pipeline may still be going through its elements, and would start this one too: it would then
        // hold the demuxer and wait for `typefind`, whose thread this is, while this thread waits for the demuxer. So it is
        // not the pipeline's to start until it has been started here.
        demuxer.set_locked_state(true);
        let linked = || {
            pipeline.add(&demuxer)?;
            typefind.link(&demuxer)?;
            let started = demuxer.set_state(gst::State::Paused);
            started.map_err(|_| gst::glib::bool_error!("{} does not start", demuxer.name()))
        };
        let result = linked().map_err(|e| branch::other(&self.feed, e));
        demuxer.set_locked_state(false);
        result.map(|_| ())
    }

    fn attach_media(&self, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if let Some(codec) = Codec::of_media(&caps) {
            self.attach(pad, &codec, false);
        }
    }

    fn add_device(&self, pipeline: &gst::Pipeline, path: &Path) -> Result<(), DecodeError> {
        let origin = branch::make("v4l2src")?;
        origin.set_property("device", path.to_string_lossy().as_ref());
        pipeline.add(&origin).map_err(|e| branch::other(&self.feed, e))?;
        // Opens the device, so that it can be asked what it offers. A failure is posted with its cause.
        if origin.set_state(gst::State::Ready).is_err() {
            return Ok(());
        }
        let Some(output) = origin.static_pad("src") else { return Ok(()) };
        let offered = output.query_caps(None);
        let encoded = ["video/x-h264", "image/jpeg"].map(gst::Caps::new_empty_simple);
        let wanted = encoded.into_iter().find(|caps| caps.can_intersect(&offered));
        let wanted = wanted.unwrap_or_else(|| gst::Caps::new_empty_simple("video/x-raw"));
        let filter = branch::make("capsfilter")?;
        filter.set_property("caps", &wanted);
        pipeline.add(&filter).map_err(|e| branch::other(&self.feed, e))?;
        origin.link(&filter).map_err(|e| branch::other(&self.feed, e))?;
        let codec = Codec::of_media(&wanted).unwrap_or(Codec::Raw);
        if let Some(pad) = filter.static_pad("src") {
            self.attach(&pad, &codec, false);
        }
        Ok(())
    }

    /// Builds the branch behind the first video stream, and leaves any other unlinked.
    fn attach(&self, pad: &gst::Pad, codec: &Codec, over_rtp: bool) {
        if self.attached.swap(true, SeqCst) {
            return;
        }
        let Some(pipeline) = self.pipeline.upgrade() else { return };
        let built = branch::attach(&pipeline, pad, codec, over_rtp, &self.into, &self.feed, &self.plan);
        if let Err(error) = built {
            self.feed.fail(error);
        }
    }

    fn fail_without_video(&self, detail: &str) {
        if !self.attached.load(SeqCst) {
            self.feed.fail(self.unsupported(detail));
        }
    }

    fn unsupported(&self, detail: &str) -> DecodeError {
        DecodeError::Unsupported { source_name: self.feed.source.to_string(), detail: detail.to_owned() }
    }
}
