//! `vedette schema`: prints the JSON Schemas of the messages and of the configuration.

use std::io::Write;

use anyhow::Context;
use serde_json::{Map, Value};

use super::Failure;
use crate::{config, wire};

const EXAMPLES: &str = "\
Examples:
  vedette schema               every schema by name, in one JSON object
  vedette schema event         the schema of alerts and events alone
  vedette schema config        the schema of the configuration, for editors";

/// Prints the JSON Schemas of the messages that the agent sends and receives, and of its configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The message whose schema to print, or `config`; all of them when left out.
    name: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When nothing has the name, or stdout cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let value = select(args.name.as_deref())?;
    let text = serde_json::to_string_pretty(&value).context("cannot write the schema as JSON")?;
    writeln!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(())
}

fn select(name: Option<&str>) -> Result<Value, Failure> {
    let mut all = wire::schemas();
    all.push(("config", config::schema()));
    let Some(name) = name else {
        let map: Map<String, Value> = all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
        return Ok(Value::Object(map));
    };
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let unknown = || anyhow::anyhow!("no schema is called {name:?}; there are {}", names.join(", "));
    all.iter().find(|(n, _)| *n == name).map(|(_, schema)| schema.clone()).ok_or_else(|| Failure::Refused(unknown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_schema_or_all_of_them_or_the_names_that_there_are() {
        assert_eq!(select(None).unwrap().as_object().unwrap().len(), wire::schemas().len() + 1);
        assert_eq!(select(Some("event")).unwrap()["title"], "EventMessage");
        assert_eq!(select(Some("config")).unwrap(), config::schema());
        let Err(Failure::Refused(error)) = select(Some("evnt")) else { panic!("must be refused") };
        assert!(error.to_string().contains("event, health"), "{error}");
    }
}
