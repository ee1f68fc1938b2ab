//! Keeps the files for the broker as the accounts are, and tells the broker of every change.
//!
//! It looks when an account has changed here, and every ten seconds, for another hub on the same database may have changed
//! one. Files appear whole or not at all. What fails is told in the log and in [`State`], and tried again, ever more slowly;
//! so is the command that tells the broker, until it has succeeded. At the start the broker is told once in any case: the
//! hub may have been killed between the files and the command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::disk::replace;
use super::files::{ACL, Files, PASSWD};
use super::{AccountError, Accounts, Own, reload};
use crate::base::backoff::Backoff;
use crate::base::shutdown::Stopping;

/// How often it is looked whether another hub has changed an account.
const LOOK: Duration = Duration::from_secs(10);

/// How it is with the files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct State {
    /// When they were last written, in nanoseconds since 1970; none where they were right all the time.
    pub written_ns: Option<i64>,
    /// When the broker was last told.
    pub told_ns: Option<i64>,
    /// Why the files or the broker are not up to date; none where they are.
    pub failing: Option<String>,
}

impl State {
    /// The same as Prometheus text.
    pub fn to_metrics(&self) -> String {
        let name = "vedette_broker_files_failing";
        let help = "Whether the broker does not know its accounts as they are";
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}\n", u8::from(self.failing.is_some()))
    }
}

/// Writes the files.
pub struct Writer {
    accounts: Accounts,
    own: Option<Own>,
    folder: PathBuf,
    /// What tells the broker: a program and its arguments; nothing where something else does.
    reload: Vec<String>,
    state: watch::Sender<State>,
    /// Whether the broker must still be told.
    is_owed: bool,
}

impl Writer {
    /// Writes the files of `accounts`, this hub's `own` included, into `folder`.
    pub fn new(accounts: Accounts, own: Option<Own>, folder: PathBuf, reload: Vec<String>) -> Self {
        Self { accounts, own, folder, reload, state: watch::Sender::default(), is_owed: true }
    }

    /// How it is, now and later.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Writes until it is time to stop.
    pub async fn run(mut self, stopping: Stopping) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let changes = self.accounts.changes.clone();
        while !stopping.is_stopping() {
            let wait = match self.run_once().await {
                Ok(()) => {
                    backoff.reset();
                    self.state.send_if_modified(|state| state.failing.take().is_some());
                    LOOK
                }
                Err(error) => {
                    let told = chain(&error);
                    tracing::error!(error = told, "the broker does not know its accounts as they are");
                    self.state.send_modify(|state| state.failing = Some(told));
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changes.notified() => {}
                () = stopping.stopped() => {}
            }
        }
    }

    async fn run_once(&mut self) -> Result<(), AccountError> {
        if let Some(own) = &self.own {
            own.register(&self.accounts).await?;
        }
        let files = Files::of(&self.accounts.all().await?);
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &files)).await;
        let broken = |error: tokio::task::JoinError| AccountError::File {
            doing: "writing",
            path: self.folder.clone(),
            source: io::Error::other(error),
        };
        let now = self.accounts.clock.unix_nanos();
        if written.map_err(broken)?? {
            self.is_owed = true;
            self.state.send_modify(|state| state.written_ns = Some(now));
            tracing::info!(folder = %self.folder.display(), "the broker's files have changed");
        }
        if self.is_owed && !self.reload.is_empty() {
            reload::run(&self.reload).await?;
            self.state.send_modify(|state| state.told_ns = Some(now));
        }
        self.is_owed = false;
        Ok(())
    }
}

/// Writes those files that are not as they should be; whether there were any. Rights come before passwords: nobody is let in
/// for whom there are none yet, and who is not let in any more does not need them.
///
/// # Errors
/// When the folder or a file cannot be made.
fn write(folder: &Path, files: &Files) -> Result<bool, AccountError> {
    let making = |source| AccountError::File { doing: "making", path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(making)?;
    let mut is_changed = false;
    for (name, text) in [(ACL, &files.acl), (PASSWD, &files.passwd)] {
        let path = folder.join(name);
        let failed = |source| AccountError::File { doing: "writing", path: path.clone(), source };
        is_changed |= replace(&path, text).map_err(failed)?;
    }
    Ok(is_changed)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told
}
