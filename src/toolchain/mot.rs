//! Reads and writes the text format of MOTChallenge: one box per line,
//! `frame, id, left, top, width, height, score or flag, class or x, visibility or y, z`.
//!
//! Frames count from 1, boxes are in pixels, columns after the sixth may be missing. Truth files of MOT16 and later have
//! a class in column eight; detections and older truth have -1 there.

use std::io;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Which frame, from 1.
    pub frame: u32,
    /// Which object; -1 in detection files.
    pub id: i64,
    /// Left edge in pixels.
    pub left: f64,
    /// Top edge in pixels.
    pub top: f64,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// Detector's score, or in truth whether the line counts (0: ignore); 1 where the column is missing.
    pub score: f64,
    /// Class as MOT16 and later number them (1 pedestrian), -1 where there is none.
    pub class: i32,
}

/// Why a text is not a MOT file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MotError {
    /// Too few columns.
    #[error("line {line}: found {found} columns, a MOT line has at least 6: frame,id,left,top,width,height")]
    Columns {
        /// The line, from 1.
        line: usize,
        /// How many columns it has.
        found: usize,
    },
    /// Not a number, or not a finite one, or one outside the column's range.
    #[error("line {line}: {column} is {found:?}; {expected}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The name of the column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// The same object twice in one frame.
    #[error("frame {frame} has object {id} twice; an object has one box per frame")]
    Twice {
        /// The frame.
        frame: u32,
        /// The object.
        id: i64,
    },
}

/// The highest frame number taken: more than a week of video at 60 frames a second, and small enough for one list entry
/// per frame.
const LAST_FRAME: f64 = 40_000_000.0;

/// Reads all lines. Empty lines and lines that start with `#` are skipped.
///
/// # Errors
/// On the first line that is not of the form.
pub fn parse(text: &str) -> Result<Vec<Row>, MotError> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(i, line)| parse_line(i, line)).collect()
}

fn parse_line(line: usize, text: &str) -> Result<Row, MotError> {
    let columns: Vec<&str> = text.trim_end_matches(',').split(',').map(str::trim).collect();
    if columns.len() < 6 {
        return Err(MotError::Columns { line, found: columns.len() });
    }
    let number = |i: usize, column: &'static str| -> Result<f64, MotError> {
        let value = columns[i].parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| MotError::Value {
            line,
            column,
            found: columns[i].chars().take(40).collect(),
            expected: "a finite number is expected",
        })
    };
    let optional = |i: usize, column: &'static str, absent: f64| {
        if i < columns.len() { number(i, column) } else { Ok(absent) }
    };
    let frame = number(0, "frame")?;
    if !(1.0..=LAST_FRAME).contains(&frame) || frame.fract() != 0.0 {
        let found = columns[0].chars().take(40).collect();
        return Err(MotError::Value { line, column: "frame", found, expected: "frames are whole and count from 1" });
    }
    Ok(Row {
        frame: frame as u32,
        id: number(1, "id")? as i64,
        left: number(2, "left")?,
        top: number(3, "top")?,
        width: number(4, "width")?,
        height: number(5, "height")?,
        score: optional(6, "score", 1.0)?,
        class: optional(7, "class", -1.0)? as i32,
    })
}

/// Writes one line of tracker output.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl io::Write, row: &Row) -> io::Result<()> {
    let Row { frame, id, left, top, width, height, score, .. } = row;
    writeln!(out, "{frame},{id},{left:.2},{top:.2},{width:.2},{height:.2},{score:.4},-1,-1,-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_and_detections_and_short_lines_are_read() {
        let rows = parse("# a comment\n\n1, 2, 10.5, 20, 30, 40\n7,-1,1,2,3,4,0.9,-1,-1,-1\r\n8,3,1,2,3,4,1,1,0.86\n")
            .unwrap();
        let first = Row { frame: 1, id: 2, left: 10.5, top: 20.0, width: 30.0, height: 40.0, score: 1.0, class: -1 };
        assert_eq!(rows[0], first);
        assert_eq!((rows[1].frame, rows[1].id, rows[1].score), (7, -1, 0.9));
        assert_eq!(rows[2].class, 1);
    }

    #[test]
    fn a_faulty_line_is_named_with_what_was_found() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert!(fault("1,1,2,3,4,5\n1,2,3").starts_with("line 2: found 3 columns"));
        assert_eq!(fault("1,1,a,3,4,5"), "line 1: left is \"a\"; a finite number is expected");
        assert_eq!(fault("1,1,2,3,NaN,5"), "line 1: width is \"NaN\"; a finite number is expected");
        assert_eq!(fault("0,1,2,3,4,5"), "line 1: frame is \"0\"; frames are whole and count from 1");
        assert!(fault("1e12,1,2,3,4,5").contains("frame"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let row = Row { frame: 3, id: 9, left: -1.25, top: 2.0, width: 3.0, height: 4.5, score: 0.75, class: -1 };
        let mut text = Vec::new();
        write(&mut text, &row).unwrap();
        assert_eq!(parse(std::str::from_utf8(&text).unwrap()).unwrap(), [row]);
    }
}
