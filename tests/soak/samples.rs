//! Measures agent and hub from outside, over and over, and writes each sample to `samples.csv`.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use vedette::base::clock::{Clock, SystemClock};

use crate::faults::Faults;
use crate::listener::Listener;
use crate::program::Program;
use crate::usage::Usage;
use crate::{WORD, say};

/// At one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Since the measuring began.
    pub at: Duration,
    /// Whether no fault went on or was felt.
    pub is_quiet: bool,
    /// None while it does not run.
    pub agent: Option<Usage>,
    pub hub: Option<Usage>,
    /// Looks a second at all cameras together, by the agent's own word.
    pub looks: f64,
}

/// All of them.
pub struct Samples {
    began: Duration,
    pub all: Vec<Sample>,
    file: File,
    next_word: Duration,
}

impl Samples {
    /// Begins now, with the head of the file.
    pub fn begin(folder: &Path) -> Self {
        let mut file = File::create(folder.join("samples.csv")).unwrap();
        let of = |who: &str| {
            ["rss_mib", "anon_mib", "file_mib", "fds", "threads", "cpu_s"].map(|what| format!("{who}_{what}")).join(",")
        };
        writeln!(file, "seconds,quiet,{},{},looks_per_s,waiting_alerts,waiting_events,heard", of("agent"), of("hub"))
            .unwrap();
        Self { began: SystemClock.mono(), all: Vec::new(), file, next_word: WORD }
    }

    /// When that was, on the monotonic clock.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// Takes one, and says each minute how it goes.
    pub fn take(&mut self, agent: &Program, hub: &Program, listener: &Listener, faults: &Faults) {
        let now = SystemClock.mono();
        let usage = |program: &Program| program.pid().and_then(Usage::of);
        let looks = listener.look(|ears| {
            let cameras = ears.health.iter().flat_map(|health| health.cameras.values());
            cameras.map(|camera| camera.inferred_fps).sum()
        });
        let sample = Sample {
            at: now - self.began,
            is_quiet: faults.is_quiet(now),
            agent: usage(agent),
            hub: usage(hub),
            looks,
        };
        let (waiting, heard) = listener.look(|ears| (ears.waiting(), ears.heard.len()));
        let (agent, hub) = (sample.agent.map(columns), sample.hub.map(columns));
        let (agent, hub) = (agent.unwrap_or(",,,,,".to_owned()), hub.unwrap_or(",,,,,".to_owned()));
        let (seconds, quiet) = (sample.at.as_secs_f64(), u8::from(sample.is_quiet));
        writeln!(self.file, "{seconds:.1},{quiet},{agent},{hub},{looks:.2},{},{},{heard}", waiting.0, waiting.1)
            .unwrap();
        self.all.push(sample);
        if now - self.began >= self.next_word {
            self.next_word += WORD;
            self.say(waiting, heard, faults.so_far().len());
        }
    }

    fn say(&self, (alerts, events): (u64, u64), heard: usize, faults: usize) {
        let Some(last) = self.all.last() else { return };
        let (agent, hub) = (last.agent.unwrap_or_default(), last.hub.unwrap_or_default());
        let before = self.all.iter().rev().find(|s| s.at + WORD <= last.at).and_then(|s| Some((s.at, s.agent?.cpu)));
        let cores = before.map_or(0.0, |(at, cpu)| (agent.cpu - cpu) / (last.at - at).as_secs_f64());
        say(format_args!(
            "{heard} alerts and events heard, {alerts} + {events} wait; agent {:.1} MiB ({:.1} anonymous), {} files, \
             {} threads, {cores:.2} cores, {:.1} looks/s; hub {:.1} MiB, {} files, {} threads; {faults} faults",
            agent.resident,
            agent.anonymous,
            agent.files,
            agent.threads,
            last.looks,
            hub.resident,
            hub.files,
            hub.threads
        ));
    }
}

fn columns(u: Usage) -> String {
    format!("{:.2},{:.2},{:.2},{},{},{:.2}", u.resident, u.anonymous, u.of_files, u.files, u.threads, u.cpu)
}
