//! Times, sizes and counts as people read them.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::fmt::strtime;

/// A moment, shown in UTC; the script of the pages adds how long ago that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When(Timestamp);

/// Digits and signs alone are written.
impl HtmlSafe for When {}

impl When {
    /// The moment so many nanoseconds after 1970.
    pub(super) fn at(ns: i64) -> Self {
        Self(Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// A moment as an agent writes it, RFC 3339.
    pub(super) fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// In this form of `strftime`, in UTC.
    fn as_text(self, form: &str) -> String {
        strtime::format(form, self.0).unwrap_or_default()
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, person) = (self.as_text("%Y-%m-%dT%H:%M:%SZ"), self.as_text("%Y-%m-%d %H:%M:%S UTC"));
        write!(f, r#"<time datetime="{machine}">{person}</time>"#)
    }
}

/// A length of time in its largest fitting unit.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Bytes in their largest fitting unit.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} B"),
    }
}

/// A number with as many digits as somebody wants to read.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The beginning of a long text.
pub(super) fn short(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_told_as_people_read_them() {
        assert_eq!(
            When::at(1_795_444_073_120_000_000).to_string(),
            r#"<time datetime="2026-11-23T14:27:53Z">2026-11-23 14:27:53 UTC</time>"#
        );
        assert_eq!(When::read("yesterday<script>"), None);
        assert_eq!([seconds(3), seconds(150), seconds(9000), seconds(400_000)], ["3 s", "2 min", "2 h", "4 days"]);
        assert_eq!([bytes(12), bytes(1_600), bytes(9_000_000_000)], ["12 B", "1.6 kB", "9.0 GB"]);
        assert_eq!([number(61.2), number(60.0), number(0.875)], ["61.2", "60", "0.88"]);
        assert_eq!((short("häuser", 2), short("ab", 2)), ("hä…".to_owned(), "ab".to_owned()));
    }
}
