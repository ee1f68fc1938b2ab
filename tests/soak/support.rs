//! The integration tests' real servers and proxy.

#![allow(dead_code, reason = "not every test binary needs all of what they share")]

#[path = "../it/support/child.rs"]
pub mod child;
#[path = "../it/support/mosquitto.rs"]
pub mod mosquitto;
#[path = "../it/support/postgres.rs"]
pub mod postgres;
#[path = "../it/support/proxy.rs"]
pub mod proxy;
