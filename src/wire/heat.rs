//! A heat map as it is sent: about ten kilobytes, however much happened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::short;
use crate::vocab::{HEAT_COLUMNS, HEAT_ROWS, HeatMap};

/// For how long those who were followed stood in each cell of the picture over an hour, and which way they went there.
/// Cells are in rows from the top left, one byte each, in Base64 (RFC 4648, with padding).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heat {
    /// Cells across the picture.
    pub columns: u32,
    /// Cells down the picture.
    pub rows: u32,
    /// When it begins, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// When its last picture was taken.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
    /// Seconds of that for which there were pictures.
    pub watched_s: f64,
    /// How many tracks are in it.
    pub tracks: u64,
    /// What 255 means in `dwell`, in seconds.
    pub dwell_max_s: f64,
    /// For how long somebody's foot was in each cell, from 0 for nobody to 255 for `dwell_max_s`. Empty where it was nowhere.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub dwell: String,
    /// What 127 means in `flow_x` and `flow_y`: widths (x) or heights (y) of the picture a second.
    pub flow_max: f64,
    /// Mean movement to the right in each cell, -127 to 127 as a signed byte. Empty where nobody was anywhere.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub flow_x: String,
    /// Mean movement down.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub flow_y: String,
}

impl Heat {
    /// `map` as it is sent.
    pub fn new(map: &HeatMap) -> Self {
        let most = map.most();
        let fastest = map.flow.iter().flatten().map(|part| part.abs()).fold(0.0, f32::max);
        // Whoever was there at all leaves a trace.
        let warm = |dwell: &f32| if *dwell > 0.0 { (dwell / most * 255.0).round().max(1.0) as u8 } else { 0 };
        let pace = |part: f32| (part / fastest.max(f32::EPSILON) * 127.0).round() as i8 as u8;
        let text = |bytes: Vec<u8>| if most > 0.0 { STANDARD.encode(bytes) } else { String::new() };
        Self {
            columns: HEAT_COLUMNS as u32,
            rows: HEAT_ROWS as u32,
            from: map.from.to_rfc3339(),
            until: map.until.to_rfc3339(),
            watched_s: short(map.watched.as_secs_f64()),
            tracks: map.tracks,
            dwell_max_s: short(most),
            dwell: text(map.dwell.iter().map(warm).collect()),
            flow_max: short(fastest),
            flow_x: text(map.flow.iter().map(|flow| pace(flow[0])).collect()),
            flow_y: text(map.flow.iter().map(|flow| pace(flow[1])).collect()),
        }
    }
}
