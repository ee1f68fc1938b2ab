//! Rollouts: a package reaches the agents group by group, and turns back by itself.

pub mod node;
pub mod plan;
pub mod spec;
#[cfg(test)]
mod tests;
