//! What serving costs. Not run by default: a shared machine gives no figures. Run with
//! `cargo nextest run --run-ignored only --no-capture serving::measure`, best with `--release`.

#![expect(clippy::disallowed_methods, reason = "it measures what the clock of the machine says")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vedette::base::clock::SystemClock;
use vedette::detect::tensors::{Datatype, Elements, Tensor, TensorModel};
use vedette::hub::serving::{Settings, Tuning};

use super::graphs::slow;
use super::http::{Server, on_cpu, packed, serve, settings};
use crate::support::data;
use crate::support::detectors;

const SECONDS: u64 = 5;

/// How a server did.
struct Served {
    /// Requests a second.
    rate: f64,
    /// How long 99 of 100 requests took at most, milliseconds.
    p99: f64,
}

/// How `clients` are served that ask one after the other.
async fn served(server: &Arc<Server>, clients: usize, path: &'static str, json: &str, tail: &[u8]) -> Served {
    let start = Instant::now();
    let asked: Vec<_> = (0..clients)
        .map(|_| {
            let (server, json, tail) = (server.clone(), json.to_owned(), tail.to_vec());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while start.elapsed() < Duration::from_secs(SECONDS) {
                    let asked = Instant::now();
                    server.post_binary(path, &json, &tail).await.parts();
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in asked {
        took.extend(client.await.unwrap());
    }
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    took.sort();
    let p99 = took.get(took.len() * 99 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3);
    Served { rate, p99 }
}

fn ask(name: &str, shape: &[usize], bytes: usize) -> String {
    let input =
        json!({ "name": name, "shape": shape, "datatype": "FP32", "parameters": { "binary_data_size": bytes } });
    json!({ "parameters": { "binary_data_output": true }, "inputs": [input] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn one_client_gets_nearly_what_the_runtime_gives() {
    let Some(path) = data::find("models/detect/yolox_nano_416.onnx") else { return };
    let Some(server) = serve(&[("yolox", 1, std::fs::read(&path).unwrap())], settings()).await else { return };
    let server = Arc::new(server);
    let model = TensorModel::read(&detectors::settings(&path), &SystemClock).unwrap();
    let mut session = model.open().unwrap();
    let name = session.inputs()[0].name.clone();
    let values = packed(&vec![0.5; 3 * 416 * 416]);
    let elements = Elements::Packed(values.clone().into());
    let input = Tensor { name: name.clone(), datatype: Datatype::Fp32, shape: vec![1, 3, 416, 416], elements };
    let json = ask(&name, &[1, 3, 416, 416], values.len());
    let inputs = [input];
    for round in 0..4 {
        let start = Instant::now();
        let mut count = 0u64;
        while start.elapsed() < Duration::from_secs(SECONDS) {
            session.run(&inputs, &[0]).unwrap();
            count += 1;
        }
        let raw = count as f64 / start.elapsed().as_secs_f64();
        let one = served(&server, 1, "/v2/models/yolox/infer", &json, &values).await;
        let two = served(&server, 2, "/v2/models/yolox/infer", &json, &values).await;
        println!("round {round}: runtime {raw:.1}/s");
        for (clients, Served { rate, p99 }) in [("one client", one), ("two clients", two)] {
            println!("  {clients} {rate:.1}/s ({:.3}), p99 {p99:.1} ms", rate / raw);
        }
    }
    let stats: Value = server.get("/v2/models/yolox/stats").await.fine()["model_stats"][0]["inference_stats"].clone();
    println!("{stats}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn sixteen_clients_are_served_faster_in_batches() {
    let values = packed(&[0.5; 256]);
    let json = ask("x", &[1, 256], values.len());
    let start = async |max_batch, max_queue_delay_us| {
        let tuning = Tuning { max_batch, max_queue_delay_us, ..on_cpu() };
        serve(&[("slow", 1, slow(50))], Settings { tuning, ..settings() }).await.map(Arc::new)
    };
    let (Some(alone), Some(batched)) = (start(1, 0).await, start(16, 0).await) else { return };
    for round in 0..3 {
        let singly = served(&alone, 16, "/v2/models/slow/infer", &json, &values).await;
        let together = served(&batched, 16, "/v2/models/slow/infer", &json, &values).await;
        println!("round {round}: in batches {:.2} times as fast", together.rate / singly.rate);
        for (how, Served { rate, p99 }) in [("singly", singly), ("in batches", together)] {
            println!("  {how} {rate:.0}/s, p99 {p99:.2} ms");
        }
    }
    let stats = batched.get("/v2/models/slow/stats").await.fine()["model_stats"][0].clone();
    println!("{} rows in {} runs", stats["inference_count"], stats["execution_count"]);
}
