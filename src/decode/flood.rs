//! Cameras that send without an end what is no picture.
//!
//! rtspsrc takes an RTSP answer into memory whole, its header and its body however long they are, as fast as the line brings
//! them, and shows neither its socket nor how much came. What came over a connection the kernel knows ([`sockets`]), what of
//! it became a stream the [`Feed`] knows, and a camera's connections are known by their other end. So one thread looks at
//! all RTSP connections of the process, and a camera that sends more beside its stream than any has to say is given up.
//!
//! Several cameras may have one address: the channels of a recorder. Which connection is whose cannot be seen then, so that
//! all of an address is added up, and what is cut is the connection over which most came. Told so are those of the address's
//! cameras from which nothing else came meanwhile; if it was another's, rtspsrc tells that one that its connection is gone.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use url::Url;

use super::feed::{Feed, lock};
use super::{DecodeError, Settings, Transport, reach};
use crate::base::sockets::{self, Connection};
use crate::base::threads;

/// Bytes that a camera may send before it has said what it offers. Answers and an SDP together take a few thousand.
const BEFORE: u64 = 1 << 20;
/// And later, beside its stream: what is on its way through rtspsrc counts as that until it comes out. A second of 100 Mbit/s,
/// and as much again for each second that packets wait for late ones.
const LATER: u64 = 16 << 20;
/// And besides, always, in bytes a second: reports, keep-alives, and sound that was not asked for.
const BESIDE: f64 = 65_536.0;
/// Nothing of a stream takes more than twice its bytes on the line, small packets with their headers included.
const OVERHEAD: u64 = 2;
/// How often the connections are looked at while a camera connects, of whose memory this is the measure: at 400 MB a second,
/// 8 MB come between two looks.
const CONNECTING: Duration = Duration::from_millis(20);
/// And later, where nothing has come of a stream since the last look, or may come beside it.
const STREAMING: Duration = Duration::from_millis(250);
/// And while all streams move, which an answer within the same connection would keep them from: to look costs half a
/// millisecond, and that four times a second a fiftieth of what a small camera costs.
const MOVING: Duration = Duration::from_secs(2);

/// A camera's connections, looked at until its feed is gone.
pub(super) struct Guard {
    feed: Weak<Feed>,
    /// Whether the stream comes over the same connection.
    interleaved: bool,
    /// Bytes that may come beside it; see [`BEFORE`] and [`LATER`].
    allowed: AtomicU64,
    allowed_later: u64,
    /// Bytes of the stream when that was last asked.
    seen: AtomicU64,
    /// The places it was sent to, as they were named, and what they are called in numbers.
    places: Mutex<HashMap<String, Vec<SocketAddr>>>,
}

impl Guard {
    /// For the camera of this feed, from which nothing has come yet.
    pub fn new(feed: &Arc<Feed>, settings: &Settings) -> Arc<Self> {
        let guard = Arc::new(Self {
            feed: Arc::downgrade(feed),
            interleaved: settings.transport != Transport::Udp,
            allowed: AtomicU64::new(BEFORE),
            allowed_later: LATER + (LATER as f64 * settings.latency.as_secs_f64()) as u64,
            seen: AtomicU64::default(),
            places: Mutex::default(),
        });
        lock(&WATCH.guards).push(guard.clone());
        guard
    }

    /// To be called when the camera has said what it offers: from now on its stream may come.
    pub fn described(&self) {
        self.allowed.store(self.allowed_later, Relaxed);
    }

    /// To be called when the camera has been connected to at `place`, before it is asked anything there. Looks its name up,
    /// as whoever connected just has.
    pub fn connected(&self, place: &Url) {
        let name = format!("{}:{:?}", place.host_str().unwrap_or_default(), place.port());
        let is_known = lock(&self.places).contains_key(&name);
        if !is_known {
            // Which may take long, so that nobody waits for the lock meanwhile.
            let addresses = reach::addresses(place).into_iter().map(sockets::plain).collect();
            lock(&self.places).insert(name, addresses);
        }
        WATCH.more.notify_all();
    }

    fn addresses(&self) -> HashSet<SocketAddr> {
        lock(&self.places).values().flatten().copied().collect()
    }
}

/// The one thread, started with the first camera, and what it looks after.
struct Watch {
    guards: Mutex<Vec<Arc<Guard>>>,
    more: Condvar,
}

static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    if let Err(error) = threads::spawn("rtsp-flood", || WATCH.run()) {
        tracing::error!(%error, "no thread looks at how much cameras send");
    }
    Watch { guards: Mutex::default(), more: Condvar::new() }
});

impl Watch {
    fn run(&self) {
        let mut ledger = Ledger::default();
        let mut last = None;
        loop {
            let cameras: Vec<(Arc<Guard>, Arc<Feed>)> = {
                let mut guards = lock(&self.guards);
                guards.retain(|guard| guard.feed.strong_count() > 0);
                guards.iter().filter_map(|guard| Some((guard.clone(), guard.feed.upgrade()?))).collect()
            };
            let urgency = cameras.iter().map(|(guard, feed)| urgency(guard, feed)).max().unwrap_or(Urgency::None);
            if let Some((_, feed)) = cameras.first() {
                let now = feed.clock.mono();
                let elapsed = now.saturating_sub(*last.get_or_insert(now));
                if urgency != Urgency::None || elapsed >= MOVING {
                    look(&mut ledger, &cameras, elapsed);
                    last = Some(now);
                }
            }
            // No feed is kept from ending while this waits.
            drop(cameras);
            let guards = lock(&self.guards);
            let pause = if urgency == Urgency::Connecting { CONNECTING } else { STREAMING };
            if guards.is_empty() {
                drop(self.more.wait(guards).unwrap_or_else(PoisonError::into_inner));
            } else {
                drop(self.more.wait_timeout(guards, pause).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

/// How soon a camera's connections are to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// It has no connection, or what comes over it is its stream.
    None,
    /// Something else may be coming.
    Silent,
    /// It is connected to and has not begun.
    Connecting,
}

fn urgency(guard: &Guard, feed: &Feed) -> Urgency {
    let bytes = feed.counters.bytes.load(Relaxed);
    let has_moved = guard.seen.swap(bytes, Relaxed) != bytes;
    if lock(&guard.places).is_empty() || feed.outcome().is_some() {
        Urgency::None
    } else if bytes == 0 {
        Urgency::Connecting
    } else if has_moved && guard.interleaved {
        Urgency::None
    } else {
        Urgency::Silent
    }
}

/// Looks once, `elapsed` after the last time, and gives up who sends too much.
fn look(ledger: &mut Ledger, cameras: &[(Arc<Guard>, Arc<Feed>)], elapsed: Duration) {
    let stands: Vec<Stand> = cameras.iter().map(|(guard, feed)| stand(guard, feed)).collect();
    let wanted: HashSet<SocketAddr> = stands.iter().flat_map(|stand| stand.addresses.iter().copied()).collect();
    let found = match sockets::connections(|peer| wanted.contains(&peer)) {
        Ok(found) => found,
        Err(error) => return tracing::debug!(%error, "the connections cannot be looked at"),
    };
    for Flood { ends, bytes, cameras: suspects } in ledger.enter(&found, &stands, elapsed) {
        for feed in suspects.into_iter().map(|at| &cameras[at].1) {
            feed.fail(DecodeError::Flood { source_name: feed.source.to_string(), bytes });
        }
        // As long as there is something to read, rtspsrc cannot be stopped.
        match sockets::cut(ends) {
            Ok(is_cut) => {
                tracing::warn!(peer = %ends.1, bytes, is_cut, "a camera sends without an end what is no picture")
            }
            Err(error) => tracing::error!(peer = %ends.1, bytes, %error, "a camera that floods cannot be cut off"),
        }
    }
}

fn stand(guard: &Arc<Guard>, feed: &Feed) -> Stand {
    Stand {
        camera: Arc::as_ptr(guard) as usize,
        addresses: guard.addresses(),
        streamed: feed.counters.bytes.load(Relaxed),
        interleaved: guard.interleaved,
        allowed: guard.allowed.load(Relaxed),
    }
}

/// How one camera stands at a look.
#[derive(Debug, Clone)]
struct Stand {
    /// What tells it from all others that there are.
    camera: usize,
    addresses: HashSet<SocketAddr>,
    /// Bytes of its stream so far.
    streamed: u64,
    interleaved: bool,
    /// Bytes that may come beside it.
    allowed: u64,
}

/// Somebody who sends too much.
#[derive(Debug, PartialEq, Eq)]
struct Flood {
    /// The connection's two ends.
    ends: Ends,
    /// What came from there beside all streams.
    bytes: u64,
    /// The cameras that are given up, by their place among all.
    cameras: Vec<usize>,
}

/// This end of a connection and the other.
type Ends = (SocketAddr, SocketAddr);

/// What came from where, from look to look.
#[derive(Debug, Default)]
struct Ledger {
    received: HashMap<Ends, u64>,
    /// Of each camera's stream.
    streamed: HashMap<usize, u64>,
    accounts: HashMap<SocketAddr, Account>,
    /// Those that were cut and are still there: what they had received can be read yet.
    cut: HashSet<Ends>,
}

/// What came from one address beside all streams, since there was last nothing.
#[derive(Debug, Default)]
struct Account {
    bytes: u64,
    /// All that came, by this end of the connection.
    came: HashMap<SocketAddr, u64>,
    /// From which cameras there came something of a stream.
    streaming: HashSet<usize>,
}

/// A camera at an address: its place among all, how it stands, and what came of its stream since the last look.
type Member<'a> = (usize, &'a Stand, u64);

impl Ledger {
    /// Takes a look's figures and tells who sends too much.
    fn enter(&mut self, connections: &[Connection], cameras: &[Stand], elapsed: Duration) -> Vec<Flood> {
        let came = self.came(connections);
        let new = |stand: &Stand| stand.streamed.saturating_sub(self.streamed.get(&stand.camera).copied().unwrap_or(0));
        let members: Vec<Member<'_>> = cameras.iter().enumerate().map(|(at, stand)| (at, stand, new(stand))).collect();
        self.streamed = cameras.iter().map(|stand| (stand.camera, stand.streamed)).collect();
        self.accounts.retain(|peer, _| came.contains_key(peer));
        let mut floods = Vec::new();
        for (peer, came) in came {
            let here: Vec<Member<'_>> =
                members.iter().filter(|(_, stand, _)| stand.addresses.contains(&peer)).copied().collect();
            if here.is_empty() {
                continue;
            }
            let account = self.accounts.entry(peer).or_default();
            account.enter(&came, &here, elapsed);
            if let Some((local, bytes)) = account.too_much(&here) {
                self.cut.insert((local, peer));
                floods.push(Flood { ends: (local, peer), bytes, cameras: account.suspects(&here) });
                *account = Account::default();
            }
        }
        floods
    }

    /// What came since the last look, by address and this end of the connection.
    fn came(&mut self, connections: &[Connection]) -> HashMap<SocketAddr, HashMap<SocketAddr, u64>> {
        let mut came: HashMap<SocketAddr, HashMap<SocketAddr, u64>> = HashMap::new();
        let mut received = HashMap::new();
        for Connection { local, peer, received: so_far } in connections.iter().copied() {
            let ends = (local, peer);
            // Less than before is another connection with the same ends.
            let before = self.received.get(&ends).copied().filter(|before| *before <= so_far);
            received.insert(ends, so_far);
            if before.is_none() {
                self.cut.remove(&ends);
            }
            if !self.cut.contains(&ends) {
                *came.entry(peer).or_default().entry(local).or_default() += so_far - before.unwrap_or(0);
            }
        }
        self.cut.retain(|ends| received.contains_key(ends));
        self.received = received;
        came
    }
}

impl Account {
    /// Adds what `came` and takes off what of it was expected.
    fn enter(&mut self, came: &HashMap<SocketAddr, u64>, members: &[Member<'_>], elapsed: Duration) {
        let interleaved = members.iter().filter(|(_, stand, _)| stand.interleaved);
        let of_streams: u64 = interleaved.map(|(_, _, new)| new * OVERHEAD).sum();
        let beside = (elapsed.as_secs_f64() * BESIDE) as u64;
        self.bytes = (self.bytes + came.values().sum::<u64>()).saturating_sub(of_streams + beside);
        if self.bytes == 0 {
            *self = Self::default();
            return;
        }
        came.iter().for_each(|(local, bytes)| *self.came.entry(*local).or_default() += bytes);
        self.streaming.extend(members.iter().filter(|(_, _, new)| *new > 0).map(|(_, stand, _)| stand.camera));
    }

    /// If it is too much, over which connection most of it came, and how much it is.
    fn too_much(&self, members: &[Member<'_>]) -> Option<(SocketAddr, u64)> {
        let allowed: u64 = members.iter().map(|(_, stand, _)| stand.allowed).sum();
        let most = self.came.iter().max_by_key(|(_, bytes)| **bytes);
        most.filter(|_| self.bytes > allowed).map(|(local, _)| (*local, self.bytes))
    }

    /// Whose connection that may be: of those from which nothing else came, or of the only one that there is.
    fn suspects(&self, members: &[Member<'_>]) -> Vec<usize> {
        let is_suspect = |stand: &Stand| members.len() == 1 || !self.streaming.contains(&stand.camera);
        members.iter().filter(|(_, stand, _)| is_suspect(stand)).map(|(at, _, _)| *at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn place(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], port))
    }

    fn camera(camera: usize, port: u16, streamed: u64) -> Stand {
        let allowed = if streamed == 0 { BEFORE } else { LATER };
        Stand { camera, addresses: HashSet::from([place(port)]), streamed, interleaved: true, allowed }
    }

    fn connection(local: u16, port: u16, received: u64) -> Connection {
        Connection { local: SocketAddr::from(([10, 0, 0, 1], local)), peer: place(port), received }
    }

    /// The looks of a time in which each second so much comes, by connection, and so much of it is streamed, by camera; all at
    /// port 554. The second in which somebody was given up, and who.
    fn watched(seconds: u64, lines: &[u64], streams: &[u64], change: impl Fn(&mut Stand)) -> Option<(u64, Vec<usize>)> {
        let mut ledger = Ledger::default();
        (0..=seconds).find_map(|second| {
            let lines = lines.iter().zip(1..).map(|(bytes, local)| connection(local, 554, bytes * second));
            let stands = streams.iter().enumerate().map(|(at, bytes)| {
                let mut stand = camera(at, 554, bytes * second);
                change(&mut stand);
                stand
            });
            let gone = ledger.enter(&lines.collect::<Vec<_>>(), &stands.collect::<Vec<_>>(), Duration::from_secs(1));
            (!gone.is_empty()).then(|| (second, gone.into_iter().flat_map(|flood| flood.cameras).collect()))
        })
    }

    const DAY: u64 = 86_400;

    #[test]
    fn a_camera_that_streams_is_left_alone_for_a_day_whatever_it_streams_and_with_sound_that_nobody_asked_for() {
        for rate in [2_000, 500_000, 12_000_000] {
            assert_eq!(watched(DAY, &[rate + rate / 50], &[rate], |_| ()), None, "{rate} bytes a second");
            assert_eq!(watched(DAY, &[rate + 40_000], &[rate], |_| ()), None, "{rate} bytes a second, and sound");
        }
        // Keep-alives alone, the stream comes in datagrams.
        assert_eq!(watched(DAY, &[300], &[500_000], |stand| stand.interleaved = false), None);
    }

    #[test]
    fn an_answer_without_an_end_is_given_up_after_a_mebibyte_and_later_after_sixteen() {
        assert_eq!(watched(60, &[300_000], &[0], |_| ()), Some((5, vec![0])));
        assert_eq!(watched(60, &[10 * MIB], &[1000], |_| ()), Some((2, vec![0])), "among its pictures");
        // Over a connection of its own, however much streams beside it.
        assert_eq!(watched(60, &[3 * MIB], &[2 * MIB], |stand| stand.interleaved = false), Some((6, vec![0])));
    }

    #[test]
    fn of_a_recorders_channels_the_one_is_given_up_that_sends_no_pictures() {
        let lines = [500_000, 700_000, 30 * MIB, 400_000];
        assert_eq!(watched(60, &lines, &[490_000, 690_000, 0, 390_000], |_| ()), Some((2, vec![2])));
        assert_eq!(watched(DAY, &[500_000, 700_000, 0], &[490_000, 690_000, 0], |_| ()), None);
        // All of them show pictures, and so it cannot be told whose it is; its connection is cut all the same.
        assert_eq!(watched(60, &lines, &[490_000, 690_000, 10_000, 390_000], |_| ()), Some((3, vec![])));
    }

    #[test]
    fn the_connection_that_floods_is_cut_once_and_nobody_else_answers_for_what_still_comes_of_it() {
        let mut ledger = Ledger::default();
        let mut floods = Vec::new();
        for look in 0..100u64 {
            let lines = [connection(1, 554, look * 30 * MIB), connection(2, 554, look * 100_000)];
            let cameras = [camera(1, 554, 0), camera(2, 554, look * 99_000)];
            floods.extend(ledger.enter(&lines, &cameras, Duration::from_millis(250)));
        }
        let [Flood { ends, bytes, cameras }] = &floods[..] else { panic!("{floods:?}") };
        assert_eq!((ends.0.port(), ends.1.port(), &cameras[..]), (1, 554, &[0][..]));
        assert!((17 * MIB..=48 * MIB).contains(bytes), "{bytes}");
        // Another connection with the same ends is another matter.
        let cameras = |look: u64| [camera(3, 554, 0), camera(2, 554, look * 99_000)];
        ledger.enter(&[connection(1, 554, 1000)], &cameras(100), Duration::from_millis(250));
        let floods = ledger.enter(&[connection(1, 554, 40 * MIB)], &cameras(101), Duration::from_millis(250));
        assert_eq!(floods.iter().flat_map(|flood| &flood.cameras).collect::<Vec<_>>(), [&0]);
    }

    #[test]
    fn other_addresses_and_connections_that_are_opened_anew_count_from_nothing() {
        let mut ledger = Ledger::default();
        for look in 0..1000u64 {
            // A new connection each time, the third of them with both ends as one before.
            let lines = [connection((look % 3) as u16, 554, 60_000), connection(9, 80, look * 30 * MIB)];
            let gone = ledger.enter(&lines, &[camera(1, 554, 0)], Duration::from_secs(1));
            assert_eq!(gone, [], "look {look}");
        }
        assert!(ledger.received.len() == 2 && ledger.accounts.len() == 1, "{ledger:?}");
    }
}
