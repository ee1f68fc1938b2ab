//! `vedette rules`: tries changed rules on the tracks of the last days.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, check};
use crate::agent::rehearsal::{self, Happening, Rehearsal, Request, Totals};
use crate::config::Config;
use crate::vocab::{Id, Place, WallTime};

/// Try changed rules on the tracks of the last days.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  vedette rules test -c changed.yaml --against /etc/vedette/vedette.yaml")]
pub struct Args {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    Test(TestArgs),
}

/// Show stored tracks to changed rules: which alerts would appear, which would vanish.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette rules test -c changed.yaml
  vedette rules test -c /etc/vedette/vedette.yaml --overlay quieter-nights.yaml --since 2026-11-24T00:00:00Z
  vedette rules test -c changed.yaml --json | jq '.vanish[] | [.start, .rule, .explanation]'

An agent keeps the tracks of the last days (`history` in its configuration), and `vedette replay --tracks FOLDER` those of a \
recording. Zones, lines, the ground, rules and `suppress` are tried on them; what decides what is seen at all is not: another \
model or threshold, `detect.fps`, the motion gate. Where the configurations differ there, a note says so.

Exit status: 0 when the rules were tried, whatever came of it, 1 when the tracks cannot be read, 2 when a configuration is \
faulty or there are no tracks.")]
struct TestArgs {
    /// The changed configuration, a YAML file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// An overlay to lay over it, a YAML file; it is then compared with the file without it
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// The configuration in force [default: /etc/vedette/vedette.yaml; with --overlay the file of -c]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// The folder of tracks, or the state directory that it lies in [default: that of the configuration in force]
    #[arg(long, value_name = "FOLDER")]
    tracks: Option<PathBuf>,
    /// Only this camera
    #[arg(long, value_name = "ID")]
    camera: Option<Id>,
    /// Only what began since then
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Also what rules of severity `event` tell
    #[arg(long)]
    events: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when a configuration is faulty or there are no tracks.
pub fn run(args: &Args) -> Result<(), Failure> {
    let RulesCommand::Test(args) = &args.command;
    test(args)
}

fn test(args: &TestArgs) -> Result<(), Failure> {
    let usual = PathBuf::from("/etc/vedette/vedette.yaml");
    let against = args.against.as_ref().or(args.overlay.as_ref().map(|_| &args.config)).unwrap_or(&usual);
    let present = check::in_force(against, None)?;
    let changed = check::in_force(&args.config, args.overlay.as_deref())?;
    let request = Request {
        folder: folder(args, &present),
        camera: args.camera.clone(),
        since: args.since.map(|at| WallTime::from_unix_nanos(i64::try_from(at.as_nanosecond()).unwrap_or(0))),
        events: args.events,
    };
    let rehearsal = rehearsal::rehearse(&present, &changed, &request).map_err(|error| match error {
        rehearsal::RehearsalError::Tracks(config_error) if request.folder.exists() => {
            Failure::Running(config_error.into())
        }
        error => Failure::Refused(error.into()),
    })?;
    if args.json {
        print_json(&rehearsal)
    } else {
        print_text(&rehearsal, &changed)
    }
    Ok(())
}

/// Where the tracks lie: what was named, or the folder of tracks in it.
fn folder(args: &TestArgs, present: &Config) -> PathBuf {
    let Some(named) = &args.tracks else { return present.history.folder.clone() };
    let inner = present.history.folder.strip_prefix(&present.state_dir).map(|inner| named.join(inner));
    inner.ok().filter(|inner| inner.is_dir()).unwrap_or_else(|| named.clone())
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
fn print_json(rehearsal: &Rehearsal) {
    println!("{}", serde_json::json!(rehearsal));
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
fn print_text(rehearsal: &Rehearsal, changed: &Config) {
    print!("{}", text(rehearsal, changed));
}

/// The rehearsal for people.
fn text(rehearsal: &Rehearsal, changed: &Config) -> String {
    let mut lines = Vec::new();
    let (from, to) = (rehearsal.from.as_deref().unwrap_or_default(), rehearsal.to.as_deref().unwrap_or_default());
    lines.push(format!("tracks of {from} to {to}, {} looks", rehearsal.looks));
    let lists = [("would appear", '+', &rehearsal.appear), ("would vanish", '-', &rehearsal.vanish)];
    for (what, mark, list) in lists {
        lines.push(String::new());
        lines.push(format!("{} {what}", count(list.len())));
        lines.extend(list.iter().map(|happening| line(mark, happening, changed)));
    }
    lines.push(String::new());
    lines.push(format!("{} would stay", count(rehearsal.stay.len())));
    lines.extend(table("by rule", &rehearsal.rules));
    lines.extend(table("by day", &rehearsal.days));
    let losses = rehearsal.losses;
    if !losses.is_none() || !rehearsal.notes.is_empty() {
        lines.push(String::new());
    }
    if !losses.is_none() {
        let rehearsal::Losses { damaged, missing, useless } = losses;
        lines.push(format!(
            "note: not all tracks could be read: {damaged} places damaged, {missing} blocks missing, {useless} useless"
        ));
    }
    lines.extend(rehearsal.notes.iter().map(|note| format!("note: {note}")));
    lines.push(String::new());
    lines.join("\n")
}

fn count(alerts: usize) -> String {
    match alerts {
        0 => "nothing".to_owned(),
        1 => "1 alert".to_owned(),
        n => format!("{n} alerts"),
    }
}

/// `+ 2026-11-24 22:14:03 door night-yard in zone yard, 12 s: person 0.89 in zone yard for 61 s (limit 60 s)`
fn line(mark: char, happening: &Happening, config: &Config) -> String {
    let Happening { camera, rule, start, end, explanation, .. } = happening;
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(start.unix_nanos())).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = config.timezone.to_datetime(stamp).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let place = match &happening.place {
        Some(Place::Zone(id)) => format!(" in zone {id}"),
        Some(Place::Line(id)) => format!(" at line {id}"),
        None => String::new(),
    };
    let seconds = (end.unix_nanos() - start.unix_nanos()) / 1_000_000_000;
    let lasted = if happening.kind.lasts() { format!(", {seconds} s") } else { String::new() };
    format!("{mark} {at} {camera} {rule}{place}{lasted}: {explanation}")
}

fn table(title: &str, totals: &BTreeMap<String, Totals>) -> Vec<String> {
    if totals.is_empty() {
        return Vec::new();
    }
    let width = totals.keys().map(String::len).chain([title.len()]).max().unwrap_or_default();
    let mut lines = vec![String::new(), format!("{title:width$}  appear  vanish    stay")];
    let row = |(name, totals): (&String, &Totals)| {
        let Totals { appear, vanish, stay } = totals;
        format!("{name:width$}  {appear:>6}  {vanish:>6}  {stay:>6}")
    };
    lines.extend(totals.iter().map(row));
    lines
}
