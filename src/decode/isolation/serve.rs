//! The other end: a process that decodes one stream for whoever has started it.
//!
//! ```text
//!   no new privileges ─▶ opening ─▶ decoder ─▶ limit to memory, system calls of computing alone ─▶ packets
//! ```
//!
//! The decoder is loaded before, which opens files. Nothing of the video has come by then.

use std::io;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::decoder::Decoder;
use super::layout;
use super::protocol::{Done, Kind, Opening, PacketHead, PictureHead, ProtocolError};
use crate::base::channel::{Channel, ChannelError};
use crate::base::confine;

/// Why the process ends before it is wanted no more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot give up what it does not need.
    #[error("cannot be confined")]
    Confine(#[source] io::Error),
    /// Whoever has started it cannot be talked to.
    #[error("cannot talk to the agent")]
    Channel(#[from] ChannelError),
    /// What came makes no sense.
    #[error("the agent is not understood: {0}")]
    Protocol(String),
}

impl From<ProtocolError> for ServeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// Decodes one stream for whoever has connected the standard input, until they close it.
///
/// # Errors
/// When what comes makes no sense, or the process cannot be confined.
pub fn serve() -> Result<(), ServeError> {
    confine::no_inherited_descriptors().map_err(ServeError::Confine)?;
    confine::no_new_privileges().map_err(ServeError::Confine)?;
    // So that `ps` and `top` tell it from the agent.
    let _ = rustix::thread::set_name(c"vedette-decode");
    let mut channel = Channel::from_stdin().map_err(ServeError::Confine)?;
    let (kind, length) = Kind::of(channel.receive()?)?;
    if kind != Kind::Opening {
        return Err(ProtocolError::OutOfTurn(kind).into());
    }
    let opening = content(&mut channel, length)?;
    let opening: Opening = serde_json::from_slice(&opening).map_err(|error| ServeError::Protocol(error.to_string()))?;
    let opened = super::super::init().map_err(|error| error.to_string());
    let opened = opened.and_then(|()| Decoder::open(&opening.plugin, &opening.decoder, opening.threads));
    let decoder = match opened {
        Ok(decoder) => decoder,
        Err(reason) => return Ok(channel.send(Kind::Failed as u8, &[reason.as_bytes()])?),
    };
    let confined = confine::memory(opening.memory).and_then(|()| confine::only_computing());
    if let Err(error) = confined {
        let reason = confine::refusal(&error);
        return Ok(channel.send(Kind::Failed as u8, &[reason.as_bytes()])?);
    }
    channel.send(Kind::Ready as u8, &[])?;
    let mut scratch = Vec::new();
    loop {
        let head = match channel.receive() {
            Ok(head) => Kind::of(head)?,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match take(&mut channel, &decoder, head)? {
            Ok(Some(done)) => answer(&mut channel, &decoder, done, &mut scratch)?,
            Ok(None) => {}
            Err(reason) => channel.send(Kind::Failed as u8, &[reason.as_bytes()])?,
        }
    }
}

/// Does what a message says; returns what is to be answered, if anything, or why the decoder does not.
fn take(
    channel: &mut Channel,
    decoder: &Decoder,
    head: (Kind, u64),
) -> Result<Result<Option<Done>, String>, ServeError> {
    match head {
        (Kind::Caps, length) => {
            let caps = content(channel, length)?;
            Ok(decoder.set_caps(&String::from_utf8_lossy(&caps)).map(|()| None))
        }
        (Kind::Packet, length) => {
            let mut head = [0; PacketHead::BYTES];
            channel.read(&mut head)?;
            let bytes = content(channel, length - PacketHead::BYTES as u64)?;
            Ok(decoder.decode(PacketHead::decode(&head), bytes).map(Some))
        }
        (Kind::Drain, _) => Ok(Ok(Some(decoder.drain()))),
        (other, _) => Err(ProtocolError::OutOfTurn(other).into()),
    }
}

/// Sends the pictures that have come out, and that this is all.
fn answer(channel: &mut Channel, decoder: &Decoder, done: Done, scratch: &mut Vec<u8>) -> Result<(), ServeError> {
    while let Some((info, buffer)) = decoder.next() {
        if let Err(reason) = send(channel, &info, &buffer, scratch)? {
            return Ok(channel.send(Kind::Failed as u8, &[reason.as_bytes()])?);
        }
    }
    Ok(channel.send(Kind::Done as u8, &[&done.encode()])?)
}

/// Sends one picture, from where it lies where that can be.
fn send(
    channel: &mut Channel,
    info: &gst_video::VideoInfo,
    buffer: &gst::Buffer,
    scratch: &mut Vec<u8>,
) -> Result<Result<(), String>, ServeError> {
    let head: PictureHead = match layout::head(info, buffer) {
        Ok(head) => head,
        Err(reason) => return Ok(Err(reason)),
    };
    let to = layout::info(&head)?;
    let Ok(picture) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info) else {
        return Ok(Err("a picture cannot be read".to_owned()));
    };
    let head = head.encode();
    let sent = layout::planes(&picture, &to, scratch, |planes| {
        let mut parts: [&[u8]; 5] = [&[]; 5];
        parts[0] = &head;
        parts[1..].iter_mut().zip(planes).for_each(|(part, plane)| *part = plane);
        channel.send(Kind::Picture as u8, &parts)
    });
    Ok(Ok(sent?))
}

fn content(channel: &mut Channel, length: u64) -> Result<Vec<u8>, ServeError> {
    let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
    channel.read(&mut content)?;
    Ok(content)
}
