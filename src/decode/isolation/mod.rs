//! Video that is decoded in processes of their own: a stream that crashes a decoder, or takes it over, gains nothing but a
//! process that has no camera, no credential, no file and no network, and costs its camera a restart.
//!
//! ```text
//!   this process                                             the camera's process (this program again)
//!   rtspsrc ─ depay ─ parse ─ gate ─▶ RemoteDecoder ══ packets ══▶ socket ══▶ serve ─▶ Decoder (libav)
//!                 convert ◀─ appsink ─────┘ ◀══ wanted pictures ══ socket ◀═════════════┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `protocol` | what is said over the socket, and what of it is believed; pure |
//! | `layout` | how a picture's bytes lie while they travel |
//! | `link` | one process: started, given packets, killed |
//! | `remote` | the element that stands where a decoder would |
//! | `session` | which process it is now, and what is in it |
//! | `serve` | the other end |
//! | `decoder` | a decoder without a pipeline, for the other end |
//!
//! The seam lies behind the gate: what nobody wants is neither sent nor decoded, and of what is decoded only wanted pictures come
//! back. That is why a socket does and no memory is shared: five 1080p pictures a second are 16 MB, and copying them twice
//! through the kernel takes less than a hundredth of the time that it takes to decode and look at them.
//!
//! Reading RTSP, unpacking RTP and cutting a stream into pictures stays here, in GStreamer's C: without that there would be no
//! packets to send, and it needs the network and the camera's password. Hardware decoders stay here too: their memory and
//! their devices cannot be handed through a socket.

mod decoder;
mod layout;
mod link;
mod protocol;
mod remote;
mod serve;
mod session;
#[cfg(test)]
mod tests;

pub use serve::{ServeError, serve};

pub(super) use remote::RemoteDecoder;
