//! A model on CUDA whose kernels are launched as one: recorded by ONNX Runtime at the first runs as a CUDA graph, then replayed.
//!
//! ```text
//!   picture ──copy──▶ tensor on the GPU ──▶ every kernel of the model, in one launch ──▶ tensors on the GPU ──copy──▶ outputs
//! ```
//!
//! A small detector is hundreds of kernels of a few microseconds each, and launching them one by one takes longer than
//! computing them; the CPU is busy all the while. Measured on an H200 with ONNX Runtime 1.29: a look of YOLOX-nano from picture
//! to detections 3.9 ms launched one by one, 2.2 ms replayed. A replay reads and writes where the recording did, so the tensors on the GPU
//! live as long as the session, and nothing but a whole model on the GPU, with one input and outputs of fixed shapes, can be
//! recorded.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, RunOptions, Session as OrtSession};
use ort::value::{DynTensor, Outlet};

use super::feed::Input;
use super::input::InputSpec;

/// What lies on the GPU for a model that is replayed.
pub(super) struct Recorded {
    binding: IoBinding,
    picture: Input,
    outputs: Vec<Output>,
}

/// An output where the GPU writes it, and the copy that is read.
struct Output {
    on_device: DynTensor,
    on_host: DynTensor,
}

impl Recorded {
    /// Lays out what `session`, opened to record on the GPU with the number `device`, reads and writes. Its input is called
    /// `name` and has the form `picture`.
    ///
    /// # Errors
    /// When an output has no fixed shape, or the GPU has no memory left.
    pub(super) fn new(session: &OrtSession, name: &str, picture: &InputSpec, device: i32) -> ort::Result<Self> {
        let memory = MemoryInfo::new(AllocationDevice::CUDA, device, AllocatorType::Device, MemoryType::Default)?;
        let allocator = Allocator::new(session, memory)?;
        let mut binding = session.create_binding()?;
        let picture = Input::within(&allocator, picture)?;
        picture.bind(&mut binding, name)?;
        let mut outputs = Vec::with_capacity(session.outputs().len());
        for outlet in session.outputs() {
            let mut output = Output::new(outlet, &allocator)?;
            binding.bind_output(outlet.name(), &mut output.on_device)?;
            outputs.push(output);
        }
        Ok(Self { binding, picture, outputs })
    }

    /// Runs `session` on `picture`; the outputs can be read afterwards.
    ///
    /// # Errors
    /// Those of ONNX Runtime.
    pub(super) fn run(&mut self, session: &mut OrtSession, options: &RunOptions, picture: &Input) -> ort::Result<()> {
        picture.copy_into(&mut self.picture)?;
        session.run_binding_with_options(&self.binding, options)?;
        self.outputs.iter_mut().try_for_each(|output| output.on_device.copy_into(&mut output.on_host))
    }

    /// The outputs of the last run, in the model's order.
    pub(super) fn outputs(&self) -> impl ExactSizeIterator<Item = &DynTensor> {
        self.outputs.iter().map(|output| &output.on_host)
    }
}

impl Output {
    fn new(outlet: &Outlet, allocator: &Allocator) -> ort::Result<Self> {
        let (Some(element), Some(shape)) = (outlet.dtype().tensor_type(), outlet.dtype().tensor_shape()) else {
            return Err(ort::Error::new(format!("output {} is no tensor", outlet.name())));
        };
        let sides: Option<Vec<usize>> = shape.iter().map(|&side| usize::try_from(side).ok()).collect();
        let Some(sides) = sides else {
            return Err(ort::Error::new(format!("output {} has no fixed shape", outlet.name())));
        };
        Ok(Self {
            on_device: DynTensor::new(allocator, element, sides.clone())?,
            on_host: DynTensor::new(&Allocator::default(), element, sides)?,
        })
    }
}
