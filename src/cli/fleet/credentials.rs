//! `vedette fleet credentials` and `broker-config`: accounts of agents at the broker, and the files for a broker elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::super::Failure;
use super::super::connection::{failed, print};
use super::print_all;
use crate::client::Client;
use crate::hub::accounts::replace;
use crate::vocab::{Id, Secret};

/// Give an agent an account at the broker, replace its password, or end it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette fleet credentials                                 all accounts, a line for each
  vedette fleet credentials gate-north -o mqtt.password     a password; the user name is the agent's
  vedette fleet credentials gate-north --activate           the box has the new one: it is in force, the old one is not
  vedette fleet credentials gate-north --revoke

The password is written to stdout, or to a file that only its owner can read; it can never be shown again. The first one is \
in force at once. A further one waits, and the old one holds, until --activate: copy it to the box first, for then the broker \
ends the agent's connection, and the agent comes back with what its password file holds by then. An agent that happens to \
reconnect between the copy and --activate is kept out until then, and loses nothing.")]
pub(super) struct Args {
    /// The agent, of which nothing need have been heard yet
    agent: Option<Id>,
    /// Write the password to this file
    #[arg(short, long, value_name = "FILE", requires = "agent", conflicts_with = "end")]
    output: Option<PathBuf>,
    /// Have the new password in force at once, because the old one has leaked
    #[arg(long, requires = "agent", conflicts_with = "end")]
    at_once: bool,
    #[command(flatten)]
    end: End,
}

#[derive(Debug, clap::Args)]
#[group(id = "end", multiple = false)]
struct End {
    /// Put the password that waits in force
    #[arg(long, requires = "agent")]
    activate: bool,
    /// End the account: the broker ends the agent's connection and lets it in no more
    #[arg(long, requires = "agent")]
    revoke: bool,
}

/// Print the files for a mosquitto on another machine, or write those that have changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette fleet broker-config
  vedette fleet broker-config -o /etc/mosquitto/vedette && systemctl reload mosquitto

passwd and acl hold every account; mosquitto.conf holds the lines that name both, for you to take over. Where the hub itself \
can write them, mqtt.broker_files in hub.yaml is simpler.")]
pub(super) struct BrokerConfig {
    /// Write passwd, acl and mosquitto.conf into this folder, readable by its group
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Issues, activates, revokes or lists.
pub(super) fn run(client: &Client, args: &Args) -> Result<(), Failure> {
    let Some(agent) = &args.agent else { return print_all(&client.get("/api/v1/credentials").map_err(failed)?) };
    let place = format!("/api/v1/agents/{agent}/credentials");
    match &args.end {
        End { revoke: true, .. } => print(&client.delete(&place).map_err(failed)?),
        End { activate: true, .. } => print(&client.post(&format!("{place}/activate"), &json!({})).map_err(failed)?),
        _ => issue(client, agent, &place, args),
    }
}

fn issue(client: &Client, agent: &Id, place: &str, args: &Args) -> Result<(), Failure> {
    // A password that cannot be written would be lost: there must be a file before it is asked for.
    let file = args.output.as_deref().map(Unfinished::begin).transpose()?;
    let issued = client.post(place, &json!({ "at_once": args.at_once })).map_err(failed)?;
    let password = issued["password"].as_str().ok_or_else(|| anyhow!("the hub told no password"))?;
    let password = Secret::new(password);
    match file {
        Some(file) => file.finish(&password)?,
        None => writeln!(io::stdout().lock(), "{}", password.expose()).context("writing to stdout")?,
    }
    if issued["pending"] == true {
        tracing::info!(
            "the old password holds; when the box has this one: vedette fleet credentials {agent} --activate"
        );
    }
    Ok(())
}

/// A file that appears under its name when it is whole.
struct Unfinished {
    file: File,
    beside: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let beside = path.with_added_extension("new");
        let opened =
            remove(&beside).and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside));
        let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, beside, path: path.to_owned() })
    }

    fn finish(mut self, password: &Secret) -> Result<(), Failure> {
        let written = writeln!(self.file, "{}", password.expose()).and_then(|()| self.file.sync_all());
        let moved = written.and_then(|()| fs::rename(&self.beside, &self.path));
        Ok(moved.with_context(|| format!("cannot write {}", self.path.display()))?)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone where it was finished.
        let _ = fs::remove_file(&self.beside);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Prints or writes the files.
pub(super) fn broker_config(client: &Client, args: &BrokerConfig) -> Result<(), Failure> {
    let Some(folder) = &args.output else {
        let files = client.get("/api/v1/broker-config").map_err(failed)?;
        return show(&files);
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let whole = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    let whole: String = url::form_urlencoded::byte_serialize(whole.as_os_str().as_encoded_bytes()).collect();
    let files = client.get(&format!("/api/v1/broker-config?folder={whole}")).map_err(failed)?;
    for (name, text) in texts(&files) {
        let path = folder.join(name);
        let is_changed = replace(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print(&json!({ "file": path, "changed": is_changed }))?;
    }
    Ok(())
}

/// The files by name. What else a newer hub may tell is none of ours: a name could be a path.
fn texts(files: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    // Rights before passwords: nobody is let in for whom there are none yet.
    ["acl", "passwd", "mosquitto.conf"].into_iter().filter_map(|name| Some((name, files[name].as_str()?)))
}

fn show(files: &Value) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for (name, text) in texts(files) {
        write!(out, "# ---- {name}\n{text}").context("writing to stdout")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_lies_in_a_file_of_its_owner_or_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mqtt.password");
        drop(Unfinished::begin(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the hub refused");
        fs::write(&path, "old\n").unwrap();
        Unfinished::begin(&path).unwrap().finish(&Secret::new("new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Unfinished::begin(&folder.path().join("no/such/folder")).is_err());
    }

    #[test]
    fn a_hub_cannot_choose_where_a_file_is_written() {
        let files = json!({"acl": "a", "passwd": "p", "../evil": "x"});
        assert_eq!(texts(&files).collect::<Vec<_>>(), [("acl", "a"), ("passwd", "p")]);
    }
}
