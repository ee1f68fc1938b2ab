//! The words in which faults show what stands in a file: short, on one line, and never a secret.

use super::yaml::{Node, Value};

/// As much of a text as a fault shows.
const LONGEST: usize = 40;

/// A text in backticks, cut and with control characters escaped, so that a file cannot write to the reader's terminal.
pub(super) fn name(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect::<String>().escape_debug().to_string();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A key of the file as part of a path: itself where it is a plain word, else `…`. What is not a plain word may be a
/// password without its key, as in `{ password:hunter2 }`.
pub(super) fn step(key: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain = !key.is_empty() && key.len() <= LONGEST && key.chars().all(is_word);
    if plain { key.to_owned() } else { "…".to_owned() }
}

/// A value where a single one is wanted, such as `500`, `` the text `abc` `` or `a list of 3`.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("the text {}", name(text)),
        Value::Bool(b) => format!("the boolean {b}"),
        Value::Integer(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        _ => kind(node).to_owned(),
    }
}

/// What kind of value it is, without showing it.
pub(super) fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Null | Value::Faulty => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}

/// `1 corner`, `2 corners`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The remedy that is a guess.
pub(super) fn did_you_mean(name: &str) -> String {
    format!("did you mean {}?", self::name(name))
}

/// The name that was probably meant: the nearest one, where it is near enough for a slip of the hand.
pub(super) fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let typed: String = typed.chars().take(64).flat_map(char::to_lowercase).collect();
    let typed = typed.replace('_', "-");
    let distance = |name: &str| strsim::osa_distance(&typed, &name.replace('_', "-").to_lowercase());
    let (distance, name) = names.into_iter().map(|n| (distance(n), n)).min_by_key(|(d, _)| *d)?;
    // Short words differ by a letter or two and mean quite different things, such as `gpu` and `cpu`.
    let alike = name.len() > 4 || typed.chars().next() == name.chars().next();
    (alike && distance <= 1.max(name.len() / 3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_recognised_and_other_words_are_not() {
        let names = ["polygon", "id", "url", "min_score", "threshold"];
        assert_eq!(nearest("poligon", names), Some("polygon"));
        assert_eq!(nearest("Treshhold", names), Some("threshold"));
        assert_eq!(nearest("min-score", names), Some("min_score"));
        assert_eq!(nearest("ulr", names), Some("url"));
        assert_eq!(nearest("password", names), None);
        assert_eq!(nearest("xy", names), None);
        assert_eq!(nearest("gpu", ["cpu", "cuda"]), None);
        assert_eq!(nearest("", []), None);
    }

    #[test]
    fn a_text_cannot_write_to_the_terminal_or_flood_it() {
        assert_eq!(name("a\u{1b}[2Jb"), "`a\\u{1b}[2Jb`");
        assert_eq!(name(&"x".repeat(1000)).chars().count(), 43);
        assert_eq!(step("password:hunter2"), "…");
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(either(&["a"]), "a");
        assert_eq!(either(&["a", "b", "c"]), "a, b or c");
    }
}
