//! How a model takes pictures: size, order of the elements and their type, from what the file says of its inputs, and
//! what the inputs beside the picture are fed.

use crate::model::{Dimension, ElementType, Facts, Port};

use super::families;
use super::letterbox::Layout;
use super::picture::MAX_SIDE;

/// The input tensor of a model: one picture of three colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSpec {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Order of the elements.
    pub layout: Layout,
    /// Type of the elements: 32- or 16-bit floats, or bytes.
    pub element: ElementType,
}

/// All inputs of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inputs {
    pub(super) picture: InputSpec,
    /// The name of the input that takes the picture.
    pub(super) picture_name: String,
    pub(super) constants: Vec<Constant>,
}

/// An input beside the picture. It is fed the same in every run: the model is told that the picture is as large as its
/// input, so that its boxes come in pixels of the input like those of every other family.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) values: ConstantValues,
}

/// The two values of a constant, of shape [1, 2].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ConstantValues {
    I64([i64; 2]),
    F32([f32; 2]),
}

/// Both sides of the input where the file leaves them open and nothing else says.
const OPEN_SIDE: u32 = 640;

impl Inputs {
    /// From a file's facts; `size` (width, height) stands in for sides that the file leaves open. Without it these are
    /// what the file's metadata says, what the family usually has, or 640 by 640.
    ///
    /// # Errors
    /// What keeps the model from being fed with pictures, as a phrase.
    pub(super) fn of(facts: &Facts, size: Option<(u32, u32)>) -> Result<Self, String> {
        // Detectors have one input, a few need a second of two numbers; only pictures have four dimensions.
        let (pictures, others): (Vec<&Port>, Vec<&Port>) =
            facts.inputs.iter().partition(|port| facts.inputs.len() == 1 || port.shape.len() == 4);
        let [port] = pictures.as_slice() else {
            return Err(format!("{} of its {} inputs can be a picture, not one", pictures.len(), facts.inputs.len()));
        };
        let element = match port.element {
            element @ (ElementType::F32 | ElementType::F16 | ElementType::U8) => element,
            other => return Err(format!("its elements are {other}; f32, f16 and u8 are supported")),
        };
        let (layout, rows, columns) = sides(port)?;
        let open = size.or_else(|| from_metadata(facts)).or_else(|| families::usual_size(facts));
        let open = open.unwrap_or((OPEN_SIDE, OPEN_SIDE));
        let (width, height) = (side(columns, open.0, "width")?, side(rows, open.1, "height")?);
        let picture = InputSpec { width, height, layout, element };
        let constants = others.into_iter().map(|port| constant(port, &picture)).collect::<Result<_, _>>()?;
        Ok(Self { picture, picture_name: port.name.clone(), constants })
    }
}

/// The name and sizes of every input as they are when the model runs, with `size` (width, height) for sides that the file
/// leaves open.
///
/// # Errors
/// What keeps the model from being fed with pictures, as a phrase.
pub fn input_sizes(facts: &Facts, size: Option<(u32, u32)>) -> Result<Vec<(String, Vec<usize>)>, String> {
    let inputs = Inputs::of(facts, size)?;
    let (width, height) = (inputs.picture.width as usize, inputs.picture.height as usize);
    let picture = match inputs.picture.layout {
        Layout::Nchw => vec![1, 3, height, width],
        Layout::Nhwc => vec![1, height, width, 3],
    };
    let others = inputs.constants.into_iter().map(|constant| (constant.name, vec![1, 2]));
    Ok(std::iter::once((inputs.picture_name, picture)).chain(others).collect())
}

/// What an input beside the picture is fed. RT-DETR and D-FINE ask for the size of the original picture, width first
/// (lyuwenyu/RT-DETR, `rtdetrv2_pytorch/tools/export_onnx.py`); PaddleDetection for its size, height first, and for the
/// scale of both sides (PaddleDetection, `ppdet/data/transform/operators.py`, `Resize`).
fn constant(port: &Port, picture: &InputSpec) -> Result<Constant, String> {
    let (width, height) = (picture.width, picture.height);
    let is_pair = matches!(port.shape.as_slice(), [Dimension::Fixed(1) | Dimension::Free(_), Dimension::Fixed(2)]);
    let values = match (port.name.as_str(), port.element) {
        ("orig_target_sizes", ElementType::I64) if is_pair => ConstantValues::I64([width, height].map(i64::from)),
        ("im_shape", ElementType::F32) if is_pair => ConstantValues::F32([height, width].map(|side| side as f32)),
        ("scale_factor", ElementType::F32) if is_pair => ConstantValues::F32([1.0, 1.0]),
        _ => return Err(format!("beside the picture it takes {port}, of which nothing is known")),
    };
    Ok(Constant { name: port.name.clone(), values })
}

fn sides(port: &Port) -> Result<(Layout, &Dimension, &Dimension), String> {
    let [batch, a, b, c] = port.shape.as_slice() else {
        return Err(format!("it has {} dimensions, a picture has four with the batch", port.shape.len()));
    };
    if !matches!(batch, Dimension::Fixed(1) | Dimension::Free(_)) {
        return Err(format!("its batch is fixed to {batch}; export it with a batch of 1"));
    }
    const THREE: Dimension = Dimension::Fixed(3);
    match (*a == THREE, *c == THREE) {
        (true, _) => Ok((Layout::Nchw, b, c)),
        (false, true) => Ok((Layout::Nhwc, a, b)),
        (false, false) => Err("neither its second nor its last dimension is 3, for three colours".to_owned()),
    }
}

fn side(found: &Dimension, open: u32, name: &str) -> Result<u32, String> {
    let side = match found {
        Dimension::Fixed(side) => u32::try_from(*side).unwrap_or(u32::MAX),
        Dimension::Free(_) => open,
    };
    // A tensor of the largest picture would take gigabytes; no detector sees more than this.
    let allowed = 1..=MAX_SIDE / 4;
    if allowed.contains(&side) {
        Ok(side)
    } else {
        Err(format!("its {name} is {side}; allowed: 1 to {}", allowed.end()))
    }
}

/// Ultralytics writes `imgsz` as `[height, width]`.
fn from_metadata(facts: &Facts) -> Option<(u32, u32)> {
    let text = facts.metadata("imgsz")?.trim().strip_prefix('[')?.strip_suffix(']')?;
    let (height, width) = text.split_once(',')?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(element: ElementType, shape: &[Option<u64>], metadata: &[(&str, &str)]) -> Facts {
        let dimension = |side: &Option<u64>| side.map_or(Dimension::Free("n".into()), Dimension::Fixed);
        let port = Port { name: "images".into(), element, shape: shape.iter().map(dimension).collect() };
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Facts { inputs: vec![port], metadata, ..Facts::default() }
    }

    fn spec(facts: &Facts, size: Option<(u32, u32)>) -> Result<InputSpec, String> {
        Inputs::of(facts, size).map(|inputs| inputs.picture)
    }

    #[test]
    fn layout_size_and_type_come_from_the_file() {
        let nchw = facts(ElementType::F32, &[Some(1), Some(3), Some(240), Some(320)], &[]);
        let expected = InputSpec { width: 320, height: 240, layout: Layout::Nchw, element: ElementType::F32 };
        assert_eq!(spec(&nchw, None), Ok(expected));
        let nhwc = facts(ElementType::U8, &[None, None, None, Some(3)], &[]);
        let expected = InputSpec { width: 320, height: 300, layout: Layout::Nhwc, element: ElementType::U8 };
        assert_eq!(spec(&nhwc, Some((320, 300))), Ok(expected));
    }

    #[test]
    fn open_sides_come_from_the_settings_then_the_metadata_then_are_640() {
        let size = |settings, metadata: &[(&str, &str)]| {
            let spec = spec(&facts(ElementType::F32, &[None, Some(3), None, None], metadata), settings).unwrap();
            (spec.width, spec.height)
        };
        let imgsz = [("imgsz", "[384, 640]")];
        assert_eq!(size(Some((416, 256)), &imgsz), (416, 256));
        assert_eq!(size(None, &imgsz), (640, 384));
        assert_eq!(size(None, &[("imgsz", "640")]), (640, 640));
    }

    #[test]
    fn what_is_no_picture_is_refused_with_the_reason() {
        let refusal = |element, shape: &[Option<u64>]| spec(&facts(element, shape, &[]), None).unwrap_err();
        assert!(refusal(ElementType::I8, &[Some(1), Some(3), Some(8), Some(8)]).contains("i8"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(128)]).contains("2 dimensions"));
        assert!(refusal(ElementType::F32, &[Some(4), Some(3), Some(8), Some(8)]).contains("batch"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(1), Some(8), Some(8)]).contains("three colours"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(3), Some(0), Some(8)]).contains("height is 0"));
    }

    fn two(name: &str, element: ElementType) -> Port {
        let shape = vec![Dimension::Free("n".into()), Dimension::Fixed(2)];
        Port { name: name.into(), element, shape }
    }

    #[test]
    fn inputs_beside_the_picture_are_told_that_it_is_as_large_as_the_input() {
        let mut facts = facts(ElementType::F32, &[Some(1), Some(3), Some(240), Some(320)], &[]);
        facts.inputs.push(two("orig_target_sizes", ElementType::I64));
        facts.inputs.insert(0, two("im_shape", ElementType::F32));
        let inputs = Inputs::of(&facts, None).unwrap();
        assert_eq!(inputs.picture_name, "images");
        let values: Vec<_> = inputs.constants.iter().map(|c| (c.name.as_str(), c.values)).collect();
        let expected =
            [("im_shape", ConstantValues::F32([240.0, 320.0])), ("orig_target_sizes", ConstantValues::I64([320, 240]))];
        assert_eq!(values, expected);
        facts.inputs.push(two("tokens", ElementType::I64));
        assert!(Inputs::of(&facts, None).unwrap_err().contains("tokens i64 [n,2], of which nothing is known"));
    }

    #[test]
    fn a_family_that_is_known_by_its_names_has_its_usual_size() {
        let mut facts = facts(ElementType::F32, &[Some(1), Some(3), None, None], &[]);
        let output = |name: &str| Port { name: name.into(), element: ElementType::F32, shape: Vec::new() };
        facts.outputs = ["cls_8", "obj_8", "bbox_8", "kps_8"].map(output).to_vec();
        let size = |facts: &Facts, size| spec(facts, size).map(|spec| (spec.width, spec.height));
        assert_eq!(size(&facts, None), Ok((640, 384)));
        assert_eq!(size(&facts, Some((320, 320))), Ok((320, 320)));
    }
}
