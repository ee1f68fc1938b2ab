//! The agent: the whole line on one box, from cameras to the broker.
//!
//! [`pipeline`] is the way of a frame on one page; [`site`] is everything that runs; [`run`] starts and stops it;
//! [`replay`] plays a recording through the same line. [`forward`] is the way from the spool to the broker.
//! [`rollout`] brings models and overlays over the configuration from the hub into force. [`doctor`] examines the box and [`probe`] what a configuration names, before anything runs.

mod ailments;
mod cadence;
mod change;
mod clips;
mod clockwatch;
mod command_desk;
pub mod commands;
mod counts;
pub mod demo;
pub mod doctor;
mod engine;
mod envelope;
mod faces;
mod familiar;
mod feeding;
mod followed;
pub mod forward;
mod gallery;
mod health;
mod hub_client;
mod inbox;
pub mod isolated;
mod kept;
mod known;
mod layers;
mod oversize;
pub mod pipeline;
mod post;
pub mod probe;
mod recorder;
mod redact;
pub mod rehearsal;
mod reidentify;
pub mod replay;
mod resources;
mod role;
pub mod rollout;
pub mod run;
mod sight;
mod silent;
pub mod site;
mod stall;
mod stores;
