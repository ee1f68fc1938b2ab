//! How a picture gets into the input of a session: through a letterbox.

use super::letterbox::{Element, Geometry, Letterbox};
use super::picture::{Picture, PictureError};
use super::session::Fill;
use crate::vocab::Frame;

/// A frame or a photograph.
pub(super) struct Draw<'a> {
    pub(super) letterbox: &'a mut Letterbox,
    pub(super) picture: &'a Picture,
}

impl Fill for Draw<'_> {
    type Output = Result<Geometry, PictureError>;

    fn fill<T: Element>(self, tensor: &mut [T]) -> Self::Output {
        self.letterbox.draw(self.picture, tensor)
    }
}

/// A frame.
pub(super) struct DrawFrame<'a> {
    pub(super) letterbox: &'a mut Letterbox,
    pub(super) frame: &'a Frame,
}

impl Fill for DrawFrame<'_> {
    type Output = Result<Geometry, PictureError>;

    fn fill<T: Element>(self, tensor: &mut [T]) -> Self::Output {
        self.letterbox.draw_frame(self.frame, tensor)
    }
}
