//! Sources to pictures: RTSP, files and devices, decoded by GStreamer, which is named in no other room.
//!
//! [`Source`] says where, [`Settings`] how. A [`Stream`] watches a source live and gives the newest picture; [`Live`] waits
//! for each picture of one; a [`Clip`] plays a recording and gives every one; [`Footage`] is that or the drawn street. All
//! deliver [`crate::vocab::Frame`]s, which lie in the decoder's own buffers.

mod branch;
mod clip;
mod codec;
mod damage;
mod drawn;
mod error;
mod feed;
mod film;
mod flood;
mod footage;
mod gate;
mod idle;
pub mod isolation;
mod lag;
mod live;
mod mux;
mod picture;
mod pipeline;
mod pool;
mod rate;
mod reach;
mod redirect;
pub mod serve;
mod settings;
mod source;
mod stream;
pub mod street;
mod tap;
mod timing;
mod want;
mod watch;

use std::sync::OnceLock;

pub use clip::{Clip, Pace};
pub use codec::{Capability, Codec, KNOWN, is_hardware};
pub use error::DecodeError;
pub use feed::{Counts, Info, Wake};
pub use film::film;
pub use footage::Footage;
pub use live::Live;
pub use mux::{MuxError, Muxer};
pub use settings::{DecoderChoice, PROCESS, Settings, Transport};
pub use source::{Source, SourceError};
pub use stream::{Stream, StreamEvent};
pub use tap::Tap;
pub use want::Want;

/// Makes GStreamer ready. Called by everything here that needs it; calling it early moves its cost to the start.
///
/// # Errors
/// When GStreamer or its registry of elements cannot be loaded.
pub fn init() -> Result<(), DecodeError> {
    static DONE: OnceLock<Result<(), DecodeError>> = OnceLock::new();
    let start = || {
        gstreamer::init().map_err(|e| DecodeError::Gstreamer { detail: e.to_string() })?;
        damage::listen();
        Ok(())
    };
    DONE.get_or_init(start).clone()
}

/// What this machine can decode, codec by codec.
///
/// # Errors
/// When GStreamer cannot start.
pub fn capabilities() -> Result<Vec<Capability>, DecodeError> {
    init()?;
    Ok(codec::capabilities())
}

/// The version of GStreamer that is in use, such as `GStreamer 1.22.0`.
///
/// # Errors
/// When GStreamer cannot start.
pub fn version() -> Result<String, DecodeError> {
    init()?;
    Ok(gstreamer::version_string().to_string())
}
