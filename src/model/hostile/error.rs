//! Why an ONNX file is not handed to ONNX Runtime, naming the node or tensor and what to do.

use super::super::protobuf::WireError;

/// Why an ONNX file is not handed to ONNX Runtime. Names are those of the file, cut and with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostileError {
    /// It cannot be walked to its end.
    #[error("the model is damaged; fetch or export it again")]
    Damaged(#[from] WireError),
    /// It is larger than any model here may be.
    #[error("the model has {size} bytes, at most {limit} are allowed; use a smaller one")]
    Size {
        /// Its bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Something that a message has once is there again, which readers resolve differently.
    #[error("{place} has {what} twice; export the model again")]
    Twice {
        /// Where.
        place: String,
        /// What.
        what: &'static str,
    },
    /// The version of the file format is unknown.
    #[error(
        "the model's format version is {found}, known are {oldest} to {newest}; export it with an ONNX of that range"
    )]
    FormatVersion {
        /// What the file says.
        found: i64,
        /// The oldest known.
        oldest: i64,
        /// The newest known.
        newest: i64,
    },
    /// The operator set is newer than any that is known.
    #[error(
        "the model needs operator set {found}, the newest known is {newest}; export it with `opset_version={newest}` or less"
    )]
    Opset {
        /// What the file says.
        found: i64,
        /// The newest known.
        newest: i64,
    },
    /// The model brings operators of its own, made of others.
    #[error(
        "the model defines the function {function} of its own; inline it (`onnx.inliner.inline_local_functions`) and save it again"
    )]
    Function {
        /// The first one.
        function: String,
    },
    /// Weights lie outside the file, at a path that the file chooses.
    #[error(
        "the tensor {tensor} lies in another file; save the model as one file (`onnx.save(model, path, save_as_external_data=False)`)"
    )]
    ExternalData {
        /// The tensor.
        tensor: String,
    },
    /// A tensor whose bytes in the file do not bound its bytes in memory.
    #[error("the tensor {tensor} is {what}, which is not read; save it as a plain tensor")]
    TensorForm {
        /// The tensor.
        tensor: String,
        /// What it is.
        what: &'static str,
    },
    /// An operator of a domain that only a library of its own could run.
    #[error(
        "{node} is of the domain {domain}, which needs a library of its own; only operators of ONNX and com.microsoft are run"
    )]
    Domain {
        /// The node.
        node: String,
        /// Its domain.
        domain: String,
    },
    /// An operator that is not on the list of those that are run.
    #[error("{node} is the operator {operator}, which is not among those that are run; export the model without it")]
    Operator {
        /// The node.
        node: String,
        /// Its operator, with the domain where that is not the standard one.
        operator: String,
    },
    /// A name or text that is longer than any real one.
    #[error("{place} holds a text of {length} bytes, at most {limit} are allowed; rename it and save the model again")]
    Text {
        /// Where.
        place: String,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// There are too many of something.
    #[error("{place} has more than {limit} {what}; use a smaller model")]
    Count {
        /// Where.
        place: String,
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A dimension is negative, or there are too many of them.
    #[error("the shape of {tensor} is impossible: {reason}; export the model again")]
    Shape {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor would take more memory than any detector needs.
    #[error("{tensor} has the shape {shape}, more than {limit} elements; use a model with a smaller input")]
    Elements {
        /// The tensor, or the node that would make it.
        tensor: String,
        /// Its shape.
        shape: String,
        /// The limit.
        limit: u64,
    },
    /// A weight's bytes do not fit its shape.
    #[error(
        "the tensor {tensor} holds {found} {unit}, its shape and type need {needed}; the file is damaged, fetch or export it again"
    )]
    WeightSize {
        /// The tensor.
        tensor: String,
        /// What is there.
        found: u64,
        /// What should be.
        needed: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The elements are of no known type.
    #[error("the tensor {tensor} has elements of the unknown type {number}; export the model with an older ONNX")]
    ElementType {
        /// The tensor.
        tensor: String,
        /// The type's number.
        number: i64,
    },
    /// Graphs lie too deep within each other.
    #[error("{node} nests graphs more than {limit} deep; export the model without control flow")]
    Nesting {
        /// The node that would open one more.
        node: String,
        /// The limit.
        limit: usize,
    },
    /// A number in an attribute is beyond what any layer has.
    #[error("{node} has {value} in its attribute {attribute}, at most {limit} is allowed; export the model again")]
    Attribute {
        /// The node.
        node: String,
        /// The attribute.
        attribute: String,
        /// The number.
        value: i64,
        /// The limit of its magnitude.
        limit: i64,
    },
    /// A value is used that nothing makes.
    #[error("{user} uses {value}, which nothing makes; the file is incomplete, export the model again")]
    Missing {
        /// The node or graph that uses it.
        user: String,
        /// The value.
        value: String,
    },
    /// Two nodes make the same value.
    #[error("{value} is made twice, the second time by {node}; export the model again")]
    MadeTwice {
        /// The value.
        value: String,
        /// Who makes it again.
        node: String,
    },
    /// A node waits for what comes of itself.
    #[error("{node} waits for its own result; the graph has a cycle, export the model again")]
    Cycle {
        /// A node on the cycle, or behind it.
        node: String,
    },
}
