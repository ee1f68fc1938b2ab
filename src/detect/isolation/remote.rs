//! A model that runs in another process, whichever that is now. Where the process ends before its time, the look in progress
//! fails at once, another process is started on a thread of its own, and looks fail until it is ready: nobody waits for it.
//!
//! ```text
//!   Running ── no answer, or one that is not believed ──▶ Starting ── ready, with the same outputs ──▶ Running
//!                                                           │ ▲
//!                                                           └─┘ refused, or ended again: later
//! ```

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};

use half::f16;

use super::super::deadline::Deadline;
use super::super::families::{OutputPort, Tensor};
use super::super::input::InputSpec;
use super::super::local::MAX_OUTPUTS;
use super::super::provider::{Placement, Provider};
use super::super::runtime;
use super::super::session::Fill;
use super::super::settings::Settings;
use super::link::{Link, LinkError, Opened, Start};
use super::protocol::Opening;
use crate::base::child::Program;
use crate::base::clock::{Clock, SystemClock};
use crate::base::restart::Restarts;
use crate::base::threads;
use crate::model::ElementType;

/// The memory that a process may have beside what follows from its model's size: ONNX Runtime, the buffers of one inference,
/// stacks of threads. A detector of 640 by 640 takes less than a quarter of it.
const MEMORY: u64 = 1 << 30;
/// How many times the size of its file a model may take: as it is read, unpacked, and as it is laid out for the processor.
const MEMORY_PER_BYTE: u64 = 8;
const STARTING: &str = "the model's process is being started again";

/// See the file's head. It belongs to one thread at a time.
pub(in super::super) struct Remote {
    start: Arc<Start>,
    state: State,
    restarts: Restarts,
    deadline: Deadline,
    input: Buffer,
    /// Kept to save the allocation.
    outputs: Vec<Vec<f32>>,
    placement: Option<Placement>,
    ports: Vec<OutputPort>,
}

enum State {
    Running(Link),
    Starting {
        /// Where the next process, or what became of it, comes from.
        next: Receiver<Result<Opened, String>>,
        /// Dropped, it ends the wait before the next start.
        _end: Sender<()>,
    },
}

/// The tensor that is fed.
enum Buffer {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

impl Remote {
    /// Starts a process with `program`, and has it open the model in `bytes` on `provider`, for a picture of this form.
    ///
    /// # Errors
    /// Its refusal, or why there is none, as a sentence.
    pub(in super::super) fn open(
        program: &Program,
        bytes: &[u8],
        settings: &Settings,
        provider: Provider,
        picture: &InputSpec,
    ) -> Result<Self, String> {
        let opening = opening(bytes, settings, provider, picture);
        Self::start(Start { program: program.clone(), opening, model: bytes.into() }, picture)
    }

    /// As [`open`](Self::open), with whatever is to be said to the process.
    pub(super) fn start(start: Start, picture: &InputSpec) -> Result<Self, String> {
        let Opened { link, placement, outputs: ports } = start.link()?;
        Ok(Self {
            start: Arc::new(start),
            state: State::Running(link),
            restarts: Restarts::new(SystemClock.mono()),
            deadline: Deadline::default(),
            input: Buffer::new(picture),
            outputs: vec![Vec::new(); MAX_OUTPUTS],
            placement,
            ports,
        })
    }

    /// Fills the input tensor.
    pub(in super::super) fn fill<F: Fill>(&mut self, fill: F) -> F::Output {
        match &mut self.input {
            Buffer::F32(tensor) => fill.fill(tensor),
            Buffer::F16(tensor) => fill.fill(tensor),
            Buffer::U8(tensor) => fill.fill(tensor),
        }
    }

    /// Runs the model on what was last filled in and hands the outputs to `read`.
    ///
    /// # Errors
    /// When the inference fails, or the process, or while that is being started again.
    pub(in super::super) fn run<R>(&mut self, read: impl FnOnce(&[Tensor<'_>]) -> R) -> Result<R, String> {
        self.take_up()?;
        let State::Running(link) = &mut self.state else { return Err(STARTING.to_owned()) };
        let now = SystemClock.mono();
        self.deadline.begin(now);
        // Sooner than whoever watches this thread would give it up.
        let until = now + self.deadline.limit() * 2 / 3;
        match link.look(self.input.bytes(), &mut self.outputs, until) {
            Ok(count) => {
                self.deadline.end(SystemClock.mono());
                let mut tensors = [Tensor::default(); MAX_OUTPUTS];
                tensors.iter_mut().zip(&self.outputs).for_each(|(tensor, output)| *tensor = Tensor { data: output });
                Ok(read(&tensors[..count]))
            }
            Err(LinkError::Refused(reason)) => {
                self.deadline.end(SystemClock.mono());
                Err(reason)
            }
            Err(error) => {
                let next = self.start_again();
                match std::mem::replace(&mut self.state, next) {
                    State::Running(link) => Err(link.failed(&error)),
                    State::Starting { .. } => Err(error.to_string()),
                }
            }
        }
    }

    /// Takes up the process that has been started meanwhile, if one is to be.
    fn take_up(&mut self) -> Result<(), String> {
        let State::Starting { next, .. } = &self.state else { return Ok(()) };
        let came = match next.try_recv() {
            Ok(came) => came,
            Err(TryRecvError::Empty) => return Err(STARTING.to_owned()),
            Err(TryRecvError::Disconnected) => Err("no thread to start the model's process again".to_owned()),
        };
        self.settle(came)
    }

    fn settle(&mut self, came: Result<Opened, String>) -> Result<(), String> {
        let reason = match came {
            Ok(Opened { link, outputs, .. }) if outputs == self.ports => {
                let (model, process) = (&self.start.opening.name, link.process());
                tracing::info!(model, process, restarts = self.restarts.count(), "the model runs again");
                self.state = State::Running(link);
                self.restarts.ready(SystemClock.mono());
                return Ok(());
            }
            Ok(_) => "started again, the model has other outputs than before".to_owned(),
            Err(reason) => reason,
        };
        self.state = self.start_again();
        Err(reason)
    }

    /// Has the next process started as soon as it may be.
    fn start_again(&mut self) -> State {
        let wait = self.restarts.ended(SystemClock.mono());
        let ((give, next), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let start = self.start.clone();
        let thread = threads::spawn("model-start", move || {
            if ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                // Whoever wanted it may be gone; then it ends with this.
                let _ = give.send(start.link());
            }
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread to start a model's process again");
        }
        State::Starting { next, _end: end }
    }

    /// What the first process said of where its operators lie.
    pub(in super::super) fn placement(&self) -> Option<Placement> {
        self.placement
    }

    /// What it said of its outputs.
    pub(in super::super) fn ports(&self) -> &[OutputPort] {
        &self.ports
    }

    /// The number of the process that runs the model; none while it is being started again.
    pub(in super::super) fn process(&self) -> Option<u32> {
        match &self.state {
            State::Running(link) => link.process(),
            State::Starting { .. } => None,
        }
    }

    /// How often a process ended before its time, or could not be started again.
    pub(in super::super) fn restarts(&self) -> u64 {
        self.restarts.count()
    }

    /// Waits until a process runs or one start has failed.
    #[cfg(test)]
    pub(super) fn await_start(&mut self) -> Result<(), String> {
        let State::Starting { next, .. } = &self.state else { return Ok(()) };
        let came = next.recv_timeout(std::time::Duration::from_secs(60));
        let came = came.unwrap_or_else(|error| Err(error.to_string()));
        self.settle(came)
    }
}

impl Buffer {
    /// A tensor of zeros.
    fn new(spec: &InputSpec) -> Self {
        let len = 3 * spec.width as usize * spec.height as usize;
        match spec.element {
            ElementType::U8 => Self::U8(vec![0; len]),
            ElementType::F16 => Self::F16(vec![f16::ZERO; len]),
            _ => Self::F32(vec![0.0; len]),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(tensor) => bytemuck::cast_slice(tensor),
            Self::F16(tensor) => bytemuck::cast_slice(tensor),
            Self::U8(tensor) => tensor,
        }
    }
}

/// What a process is told of a model.
pub(super) fn opening(bytes: &[u8], settings: &Settings, provider: Provider, picture: &InputSpec) -> Opening {
    Opening {
        library: runtime::loaded().map(|runtime| runtime.path).unwrap_or_default(),
        name: settings.name.to_string(),
        provider: provider.as_str().to_owned(),
        device: settings.device.clone(),
        threads: settings.threads,
        cache_dir: settings.cache_dir.clone(),
        disabled_optimizers: settings.disabled_optimizers.clone(),
        input: (picture.width, picture.height),
        memory: is_on_the_cpu(provider).then(|| MEMORY + MEMORY_PER_BYTE * bytes.len() as u64),
    }
}

/// Whether a provider computes in the memory of the process. Accelerators' libraries lay claim to much more than they use.
fn is_on_the_cpu(provider: Provider) -> bool {
    matches!(provider, Provider::Cpu | Provider::Xnnpack | Provider::Acl | Provider::OneDnn)
}
