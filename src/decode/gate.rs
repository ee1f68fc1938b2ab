//! Which encoded packets are decoded: all of them, or only keyframes while nothing moves. Pure.
//!
//! ```text
//!             first keyframe, or patience is over
//!   Waiting ───────────────────────────────────────▶ Open
//!      ▲                                             │  ▲
//!      │ what was kept no longer reaches             │  │ set_idle(false): what was kept since
//!      │ back to a keyframe (it grew too long)       │  │ the last keyframe goes first
//!      │                                  idle(true) ▼  │
//!      ├──────────────────────────────────────────── Idle
//!      └── a packet is late (from Open)
//! ```
//!
//! A delta packet can only be decoded after everything since its keyframe. Leaving idle would therefore mean waiting
//! for the next keyframe, ten seconds away with many cameras. So the packets skipped since the last keyframe are kept
//! (by reference: nothing is copied) and decoded in one go when idling ends; usually those are a few, as it is a
//! decoded keyframe in which something is seen to move.
//!
//! A machine that is too busy leaves out the rest of a group of pictures, which costs nothing but those, instead of
//! packets at random, which would spoil every picture up to the next keyframe.

use std::collections::VecDeque;
use std::time::Duration;

/// While idle, at most one keyframe in this time is decoded, so that MJPEG, all keyframes, idles too.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// A stream that shows no keyframe for this long (intra refresh has none) is decoded from where it is.
const PATIENCE: Duration = Duration::from_secs(12);
/// What is kept while idle: a long group of pictures of a 4K camera fits.
const KEPT_BYTES: usize = 8 << 20;
const KEPT_PACKETS: usize = 600;

/// What the gate needs to know of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Whether it can be decoded without an earlier one.
    pub keyframe: bool,
    /// Its timestamp on the stream's clock.
    pub time: Option<Duration>,
    /// How long it is.
    pub bytes: usize,
    /// Whether it reaches the decoder too late, because the machine is too busy.
    pub late: bool,
}

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<P> {
    /// Decode these, then it. The list is nearly always empty.
    Pass(Vec<P>),
    /// Do not decode it.
    Skip,
}

/// Decides packet by packet. `P` is a packet that can be kept cheaply.
#[derive(Debug)]
pub(super) struct Gate<P> {
    state: State,
    kept: VecDeque<P>,
    kept_bytes: usize,
    last_keyframe: Option<Duration>,
    waiting_since: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Open,
    /// `whole` says whether what was decoded and what is kept, together, reach back to a keyframe without a hole.
    Idle {
        whole: bool,
    },
}

impl<P> Gate<P> {
    /// A gate for a stream that is joined in the middle: it waits for the first keyframe.
    pub fn live() -> Self {
        Self { state: State::Waiting, kept: VecDeque::new(), kept_bytes: 0, last_keyframe: None, waiting_since: None }
    }

    /// A gate for a file, which is decoded from its first packet.
    pub fn open() -> Self {
        Self { state: State::Open, ..Self::live() }
    }

    /// Decides about one packet; `keep` gives a reference to it, called only if it is kept.
    pub fn offer(&mut self, idle: bool, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        match self.state {
            State::Waiting => self.offer_waiting(packet),
            State::Open if idle => {
                self.state = State::Idle { whole: true };
                self.offer_idle(true, packet, keep)
            }
            State::Open if packet.late && !packet.keyframe => {
                self.state = State::Waiting;
                self.waiting_since = None;
                self.offer_waiting(packet)
            }
            State::Open => self.pass(packet),
            State::Idle { whole } if idle => self.offer_idle(whole, packet, keep),
            State::Idle { whole } => self.leave_idle(whole, packet),
        }
    }

    fn offer_waiting(&mut self, packet: Facts) -> Verdict<P> {
        let since = *self.waiting_since.get_or_insert(packet.time.unwrap_or_default());
        let waited = packet.time.unwrap_or_default().saturating_sub(since);
        if packet.keyframe || waited >= PATIENCE {
            self.state = State::Open;
            return self.pass(packet);
        }
        Verdict::Skip
    }

    fn offer_idle(&mut self, whole: bool, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        if packet.keyframe {
            self.forget();
            self.state = State::Idle { whole: true };
            if self.is_due(packet) {
                return self.pass(packet);
            }
        } else if !whole {
            return Verdict::Skip;
        }
        if self.kept.len() >= KEPT_PACKETS || self.kept_bytes + packet.bytes > KEPT_BYTES {
            self.forget();
            self.state = State::Idle { whole: false };
            return Verdict::Skip;
        }
        self.kept_bytes += packet.bytes;
        self.kept.push_back(keep());
        Verdict::Skip
    }

    fn leave_idle(&mut self, whole: bool, packet: Facts) -> Verdict<P> {
        if packet.keyframe {
            self.forget();
        }
        if whole || packet.keyframe {
            self.state = State::Open;
            self.kept_bytes = 0;
            let first = self.kept.drain(..).collect();
            self.pass(packet);
            return Verdict::Pass(first);
        }
        self.state = State::Waiting;
        self.waiting_since = None;
        self.offer_waiting(packet)
    }

    /// Whether enough time has passed since the last decoded keyframe; a clock that jumped back counts as enough.
    fn is_due(&self, packet: Facts) -> bool {
        match (self.last_keyframe, packet.time) {
            (Some(last), Some(time)) => time < last || time - last >= IDLE_INTERVAL,
            _ => true,
        }
    }

    fn pass(&mut self, packet: Facts) -> Verdict<P> {
        if packet.keyframe {
            self.last_keyframe = packet.time;
        }
        Verdict::Pass(Vec::new())
    }

    fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packet `n` of a 25 fps stream with a keyframe every `gop` packets.
    fn packet(n: u64, gop: u64) -> Facts {
        Facts { keyframe: n.is_multiple_of(gop), time: Some(Duration::from_millis(40 * n)), bytes: 1000, late: false }
    }

    /// Offers packet `n` and appends what goes to the decoder.
    fn offer(gate: &mut Gate<u64>, idle: bool, n: u64, gop: u64, decoded: &mut Vec<u64>) {
        if let Verdict::Pass(first) = gate.offer(idle, packet(n, gop), || n) {
            decoded.extend(first);
            decoded.push(n);
        }
    }

    #[test]
    fn a_stream_joined_in_the_middle_waits_for_a_keyframe_but_not_for_ever() {
        let mut gate = Gate::live();
        let mut decoded = Vec::new();
        (3..30).for_each(|n| offer(&mut gate, false, n, 25, &mut decoded));
        assert_eq!(decoded, [25, 26, 27, 28, 29]);

        let mut gate = Gate::live();
        let mut decoded = Vec::new();
        (1..400).for_each(|n| offer(&mut gate, false, n, 10_000, &mut decoded));
        assert_eq!(decoded.first(), Some(&301), "12 s after packet 1");
    }

    #[test]
    fn leaving_idle_decodes_what_was_skipped_since_the_keyframe() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..5).for_each(|n| offer(&mut gate, false, n, 50, &mut decoded));
        (5..103).for_each(|n| offer(&mut gate, true, n, 50, &mut decoded));
        assert_eq!(decoded, [0, 1, 2, 3, 4, 50, 100]);
        offer(&mut gate, false, 103, 50, &mut decoded);
        assert_eq!(decoded[6..], [100, 101, 102, 103]);
    }

    #[test]
    fn leaving_idle_at_a_keyframe_decodes_nothing_twice() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..50).for_each(|n| offer(&mut gate, true, n, 50, &mut decoded));
        offer(&mut gate, false, 50, 50, &mut decoded);
        assert_eq!(decoded, [0, 50]);
    }

    #[test]
    fn all_keyframes_are_thinned_to_one_a_second() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..100).for_each(|n| offer(&mut gate, true, n, 1, &mut decoded));
        assert_eq!(decoded, [0, 25, 50, 75]);
        offer(&mut gate, false, 100, 1, &mut decoded);
        assert_eq!(decoded.last(), Some(&100));
    }

    #[test]
    fn a_group_too_long_to_keep_means_waiting_for_the_next_keyframe() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..900).for_each(|n| offer(&mut gate, true, n, 1000, &mut decoded));
        (900..1002).for_each(|n| offer(&mut gate, false, n, 1000, &mut decoded));
        assert_eq!(decoded, [0, 1000, 1001]);
    }

    #[test]
    fn a_late_packet_ends_its_group_of_pictures() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..10).for_each(|n| offer(&mut gate, false, n, 25, &mut decoded));
        assert_eq!(gate.offer(false, Facts { late: true, ..packet(10, 25) }, || 10), Verdict::Skip);
        (11..27).for_each(|n| offer(&mut gate, false, n, 25, &mut decoded));
        assert_eq!(decoded[9..], [9, 25, 26]);
    }

    proptest! {
        #[test]
        fn the_decoder_never_sees_a_hole(gop in 1u64..60, start in 0u64..60, switches in prop::collection::vec(1u64..120, 0..12)) {
            let mut gate = Gate::live();
            let mut decoded = Vec::new();
            let (mut n, mut idle) = (start, false);
            for length in switches {
                for _ in 0..length {
                    offer(&mut gate, idle, n, gop, &mut decoded);
                    n += 1;
                }
                idle = !idle;
            }
            for (i, &d) in decoded.iter().enumerate() {
                let continues = i > 0 && decoded[i - 1] + 1 == d;
                prop_assert!(d % gop == 0 || continues, "{d} follows {:?}", decoded.get(i.wrapping_sub(1)));
            }
        }
    }
}
