//! Who somebody is: faces are found, judged, aligned and described, and compared with a gallery of people who are known.
//!
//! ```text
//!   picture ── Recogniser::look ──▶ sightings (five points each)
//!                  │ judge: aligned, size, blur, pose ──▶ quality, or why it will not do
//!                  └ describe ──▶ embedding ── Gallery: closest person, threshold, margin ──▶ identity, or unknown
//! ```
//!
//! Who comes again without being known: [`Describer`] makes a vector of a person as a whole, and [`Appearances`] remembers for a
//! while how those looked who were before the cameras.
//!
//! Geometry, quality, matching and the choice of the best shot are pure. [`gallery`] owns the sealed file and its audit log.
//! An embedding carries the name of its space, and two of different spaces are never compared.
//!
//! **How sure it is.** A threshold is worth what was measured with it. With the MobileFaceNet that the tests use, on the
//! photographs of `faces/compreface`, the threshold of [`Policy::default`] accepts every pair of one person and none of two;
//! how many pairs that were, and so how small a false-accept rate they can show at all, is told by the test
//! `identify::every_pair_is_told_apart`. Whoever is compared with a gallery of N people has N chances of a false accept.

mod align;
mod appearances;
mod best;
mod body;
mod describer;
mod embedding;
pub mod gallery;
mod matching;
mod quality;
mod recogniser;

pub use align::{FACE_SIDE, face_map, rect_map};
pub use appearances::{AppearanceSettings, Appearances, Presence, Stretch, Taken};
pub use best::{BestShots, Due, ShotSettings};
pub use body::{BodyShots, DueBody, shows, shows_track};
pub use describer::{DescribeError, Describer};
pub use embedding::{Embedding, OtherSpace};
pub use matching::{Compared, Policy, identify};
pub use quality::{Limits, Pose, Quality, Shortfall};
pub use recogniser::{RecogniseError, Recogniser, Sighting};
