//! CSV as RFC 4180 has it: lines end in CR LF, a field with a comma, a quote or a line break stands in quotes, and a quote in
//! it is doubled.
//!
//! Spreadsheets take a field that begins with `=`, `+`, `-`, `@` or a control character for a formula and run it, and what
//! stands in a field may have been chosen by whoever attacks an agent. Such a field gets an apostrophe before it, which a
//! spreadsheet takes for "this is text".

use std::fmt::Write as _;

use super::query::Row;

/// What a spreadsheet takes for the beginning of a formula; the last four are the wide forms of the first.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The columns in their order.
const NAMES: [&str; 17] = [
    "number", "id", "agent", "class", "epoch", "seq", "time", "received", "admitted", "kind", "severity", "phase",
    "episode", "camera", "rule", "label", "event",
];

/// The first line.
pub(super) fn names() -> String {
    let mut line = NAMES.join(",");
    line.push_str("\r\n");
    line
}

/// Appends a line.
pub(super) fn line(to: &mut String, row: &Row) {
    // Writing into memory is fallible in name only.
    let _ = write!(to, "{},", row.number);
    for text in [&row.id(), &row.agent, &row.class, &row.epoch] {
        field(to, text);
        to.push(',');
    }
    let _ = write!(to, "{},{},{},{},", row.seq, time(row.time_ns), time(row.received_ns), row.admitted);
    for text in [&row.kind, &row.severity, &row.phase, &row.episode, &row.camera, &row.rule, &row.label] {
        field(to, text);
        to.push(',');
    }
    field(to, &row.body);
    to.push_str("\r\n");
}

/// A time, RFC 3339 in UTC.
fn time(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(ns.into()).map(|time| time.to_string()).unwrap_or_default()
}

fn field(to: &mut String, text: &str) {
    let is_formula = text.starts_with(FORMULA);
    let is_quoted = is_formula || text.contains([',', '"', '\r', '\n']);
    if !is_quoted {
        return to.push_str(text);
    }
    to.push('"');
    if is_formula {
        to.push('\'');
    }
    for (nth, piece) in text.split('"').enumerate() {
        if nth > 0 {
            to.push_str("\"\"");
        }
        to.push_str(piece);
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut to = String::new();
        field(&mut to, text);
        to
    }

    #[test]
    fn what_could_be_a_formula_is_made_text() {
        for (text, expected) in [
            ("door", "door"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("-2+3", "\"'-2+3\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1+1", "\"'＝1+1\""),
            ("a\r\nb", "\"a\r\nb\""),
        ] {
            assert_eq!(written(text), expected);
        }
    }

    /// The fields of one line, read by the rules of RFC 4180 alone.
    fn read(line: &str) -> Vec<String> {
        let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
        let mut rest = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(next) = rest.next() {
            match next {
                '"' if is_quoted && rest.peek() == Some(&'"') => field.extend(rest.next()),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
                other => field.push(other),
            }
        }
        assert!(!is_quoted);
        fields.push(field);
        fields
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_begins_no_formula(label in any::<String>(), rule in "[=+@,\"\r\n a-]{0,6}") {
            let row = Row { label: label.clone(), rule: rule.clone(), body: r#"{"a":"b,c"}"#.to_owned(), ..Row::default() };
            let mut text = String::new();
            line(&mut text, &row);
            let fields = read(&text);
            prop_assert_eq!(fields.len(), NAMES.len());
            prop_assert_eq!(&fields[16], &row.body);
            for (field, meant) in [(&fields[15], &label), (&fields[14], &rule)] {
                prop_assert!(!field.starts_with(FORMULA));
                let guarded = meant.starts_with(FORMULA);
                prop_assert_eq!(field.strip_prefix('\'').filter(|_| guarded).unwrap_or(field), meant.as_str());
            }
        }
    }
}
