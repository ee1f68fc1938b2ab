//! What stands still: of each cell the median of the last pictures.
//!
//! Whoever walks by, and a drop of rain, is before a cell in fewer than half of them, so that neither is to be seen; what is
//! put down is, half of that time later. A median keeps edges where they are and takes a lamp that is switched over at once,
//! where a mean would fade (temporal medians: Cucchiara et al. 2003, "Detecting moving objects, ghosts, and shadows in video
//! streams", IEEE PAMI 25(10)).

use std::time::Duration;

use crate::vocab::MediaTime;

/// How many pictures are kept.
const MOST: usize = 7;
/// The least time between two of them, and the span that they come from where pictures are rarer.
const APART: Duration = Duration::from_millis(350);
const SPAN: Duration = Duration::from_millis(3_200);
/// The fewest, however rare pictures are.
const FEWEST: usize = 3;

/// The last pictures of one camera. Keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Stills {
    /// A ring, the oldest first where `next` points.
    kept: [Vec<u8>; MOST],
    at: [MediaTime; MOST],
    count: usize,
    next: usize,
    /// How many of them the median is of.
    used: usize,
    median: Vec<f32>,
}

impl Stills {
    /// Forgets all pictures.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Takes in the means of a picture's cells, 0..255; returns whether that has made another median.
    pub fn add(&mut self, now: MediaTime, means: &[f32]) -> bool {
        if self.count > 0 && now.since(self.at[self.newest(0)]) < APART {
            return false;
        }
        let kept = &mut self.kept[self.next];
        kept.clear();
        kept.extend(means.iter().map(|mean| (mean + 0.5) as u8));
        self.at[self.next] = now;
        self.next = (self.next + 1) % MOST;
        self.count = (self.count + 1).min(MOST);
        let recent = (0..self.count).filter(|back| now.since(self.at[self.newest(*back)]) <= SPAN).count();
        // An odd number has one in the middle.
        self.used = (recent.max(FEWEST.min(self.count)) - 1) | 1;
        self.median.resize(means.len(), 0.0);
        match self.used {
            7.. => self.find::<7>(),
            5 | 6 => self.find::<5>(),
            3 | 4 => self.find::<3>(),
            _ => self.find::<1>(),
        }
        true
    }

    /// The median of each cell, 0..255.
    pub fn median(&self) -> &[f32] {
        &self.median
    }

    /// Since when that has been there which has just become the median: the first picture that shows it.
    pub fn turned(&self) -> MediaTime {
        self.at[self.newest(self.used / 2)]
    }

    /// Where the picture before so many others lies.
    fn newest(&self, back: usize) -> usize {
        (self.next + 2 * MOST - 1 - back) % MOST
    }

    fn find<const N: usize>(&mut self) {
        let newest: [usize; N] = std::array::from_fn(|back| self.newest(back));
        let pictures = newest.map(|index| self.kept[index].as_slice());
        for (at, median) in self.median.iter_mut().enumerate() {
            let mut levels = pictures.map(|picture| picture[at]);
            // Bubbles: so few are in order soonest without any branch.
            for end in (N / 2..N).rev() {
                for at in 0..end {
                    let (low, high) = (levels[at].min(levels[at + 1]), levels[at].max(levels[at + 1]));
                    (levels[at], levels[at + 1]) = (low, high);
                }
            }
            *median = f32::from(levels[N / 2]);
        }
    }
}
