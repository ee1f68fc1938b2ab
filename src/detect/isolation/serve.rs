//! The other end: a process that opens one model, runs it on what it is sent, and ends when nobody is there any more.

use std::io;
use std::path::PathBuf;

use super::super::input::Inputs;
use super::super::local::{LocalSession, MAX_OUTPUTS};
use super::super::provider::{Provider, ProviderChoice};
use super::super::runtime::{self, LibrarySearch};
use super::super::settings::Settings;
use super::protocol::{Kind, Lengths, Opening, Port, ProtocolError, Ready};
use crate::base::channel::{Channel, ChannelError};
use crate::base::{confine, memory};
use crate::model::Facts;
use crate::vocab::Id;

/// Why the process of a model ends otherwise than by being left.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its standard input is no socket, or it cannot give up what it must.
    #[error("the process of a model cannot be confined")]
    Confine(#[source] io::Error),
    /// Whoever started it cannot be talked to.
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

/// Runs one model for whoever has connected the standard input, until they close it.
///
/// # Errors
/// When what comes makes no sense, or the process cannot be confined.
pub fn serve() -> Result<(), ServeError> {
    confine::no_inherited_descriptors().map_err(ServeError::Confine)?;
    confine::no_new_privileges().map_err(ServeError::Confine)?;
    // So that `ps` and `top` tell it from the agent.
    let _ = rustix::thread::set_name(c"vedette-model");
    let mut channel = Channel::from_stdin().map_err(ServeError::Confine)?;
    let opening = content(&mut channel, Kind::Opening)?;
    let opening: Opening = serde_json::from_slice(&opening).map_err(|error| ServeError::Protocol(error.to_string()))?;
    let model = content(&mut channel, Kind::Model)?;
    let Ok(ProviderChoice::One(provider)) = opening.provider.parse() else {
        return Err(ServeError::Protocol(format!("no provider is called {}", opening.provider)));
    };
    // A bare name is what the system's loader found, and finds again.
    let library = Some(opening.library.clone()).filter(|path| path.is_absolute());
    if let Err(error) = runtime::load(&LibrarySearch { from_env: library, ..LibrarySearch::default() }) {
        return Ok(channel.send(Kind::Refused as u8, &[error.to_string().as_bytes()])?);
    }
    if let Err(error) = confine_before(&opening, provider) {
        let reason = confine::refusal(&error);
        return Ok(channel.send(Kind::Refused as u8, &[reason.as_bytes()])?);
    }
    let mut session = match open(&opening, provider, &model) {
        Ok(session) => session,
        Err(reason) => return Ok(channel.send(Kind::Refused as u8, &[reason.as_bytes()])?),
    };
    drop(model);
    memory::give_back();
    channel.send(Kind::Ready as u8, &[&told(&session)?])?;
    loop {
        match channel.receive() {
            Ok(head) => look(&mut channel, &mut session, Kind::of(head)?)?,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The content of the next message, which must be of this kind.
fn content(channel: &mut Channel, wanted: Kind) -> Result<Vec<u8>, ServeError> {
    let (kind, length) = Kind::of(channel.receive()?)?;
    if kind != wanted {
        return Err(ProtocolError::OutOfTurn(kind).into());
    }
    let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
    channel.read(&mut content)?;
    Ok(content)
}

/// What is given up before anything is made of the model. ONNX Runtime has read what it wants to know of the processor by then,
/// and on the CPU opens nothing more, neither as it opens a model nor as it runs one (seen with 1.32).
fn confine_before(opening: &Opening, provider: Provider) -> io::Result<()> {
    opening.memory.map_or(Ok(()), confine::memory)?;
    if provider == Provider::Cpu {
        confine::no_new_descriptors()?;
        confine::only_computing()?;
    }
    Ok(())
}

/// Opens the model.
///
/// # Errors
/// Why it does not open, as a phrase.
fn open(opening: &Opening, provider: Provider, model: &[u8]) -> Result<LocalSession, String> {
    let facts = Facts::parse(model).map_err(|error| error.to_string())?;
    let inputs = Inputs::of(&facts, Some(opening.input))?;
    let settings = Settings {
        device: opening.device.clone(),
        threads: opening.threads,
        cache_dir: opening.cache_dir.clone(),
        disabled_optimizers: opening.disabled_optimizers.clone(),
        ..Settings::new(Id::new(&opening.name).map_err(|error| error.to_string())?, PathBuf::new())
    };
    LocalSession::open(model, &facts, &settings, provider, &inputs)
}

fn told(session: &LocalSession) -> Result<Vec<u8>, ServeError> {
    let placement = session.placement.map(|placement| (placement.on_provider, placement.on_cpu));
    let ready = Ready { placement, outputs: session.outputs.iter().map(Port::of).collect() };
    serde_json::to_vec(&ready).map_err(|error| ServeError::Protocol(error.to_string()))
}

/// One look: the picture is read straight into the input tensor, and the outputs are sent from where they lie.
fn look(channel: &mut Channel, session: &mut LocalSession, head: (Kind, u64)) -> Result<(), ServeError> {
    let (kind, length) = head;
    let input = session.input_bytes();
    if kind != Kind::Picture || length != input.len() as u64 {
        return Err(ServeError::Protocol(format!("{kind:?} of {length} bytes for an input of {}", input.len())));
    }
    channel.read(input)?;
    let answered = session.run(|tensors| -> Result<(), ServeError> {
        let lengths = match Lengths::of(tensors.iter().map(|tensor| tensor.data.len())) {
            Ok(lengths) => lengths.encode(),
            Err(error) => return Ok(channel.send(Kind::Failed as u8, &[error.to_string().as_bytes()])?),
        };
        let mut parts: [&[u8]; 1 + MAX_OUTPUTS] = [&[]; 1 + MAX_OUTPUTS];
        parts[0] = &lengths;
        for (part, tensor) in parts[1..].iter_mut().zip(tensors) {
            *part = bytemuck::cast_slice(tensor.data);
        }
        Ok(channel.send(Kind::Outputs as u8, &parts)?)
    });
    match answered {
        Ok(sent) => sent,
        Err(reason) => Ok(channel.send(Kind::Failed as u8, &[reason.as_bytes()])?),
    }
}
