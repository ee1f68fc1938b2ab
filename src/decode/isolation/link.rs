//! One process that decodes one stream: started, given packets, killed. Every wait for it has an end.

use std::time::Duration;

use super::protocol::{Done, Kind, Opening, PacketHead, PictureHead, ProtocolError, told};
use crate::base::channel::{Channel, ChannelError};
use crate::base::child::{Child, Program};
use crate::base::clock::{Clock, SystemClock};

/// Loading a decoder takes a tenth of a second; a machine that starts all its cameras at once takes longer.
const OPENING: Duration = Duration::from_secs(20);
/// A picture takes milliseconds. A decoder that takes so long for one hangs; a camera is taken for stalled after 4 s.
const DECODING: Duration = Duration::from_secs(3);

/// All that it takes to start the process, and to start it again.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) program: Program,
    pub(super) opening: Opening,
}

/// The connection to a process, and the process, which ends with it.
#[derive(Debug)]
pub(super) struct Link {
    /// None in tests that play the other end themselves.
    child: Option<Child>,
    channel: Channel,
}

/// Why there is no process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoLink {
    /// It says itself that it cannot, and would say so again.
    Refused(String),
    /// It did not start, or ended.
    Failed(String),
}

/// What comes for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A picture, and how many bytes it has, which have to be read.
    Picture(PictureHead, usize),
    /// There is no more.
    Done(Done),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The decoder does not do it, and says why.
    #[error("{0}")]
    Refused(String),
    /// It can no longer be talked to.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// What it says is not believed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl Start {
    /// Starts the process and has it load the decoder.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn link(&self) -> Result<Link, NoLink> {
        let started = self.program.start();
        let (child, channel) =
            started.map_err(|error| NoLink::Failed(format!("no process for the decoder: {error}")))?;
        let mut link = Link::new(Some(child), channel);
        match link.open(&self.opening) {
            Ok(()) => Ok(link),
            Err(LinkError::Refused(reason)) => Err(NoLink::Refused(reason)),
            Err(error) => Err(NoLink::Failed(link.failed(&error))),
        }
    }
}

impl Link {
    pub(super) fn new(child: Option<Child>, channel: Channel) -> Self {
        Self { child, channel }
    }

    /// The number of the process.
    pub(super) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn open(&mut self, opening: &Opening) -> Result<(), LinkError> {
        self.channel.set_limit(SystemClock.mono() + OPENING);
        let opening = serde_json::to_vec(opening).map_err(|error| LinkError::Refused(error.to_string()))?;
        self.channel.send(Kind::Opening as u8, &[&opening])?;
        match Kind::of(self.channel.receive()?)? {
            (Kind::Ready, _) => Ok(()),
            (Kind::Failed, length) => Err(LinkError::Refused(self.reason(length)?)),
            (other, _) => Err(ProtocolError::OutOfTurn(other).into()),
        }
    }

    /// Says how the packets that follow are encoded.
    ///
    /// # Errors
    /// When the process fails.
    pub(super) fn caps(&mut self, caps: &str) -> Result<(), LinkError> {
        self.channel.set_limit(SystemClock.mono() + DECODING);
        Ok(self.channel.send(Kind::Caps as u8, &[caps.as_bytes()])?)
    }

    /// Gives it a packet. All [`answer`](Self::answer)s to it have to be had, up to and with [`Answer::Done`].
    ///
    /// # Errors
    /// When the process fails.
    pub(super) fn packet(&mut self, head: PacketHead, bytes: &[u8]) -> Result<(), LinkError> {
        self.channel.set_limit(SystemClock.mono() + DECODING);
        Ok(self.channel.send(Kind::Packet as u8, &[&head.encode(), bytes])?)
    }

    /// Asks for what it still holds back; answers come as for a packet.
    ///
    /// # Errors
    /// When the process fails.
    pub(super) fn drain(&mut self) -> Result<(), LinkError> {
        self.channel.set_limit(SystemClock.mono() + DECODING);
        Ok(self.channel.send(Kind::Drain as u8, &[])?)
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the decoder gives up, which is [`LinkError::Refused`], or the process fails.
    pub(super) fn answer(&mut self) -> Result<Answer, LinkError> {
        match Kind::of(self.channel.receive()?)? {
            (Kind::Picture, length) => {
                let mut head = [0; PictureHead::BYTES];
                self.channel.read(&mut head)?;
                let bytes = usize::try_from(length).unwrap_or(usize::MAX) - PictureHead::BYTES;
                Ok(Answer::Picture(PictureHead::decode(&head), bytes))
            }
            (Kind::Done, _) => {
                let mut done = [0; Done::BYTES];
                self.channel.read(&mut done)?;
                Ok(Answer::Done(Done::decode(&done)))
            }
            (Kind::Failed, length) => Err(LinkError::Refused(self.reason(length)?)),
            (other, _) => Err(ProtocolError::OutOfTurn(other).into()),
        }
    }

    /// The bytes of the picture that has been answered.
    ///
    /// # Errors
    /// When the process fails.
    pub(super) fn picture(&mut self, into: &mut [u8]) -> Result<(), LinkError> {
        Ok(self.channel.read(into)?)
    }

    fn reason(&mut self, length: u64) -> Result<String, LinkError> {
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        self.channel.read(&mut text)?;
        Ok(told(&text))
    }

    /// Ends the process after `error`, and says both what it was and how the process ended.
    pub(super) fn failed(self, error: &LinkError) -> String {
        match self.child {
            Some(child) => format!("the decoder's process failed: {error} ({})", child.end()),
            None => format!("the decoder's process failed: {error}"),
        }
    }
}
