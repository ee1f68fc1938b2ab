//! A scene drawn at any size, before a camera that can be turned, defocused, soiled and switched.

use std::time::Duration;

use crate::scene::{ConditionSettings, Scene, Settings};
use crate::vocab::{Condition, Frame, MediaTime, PictureChange};

/// A plain rectangle of the scene: left, top, right, bottom, in widths and heights of the picture, and its luma.
type Panel = ([f32; 4], f32);

/// How the camera is.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Which scene it sees.
    pub scene: u64,
    /// How far it is turned, in widths and heights of the picture: what it sees lies that much to the right and down.
    pub turned: (f32, f32),
    /// The radius of what a point becomes, as a share of the picture's width.
    pub blur: f32,
    /// Which share of its contrast is left, 0..1, in the left two fifths of the picture and in the rest.
    pub contrast: (f32, f32),
    /// What the luma is multiplied with.
    pub light: f32,
    /// Whether there is colour.
    pub colour: bool,
    /// What stands before the lens.
    pub before: Vec<Panel>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            scene: 1,
            turned: (0.0, 0.0),
            blur: 0.0,
            contrast: (1.0, 1.0),
            light: 1.0,
            colour: true,
            before: Vec::new(),
        }
    }
}

/// A camera of this size before it.
pub struct Studio {
    width: usize,
    height: usize,
    scene: Scene,
    now: MediaTime,
    every: Duration,
    random: fastrand::Rng,
    told: Vec<(f64, PictureChange)>,
    drawn: Option<(Look, Vec<u8>)>,
}

/// Times that let a test be short: learnt for 20 s, out of focus for 10 s, moved for 10 s, degraded for 60 s.
pub fn quick() -> ConditionSettings {
    let s = Duration::from_secs;
    ConditionSettings {
        defocused_after: s(10),
        moved_after: s(10),
        degraded_after: s(60),
        learn: s(20),
        relearn: s(300),
        ..ConditionSettings::default()
    }
}

impl Studio {
    /// One that looks three times a second, 256 pixels wide.
    pub fn new(settings: ConditionSettings) -> Self {
        Self::of(settings, 256, 144, 3.0)
    }

    /// One of another size and rate.
    pub fn of(settings: ConditionSettings, width: usize, height: usize, fps: f64) -> Self {
        Self {
            width,
            height,
            scene: Scene::new(Settings { conditions: settings, ..Settings::default() }),
            now: MediaTime::ZERO,
            every: Duration::from_secs_f64(1.0 / fps),
            random: fastrand::Rng::with_seed(7),
            told: Vec::new(),
            drawn: None,
        }
    }

    /// Lets so many seconds pass before this look; returns what was told meanwhile.
    pub fn see(&mut self, seconds: f64, look: &Look) -> Vec<PictureChange> {
        self.film(seconds, |_| look.clone())
    }

    /// The same, with a look for each second from its beginning.
    pub fn film(&mut self, seconds: f64, look: impl Fn(f64) -> Look) -> Vec<PictureChange> {
        let (from, told) = (self.now, self.told.len());
        let end = from + Duration::from_secs_f64(seconds);
        while self.now < end {
            let look = look(self.now.since(from).as_secs_f64());
            let frame = self.frame(&look);
            self.scene.step(&frame);
            let changes = self.scene.changes().iter().map(|change| (self.now.as_secs_f64(), *change));
            self.told.extend(changes);
            self.now = self.now + self.every;
        }
        self.told[told..].iter().map(|(_, change)| *change).collect()
    }

    /// Pictures have another size from now on.
    pub fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height, self.drawn) = (width, height, None);
    }

    /// When the last thing was told, in seconds since the beginning.
    pub fn told_at(&self) -> f64 {
        self.told.last().map_or(f64::NAN, |(at, _)| *at)
    }

    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The next picture, with the noise of a sensor.
    fn frame(&mut self, look: &Look) -> Frame {
        if self.drawn.as_ref().is_none_or(|(drawn, _)| drawn != look) {
            self.drawn = Some((look.clone(), draw(look, self.width, self.height)));
        }
        let mut bytes = self.drawn.as_ref().unwrap().1.clone();
        // A few rows of noise used over and over are noise enough.
        let noise: Vec<i16> = (0..self.width * 3 + 1).map(|_| self.random.i16(-2..=2)).collect();
        let shift = self.random.usize(0..self.width);
        for (at, byte) in bytes[..self.width * self.height].iter_mut().enumerate() {
            *byte = (i16::from(*byte) + noise[(at + shift) % noise.len()]).clamp(0, 255) as u8;
        }
        let mut frame = Frame::from_i420(self.width as u32, self.height as u32, bytes).unwrap();
        (frame.pts, frame.keyframe) = (self.now, true);
        frame
    }
}

/// The names of what began.
pub fn began(told: &[PictureChange]) -> Vec<Condition> {
    let began = |change: &PictureChange| match change {
        PictureChange::Began { condition, .. } => Some(*condition),
        _ => None,
    };
    told.iter().filter_map(began).collect()
}

/// The names of what ended.
pub fn ended(told: &[PictureChange]) -> Vec<Condition> {
    let ended = |change: &PictureChange| match change {
        PictureChange::Ended { condition, .. } => Some(*condition),
        _ => None,
    };
    told.iter().filter_map(ended).collect()
}

/// The panels of a scene, which reaches a picture's width and height beyond the picture on all sides.
fn panels(scene: u64) -> Vec<Panel> {
    let mut random = fastrand::Rng::with_seed(scene);
    let panel = |_| {
        let (x, y) = (random.f32() * 3.0 - 1.0, random.f32() * 3.0 - 1.0);
        let (w, h) = (0.03 + random.f32() * 0.15, 0.05 + random.f32() * 0.2);
        ([x, y, x + w, y + h], 40.0 + random.f32() * 160.0)
    };
    (0..700).map(panel).collect()
}

fn draw(look: &Look, width: usize, height: usize) -> Vec<u8> {
    let mut luma = vec![110.0f32; width * height];
    let scene: Vec<Panel> = if look.scene == 0 { Vec::new() } else { panels(look.scene) };
    for (place, value) in &scene {
        let [left, top, right, bottom] = *place;
        let (x, y) = look.turned;
        paint(&mut luma, width, height, [left + x, top + y, right + x, bottom + y], *value);
    }
    for (place, value) in &look.before {
        paint(&mut luma, width, height, *place, *value);
    }
    // A lens softens a little; three times over, a box is nearly a Gaussian.
    let radius = (look.blur * width as f32).round() as usize;
    for _ in 0..if radius > 0 { 3 } else { 0 } {
        blur(&mut luma, width, height, radius);
    }
    let mut bytes = vec![128u8; width * height * 3 / 2];
    for (at, (byte, luma)) in bytes.iter_mut().zip(&luma).enumerate() {
        let is_left = ((at % width) as f32) < 0.4 * width as f32;
        let kept = if is_left { look.contrast.0 } else { look.contrast.1 };
        *byte = ((150.0 + (luma - 150.0) * kept) * look.light).clamp(16.0, 235.0) as u8;
    }
    if look.colour {
        bytes[width * height..].iter_mut().enumerate().for_each(|(i, byte)| *byte = 118 + (i % 20) as u8);
    }
    bytes
}

fn paint(luma: &mut [f32], width: usize, height: usize, [left, top, right, bottom]: [f32; 4], value: f32) {
    let along = |part: f32, of: usize| (part * of as f32).round().clamp(0.0, of as f32) as usize;
    for row in along(top, height)..along(bottom, height).max(along(top, height)) {
        let (from, to) = (along(left, width), along(right, width));
        luma[row * width + from..row * width + to.max(from)].fill(value);
    }
}

/// The mean over `radius` pixels on each side, along rows and then along columns.
fn blur(luma: &mut [f32], width: usize, height: usize, radius: usize) {
    let mut line = Vec::new();
    let lines = (0..height).map(|row| (row * width, 1, width));
    for (start, step, length) in lines.chain((0..width).map(|column| (column, width, height))) {
        line.clear();
        line.extend((0..length).map(|at| luma[start + at * step]));
        let mut sum: f32 = (0..=2 * radius).map(|at| line[at.saturating_sub(radius).min(length - 1)]).sum();
        for at in 0..length {
            luma[start + at * step] = sum / (2 * radius + 1) as f32;
            let (next, last) = ((at + radius + 1).min(length - 1), at.saturating_sub(radius));
            sum += line[next] - line[last];
        }
    }
}
