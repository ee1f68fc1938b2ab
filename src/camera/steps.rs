//! What the camera's machine is told and what it says to do.

use crate::decode::{DecodeError, Want};
use crate::vocab::CameraState;

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// Configuration or a command switched it on or off.
    Enable(bool),
    /// A command wants a new connection now.
    Restart,
    /// Which pictures are wanted from now on.
    Want(Want),
    /// What `scene` says of the picture as a whole.
    Picture(Picture),
    /// A picture came.
    Frame,
    /// The stream ended by itself.
    Failed(DecodeError),
    /// A file has ended.
    Ended,
    /// The answer to [`Action::Probe`]: whether anybody is there.
    Probed(bool),
    /// The camera's thread panicked with this message, perhaps while it did what an earlier step had decided.
    Panicked(String),
    /// Time has passed; this is what has gone through the current stream so far.
    Tick(Vitals),
}

/// Signs of life of the current stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Vitals {
    /// Bytes that arrived.
    pub bytes: u64,
    /// Keyframes given to the decoder.
    pub keyframes: u64,
    /// Pictures that came out of it.
    pub decoded: u64,
}

/// What `scene` says of the picture as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// It changes as pictures do.
    Normal,
    /// It never changes, not even by sensor noise.
    Frozen,
    /// It shows nothing, though there is light.
    Covered,
    /// It shows nothing, as there is no light.
    Black,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Open a new stream.
    Open,
    /// Find out whether anybody is there, and say so.
    Probe,
    /// Close the stream.
    Close,
    /// Do not use the current decoder again for this camera.
    RejectDecoder,
    /// Tell the viewer.
    Report(CameraState, String),
}
