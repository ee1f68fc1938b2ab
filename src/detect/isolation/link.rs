//! One process that runs one model: started, asked, killed. Every wait for it has an end.

use std::sync::Arc;
use std::time::Duration;

use super::super::families::OutputPort;
use super::super::provider::Placement;
use super::protocol::{Kind, LENGTHS, Lengths, Opening, ProtocolError, Ready, told};
use crate::base::channel::{Channel, ChannelError};
use crate::base::child::{Child, Program};
use crate::base::clock::{Clock, SystemClock};

/// Opening a model may take so long: providers compile an engine for a shape when they first meet it.
const OPENING: Duration = Duration::from_secs(300);

/// All that it takes to start the process of a model, and to start it again.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) program: Program,
    pub(super) opening: Opening,
    /// The model's file, as it was read and checked. It is kept for the next start, which must be of the same bytes.
    pub(super) model: Arc<[u8]>,
}

/// A process whose model is ready.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) placement: Option<Placement>,
    pub(super) outputs: Vec<OutputPort>,
}

/// The connection to a process, and the process, which ends with it.
#[derive(Debug)]
pub(super) struct Link {
    /// None in tests that play the other end themselves.
    child: Option<Child>,
    channel: Channel,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The process says why; it goes on.
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
    /// Starts the process and has it open the model.
    ///
    /// # Errors
    /// Why it does not, as a phrase.
    pub(super) fn link(&self) -> Result<Opened, String> {
        let (child, channel) = self.program.start().map_err(|error| format!("no process for the model: {error}"))?;
        let mut link = Link::new(Some(child), channel);
        match link.open(&self.opening, &self.model) {
            Ok((placement, outputs)) => Ok(Opened { link, placement, outputs }),
            Err(LinkError::Refused(reason)) => Err(reason),
            Err(error) => Err(link.failed(&error)),
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

    /// Hands the model over, and returns what is said of it once it has run.
    ///
    /// # Errors
    /// When it is refused, or the process fails.
    pub(super) fn open(
        &mut self,
        opening: &Opening,
        model: &[u8],
    ) -> Result<(Option<Placement>, Vec<OutputPort>), LinkError> {
        self.channel.set_limit(SystemClock.mono() + OPENING);
        let opening = serde_json::to_vec(opening).map_err(|error| LinkError::Refused(error.to_string()))?;
        self.channel.send(Kind::Opening as u8, &[&opening])?;
        self.channel.send(Kind::Model as u8, &[model])?;
        match Kind::of(self.channel.receive()?)? {
            (Kind::Ready, length) => {
                let (placement, outputs) = Ready::decode(&self.text(length)?)?;
                Ok((placement.map(|(on_provider, on_cpu)| Placement { on_provider, on_cpu }), outputs))
            }
            (Kind::Refused, length) => Err(LinkError::Refused(told(&self.text(length)?))),
            (other, _) => Err(ProtocolError::OutOfTurn(other).into()),
        }
    }

    /// Shows it a picture, the bytes of its input tensor, and fills `outputs`; returns how many there are. It must have
    /// answered at `until`, on the monotonic clock.
    ///
    /// # Errors
    /// When the inference fails, which is [`LinkError::Refused`], or the process.
    pub(super) fn look(
        &mut self,
        picture: &[u8],
        outputs: &mut [Vec<f32>],
        until: Duration,
    ) -> Result<usize, LinkError> {
        self.channel.set_limit(until);
        self.channel.send(Kind::Picture as u8, &[picture])?;
        match Kind::of(self.channel.receive()?)? {
            (Kind::Outputs, length) => self.outputs(length, outputs),
            (Kind::Failed, length) => Err(LinkError::Refused(told(&self.text(length)?))),
            (other, _) => Err(ProtocolError::OutOfTurn(other).into()),
        }
    }

    fn outputs(&mut self, length: u64, outputs: &mut [Vec<f32>]) -> Result<usize, LinkError> {
        let mut table = [0; LENGTHS];
        if length < LENGTHS as u64 {
            return Err(ProtocolError::Lengths.into());
        }
        self.channel.read(&mut table)?;
        let lengths = Lengths::decode(&table, length)?;
        let mut count = 0;
        for (output, numbers) in outputs.iter_mut().zip(lengths.iter()) {
            output.resize(numbers, 0.0);
            // What a large answer took once is not kept for small ones.
            if output.capacity() / 2 > numbers {
                output.shrink_to_fit();
            }
            self.channel.read(bytemuck::cast_slice_mut(output))?;
            count += 1;
        }
        Ok(count)
    }

    /// A content that has been found to be short.
    fn text(&mut self, length: u64) -> Result<Vec<u8>, LinkError> {
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        self.channel.read(&mut text)?;
        Ok(text)
    }

    /// Ends the process after `error`, and says both what it was and how the process ended.
    pub(super) fn failed(self, error: &LinkError) -> String {
        match self.child {
            Some(child) => format!("the model's process failed: {error} ({})", child.end()),
            None => format!("the model's process failed: {error}"),
        }
    }
}
