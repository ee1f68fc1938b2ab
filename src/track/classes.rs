//! Which class a track is: a vote of its detections, weighted by their scores.

/// Scores added up for the few classes that one object is ever given.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Votes([(u16, f32); 4]);

impl Votes {
    /// A first vote.
    pub fn new(class: u16, score: f32) -> Self {
        let mut votes = Self::default();
        votes.add(class, score);
        votes
    }

    /// Adds a vote. Where four other classes have votes already, the weakest gives way.
    pub fn add(&mut self, class: u16, score: f32) {
        let held = self.0.iter().position(|(c, sum)| *c == class && *sum > 0.0);
        let place = held.unwrap_or_else(|| self.weakest());
        let sum = if held.is_some() { self.0[place].1 } else { 0.0 };
        // Far beyond what a class needs to win, and far below where adding a score would be lost to rounding.
        self.0[place] = (class, (sum + score).min(1e4));
    }

    /// The class with the most votes.
    pub fn winner(&self) -> u16 {
        self.0.iter().fold((0, -1.0f32), |best, vote| if vote.1 > best.1 { *vote } else { best }).0
    }

    fn weakest(&self) -> usize {
        (1..self.0.len()).fold(0, |weakest, i| if self.0[i].1 < self.0[weakest].1 { i } else { weakest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_decide_not_counts() {
        let mut votes = Votes::new(7, 0.9);
        votes.add(2, 0.3);
        votes.add(2, 0.4);
        assert_eq!(votes.winner(), 7);
        votes.add(2, 0.5);
        assert_eq!(votes.winner(), 2);
    }

    #[test]
    fn a_fifth_class_takes_the_place_of_the_weakest() {
        let mut votes = Votes::new(1, 5.0);
        for (class, score) in [(2, 4.0), (3, 0.1), (4, 3.0), (5, 0.2), (0, 0.3)] {
            votes.add(class, score);
        }
        assert_eq!(votes.winner(), 1);
        votes.add(0, 9.0);
        assert_eq!(votes.winner(), 0);
    }
}
