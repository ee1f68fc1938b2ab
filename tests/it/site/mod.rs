//! The whole agent from outside: the real program between real cameras and a real broker.
//!
//! Cameras without a model suffice for all that concerns connections, commands and delivery; only what needs somebody in
//! the picture needs the shared clip and model, and says so where they are missing.

mod agent;
mod clip;
mod clips;
mod commands;
mod conditions;
mod delivery;
mod demo;
mod disk;
mod ear;
mod faces;
mod galleries;
mod hang;
mod isolation;
mod lifecycle;
mod outage;
mod overlay;
mod reidentify;
mod secrets;
mod switch;
