//! The codecs: how each is recognised, unpacked, parsed and decoded, and by which elements, the best first.

use gstreamer as gst;
use gstreamer::prelude::*;

/// How a stream is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// H.264, AVC.
    H264,
    /// H.265, HEVC.
    H265,
    /// Motion JPEG.
    Jpeg,
    /// MPEG-4 part 2, in old cameras and AVI files.
    Mpeg4,
    /// MPEG-1 and MPEG-2.
    Mpeg2,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// Not encoded: a webcam's raw pictures.
    Raw,
    /// Anything else, by its media type in GStreamer; decoded if an element is found that can.
    Other(String),
}

/// The codecs that cameras and clips have, for reports.
pub const KNOWN: [Codec; 8] =
    [Codec::H264, Codec::H265, Codec::Jpeg, Codec::Mpeg4, Codec::Mpeg2, Codec::Vp8, Codec::Vp9, Codec::Av1];

impl Codec {
    /// Its usual name, in lower case.
    pub fn name(&self) -> &str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Jpeg => "mjpeg",
            Self::Mpeg4 => "mpeg4",
            Self::Mpeg2 => "mpeg2",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::Raw => "raw",
            Self::Other(media) => media,
        }
    }

    /// The codec of a demuxer's or device's video pad; `None` if it is not video.
    pub(super) fn of_media(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        let version = structure.get::<i32>("mpegversion").unwrap_or(0);
        Some(match structure.name().as_str() {
            "video/x-h264" => Self::H264,
            "video/x-h265" => Self::H265,
            "image/jpeg" => Self::Jpeg,
            "video/mpeg" if version == 4 => Self::Mpeg4,
            "video/mpeg" => Self::Mpeg2,
            "video/x-divx" | "video/x-xvid" => Self::Mpeg4,
            "video/x-vp8" => Self::Vp8,
            "video/x-vp9" => Self::Vp9,
            "video/x-av1" => Self::Av1,
            "video/x-raw" => Self::Raw,
            other if other.starts_with("video/") || other.starts_with("image/") => Self::Other(other.to_owned()),
            _ => return None,
        })
    }

    /// The codec of an RTP stream; `None` if it is not video that can be unpacked.
    pub(super) fn of_rtp(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        if structure.get::<&str>("media").is_ok_and(|media| media != "video") {
            return None;
        }
        // Payload type 26 is JPEG (RFC 3551) and some cameras leave out its name.
        let jpeg = structure.get::<i32>("payload").is_ok_and(|payload| payload == 26);
        match structure.get::<&str>("encoding-name").map(str::to_ascii_uppercase).as_deref() {
            Ok("H264") => Some(Self::H264),
            Ok("H265") => Some(Self::H265),
            Ok("JPEG") => Some(Self::Jpeg),
            Ok("MP4V-ES") => Some(Self::Mpeg4),
            Ok("MPV") => Some(Self::Mpeg2),
            Ok("VP8") => Some(Self::Vp8),
            Ok("VP9") => Some(Self::Vp9),
            Ok("AV1") => Some(Self::Av1),
            Err(_) if jpeg => Some(Self::Jpeg),
            _ => None,
        }
    }

    /// The element that takes it out of RTP packets.
    pub(super) fn depayloader(&self) -> Option<&'static str> {
        Some(match self {
            Self::H264 => "rtph264depay",
            Self::H265 => "rtph265depay",
            Self::Jpeg => "rtpjpegdepay",
            Self::Mpeg4 => "rtpmp4vdepay",
            Self::Mpeg2 => "rtpmpvdepay",
            Self::Vp8 => "rtpvp8depay",
            Self::Vp9 => "rtpvp9depay",
            Self::Av1 => "rtpav1depay",
            Self::Raw | Self::Other(_) => return None,
        })
    }

    /// The element that cuts it into pictures and tells keyframes from others, where there is one and it is needed.
    pub(super) fn parser(&self) -> Option<&'static str> {
        Some(match self {
            Self::H264 => "h264parse",
            Self::H265 => "h265parse",
            Self::Mpeg4 => "mpeg4videoparse",
            Self::Mpeg2 => "mpegvideoparse",
            Self::Vp9 => "vp9parse",
            Self::Av1 => "av1parse",
            // Pictures come whole from RTP and demuxers, and `jpegparse` ends a stream at the first damaged one.
            Self::Jpeg | Self::Vp8 | Self::Raw | Self::Other(_) => return None,
        })
    }

    /// The decoders worth trying, the best first: the board's own, then VA-API, then NVIDIA cards, then software.
    /// Which of them are there, and work, is found out.
    pub(super) fn decoders(&self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::H264 => &[
                "nvv4l2decoder",
                "mppvideodec",
                "v4l2slh264dec",
                "v4l2h264dec",
                "vah264dec",
                "nvh264dec",
                "avdec_h264",
                "openh264dec",
            ],
            Self::H265 => &[
                "nvv4l2decoder",
                "mppvideodec",
                "v4l2slh265dec",
                "v4l2h265dec",
                "vah265dec",
                "nvh265dec",
                "avdec_h265",
                "libde265dec",
            ],
            Self::Jpeg => &["mppjpegdec", "jpegdec", "avdec_mjpeg"],
            Self::Mpeg4 => &["nvv4l2decoder", "avdec_mpeg4"],
            Self::Mpeg2 => &["vampeg2dec", "avdec_mpeg2video", "mpeg2dec"],
            Self::Vp8 => &["nvv4l2decoder", "mppvideodec", "vavp8dec", "avdec_vp8", "vp8dec"],
            Self::Vp9 => &["nvv4l2decoder", "mppvideodec", "vavp9dec", "nvvp9dec", "avdec_vp9", "vp9dec"],
            Self::Av1 => &["nvv4l2decoder", "vaav1dec", "nvav1dec", "dav1ddec", "av1dec", "avdec_av1"],
            Self::Raw => &[],
            Self::Other(media) => return decoders_for(media),
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// Every decoder that takes `media`, the highest rank first.
fn decoders_for(media: &str) -> Vec<String> {
    let caps = gst::Caps::new_empty_simple(media);
    let kind = gst::ElementFactoryType::DECODER;
    let mut found: Vec<gst::ElementFactory> = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL)
        .into_iter()
        .filter(|factory| factory.can_sink_any_caps(&caps))
        .collect();
    found.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    found.iter().map(|factory| factory.name().to_string()).collect()
}

/// What must stand behind a decoder to bring its pictures into ordinary memory.
pub(super) fn bridge_behind(decoder: &str) -> Option<&'static str> {
    // Jetson's decoder gives NVMM memory only.
    (decoder == "nvv4l2decoder").then_some("nvvidconv")
}

/// The demuxer for a file of this type; `Some(None)` if it is a bare stream that needs none.
pub(super) fn demuxer(media: &str) -> Option<Option<&'static str>> {
    Some(Some(match media {
        "video/quicktime" | "application/x-3gp" | "audio/x-m4a" => "qtdemux",
        "video/x-matroska" | "video/webm" | "audio/x-matroska" => "matroskademux",
        "video/x-msvideo" => "avidemux",
        "video/mpegts" => "tsdemux",
        "video/x-flv" => "flvdemux",
        "video/x-ms-asf" => "asfdemux",
        "application/ogg" | "video/ogg" => "oggdemux",
        "multipart/x-mixed-replace" => "multipartdemux",
        "video/x-h264" | "video/x-h265" | "image/jpeg" => return Some(None),
        _ => return None,
    }))
}

/// Whether a bare `video/mpeg` file is a program stream, which has a demuxer of its own.
pub(super) fn is_program_stream(caps: &gst::CapsRef) -> bool {
    let structure = caps.structure(0);
    structure.is_some_and(|s| s.name() == "video/mpeg" && s.get::<bool>("systemstream").unwrap_or(false))
}

/// The decoders that this machine has for one codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// The codec.
    pub codec: Codec,
    /// Elements that exist, in the order in which they are tried. Whether hardware behind one works shows when a
    /// stream is opened.
    pub decoders: Vec<String>,
    /// Whether the element that takes it out of RTP exists.
    pub over_rtp: bool,
}

/// Whether the element of this name hands the work to hardware, going by the families that [`Codec::decoders`] names.
pub fn is_hardware(decoder: &str) -> bool {
    ["nv", "mpp", "v4l2", "va"].iter().any(|family| decoder.starts_with(family))
}

/// What the installed GStreamer can decode. GStreamer must be initialised.
pub(super) fn capabilities() -> Vec<Capability> {
    let exists = |name: &str| gst::ElementFactory::find(name).is_some();
    KNOWN
        .into_iter()
        .map(|codec| Capability {
            decoders: codec.decoders().into_iter().filter(|name| exists(name)).collect(),
            over_rtp: codec.depayloader().is_some_and(exists),
            codec,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(fields: &str) -> gst::Caps {
        gst::init().unwrap();
        format!("application/x-rtp, {fields}").parse().unwrap()
    }

    #[test]
    fn video_streams_are_told_from_audio_and_metadata() {
        assert_eq!(Codec::of_rtp(&rtp("media=video, encoding-name=H264")), Some(Codec::H264));
        assert_eq!(Codec::of_rtp(&rtp("media=video, encoding-name=h265")), Some(Codec::H265));
        assert_eq!(Codec::of_rtp(&rtp("media=video, payload=26")), Some(Codec::Jpeg));
        assert_eq!(Codec::of_rtp(&rtp("media=audio, encoding-name=PCMU")), None);
        assert_eq!(Codec::of_rtp(&rtp("media=application, encoding-name=VND.ONVIF.METADATA")), None);
    }

    #[test]
    fn hardware_is_told_from_software_by_name() {
        let hardware: Vec<String> = Codec::H264.decoders().into_iter().filter(|name| is_hardware(name)).collect();
        assert_eq!(hardware.len(), 6, "{hardware:?}");
        assert!(!KNOWN.iter().flat_map(Codec::decoders).any(|name| name.starts_with("vp8") && is_hardware(&name)));
        assert!(!is_hardware("avdec_h265") && !is_hardware("jpegdec") && is_hardware("vaav1dec"));
    }

    #[test]
    fn every_codec_that_cameras_send_has_a_chain_here() {
        gst::init().unwrap();
        for capability in capabilities().iter().filter(|c| [Codec::H264, Codec::H265, Codec::Jpeg].contains(&c.codec)) {
            assert!(!capability.decoders.is_empty(), "{:?} has no decoder", capability.codec);
            assert!(capability.over_rtp, "{:?} cannot be unpacked", capability.codec);
        }
    }
}
