//! `scene://`: a street drawn by this program, for demonstrations and tests without a camera.
//!
//! People walk, a car is parked and others pass, somebody leaves a bag that somebody else fetches, and somebody loiters;
//! after a minute it all starts over. What else may happen is a [`Show`]. The same seed, size and rate give the same bytes on every machine, and
//! [`Street::truth`] says what there is to be seen. Pure: no clock, no files, no chance but the seed.

mod backdrop;
mod paint;
mod person;
mod plot;
mod show;
mod vehicle;
mod view;

use crate::vocab::Rect;

pub use show::Show;

use paint::{Bounds, Tile, cosine, sine};
use person::Pose;
use plot::{Drive, Step, Walk};
use show::{HALF_HOUR, Lights};
use vehicle::Vehicle;
use view::View;

/// Luma levels by which the sensor is wrong at most, either way.
const NOISE: i8 = 3;
/// How many values of noise are drawn once and then used over and over from changing places.
const NOISE_LENGTH: usize = 1 << 16;
/// An object of which less than this share of its width is in the picture is no part of the truth.
const VISIBLE: f32 = 0.4;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    Person,
    /// A car or van.
    Vehicle,
    /// A bag that nobody carries.
    Bag,
}

/// An object in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Actor {
    /// The same in every picture of one minute.
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    /// Where, normalised, as if nothing stood before it.
    pub bbox: Rect,
}

/// A street that can be drawn at any moment.
#[derive(Debug)]
pub struct Street {
    width: u32,
    height: u32,
    fps: f64,
    view: View,
    backdrop: Vec<u8>,
    noise: Vec<i8>,
    walks: Vec<Walk>,
    drives: Vec<Drive>,
    show: Show,
    /// Those who come with the show, in seconds of its half hour.
    extras: Vec<Walk>,
    lights: Option<Lights>,
}

/// Something to be drawn, in the order of how near it is.
enum Figure<'a> {
    Person(&'a Walk, Pose),
    Vehicle(u32, Vehicle),
    Bag(u32, paint::Px, f32),
}

impl Street {
    /// A street of `width` by `height` pixels (16 to 4096 each, else the nearest) with `fps` pictures a second (0.1 to
    /// 1000). Paints the backdrop, which takes some tenths of a second.
    pub fn new(seed: u64, width: u32, height: u32, fps: f64) -> Self {
        Self::with(Show::default(), seed, width, height, fps)
    }

    /// The same street with more that happens.
    pub fn with(show: Show, seed: u64, width: u32, height: u32, fps: f64) -> Self {
        let (width, height) = (width.clamp(16, 4096), height.clamp(16, 4096));
        let view = View { width: width as f32, height: height as f32 };
        let large = View { width: view.width * 2.0, height: view.height * 2.0 };
        let mut backdrop = vec![0; packed_length(width, height)];
        backdrop::paint(large, seed as u32).halved().lay_over(&mut backdrop, width, height);
        let mut random = fastrand::Rng::with_seed(seed ^ 0x5EED);
        // Two together make small errors more frequent than large ones.
        let mut error = || (random.i8(-NOISE..=NOISE) + random.i8(-NOISE..=NOISE)) / 2;
        let noise = (0..NOISE_LENGTH + width as usize).map(|_| error()).collect();
        let fps = if fps.is_finite() { fps.clamp(0.1, 1000.0) } else { 10.0 };
        let lights = show.lights.then(|| Lights::new(width, height));
        let (walks, drives) = (plot::walks(seed), plot::drives(seed));
        let extras = plot::extras(show, seed);
        Self { width, height, fps, view, backdrop, noise, walks, drives, show, extras, lights }
    }

    /// Pixels across and down.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Pictures a second.
    pub fn fps(&self) -> f64 {
        self.fps
    }

    /// Draws picture `index` into `into`, as packed I420 in limited range BT.601, which it makes as long as that needs.
    pub fn draw(&self, index: u64, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.backdrop);
        let late = self.second_of(HALF_HOUR, index);
        for figure in self.figures(self.second(index), late) {
            let mut tile = Tile::new(figure.bounds(), self.width, self.height);
            figure.draw_shadow(&mut tile);
            figure.draw(&mut tile);
            tile.lay_over(into, self.width, self.height);
        }
        let luma = &mut into[..self.width as usize * self.height as usize];
        if let Some(lights) = &self.lights {
            lights.shine(late, luma);
        }
        if self.show.rain {
            show::rain(index, late, self.width as usize, luma);
        }
        self.add_noise(index, into);
    }

    /// What is to be seen in picture `index`, the farthest first.
    pub fn truth(&self, index: u64) -> Vec<Actor> {
        let figures = self.figures(self.second(index), self.second_of(HALF_HOUR, index));
        figures.iter().filter_map(|figure| self.actor(figure)).collect()
    }

    fn second(&self, index: u64) -> f32 {
        self.second_of(plot::MINUTE, index)
    }

    fn second_of(&self, span: f32, index: u64) -> f32 {
        // In whole pictures of the span first, so that late pictures are as exact as early ones.
        let pictures = (f64::from(span) * self.fps).round().max(1.0) as u64;
        ((index % pictures) as f64 / self.fps) as f32
    }

    /// Everything at `second` of the minute, and at second `late` of the half hour.
    fn figures(&self, second: f32, late: f32) -> Vec<Figure<'_>> {
        let walks = self.walks.iter().filter_map(|walk| Some((walk, walk.at(second)?)));
        let mut figures: Vec<Figure<'_>> = walks.map(|(walk, step)| self.person(walk, step, second)).collect();
        figures.extend(self.drives.iter().map(|drive| self.vehicle(drive, second)));
        if (plot::BAG_LEFT.0..plot::BAG_LEFT.1).contains(&second) {
            let (x, line) = plot::BAG_AT;
            figures.push(Figure::Bag(plot::BAG_ID, self.view.at(x, line, 0.0), self.view.scale(line)));
        }
        let extras = self.extras.iter().filter_map(|walk| Some(self.person(walk, walk.at(late)?, late)));
        figures.extend(extras);
        figures.extend(self.show.things(late).map(|thing| {
            let (x, line) = thing.at;
            Figure::Bag(thing.id, self.view.at(x, line, 0.0), self.view.scale(line))
        }));
        let picture = Bounds::new(0.0, 0.0, self.view.width, self.view.height);
        figures.retain(|figure| overlap(figure.bounds(), picture));
        figures.sort_by(|a, b| a.foot().total_cmp(&b.foot()));
        figures
    }

    fn person<'a>(&'a self, walk: &'a Walk, step: Step, second: f32) -> Figure<'a> {
        // Whoever stands turns now and then, and shifts their weight.
        let idle = sine(second * 0.11 + walk.id as f32 * 0.37);
        let sway = if step.walks { 0.0 } else { cosine(second * 0.23) * 0.02 };
        let bent = walk.bends.map_or(0.0, |(at, span)| (1.0 - (second - at).abs() / span).max(0.0));
        let facing = if bent > 0.0 {
            -1.0
        } else if step.walks && step.speed.abs() > 0.2 {
            step.speed.signum()
        } else {
            idle * 0.5
        };
        Figure::Person(
            walk,
            Pose {
                foot: self.view.at(step.x + sway, step.line, 0.0),
                scale: self.view.scale(step.line),
                facing,
                stride: step.walked / 1.36,
                walking: f32::from(u8::from(step.walks)),
                bent,
                carries: walk.carries.is_some_and(|(from, to)| (from..to).contains(&second)),
            },
        )
    }

    fn vehicle(&self, drive: &Drive, second: f32) -> Figure<'_> {
        let driven = (second - drive.passes) * drive.speed;
        Figure::Vehicle(
            drive.id,
            Vehicle {
                body: drive.body,
                colour: drive.colour,
                foot: self.view.at(drive.stands + driven, drive.line, 0.0),
                scale: self.view.scale(drive.line),
                facing: if drive.speed < 0.0 { -1.0 } else { 1.0 },
                driven,
                lights: drive.speed != 0.0,
            },
        )
    }

    fn actor(&self, figure: &Figure<'_>) -> Option<Actor> {
        let mut tile = Tile::new(figure.bounds(), self.width, self.height);
        figure.draw(&mut tile);
        let seen = tile.painted()?;
        let (id, kind, whole) = match figure {
            Figure::Person(walk, pose) => (walk.id, Kind::Person, walk.looks.height * pose.scale * 0.3),
            Figure::Vehicle(id, vehicle) => (*id, Kind::Vehicle, vehicle.body.length() * vehicle.scale),
            Figure::Bag(id, _, scale) => (*id, Kind::Bag, 0.5 * scale),
        };
        let (w, h) = (self.view.width, self.view.height);
        let bbox = Rect::new(seen.x1 / w, seen.y1 / h, seen.x2 / w, seen.y2 / h);
        Some(Actor { id, kind, bbox }).filter(|_| seen.x2 - seen.x1 >= whole * VISIBLE)
    }

    fn add_noise(&self, index: u64, picture: &mut [u8]) {
        let mut random = fastrand::Rng::with_seed(index);
        let width = self.width as usize;
        for row in picture[..width * self.height as usize].chunks_exact_mut(width) {
            let noise = &self.noise[random.usize(0..NOISE_LENGTH)..][..width];
            for (pixel, error) in row.iter_mut().zip(noise) {
                *pixel = pixel.saturating_add_signed(*error);
            }
        }
    }
}

impl Figure<'_> {
    fn bounds(&self) -> Bounds {
        match self {
            Self::Person(walk, pose) => person::bounds(&walk.looks, pose),
            Self::Vehicle(_, vehicle) => vehicle.bounds(),
            Self::Bag(_, foot, scale) => person::bag_bounds(*foot, *scale),
        }
    }

    /// How far down it stands in the picture: what stands lower is nearer.
    fn foot(&self) -> f32 {
        match self {
            Self::Person(_, pose) => pose.foot.1,
            Self::Vehicle(_, vehicle) => vehicle.foot.1,
            Self::Bag(_, foot, _) => foot.1,
        }
    }

    fn draw_shadow(&self, tile: &mut Tile) {
        match self {
            Self::Person(walk, pose) => person::shadow(tile, &walk.looks, pose),
            Self::Vehicle(_, vehicle) => vehicle.shadow(tile),
            Self::Bag(_, (x, y), s) => {
                tile.spot((x + 0.06 * s, *y), 0.30 * s, 0.06 * s, [12.0; 3], 0.06 * s + 1.0, 0.5)
            }
        }
    }

    fn draw(&self, tile: &mut Tile) {
        match self {
            Self::Person(walk, pose) => person::draw(tile, &walk.looks, pose),
            Self::Vehicle(_, vehicle) => vehicle.draw(tile),
            Self::Bag(_, foot, scale) => person::draw_bag(tile, *foot, *scale),
        }
    }
}

fn overlap(a: Bounds, b: Bounds) -> bool {
    a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2
}

fn packed_length(width: u32, height: u32) -> usize {
    let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    width as usize * height as usize + 2 * chroma
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a.
    fn digest(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
    }

    fn picture(street: &Street, index: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        street.draw(index, &mut bytes);
        bytes
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_everywhere() {
        let street = Street::new(7, 320, 180, 10.0);
        let digests = [0, 163, 330, 599].map(|index| format!("{:016x}", digest(&picture(&street, index))));
        assert_eq!(digests, GOLDEN);
        assert_ne!(digest(&picture(&Street::new(8, 320, 180, 10.0), 163)), digest(&picture(&street, 163)));
    }

    const GOLDEN: [&str; 4] = ["705377d1f88e727c", "c81703af721a39e6", "554e448eb08d2b41", "3163c04d30a528ff"];

    #[test]
    fn it_starts_over_after_a_minute_without_a_seam() {
        let street = Street::new(3, 320, 180, 10.0);
        assert_eq!(street.truth(17), street.truth(617));
        let before: Vec<Actor> = street.truth(599).into_iter().filter(|a| a.kind != Kind::Vehicle).collect();
        let after: Vec<Actor> = street.truth(600).into_iter().filter(|a| a.kind != Kind::Vehicle).collect();
        assert_eq!((before.len(), after.len()), (0, 0), "nobody vanishes in the middle of the picture");
    }

    #[test]
    fn the_truth_lies_in_the_picture_and_covers_what_is_drawn() {
        let street = Street::new(7, 384, 216, 10.0);
        let mut seen = std::collections::BTreeSet::new();
        for index in (0..600).step_by(7) {
            for actor in street.truth(index) {
                assert!(actor.bbox.width() > 0.01 && actor.bbox.height() > 0.02, "{index}: {actor:?}");
                assert_eq!(actor.bbox, actor.bbox.clamped(), "{index}");
                seen.insert(actor.id);
            }
        }
        assert_eq!(seen.len(), 9 + 9 + 1, "nine people, nine vehicles and the bag: {seen:?}");
    }

    #[test]
    fn where_nothing_is_only_noise_changes_and_where_something_is_more_does() {
        let street = Street::new(7, 384, 216, 10.0);
        let backdrop = &street.backdrop;
        let drawn = picture(&street, 160);
        let actors = street.truth(160);
        let (mut changed_inside, mut inside) = (0, 0);
        for (i, (a, b)) in drawn.iter().zip(backdrop).take(384 * 216).enumerate() {
            let (x, y) = ((i % 384) as f32 / 384.0, (i / 384) as f32 / 216.0);
            let within = |margin: f32| {
                actors.iter().any(|actor| {
                    let b = actor.bbox;
                    (b.x1 - margin..b.x2 + margin).contains(&x) && (b.y1 - margin..b.y2 + margin).contains(&y)
                })
            };
            if within(0.0) {
                inside += 1;
                changed_inside += i32::from(a.abs_diff(*b) > NOISE.unsigned_abs());
            } else if !within(0.35) {
                assert!(a.abs_diff(*b) <= NOISE.unsigned_abs(), "at {x} {y}");
            }
        }
        assert!(changed_inside * 3 > inside, "{changed_inside} of {inside}");
    }

    #[test]
    fn the_bag_is_left_alone_and_fetched() {
        let street = Street::new(7, 384, 216, 10.0);
        let bag = |index: u64| street.truth(index).iter().any(|a| a.kind == Kind::Bag);
        assert_eq!([300, 400, 520, 560].map(bag), [false, true, true, false]);
        let owner = |index: u64| street.truth(index).iter().any(|a| a.id == 7);
        assert!(owner(320) && !owner(400), "whoever brought it has gone");
    }

    #[test]
    fn a_show_adds_what_it_says_and_nothing_else() {
        let fps = 2.0;
        let plain = Street::new(7, 160, 90, fps);
        let with = |show| Street::with(show, 7, 160, 90, fps);
        let at = |second: u64| second * fps as u64;
        let mean = |street: &Street, second: u64| {
            picture(street, at(second))[..160 * 90].iter().map(|level| f64::from(*level)).sum::<f64>() / (160.0 * 90.0)
        };
        let dusk = with(Show { lights: true, ..Show::default() });
        assert!(mean(&dusk, 1000) < 0.75 * mean(&plain, 1000) && mean(&dusk, 0) > 0.8 * mean(&plain, 0));
        let wet = with(Show { rain: true, ..Show::default() });
        assert!(mean(&wet, 200) > mean(&plain, 200) && picture(&wet, at(50)) == picture(&plain, at(50)));
        let all = with(Show { lights: true, rain: true, stander: true, things: true });
        let there = |id: u32, second: u64| all.truth(at(second)).iter().any(|actor| actor.id == id);
        assert_eq!([230, 300, 540, 560].map(|second| there(show::STANDER, second)), [false, true, true, false]);
        assert_eq!([100, 150, 300].map(|second| there(70, second)), [false, true, false], "left and fetched");
        assert_eq!([100, 450, 600].map(|second| there(73, second)), [true, false, true], "taken and brought back");
        assert_eq!(all.truth(at(1801)), all.truth(at(1)), "after half an hour it starts over");
    }

    #[test]
    fn odd_and_absurd_sizes_draw_too() {
        for (width, height) in [(33, 35), (0, 9000), (641, 361)] {
            let street = Street::new(1, width, height, f64::NAN);
            let (width, height) = street.size();
            assert_eq!(picture(&street, u64::MAX).len(), packed_length(width, height));
        }
    }
}
