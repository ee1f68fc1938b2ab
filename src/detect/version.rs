//! Learns the version of the library that `ort` loads.
//!
//! `ort` reads the version (`OrtApiBase::GetVersionString`), checks it and logs it, but hands it to nobody; asking the
//! library itself would take unsafe code. So the version is taken from the log line, which holds for the exactly pinned
//! version of `ort`; a test with the real library watches it. Should the line change, the version reads `unknown`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Runs `load` and returns what it returned, with the version that was logged meanwhile on this thread.
pub(super) fn overhear<T>(load: impl FnOnce() -> T) -> (T, Option<String>) {
    let heard = Arc::new(Mutex::new(None));
    let result = tracing::subscriber::with_default(Listener { heard: heard.clone() }, load);
    let version = heard.lock().unwrap_or_else(PoisonError::into_inner).take();
    (result, version)
}

struct Listener {
    heard: Arc<Mutex<Option<String>>>,
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Some(version) = version_in(&message.0) {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.to_owned());
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// The part between quotation marks after `version`, where it looks like a version.
fn version_in(message: &str) -> Option<&str> {
    let quoted = message.split("version '").nth(1)?.split('\'').next()?;
    quoted.starts_with(|c: char| c.is_ascii_digit()).then_some(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_overheard_and_nothing_else_is() {
        let (result, version) = overhear(|| {
            tracing::info!("Loaded ONNX Runtime dylib from \"/x.so\"; version '1.32.0'");
            7
        });
        assert_eq!((result, version.as_deref()), (7, Some("1.32.0")));
        let (_, version) = overhear(|| tracing::info!("expected version 'new'"));
        assert_eq!(version, None);
    }
}
