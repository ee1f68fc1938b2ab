//! That somebody was seen before, with all that was compared: how he looks, not who he is.

use std::time::Duration;

use super::{Id, WallTime};

/// How somebody looked who was followed. It says nothing of who he is, and is forgotten after a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Appearance {
    /// The same for all tracks that were taken for one person. Drawn at random, and of no meaning once it is forgotten.
    pub id: String,
    /// When that person was first seen, on the wall clock.
    pub first_seen: WallTime,
    /// The cameras that saw that person before this track began, in the order in which they first did.
    pub cameras: Vec<Id>,
    /// When and where that person was seen last before this track; none where it is the first.
    pub before: Option<SeenBefore>,
    /// The model whose vectors were compared, and how it was fed.
    pub space: String,
}

/// When and where somebody was seen last, and why it is taken to be the same person.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenBefore {
    /// The camera that saw it.
    pub camera: Id,
    /// When it saw it last, on the wall clock.
    pub at: WallTime,
    /// How long nobody saw it after that; zero where both cameras did at once.
    pub away: Duration,
    /// How like that person this one is: the cosine of two vectors, -1..1.
    pub score: f32,
    /// What the score had to reach.
    pub threshold: f32,
    /// By how much the score exceeds that of anybody else who is remembered.
    pub margin: f32,
    /// What the margin had to reach.
    pub least_margin: f32,
}
