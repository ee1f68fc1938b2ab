//! The memory of decoded pictures, into which the decoder writes directly.
//!
//! libav's decoders go on referring to a picture after it is shown, so GStreamer copies each one on its way out: 3 MB at
//! 1080p. Most pictures are decoded only because later ones refer to them. The decoder takes memory for a picture at the
//! moment when it begins to decode it, on the thread that put in the packet; that is when it can be told that the picture
//! is not to come out at all. Where a decoder does not ask its pool in this way nothing is lost: the picture comes out, and
//! is dropped behind the decoder.
//!
//! A pool of GStreamer's keeps the most that it ever had. When a box was short of processor time for a minute, pictures
//! waited, and their memory would be held for as long as the camera streams. This one gives back what stays unused.

use std::sync::{Arc, Weak};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::feed::Feed;
use super::idle::Idle;
use super::want::Want;

/// Called each time that memory for a picture is taken.
type OnTake = Box<dyn Fn() + Send + Sync>;

mod imp {
    use std::sync::{Mutex, OnceLock};

    use gst::subclass::prelude::*;
    use gst_video::VideoBufferPoolConfig as _;

    use super::super::feed::lock;
    use super::{Idle, OnTake, gst, gst_video};
    use gst::glib;
    use gst::prelude::*;

    /// How a picture lies in memory.
    struct Layout {
        info: gst_video::VideoInfo,
        allocator: Option<gst::Allocator>,
        params: gst::AllocationParams,
    }

    #[derive(Default)]
    pub struct PicturePool {
        layout: Mutex<Option<Layout>>,
        pub(in crate::decode) idle: Mutex<Idle>,
        pub on_take: OnceLock<OnTake>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PicturePool {
        const NAME: &'static str = "VedettePicturePool";
        type Type = super::PicturePool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for PicturePool {}
    impl GstObjectImpl for PicturePool {}

    impl BufferPoolImpl for PicturePool {
        fn options() -> &'static [&'static str] {
            &["GstBufferPoolOptionVideoMeta", "GstBufferPoolOptionVideoAlignment"]
        }

        fn set_config(&self, config: &mut gst::BufferPoolConfigRef) -> bool {
            let Some((Some(caps), _, _, max)) = config.params() else { return false };
            let Ok(mut info) = gst_video::VideoInfo::from_caps(&caps) else { return false };
            if let Some(mut alignment) = config.video_alignment() {
                if info.align(&mut alignment).is_err() {
                    return false;
                }
                config.set_video_alignment(&alignment);
            }
            let Ok(size) = u32::try_from(info.size()) else { return false };
            // None before it is asked for.
            config.set_params(Some(&caps), size, 0, max);
            let (allocator, params) = config.allocator().unwrap_or_default();
            *lock(&self.layout) = Some(Layout { info, allocator, params });
            self.parent_set_config(config)
        }

        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let layout = lock(&self.layout);
            let Layout { info, allocator, params } = layout.as_ref().ok_or(gst::FlowError::NotNegotiated)?;
            let system = || gst::Allocator::find(None);
            let allocator = allocator.clone().or_else(system).ok_or(gst::FlowError::Error)?;
            let memory = allocator.alloc(info.size(), Some(params)).map_err(|_| gst::FlowError::Error)?;
            let mut buffer = gst::Buffer::new();
            let writable = buffer.get_mut().ok_or(gst::FlowError::Error)?;
            writable.append_memory(memory);
            let (flags, format) = (gst_video::VideoFrameFlags::empty(), info.format());
            let planes = info.n_planes() as usize;
            let (offsets, strides) = (&info.offset()[..planes], &info.stride()[..planes]);
            gst_video::VideoMeta::add_full(writable, flags, format, info.width(), info.height(), offsets, strides)
                .map_err(|_| gst::FlowError::Error)?;
            lock(&self.idle).comes();
            Ok(buffer)
        }

        fn acquire_buffer(&self, params: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let buffer = self.parent_acquire_buffer(params)?;
            lock(&self.idle).goes();
            if let Some(on_take) = self.on_take.get() {
                on_take();
            }
            Ok(buffer)
        }

        fn release_buffer(&self, mut buffer: gst::Buffer) {
            let too_many = lock(&self.idle).comes_back();
            if let Some(buffer) = buffer.get_mut().filter(|_| too_many) {
                // GStreamer frees what comes back so marked, and counts it.
                buffer.set_flags(gst::BufferFlags::TAG_MEMORY);
            }
            self.parent_release_buffer(buffer);
        }

        fn free_buffer(&self, buffer: gst::Buffer) {
            lock(&self.idle).goes();
            self.parent_free_buffer(buffer);
        }
    }
}

gst::glib::wrapper! {
    /// Pictures of one size, used again and again.
    pub struct PicturePool(ObjectSubclass<imp::PicturePool>) @extends gst::BufferPool, gst::Object;
}

impl PicturePool {
    fn new(on_take: OnTake) -> Self {
        let pool: Self = gst::glib::Object::new();
        // Set only here, so that it is the first.
        let _ = pool.imp().on_take.set(on_take);
        pool
    }

    /// For pictures of this form, ready.
    pub(super) fn of(info: &gst_video::VideoInfo, caps: &gst::Caps) -> Option<Self> {
        let pool = Self::new(Box::new(|| ()));
        let mut config = pool.config();
        config.set_params(Some(caps), u32::try_from(info.size()).ok()?, 0, 0);
        pool.set_config(config).ok()?;
        pool.set_active(true).ok()?;
        Some(pool)
    }
}

/// Offers the decoder memory for its pictures, of which it keeps to itself those that nobody wants.
pub(super) fn offer(decoder: &gst::Element, output: &gst::Pad, feed: &Arc<Feed>) {
    let Some(decoder) = decoder.downcast_ref::<gst_video::VideoDecoder>() else { return };
    // Weak, as a picture that waits in the feed refers to its pool.
    let (decoder, feed) = (decoder.downgrade(), Arc::downgrade(feed));
    output.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, probe| {
        let Some(gst::QueryViewMut::Allocation(allocation)) = probe.query_mut().map(gst::QueryRef::view_mut) else {
            return gst::PadProbeReturn::Ok;
        };
        let (Some(caps), _) = allocation.get_owned() else { return gst::PadProbeReturn::Ok };
        let size = gst_video::VideoInfo::from_caps(&caps).ok().and_then(|info| u32::try_from(info.size()).ok());
        let Some(size) = size else { return gst::PadProbeReturn::Ok };
        let (decoder, feed) = (decoder.clone(), feed.clone());
        let pool = PicturePool::new(Box::new(move || keep_unwanted(&decoder, &feed)));
        allocation.add_allocation_pool(Some(&pool), size, 0, 0);
        // Any strides and offsets will do.
        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        gst::PadProbeReturn::Handled
    });
}

/// Tells the decoder, which begins a picture, that it need not come out, if nobody wants it.
fn keep_unwanted(decoder: &gst::glib::WeakRef<gst_video::VideoDecoder>, feed: &Weak<Feed>) {
    let (Some(decoder), Some(feed)) = (decoder.upgrade(), feed.upgrade()) else { return };
    // The packet that went in last is the one whose picture begins.
    let Some(mut picture) = decoder.frames().pop() else { return };
    let stays = gst_video::VideoCodecFrameFlags::DECODE_ONLY;
    // Memory may be taken twice for one picture.
    if feed.want.get() == Want::Every || feed.owes(picture.pts()) || picture.flags().contains(stays) {
        return;
    }
    picture.set_flags(stays);
    feed.stays_inside();
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::super::feed::lock;
    use super::super::gate::Gate;
    use super::super::{Source, want};
    use super::*;
    use crate::base::clock::SystemClock;

    /// Which of `encoder`'s 20 pictures come out of `decoder` when every fourth is wanted, and how many were kept inside.
    fn come_out(encoder: &str, decoder: &str, want: want::Want) -> (Vec<u64>, u64) {
        gst::init().unwrap();
        let source = Source::parse("rtsp://localhost/1").unwrap();
        let feed = Arc::new(Feed::new(source, SystemClock::shared(), Gate::live(), want, Box::new(|| ())));
        let line = format!(
            "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=25/1 \
             ! {encoder} ! {decoder} name=decoder ! fakesink name=sink"
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let decoder = pipeline.by_name("decoder").unwrap();
        let number = |pts: Option<gst::ClockTime>| (pts.unwrap().mseconds() % 3_600_000) / 40;
        let (input, output) = (decoder.static_pad("sink").unwrap(), decoder.static_pad("src").unwrap());
        offer(&decoder, &output, &feed);
        let entering = feed.clone();
        input.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
            let pts = probe.buffer().unwrap().pts();
            if number(pts).is_multiple_of(4) {
                entering.wanted_enters(pts);
            }
            gst::PadProbeReturn::Ok
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let leaving = (feed.clone(), seen.clone());
        output.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
            let pts = probe.buffer().unwrap().pts();
            leaving.0.wanted_leaves(pts);
            lock(&leaving.1).push(number(pts));
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends);
        assert!(matches!(end.unwrap().view(), gst::MessageView::Eos(_)));
        pipeline.set_state(gst::State::Null).unwrap();
        let seen = lock(&seen).clone();
        feed.came_out();
        (seen, feed.counts().dropped_rate)
    }

    /// A pool of 320x180 pictures, ready.
    fn pool() -> PicturePool {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 320, 180).build().unwrap();
        PicturePool::of(&info, &info.to_caps().unwrap()).unwrap()
    }

    #[test]
    fn what_a_crowd_of_pictures_took_is_given_back() {
        let pool = pool();
        let kept = || lock(&pool.imp().idle).now();
        let crowd: Vec<_> = (0..30).map(|_| pool.acquire_buffer(None).unwrap()).collect();
        assert_eq!(kept(), 0);
        drop(crowd);
        assert_eq!(kept(), 30, "they may be wanted again at once");
        let two_at_a_time = |rounds: usize| {
            for _ in 0..rounds {
                let held = (pool.acquire_buffer(None).unwrap(), pool.acquire_buffer(None).unwrap());
                drop(held);
            }
        };
        two_at_a_time(500);
        assert_eq!(kept(), 2, "as many as are used at a time");
        two_at_a_time(500);
        assert_eq!(kept(), 2, "and these stay");
        pool.set_active(false).unwrap();
        assert_eq!(kept(), 0);
    }

    #[test]
    fn only_what_is_wanted_leaves_the_decoder() {
        let few = want::Want::OneIn(Duration::from_millis(160));
        let plain = "x264enc tune=zerolatency key-int-max=50 ! h264parse";
        let wanted = [0, 4, 8, 12, 16];
        assert_eq!(come_out(plain, "avdec_h264", few), (wanted.into(), 15));
        let reordered = "x264enc bframes=3 b-adapt=false key-int-max=50 ! h264parse";
        assert_eq!(come_out(reordered, "avdec_h264 thread-type=slice", few), (wanted.into(), 15), "out of order");
        let hevc = "x265enc speed-preset=ultrafast tune=zerolatency ! h265parse";
        assert_eq!(come_out(hevc, "avdec_h265 thread-type=slice", few), (wanted.into(), 15));
        assert_eq!(come_out(plain, "avdec_h264", want::Want::Every), ((0..20).collect(), 0));
    }
}
