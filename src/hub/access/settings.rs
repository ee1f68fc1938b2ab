//! What `access:` of the hub's configuration says.

use std::net::IpAddr;

use serde::Deserialize;

/// How callers are let in. All keys have defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a sign-in at the dashboard holds, in hours, 1..720; 12 by default.
    pub session_hours: u32,
    /// How many tokens that are not valid one address may show a minute, 1..1000000; 20 by default. After that nothing it
    /// shows is looked at for a while.
    pub failures_per_minute: u32,
    /// Reverse proxies, by address: from them the address of the caller is the one in `X-Forwarded-For`. None by default.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { session_hours: 12, failures_per_minute: 20, trusted_proxies: Vec::new() }
    }
}

impl Settings {
    /// What is wrong with it.
    pub fn fault(&self) -> Option<&'static str> {
        if !(1..=720).contains(&self.session_hours) {
            return Some("session_hours must be 1 to 720");
        }
        if !(1..=1_000_000).contains(&self.failures_per_minute) {
            return Some("failures_per_minute must be 1 to 1000000");
        }
        None
    }
}
