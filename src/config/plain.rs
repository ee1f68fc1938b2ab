//! Other YAML files than the configuration, as plain values: read as strictly, without a schema.

use serde_json::{Map, Number, Value as Json};

use super::LARGEST;
use super::fault::{Faults, Layer, Path, Position};
use super::yaml::{self, Node, Value};

/// Reads one YAML document, and so JSON too.
///
/// # Errors
/// Every fault in it: what breaks the syntax, keys given twice, tags, a text that is no UTF-8 or longer than 1 MiB.
pub fn read_value(bytes: &[u8]) -> Result<Json, Faults> {
    let mut faults = Faults::default();
    let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= LARGEST);
    let Some(text) = text else {
        let problem = "found something else than at most 1 MiB of text in UTF-8";
        faults.error(Position::START, &Path::default(), problem, "look whether this is the right file");
        return Err(faults);
    };
    let tree = yaml::parse(text, Layer::File, &mut faults);
    match tree.as_ref().map(value) {
        Some(value) if !faults.any_errors() => Ok(value),
        _ => Err(faults),
    }
}

fn value(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Faulty => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Integer(number) => Json::Number((*number).into()),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(list) => Json::Array(list.iter().map(value).collect()),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), value(&entry.node)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_give_the_same_value_and_every_fault_is_told() {
        let yaml = read_value(b"name: street\nversion: 1.0.0\nscore: 0.5\nlabels: [person, no]\nnotes: ~\n").unwrap();
        let expected =
            json!({"name": "street", "version": "1.0.0", "score": 0.5, "labels": ["person", "no"], "notes": null});
        assert_eq!(yaml, expected);
        assert_eq!(read_value(expected.to_string().as_bytes()).unwrap(), expected);
        let faults = read_value(b"a: 1\na: 2\nb: !tag 3\n").unwrap_err();
        assert_eq!(faults.errors(), 2, "{}", faults.render("f"));
        assert!(read_value(&[0xff]).is_err());
    }
}
