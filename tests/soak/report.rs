//! What came of it, held against the limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use vedette::base::clock::{Clock, SystemClock};
use vedette::vocab::Id;
use vedette::wire::CameraHealth;

use crate::cameras::CAMERAS;
use crate::faults::Faults;
use crate::figures::{Account, Slope, median, slope, spread};
use crate::ledger::Stored;
use crate::listener::Heard;
use crate::samples::{Sample, Samples};
use crate::stage::LOOKS;
use crate::usage::Usage;
use crate::{SAMPLE, cameras, say};

/// What grows by less an hour does no harm in a year.
const MIB_PER_HOUR: f64 = 1.0;
/// A shorter run says nothing about what grows.
const LONG_ENOUGH: Duration = Duration::from_secs(20 * 60);
/// Looks a second at all cameras together, when none is away.
const ALL_LOOKS: f64 = 0.95 * CAMERAS as f64 * LOOKS;

/// All that is known at the end.
pub struct Report<'a> {
    pub account: Account,
    /// Rows of the hub's that are there twice.
    pub twice: u64,
    pub rows: &'a [Stored],
    pub heard: &'a [Heard],
    /// Messages that the listener heard again.
    pub repeated: u64,
    pub samples: &'a Samples,
    pub faults: &'a Faults,
    pub cameras: &'a BTreeMap<Id, CameraHealth>,
    pub warm_up: Duration,
    /// Whether the agent was one process all the time.
    pub is_one_process: bool,
    pub ended_well: bool,
}

/// A line of the table: what, how much, at most how much, and whether that holds, where it is judged.
struct Line {
    what: &'static str,
    found: String,
    limit: &'static str,
    holds: Option<bool>,
}

fn line(what: &'static str, found: impl ToString, limit: &'static str, holds: Option<bool>) -> Line {
    Line { what, found: found.to_string(), limit, holds }
}

impl Report<'_> {
    /// Prints the table; whether all limits hold.
    pub fn print(&self) -> bool {
        let mut lines = self.losses();
        lines.extend(self.latencies());
        lines.extend(self.growth());
        lines.extend(self.work());
        for Line { what, found, limit, holds } in &lines {
            let verdict = match holds {
                Some(true) => "ok",
                Some(false) => "EXCEEDED",
                None => "",
            };
            say(format_args!("{what:<44} {found:<44} {limit:<18} {verdict}"));
        }
        self.print_cameras();
        lines.iter().all(|line| line.holds != Some(false))
    }

    /// Writes the faults with their times since `began`.
    pub fn write_faults(&self, folder: &Path, began: Duration) {
        let mut text = "began_s,ended_s,fault\n".to_owned();
        for fault in self.faults.so_far() {
            let second = |at: Duration| at.saturating_sub(began).as_secs_f64();
            let ended = fault.ended.map(|at| format!("{:.1}", second(at))).unwrap_or_default();
            writeln!(text, "{:.1},{ended},{fault}", second(fault.began)).unwrap();
        }
        fs::write(folder.join("faults.csv"), text).unwrap();
    }

    /// Writes how long each alert and event took to the hub's table.
    pub fn write_latencies(&self, folder: &Path) {
        let mut text = "time_ns,class,kind,phase,camera,to_hub_s\n".to_owned();
        for row in self.rows {
            let Stored { class, kind, phase, camera, time_ns, received_ns, .. } = row;
            let late = (received_ns - time_ns) as f64 / 1e9;
            writeln!(text, "{time_ns},{class},{kind},{phase},{camera},{late:.3}").unwrap();
        }
        fs::write(folder.join("latencies.csv"), text).unwrap();
    }

    fn losses(&self) -> Vec<Line> {
        let Account { committed, stored, waiting, given_up, lost } = self.account;
        let alerts = self.rows.iter().filter(|row| row.is_alert()).count();
        let told: BTreeSet<&str> =
            self.rows.iter().filter(|row| row.is_alert()).map(|row| row.camera.as_str()).collect();
        let none = |count: u64| Some(count == 0);
        vec![
            line("committed by the agent", committed, "", None),
            line("stored by the hub", format!("{stored}, {alerts} of them alerts"), "", None),
            line("cameras that raised alerts", told.len(), "all 8", Some(told.len() == CAMERAS)),
            line("lost", lost, "0", none(lost)),
            line("given up by the agent, which said so", given_up, "0", none(given_up)),
            line("left in the spool", waiting, "0", none(waiting)),
            line("stored twice", self.twice, "0", none(self.twice)),
            line("sent again, heard at the broker", self.repeated, "", None),
            line("faults", self.faults.so_far().len(), "", None),
            line("the agent ended as told", self.ended_well, "true", Some(self.ended_well)),
        ]
    }

    /// Of the beginnings of alerts: what ends is told only once it was not seen for a while.
    fn latencies(&self) -> Vec<Line> {
        let to_mono = SystemClock.unix_nanos() - SystemClock.mono().as_nanos() as i64;
        let is_quiet = |time_ns: i64| {
            let moment = Duration::from_nanos((time_ns - to_mono).max(0) as u64);
            moment >= self.samples.began() && self.faults.is_quiet(moment)
        };
        let raised = self.rows.iter().filter(|row| row.is_alert() && row.phase == "start");
        let stored: Vec<(i64, i64)> = raised.map(|row| (row.time_ns, row.received_ns)).collect();
        let heard: Vec<(i64, i64)> =
            self.heard.iter().filter(|heard| heard.raises).map(|heard| (heard.time_ns, heard.heard_ns)).collect();
        let of = |what, times: &[(i64, i64)], quiet_only: bool| {
            let chosen = times.iter().filter(|(time, _)| !quiet_only || is_quiet(*time));
            let found = spread(chosen.map(|(time, there)| (there - time) as f64 / 1e9).collect());
            let text = found.map(|s| format!("p50 {:.2}, p99 {:.2}, max {:.2} s of {}", s.p50, s.p99, s.max, s.count));
            line(what, text.unwrap_or("none".to_owned()), "", None)
        };
        vec![
            of("alerts, picture to subscriber, quiet", &heard, true),
            of("alerts, picture to subscriber, always", &heard, false),
            of("alerts, picture to hub's table, quiet", &stored, true),
            of("alerts, picture to hub's table, always", &stored, false),
        ]
    }

    /// The samples after the warm-up.
    fn warm(&self, quiet_only: bool) -> Vec<&Sample> {
        let all = self.samples.all.iter();
        all.filter(|sample| sample.at >= self.warm_up && (sample.is_quiet || !quiet_only)).collect()
    }

    /// The means over each round of the streets in which all cameras were looked at all the time, with the hour of its middle.
    ///
    /// By what the streets show, memory goes up and down by tens of MiB within each round. A camera that is away takes its
    /// memory with it: only what is there when all is well has grown.
    fn rounds(&self, of: fn(&Usage) -> f64) -> Vec<(f64, f64)> {
        let mut rounds = BTreeMap::<u64, Vec<&Sample>>::new();
        for sample in self.warm(false) {
            rounds.entry(sample.at.as_secs() / cameras::SECONDS).or_default().push(sample);
        }
        let length = cameras::SECONDS as f64;
        let whole = |samples: &Vec<&Sample>| samples.len() as f64 * SAMPLE.as_secs_f64() > 0.8 * length;
        let mean = |(round, samples): (u64, Vec<&Sample>)| {
            let values: Vec<f64> = samples.iter().filter_map(|sample| sample.agent.as_ref().map(of)).collect();
            let well = values.len() == samples.len() && samples.iter().all(|sample| sample.looks > ALL_LOOKS);
            let middle = (round as f64 + 0.5) * length / 3600.0;
            (well && whole(&samples)).then(|| (middle, values.iter().sum::<f64>() / values.len() as f64))
        };
        rounds.into_iter().filter_map(mean).collect()
    }

    fn growth(&self) -> Vec<Line> {
        let length = self.samples.all.last().map_or(Duration::ZERO, |sample| sample.at);
        let judged = self.is_one_process && length >= LONG_ENOUGH;
        let limit = if judged { "below 1 MiB/h" } else { "too short to judge" };
        let memory = |what, of: fn(&Usage) -> f64, is_judged: bool| {
            let rounds = self.rounds(of);
            let found = slope(&rounds);
            let holds = (judged && is_judged).then(|| found.is_some_and(|slope| slope.per_hour < MIB_PER_HOUR));
            let shown: Vec<f64> = rounds.iter().map(|(_, mean)| *mean).collect();
            line(what, written(found, "MiB", &shown), if is_judged { limit } else { "" }, holds)
        };
        let all: Vec<f64> = self.warm(false).iter().filter_map(|s| s.agent.map(|agent| agent.resident)).collect();
        let constant = |what, of: fn(&Usage) -> f64| {
            let quiet = self.warm(true);
            let values: Vec<f64> = quiet.iter().filter_map(|s| s.agent.as_ref().map(of)).collect();
            let (first, second) = values.split_at(values.len() / 2);
            let halves = (median(first.to_vec()), median(second.to_vec()));
            let holds = judged.then_some(halves.0.is_some() && halves.0 == halves.1);
            line(what, written(grows(&quiet, of), "", &values), if judged { "same median" } else { limit }, holds)
        };
        vec![
            line("agent's resident memory, always", between(&all, "MiB"), "", None),
            memory("agent's resident memory, rounds", |u| u.resident, true),
            memory("agent's anonymous memory, rounds", |u| u.anonymous, false),
            memory("agent's memory of files, rounds", |u| u.of_files, false),
            constant("agent's open files, quiet", |u| u.files as f64),
            constant("agent's threads, quiet", |u| u.threads as f64),
        ]
    }

    fn work(&self) -> Vec<Line> {
        let quiet = self.warm(true);
        let looks = median(quiet.iter().map(|sample| sample.looks).collect()).unwrap_or(f64::NAN);
        let away = quiet.iter().filter(|sample| sample.looks <= ALL_LOOKS).count();
        let cores = |of: fn(&Sample) -> Option<Usage>| {
            let cpu = |sample: &&Sample| Some((sample.at, of(sample)?.cpu));
            let all: Vec<&Sample> = self.samples.all.iter().collect();
            let (first, last) = (all.iter().find_map(cpu), all.iter().rev().find_map(cpu));
            first.zip(last).map_or(f64::NAN, |(a, b)| (b.1 - a.1) / (b.0 - a.0).as_secs_f64())
        };
        let hub: Vec<f64> = quiet.iter().filter_map(|sample| Some(sample.hub?.resident)).collect();
        let hub_files: Vec<f64> = quiet.iter().filter_map(|sample| Some(sample.hub?.files as f64)).collect();
        let mut lines = vec![
            line("looks a second at all cameras, quiet", format!("{looks:.1}"), "", None),
            line("quiet moments with a camera away", format!("{away} of {}", quiet.len()), "", None),
        ];
        if self.is_one_process {
            lines.push(line("agent's cores", format!("{:.2}", cores(|s| s.agent)), "", None));
        }
        lines.push(line("hub's resident memory, quiet", between(&hub, "MiB"), "", None));
        lines.push(line("hub's open files, quiet", between(&hub_files, ""), "", None));
        lines
    }

    fn print_cameras(&self) {
        for (id, camera) in self.cameras {
            let starts = self.rows.iter().filter(|row| row.camera == id.as_str() && row.phase == "start").count();
            let drops: Vec<String> = camera.drops.iter().map(|(why, count)| format!("{why:?} {count}")).collect();
            say(format_args!(
                "{id}: {:?}, {} frames received, {} decoded, connected anew {} times, panics {}, {starts} happenings, not looked at: {}",
                camera.state,
                camera.received,
                camera.decoded,
                camera.reconnects,
                camera.panics,
                drops.join(", ")
            ));
        }
    }
}

fn grows(samples: &[&Sample], of: fn(&Usage) -> f64) -> Option<Slope> {
    let points: Vec<(f64, f64)> =
        samples.iter().filter_map(|s| Some((s.at.as_secs_f64() / 3600.0, of(s.agent.as_ref()?)))).collect();
    slope(&points)
}

fn written(slope: Option<Slope>, unit: &str, values: &[f64]) -> String {
    let slope = slope.map_or("no slope".to_owned(), |s| format!("{:+.2} ± {:.2} {unit}/h", s.per_hour, s.error));
    format!("{slope}, {}", between(values, unit))
}

fn between(values: &[f64], unit: &str) -> String {
    let (least, most) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    if values.is_empty() { "none".to_owned() } else { format!("{least:.1} to {most:.1} {unit}").trim_end().to_owned() }
}
