//! Plain data that every room agrees on: frames, detections, tracks, events, geometry, ids and timestamps.
//!
//! Nothing here does I/O, reads a clock or starts a thread. Rooms of the line never import each other: what travels
//! from one to the next is a type of this room.

mod appearance;
mod condition;
mod detection;
mod event;
mod firing;
mod frame;
mod geometry;
mod health;
mod heat;
mod id;
mod identity;
mod labels;
mod packet;
mod region;
mod secret;
mod time;
mod track;
mod trunk;

pub use appearance::{Appearance, SeenBefore};
pub use condition::{Condition, DayNight, Finding, PictureChange, Relief};
pub use detection::{Detection, FacePoints};
pub use event::{
    ClipFile, ClockState, Event, EventKind, Evidence, Explanation, Gap, ModelFacts, Phase, Place, Severity, Subject,
};
pub use firing::{EndReason, Firing, FiringKind, FiringPhase, Measure};
pub use frame::{Frame, FrameBytes, PixelFormat, Plane};
pub use geometry::{Point, Polygon, PolygonError, Rect, Segment, Side};
pub use health::{CameraState, DropReason, StageLatency};
pub use heat::{HEAT_COLUMNS, HEAT_ROWS, HeatMap};
pub use id::{Id, IdError};
pub use identity::{Identity, KnownPerson};
pub use labels::Labels;
pub use packet::{Encoding, Packet, VideoCodec};
pub use region::{Cover, Owner, RegionChange, StaticRegion};
pub use secret::{Secret, shown_path};
pub use time::{MediaTime, WallTime};
pub use track::{Track, TrackId, TrackState};
pub use trunk::Trunk;
