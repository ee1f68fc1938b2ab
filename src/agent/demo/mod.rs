//! What the demo needs around the agent: a real broker, a real RTSP server, a configuration, and somebody who listens.

mod broker;
mod stage;

pub(super) use broker::find_mosquitto;
pub use broker::{Broker, BrokerError};
pub use stage::{Heard, HubPlace, Play, Stage, StageError};
