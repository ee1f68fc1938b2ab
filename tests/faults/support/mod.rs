//! What the fault suite needs: the integration tests' real servers and proxy, and servers of its own that misbehave as told.

#![allow(dead_code, reason = "not every test binary needs all of what they share")]

#[path = "../../it/site/agent.rs"]
pub mod agent;
#[path = "../../it/support/child.rs"]
pub mod child;
#[path = "../../it/support/clips.rs"]
pub mod clips;
#[path = "../../it/support/detectors.rs"]
pub mod detectors;
#[path = "../../it/site/ear.rs"]
pub mod ear;
#[path = "../../it/hub/flock.rs"]
pub mod flock;
#[path = "../../it/support/http.rs"]
pub mod http;
pub mod loop_disk;
#[path = "../../it/support/mosquitto.rs"]
pub mod mosquitto;
#[path = "../../it/support/onnx.rs"]
pub mod onnx;
#[path = "../../it/support/postgres.rs"]
pub mod postgres;
pub mod process;
#[path = "../../it/support/proxy.rs"]
pub mod proxy;
#[path = "../../it/support/rtsp.rs"]
pub mod rtsp;
#[path = "../../it/hub/running.rs"]
pub mod running;
pub mod scripted_broker;
pub mod scripted_camera;
#[path = "../../it/support/session.rs"]
pub mod session;
#[path = "../../it/support/subscriber.rs"]
pub mod subscriber;
#[path = "../../it/support/way.rs"]
pub mod way;
