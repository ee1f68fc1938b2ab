//! Scenarios that the rules must tell right, written as little plays.

mod counts;
mod line_crossing;
mod model;
mod parked;
mod scene;
mod settings;
mod stays;
mod zone_count;
