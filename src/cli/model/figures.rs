//! Figures for people: counts and sizes with three digits that matter.

/// A count, such as `912 k` or `1.08 G`.
pub fn count(number: u64) -> String {
    scaled(number, 1000.0, &["", " k", " M", " G", " T"])
}

/// A size, such as `3.66 MiB`.
pub fn bytes(number: u64) -> String {
    scaled(number, 1024.0, &[" B", " KiB", " MiB", " GiB"])
}

fn scaled(number: u64, step: f64, units: &[&str]) -> String {
    let (mut value, mut at) = (number as f64, 0);
    // What would be shown as a thousand is the next unit.
    while value >= step - 0.5 && at + 1 < units.len() {
        value /= step;
        at += 1;
    }
    let digits = match value {
        _ if at == 0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{}", units[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        let shown = [0, 999, 1000, 12_345, 912_345, 999_999, 1_080_000_000].map(count);
        assert_eq!(shown, ["0", "999", "1.00 k", "12.3 k", "912 k", "1.00 M", "1.08 G"]);
        assert_eq!([512, 3_841_983].map(bytes), ["512 B", "3.66 MiB"]);
    }
}
