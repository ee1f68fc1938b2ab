//! Scenarios that the rules must tell right, written as little plays.

mod counts;
mod fall;
mod groups;
mod heights;
mod line_crossing;
mod model;
mod moves;
mod objects;
mod parked;
mod passages;
mod rates;
mod scene;
mod settings;
mod stays;
mod suppression;
mod who;
mod zone_count;
