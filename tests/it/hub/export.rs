//! Exports: in every format exactly what the query finds, on both databases.

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Value, json};
use vedette::hub::database::Database;

use super::live::{add, new_event};
use super::running::{Running, start};
use crate::support::http::Answer;
use crate::support::postgres;

/// What somebody may say who wants to be run by a spreadsheet, or to break a line.
const LABELS: [&str; 6] = ["person", "=HYPERLINK(\"http://x\",1)", "a,b", "two\r\nlines", "+49", "Größe ＝1"];

async fn file(hub: &Running, query: &str) -> Answer {
    let answer = hub.send("GET", &format!("/api/v1/events/export?{query}"), Some(&hub.admin), &Value::Null).await;
    assert_eq!(answer.status, 200, "{query}");
    answer
}

/// All pages of the query.
async fn found(hub: &Running, query: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/events?limit=500&{query}{cursor}");
        let page = hub.send("GET", &path, Some(&hub.admin), &Value::Null).await.fine();
        found.extend(page["events"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

/// Fields of a file, read by the rules of RFC 4180 alone.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut fields, mut field, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if is_quoted && rest.peek() == Some(&'"') => field.extend(rest.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !is_quoted && rest.peek() == Some(&'\n') => {
                rest.next();
                fields.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut fields));
            }
            other => field.push(other),
        }
    }
    assert!(!is_quoted && fields.is_empty() && field.is_empty(), "it ends in the middle of a line");
    lines
}

fn time_ns(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64
}

/// One event as a table has it: the columns by name, times in nanoseconds.
fn flat(event: &Value) -> Value {
    let (facts, data) = (&event["event"], &event["event"]["data"]);
    let id: Vec<&str> = facts["id"].as_str().unwrap().split('/').collect();
    json!({
        "number": event["number"], "id": facts["id"], "agent": id[0], "class": id[1], "epoch": id[2],
        "seq": id[3].parse::<i64>().unwrap(), "time": data["track"], "received": event["received_ns"],
        "admitted": event["admitted"], "kind": data["kind"], "severity": data["severity"], "phase": data["phase"],
        "episode": data["episode"], "camera": data["camera"], "rule": data["rule"],
        "label": data["subject"]["label"], "event": facts,
    })
}

fn csv_row(names: &[String], fields: &[String]) -> Value {
    assert_eq!(names.len(), fields.len());
    let value = |name: &String, field: &String| match name.as_str() {
        "number" | "seq" => json!(field.parse::<i64>().unwrap()),
        "time" | "received" => json!(time_ns(field)),
        "admitted" => json!(field.parse::<bool>().unwrap()),
        "event" => serde_json::from_str(field).unwrap(),
        _ => {
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field} is run by a spreadsheet");
            json!(field.strip_prefix('\'').unwrap_or(field))
        }
    };
    names.iter().zip(fields).map(|(name, field)| (name.clone(), value(name, field))).collect()
}

fn parquet_row(row: &Row) -> Value {
    let value = |name: &str, field: &Field| match field {
        // Also times, which the reader leaves as they are stored.
        Field::Long(number) => json!(number),
        Field::Bool(flag) => json!(flag),
        Field::Str(text) if name == "event" => serde_json::from_str(text).unwrap(),
        Field::Str(text) => json!(text),
        other => panic!("{name}: {other:?}"),
    };
    row.get_column_iter().map(|(name, field)| (name.clone(), value(name, field))).collect()
}

async fn fill(url: &str) {
    let database = Database::open(url).await.unwrap();
    for agent in ["gate", "north"] {
        for class in ["alert", "event"] {
            let event = |seq: u64| {
                let mut event = new_event(agent, class, seq, 50);
                let label = LABELS[seq as usize % LABELS.len()];
                let mut body: Value = serde_json::from_str(&event.body).unwrap();
                body["data"]["subject"]["label"] = json!(label);
                // Many at the same time, so that pages must part them by number.
                event.time_ns = 1_800_000_000_000_000_000 + (seq as i64 / 50) * 1_000_000_007;
                body["data"]["track"] = json!(event.time_ns);
                (event.label, event.body) = (label.to_owned(), body.to_string());
                event
            };
            add(&database, &(1..=400).map(event).collect::<Vec<_>>()).await;
        }
    }
}

async fn exported_is_what_is_found(hub: &Running, url: &str) {
    fill(url).await;
    for (query, expected) in [
        ("", 1600),
        ("agent=gate&severity=alert", 400),
        ("label=a,b", 268),
        ("since=2027-01-15T08:00:02Z&until=2027-01-15T08:00:05Z&camera=door", 600),
        ("agent=nobody", 0),
    ] {
        let found = found(hub, query).await;
        assert_eq!(found.len(), expected, "{query}");
        let flat: Vec<Value> = found.iter().map(flat).collect();

        let lines = file(hub, &format!("{query}&format=jsonl")).await;
        assert_eq!(lines.headers["content-type"], "application/jsonl");
        let text = std::str::from_utf8(&lines.body).unwrap();
        let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(read == found, "{query}: JSON lines differ");

        let csv = file(hub, &format!("format=csv&{query}")).await;
        assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"vedette-events-1600.csv\"");
        let mut rows = read_csv(std::str::from_utf8(&csv.body).unwrap());
        let names = rows.remove(0);
        let read: Vec<Value> = rows.iter().map(|fields| csv_row(&names, fields)).collect();
        assert!(read == flat, "{query}: CSV differs: {:?} {:?}", read.first(), flat.first());

        let parquet = file(hub, &format!("format=parquet&{query}")).await;
        assert_eq!(parquet.headers["content-type"], "application/vnd.apache.parquet");
        let reader = SerializedFileReader::new(parquet.body).unwrap();
        let read: Vec<Value> = reader.get_row_iter(None).unwrap().map(|row| parquet_row(&row.unwrap())).collect();
        assert!(read == flat, "{query}: Parquet differs: {:?} {:?}", read.first(), flat.first());
        println!("{query:?}: {} events, in all formats what is found", found.len());
    }
    for (query, told) in [
        ("format=xlsx", "xlsx"),
        ("limit=5", "neither limit nor cursor"),
        ("cursor=1.1", "cursor"),
        ("camra=x", "camra"),
    ] {
        let path = format!("/api/v1/events/export?{query}");
        let refused = hub.send("GET", &path, Some(&hub.admin), &Value::Null).await.refusal(400);
        assert!(refused.contains(told), "{query}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_is_what_is_found_in_sqlite() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let url = format!("sqlite://{}/data/hub.db", hub.folder.path().display());
    exported_is_what_is_found(&hub, &url).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_is_what_is_found_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!("serving: {{ load: none }}\ndatabase: {{ url: '{}' }}\n", server.url());
    let Some(hub) = start(&lines).await else { return };
    exported_is_what_is_found(&hub, &server.url()).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_has_several_row_groups() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let database = hub.database().await;
    for first in (1..=1500u64).step_by(100) {
        add(&database, &(first..first + 100).map(|seq| new_event("gate", "event", seq, 40_000)).collect::<Vec<_>>())
            .await;
    }
    let reader = SerializedFileReader::new(file(&hub, "format=parquet").await.body).unwrap();
    let rows: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [500, 500, 500]);
    let numbers = reader.get_row_iter(None).unwrap().map(|row| parquet_row(&row.unwrap())["number"].as_i64().unwrap());
    assert!(numbers.eq((1..=1500).rev()), "the newest first, each once");
    hub.end().await;
}
