//! The page for people: figures, pictures side by side, and where the ranges of tensors end. One file, nothing fetched.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops;

use crate::detect::Picture;
use crate::toolchain::annotate;
use crate::vocab::Detection;

use super::error::QuantizeError;
use super::grid::Grid;
use super::histogram::Histogram;
use super::judge::SURE;
use super::run::Evidence;
use super::verdict::{Outcome, Side};

/// Pictures and histograms on the page.
const PICTURES: usize = 12;
const HISTOGRAMS: usize = 24;
/// Pictures are no wider.
const WIDTH: u32 = 480;
/// Columns of a histogram.
const COLUMNS: usize = 128;

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:64em;padding:0 1em;color:#222}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
th:first-child,td:first-child{text-align:left}img{width:49%}figure{margin:0 0 1em}.bad{color:#b00}\
svg{width:100%;height:80px;background:#f6f6f6}.half{display:inline-block;width:49%;vertical-align:top}";

/// Writes `report.html` into `folder`, which is made, and returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, outcome: &Outcome, evidence: &Evidence) -> Result<PathBuf, QuantizeError> {
    let path = folder.join("report.html");
    let page = page(outcome, evidence);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, page));
    written.map_err(|source| QuantizeError::Write { path: path.clone(), source })?;
    Ok(path)
}

fn page(outcome: &Outcome, evidence: &Evidence) -> String {
    let title = format!("{} for {}", escaped(&outcome.model.display().to_string()), outcome.target);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    );
    let reasons = escaped(&outcome.reasons.join("; "));
    let verdict =
        if outcome.passed { "passed".to_owned() } else { format!("<span class=bad>rejected: {reasons}</span>") };
    let (integer, all) = outcome.integer_operators;
    // Writing to a String cannot fail; this goes for all of it.
    let _ = write!(
        page,
        "<p>{verdict}</p>{figures}<p>{integer} of {all} operators compute in integers, {work:.0}% of the multiplications. Ranges were learned from {learned} \
         pictures, and both models judged by {judged} others. Agreement is the average precision of what a model sees, \
         with what the float model is sure of as the truth.</p>",
        figures = figures(outcome),
        work = outcome.integer_work * 100.0,
        learned = outcome.calibrated_with,
        judged = outcome.judged_by,
    );
    page.push_str(
        "<h2>What was tried</h2><table><tr><th>tensors left in floats<th>work in integers<th>agreement<th>agreement50<th>mAP</tr>",
    );
    for candidate in &outcome.candidates {
        let (left, score) = (candidate.left_in_floats, candidate.score);
        let (work, map) = (candidate.integer_work * 100.0, share(score.map));
        let (all, half) = (score.agreement, score.agreement50);
        let _ = write!(page, "<tr><td>{left}<td>{work:.0}%<td>{all:.3}<td>{half:.3}<td>{map}</tr>");
    }
    page.push_str("</table><h2>Float on the left, 8-bit on the right</h2>");
    for (at, shot) in evidence.material.held.iter().enumerate().take(PICTURES) {
        let both = [&evidence.float[at], &evidence.int8[at]].map(|seen| picture(&shot.picture, seen));
        let _ =
            write!(page, "<figure>{} {}<figcaption>{}</figcaption></figure>", both[0], both[1], escaped(&shot.source));
    }
    page.push_str(
        "<h2>Values of tensors</h2><p>How often each value was seen (logarithmic), and between the red lines what \
         8 bits hold. Tensors that were left in floats come first.</p>",
    );
    for (name, is_float) in shown(outcome, evidence) {
        if let (Some(histogram), Some(grid)) = (evidence.table.get(name), evidence.grids.get(name)) {
            page.push_str(&chart(name, histogram, *grid, is_float));
        }
    }
    page.push_str("</html>\n");
    page
}

/// The tensors on the page: those left in floats, then others spread evenly over the model.
fn shown<'a>(outcome: &'a Outcome, evidence: &'a Evidence) -> Vec<(&'a str, bool)> {
    let left = || outcome.left_in_floats.iter().map(String::as_str);
    let others: Vec<&str> =
        evidence.table.keys().map(String::as_str).filter(|name| !left().any(|other| other == *name)).collect();
    let step = others.len().div_ceil(HISTOGRAMS / 2).max(1);
    let floats = left().map(|name| (name, true)).take(HISTOGRAMS / 2);
    floats.chain(others.into_iter().step_by(step).map(|name| (name, false))).collect()
}

/// What a row of the table says of one side.
type Cell = fn(&Side) -> String;

fn figures(outcome: &Outcome) -> String {
    let rows: [(&str, Cell); 6] = [
        ("agreement", |side| share(Some(side.score.agreement))),
        ("agreement at IoU .50", |side| share(Some(side.score.agreement50))),
        ("mAP", |side| share(side.score.map)),
        ("latency p50", |side| side.latency.map_or("-".to_owned(), |latency| format!("{:.2} ms", latency.p50_ms))),
        ("latency p95", |side| side.latency.map_or("-".to_owned(), |latency| format!("{:.2} ms", latency.p95_ms))),
        ("size", |side| format!("{} KiB", side.bytes.div_ceil(1024))),
    ];
    let row = |(name, cell): &(&str, Cell)| {
        format!("<tr><td>{name}<td>{}<td>{}</tr>", cell(&outcome.float), cell(&outcome.int8))
    };
    format!("<table><tr><th><th>float<th>8-bit</tr>{}</table>", rows.iter().map(row).collect::<String>())
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// A picture with what was surely seen in it, as part of the page.
fn picture(picture: &Picture, seen: &[Detection]) -> String {
    let sure: Vec<Detection> = seen.iter().filter(|detection| detection.score >= SURE).copied().collect();
    let drawn = annotate::draw(picture, &sure);
    let (width, height) = drawn.dimensions();
    let small = if width > WIDTH { imageops::thumbnail(&drawn, WIDTH, (height * WIDTH / width).max(1)) } else { drawn };
    let mut bytes = Vec::new();
    match JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&small) {
        Ok(()) => format!("<img alt=\"\" src=\"data:image/jpeg;base64,{}\">", base64(&bytes)),
        Err(error) => format!("<p>{}</p>", escaped(&error.to_string())),
    }
}

/// One tensor: its histogram and the ends of its range.
fn chart(name: &str, histogram: &Histogram, grid: Grid, is_float: bool) -> String {
    let merged: Vec<u64> = histogram
        .counts
        .chunks(histogram.counts.len().div_ceil(COLUMNS).max(1))
        .map(|bins| bins.iter().sum())
        .collect();
    let height = |count: u64| (count as f64).ln_1p();
    let highest = merged.iter().map(|count| height(*count)).fold(f64::MIN_POSITIVE, f64::max);
    let mut bars = String::new();
    for (at, count) in merged.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = height(*count) / highest * 76.0;
        let _ = write!(bars, "<rect x={at} y={:.1} width=1 height={tall:.1} fill=#88a />", 80.0 - tall);
    }
    let (low, high) = grid.range();
    let width = f64::from(histogram.highest - histogram.lowest).max(f64::MIN_POSITIVE);
    for end in [low, high] {
        let x = (f64::from(end - histogram.lowest) / width * COLUMNS as f64).clamp(0.0, COLUMNS as f64);
        let _ = write!(bars, "<path d=\"M{x:.2} 0V80\" stroke=#c00 stroke-width=.4 />");
    }
    let note = if is_float { " (left in floats)" } else { "" };
    format!(
        "<div class=half><b>{}</b>{note}: {:.3} to {:.3}, held {low:.3} to {high:.3}\
         <svg viewBox=\"0 0 {COLUMNS} 80\" preserveAspectRatio=none>{bars}</svg></div> ",
        escaped(name),
        histogram.lowest,
        histogram.highest,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::quantize::profile::Steps;

    #[test]
    fn bytes_become_text_as_the_standard_says() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_name_from_a_hostile_model_is_text_on_the_page() {
        let mut histogram = Histogram::default();
        histogram.widen(&[0.0, 10.0]);
        histogram.count(&[0.0, 10.0]);
        let chart = chart("<script>", &histogram, Grid::covering(0.0, 5.0, Steps::Unsigned), true);
        assert!(chart.contains("&lt;script&gt;</b> (left in floats): 0.000 to 10.000, held 0.000 to 5.000"), "{chart}");
        // The upper end of the range lies in the middle.
        assert!(chart.contains("M64.00 0V80"), "{chart}");
    }
}
