//! Names of classes: COCO's, those in a model's metadata, those in a file.

use std::path::Path;

use crate::vocab::Labels;

use super::error::DetectError;
use super::settings::LabelSource;

/// COCO's 80 classes in the order of every detector trained on it (Lin et al. 2014, `instances_val2017.json`).
pub const COCO: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// COCO's category numbers in the order of [`COCO`]: 80 of 1 to 90, with gaps (`instances_val2017.json`).
const COCO_NUMBERS: [std::ops::RangeInclusive<usize>; 9] =
    [1..=11, 13..=25, 27..=28, 31..=44, 46..=65, 67..=67, 70..=70, 72..=82, 84..=90];

/// The index in [`COCO`] of the category with this number; none for numbers of no class.
pub(super) fn coco_class(number: usize) -> Option<usize> {
    COCO_NUMBERS.into_iter().flatten().position(|known| known == number)
}

/// The names that the settings give, if they do.
///
/// # Errors
/// When the file with them cannot be read.
pub(super) fn configured(source: Option<&LabelSource>) -> Result<Option<Labels>, DetectError> {
    match source {
        Some(LabelSource::Names(names)) => Ok(Some(Labels::new(names.clone()))),
        Some(LabelSource::File(path)) => from_file(path).map(Some),
        None => Ok(None),
    }
}

/// Decides the names of `classes` classes, or of as many as are named where the model does not say: the configuration's,
/// else the model's, else COCO's 80.
///
/// # Errors
/// When nothing names them, or the names are not as many as the classes.
pub(super) fn choose(
    configured: Option<Labels>,
    from_model: Option<Labels>,
    classes: Option<usize>,
) -> Result<Labels, DetectError> {
    let labels = match configured.or(from_model) {
        Some(labels) => labels,
        None if classes == Some(COCO.len()) => Labels::new(COCO),
        None => return Err(DetectError::NoLabels { classes }),
    };
    match classes {
        Some(classes) if classes != labels.len() => Err(DetectError::LabelCount { found: labels.len(), classes }),
        _ => Ok(labels),
    }
}

fn from_file(path: &Path) -> Result<Labels, DetectError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| DetectError::ReadLabels { path: path.to_owned(), source })?;
    Ok(Labels::new(text.trim_end().lines().map(str::trim)))
}

/// The names in a Python dict of index to name, as Ultralytics writes it: `{0: 'person', 1: "cat's eye"}`. `None` where
/// the text is anything else, or an index is missing.
pub(super) fn from_python_dict(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim_start();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (index, after) = rest.split_once(':')?;
        if index.trim().trim_matches(['\'', '"']).parse() != Ok(names.len()) {
            return None;
        }
        let (name, after) = quoted(after.trim_start())?;
        names.push(name);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(names)
}

/// A quoted text at the start of `text`, with its escapes undone, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ultralytics_names_are_read() {
        let names = from_python_dict("{0: 'person', 1: \"cat's eye\", 2: 'a: b, c', 3: 'it\\'s'}").unwrap();
        assert_eq!(names, ["person", "cat's eye", "a: b, c", "it's"]);
        assert_eq!(from_python_dict("{}"), Some(vec![]));
        for wrong in ["", "['person']", "{1: 'person'}", "{0: 'person", "{0: person}", "{0: 'a', 2: 'b'}"] {
            assert_eq!(from_python_dict(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_configuration_wins_over_the_model_and_80_classes_are_cocos() {
        let source = LabelSource::Names(vec!["a".into(), "b".into()]);
        let names = configured(Some(&source)).unwrap();
        assert!(configured(None).unwrap().is_none());
        assert_eq!(choose(names.clone(), Some(Labels::new(["x", "y"])), Some(2)).unwrap().name(1), "b");
        assert_eq!(choose(None, Some(Labels::new(["x", "y"])), Some(2)).unwrap().name(1), "y");
        assert_eq!(choose(None, None, Some(80)).unwrap().name(79), "toothbrush");
        assert!(matches!(choose(None, None, Some(3)), Err(DetectError::NoLabels { classes: Some(3) })));
        assert_eq!(choose(names.clone(), None, None).unwrap().len(), 2);
        assert!(matches!(choose(None, None, None), Err(DetectError::NoLabels { classes: None })));
        assert!(matches!(choose(names, None, Some(3)), Err(DetectError::LabelCount { found: 2, classes: 3 })));
    }

    #[test]
    fn cocos_category_numbers_have_gaps() {
        assert_eq!(COCO_NUMBERS.into_iter().flatten().count(), COCO.len());
        let name = |number| coco_class(number).map(|class| COCO[class]);
        assert_eq!((name(1), name(13), name(90)), (Some("person"), Some("stop sign"), Some("toothbrush")));
        assert_eq!((name(62), name(67), name(84)), (Some("chair"), Some("dining table"), Some("book")));
        assert_eq!([0, 12, 26, 91].map(coco_class), [None; 4]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\{?[0-9a-z:'\"\\\\, ]{0,40}\\}?") {
            let _ = from_python_dict(&text);
        }
    }
}
