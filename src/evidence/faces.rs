//! Faces that a camera's pictures must not show: pixelated before anything is written, or nothing is.
//!
//! A picture of such a camera is made with the names of whoever finds faces and with where heads must be, and is given out
//! only once both are hidden: every face that was found, and the whole place of a head in which none was. So a face is
//! hidden where the detector misses it, and the picture is withheld where no detector looked.
//!
//! An area becomes [`BLOCKS`] blocks across, each of its mean colour. Finer mosaics can be seen through by a network that was
//! trained for it (R. McPherson, R. Shokri, V. Shmatikov, "Defeating image obfuscation with deep learning", 2016, with
//! blocks of a sixteenth to a quarter of a face); what is left here of a face are a dozen colours.

use super::Settings;
use crate::vocab::{Id, Rect};

/// Blocks across the shorter side of what is hidden.
pub(super) const BLOCKS: usize = 4;
/// By how much what is hidden exceeds the box of a face, on each side and in parts of it: detectors box from brow to chin.
const MARGIN: f32 = 0.3;
/// How wide a face in the place of a head must be for it to be that head's, in parts of the place.
const LEAST_SHARE: f32 = 0.15;

/// What is to become of the faces of a picture.
#[derive(Debug, Clone)]
pub(super) enum Faces {
    /// They may be seen.
    Shown,
    /// They must not, and can be.
    ToHide {
        /// The model that finds them.
        model: Id,
        /// Where heads must be, normalised.
        heads: Vec<Rect>,
    },
    /// They cannot be recognised any more.
    Hidden,
}

impl Faces {
    /// As a camera has it, with where heads must be.
    pub(super) fn of(settings: &Settings, heads: &[Rect]) -> Self {
        match &settings.hide_faces {
            Some(model) => Self::ToHide { model: model.clone(), heads: heads.to_vec() },
            None => Self::Shown,
        }
    }
}

/// What is to be hidden, normalised: each face that was found, and each place of a head in which none was.
pub(super) fn areas(found: &[Rect], heads: &[Rect]) -> Vec<Rect> {
    let is_of = |face: &Rect, head: &Rect| {
        let middle = face.centre();
        let is_within = (head.x1..=head.x2).contains(&middle.x) && (head.y1..=head.y2).contains(&middle.y);
        is_within && face.width() >= LEAST_SHARE * head.width()
    };
    let unseen = heads.iter().filter(|head| !found.iter().any(|face| is_of(face, head)));
    found.iter().map(larger).chain(unseen.copied()).collect()
}

fn larger(face: &Rect) -> Rect {
    let (across, down) = (MARGIN * face.width(), MARGIN * face.height());
    Rect::new(face.x1 - across, face.y1 - down, face.x2 + across, face.y2 + down)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Rect = Rect::new(0.4, 0.1, 0.6, 0.5);

    #[test]
    fn a_face_is_hidden_with_its_surroundings_and_its_head_need_not_be() {
        let face = Rect::new(0.45, 0.2, 0.55, 0.4);
        let hidden = areas(&[face], &[HEAD]);
        assert_eq!(hidden.len(), 1);
        assert!(hidden[0].iou(&Rect::new(0.42, 0.14, 0.58, 0.46)) > 0.99, "{hidden:?}");
    }

    #[test]
    fn a_head_in_which_no_face_was_found_is_hidden_as_a_whole() {
        let elsewhere = Rect::new(0.0, 0.0, 0.1, 0.2);
        assert_eq!(areas(&[], &[HEAD]), [HEAD]);
        assert_eq!(areas(&[elsewhere], &[HEAD]).last(), Some(&HEAD));
        let speck = Rect::new(0.5, 0.3, 0.51, 0.31);
        assert_eq!(areas(&[speck], &[HEAD]).last(), Some(&HEAD), "a button is no face");
    }
}
