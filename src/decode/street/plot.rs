//! What happens: who is where, in a minute that repeats itself without a seam.

use super::paint::Rgb;
use super::person::Looks;
use super::show::Show;
use super::vehicle::Body;

/// After so many seconds everything starts over.
pub const MINUTE: f32 = 60.0;

/// The number of the bag that is left and fetched.
pub const BAG_ID: u32 = 90;
/// Where the bag is left: metres right of the middle, and its line.
pub const BAG_AT: (f32, f32) = (1.25, 0.905);
/// From when until when it stands there alone, in seconds.
pub const BAG_LEFT: (f32, f32) = (32.6, 52.6);

/// Seconds, metres right of the middle, line.
type Waypoint = (f32, f32, f32);

/// Somebody's way: where they are at which second, in straight lines between.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Tells them from all others.
    pub id: u32,
    /// What they look like.
    pub looks: Looks,
    /// In straight lines from one to the next.
    pub way: Vec<Waypoint>,
    /// When they bend down, and for how long to either side, in seconds.
    pub bends: Option<(f32, f32)>,
    /// When they carry a bag.
    pub carries: Option<(f32, f32)>,
}

/// A vehicle's way, at one speed.
#[derive(Debug, Clone, Copy)]
pub struct Drive {
    /// Tells it from all others.
    pub id: u32,
    /// Its kind.
    pub body: Body,
    /// Its paint.
    pub colour: Rgb,
    /// When it is in the middle of the picture, seconds.
    pub passes: f32,
    /// Metres a second to the right; 0 for a parked one.
    pub speed: f32,
    /// Where a parked one stands, metres right of the middle.
    pub stands: f32,
    /// The line its wheels are on.
    pub line: f32,
}

/// Where somebody is at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Metres right of the middle.
    pub x: f32,
    /// The line they are on.
    pub line: f32,
    /// Metres a second to the right.
    pub speed: f32,
    /// Whether they walk at all; also towards the camera.
    pub walks: bool,
    /// Metres walked since they appeared.
    pub walked: f32,
}

impl Walk {
    /// Where they are at `second`; `None` before and after their way.
    pub fn at(&self, second: f32) -> Option<Step> {
        let mut walked = 0.0;
        for leg in self.way.windows(2) {
            let ((t0, x0, l0), (t1, x1, l1)) = (leg[0], leg[1]);
            // A change of line is a way along the ground too; ten metres to the height of the picture is near enough.
            let ahead = ((x1 - x0) * (x1 - x0) + (l1 - l0) * (l1 - l0) * 400.0).sqrt();
            if second >= t0 && second < t1 {
                let t = (second - t0) / (t1 - t0);
                let speed = (x1 - x0) / (t1 - t0);
                let at = Step { x: x0 + (x1 - x0) * t, line: l0 + (l1 - l0) * t, speed, walks: ahead > 0.3, walked };
                return Some(Step { walked: walked + ahead * t, ..at });
            }
            walked += ahead;
        }
        None
    }
}

const JACKETS: [Rgb; 8] = [
    [178.0, 44.0, 40.0],
    [40.0, 66.0, 120.0],
    [218.0, 178.0, 58.0],
    [52.0, 96.0, 72.0],
    [196.0, 196.0, 192.0],
    [44.0, 44.0, 48.0],
    [120.0, 76.0, 132.0],
    [206.0, 110.0, 50.0],
];
const TROUSERS: [Rgb; 5] =
    [[44.0, 54.0, 84.0], [34.0, 34.0, 38.0], [96.0, 84.0, 66.0], [66.0, 70.0, 76.0], [150.0, 138.0, 112.0]];
const SKINS: [Rgb; 4] = [[226.0, 182.0, 152.0], [200.0, 150.0, 116.0], [148.0, 102.0, 74.0], [104.0, 70.0, 52.0]];
const HAIRS: [Rgb; 5] =
    [[42.0, 32.0, 26.0], [88.0, 60.0, 36.0], [26.0, 24.0, 24.0], [166.0, 130.0, 76.0], [124.0, 120.0, 116.0]];
const PAINTS: [Rgb; 6] = [
    [168.0, 34.0, 34.0],
    [46.0, 78.0, 142.0],
    [204.0, 206.0, 208.0],
    [62.0, 66.0, 70.0],
    [222.0, 176.0, 40.0],
    [40.0, 104.0, 92.0],
];

/// Dresses one after the other.
fn wardrobe(seed: u64) -> impl FnMut() -> Looks {
    let mut random = fastrand::Rng::with_seed(seed);
    let first = random.usize(0..JACKETS.len());
    let mut dressed = 0;
    move || {
        dressed += 1;
        Looks {
            height: 1.62 + random.f32() * 0.24,
            // In turn, so that people who are seen together differ.
            jacket: JACKETS[(first + dressed * 3) % JACKETS.len()],
            trousers: TROUSERS[random.usize(0..TROUSERS.len())],
            shoes: if random.bool() { [34.0, 30.0, 30.0] } else { [196.0, 192.0, 186.0] },
            skin: SKINS[random.usize(0..SKINS.len())],
            hair: HAIRS[random.usize(0..HAIRS.len())],
            long_hair: random.bool(),
        }
    }
}

/// Everybody who comes with `show`, dressed by `seed`.
pub fn extras(show: Show, seed: u64) -> Vec<Walk> {
    show.walks(wardrobe(seed ^ 0xE87A))
}

/// Everybody who passes, dressed by `seed`.
pub fn walks(seed: u64) -> Vec<Walk> {
    let mut looks = wardrobe(seed);
    let ways: [(u32, &[Waypoint]); 8] = [
        // Along the near pavement, to the right.
        (1, &[(1.5, -6.2, 0.90), (11.5, 6.2, 0.90)]),
        // Along the far pavement, both ways.
        (2, &[(4.0, 13.0, 0.522), (24.0, -13.0, 0.522)]),
        (3, &[(30.0, -13.0, 0.528), (49.0, 13.0, 0.528)]),
        // Two together, to the left.
        (4, &[(12.0, 6.2, 0.86), (22.0, -6.6, 0.86)]),
        (5, &[(12.4, 6.6, 0.93), (22.6, -6.2, 0.93)]),
        // Loiters on the near pavement, strolls to and fro, and leaves to the left.
        (
            6,
            &[
                (21.0, -6.4, 0.875),
                (24.4, -2.1, 0.875),
                (33.0, -2.1, 0.875),
                (34.2, -1.0, 0.875),
                (44.0, -1.0, 0.875),
                (45.2, -2.3, 0.875),
                (53.0, -2.3, 0.875),
                (56.6, -6.6, 0.875),
            ],
        ),
        // Brings a bag, puts it down and goes back; somebody else fetches it.
        (7, &[(27.0, 6.2, 0.915), (31.6, 1.55, 0.915), (33.6, 1.55, 0.915), (37.8, 6.4, 0.915)]),
        (8, &[(47.6, 6.2, 0.92), (51.6, 1.55, 0.92), (53.6, 1.55, 0.92), (57.8, 6.4, 0.92)]),
    ];
    let mut walks: Vec<Walk> = ways
        .into_iter()
        .map(|(id, way)| Walk { id, looks: looks(), way: way.to_vec(), bends: None, carries: None })
        .collect();
    (walks[6].bends, walks[6].carries) = (Some((BAG_LEFT.0, 0.7)), Some((0.0, BAG_LEFT.0)));
    (walks[7].bends, walks[7].carries) = (Some((BAG_LEFT.1, 0.7)), Some((BAG_LEFT.1, MINUTE)));
    // Over the zebra crossing, towards the camera, and off to the right along the near pavement.
    let over = vec![
        (37.0, -13.0, 0.52),
        (42.0, -3.0, 0.52),
        (42.4, -3.0, 0.53),
        (46.6, -3.0, 0.80),
        (48.0, -4.0, 0.84),
        (50.5, -7.0, 0.84),
    ];
    walks.push(Walk { id: 9, looks: looks(), way: over, bends: None, carries: None });
    walks
}

/// All vehicles, painted by `seed`; the first is parked.
pub fn drives(seed: u64) -> Vec<Drive> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0xCA5);
    let first = random.usize(0..PAINTS.len());
    // None passes while somebody is on the crossing.
    let passing = [
        (20, Body::Car, 4.5, 6.5, 0.735),
        (21, Body::Van, 10.5, -6.0, 0.605),
        (22, Body::Car, 18.0, -6.8, 0.605),
        (23, Body::Car, 25.5, 6.2, 0.735),
        (24, Body::Car, 33.0, -6.5, 0.605),
        (25, Body::Van, 37.0, 7.2, 0.735),
        (26, Body::Car, 53.0, -6.6, 0.605),
        (27, Body::Car, 56.0, 6.4, 0.735),
    ];
    let mut painted = first;
    let mut paint = || {
        painted += 1;
        PAINTS[painted % PAINTS.len()]
    };
    let parked = Drive { id: 19, body: Body::Car, colour: paint(), passes: 0.0, speed: 0.0, stands: 4.6, line: 0.563 };
    let jitter: Vec<f32> = passing.iter().map(|_| random.f32() - 0.5).collect();
    let passing = passing.into_iter().zip(jitter).map(|((id, body, passes, speed, line), jitter)| Drive {
        id,
        body,
        colour: paint(),
        passes: passes + jitter,
        speed,
        stands: 0.0,
        line,
    });
    std::iter::once(parked).chain(passing).collect()
}
