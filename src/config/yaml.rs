//! YAML text -> a tree whose every value knows its line and column.
//!
//! YAML 1.2 with its core schema (`no` and `22:00` are texts), less what only hides mistakes in a configuration: tags,
//! merge keys, duplicate keys and further documents are faults. Anchors and aliases are allowed within a budget, so
//! that a kilobyte cannot unfold into gigabytes. The file is read whole even where it has faults; only what breaks the
//! syntax ends the reading, because nothing can be known of what follows.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::fault::{Faults, Layer, Path, Position, Step};
use super::phrase;

/// How deep lists and mappings may lie within each other. The configuration needs eight.
const DEEPEST: usize = 32;
/// How many values a document may have once its aliases are unfolded. 256 cameras with ten rules each have 40,000.
pub(super) const MOST_VALUES: usize = 100_000;
/// How much text those values may hold together, in bytes.
const MOST_TEXT: usize = 4 << 20;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins, or where the alias that names it stands.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// What a [`Node`] can be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that was told to be a fault already.
    Faulty,
}

/// A key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Position,
    pub node: Node,
}

impl Node {
    /// The value under `key`, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node),
            _ => None,
        }
    }

    /// Where `path` begins, or the innermost value around it when it is missing.
    pub fn position(&self, path: &Path) -> Position {
        let mut node = self;
        for step in path.steps() {
            let inner = match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(index), Value::List(list)) => list.get(*index),
                (Step::Index(_), _) => None,
            };
            let Some(inner) = inner else { break };
            node = inner;
        }
        node.at
    }

    /// How many values it holds, itself included, and how many bytes of text.
    pub fn size(&self) -> (usize, usize) {
        let add = |(n, b): (usize, usize), (m, c): (usize, usize)| (n + m, b + c);
        match &self.value {
            Value::Text(text) => (1, text.len()),
            Value::List(list) => list.iter().map(Self::size).fold((1, 0), add),
            Value::Map(entries) => entries.iter().map(|e| add((0, e.key.len()), e.node.size())).fold((1, 0), add),
            _ => (1, 0),
        }
    }
}

/// Reads one document, which is that of `layer`. `None` where its syntax is broken; `faults` then says why.
pub(super) fn parse(text: &str, layer: Layer, faults: &mut Faults) -> Option<Node> {
    let mut options = granit_parser::Options::default();
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    options.disallow_directives = true;
    options.emit_unresolved_aliases = true;
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, layer, faults, anchors: HashMap::new(), values: 0, text: 0 };
    reader.document().ok()
}

/// Reading has ended early; the fault has been told.
struct Broken;

struct Reader<'t, 'f> {
    parser: Parser<'t, StrInput<'t>>,
    layer: Layer,
    faults: &'f mut Faults,
    /// Finished values by the number of their anchor, with their size.
    anchors: HashMap<usize, (Node, usize, usize)>,
    values: usize,
    text: usize,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Node, Broken> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let remedy = "remove the `---` and what follows it";
                    return self.broken(self.position(span.start), "found a second document, must be one", remedy);
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span, &Path::default())?),
            }
        }
        let (problem, remedy) = match self.layer {
            Layer::File => (
                "found nothing, must be a configuration",
                "write at least `agent`, `mqtt` and `cameras`; systemd/examples has examples",
            ),
            Layer::Overlay => ("found nothing, must be a mapping", "write {} for an overlay that changes nothing"),
        };
        let start = Position { layer: self.layer, ..Position::START };
        root.map_or_else(|| self.broken(start, problem, remedy), Ok)
    }

    fn node(&mut self, event: Event<'t>, span: Span, path: &Path) -> Result<Node, Broken> {
        let at = self.position(span.start);
        self.spend(at, 1, 0)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at, path);
                self.spend(at, 0, text.len())?;
                let value = if style == ScalarStyle::Plain { plain(&text) } else { Value::Text(text.into_owned()) };
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at, path);
                (self.list(path)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at, path);
                (self.map(path)?, anchor)
            }
            Event::Alias(id) => return self.alias(id, at, path),
            Event::UnresolvedAlias(name) => {
                let problem = format!("found an alias for {}, must name an anchor above", phrase::name(&name));
                self.faults.error(at, path, problem, "write the value itself, or put `&` and the name before it above");
                (Value::Faulty, 0)
            }
            _ => return self.broken(at, "found no value where one must be", "write a value"),
        };
        let node = Node { at, value };
        if anchor != 0 {
            let (values, text) = node.size();
            self.anchors.insert(anchor, (node.clone(), values, text));
        }
        Ok(node)
    }

    fn list(&mut self, path: &Path) -> Result<Value, Broken> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(list)),
                (event, span) => {
                    let inside = path.index(list.len());
                    list.push(self.node(event, span, &inside)?);
                }
            }
        }
    }

    fn map(&mut self, path: &Path) -> Result<Value, Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let key_at = self.position(span.start);
            let key = self.key(event, span, path)?;
            let (event, span) = self.next()?;
            let inside = key.as_deref().map_or_else(|| path.clone(), |k| path.key(&phrase::step(k)));
            let node = self.node(event, span, &inside)?;
            let Some(key) = key else { continue };
            if let Some(line) = lines.get(&key) {
                let problem = format!("found the key a second time, must be there once (first in line {line})");
                self.faults.error(key_at, &inside, problem, "remove one of the two");
            } else {
                lines.insert(key.clone(), key_at.line);
                entries.push(Entry { key, key_at, node });
            }
        }
    }

    /// A key, or `None` after telling why it cannot be one.
    fn key(&mut self, event: Event<'t>, span: Span, path: &Path) -> Result<Option<String>, Broken> {
        let at = self.position(span.start);
        match event {
            Event::Scalar(text, style, 0, None) => {
                self.spend(at, 0, text.len())?;
                if text == "<<" && style == ScalarStyle::Plain {
                    let problem = "found the merge key `<<`, must be a key of the configuration";
                    self.faults.error(at, path, problem, "write the keys out, or name a whole value with an alias");
                    return Ok(None);
                }
                Ok(Some(text.into_owned()))
            }
            event => {
                self.node(event, span, path)?;
                let problem =
                    "found a key that is a list, mapping, alias, or has an anchor or tag, must be a plain word";
                self.faults.error(at, path, problem, "write the name of a key");
                Ok(None)
            }
        }
    }

    fn alias(&mut self, id: usize, at: Position, path: &Path) -> Result<Node, Broken> {
        let Some((node, values, text)) = self.anchors.get(&id) else {
            let problem = "found an alias within the value that it names, must name a finished value";
            self.faults.error(at, path, problem, "write the value out");
            return Ok(Node { at, value: Value::Faulty });
        };
        // Checked before the copy is made: a bomb must not cost the memory that it asks for.
        let (values, text) = (*values, *text);
        let value = self.fits(values, text).then(|| node.value.clone());
        self.spend(at, values, text)?;
        Ok(Node { at, value: value.unwrap_or(Value::Faulty) })
    }

    fn fits(&self, values: usize, text: usize) -> bool {
        self.values + values <= MOST_VALUES && self.text + text <= MOST_TEXT
    }

    fn spend(&mut self, at: Position, values: usize, text: usize) -> Result<(), Broken> {
        if !self.fits(values, text) {
            let problem = format!(
                "found more than {MOST_VALUES} values or {} MiB of text once aliases are unfolded, must be less",
                MOST_TEXT >> 20
            );
            return self.broken(at, problem, "use fewer aliases, or split the site between two agents");
        }
        self.values += values;
        self.text += text;
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, at: Position, path: &Path) {
        if tag.is_some() {
            self.faults.error(at, path, "found a tag (`!…`), must be a plain value", "remove the tag");
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Err(error)) => {
                let at = self.position(*error.marker());
                let (problem, remedy) = syntax(error.kind());
                self.broken(at, problem, remedy)
            }
        }
    }

    fn position(&self, marker: Marker) -> Position {
        Position { line: marker.line().max(1), column: marker.col() + 1, layer: self.layer }
    }

    fn broken<T>(&mut self, at: Position, problem: impl Into<String>, remedy: &str) -> Result<T, Broken> {
        self.faults.error(at, &Path::default(), problem, remedy);
        Err(Broken)
    }
}

/// What to say about broken syntax. The parser's own words name no content of the file but single characters.
fn syntax(kind: &granit_parser::ErrorKind) -> (String, &'static str) {
    use granit_parser::ErrorKind as E;
    let remedy = match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabInPlainScalar
        | E::TabAtBlockScalarStart => {
            return ("found a tab, must be spaces".to_owned(), "indent with spaces");
        }
        E::RecursionLimitExceeded => {
            return (format!("found values nested more than {DEEPEST} deep, must be less"), "flatten them");
        }
        E::UnclosedFlowCollection { .. } | E::UnexpectedEofFlowSequence | E::UnexpectedEofFlowMapping => {
            "close every [ and { on the same indentation or deeper"
        }
        E::UnclosedQuotedScalar => "close the quotation mark",
        E::DirectiveDisallowed => "remove the line that begins with %",
        _ => "look at the indentation, the `:` after the key and the quotation marks around this line",
    };
    (format!("found broken YAML: {kind}"), remedy)
}

/// The value of an unquoted text by YAML 1.2's core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    // Rust reads `inf` and `nan` as numbers too; YAML does not.
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if !numeric {
        return Value::Text(text.to_owned());
    }
    let float = || text.parse::<f64>().map(Value::Float);
    text.parse::<i64>().map(Value::Integer).or_else(|_| float()).unwrap_or_else(|_| Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        let mut faults = Faults::default();
        let node = parse(text, Layer::File, &mut faults);
        match node {
            Some(node) if !faults.any_errors() => Ok(node),
            _ => Err(faults.render("f")),
        }
    }

    fn at(line: usize, column: usize) -> Position {
        Position { line, column, layer: Layer::File }
    }

    #[test]
    fn unquoted_texts_follow_the_core_schema_of_yaml_1_2() {
        for text in ["no", "yes", "on", "off", "22:00", "1.2.3", "e5", "-", "inf", "nan", "0x1F", "1_000", "."] {
            assert_eq!(plain(text), Value::Text(text.to_owned()), "{text}");
        }
        assert_eq!(plain("12"), Value::Integer(12));
        assert_eq!(plain("-0.5"), Value::Float(-0.5));
        assert_eq!(plain("99999999999999999999"), Value::Float(1e20));
        assert_eq!(plain("True"), Value::Bool(true));
        assert_eq!(plain("~"), Value::Null);
    }

    #[test]
    fn positions_count_from_one_in_characters() {
        let node = read("ä: { ö: [1, x] }\nb:\n  - c: 2\n").unwrap();
        let path = Path::default().key("ä").key("ö").index(1);
        assert_eq!(node.position(&path), at(1, 13));
        let path = Path::default().key("b").index(0).key("c");
        assert_eq!(node.position(&path), at(3, 8));
        assert_eq!(node.position(&Path::default().key("b").index(0).key("gone")), at(3, 5));
    }

    #[test]
    fn aliases_unfold_and_bombs_do_not() {
        let node = read("a: &x { p: [1, 2] }\nb: *x\n").unwrap();
        assert_eq!(node.get("a").unwrap().value, node.get("b").unwrap().value);
        assert_eq!(node.get("b").unwrap().at, at(2, 4));

        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
        }
        assert!(read(&bomb).unwrap_err().contains("once aliases are unfolded"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(900_000), vec!["*a"; 1000].join(", "));
        assert!(read(&long).unwrap_err().contains("MiB of text"));
        assert!(read("a: &a [*a]\n").unwrap_err().contains("within the value that it names"));
        assert!(read("a: *gone\n").unwrap_err().contains("alias for `gone`"));
    }

    #[test]
    fn depth_is_bounded_in_both_styles() {
        assert!(read(&"[".repeat(100_000)).unwrap_err().contains("nested more than 32"));
        let block: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(read(&block).unwrap_err().contains("nested more than 32"));
    }
}
