//! Logs: sentences with fields, to journald under systemd, else as text on stderr.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Where logs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// journald when stderr is connected to it (systemd sets `JOURNAL_STREAM`), else text.
    Auto,
    /// Text on stderr.
    Text,
    /// Text in this file, which is made anew; on stderr where it cannot be.
    File(&'a Path),
}

/// Starts logging for the process. `default_filter` is a `tracing` filter such as `info`; `VEDETTE_LOG` overrides it.
/// Calling it twice keeps the first.
pub fn start(target: Target<'_>, default_filter: &str) {
    let filter = EnvFilter::try_from_env("VEDETTE_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    // A second call, as tests make, finds a subscriber in place and leaves it.
    let _ = tracing_subscriber::registry().with(output(target).with_filter(filter)).try_init();
}

fn output(target: Target<'_>) -> Box<dyn Layer<Registry> + Send + Sync> {
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    if target == Target::Auto
        && under_systemd
        && let Ok(journal) = tracing_journald::layer()
    {
        return journal.boxed();
    }
    if let Target::File(path) = target
        && let Ok(file) = File::create(path)
    {
        return tracing_subscriber::fmt::layer()
            .with_writer(Arc::new(file))
            .with_ansi(false)
            .with_target(false)
            .boxed();
    }
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false).boxed()
}
