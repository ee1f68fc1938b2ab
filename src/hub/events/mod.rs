//! What happened: alerts and events of all agents, and the pictures that show them.
//!
//! An event is stored once, under the id that its agent gave it; [`watermark`] knows which numbers of each spool there
//! are. What is stored gets a number in the order of arrival, and [`live`] readers go on from there.

pub mod episodes;
pub mod export;
pub mod history;
pub mod live;
pub mod query;
mod ranges;
pub mod retention;
pub mod snapshots;
pub mod store;
pub mod verdicts;
pub mod watermark;

pub use export::Exports;
pub use live::Live;
pub use retention::{Keeper, Retention};
pub use snapshots::Snapshots;
pub use verdicts::Verdicts;
