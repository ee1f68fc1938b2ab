//! The hub as a whole: who may do what, models from push to service, events from agents, on both databases, and the
//! program itself.

mod access;
mod accounts;
mod admin;
mod blobs;
pub mod browser;
mod bucket;
mod clips;
mod configurations;
mod dashboard;
mod encrypted;
mod events;
mod export;
mod fleet;
mod flock;
mod fuzzed;
mod galleries;
mod live;
mod program;
mod proving;
mod registry;
mod retention;
pub mod rollouts;
pub mod running;
mod site;
mod sites;
mod suppressions;
mod visitor;
