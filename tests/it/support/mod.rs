//! What integration tests share: where real data lies, real servers on free ports, canned frames.

pub mod certificates;
pub mod child;
pub mod clip_hub;
pub mod clips;
pub mod crowd;
pub mod data;
pub mod detectors;
pub mod heads;
pub mod http;
pub mod mosquitto;
pub mod networks;
pub mod onnx;
pub mod postgres;
pub mod proxy;
pub mod rtsp;
pub mod s3;
pub mod serve_process;
pub mod session;
pub mod subscriber;
pub mod way;
