//! What the whole line costs: the real program on real RTSP cameras, measured from outside against the project's limits.
//!
//! Each agent under measurement is the released program in a process of its own; RTSP server, broker and what it is
//! compared with run in others, so that `/proc` tells the agent's cost and nothing else. Everything runs at the pace of
//! the cameras. Needs the shared test data, ONNX Runtime (`VEDETTE_ORT`) and mosquitto; says so and measures nothing
//! without them. Ends with 1 when a limit is exceeded. Takes about ten minutes.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod agent;
mod clips;
mod parts;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use vedette::base::environment;

use agent::{Agent, Camera, Cost};
use clips::Clips;
use parts::{Broker, Server};
use table::Table;

/// How long a comparison with the bare parts is measured.
const COMPARED: Duration = Duration::from_secs(40);
/// Both clips once from beginning to end.
const SMALL_CLIP: Duration = Duration::from_millis(139_400);
const LARGE_CLIP: Duration = Duration::from_secs(60);
/// How long four cameras are watched.
const FOUR: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    // What the agent is compared with has the same allocator.
    environment::complete(&[environment::ALLOCATOR]).expect("this benchmark can be started anew");
    if let Some(code) = parts::run_as_part() {
        return code;
    }
    let stage = match Stage::set() {
        Ok(stage) => stage,
        Err(missing) => {
            println!("SKIPPED line: {missing}");
            return ExitCode::SUCCESS;
        }
    };
    let mut table = Table::default();
    stage.letterbox(&mut table);
    stage.overhead(&mut table);
    stage.paced(&mut table);
    stage.four(&mut table);
    table.print();
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all measurements need.
struct Stage {
    clips: Clips,
    server: Server,
    broker: Broker,
}

impl Stage {
    fn set() -> Result<Self, String> {
        let clips = Clips::find_and_make(LARGE_CLIP)?;
        let broker = Broker::start()?;
        let server = Server::start(&[&clips.small, &clips.large])?;
        Ok(Self { clips, server, broker })
    }

    fn small(&self) -> Camera {
        Camera { url: self.server.url(0), fps: 5.0, gate: false, idle: false }
    }

    fn large(&self) -> Camera {
        Camera { url: self.server.url(1), ..self.small() }
    }

    fn agent(&self, name: &str, cameras: &[Camera]) -> Agent {
        Agent::start(name, cameras, &self.clips.model, &self.broker)
    }

    fn letterbox(&self, table: &mut Table) {
        let cost = parts::letterbox_1080p();
        table.at_most("letterbox from 1080p to 416, CPU ms", cost.as_secs_f64() * 1e3, 1.0);
    }

    /// Every frame decoded and looked at, beside the bare decoder and the bare model.
    fn overhead(&self, table: &mut Table) {
        let inference = parts::inference_only(&self.clips.model);
        table.note("inference only, yolox_nano, one thread, CPU ms", inference.as_secs_f64() * 1e3);
        let every = |camera: Camera| Camera { fps: 60.0, ..camera };
        let mut agents =
            [self.agent("every-small", &[every(self.small())]), self.agent("every-large", &[every(self.large())])];
        agents.iter_mut().for_each(Agent::await_looks);
        let bare = [&self.clips.small, &self.clips.large].map(|clip| parts::DecodeOnly::start(clip, COMPARED));
        let costs = agent::measure(&mut agents, &[COMPARED; 2]);
        for (((name, limit), cost), bare) in [("768x432", 1.15), ("1080p", 1.25)].into_iter().zip(costs).zip(bare) {
            let decode = bare.finish();
            table.note(&format!("decode only, {name}, CPU ms"), decode.as_secs_f64() * 1e3);
            table.note(&format!("whole agent per frame, {name}, CPU ms"), cost.per_frame() * 1e3);
            table.note(&format!("  looks per decoded frame, {name}"), cost.looks / cost.decoded);
            // Not every frame may have been looked at; only what was done is compared.
            let parts = cost.decoded * decode.as_secs_f64() + cost.looks * inference.as_secs_f64();
            table.at_most(&format!("whole agent / (decode + inference), {name}"), cost.cpu / parts, limit);
            table.note("  frames superseded", cost.superseded);
        }
    }

    /// Five looks a second, always on and gated, each clip from beginning to end, one agent after the other: side by side
    /// they would spoil each other's caches.
    fn paced(&self, table: &mut Table) {
        let gated = |camera: Camera| Camera { gate: true, idle: true, ..camera };
        let runs = [
            ("small", self.small(), SMALL_CLIP),
            ("small-gated", gated(self.small()), SMALL_CLIP),
            ("large", self.large(), LARGE_CLIP),
            ("large-gated", gated(self.large()), LARGE_CLIP),
        ];
        let costs = runs.map(|(name, camera, length)| {
            let mut agents = [self.agent(name, &[camera])];
            agents[0].await_looks();
            agent::measure(&mut agents, &[length]).pop().unwrap_or_default()
        });
        let rows = [
            ("768x432 10 fps, always on", 95.0),
            ("768x432 10 fps, gated", 55.0),
            ("1080p 25 fps, always on", 190.0),
            ("1080p 25 fps, gated", 110.0),
        ];
        for ((name, limit), cost) in rows.into_iter().zip(&costs) {
            table.at_most(&format!("{name}, CPU ms a second"), cost.per_second() * 1e3, limit);
            table.note("  looks a second", cost.looks / cost.seconds);
        }
        table.at_most("resident, one 1080p camera, MiB", costs[2].resident_mib, 150.0);
        table.note("  with the peak while loading", costs[2].peak_mib);
    }

    /// Four cameras of each kind on one agent.
    fn four(&self, table: &mut Table) {
        let one = self.resident_of_one(table);
        for (name, id, camera) in [("768x432", "four-small", self.small()), ("1080p", "four-large", self.large())] {
            let mut agents = [self.agent(id, &[camera.clone(), camera.clone(), camera.clone(), camera])];
            agents[0].await_looks();
            let [cost]: [Cost; 1] = agent::measure(&mut agents, &[FOUR]).try_into().unwrap_or_default();
            table.at_most(&format!("four {name} cameras, frames skipped"), cost.superseded, 0.0);
            table.note("  looks a second, all together", cost.looks / cost.seconds);
            table.note("  CPU ms a second, all together", cost.per_second() * 1e3);
            if name == "1080p" {
                table.at_most("resident, each further 1080p camera, MiB", (cost.resident_mib - one) / 3.0, 45.0);
            }
        }
    }

    fn resident_of_one(&self, table: &Table) -> f64 {
        table.value("resident, one 1080p camera, MiB").unwrap_or_default()
    }
}
