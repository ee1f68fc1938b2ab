//! What can be set about keeping a camera connected.

use std::time::Duration;

use crate::decode;

/// How one camera is kept connected. The defaults suit any camera; tests shorten them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How its pictures are fetched and decoded.
    pub decode: decode::Settings,
    /// Whether it is switched on at the start. Default true.
    pub enabled: bool,
    /// Nothing for this long is a stall, 1 to 60 s. Default 4 s.
    pub stall: Duration,
    /// A stalled connection is closed after this much more, 0 to 60 s. Default 4 s.
    pub give_up: Duration,
    /// A new connection must deliver data within this time, 1 to 60 s. Default 5 s.
    pub connect_timeout: Duration,
    /// With data but no picture, this long is waited for a keyframe, 5 to 300 s. Default 30 s.
    pub keyframe_timeout: Duration,
    /// The first wait before connecting again, 0.1 to 60 s; half to all of it, by chance. Default 1 s.
    pub retry_min: Duration,
    /// The longest wait during an outage's beginning, 0.1 to 60 s. Default 4 s.
    pub retry_max: Duration,
    /// An outage of this length is a long one: from then on it is only asked whether anybody is there, and a new stream
    /// is opened once somebody is. Default 10 min.
    pub long_outage: Duration,
    /// The longest wait between such questions. With the next pictures are back within 10 s. Default 6 s.
    pub long_retry_max: Duration,
    /// How long the answer to one may take. Default 2 s.
    pub probe_limit: Duration,
    /// The longest wait after panics that come one after the other. Default 60 s.
    pub panic_retry_max: Duration,
    /// The wait after a refused password, 1 min or more. Default 5 min.
    pub auth_retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            decode: decode::Settings::default(),
            enabled: true,
            stall: Duration::from_secs(4),
            give_up: Duration::from_secs(4),
            connect_timeout: Duration::from_secs(5),
            keyframe_timeout: Duration::from_secs(30),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(4),
            long_outage: Duration::from_secs(600),
            long_retry_max: Duration::from_secs(6),
            probe_limit: Duration::from_secs(2),
            panic_retry_max: Duration::from_secs(60),
            auth_retry: Duration::from_secs(300),
        }
    }
}
