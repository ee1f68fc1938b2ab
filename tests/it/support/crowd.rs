//! A rendered crowd: the truth about people who walk in front of a camera, and what a mediocre detector makes of it.
//!
//! Deterministic by seed. People walk on a plane, turn, stop and stand, leave and are replaced; the camera may pan, shake
//! and walk. The detector misses who is hidden, cuts boxes off at what hides them, errs in place and size with errors that
//! last a quarter of a second, misses people for moments, sees some twice and some where nobody is.

use fastrand::Rng;
use vedette::toolchain::mot::Row;

const WIDTH: f64 = 1280.0;
const HEIGHT: f64 = 720.0;
/// Focal length in pixels.
const FOCAL: f64 = 1000.0;
/// The horizon, in picture heights from above.
const HORIZON: f64 = 0.35;
/// How long the detector's errors last, in seconds.
const ERROR_MEMORY: f64 = 0.25;
/// Grid on which hiding is computed, columns and rows.
const GRID: (usize, usize) = (6, 12);

/// What is rendered. Lengths in metres, times in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub seed: u64,
    pub fps: f64,
    pub seconds: f64,
    pub people: usize,
    /// Usual walking speed.
    pub speed: f64,
    /// Share of people who stand about at first.
    pub standing: f64,
    /// Nearest and farthest distance from the camera.
    pub depth: (f64, f64),
    pub camera: Camera,
    pub detector: Detector,
}

/// How the camera is held.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    pub height: f64,
    /// Speed at which it moves ahead.
    pub ahead: f64,
    /// Usual panning speed in picture widths per second.
    pub pan: f64,
    /// Shaking from frame to frame in picture widths.
    pub shake: f64,
}

/// How good the detector is.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// Share of fully visible people that it finds.
    pub recall: f64,
    /// False boxes per frame.
    pub clutter: f64,
    /// Usual error in box widths.
    pub error: f64,
    /// Share of people whom it finds twice.
    pub doubles: f64,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            seed: 1,
            fps: 25.0,
            seconds: 24.0,
            people: 10,
            speed: 1.3,
            standing: 0.0,
            depth: (5.0, 18.0),
            camera: Camera { height: 2.5, ahead: 0.0, pan: 0.0, shake: 0.0 },
            detector: Detector { recall: 0.9, clutter: 0.6, error: 0.05, doubles: 0.0 },
        }
    }
}

/// Truth and detections in MOT format.
#[derive(Debug, Default)]
pub struct Rendered {
    pub truth: Vec<Row>,
    pub detections: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

#[derive(Debug)]
struct Person {
    id: i64,
    x: f64,
    z: f64,
    velocity: (f64, f64),
    height: f64,
    aspect: f64,
    stride: f64,
    stands_for: f64,
    enters_in: f64,
    out_for: f64,
    is_gone: bool,
    /// The detector's lasting errors in place and size, and its lasting blindness, each usually within -1..1.
    errors: [f64; 5],
}

/// A false box that stays for a while.
type Ghost = (Bounds, f64);

struct Street {
    scene: Scene,
    chance: Rng,
    people: Vec<Person>,
    next_id: i64,
    ghosts: Vec<Ghost>,
    pan: f64,
    pan_speed: f64,
}

impl Scene {
    /// Renders all frames.
    pub fn render(&self) -> Rendered {
        let mut street = Street {
            scene: *self,
            chance: Rng::with_seed(self.seed),
            people: Vec::new(),
            next_id: 1,
            ghosts: Vec::new(),
            pan: 0.0,
            pan_speed: 0.0,
        };
        (0..self.people).for_each(|_| street.place_someone());
        let mut rendered = Rendered::default();
        let steps = (50.0 / self.fps).round().max(1.0);
        for frame in 1..=(self.seconds * self.fps) as u32 {
            (0..steps as u32).for_each(|_| street.walk(1.0 / self.fps / steps));
            street.photograph(frame, &mut rendered);
            street.haunt(frame, &mut rendered.detections);
            street.replace_the_gone();
        }
        rendered
    }
}

impl Street {
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.chance.f64().max(1e-12).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.chance.f64()).cos()
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.chance.f64()
    }

    /// Somebody anywhere in view.
    fn place_someone(&mut self) {
        let (near, far) = self.scene.depth;
        let z = self.within(near, far);
        let direction = if self.chance.bool() { 1.0 } else { -1.0 };
        let speed = self.scene.speed * self.within(0.6, 1.4);
        let aside = if self.chance.f64() < 0.2 { 1.2 * self.normal().signum() } else { 0.0 };
        let angle = 0.35 * self.normal() + aside;
        let stands = self.chance.f64() < self.scene.standing;
        let person = Person {
            id: self.next_id,
            x: z * WIDTH / FOCAL * self.within(-0.5, 0.5),
            z,
            velocity: (direction * speed * angle.cos(), speed * angle.sin()),
            height: self.within(1.55, 1.9),
            aspect: self.within(0.33, 0.47),
            stride: self.within(0.0, std::f64::consts::TAU),
            stands_for: if stands { self.within(10.0, 30.0) } else { 0.0 },
            enters_in: 0.0,
            out_for: 0.0,
            is_gone: false,
            errors: [0.0; 5],
        };
        self.next_id += 1;
        self.people.push(person);
    }

    /// Somebody new comes in from a side for everyone who has gone, or out of the distance when the camera walks.
    fn replace_the_gone(&mut self) {
        self.people.retain(|person| !person.is_gone);
        while self.people.len() < self.scene.people {
            self.place_someone();
            let (delay, from_afar) = (self.within(0.0, 6.0), self.chance.f64() < 0.8);
            let depth = self.scene.depth.1 * self.within(0.6, 1.0);
            let person = self.people.last_mut().expect("somebody was just placed");
            (person.enters_in, person.stands_for) = (delay, 0.0);
            if self.scene.camera.ahead > 0.0 && from_afar {
                (person.x, person.z) = (person.x * depth / person.z, depth);
            } else {
                person.x = -person.velocity.0.signum() * person.z * WIDTH / FOCAL * 0.525;
            }
            person.x -= self.pan * person.z / FOCAL;
        }
    }

    fn walk(&mut self, dt: f64) {
        let scene = self.scene;
        let push = scene.camera.pan * (2.0 * dt / 1.5).sqrt() * self.normal();
        self.pan_speed += push - self.pan_speed / 1.5 * dt;
        self.pan += self.pan_speed * dt * WIDTH;
        for i in 0..self.people.len() {
            if self.people[i].enters_in > 0.0 {
                continue;
            }
            self.people[i].z -= scene.camera.ahead * dt;
            if self.people[i].stands_for > 0.0 {
                self.people[i].stands_for -= dt;
                continue;
            }
            let stop = if self.chance.f64() < 0.03 * dt { self.within(1.0, 5.0) } else { 0.0 };
            let turn = if self.chance.f64() < 0.08 * dt { 0.8 * self.normal() } else { 0.0 };
            let sway = (0.25 * dt.sqrt() * self.normal(), 0.25 * dt.sqrt() * self.normal());
            self.people[i].walk(dt, stop, turn, sway, &scene);
        }
    }

    /// The frame's truth, and its detections of people.
    fn photograph(&mut self, frame: u32, rendered: &mut Rendered) {
        let shake = (self.scene.camera.shake * self.normal(), self.scene.camera.shake * self.normal());
        let offset = (self.pan + shake.0 * WIDTH, shake.1 * HEIGHT);
        let kept = (-1.0 / self.scene.fps / ERROR_MEMORY).exp();
        let mut seen: Vec<(usize, Bounds)> = Vec::new();
        for i in 0..self.people.len() {
            let fresh: [f64; 5] = std::array::from_fn(|_| self.normal());
            let person = &mut self.people[i];
            for (error, fresh) in person.errors.iter_mut().zip(fresh) {
                *error = kept * *error + (1.0 - kept * kept).sqrt() * fresh;
            }
            if let Some(bounds) = person.appear(&self.scene, offset, &mut self.next_id) {
                seen.push((i, bounds));
            }
        }
        seen.sort_by(|a, b| self.people[a.0].z.total_cmp(&self.people[b.0].z));
        for (rank, &(i, bounds)) in seen.iter().enumerate() {
            rendered.truth.push(row(frame, self.people[i].id, bounds, 1.0));
            let view = View::new(bounds, seen[..rank].iter().map(|(_, front)| *front));
            self.detect(i, bounds, &view, frame, &mut rendered.detections);
        }
    }

    fn detect(&mut self, i: usize, bounds: Bounds, view: &View, frame: u32, detections: &mut Vec<Row>) {
        let Detector { recall, error, doubles, .. } = self.scene.detector;
        let [ex, ey, ew, eh, blindness] = self.people[i].errors;
        let missed = 0.6 * share_below(blindness) + 0.4 * self.chance.f64();
        if missed >= recall * ((view.share() - 0.15) / 0.45).clamp(0.0, 1.0) {
            return;
        }
        let cut = view.cut(bounds, self.within(0.0, 0.6));
        let mut err = |lasting: f64| error * (0.75 * lasting + 0.66 * self.normal());
        let (ex, ey, ew, eh) = (err(ex), err(ey), err(ew), err(eh));
        let (width, height) = (cut.width * (1.8 * ew).exp(), cut.height * (0.8 * eh).exp());
        let centre =
            (cut.left + cut.width / 2.0 + ex * bounds.width, cut.top + cut.height / 2.0 + 0.5 * ey * bounds.height);
        let found = Bounds { left: centre.0 - width / 2.0, top: centre.1 - height / 2.0, width, height };
        let score = (0.35 + 0.6 * view.share() + 0.12 * self.normal()).clamp(0.05, 0.99);
        detections.push(row(frame, -1, found, score));
        if self.chance.f64() < doubles {
            let shrink = self.within(0.6, 0.9);
            let left = found.left + 0.15 * width * self.normal();
            let top = found.top + (1.0 - shrink) * height * self.chance.f64();
            let again = Bounds { left, top, width: shrink * width, height: shrink * height };
            detections.push(row(frame, -1, again, (score - 0.1).max(0.05)));
        }
    }

    /// Boxes where nobody is: half of them for one frame, half of them staying for a while.
    fn haunt(&mut self, frame: u32, detections: &mut Vec<Row>) {
        let rate = self.scene.detector.clutter / 2.0;
        let staying = (-2.0 / self.scene.fps).exp();
        let ghosts = std::mem::take(&mut self.ghosts);
        self.ghosts = ghosts.into_iter().filter(|_| self.chance.f64() < staying).collect();
        if self.chance.f64() < rate * (1.0 - staying) {
            let ghost = (self.nowhere(), self.within(0.3, 0.7));
            self.ghosts.push(ghost);
        }
        for k in 0..self.ghosts.len() {
            let (mut bounds, score) = self.ghosts[k];
            if self.chance.f64() < 0.7 {
                bounds.left += 0.04 * bounds.width * self.normal();
                let score = (score + 0.1 * self.normal()).clamp(0.05, 0.95);
                detections.push(row(frame, -1, bounds, score));
            }
        }
        if self.chance.f64() < rate {
            let (bounds, score) = (self.nowhere(), self.within(0.25, 0.7));
            detections.push(row(frame, -1, bounds, score));
        }
    }

    fn nowhere(&mut self) -> Bounds {
        let z = self.within(self.scene.depth.0, self.scene.depth.1);
        let height = 1.7 * FOCAL / z;
        let foot = HORIZON * HEIGHT + FOCAL * self.scene.camera.height / z;
        let left = WIDTH * self.chance.f64() - 0.2 * height;
        Bounds { left, top: foot - height, width: 0.4 * height, height }
    }
}

impl Person {
    fn walk(&mut self, dt: f64, stop: f64, turn: f64, sway: (f64, f64), scene: &Scene) {
        self.stands_for = stop;
        let (vx, vz) = self.velocity;
        let (sin, cos) = turn.sin_cos();
        let (vx, vz) = (cos * vx - sin * vz + sway.0, sin * vx + cos * vz + sway.1);
        let limit = (1.6 * scene.speed / vx.hypot(vz)).min(1.0);
        self.velocity = (vx * limit, vz * limit);
        self.x += self.velocity.0 * dt;
        self.z += self.velocity.1 * dt;
        self.stride += 5.5 * vx.hypot(vz) * dt;
        if self.z > scene.depth.1 {
            self.velocity.1 = -self.velocity.1.abs();
        } else if self.z < scene.depth.0 && scene.camera.ahead == 0.0 {
            self.velocity.1 = self.velocity.1.abs();
        }
    }

    /// Where the camera sees this person, if it does. Who comes back after having been out of view is somebody else.
    fn appear(&mut self, scene: &Scene, offset: (f64, f64), next_id: &mut i64) -> Option<Bounds> {
        if self.enters_in > 0.0 {
            self.enters_in -= 1.0 / scene.fps;
            return None;
        }
        if self.z < 1.5 {
            self.is_gone = true;
            return None;
        }
        let height = self.height * FOCAL / self.z;
        let swing = if self.stands_for > 0.0 { 0.05 } else { 0.25 };
        let width = self.aspect * height * (1.0 + swing * self.stride.sin());
        let centre = WIDTH / 2.0 + FOCAL * self.x / self.z + offset.0;
        let foot = HORIZON * HEIGHT + FOCAL * scene.camera.height / self.z + offset.1;
        if centre < -0.3 * width || centre > WIDTH + 0.3 * width {
            self.out_for += 1.0 / scene.fps;
            self.is_gone = scene.camera.pan == 0.0 || centre.abs() > 3.0 * WIDTH;
            return None;
        }
        if self.out_for > 0.5 {
            self.id = *next_id;
            *next_id += 1;
        }
        self.out_for = 0.0;
        Some(Bounds { left: centre - width / 2.0, top: foot - height, width, height })
    }
}

/// Which parts of a box are not hidden.
struct View([[bool; GRID.0]; GRID.1]);

impl View {
    fn new(bounds: Bounds, fronts: impl Iterator<Item = Bounds> + Clone) -> Self {
        let is_seen = |column: usize, line: usize| {
            let x = bounds.left + bounds.width * (column as f64 + 0.5) / GRID.0 as f64;
            let y = bounds.top + bounds.height * (line as f64 + 0.5) / GRID.1 as f64;
            let hides = |front: Bounds| {
                let across = (x - front.left) / front.width;
                let down = (y - front.top) / front.height;
                (0.1..0.9).contains(&across) && (0.0..1.0).contains(&down)
            };
            !fronts.clone().any(hides)
        };
        Self(std::array::from_fn(|line| std::array::from_fn(|column| is_seen(column, line))))
    }

    fn share(&self) -> f64 {
        self.0.iter().flatten().filter(|seen| **seen).count() as f64 / (GRID.0 * GRID.1) as f64
    }

    /// `bounds`, its edges moved by `amount` of the way to where enough is seen.
    fn cut(&self, bounds: Bounds, amount: f64) -> Bounds {
        let columns: Vec<usize> = (0..GRID.0).filter(|c| self.0.iter().filter(|line| line[*c]).count() >= 3).collect();
        let lines: Vec<usize> = (0..GRID.1).filter(|l| self.0[*l].iter().filter(|seen| **seen).count() >= 2).collect();
        let span = |seen: &[usize], count: usize, start: f64, length: f64| {
            let (Some(first), Some(last)) = (seen.first(), seen.last()) else { return (start, length) };
            let before = amount * length * *first as f64 / count as f64;
            let after = amount * length * (count - 1 - last) as f64 / count as f64;
            (start + before, length - before - after)
        };
        let (left, width) = span(&columns, GRID.0, bounds.left, bounds.width);
        let (top, height) = span(&lines, GRID.1, bounds.top, bounds.height);
        Bounds { left, top, width, height }
    }
}

/// Share of the normal distribution below `x` (logistic approximation).
fn share_below(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}

fn row(frame: u32, id: i64, bounds: Bounds, score: f64) -> Row {
    let Bounds { left, top, width, height } = bounds;
    Row { frame, id, left, top, width, height, score, class: -1 }
}
