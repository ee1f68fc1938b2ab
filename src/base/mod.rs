//! What every program needs and none of it about video: clock, shutdown, backoff, named threads, logging, no core dumps, the
//! environment that libraries read, memory that goes back, and the conversation with systemd.

pub mod backoff;
pub mod clock;
pub mod core_dumps;
pub mod environment;
pub mod logging;
pub mod memory;
pub mod shutdown;
pub mod systemd;
pub mod threads;
