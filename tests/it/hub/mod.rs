//! The hub as a whole: who may do what, models from push to service, on both databases, and the program itself.

mod access;
mod encrypted;
mod fuzzed;
mod program;
mod registry;
mod running;
