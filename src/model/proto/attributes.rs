//! What a node says of itself, asked by name: its operator, its attributes, and what to call it in a message.

use super::{AttributeProto, NodeProto};

impl NodeProto {
    /// The operator if it is of the standard set, and else empty.
    pub fn operator(&self) -> &str {
        match self.domain() {
            "" | "ai.onnx" => self.op_type(),
            _ => "",
        }
    }

    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// The integer in attribute `name`.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.i
    }

    /// The integers in attribute `name`.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// The floats in attribute `name`.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    /// The text in attribute `name`; empty where there is none.
    pub fn text(&self, name: &str) -> &[u8] {
        self.attribute(name).and_then(|attribute| attribute.s.as_deref()).unwrap_or_default()
    }

    /// Input `at`; none where it is left out.
    pub fn input_name(&self, at: usize) -> Option<&str> {
        self.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What to call it in a message: `Conv "head.0"`, or by its first output where it has no name.
    pub fn label(&self) -> String {
        let first = self.output.first().map_or("", String::as_str);
        let name = Some(self.name()).filter(|name| !name.is_empty()).unwrap_or(first);
        let cut: String = name.chars().take(80).collect();
        format!("{} \"{}\"", self.op_type().chars().take(40).collect::<String>().escape_debug(), cut.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_itself_or_by_its_output_and_only_standard_operators_are_told() {
        let mut node = NodeProto { op_type: Some("Conv".into()), output: vec!["y".into()], ..NodeProto::default() };
        assert_eq!((node.operator(), node.label().as_str()), ("Conv", "Conv \"y\""));
        node.name = Some("head\n".into());
        assert_eq!(node.label(), "Conv \"head\\n\"");
        node.domain = Some("com.microsoft".into());
        assert_eq!(node.operator(), "");
        assert_eq!((node.int("group"), node.ints("pads"), node.text("auto_pad")), (None, None, &b""[..]));
    }
}
