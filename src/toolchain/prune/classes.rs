//! Which places of which output are the classes, and the names of those that are kept.

use crate::detect::Detector;
use crate::model::CLASSES_BEFORE;
use crate::model::proto::{ModelProto, StringStringEntryProto};

use super::PruneError;
use super::cut::Cut;

/// The output that holds the scores of the classes, along with the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassPlace {
    pub(super) axis: usize,
    /// Places before the first class.
    pub(super) first: usize,
}

/// Where a family has its classes, in a single output of so many dimensions; none for those that are not known here.
pub(super) fn place(family: &str, rank: usize) -> Option<ClassPlace> {
    // From the end, because some exports lack the batch.
    let (from_end, first) = match family {
        "yolox" | "yolox-decoded" | "yolov5" | "yolov5-lite" => (1, 5),
        "yolov8" => (2, 4),
        "fastestdet" => (3, 5),
        _ => return None,
    };
    Some(ClassPlace { axis: rank.checked_sub(from_end)?, first })
}

/// The families whose classes can be cut.
pub(super) const FAMILIES: [&str; 6] = ["yolox", "yolox-decoded", "yolov5", "yolov5-lite", "yolov8", "fastestdet"];

/// The classes of `names`, in the detector's own order.
///
/// # Errors
/// When one is not among them.
pub(super) fn wanted(detector: &Detector, names: &[String]) -> Result<Vec<usize>, PruneError> {
    let labels: Vec<&str> = detector.labels().iter().collect();
    let unknown = |name: &&String| !labels.contains(&name.as_str());
    if let Some(name) = names.iter().find(unknown) {
        let known = labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>().join(", ");
        return Err(PruneError::Label { name: name.clone(), known });
    }
    Ok((0..labels.len()).filter(|&at| names.iter().any(|name| name == labels[at])).collect())
}

/// The cut that keeps the classes `keep` of `count`, with what is before them.
pub(super) fn cut(place: &ClassPlace, keep: &[usize]) -> Cut {
    Cut { axis: place.axis, keep: (0..place.first).chain(keep.iter().map(|class| place.first + class)).collect() }
}

/// Writes the names of the kept classes as Ultralytics does, and how many there were.
pub(super) fn rename(model: &mut ModelProto, names: &[&str], before: usize) {
    let quoted = |name: &&str| name.replace('\\', "\\\\").replace('\'', "\\'");
    let pairs = names.iter().enumerate().map(|(at, name)| format!("{at}: '{}'", quoted(name)));
    let names = format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    for (key, value) in [("names", names), (CLASSES_BEFORE, before.to_string())] {
        model.metadata_props.retain(|pair| pair.key() != key);
        model.metadata_props.push(StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Family;

    #[test]
    fn every_family_that_is_listed_has_a_place_and_is_one() {
        for family in FAMILIES {
            assert!(place(family, 4).is_some() && family.parse::<Family>().is_ok(), "{family}");
        }
        assert_eq!(place("yolov8", 3), Some(ClassPlace { axis: 1, first: 4 }));
        assert_eq!((place("yolov8", 1), place("nanodet", 3)), (None, None));
    }

    #[test]
    fn what_is_before_the_classes_stays() {
        let place = ClassPlace { axis: 2, first: 5 };
        assert_eq!(cut(&place, &[0, 2]), Cut { axis: 2, keep: vec![0, 1, 2, 3, 4, 5, 7] });
    }
}
