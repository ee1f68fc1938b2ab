//! What is not handed to ONNX Runtime, and with which words.

use proptest::prelude::*;

use super::super::hostile::{HostileError, check};
use super::write::{attribute, bytes, floats, graph, message, model, node, number, tensor, text, value};

fn sound() -> Vec<Vec<u8>> {
    let pads = attribute("pads", number(8, 1));
    graph(&[
        floats("weight", &[3, 3, 1, 1], 9),
        node("Conv", &["x", "weight"], &["a"], &[pads]),
        node("Relu", &["a"], &["y"], &[]),
    ])
}

fn refusal(graph: &[Vec<u8>]) -> HostileError {
    check(&model(graph)).expect_err("it is refused")
}

/// What is said of a graph from `x` over `nodes` to `y`.
fn said(nodes: &[Vec<u8>]) -> String {
    refusal(&graph(nodes)).to_string()
}

/// `x` to `y` by one node with `fields` more.
fn one(operator: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    node(operator, &["x"], &["y"], fields)
}

#[test]
fn a_sound_model_passes_in_whatever_order_its_nodes_stand() {
    assert_eq!(check(&model(&sound())), Ok(()));
    let nodes = [node("Relu", &["a"], &["y"], &[]), node("Relu", &["x"], &["a"], &[])];
    assert_eq!(check(&model(&graph(&nodes))), Ok(()));
    let branch = |name: &str| {
        let graph = [node("Relu", &["a"], &[name], &[]), value(12, name, &[])];
        attribute(name, message(6, &graph))
    };
    let nodes = [
        node("If", &["x"], &["y"], &[branch("then_branch"), branch("else_branch")]),
        node("Relu", &["x"], &["a"], &[]),
    ];
    assert_eq!(check(&model(&graph(&nodes))), Ok(()), "graphs within a node see what is around them");
}

#[test]
fn weights_outside_the_file_are_refused_however_they_are_written() {
    let place = message(13, &[text(1, "location"), text(2, "../../etc/passwd")]);
    let elsewhere = tensor(5, "weight", 1, &[1], [place.clone(), number(14, 1)].concat());
    assert!(said(&[elsewhere, one("Relu", &[])]).starts_with("the tensor \"weight\" lies in another file; save"));
    // A place without the mark that it counts.
    let unmarked = tensor(5, "weight", 1, &[1], [place.clone(), bytes(9, &[0; 4])].concat());
    assert!(matches!(refusal(&graph(&[unmarked])), HostileError::ExternalData { .. }));
    let constant = attribute("value", tensor(5, "", 1, &[1], [place, number(14, 1)].concat()));
    let inside = said(&[node("Constant", &[], &["y"], &[constant])]);
    assert!(inside.contains("of the node \"Constant\" lies in another file"), "{inside}");
}

#[test]
fn operators_that_need_a_library_or_name_a_file_are_refused() {
    let custom = said(&[one("Evil", &[text(7, "my.domain")])]);
    assert!(custom.contains("\"Evil\"") && custom.contains("\"my.domain\", which needs a library"), "{custom}");
    let context = said(&[one("EPContext", &[text(7, "com.microsoft")])]);
    assert!(context.contains("com.microsoft.EPContext"), "{context}");
    assert!(said(&[one("RegexFullMatch", &[])]).contains("export the model without it"));
    assert_eq!(check(&model(&graph(&[one("QLinearSigmoid", &[text(7, "com.microsoft")])]))), Ok(()));
    let function = [model(&sound()), message(25, &[text(1, "bomb")])].concat();
    assert!(check(&function).unwrap_err().to_string().contains("the function \"bomb\""));
}

#[test]
fn versions_that_nobody_knows_are_refused() {
    let future = [number(1, 99), message(7, &sound())].concat();
    assert!(check(&future).unwrap_err().to_string().contains("format version is 99"));
    let opset = [number(1, 8), message(8, &[number(2, 1000)]), message(7, &sound())].concat();
    assert_eq!(check(&opset), Err(HostileError::Opset { found: 1000, newest: 28 }));
    let foreign = [number(1, 8), message(8, &[text(1, "ai.onnx.ml"), number(2, 1000)]), message(7, &sound())].concat();
    assert_eq!(check(&foreign), Ok(()), "sets that no node uses may be listed");
}

#[test]
fn shapes_that_no_memory_holds_are_refused() {
    let shape = |shape: &[i64]| {
        let nodes = [one("Relu", &[]), value(13, "big", shape)];
        refusal(&graph(&nodes)).to_string()
    };
    assert!(shape(&[1 << 20, 1 << 20]).starts_with("\"big\" has the shape [1048576,1048576], more than 268435456"));
    assert!(shape(&[i64::MAX, i64::MAX]).contains("elements"));
    assert!(shape(&[0, i64::MAX]).contains("elements"));
    assert!(shape(&[-7]).contains("a dimension of -7"));
    assert!(shape(&[1; 9]).contains("more than 8 dimensions"));
    assert!(said(&[floats("w", &[1 << 40], 1), one("Relu", &[])]).contains("\"w\" has the shape"));
}

#[test]
fn operators_that_would_make_something_huge_are_refused() {
    let sizes = |values: &[i64]| {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        tensor(5, "sizes", 7, &[values.len() as i64], bytes(9, &data))
    };
    for (operator, inputs) in [
        ("ConstantOfShape", &["sizes"][..]),
        ("Expand", &["x", "sizes"]),
        ("Tile", &["x", "sizes"]),
        ("Resize", &["x", "", "", "sizes"]),
    ] {
        let nodes = |values| [sizes(values), node(operator, inputs, &["y"], &[])];
        assert!(said(&nodes(&[1 << 20, 1 << 20])).contains(operator), "{operator}");
        assert_eq!(check(&model(&graph(&nodes(&[1, 3, 64, 64])))), Ok(()), "{operator}");
    }
    let constant = attribute("value_ints", [number(8, 1 << 20), number(8, 1 << 20)].concat());
    let nodes = [node("Constant", &[], &["s"], &[constant]), node("ConstantOfShape", &["s"], &["y"], &[])];
    assert!(said(&nodes).contains("the node \"ConstantOfShape\" has the shape"));
    let kernel = said(&[one("MaxPool", &[attribute("kernel_shape", number(8, 1 << 30))])]);
    assert!(kernel.contains("1073741824 in its attribute \"kernel_shape\""), "{kernel}");
}

#[test]
fn weights_whose_bytes_do_not_fit_their_shape_are_refused() {
    let weight = |element, shape: &[i64], data: Vec<u8>| {
        check(&model(&graph(&[tensor(5, "w", element, shape, data), one("Relu", &[])])))
    };
    let needs = |found, needed, unit| Err(HostileError::WeightSize { tensor: "\"w\"".into(), found, needed, unit });
    assert_eq!(weight(1, &[2, 2], bytes(9, &[0; 12])), needs(12, 16, "bytes"));
    assert_eq!(weight(1, &[1000, 1000], bytes(9, &[])), needs(0, 4_000_000, "bytes"));
    assert_eq!(weight(1, &[2], bytes(4, &[0; 8])), Ok(()), "floats in their own field");
    assert_eq!(weight(1, &[3], bytes(4, &[0; 8])), needs(2, 3, "values"));
    assert_eq!(weight(7, &[3], bytes(7, &[1, 0x96, 1, 0])), Ok(()), "packed integers of one or two bytes");
    assert_eq!(weight(7, &[2], [number(7, 1), number(7, -1)].concat()), Ok(()), "integers one by one");
    assert_eq!(weight(22, &[3], bytes(9, &[0; 2])), Ok(()), "two of four bits share a byte");
    assert_eq!(weight(1, &[0], Vec::new()), Ok(()), "an empty tensor holds nothing");
    assert!(matches!(weight(99, &[1], bytes(9, &[0])), Err(HostileError::ElementType { number: 99, .. })));
    let twice = [bytes(9, &[0; 4]), bytes(4, &[0; 4])].concat();
    assert!(matches!(weight(1, &[1], twice), Err(HostileError::TensorForm { .. })));
    assert!(matches!(weight(1, &[1], bytes(7, &[0])), Err(HostileError::TensorForm { .. })));
}

#[test]
fn sparse_tensors_are_refused_because_a_few_bytes_become_many() {
    assert!(said(&[message(15, &[])]).contains("sparse"));
    let constant = attribute("sparse_value", message(22, &[]));
    assert!(said(&[node("Constant", &[], &["y"], &[constant])]).contains("sparse"));
}

#[test]
fn a_graph_that_cannot_be_computed_is_refused() {
    assert!(said(&[node("Add", &["x", "nobody"], &["y"], &[])]).contains("\"nobody\", which nothing makes"));
    assert!(said(&[node("Relu", &["x"], &["z"], &[])]).contains("the output uses \"y\", which nothing makes"));
    let circle =
        [node("Add", &["x", "b"], &["a"], &[]), node("Relu", &["a"], &["b"], &[]), node("Relu", &["b"], &["y"], &[])];
    assert!(said(&circle).contains("has a cycle"));
    assert!(said(&[node("Add", &["x", "y"], &["y"], &[])]).contains("has a cycle"));
    let twice = [one("Relu", &[]), one("Abs", &[])];
    assert!(said(&twice).starts_with("\"y\" is made twice, the second time by the node \"Abs\""));
    // What a graph within a node takes from around it counts too.
    let branch = attribute("body", message(6, &[node("Relu", &["y"], &["r"], &[]), value(12, "r", &[])]));
    assert!(said(&[one("Loop", &[branch])]).contains("has a cycle"));
    let merged = [number(1, 8), message(7, &sound()), message(7, &sound())].concat();
    assert!(matches!(check(&merged), Err(HostileError::Twice { .. })));
}

#[test]
fn graphs_nested_too_deep_are_refused_without_recursion() {
    let nested = |depth: usize| {
        let mut inner = vec![node("Relu", &["x"], &["r"], &[]), value(12, "r", &[])];
        for _ in 0..depth {
            inner = vec![node("Scan", &["x"], &["r"], &[attribute("body", message(6, &inner))]), value(12, "r", &[])];
        }
        let outer = attribute("body", message(6, &inner));
        check(&model(&graph(&[one("Scan", &[outer])])))
    };
    assert_eq!(nested(6), Ok(()));
    assert!(matches!(nested(7), Err(HostileError::Nesting { limit: 8, .. })));
    assert!(matches!(nested(1000), Err(HostileError::Nesting { .. })));
}

#[test]
fn names_are_shown_cut_and_without_control_characters() {
    let evil = format!("\u{1b}[2J{}", "x".repeat(5000));
    let text = said(&[node("Relu", &[&evil], &["y"], &[])]);
    assert!(text.len() < 300 && text.contains("\\u{1b}[2Jxxx") && text.contains('…'), "{text}");
    let endless = "n".repeat(1 << 17);
    assert!(matches!(
        refusal(&graph(&[node("Relu", &["x"], &["y"], &[text_attribute(&endless)])])),
        HostileError::Text { .. }
    ));
}

fn text_attribute(content: &str) -> Vec<u8> {
    attribute("mode", text(4, content))
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_pass(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check(&bytes);
    }

    #[test]
    fn a_damaged_model_is_refused_or_passes(at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let mut model = model(&sound());
        let len = model.len();
        model[at % len] = byte;
        model.truncate(len - cut % len);
        let _ = check(&model);
    }
}
