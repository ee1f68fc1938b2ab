//! Whether a request's tensors are what a model takes. What passes can be handed to the runtime.

use crate::detect::tensors::{Elements, Tensor, TensorSpec};

/// The tensors in the order of the model's inputs.
///
/// # Errors
/// The first thing that is not as the model declares it, in Triton's words.
pub fn arrange(model: &str, specs: &[TensorSpec], mut tensors: Vec<Tensor>) -> Result<Vec<Tensor>, String> {
    let names = || specs.iter().map(|spec| format!("'{}'", spec.name)).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = tensors.iter().find(|tensor| specs.iter().all(|spec| spec.name != tensor.name)) {
        let name = shown(&unknown.name);
        return Err(format!("unexpected inference input '{name}' for model '{model}', expected {}", names()));
    }
    if tensors.len() != specs.len() {
        let (expected, got) = (specs.len(), tensors.len());
        return Err(format!(
            "expected {expected} inputs but got {got} inputs for model '{model}': it takes {}",
            names()
        ));
    }
    let mut arranged = Vec::with_capacity(specs.len());
    for spec in specs {
        let Some(at) = tensors.iter().position(|tensor| tensor.name == spec.name) else {
            return Err(format!("input '{}' of model '{model}' is missing; it takes {}", spec.name, names()));
        };
        let tensor = tensors.swap_remove(at);
        check(model, spec, &tensor)?;
        arranged.push(tensor);
    }
    check_rows(model, specs, &arranged)?;
    Ok(arranged)
}

fn check(model: &str, spec: &TensorSpec, tensor: &Tensor) -> Result<(), String> {
    let name = &spec.name;
    if tensor.datatype != spec.datatype {
        let (found, expected) = (tensor.datatype, spec.datatype);
        return Err(format!(
            "inference input data-type for '{name}' is '{found}', model '{model}' expects '{expected}'"
        ));
    }
    let fits = |(&expected, &found): (&i64, &i64)| found >= 0 && (expected < 0 || expected == found);
    let is_told = !spec.shape.is_empty();
    if is_told && (spec.shape.len() != tensor.shape.len() || !spec.shape.iter().zip(&tensor.shape).all(fits)) {
        let (expected, found) = (sizes(&spec.shape), sizes(&tensor.shape));
        return Err(format!(
            "unexpected shape for input '{name}' for model '{model}'. Expected {expected}, got {found}"
        ));
    }
    let count = tensor.element_count().ok_or_else(|| format!("input '{name}' has a shape beyond all memory"))?;
    match (&tensor.elements, tensor.datatype.size()) {
        (Elements::Packed(bytes), Some(size)) => {
            let needed = count.checked_mul(size).ok_or_else(|| format!("input '{name}' is beyond all memory"))?;
            if bytes.len() != needed {
                let found = bytes.len();
                return Err(format!("unexpected total byte size {found} for input '{name}', expecting {needed}"));
            }
        }
        (Elements::Texts(texts), None) => {
            if texts.len() != count {
                return Err(format!("unexpected {} elements for input '{name}', expecting {count}", texts.len()));
            }
        }
        _ => return Err(format!("the elements of input '{name}' are not of its datatype")),
    }
    Ok(())
}

/// A first size that the model gives one name in several inputs is one size. Names of others are not to be trusted:
/// exporters repeat them.
fn check_rows(model: &str, specs: &[TensorSpec], tensors: &[Tensor]) -> Result<(), String> {
    let mut known: Option<(&str, i64)> = None;
    for (spec, tensor) in specs.iter().zip(tensors) {
        let (Some(-1), Some(symbol), Some(&rows)) = (spec.shape.first(), spec.symbols.first(), tensor.shape.first())
        else {
            continue;
        };
        match known {
            Some((before, expected)) if before == symbol && expected != rows => {
                let name = &spec.name;
                return Err(format!(
                    "size '{symbol}' of input '{name}' for model '{model}' is {rows}, of the inputs before {expected}"
                ));
            }
            None if !symbol.is_empty() => known = Some((symbol, rows)),
            _ => {}
        }
    }
    Ok(())
}

/// The numbers of the outputs of these names; all of them where none is named.
///
/// # Errors
/// When the model has no output of a name, or one is named twice.
pub fn wanted(model: &str, specs: &[TensorSpec], names: &[String]) -> Result<Vec<usize>, String> {
    if names.is_empty() {
        return Ok((0..specs.len()).collect());
    }
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let found = specs.iter().position(|spec| spec.name == *name);
        let at = found.ok_or_else(|| format!("unexpected inference output '{}' for model '{model}'", shown(name)))?;
        if numbers.contains(&at) {
            return Err(format!("output '{name}' is requested more than once"));
        }
        numbers.push(at);
    }
    Ok(numbers)
}

/// A shape as messages have it.
pub fn sizes(shape: &[i64]) -> String {
    format!("[{}]", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// A name from a request as it may be repeated: cut, control characters escaped.
pub fn shown(name: &str) -> String {
    name.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tensors::Datatype;

    fn spec(name: &str, shape: &[i64], symbol: &str) -> TensorSpec {
        let symbols = shape.iter().map(|&side| if side < 0 { symbol.to_owned() } else { String::new() }).collect();
        TensorSpec { name: name.to_owned(), datatype: Datatype::Int16, shape: shape.to_vec(), symbols }
    }

    fn tensor(name: &str, shape: &[i64], bytes: usize) -> Tensor {
        let elements = Elements::Packed(vec![0; bytes].into());
        Tensor { name: name.to_owned(), datatype: Datatype::Int16, shape: shape.to_vec(), elements }
    }

    #[test]
    fn tensors_are_put_in_the_order_of_the_inputs() {
        let specs = [spec("a", &[-1, 2], "n"), spec("b", &[-1], "n")];
        let arranged = arrange("m", &specs, vec![tensor("b", &[3], 6), tensor("a", &[3, 2], 12)]).unwrap();
        assert_eq!(arranged.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn each_fault_is_named_as_triton_names_it() {
        let specs = [spec("a", &[-1, 2], "n"), spec("b", &[-1], "n")];
        let fault = |tensors: Vec<Tensor>| arrange("m", &specs, tensors).unwrap_err();
        let b = || tensor("b", &[3], 6);
        assert!(fault(vec![tensor("c", &[1], 2)]).starts_with("unexpected inference input 'c'"));
        assert!(fault(vec![b()]).starts_with("expected 2 inputs but got 1"));
        assert!(fault(vec![b(), b()]).starts_with("input 'a' of model 'm' is missing"));
        assert!(fault(vec![tensor("a", &[3, 3], 18), b()]).ends_with("Expected [-1,2], got [3,3]"));
        assert!(fault(vec![tensor("a", &[-1, 2], 4), b()]).contains("unexpected shape"));
        assert!(fault(vec![tensor("a", &[3, 2], 11), b()]).ends_with("byte size 11 for input 'a', expecting 12"));
        assert!(fault(vec![tensor("a", &[i64::MAX, 2], 12), b()]).contains("beyond all memory"));
        assert!(fault(vec![tensor("a", &[2, 2], 8), b()]).contains("size 'n' of input 'b'"));
        let other = Tensor { datatype: Datatype::Fp16, ..tensor("a", &[3, 2], 12) };
        assert!(fault(vec![other, b()]).ends_with("is 'FP16', model 'm' expects 'INT16'"));
    }

    #[test]
    fn outputs_are_found_by_name_once() {
        let specs = [spec("a", &[], ""), spec("b", &[], "")];
        let names = |names: &[&str]| wanted("m", &specs, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]), Ok(vec![0, 1]));
        assert_eq!(names(&["b", "a"]), Ok(vec![1, 0]));
        assert!(names(&["c"]).is_err() && names(&["a", "a"]).is_err());
    }
}
