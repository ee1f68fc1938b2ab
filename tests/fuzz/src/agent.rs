//! Of the room `agent` what reads commands; the rest of it drives cameras.

#[path = "../../../src/agent/commands.rs"]
pub mod commands;

/// What a command may name, as in `src/agent/clips/request.rs`, which stands on the recorder.
pub mod clips {
    use crate::vocab::{Id, WallTime};

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ClipRequest {
        pub of: Wanted,
        pub upload: bool,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Wanted {
        Episode(String),
        Span { camera: Id, from: WallTime, to: WallTime },
    }
}
