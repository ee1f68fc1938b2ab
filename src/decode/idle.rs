//! How many pictures of a pool lie unused, and which of them nobody has needed for a while.

/// So many pictures come back before it is judged how many were too many: ten seconds of a camera with 25 a second, many
/// times what lies between two pictures that begin anew, at which a decoder lets go of all that it holds.
const PERIOD: u32 = 256;

/// Counts what lies in a pool.
#[derive(Default)]
pub(super) struct Idle {
    now: usize,
    /// The fewest since the period began: as many were never needed in it.
    least: usize,
    came: u32,
    /// Still to be given back.
    surplus: usize,
}

impl Idle {
    /// Lie unused now.
    #[cfg(test)]
    pub fn now(&self) -> usize {
        self.now
    }

    /// One is made.
    pub fn comes(&mut self) {
        self.now += 1;
    }

    /// One is taken, or freed.
    pub fn goes(&mut self) {
        self.now = self.now.saturating_sub(1);
        self.least = self.least.min(self.now);
    }

    /// One comes back from use. True: it is one too many, and is to be freed.
    pub fn comes_back(&mut self) -> bool {
        self.now += 1;
        self.came += 1;
        if self.came >= PERIOD {
            (self.surplus, self.least, self.came) = (self.least, self.now, 0);
        }
        let too_many = self.surplus > 0;
        self.surplus = self.surplus.saturating_sub(1);
        too_many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes up to `most` pictures out of a pool and brings them back, `rounds` times; how many had to be made, and how many
    /// there are afterwards.
    fn rounds(idle: &mut Idle, most: usize, rounds: usize) -> (usize, usize) {
        let mut made = 0;
        for _ in 0..rounds {
            for _ in 0..most {
                if idle.now() == 0 {
                    idle.comes();
                    made += 1;
                }
                idle.goes();
            }
            for _ in 0..most {
                if idle.comes_back() {
                    idle.goes();
                }
            }
        }
        (made, idle.now())
    }

    #[test]
    fn what_is_used_is_never_freed() {
        let mut idle = Idle::default();
        // A decoder that holds sixteen pictures and lets go of all of them at each key frame.
        assert_eq!(rounds(&mut idle, 16, 1000), (16, 16));
    }

    #[test]
    fn what_was_needed_once_goes_after_a_period() {
        let mut idle = Idle::default();
        assert_eq!(rounds(&mut idle, 29, 1), (29, 29));
        assert_eq!(rounds(&mut idle, 3, 1 + PERIOD as usize / 3), (0, 29), "not yet: the crowd was in this period");
        assert_eq!(rounds(&mut idle, 3, 1 + PERIOD as usize), (0, 3));
    }
}
