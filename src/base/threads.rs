//! Threads with names, so that `top -H`, a core dump and a panic say who it was.

use std::any::Any;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Starts a named thread. Linux shows the first 15 bytes of the name.
///
/// # Errors
/// When the machine refuses another thread.
pub fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.chars().take(15).collect()).spawn(body)
}

/// Runs `body` on a thread of its own and waits at most `limit` for it. `None` means that it is still running: the
/// thread is abandoned, and ends whenever its body does.
///
/// For calls into C libraries that may never return, such as stopping a GStreamer pipeline whose network is gone.
pub fn with_deadline<T: Send + 'static>(
    name: &str,
    limit: Duration,
    body: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, finished) = mpsc::sync_channel(1);
    let started = spawn(name, move || {
        // The receiver is gone when the deadline has passed; then nobody wants the result.
        let _ = done.send(body());
    });
    started.ok()?;
    finished.recv_timeout(limit).ok()
}

/// What a panic said, from what `catch_unwind` or a thread's `join` gives.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_quoted_whether_its_message_was_written_out_or_put_together() {
        let said = |body: fn()| panic_message(&*std::panic::catch_unwind(body).unwrap_err());
        assert_eq!(said(|| panic!("plain")), "plain");
        assert_eq!(said(|| panic!("made of {}", 2)), "made of 2");
        assert_eq!(said(|| std::panic::panic_any(7)), "a panic without a message");
    }

    #[test]
    fn a_body_that_never_returns_is_abandoned() {
        let (_keep, never) = mpsc::channel::<()>();
        assert_eq!(with_deadline("stuck", Duration::from_millis(20), move || never.recv().is_ok()), None);
        assert_eq!(with_deadline("quick", Duration::from_secs(60), || 7), Some(7));
    }
}
