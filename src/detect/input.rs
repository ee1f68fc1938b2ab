//! How a model takes pictures: size, order of the elements and their type, from what the file says of its input.

use crate::model::{Dimension, ElementType, Facts, Port};

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
    /// Whether elements are bytes instead of 32-bit floats.
    pub is_u8: bool,
}

/// Both sides of the input where the file leaves them open and nothing else says.
const OPEN_SIDE: u32 = 640;

impl InputSpec {
    /// From a file's facts; `size` (width, height) stands in for sides that the file leaves open.
    ///
    /// # Errors
    /// What keeps the model from being fed with pictures, as a phrase.
    pub(super) fn of(facts: &Facts, size: Option<(u32, u32)>) -> Result<Self, String> {
        let [port] = facts.inputs.as_slice() else {
            return Err(format!("it has {} inputs, a detector has one", facts.inputs.len()));
        };
        let is_u8 = match port.element {
            ElementType::F32 => false,
            ElementType::U8 => true,
            other => return Err(format!("its elements are {other}; f32 and u8 are supported")),
        };
        let (layout, rows, columns) = sides(port)?;
        let size = size.or_else(|| from_metadata(facts)).unwrap_or((OPEN_SIDE, OPEN_SIDE));
        let (width, height) = (side(columns, size.0, "width")?, side(rows, size.1, "height")?);
        Ok(Self { width, height, layout, is_u8 })
    }
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

    #[test]
    fn layout_size_and_type_come_from_the_file() {
        let nchw = facts(ElementType::F32, &[Some(1), Some(3), Some(240), Some(320)], &[]);
        let expected = InputSpec { width: 320, height: 240, layout: Layout::Nchw, is_u8: false };
        assert_eq!(InputSpec::of(&nchw, None), Ok(expected));
        let nhwc = facts(ElementType::U8, &[None, None, None, Some(3)], &[]);
        let expected = InputSpec { width: 320, height: 300, layout: Layout::Nhwc, is_u8: true };
        assert_eq!(InputSpec::of(&nhwc, Some((320, 300))), Ok(expected));
    }

    #[test]
    fn open_sides_come_from_the_settings_then_the_metadata_then_are_640() {
        let size = |settings, metadata: &[(&str, &str)]| {
            let spec =
                InputSpec::of(&facts(ElementType::F32, &[None, Some(3), None, None], metadata), settings).unwrap();
            (spec.width, spec.height)
        };
        let imgsz = [("imgsz", "[384, 640]")];
        assert_eq!(size(Some((416, 256)), &imgsz), (416, 256));
        assert_eq!(size(None, &imgsz), (640, 384));
        assert_eq!(size(None, &[("imgsz", "640")]), (640, 640));
    }

    #[test]
    fn what_is_no_picture_is_refused_with_the_reason() {
        let refusal = |element, shape: &[Option<u64>]| InputSpec::of(&facts(element, shape, &[]), None).unwrap_err();
        assert!(refusal(ElementType::F16, &[Some(1), Some(3), Some(8), Some(8)]).contains("f16"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(128)]).contains("2 dimensions"));
        assert!(refusal(ElementType::F32, &[Some(4), Some(3), Some(8), Some(8)]).contains("batch"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(1), Some(8), Some(8)]).contains("three colours"));
        assert!(refusal(ElementType::F32, &[Some(1), Some(3), Some(0), Some(8)]).contains("height is 0"));
    }
}
