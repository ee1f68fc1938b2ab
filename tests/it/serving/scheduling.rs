//! Batches, full queues, deadlines: what happens when many ask at once.

use std::sync::Arc;

use serde_json::{Value, json};
use vedette::hub::serving::{Settings, Tuning};

use super::graphs::{doubled, entangled, slow};
use super::http::{Server, on_cpu, serve, settings};
use crate::support::http::Answer;

fn row_of_slow(first: f32) -> String {
    let mut row = vec![0f32; 256];
    row[0] = first;
    json!({ "inputs": [{ "name": "x", "shape": [1, 256], "datatype": "FP32", "data": row }] }).to_string()
}

async fn all_at_once(server: &Arc<Server>, path: &'static str, bodies: Vec<String>) -> Vec<Answer> {
    let sent: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let server = server.clone();
            tokio::spawn(async move { server.post(path, body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    answers
}

async fn stats(server: &Server, model: &str) -> Value {
    server.get(&format!("/v2/models/{model}/stats")).await.fine()["model_stats"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_are_run_together_and_each_gets_its_own_answer() {
    let tuning = Tuning { max_batch: 4, max_queue_delay_us: 200_000, ..on_cpu() };
    let Some(server) = serve(&[("doubled", 1, doubled(0.0))], Settings { tuning, ..settings() }).await else { return };
    let server = Arc::new(server);
    let body = |value: usize| {
        json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": vec![value; 4] }] }).to_string()
    };
    let answers = all_at_once(&server, "/v2/models/doubled/infer", (0..8).map(body).collect()).await;
    for (value, answer) in answers.iter().enumerate() {
        assert_eq!(answer.fine()["outputs"][0]["data"], json!(vec![2.0 * value as f64; 4]));
    }
    let stats = stats(&server, "doubled").await;
    assert_eq!((&stats["inference_count"], &stats["inference_stats"]["success"]["count"]), (&json!(8), &json!(8)));
    assert_eq!(stats["execution_count"], 2, "{stats}");
    assert_eq!(stats["batch_stats"][0]["batch_size"], 4);
    let metrics = server.get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body);
    for line in [
        "nv_inference_request_success{model=\"doubled\",version=\"1\"} 8",
        "nv_inference_exec_count{model=\"doubled\",version=\"1\"} 2",
        "nv_inference_pending_request_count{model=\"doubled\",version=\"1\"} 0",
        "vedette_serving_request_duration_seconds_count{model=\"doubled\",version=\"1\"} 8",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_rows_depend_on_each_other_is_never_run_in_batches() {
    let tuning = Tuning { max_batch: 8, max_queue_delay_us: 50_000, ..on_cpu() };
    let Some(server) = serve(&[("entangled", 1, entangled())], Settings { tuning, ..settings() }).await else { return };
    let server = Arc::new(server);
    assert_eq!(server.get("/v2/models/entangled/config").await.fine()["max_batch_size"], 0);
    let body = |value: usize| {
        json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": vec![value; 4] }] }).to_string()
    };
    let answers = all_at_once(&server, "/v2/models/entangled/infer", (0..8).map(body).collect()).await;
    for (value, answer) in answers.iter().enumerate() {
        assert_eq!(answer.fine()["outputs"][0]["data"], json!(vec![2.0 * value as f64; 4]));
    }
    assert_eq!(stats(&server, "entangled").await["execution_count"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_says_so() {
    let tuning = Tuning { max_batch: 1, ..on_cpu() };
    let settings = Settings { tuning, max_queue: 2, ..settings() };
    let Some(server) = serve(&[("slow", 1, slow(2000))], settings).await else { return };
    let server = Arc::new(server);
    let answers = all_at_once(&server, "/v2/models/slow/infer", (0..12).map(|_| row_of_slow(1.0)).collect()).await;
    let full: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!((1..=11).contains(&full.len()), "{} of 12 were refused", full.len());
    for answer in &full {
        assert_eq!(answer.refusal(503), "the queue of model 'slow' is full: 2 requests wait; try again later");
    }
    let stats = stats(&server, "slow").await;
    assert_eq!(stats["inference_stats"]["fail"]["count"], full.len());
    let metrics = server.get("/metrics").await;
    let line =
        format!("nv_inference_request_failure{{model=\"slow\",version=\"1\",reason=\"REJECTED\"}} {}", full.len());
    assert!(String::from_utf8_lossy(&metrics.body).contains(&line));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_too_long_is_told_so_and_the_next_is_answered() {
    let tuning = Tuning { max_batch: 1, ..on_cpu() };
    let Some(server) = serve(&[("slow", 1, slow(2000))], Settings { tuning, ..settings() }).await else { return };
    let hasty = row_of_slow(1.0).replacen('{', "{\"parameters\":{\"timeout\":1000},", 1);
    let said = server.post("/v2/models/slow/infer", hasty).await.refusal(503);
    assert_eq!(said, "the request to model 'slow' took longer than 1 ms; try again later");
    let answer = server.post("/v2/models/slow/infer", row_of_slow(3.0)).await.fine();
    // 2000 turns of 256.
    assert_eq!(answer["outputs"][0]["data"][2000 % 256], 3.0);
}
