//! What integration tests share: where real data lies, real servers on free ports, canned frames.

pub mod clips;
pub mod data;
pub mod proxy;
pub mod rtsp;
pub mod serve_process;
pub mod onnx;
pub mod child;
pub mod data;
pub mod mosquitto;
pub mod session;
pub mod subscriber;
