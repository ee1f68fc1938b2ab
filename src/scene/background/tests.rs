//! The background model on drawn pictures: what is found, what is not, and that neither rate nor size matters.

use proptest::prelude::*;

use super::*;
use crate::vocab::RegionChange;

/// A yard of 16 by 9: a gradient, a darker lower half, a post, `noise` levels either way, and what else there is.
#[derive(Clone, Copy)]
struct Yard {
    width: usize,
    noise: i32,
    gain: f32,
    offset: f32,
    bag: Option<[f32; 4]>,
    /// Whether the box on the wall hangs there.
    has_box: bool,
    walker: Option<f32>,
    /// How much lighter it is in the middle of a lamp's pool, as a share.
    pool: f32,
    /// How many drops of rain fall, of 10,000 pixels.
    rain: u32,
}

/// The middle of the pool, and its radius.
const POOL: (f32, f32, f32) = (0.55, 0.75, 0.3);
const BAG: [f32; 4] = [0.6, 0.7, 0.66, 0.82];
const BOX: [f32; 4] = [0.2, 0.2, 0.26, 0.32];

impl Yard {
    fn new(width: usize) -> Self {
        Self { width, noise: 3, gain: 1.0, offset: 0.0, bag: None, has_box: true, walker: None, pool: 0.0, rain: 0 }
    }

    fn picture(&self, at_ms: u64) -> Frame {
        let (w, h) = (self.width, self.width * 9 / 16);
        let mut random = fastrand::Rng::with_seed(at_ms);
        let mut bytes = vec![128u8; w * h * 3 / 2 + w];
        let inside = |[x1, y1, x2, y2]: [f32; 4], x: f32, y: f32| (x1..x2).contains(&x) && (y1..y2).contains(&y);
        for row in 0..h {
            for column in 0..w {
                let (x, y) = (column as f32 / w as f32, row as f32 / h as f32);
                let mut level = 70.0 + 60.0 * x + if y > 0.5 { 0.0 } else { 40.0 };
                if inside([0.8, 0.1, 0.82, 0.6], x, y) || (self.has_box && inside(BOX, x, y)) {
                    level = 40.0;
                }
                if self.bag.is_some_and(|bag| inside(bag, x, y)) {
                    level = 200.0;
                }
                if self.walker.is_some_and(|at| inside([at, 0.4, at + 0.08, 0.85], x, y)) {
                    level = if (y * 20.0) as i32 % 2 == 0 { 30.0 } else { 170.0 };
                }
                let far = ((x - POOL.0).powi(2) + (y - POOL.1).powi(2)) / POOL.2.powi(2);
                let pool = 1.0 + self.pool * (1.0 - far).max(0.0).powi(2);
                let drop = if random.u32(0..10_000) < self.rain { 30.0 } else { 0.0 };
                let lit = 16.0 + (level - 16.0) * self.gain * pool + self.offset + drop;
                bytes[row * w + column] = (lit + random.i32(-self.noise..=self.noise) as f32).clamp(0.0, 255.0) as u8;
            }
        }
        let mut frame = Frame::from_i420(w as u32, h as u32, bytes).unwrap();
        frame.pts = MediaTime::from_millis(at_ms);
        frame
    }
}

/// A camera before the yard.
struct Camera {
    background: Background,
    now: u64,
    every: u64,
}

impl Camera {
    /// It has seen the still yard for ten seconds.
    fn before(yard: &Yard, every: u64) -> Self {
        let mut camera = Self { background: Background::new(Settings::default()), now: 0, every };
        camera.background.step(&yard.picture(0));
        camera.watch(10.0, |_| *yard);
        camera
    }

    /// Watches for so many seconds; `yard` says what there is after how many of them.
    fn watch(&mut self, seconds: f32, yard: impl Fn(f32) -> Yard) {
        let (began, until) = (self.now, self.now + (seconds * 1000.0) as u64);
        while self.now + self.every <= until {
            self.now += self.every;
            self.background.step(&yard((self.now - began) as f32 / 1000.0).picture(self.now));
            self.background.cover(MediaTime::from_millis(self.now), &[]);
        }
    }

    fn found(&self) -> Vec<RegionChange> {
        self.background.regions().iter().map(|region| region.change).collect()
    }
}

#[test]
fn what_is_left_and_what_is_removed_is_found_where_it_is_at_every_size_and_rate() {
    for width in [320, 640, 1280] {
        for every in [100, 400, 1_000] {
            let yard = Yard::new(width);
            let mut camera = Camera::before(&yard, every);
            camera.watch(6.0, |_| Yard { bag: Some(BAG), has_box: false, ..yard });
            let mut regions = camera.background.regions().to_vec();
            regions.sort_by(|a, b| a.bbox.x1.total_cmp(&b.bbox.x1));
            let found: Vec<RegionChange> = regions.iter().map(|region| region.change).collect();
            assert_eq!(found, [RegionChange::Removed, RegionChange::Left], "{width} wide, every {every} ms");
            for (region, [x1, y1, x2, y2]) in regions.iter().zip([BOX, BAG]) {
                let place = Rect::new(x1, y1, x2, y2);
                assert!(region.bbox.iou(&place) > 0.6, "{width} wide, every {every} ms: {region:?}");
                let late = region.since.since(MediaTime::from_millis(10_000)).as_millis() as u64;
                assert!(late <= 2 * every.max(400), "{width} wide, every {every} ms: {late} ms late");
            }
            camera.watch(4.0, |_| yard);
            assert_eq!(camera.found(), [], "taken and brought back: {width} wide, every {every} ms");
        }
    }
}

#[test]
fn somebody_who_walks_by_hides_nothing_for_good() {
    let yard = Yard::new(320);
    let mut camera = Camera::before(&yard, 200);
    camera.watch(5.0, |_| Yard { bag: Some(BAG), ..yard });
    let before = camera.background.regions().to_vec();
    camera.watch(8.0, |s| Yard { bag: Some(BAG), walker: Some(0.4 + s * 0.05), ..yard });
    assert_eq!(camera.found(), [RegionChange::Left]);
    assert_eq!(camera.background.regions()[0].id, before[0].id);
}

#[test]
fn whoever_walks_is_one_thing_that_moves_and_nothing_that_was_left() {
    let yard = Yard::new(640);
    let mut camera = Camera::before(&yard, 200);
    let mut moving = Vec::new();
    for step in 0..20 {
        camera.watch(0.2, |_| Yard { walker: Some(0.1 + step as f32 * 0.03), ..yard });
        camera.background.moving(&[], &mut moving);
        assert_eq!(moving.len(), 1, "{step}: {moving:?}");
        let at = 0.1 + step as f32 * 0.03;
        assert!(moving[0].bbox.iou(&Rect::new(at, 0.4, at + 0.08, 0.85)) > 0.7, "{step}: {moving:?}");
        assert_eq!(camera.found(), []);
    }
}

#[test]
fn two_who_meet_are_two_where_two_are_expected() {
    let yard = Yard::new(640);
    let mut camera = Camera::before(&yard, 200);
    camera.watch(0.2, |_| Yard { walker: Some(0.3), bag: Some([0.38, 0.5, 0.46, 0.85]), ..yard });
    let (left, right) = (Rect::new(0.3, 0.4, 0.38, 0.85), Rect::new(0.38, 0.5, 0.46, 0.85));
    let mut moving = Vec::new();
    camera.background.moving(&[], &mut moving);
    assert_eq!(moving.len(), 1, "they touch: {moving:?}");
    camera.background.moving(&[left, right], &mut moving);
    assert_eq!(moving.len(), 2, "{moving:?}");
    assert!(moving[0].bbox.iou(&left) > 0.7 && moving[1].bbox.iou(&right) > 0.7, "{moving:?}");
}

#[test]
fn somebody_who_stands_still_is_covered_and_leaves_nothing() {
    let yard = Yard::new(320);
    let mut camera = Camera::before(&yard, 200);
    let stands = Cover { track: 7, bbox: Rect::new(0.5, 0.4, 0.58, 0.85), is_seen: true, is_mover: true };
    for _ in 0..300 {
        camera.now += 200;
        camera.background.step(&Yard { walker: Some(0.5), ..yard }.picture(camera.now));
        camera.background.cover(MediaTime::from_millis(camera.now), &[stands]);
        assert!(camera.background.regions().iter().all(|region| region.is_covered));
    }
    camera.watch(5.0, |_| yard);
    assert_eq!(camera.found(), []);
}

#[test]
fn the_shadow_of_whoever_stands_shows_beyond_what_stands_between_and_was_not_left() {
    let yard = Yard::new(640);
    let mut camera = Camera::before(&yard, 200);
    let stands = Cover { track: 7, bbox: Rect::new(0.3, 0.4, 0.38, 0.85), is_seen: true, is_mover: true };
    // Drawn as a bag is; it lies flat at his feet, and what is between them looks as before.
    let shadow = Yard { bag: Some([0.5, 0.82, 0.58, 0.87]), walker: Some(0.3), ..yard };
    for _ in 0..150 {
        camera.now += 200;
        camera.background.step(&shadow.picture(camera.now));
        camera.background.cover(MediaTime::from_millis(camera.now), &[stands]);
        let regions = camera.background.regions();
        assert!(regions.iter().all(|region| region.is_covered), "{regions:?}");
    }
    camera.watch(5.0, |_| yard);
    assert_eq!(camera.found(), []);
    // What stands as high as a bag is no shadow, however near he is.
    let bag = Yard { bag: Some([0.5, 0.62, 0.56, 0.86]), walker: Some(0.3), ..yard };
    for _ in 0..50 {
        camera.now += 200;
        camera.background.step(&bag.picture(camera.now));
        camera.background.cover(MediaTime::from_millis(camera.now), &[stands]);
    }
    let told = camera.background.regions().iter().filter(|region| !region.is_covered).count();
    assert_eq!(told, 1, "{:?}", camera.background.regions());
}

#[test]
fn light_that_halves_and_returns_does_not_end_what_stands_in_it() {
    assert_bag_outlasts(&[(0.5, 0.0), (1.0, 0.0)]);
}

#[test]
fn a_lamp_is_light_and_does_not_end_what_stands_in_it() {
    assert_bag_outlasts(&[(0.5, 0.0), (1.0, 0.0), (1.0, 25.0), (0.7, -10.0)]);
}

fn assert_bag_outlasts(lights: &[(f32, f32)]) {
    let yard = Yard::new(320);
    let mut camera = Camera::before(&yard, 200);
    camera.watch(5.0, |_| Yard { bag: Some(BAG), ..yard });
    assert_eq!(camera.found(), [RegionChange::Left]);
    let id = camera.background.regions()[0].id;
    for &(gain, offset) in lights {
        camera.watch(6.0, |_| Yard { bag: Some(BAG), gain, offset, ..yard });
        assert_eq!(camera.found(), [RegionChange::Left], "light times {gain} and {offset}");
        assert_eq!(camera.background.regions()[0].id, id, "light times {gain} and {offset}");
    }
}

#[test]
fn a_pool_of_light_is_no_object_and_hides_none() {
    for bag in [None, Some(BAG)] {
        let yard = Yard { bag, ..Yard::new(320) };
        let mut camera = Camera::before(&Yard { bag: None, ..yard }, 200);
        camera.watch(6.0, |_| yard);
        let before: Vec<u64> = camera.background.regions().iter().map(|region| region.id).collect();
        assert_eq!(before.len(), usize::from(bag.is_some()));
        for pool in [0.6, 0.0, 0.3, 0.6] {
            camera.watch(8.0, |_| Yard { pool, ..yard });
            let after: Vec<u64> = camera.background.regions().iter().map(|region| region.id).collect();
            assert_eq!(after, before, "{pool} lighter");
        }
    }
}

#[test]
fn rain_is_no_object_and_hides_none() {
    let yard = Yard { rain: 800, ..Yard::new(320) };
    let mut camera = Camera::before(&Yard { rain: 0, ..yard }, 400);
    camera.watch(20.0, |_| yard);
    assert_eq!(camera.found(), []);
    camera.watch(6.0, |_| Yard { bag: Some(BAG), ..yard });
    assert_eq!(camera.found(), [RegionChange::Left]);
    camera.watch(20.0, |_| Yard { bag: Some(BAG), rain: 0, ..yard });
    assert_eq!(camera.found(), [RegionChange::Left]);
}

#[test]
fn nothing_is_found_under_a_mask() {
    let corner = [[0.5, 0.5], [0.8, 0.5], [0.8, 0.9], [0.5, 0.9]];
    let mask = Polygon::new(corner.map(Into::into).to_vec()).unwrap();
    let yard = Yard::new(320);
    let settings = Settings { masks: vec![mask], ..Settings::default() };
    let mut camera = Camera { background: Background::new(settings), now: 0, every: 200 };
    camera.watch(10.0, |_| yard);
    camera.watch(6.0, |_| Yard { bag: Some(BAG), has_box: false, ..yard });
    assert_eq!(camera.found(), [RegionChange::Removed]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn nothing_is_found_where_nothing_changes(noise in 0i32..10, every in 100u64..1_500) {
        let yard = Yard { noise, ..Yard::new(320) };
        let mut camera = Camera::before(&yard, every);
        let mut moving = Vec::new();
        for _ in 0..10 {
            camera.watch(every as f32 / 1000.0, |_| yard);
            camera.background.moving(&[], &mut moving);
            prop_assert_eq!(moving.len(), 0);
            prop_assert_eq!(camera.found(), []);
        }
    }

    #[test]
    fn no_light_that_comes_and_goes_is_an_object(gain in 0.45f32..1.5, offset in -20.0f32..20.0, seconds in 0.1f32..12.0) {
        let yard = Yard::new(320);
        let mut camera = Camera::before(&yard, 200);
        let part = |s: f32| (s / seconds).min(1.0);
        camera.watch(seconds + 5.0, |s| Yard { gain: 1.0 + (gain - 1.0) * part(s), offset: offset * part(s), ..yard });
        prop_assert_eq!(camera.found(), []);
        camera.watch(seconds + 5.0, |s| {
            Yard { gain: gain + (1.0 - gain) * part(s), offset: offset * (1.0 - part(s)), ..yard }
        });
        prop_assert_eq!(camera.found(), []);
    }
}
