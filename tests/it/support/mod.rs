//! What integration tests share: where real data lies, real servers on free ports, canned frames.

pub mod crowd;
pub mod data;
