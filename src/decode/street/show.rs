//! What may happen besides, in half an hour that repeats itself: the light changes, it rains, somebody stands for five
//! minutes, things are put down and taken away. All of it is off unless it is asked for.

use super::paint::sine;
use super::person::Looks;
use super::plot::Walk;

/// After so many seconds all this starts over.
pub const HALF_HOUR: f32 = 1800.0;

/// What happens besides. Default: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Show {
    /// Clouds pass, dusk falls and lifts, and lamps are switched.
    pub lights: bool,
    /// Showers of rain.
    pub rain: bool,
    /// Somebody comes, stands still for five minutes, and goes.
    pub stander: bool,
    /// Things are put down and taken away again, and what stood there from the beginning is taken.
    pub things: bool,
}

/// A bag that stands somewhere while nobody carries it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thing {
    /// Tells it from all others.
    pub id: u32,
    /// Metres right of the middle, and its line.
    pub at: (f32, f32),
    /// From when until when, in seconds of the half hour.
    pub stands: (f32, f32),
}

/// All things of the half hour. One that stands from the beginning is part of the street until it is taken.
pub const THINGS: [Thing; 6] = [
    Thing { id: 70, at: (3.1, 0.86), stands: (130.0, 205.0) },
    Thing { id: 71, at: (-3.2, 0.95), stands: (700.0, 815.0) },
    Thing { id: 72, at: (0.1, 0.835), stands: (1000.0, 1105.0) },
    Thing { id: 73, at: (2.7, 0.825), stands: (0.0, 420.0) },
    Thing { id: 73, at: (2.7, 0.825), stands: (495.0, HALF_HOUR) },
    Thing { id: 74, at: (-0.9, 0.95), stands: (0.0, 1310.0) },
];

/// The number of whoever stands.
pub const STANDER: u32 = 60;
/// From when until when.
pub const STANDS: (f32, f32) = (240.0, 545.0);

/// When lamps are on, in seconds of the half hour: which, from when, until when.
const LAMPS: [(usize, f32, f32); 5] =
    [(0, 75.0, 190.0), (1, 250.0, 395.0), (0, 610.0, 1400.0), (1, 905.0, 1208.0), (1, 1500.0, 1530.0)];
/// Where lamps shine: the middle and the radius of the pool, in heights of the picture, and how bright, in parts of daylight.
const POOLS: [(f32, f32, f32, f32); 2] = [(0.45, 0.75, 0.42, 0.55), (1.30, 0.70, 0.50, 0.45)];
/// From when until when it rains, in seconds of the half hour.
const SHOWERS: [(f32, f32); 3] = [(100.0, 280.0), (680.0, 1090.0), (1480.0, 1600.0)];

impl Show {
    /// Everybody who comes besides, dressed by `looks`.
    pub fn walks(self, mut looks: impl FnMut() -> Looks) -> Vec<Walk> {
        let mut walks = Vec::new();
        if self.stander {
            let (from, until) = STANDS;
            let way =
                vec![(from - 5.0, -6.4, 0.90), (from, -1.6, 0.90), (until, -1.6, 0.90), (until + 5.0, -6.6, 0.90)];
            walks.push(Walk { id: STANDER, looks: looks(), way, bends: None, carries: None });
        }
        if self.things {
            for (index, thing) in THINGS.iter().enumerate() {
                let (from, until) = thing.stands;
                let comes = [(from > 0.0).then_some((from, true)), (until < HALF_HOUR).then_some((until, false))];
                for (at, brings) in comes.into_iter().flatten() {
                    let (x, line) = (thing.at.0 + 0.3, thing.at.1 + 0.01);
                    let way =
                        vec![(at - 5.6, 6.6, line), (at - 1.0, x, line), (at + 1.0, x, line), (at + 5.8, 6.8, line)];
                    let carries = if brings { (0.0, at) } else { (at, HALF_HOUR) };
                    let id = 100 + 2 * index as u32 + u32::from(brings);
                    walks.push(Walk { id, looks: looks(), way, bends: Some((at, 0.7)), carries: Some(carries) });
                }
            }
        }
        walks
    }

    /// What stands somewhere at `second` of the half hour.
    pub fn things(self, second: f32) -> impl Iterator<Item = &'static Thing> {
        let stands = move |thing: &&Thing| (thing.stands.0..thing.stands.1).contains(&second);
        THINGS.iter().filter(move |_| self.things).filter(stands)
    }
}

/// The pools of light of all lamps, one value for each pixel of luma, 0..255.
#[derive(Debug, Default)]
pub struct Lights {
    pools: Vec<Vec<u8>>,
}

impl Lights {
    /// Those of a picture of `width` by `height`.
    pub fn new(width: u32, height: u32) -> Self {
        let side = height.max(1) as f32;
        let pool = |(x, y, radius, _): (f32, f32, f32, f32)| {
            let level = |row: u32, column: u32| {
                let (dx, dy) = (column as f32 / side - x, (row as f32 / side - y) * 2.0);
                let inside = (1.0 - (dx * dx + dy * dy) / (radius * radius)).max(0.0);
                (inside * inside * 255.0) as u8
            };
            (0..height).flat_map(|row| (0..width).map(move |column| level(row, column))).collect()
        };
        Self { pools: POOLS.into_iter().map(pool).collect() }
    }

    /// Lights the luma of a picture as it is lit at `second` of the half hour.
    pub fn shine(&self, second: f32, luma: &mut [u8]) {
        // Two clouds that never meet twice alike; dusk for five minutes, coming and going in one each.
        let clouds = 0.86 + 0.10 * sine(second / 97.0) + 0.04 * sine(second / 23.0);
        let dusk = ((second - 840.0) / 60.0).clamp(0.0, 1.0) * ((1260.0 - second) / 60.0).clamp(0.0, 1.0);
        let day = (clouds * (1.0 - 0.55 * dusk) * 256.0) as u32;
        let bright = |lamp: usize| {
            let is_on = LAMPS.iter().any(|(which, from, until)| *which == lamp && (*from..*until).contains(&second));
            if is_on { (POOLS[lamp].3 * 256.0) as u32 } else { 0 }
        };
        let lamps = [bright(0), bright(1)];
        for ((level, first), second) in luma.iter_mut().zip(&self.pools[0]).zip(&self.pools[1]) {
            let light = day + ((u32::from(*first) * lamps[0] + u32::from(*second) * lamps[1]) >> 8);
            let lit = 16 + ((u32::from(level.saturating_sub(16)) * light) >> 8);
            *level = lit.min(235) as u8;
        }
    }
}

/// Draws the rain of picture `index`, at `second` of the half hour, into its luma.
pub fn rain(index: u64, second: f32, width: usize, luma: &mut [u8]) {
    if !SHOWERS.iter().any(|(from, until)| (*from..*until).contains(&second)) || width == 0 {
        return;
    }
    let height = luma.len() / width;
    let mut random = fastrand::Rng::with_seed(index ^ 0x4A1);
    for _ in 0..luma.len() / 260 {
        let (mut at, length) = (random.usize(0..luma.len()), height / 30 + random.usize(0..height / 20 + 1));
        for step in 0..length {
            luma[at] = luma[at].saturating_add(24);
            // Down, and now and then a pixel to the left.
            at += width - usize::from(step % 4 == 3);
            if at >= luma.len() {
                break;
            }
        }
    }
}
