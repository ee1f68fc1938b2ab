//! What the program tells systemd: ready, alive, reloading, stopping. Does nothing when not started by systemd.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that start-up is complete.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Shows one line in `systemctl status`.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Says that start-up takes longer than usual, such as while an inference engine is built.
pub fn extend_timeout(by: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))]);
}

/// Feeds the watchdog. Call it only while the line lives.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Says that the program is ending.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often systemd wants to hear [`alive`], if at all.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn tell(states: &[NotifyState]) {
    // Not being able to reach systemd must never stop the line; systemd notices the silence itself.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "could not tell systemd");
    }
}
