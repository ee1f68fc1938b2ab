//! `vedette fleet`: the agents of a hub, rollouts to them, and their accounts at the broker, from the command line.

mod credentials;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::connection::{Connection, failed, print};
use super::registry::Reference;
use crate::client::Client;
use crate::config::Overlay;
use crate::vocab::Id;

/// List the agents of a hub, roll models and configurations out to them, and give them accounts at the broker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette fleet agents
  vedette fleet rollout start people people@champion --label region=north
  vedette fleet rollout start --config quieter-nights.yaml --label region=north
  vedette fleet rollout show people-4-1 --watch
  vedette fleet credentials gate-north -o mqtt.password

Answers are JSON on stdout. The token is the first line of --token-file, which only its owner should be able to read.

Exit status: 0 done, 1 the hub cannot be reached or a rollout that was watched turned back, 2 the hub refuses.")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the agents, a line for each
    #[command(after_help = "Example:\n  vedette fleet agents")]
    Agents,
    /// Roll a registered model or a configuration out to agents, group by group
    #[command(after_help = "Examples:
  vedette fleet rollout start people people:4 --label region=north --needs-approval
  vedette fleet rollout show people-4-1 --watch
  vedette fleet rollout abort people-4-1")]
    Rollout {
        #[command(subcommand)]
        what: Rollout,
    },
    Credentials(credentials::Args),
    BrokerConfig(credentials::BrokerConfig),
}

#[derive(Debug, Subcommand)]
enum Rollout {
    /// Order a rollout
    #[command(after_help = "Examples:
  vedette fleet rollout start people people@champion --label region=north
  vedette fleet rollout start people people:4 --agent gate-1 --agent gate-2 --group 1 --group 100% --soak 600
  vedette fleet rollout start people people:5 --all --proof '{\"agreement\": 0.9}' --needs-approval
  vedette fleet rollout start --config quieter-nights.yaml --purpose 'fewer alerts from cats' --all

Agents that are there are told before agents that are away. A group is told when enough of the one before have said that \
it stays, and it has soaked. When too many say that it does not, all that were told go back to what they had.

A configuration is an overlay: YAML of the shape of the agents' own files, which says what differs below `cameras` and \
`models`. `vedette check -c FILE --overlay FILE` tries one on a file.")]
    Start(Box<Start>),
    /// List the newest rollouts, a line for each
    #[command(after_help = "Example:\n  vedette fleet rollout list")]
    List,
    /// Show a rollout with its groups and agents
    #[command(after_help = "Example:\n  vedette fleet rollout show people-4-1 --watch")]
    Show {
        /// Which
        rollout: String,
        /// Stay until it is over: drawn anew on a terminal, elsewhere a line whenever something changes
        #[arg(long)]
        watch: bool,
    },
    /// Hold a rollout: no further group is told
    #[command(after_help = "Example:\n  vedette fleet rollout pause people-4-1")]
    Pause {
        /// Which
        rollout: String,
    },
    /// Let a paused rollout go on
    #[command(after_help = "Example:\n  vedette fleet rollout resume people-4-1")]
    Resume {
        /// Which
        rollout: String,
    },
    /// Take a rollout back: all agents that were told return to what they had
    #[command(after_help = "Example:\n  vedette fleet rollout abort people-4-1")]
    Abort {
        /// Which
        rollout: String,
    },
    /// Let a rollout go beyond its first group
    #[command(after_help = "Example:\n  vedette fleet rollout approve people-4-1")]
    Approve {
        /// Which
        rollout: String,
    },
}

#[derive(Debug, clap::Args)]
struct Start {
    /// The name that the model has in the agents' configuration
    #[arg(required_unless_present = "config", requires = "model")]
    slot: Option<Id>,
    /// What is rolled out: NAME:VERSION or NAME@ALIAS of the registry
    model: Option<Reference>,
    /// Or an overlay over the agents' configuration, a YAML file
    #[arg(long, value_name = "FILE", conflicts_with = "slot")]
    config: Option<PathBuf>,
    /// What the overlay is for, for people
    #[arg(long, value_name = "TEXT", requires = "config", conflicts_with = "slot")]
    purpose: Option<String>,
    /// An agent; may be given again
    #[arg(long = "agent", value_name = "AGENT", group = "whom")]
    agents: Vec<Id>,
    /// All admitted agents with this label; given again, with that one too
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label, group = "whom")]
    labels: Vec<(Id, String)>,
    /// All admitted agents
    #[arg(long, group = "whom")]
    all: bool,
    /// How many agents have been told once a group is, as 3 or 25%; given again for the next group, at last 100%
    #[arg(long = "group", value_name = "SHARE")]
    groups: Vec<String>,
    /// How long a group must have succeeded before the next one is told
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u32>,
    /// The share of a group that must have committed, 0..1
    #[arg(long, value_name = "SHARE")]
    success: Option<f64>,
    /// At so many errors all go back
    #[arg(long, value_name = "N")]
    error_nodes: Option<u32>,
    /// Or at this share of the agents that were told, where that is more, 0..1
    #[arg(long, value_name = "SHARE")]
    error_share: Option<f64>,
    /// How long an agent may be there and not be done before that is an error
    #[arg(long, value_name = "SECONDS")]
    node_timeout: Option<u32>,
    /// What the package must prove on each agent, as JSON: those fields that shall not have their defaults
    #[arg(long, value_name = "JSON", value_parser = json_object, conflicts_with = "config")]
    proof: Option<Value>,
    /// What the overlay must prove on each agent, as JSON: those fields that shall not have their defaults
    #[arg(long, value_name = "JSON", value_parser = json_object, requires = "config", conflicts_with = "slot")]
    trial: Option<Value>,
    /// Wait for somebody to approve after the first group
    #[arg(long)]
    needs_approval: bool,
}

fn label(text: &str) -> Result<(Id, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is given as NAME=VALUE")?;
    Ok((Id::new(name).map_err(|error| error.to_string())?, value.to_owned()))
}

fn json_object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("a JSON object is expected".to_owned()) }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when the hub refuses.
pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    match &args.what {
        What::Agents => print_all(&client.get("/api/v1/agents").map_err(failed)?),
        What::Rollout { what } => rollout(&client, what),
        What::Credentials(args) => credentials::run(&client, args),
        What::BrokerConfig(args) => credentials::broker_config(&client, args),
    }
}

fn rollout(client: &Client, what: &Rollout) -> Result<(), Failure> {
    match what {
        Rollout::Start(start) => print(&client.post("/api/v1/rollouts", &start.order()?).map_err(failed)?),
        Rollout::List => print_all(&client.get("/api/v1/rollouts").map_err(failed)?),
        Rollout::Show { rollout, watch: false } => print(&client.get(&place(rollout)).map_err(failed)?),
        Rollout::Show { rollout, watch: true } => watch::run(client, &place(rollout)),
        Rollout::Pause { rollout } => act(client, rollout, "pause"),
        Rollout::Resume { rollout } => act(client, rollout, "resume"),
        Rollout::Abort { rollout } => act(client, rollout, "abort"),
        Rollout::Approve { rollout } => act(client, rollout, "approve"),
    }
}

fn act(client: &Client, rollout: &str, action: &str) -> Result<(), Failure> {
    print(&client.post(&format!("{}/{action}", place(rollout)), &json!({})).map_err(failed)?)
}

/// Where a rollout is; what is no name of one would lead elsewhere.
fn place(rollout: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    format!("/api/v1/rollouts/{}", rollout.chars().filter(plain).collect::<String>())
}

fn print_all(list: &Value) -> Result<(), Failure> {
    list.as_array().into_iter().flatten().try_for_each(print)
}

impl Start {
    fn order(&self) -> Result<Value, Failure> {
        let labels: BTreeMap<&Id, &String> = self.labels.iter().map(|(name, value)| (name, value)).collect();
        let mut order = json!({ "agents": self.agents, "labels": labels, "all": self.all, "terms": self.terms() });
        let Some(file) = &self.config else {
            // Without a file the parser has asked for both.
            let Some(Reference { model, version }) = &self.model else { return Ok(order) };
            let missing = || Failure::Refused(anyhow!("say which version: {model}:3 or {model}@champion"));
            order["version"] = json!(version.as_ref().ok_or_else(missing)?);
            (order["slot"], order["model"]) = (json!(self.slot), json!(model));
            return Ok(order);
        };
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("reading the overlay {}", file.display())).map_err(Failure::Refused)?;
        // Told here already, with the name of the file.
        Overlay::read(&text).map_err(|faults| {
            let told = faults.render("overlay").replace("overlay:", &format!("{}:", file.display()));
            Failure::Refused(anyhow!("{}", told.trim_end()))
        })?;
        (order["overlay"], order["purpose"]) = (json!(text), json!(self.purpose));
        Ok(order)
    }

    /// What was given; the hub knows the rest.
    fn terms(&self) -> Value {
        let groups = (!self.groups.is_empty()).then_some(&self.groups);
        let given = [
            ("groups", json!(groups)),
            ("soak_seconds", json!(self.soak)),
            ("success", json!(self.success)),
            ("error_nodes", json!(self.error_nodes)),
            ("error_share", json!(self.error_share)),
            ("node_timeout_seconds", json!(self.node_timeout)),
            ("proof", json!(self.proof)),
            ("trial", json!(self.trial)),
            ("needs_approval", json!(self.needs_approval)),
        ];
        given.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        start: Start,
    }

    fn order(arguments: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from([&["start"], arguments].concat()).map_err(|error| error.to_string())?;
        line.start.order().map_err(|error| error.to_string())
    }

    #[test]
    fn an_order_says_what_was_given_and_leaves_the_rest_to_the_hub() {
        let given = ["people", "people@champion", "--label", "region=north", "--label", "kind=gate", "--group", "1"];
        let more = ["--group", "100%", "--soak", "60", "--proof", r#"{"trial_seconds": 5}"#];
        assert_eq!(
            order(&[&given[..], &more[..]].concat()).unwrap(),
            json!({
                "slot": "people", "model": "people", "version": "champion", "agents": [], "all": false,
                "labels": {"region": "north", "kind": "gate"},
                "terms": {"groups": ["1", "100%"], "soak_seconds": 60, "proof": {"trial_seconds": 5},
                          "needs_approval": false},
            })
        );
        assert_eq!(order(&["people", "people:4", "--all"]).unwrap()["terms"], json!({"needs_approval": false}));
    }

    #[test]
    fn an_overlay_is_ordered_with_its_text_and_a_faulty_one_is_told_here() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nights.yaml");
        let path = file.to_str().unwrap();
        std::fs::write(&file, "cameras: { door: { detect: { fps: 4 } } }\n").unwrap();
        let given = ["--config", path, "--purpose", "less work", "--all", "--trial", r#"{"trial_seconds": 60}"#];
        assert_eq!(
            order(&given).unwrap(),
            json!({
                "overlay": "cameras: { door: { detect: { fps: 4 } } }\n", "purpose": "less work", "agents": [],
                "labels": {}, "all": true, "terms": {"trial": {"trial_seconds": 60}, "needs_approval": false},
            })
        );
        std::fs::write(&file, "cameras: { door: { url: x } }\n").unwrap();
        let refused = order(&["--config", path, "--all"]).unwrap_err();
        assert!(refused.starts_with(&format!("{path}:1:20: cameras.door.url: ")), "{refused}");
        for wrong in [
            &["people", "people:4", "--config", path][..],
            &["--config", path, "--proof", "{}"],
            &["people", "people:4", "--trial", "{}"],
            &["people"],
            &["--all"],
        ] {
            assert!(order(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_has_no_version_or_is_no_label_is_refused() {
        assert!(order(&["people", "people", "--all"]).unwrap_err().contains("which version"));
        assert!(order(&["people", "people:4", "--label", "north"]).unwrap_err().contains("NAME=VALUE"));
        assert!(order(&["people", "people:4", "--all", "--proof", "7"]).unwrap_err().contains("JSON object"));
        assert_eq!(place("people-4-1/../../tokens"), "/api/v1/rollouts/people-4-1tokens");
    }
}
