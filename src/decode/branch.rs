//! From one encoded stream to pictures: depayload, parse, gate, decode, convert where needed, deliver.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::feed::{Arrival, Feed};
use super::isolation::RemoteDecoder;
use super::watch::{Chooser, watch_decoder, watch_input, watch_raw};
use super::{Codec, DecodeError, DecoderChoice, codec, picture, tap};
use crate::base::child::Program;

/// How the pictures leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The newest one replaces what was not taken; with `paced`, each waits for its time.
    Newest { paced: bool },
    /// Every one waits until it is taken; with `paced`, also for its time.
    All { paced: bool },
}

/// What is chosen for a branch from outside.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub decoder: DecoderChoice,
    pub threads: u32,
    /// What is started to have a software decoder in, instead of here.
    pub process: Option<Program>,
    /// Decoders that did not work for this source.
    pub rejected: Vec<String>,
    pub delivery: Delivery,
}

/// The end of the pipeline, which is there from the start: conversion, idle when not needed, and the sink.
pub(super) fn tail(
    pipeline: &gst::Pipeline,
    feed: &Arc<Feed>,
    delivery: Delivery,
) -> Result<(gst::Element, gst_app::AppSink), DecodeError> {
    let convert = make("videoconvert")?;
    let paced = matches!(delivery, Delivery::Newest { paced: true } | Delivery::All { paced: true });
    let caps = gst_video::VideoCapsBuilder::new()
        .format_list([gst_video::VideoFormat::Nv12, gst_video::VideoFormat::I420])
        .build();
    let sink = gst_app::AppSink::builder()
        .caps(&caps)
        .max_buffers(if matches!(delivery, Delivery::All { .. }) { 4 } else { 1 })
        .drop(matches!(delivery, Delivery::Newest { .. }))
        .sync(paced)
        .qos(false)
        .enable_last_sample(false)
        .wait_on_eos(false)
        .async_(false)
        .build();
    pipeline.add_many([&convert, sink.upcast_ref()]).map_err(|e| other(feed, e))?;
    convert.link(&sink).map_err(|e| other(feed, e))?;
    if matches!(delivery, Delivery::Newest { .. }) {
        sink.set_callbacks(deliver_newest(feed));
    }
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, probe| accept_any_stride(probe));
    }
    Ok((convert, sink))
}

/// Says that buffers may have any strides and offsets: else decoders copy each picture into a tight one.
fn accept_any_stride(probe: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    let Some(query) = probe.query_mut() else {
        return gst::PadProbeReturn::Ok;
    };
    if let gst::QueryViewMut::Allocation(allocation) = query.view_mut() {
        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        return gst::PadProbeReturn::Handled;
    }
    gst::PadProbeReturn::Ok
}

fn deliver_newest(feed: &Arc<Feed>) -> gst_app::AppSinkCallbacks {
    let (feed, at_end) = (feed.clone(), feed.clone());
    let mut reader = SampleReader::default();
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(arrival) = reader.read(&feed, &sample) {
                feed.put(arrival);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| at_end.end())
        .build()
}

/// Reads samples, remembering the layout while the caps stay the same.
#[derive(Default)]
pub(super) struct SampleReader {
    layout: Option<(gst::Caps, gst_video::VideoInfo)>,
}

impl SampleReader {
    /// What arrived; `None` if the sample lacks a buffer or its caps make no sense.
    pub fn read(&mut self, feed: &Feed, sample: &gst::Sample) -> Option<Arrival> {
        let caps = sample.caps_owned()?;
        if self.layout.as_ref().is_none_or(|(known, _)| *known != caps) {
            let layout = gst_video::VideoInfo::from_caps(&caps).ok()?;
            feed.update_info(|info| info.size = Some((layout.width(), layout.height())));
            self.layout = Some((caps, layout));
        }
        let (_, layout) = self.layout.as_ref()?;
        let buffer = sample.buffer_owned()?;
        let time = sample.segment().and_then(|segment| running_time(segment, buffer.pts()));
        let captured = picture::camera_time(&buffer).unwrap_or_else(|| feed.clock.unix_nanos());
        let seq = feed.counters.arrived.fetch_add(1, Relaxed);
        let keyframe = feed.keyframe_leaves(buffer.pts());
        Some(Arrival { layout: layout.clone(), time, captured, keyframe, seq, buffer })
    }
}

pub(super) fn running_time(segment: &gst::Segment, pts: Option<gst::ClockTime>) -> Option<Duration> {
    let time = segment.downcast_ref::<gst::ClockTime>()?.to_running_time(pts)?;
    Some(Duration::from_nanos(time.nseconds()))
}

/// Builds the branch for the stream of `pad` and links it to `into`. Called on the thread of the pad.
pub(super) fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    codec: &Codec,
    over_rtp: bool,
    into: &gst::Element,
    feed: &Arc<Feed>,
    plan: &Plan,
) -> Result<(), DecodeError> {
    let mut chain = Vec::new();
    if over_rtp {
        let name = codec.depayloader().ok_or_else(|| unsupported(feed, codec, "it cannot be sent over RTP"))?;
        chain.push(make(name)?);
    }
    // Without its parser a stream still decodes, only keyframes may not be told apart.
    if let Some(name) = codec.parser().filter(|name| gst::ElementFactory::find(name).is_some()) {
        let parser = make(name)?;
        tap::listen(&parser, codec, feed);
        chain.push(parser);
    }
    tap::refuse(feed, codec);
    let (decoder, name) = choose_decoder(codec, feed, plan)?.unzip();
    let bridge = name.as_deref().and_then(codec::bridge_behind);
    feed.update_info(|info| {
        info.codec = Some(codec.clone());
        info.decoder = name;
    });
    chain.extend(decoder.clone());
    if let Some(bridge) = bridge {
        chain.push(make(bridge)?);
    }
    watch_input(pad, feed);
    let chooser = match plan.delivery {
        Delivery::Newest { .. } => Chooser::Gate,
        Delivery::All { .. } => Chooser::Limiter,
    };
    match (&decoder, decoder.as_ref().and_then(|d| d.static_pad("sink"))) {
        (Some(decoder), Some(input)) => watch_decoder(decoder, &input, feed, chooser),
        _ => watch_raw(pad, feed),
    }
    link(pipeline, pad, &chain, into).map_err(|error| match feed.info().decoder {
        // A decoder may not take every profile of its codec; another may.
        Some(decoder) => {
            DecodeError::Decoder { source_name: feed.source.to_string(), decoder, detail: error.to_string() }
        }
        None => other(feed, error),
    })
}

fn link(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    chain: &[gst::Element],
    into: &gst::Element,
) -> Result<(), gst::glib::BoolError> {
    pipeline.add_many(chain)?;
    let all: Vec<&gst::Element> = chain.iter().chain([into]).collect();
    gst::Element::link_many(&all)?;
    for element in chain.iter().rev() {
        element.sync_state_with_parent()?;
    }
    let first = all[0];
    let input = first.static_pad("sink").ok_or_else(|| gst::glib::bool_error!("{} has no sink pad", first.name()))?;
    pad.link(&input).map_err(|e| gst::glib::bool_error!("cannot link the stream: {e}"))?;
    Ok(())
}

/// The first decoder that exists, was not rejected, and opens its device, and its name; if it is to be elsewhere, what stands
/// for it here. `None` for raw pictures.
fn choose_decoder(codec: &Codec, feed: &Arc<Feed>, plan: &Plan) -> Result<Option<(gst::Element, String)>, DecodeError> {
    if *codec == Codec::Raw {
        return Ok(None);
    }
    let candidates = match &plan.decoder {
        DecoderChoice::Auto => codec.decoders(),
        DecoderChoice::Named(name) => vec![name.clone()],
    };
    let mut tried = Vec::new();
    for name in &candidates {
        if plan.rejected.contains(name) {
            tried.push(format!("{name} failed"));
            continue;
        }
        let Ok(decoder) = gst::ElementFactory::make(name).build() else {
            tried.push(format!("{name} is not installed"));
            continue;
        };
        configure(&decoder, plan.threads, matches!(plan.delivery, Delivery::Newest { .. }));
        if decoder.set_state(gst::State::Ready).is_ok() {
            let elsewhere = elsewhere(&decoder, name, feed, plan);
            return Ok(Some((elsewhere.unwrap_or(decoder), name.clone())));
        }
        let _ = decoder.set_state(gst::State::Null);
        tried.push(format!("{name} does not open"));
    }
    Err(unsupported(feed, codec, &tried.join(", ")))
}

/// What stands for a decoder that is to run in a process of its own. None for one that is to run here, as those of hardware are.
fn elsewhere(decoder: &gst::Element, name: &str, feed: &Arc<Feed>, plan: &Plan) -> Option<gst::Element> {
    let program = plan.process.as_ref().filter(|_| !codec::is_hardware(name))?;
    let factory = decoder.factory()?;
    let Some(plugin) = factory.plugin().and_then(|plugin| plugin.filename()) else {
        tracing::warn!(camera = %feed.source, decoder = name, "it has no file of its own, and so decodes in this process");
        return None;
    };
    let _ = decoder.set_state(gst::State::Null);
    Some(RemoteDecoder::new(program, &factory, plugin, plan.threads, feed).upcast())
}

/// Whether it is one of libav's, which take each picture's memory from their pool when they begin it.
pub(super) fn has_libav(decoder: &gst::Element) -> bool {
    decoder.factory().is_some_and(|factory| factory.name().starts_with("avdec_"))
}

/// Sets what a decoder has of the properties that matter; decoders differ, so each is asked. `at_once`: no picture is to
/// wait for those after it.
pub(super) fn configure(decoder: &gst::Element, threads: u32, at_once: bool) {
    let set = |name: &str, value: &str| {
        if decoder.find_property(name).is_some() {
            decoder.set_property_from_str(name, value);
        }
    };
    set("max-threads", &threads.to_string());
    set("output-corrupt", "false");
    // Damage must never end a stream: it is counted and skipped.
    set("max-errors", "-1");
    set("qos", "false");
    if at_once {
        // Frame threading would add a picture of delay per thread.
        set("thread-type", "slice");
    }
}

/// An element that every installation should have.
pub(super) fn make(name: &str) -> Result<gst::Element, DecodeError> {
    gst::ElementFactory::make(name).build().map_err(|_| DecodeError::MissingElement {
        element: name.to_owned(),
        package: match name {
            n if n.starts_with("h26") || n.starts_with("mpeg") => "gstreamer1.0-plugins-bad",
            "videoconvert" | "typefind" => "gstreamer1.0-plugins-base",
            _ => "gstreamer1.0-plugins-good",
        },
    })
}

fn unsupported(feed: &Feed, codec: &Codec, why: &str) -> DecodeError {
    let detail = format!("no decoder for {} works here ({why})", codec.name());
    DecodeError::Unsupported { source_name: feed.source.to_string(), detail }
}

pub(super) fn other(feed: &Feed, error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Other { source_name: feed.source.to_string(), detail: feed.source.redact(&error.to_string()) }
}
