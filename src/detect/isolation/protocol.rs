//! What is said over the socket between a model's user and its process, and what of it is believed. Pure.
//!
//! ```text
//!   user                                   process
//!   Opening (JSON), Model (the file)  ──▶
//!                                     ◀──  Ready (JSON) or Refused (text)
//!   Picture (the input tensor)        ──▶
//!                                     ◀──  Outputs (lengths, then 32-bit floats) or Failed (text)
//!   …
//! ```
//!
//! The user closes the connection when it wants no more, and the process ends. Each message is one of
//! [`channel`](crate::base::channel). Numbers of tensors are in the machine's own order: both ends are one program on one machine.
//!
//! The user is believed. The process is not: it may have been taken over by its model. Whatever it says is bounded before
//! room is made for it, by numbers here and not by numbers of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::families::OutputPort;
use super::super::local::MAX_OUTPUTS;
use crate::base::channel::Head;
use crate::model::ElementType;

/// The longest text or JSON, in bytes.
const MOST_TEXT: u64 = 1 << 16;
/// The largest file; protobuf itself ends there.
const MOST_MODEL: u64 = (1 << 31) - 1;
/// The most numbers that all outputs of a run have together. The largest detectors have 2 million.
pub(super) const MOST_NUMBERS: usize = 1 << 23;
/// The most outputs that are listed; more than [`MAX_OUTPUTS`] are not read.
const MOST_PORTS: usize = 256;
/// The most sizes of an output.
const MOST_SIDES: usize = 8;
/// The longest reason that is told on, in characters.
const LONGEST_REASON: usize = 400;
/// Bytes of [`Lengths`].
pub(super) const LENGTHS: usize = 4 * (1 + MAX_OUTPUTS);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Opening = 1,
    Model = 2,
    Ready = 3,
    Refused = 4,
    Picture = 5,
    Outputs = 6,
    Failed = 7,
}

/// Why what the other end said is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("it sent a message of the unknown kind {0}")]
    UnknownKind(u8),
    #[error("it sent a message of {length} bytes, of which at most {most} are allowed")]
    TooLong { length: u64, most: u64 },
    #[error("it sent {0:?} out of turn")]
    OutOfTurn(Kind),
    #[error("it sent outputs whose lengths do not agree")]
    Lengths,
    #[error("it says something impossible of its outputs: {0}")]
    Ports(String),
}

impl Kind {
    /// The kind of a message and its length, where both are possible.
    ///
    /// # Errors
    /// When one is not.
    pub(super) fn of(head: Head) -> Result<(Self, u64), ProtocolError> {
        let all = [Self::Opening, Self::Model, Self::Ready, Self::Refused, Self::Picture, Self::Outputs, Self::Failed];
        let kind = all.into_iter().find(|kind| *kind as u8 == head.kind);
        let kind = kind.ok_or(ProtocolError::UnknownKind(head.kind))?;
        let most = kind.most();
        if head.length > most {
            return Err(ProtocolError::TooLong { length: head.length, most });
        }
        Ok((kind, head.length))
    }

    /// The longest content.
    fn most(self) -> u64 {
        match self {
            Self::Opening | Self::Ready | Self::Refused | Self::Failed => MOST_TEXT,
            Self::Model => MOST_MODEL,
            Self::Picture => 4 * MOST_NUMBERS as u64,
            Self::Outputs => (LENGTHS + 4 * MOST_NUMBERS) as u64,
        }
    }
}

/// What the process needs to know to open the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    /// ONNX Runtime's library.
    pub(super) library: PathBuf,
    /// The model's name in the configuration.
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) device: Option<String>,
    pub(super) threads: u16,
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) disabled_optimizers: Vec<String>,
    /// Width and height of the input in pixels.
    pub(super) input: (u32, u32),
    /// The most memory that the process may have, in bytes.
    pub(super) memory: Option<u64>,
}

/// What the process says of a model that it has opened and run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    /// Operators on the provider and on the CPU, where ONNX Runtime told.
    pub(super) placement: Option<(usize, usize)>,
    pub(super) outputs: Vec<Port>,
}

/// The same as it is believed: the placement, and the outputs.
pub(super) type Said = (Option<(usize, usize)>, Vec<OutputPort>);

/// An output as it came out of the first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Port {
    name: String,
    shape: Vec<usize>,
    element: String,
}

impl Port {
    pub(super) fn of(port: &OutputPort) -> Self {
        Self { name: port.name.clone(), shape: port.shape.clone(), element: port.element.to_string() }
    }

    fn read(self) -> OutputPort {
        let known =
            [ElementType::F32, ElementType::F16, ElementType::U8, ElementType::I8, ElementType::I32, ElementType::I64];
        let element = known.into_iter().find(|element| element.to_string() == self.element);
        OutputPort { name: self.name, shape: self.shape, element: element.unwrap_or(ElementType::Other(0)) }
    }
}

impl Ready {
    /// From its JSON.
    ///
    /// # Errors
    /// When it is none, or says what no detector can be like.
    pub(super) fn decode(bytes: &[u8]) -> Result<Said, ProtocolError> {
        let fault = |reason: &str| ProtocolError::Ports(reason.to_owned());
        let ready: Self =
            serde_json::from_slice(bytes).map_err(|error| ProtocolError::Ports(reason(&error.to_string())))?;
        if ready.outputs.len() > MOST_PORTS {
            return Err(fault("too many of them"));
        }
        for port in &ready.outputs {
            let numbers = port.shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
            if port.shape.len() > MOST_SIDES || numbers.is_none_or(|numbers| numbers > MOST_NUMBERS) {
                return Err(fault("one is larger than any that is read"));
            }
        }
        Ok((ready.placement, ready.outputs.into_iter().map(Port::read).collect()))
    }
}

/// How many numbers each output of a run has; what follows are the numbers themselves. Always of the same size: a count, and
/// a length for as many outputs as are ever read, of which those beyond the count are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    count: usize,
    lengths: [u32; MAX_OUTPUTS],
}

impl Lengths {
    /// Of these outputs, as far as they are read.
    ///
    /// # Errors
    /// When they are larger than any that are read.
    pub(super) fn of(outputs: impl ExactSizeIterator<Item = usize>) -> Result<Self, ProtocolError> {
        let (count, mut lengths, mut total) = (outputs.len().min(MAX_OUTPUTS), [0; MAX_OUTPUTS], 0usize);
        for (place, length) in lengths.iter_mut().zip(outputs) {
            total = total.saturating_add(length);
            *place = u32::try_from(length).map_err(|_| ProtocolError::Lengths)?;
        }
        if total > MOST_NUMBERS { Err(ProtocolError::Lengths) } else { Ok(Self { count, lengths }) }
    }

    /// Those of the outputs that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.lengths[..self.count].iter().map(|length| *length as usize)
    }

    /// As bytes.
    pub(super) fn encode(&self) -> [u8; LENGTHS] {
        let mut bytes = [0; LENGTHS];
        let numbers = std::iter::once(self.count as u32).chain(self.lengths);
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// From the first bytes of a message whose content has `length` bytes.
    ///
    /// # Errors
    /// When they do not add up to that.
    pub(super) fn decode(bytes: &[u8; LENGTHS], length: u64) -> Result<Self, ProtocolError> {
        let mut numbers = bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        let count = numbers.next().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        let mut lengths = [0; MAX_OUTPUTS];
        lengths.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
        let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        let is_possible = count <= MAX_OUTPUTS
            && lengths.iter().skip(count).all(|length| *length == 0)
            && total <= MOST_NUMBERS as u64
            && LENGTHS as u64 + 4 * total == length;
        if is_possible { Ok(Self { count, lengths }) } else { Err(ProtocolError::Lengths) }
    }
}

/// A reason that the process gave, as one line that may be told on: it may have been chosen by whoever made the model.
pub(super) fn told(bytes: &[u8]) -> String {
    reason(&String::from_utf8_lossy(bytes))
}

fn reason(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_no_longer_than_its_kind_may_be() {
        let head = |kind: Kind, length| Kind::of(Head { kind: kind as u8, length });
        assert_eq!(head(Kind::Failed, MOST_TEXT), Ok((Kind::Failed, MOST_TEXT)));
        let too_long = ProtocolError::TooLong { length: MOST_TEXT + 1, most: MOST_TEXT };
        assert_eq!(head(Kind::Failed, MOST_TEXT + 1), Err(too_long));
        assert!(head(Kind::Outputs, u64::MAX).is_err());
        assert_eq!(Kind::of(Head { kind: 0, length: 0 }), Err(ProtocolError::UnknownKind(0)));
    }

    #[test]
    fn what_a_process_says_of_its_outputs_is_read_back_or_refused() {
        let port = OutputPort { name: "boxes".into(), shape: vec![1, 3549, 85], element: ElementType::F32 };
        let strange = OutputPort { name: "text".into(), shape: vec![1], element: ElementType::Other(0) };
        let ready = Ready { placement: Some((3, 1)), outputs: vec![Port::of(&port), Port::of(&strange)] };
        let bytes = serde_json::to_vec(&ready).unwrap();
        assert_eq!(Ready::decode(&bytes), Ok((Some((3, 1)), vec![port.clone(), strange])));
        let large = OutputPort { shape: vec![usize::MAX, 2], ..port.clone() };
        let deep = OutputPort { shape: vec![1; 9], ..port.clone() };
        for faulty in [vec![large], vec![deep], vec![port; 257]] {
            let ready = Ready { placement: None, outputs: faulty.iter().map(Port::of).collect() };
            assert!(Ready::decode(&serde_json::to_vec(&ready).unwrap()).is_err());
        }
        assert!(Ready::decode("[".repeat(60_000).as_bytes()).is_err());
    }

    #[test]
    fn a_reason_is_one_line_whatever_it_was() {
        assert_eq!(told(b"\x1b[2Jno\nmemory\xff"), " [2Jno memory\u{fffd}");
        assert_eq!(told(&[b'a'; 1000]).len(), LONGEST_REASON);
    }

    proptest! {
        #[test]
        fn lengths_come_back_and_others_do_not_agree(
            outputs in proptest::collection::vec(0usize..100_000, 0..=MAX_OUTPUTS), wrong in 1u64..1000,
        ) {
            let lengths = Lengths::of(outputs.iter().copied()).unwrap();
            let length = LENGTHS as u64 + 4 * outputs.iter().sum::<usize>() as u64;
            let decoded = Lengths::decode(&lengths.encode(), length).unwrap();
            prop_assert_eq!(decoded.iter().collect::<Vec<_>>(), outputs);
            prop_assert_eq!(Lengths::decode(&lengths.encode(), length + wrong), Err(ProtocolError::Lengths));
        }

        /// Whatever a process sends, what room is made for is bounded and is what it then sends.
        #[test]
        fn lengths_that_are_believed_add_up(
            count in 0u32..40, numbers in proptest::collection::vec(any::<u32>(), MAX_OUTPUTS), length in any::<u64>(),
        ) {
            let mut bytes = [0; LENGTHS];
            for (place, number) in bytes.chunks_exact_mut(4).zip(std::iter::once(count).chain(numbers)) {
                place.copy_from_slice(&number.to_le_bytes());
            }
            if let Ok(lengths) = Lengths::decode(&bytes, length) {
                let total: usize = lengths.iter().sum();
                prop_assert!(total <= MOST_NUMBERS);
                prop_assert_eq!(LENGTHS as u64 + 4 * total as u64, length);
            }
        }
    }
}
