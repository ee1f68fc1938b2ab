//! How embedding models are fed, and how they are told apart: by the size of their input, the names of their ports and the
//! length of their vectors.

use std::fmt;
use std::str::FromStr;

use super::super::families::OutputPort;
use super::super::input::InputSpec;
use super::super::letterbox::{Fit, Order, Preprocess};

/// How a model that makes vectors is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingFamily {
    /// ArcFace and others of InsightFace: an aligned face of 112x112, RGB, `(x - 127.5) / 127.5`
    /// (deepinsight/insightface, `python-package/insightface/model_zoo/arcface_onnx.py`).
    Arcface,
    /// SFace of OpenCV's zoo: an aligned face of 112x112, RGB, 0..255; the file itself does the rest (opencv/opencv,
    /// `modules/objdetect/src/face_recognize.cpp`).
    Sface,
    /// MobileFaceNet as its ports to NCNN, MNN and ONNX are fed: an aligned face of 112x112, BGR, `(x - 127.5) / 127.5`.
    Mobilefacenet,
    /// OSNet and others of torchreid: a person of 128x256, RGB, ImageNet's mean and deviation (KaiyangZhou/
    /// deep-person-reid, `torchreid/utils/feature_extractor.py`).
    Osnet,
}

/// A name that is no family's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no family of embedding models is called {0:?}; allowed: arcface, sface, mobilefacenet, osnet")]
pub struct UnknownEmbedding(String);

impl EmbeddingFamily {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Arcface, Self::Sface, Self::Mobilefacenet, Self::Osnet];

    /// The name as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arcface => "arcface",
            Self::Sface => "sface",
            Self::Mobilefacenet => "mobilefacenet",
            Self::Osnet => "osnet",
        }
    }

    /// Whether it describes faces, which it is shown aligned; otherwise people.
    pub fn is_of_faces(self) -> bool {
        self != Self::Osnet
    }

    /// Pixels across and down of its input.
    pub(super) fn size(self) -> (u32, u32) {
        if self.is_of_faces() { (112, 112) } else { (128, 256) }
    }

    /// How colours become elements.
    pub(super) fn preprocess(self) -> Preprocess {
        let (order, mean, std) = match self {
            Self::Arcface => (Order::Rgb, [127.5; 3], [127.5; 3]),
            Self::Sface => (Order::Rgb, [0.0; 3], [1.0; 3]),
            Self::Mobilefacenet => (Order::Bgr, [127.5; 3], [127.5; 3]),
            Self::Osnet => (Order::Rgb, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        };
        Preprocess { fit: Fit::Stretch, order, mean, std }
    }
}

impl fmt::Display for EmbeddingFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EmbeddingFamily {
    type Err = UnknownEmbedding;

    fn from_str(text: &str) -> Result<Self, UnknownEmbedding> {
        let found = Self::ALL.into_iter().find(|family| family.as_str() == text);
        found.ok_or_else(|| UnknownEmbedding(text.chars().take(20).collect()))
    }
}

/// Which family a model with this input and these outputs is of, and how long its vectors are. Order of colours and
/// scale cannot be seen in a file: what is told here is what files of such a form usually are, and a setting overrules it.
///
/// # Errors
/// What the model is instead, as a phrase.
pub(super) fn recognise(spec: &InputSpec, outputs: &[OutputPort]) -> Result<(EmbeddingFamily, usize), String> {
    let described: Vec<String> = outputs.iter().map(|o| format!("{} {}", o.name, o.shape_text())).collect();
    let described = described.join(", ");
    let [output] = outputs else { return Err(format!("it has the outputs {described}, not one vector")) };
    let dimension = output.shape.iter().product::<usize>();
    let is_vector = output.is_float() && output.shape.iter().filter(|side| **side > 1).count() == 1;
    if !is_vector {
        return Err(format!("its output {described} is no vector of floats"));
    }
    let family = match (spec.width, spec.height, output.name.as_str()) {
        (112, 112, "fc1") if dimension == 128 => EmbeddingFamily::Sface,
        (112, 112, _) if dimension == 512 => EmbeddingFamily::Arcface,
        (112, 112, _) => EmbeddingFamily::Mobilefacenet,
        (128, 256, _) => EmbeddingFamily::Osnet,
        (width, height, _) => {
            return Err(format!(
                "its input is {width}x{height}; faces are described at 112x112, people at 128x256 (width by height)"
            ));
        }
    };
    Ok((family, dimension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::letterbox::Layout;
    use crate::model::ElementType;

    fn found(width: u32, height: u32, name: &str, shape: &[usize]) -> Result<(EmbeddingFamily, usize), String> {
        let spec = InputSpec { width, height, layout: Layout::Nchw, element: ElementType::F32 };
        let output = OutputPort { name: name.to_owned(), shape: shape.to_vec(), element: ElementType::F32 };
        recognise(&spec, &[output])
    }

    #[test]
    fn families_are_told_by_size_name_and_length() {
        assert_eq!(found(112, 112, "fc1", &[1, 128]), Ok((EmbeddingFamily::Sface, 128)));
        assert_eq!(found(112, 112, "683", &[1, 512]), Ok((EmbeddingFamily::Arcface, 512)));
        assert_eq!(found(112, 112, "y", &[1, 128]), Ok((EmbeddingFamily::Mobilefacenet, 128)));
        assert_eq!(found(128, 256, "output", &[1, 512, 1, 1]), Ok((EmbeddingFamily::Osnet, 512)));
    }

    #[test]
    fn what_is_no_vector_of_a_face_or_person_is_refused_with_what_it_is() {
        assert!(found(224, 224, "y", &[1, 512]).unwrap_err().contains("224x224"));
        assert!(found(112, 112, "boxes", &[1, 20, 4]).unwrap_err().contains("[1,20,4]"));
        for family in EmbeddingFamily::ALL {
            assert_eq!(family.as_str().parse(), Ok(family));
        }
        assert!("vgg".parse::<EmbeddingFamily>().unwrap_err().to_string().contains("osnet"));
    }
}
