//! Who is told how far the work is.

/// Hears of the stages of a long work and of the steps in each.
pub trait Progress {
    /// A stage of so many steps begins; the one before is over.
    fn begin(&mut self, stage: &str, steps: usize);
    /// A step of the stage is done.
    fn step(&mut self);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _stage: &str, _steps: usize) {}

    fn step(&mut self) {}
}
