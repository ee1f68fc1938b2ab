//! Which encoded packets are decoded: as many as the wanted pictures need. Pure.
//!
//! ```text
//!             first keyframe, or patience is over
//!   Waiting ───────────────────────────────────────▶ Open { whole }
//!      ◀───────────────────────────────────────────
//!        a packet is late; or a picture is wanted and
//!        what is kept does not reach back to a keyframe
//! ```
//!
//! A delta packet can only be decoded after everything since its keyframe. So packets between two wanted pictures are
//! kept (by reference: nothing is copied) and decoded in one go when the next wanted picture comes. If a keyframe comes
//! first they are never decoded: that is the end of each group of pictures when a few pictures a second are wanted, and
//! all of it but the keyframe when nothing moves. Leaving that idling needs no keyframe, which may be ten seconds away:
//! what was kept goes first.
//!
//! A decoder that holds pictures back, to put them in order, owes the wanted one until more packets have come; while it
//! does, nothing is kept.
//!
//! A machine that is too busy leaves out the rest of a group of pictures, which costs nothing but those, instead of
//! packets at random, which would spoil every picture up to the next keyframe.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate::Limiter;
use super::want::{KEYFRAME_INTERVAL, Want};

/// A stream that shows no keyframe for this long (intra refresh has none) is decoded from where it is.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often the wanted pictures are moved to where the keyframes are.
const ALIGN_INTERVAL: Duration = Duration::from_secs(10);
/// What is kept: a long group of pictures of a 4K camera fits.
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
    /// Whether a wanted picture has gone into the decoder and not come out yet.
    pub owed: bool,
}

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<P> {
    /// Decode these, then it.
    Pass {
        /// What was kept for it.
        first: Vec<P>,
        /// Whether its picture is to be delivered.
        wanted: bool,
    },
    /// Do not decode it, at least not yet.
    Skip,
}

/// Decides packet by packet. `P` is a packet that can be kept cheaply.
#[derive(Debug)]
pub(super) struct Gate<P> {
    state: State,
    kept: VecDeque<P>,
    kept_bytes: usize,
    pace: Limiter,
    interval: Duration,
    last_wanted: Option<Duration>,
    last_keyframe: Option<Duration>,
    /// The time between the last two keyframes, where it was the same before them.
    group: Option<Duration>,
    last_group: Duration,
    last_decoded_keyframe: Option<Duration>,
    last_aligned: Option<Duration>,
    waiting_since: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// `whole` says whether what was decoded and what is kept, together, reach back to a keyframe without a hole.
    Open {
        whole: bool,
    },
}

impl<P> Gate<P> {
    /// A gate for a stream that is joined in the middle: it waits for the first keyframe.
    pub fn live() -> Self {
        Self {
            state: State::Waiting,
            kept: VecDeque::new(),
            kept_bytes: 0,
            pace: Limiter::default(),
            interval: Duration::ZERO,
            last_wanted: None,
            last_keyframe: None,
            group: None,
            last_group: Duration::ZERO,
            last_decoded_keyframe: None,
            last_aligned: None,
            waiting_since: None,
        }
    }

    /// A gate for a file, which is decoded from its first packet.
    pub fn open() -> Self {
        Self { state: State::Open { whole: true }, ..Self::live() }
    }

    /// Waits for a keyframe from now on: whatever is kept leads nowhere.
    pub fn wait(&mut self) {
        self.forget();
        (self.state, self.waiting_since) = (State::Waiting, None);
    }

    /// Whether it waits for one.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Decides about one packet; `keep` gives a reference to it, called only if it is kept.
    pub fn offer(&mut self, want: Want, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        self.align(want, packet);
        let verdict = match self.state {
            State::Waiting => self.offer_waiting(want, packet),
            State::Open { .. } if packet.keyframe => self.offer_keyframe(want, packet, keep),
            State::Open { whole } if whole && !(packet.late && want != Want::Keyframes) => {
                self.offer_delta(want, packet, keep)
            }
            State::Open { .. } if want == Want::Keyframes => Verdict::Skip,
            State::Open { .. } => {
                self.wait();
                self.offer_waiting(want, packet)
            }
        };
        self.note(packet, &verdict);
        verdict
    }

    fn offer_waiting(&mut self, want: Want, packet: Facts) -> Verdict<P> {
        let since = *self.waiting_since.get_or_insert(packet.time.unwrap_or_default());
        let waited = packet.time.unwrap_or_default().saturating_sub(since);
        if !packet.keyframe && waited < PATIENCE {
            return Verdict::Skip;
        }
        self.state = State::Open { whole: true };
        // The first picture is wanted whatever the pace: it is what says that the stream lives.
        self.pace = Limiter::default();
        self.is_due(want, packet);
        self.pass(true)
    }

    fn offer_keyframe(&mut self, want: Want, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        self.state = State::Open { whole: true };
        if self.is_due(want, packet) {
            self.forget();
            return self.pass(true);
        }
        if packet.owed {
            return self.pass(false);
        }
        self.forget();
        self.keep(want, packet, keep)
    }

    fn offer_delta(&mut self, want: Want, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        if self.is_due(want, packet) {
            return self.pass(true);
        }
        if packet.owed {
            return self.pass(false);
        }
        self.keep(want, packet, keep)
    }

    fn keep(&mut self, want: Want, packet: Facts, keep: impl FnOnce() -> P) -> Verdict<P> {
        if self.kept.len() < KEPT_PACKETS && self.kept_bytes + packet.bytes <= KEPT_BYTES {
            self.kept_bytes += packet.bytes;
            self.kept.push_back(keep());
            return Verdict::Skip;
        }
        if want == Want::Keyframes {
            self.forget();
            self.state = State::Open { whole: false };
            return Verdict::Skip;
        }
        self.pass(false)
    }

    fn note(&mut self, packet: Facts, verdict: &Verdict<P>) {
        if matches!(verdict, Verdict::Pass { wanted: true, .. }) {
            self.last_wanted = packet.time;
        }
        if !packet.keyframe {
            return;
        }
        let group = match (self.last_keyframe, packet.time) {
            (Some(last), Some(time)) => time.saturating_sub(last),
            _ => Duration::ZERO,
        };
        let is_steady = group.abs_diff(self.last_group) <= group / 10;
        (self.group, self.last_group) = (Some(group).filter(|_| is_steady), group);
        self.last_keyframe = packet.time;
        if matches!(verdict, Verdict::Pass { .. }) {
            self.last_decoded_keyframe = packet.time;
        }
    }

    /// Whether the next keyframe comes so soon that a picture wanted in about `interval` had better be it.
    fn is_keyframe_near(&self, packet: Facts, interval: Duration) -> bool {
        let (Some(keyframe), Some(group), Some(wanted)) = (self.last_keyframe, self.group, self.last_wanted) else {
            return false;
        };
        let next = keyframe + group;
        !packet.keyframe && packet.time.is_some_and(|time| time < next) && next.saturating_sub(wanted) <= 2 * interval
    }

    /// Whether the picture of this packet is wanted. A clock that jumped back makes it so.
    fn is_due(&mut self, want: Want, packet: Facts) -> bool {
        match (want, self.last_decoded_keyframe, packet.time) {
            (Want::Every, ..) => true,
            (Want::About(interval), ..) if self.is_keyframe_near(packet, interval) => false,
            (Want::OneIn(interval) | Want::About(interval), ..) => self.pace.passes(interval, packet.time),
            (Want::Keyframes, Some(last), Some(time)) => {
                packet.keyframe && (time < last || time - last >= KEYFRAME_INTERVAL)
            }
            (Want::Keyframes, ..) => packet.keyframe,
        }
    }

    /// Lets the keyframes be among the wanted pictures where that can be: then the most is left of each group of pictures
    /// that need not be decoded. Done when fewer are wanted than until now, and otherwise so rarely that a camera whose
    /// groups do not fit the pace is looked at no more often for it.
    fn align(&mut self, want: Want, packet: Facts) {
        let interval = want.interval();
        let calmer = want != Want::Keyframes && !self.interval.is_zero() && interval > self.interval;
        self.interval = interval;
        if let (true, Some(keyframe)) = (calmer, self.last_keyframe) {
            self.pace.align(keyframe, interval);
        }
        let Some(time) = packet.time.filter(|_| packet.keyframe && want != Want::Keyframes) else { return };
        if self.last_aligned.is_none_or(|last| time < last || time - last >= ALIGN_INTERVAL) {
            self.last_aligned = Some(time);
            self.pace.align(time, interval);
        }
    }

    fn pass(&mut self, wanted: bool) -> Verdict<P> {
        self.kept_bytes = 0;
        Verdict::Pass { first: self.kept.drain(..).collect(), wanted }
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
        Facts {
            keyframe: n.is_multiple_of(gop),
            time: Some(Duration::from_millis(40 * n)),
            bytes: 1000,
            late: false,
            owed: false,
        }
    }

    /// Offers packet `n` and appends what goes to the decoder.
    fn offer(gate: &mut Gate<u64>, want: Want, n: u64, gop: u64, decoded: &mut Vec<u64>) {
        if let Verdict::Pass { first, .. } = gate.offer(want, packet(n, gop), || n) {
            decoded.extend(first);
            decoded.push(n);
        }
    }

    /// What is decoded of `packets`, and which of those pictures are wanted.
    fn play(gate: &mut Gate<u64>, want: Want, packets: std::ops::Range<u64>, gop: u64) -> (Vec<u64>, Vec<u64>) {
        let (mut decoded, mut shown) = (Vec::new(), Vec::new());
        for n in packets {
            if let Verdict::Pass { first, wanted } = gate.offer(want, packet(n, gop), || n) {
                decoded.extend(first);
                decoded.push(n);
                shown.extend(wanted.then_some(n));
            }
        }
        (decoded, shown)
    }

    const FIFTH: Want = Want::OneIn(Duration::from_millis(200));

    #[test]
    fn a_stream_joined_in_the_middle_waits_for_a_keyframe_but_not_for_ever() {
        let mut gate = Gate::live();
        let mut decoded = Vec::new();
        (3..30).for_each(|n| offer(&mut gate, Want::Every, n, 25, &mut decoded));
        assert_eq!(decoded, [25, 26, 27, 28, 29]);

        let mut gate = Gate::live();
        let mut decoded = Vec::new();
        (1..400).for_each(|n| offer(&mut gate, Want::Every, n, 10_000, &mut decoded));
        assert_eq!(decoded.first(), Some(&301), "12 s after packet 1");
    }

    #[test]
    fn leaving_idle_decodes_what_was_skipped_since_the_keyframe() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..5).for_each(|n| offer(&mut gate, Want::Every, n, 50, &mut decoded));
        (5..103).for_each(|n| offer(&mut gate, Want::Keyframes, n, 50, &mut decoded));
        assert_eq!(decoded, [0, 1, 2, 3, 4, 50, 100]);
        offer(&mut gate, Want::Every, 103, 50, &mut decoded);
        assert_eq!(decoded[6..], [100, 101, 102, 103]);
    }

    #[test]
    fn leaving_idle_at_a_keyframe_decodes_nothing_twice() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..50).for_each(|n| offer(&mut gate, Want::Keyframes, n, 50, &mut decoded));
        offer(&mut gate, Want::Every, 50, 50, &mut decoded);
        assert_eq!(decoded, [0, 50]);
    }

    #[test]
    fn all_keyframes_are_thinned_to_one_a_second() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..100).for_each(|n| offer(&mut gate, Want::Keyframes, n, 1, &mut decoded));
        assert_eq!(decoded, [0, 25, 50, 75]);
        offer(&mut gate, Want::Every, 100, 1, &mut decoded);
        assert_eq!(decoded.last(), Some(&100));
    }

    #[test]
    fn a_group_too_long_to_keep_means_waiting_for_the_next_keyframe() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..900).for_each(|n| offer(&mut gate, Want::Keyframes, n, 1000, &mut decoded));
        (900..1002).for_each(|n| offer(&mut gate, Want::Every, n, 1000, &mut decoded));
        assert_eq!(decoded, [0, 1000, 1001]);
    }

    #[test]
    fn a_late_packet_ends_its_group_of_pictures() {
        let mut gate = Gate::open();
        let mut decoded = Vec::new();
        (0..10).for_each(|n| offer(&mut gate, Want::Every, n, 25, &mut decoded));
        assert_eq!(gate.offer(Want::Every, Facts { late: true, ..packet(10, 25) }, || 10), Verdict::Skip);
        (11..27).for_each(|n| offer(&mut gate, Want::Every, n, 25, &mut decoded));
        assert_eq!(decoded[9..], [9, 25, 26]);
    }

    #[test]
    fn five_a_second_leave_the_end_of_each_group_of_pictures_undecoded() {
        let (decoded, shown) = play(&mut Gate::live(), FIFTH, 0..100, 50);
        assert_eq!(shown, (0..100).step_by(5).collect::<Vec<_>>());
        assert_eq!(decoded, (0..46).chain(50..96).collect::<Vec<_>>());
    }

    #[test]
    fn mjpeg_decodes_no_picture_that_is_not_wanted() {
        let (decoded, shown) = play(&mut Gate::live(), FIFTH, 0..100, 1);
        assert_eq!(decoded, shown);
        assert_eq!(shown.len(), 20);
    }

    #[test]
    fn when_fewer_are_wanted_keyframes_are_among_them() {
        let mut gate = Gate::live();
        play(&mut gate, FIFTH, 0..66, 50);
        let (decoded, shown) = play(&mut gate, Want::OneIn(Duration::from_millis(400)), 66..150, 50);
        assert_eq!(shown, [70, 80, 90, 100, 110, 120, 130, 140]);
        assert!(!decoded.iter().any(|n| (91..100).contains(n)), "{decoded:?}");
    }

    #[test]
    fn wanted_pictures_move_to_where_the_keyframes_are_now_and_then() {
        let mut gate = Gate::live();
        let (_, shown) = play(&mut gate, FIFTH, 0..3000, 48);
        assert!((580..=612).contains(&shown.len()), "{} of 600", shown.len());
        // A clip that begins anew shifts its keyframes against the pace, here twice within ten seconds: the second time is
        // mended ten seconds after the first.
        let mut gate = Gate::live();
        play(&mut gate, FIFTH, 0..500, 50);
        let mut passes = |n: u64, by: u64| {
            let packet = Facts { keyframe: n % 50 == by, ..packet(n, 50) };
            matches!(gate.offer(FIFTH, packet, || n), Verdict::Pass { wanted: true, .. })
        };
        assert!((500..560).any(|n| passes(n, 3) && n == 553));
        let shown: Vec<u64> = (560..860).filter(|&n| passes(n, 7)).collect();
        assert!(!shown.contains(&657) && shown.contains(&807) && shown.contains(&857), "{shown:?}");
    }

    #[test]
    fn about_so_many_leave_out_those_that_a_keyframe_follows_soon() {
        let mut gate = Gate::live();
        let about = Want::About(Duration::from_millis(400));
        play(&mut gate, about, 0..200, 50);
        let (decoded, shown) = play(&mut gate, about, 200..300, 50);
        assert_eq!(shown, [200, 210, 220, 230, 250, 260, 270, 280]);
        assert_eq!(decoded.len(), 2 * 31);
        // Where the keyframe does not come, what is wanted comes without it.
        let mut comes = |n: u64| {
            let packet = Facts { keyframe: false, ..packet(n, 50) };
            matches!(gate.offer(about, packet, || n), Verdict::Pass { wanted: true, .. })
        };
        let late: Vec<u64> = (300..345).filter(|&n| comes(n)).collect();
        assert_eq!(late, [300, 310, 320, 330, 340]);
    }

    #[test]
    fn more_are_had_at_once_when_they_are_wanted() {
        let mut gate = Gate::live();
        play(&mut gate, Want::OneIn(Duration::from_millis(800)), 0..33, 50);
        let (decoded, shown) = play(&mut gate, FIFTH, 33..40, 50);
        assert_eq!(shown, [33, 38]);
        assert_eq!(decoded.first(), Some(&21), "what was kept since picture 20 goes first");
    }

    #[test]
    fn while_the_decoder_owes_a_wanted_picture_nothing_is_kept() {
        let mut gate: Gate<u64> = Gate::live();
        play(&mut gate, FIFTH, 0..1, 50);
        let owed = Facts { owed: true, ..packet(1, 50) };
        assert_eq!(gate.offer(FIFTH, owed, || 1), Verdict::Pass { first: vec![], wanted: false });
        assert_eq!(gate.offer(FIFTH, packet(2, 50), || 2), Verdict::Skip);
    }

    #[test]
    fn what_is_too_much_to_keep_is_decoded_unless_only_keyframes_are_wanted() {
        let mut gate = Gate::live();
        let minute = Want::OneIn(Duration::from_secs(60));
        let (decoded, shown) = play(&mut gate, minute, 0..900, 10_000);
        assert_eq!((decoded.len(), shown), (602, vec![0]));
    }

    proptest! {
        #[test]
        fn the_decoder_never_sees_a_hole(gop in 1u64..60, start in 0u64..60, wants in prop::collection::vec((1u64..120, 0u64..10), 0..12)) {
            let mut gate = Gate::live();
            let mut decoded = Vec::new();
            let mut n = start;
            for (length, want) in wants {
                let want = match want {
                    0 => Want::Every,
                    1 => Want::Keyframes,
                    fifths if fifths < 6 => Want::OneIn(Duration::from_millis(200 * (fifths - 1))),
                    fifths => Want::About(Duration::from_millis(200 * (fifths - 5))),
                };
                for _ in 0..length {
                    offer(&mut gate, want, n, gop, &mut decoded);
                    n += 1;
                }
            }
            for (i, &d) in decoded.iter().enumerate() {
                let continues = i > 0 && decoded[i - 1] + 1 == d;
                prop_assert!(d % gop == 0 || continues, "{d} follows {:?}", decoded.get(i.wrapping_sub(1)));
            }
        }
    }
}
