//! Runs the command that tells the broker to read its files again.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::AccountError;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of what it says is told, in characters.
const TOLD: usize = 300;

/// Runs `command`, a program and its arguments.
///
/// # Errors
/// When it cannot be started, fails, or takes longer than twenty seconds.
pub(super) async fn run(command: &[String]) -> Result<(), AccountError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let failed = |source| AccountError::Run { program: program.clone(), source };
    let child = started.map_err(failed)?;
    let group = Pid::from_child(&child);
    let refused = |reason: String| AccountError::Reload { program: program.clone(), reason };
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(Ok(Ok(output))) if output.status.success() => Ok(()),
        Ok(Ok(Ok(output))) => Err(refused(told(&output))),
        Ok(Ok(Err(source))) => Err(failed(source)),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(_) => {
            // Nobody has waited for it yet, so that its number is still its own.
            let _ = kill_process_group(group, Signal::KILL);
            Err(refused(format!("it did not end within {} s", PATIENCE.as_secs())))
        }
    }
}

fn told(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(TOLD).collect();
    if said.is_empty() { output.status.to_string() } else { format!("{}: {said}", output.status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(command: &[&str]) -> Result<(), String> {
        let command: Vec<String> = command.iter().map(|part| (*part).to_owned()).collect();
        run(&command).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_fails_says_how() {
        assert_eq!(outcome(&["true"]).await, Ok(()));
        assert_eq!(outcome(&[]).await, Ok(()));
        let told = outcome(&["sh", "-c", "echo no such broker >&2; exit 3"]).await.unwrap_err();
        assert!(told.contains("exit status: 3: no such broker"), "{told}");
        assert!(outcome(&["/nowhere/at/all"]).await.unwrap_err().contains("/nowhere/at/all"));
    }

    #[tokio::test]
    async fn no_shell_is_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let trap = folder.path().join("trap");
        let _ = outcome(&["true", &format!("; touch {}", trap.display()), "$(touch trap)"]).await;
        assert!(!trap.exists());
    }
}
