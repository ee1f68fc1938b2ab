//! What every program needs and none of it about video: clock, shutdown, backoff, named threads, logging, no core dumps, the
//! environment that libraries read, memory that goes back, what sockets received, children and how they are talked to and confined,
//! and the conversation with systemd.

pub mod backoff;
pub mod channel;
pub mod child;
pub mod clock;
pub mod confine;
pub mod core_dumps;
pub mod environment;
pub mod logging;
pub mod memory;
pub mod restart;
pub mod shutdown;
pub mod sockets;
pub mod systemd;
pub mod threads;
