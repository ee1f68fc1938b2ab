//! The best picture of each episode that goes on, and its way into JPEG.

use std::sync::Arc;
use std::time::Duration;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Settings;
use super::canvas::Canvas;
use super::faces::{self, Faces};
use super::heat;
use super::rgb::Picture;
use crate::vocab::{Frame, HeatMap, Id, MediaTime, Rect};

/// By how much a score must exceed the best so far before the picture is copied again.
const CLEARLY_BETTER: f32 = 0.04;
/// The worst quality and the smallest width that a picture for MQTT may come to.
const WORST_QUALITY: u8 = 40;
const NARROWEST: usize = 96;
/// The widest that a map is kept, pixels: it has 64 cells across.
const MAP_WIDTH: u32 = 640;

/// What is to be seen in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is, such as `person`.
    pub label: String,
    /// How sure the detector is, 0..1.
    pub score: f32,
    /// Where, normalised.
    pub bbox: Rect,
}

/// A picture with what is to be seen in it, in memory of its own.
#[derive(Debug, Clone)]
pub struct Shot {
    mark: Mark,
    /// When it was captured.
    pub pts: MediaTime,
    picture: Picture,
    faces: Faces,
    /// What lies over it as a whole.
    map: Option<Box<HeatMap>>,
}

/// The best pictures of the episodes that go on.
#[derive(Debug)]
pub struct Snapshots {
    settings: Settings,
    /// The one that was improved last stands last.
    open: Vec<(String, Shot)>,
    /// Memory of pictures that are no longer needed.
    spare: Vec<Picture>,
}

impl Snapshots {
    /// Nothing yet.
    pub fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), open: Vec::new(), spare: Vec::new() }
    }

    /// Keeps a copy of `frame` for `episode` if it is its first picture or clearly better than the one kept. Returns
    /// whether it did. A picture counts as better by its score; one in which the object is cut off by the edge of the
    /// picture counts for less. `heads` is where heads must be in it.
    pub fn consider(
        &mut self,
        episode: &str,
        (frame, heads): (&Frame, &[Rect]),
        label: &str,
        score: f32,
        bbox: Rect,
    ) -> bool {
        let at = self.open.iter().position(|(name, _)| name == episode);
        let worse = |kept: &Shot| worth(score, bbox) <= worth(kept.mark.score, kept.mark.bbox) + CLEARLY_BETTER;
        if at.is_some_and(|at| worse(&self.open[at].1)) {
            return false;
        }
        let (name, mut picture) = match at {
            Some(at) => {
                let (name, shot) = self.open.remove(at);
                (name, shot.picture)
            }
            None => (episode.to_owned(), self.room()),
        };
        picture.copy(frame, self.settings.max_width);
        picture.cover(&self.settings.masks);
        let mark = Mark { label: label.to_owned(), score, bbox };
        let faces = Faces::of(&self.settings, heads);
        self.open.push((name, Shot { mark, pts: frame.pts, picture, faces, map: None }));
        true
    }

    /// A copy of the best picture of `episode` so far, for an event that is not the last of it.
    pub fn best(&self, episode: &str) -> Option<Shot> {
        self.open.iter().find(|(name, _)| name == episode).map(|(_, shot)| shot.clone())
    }

    /// The best picture of `episode`, which is over.
    pub fn take(&mut self, episode: &str) -> Option<Shot> {
        let at = self.open.iter().position(|(name, _)| name == episode)?;
        Some(self.open.remove(at).1)
    }

    /// Gives up the picture of `episode`, which is over and needs none.
    pub fn forget(&mut self, episode: &str) {
        if let Some(shot) = self.take(episode) {
            self.spare.push(shot.picture);
        }
        self.spare.truncate(2);
    }

    /// How many episodes have a picture.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn room(&mut self) -> Picture {
        if self.open.len() >= self.settings.max_open.max(1) {
            return self.open.remove(0).1.picture;
        }
        self.spare.pop().unwrap_or_default()
    }
}

fn worth(score: f32, bbox: Rect) -> f32 {
    let cut = bbox.x1 <= 0.005 || bbox.x2 >= 0.995 || bbox.y1 <= 0.005 || bbox.y2 >= 0.995;
    if cut { score * 0.8 } else { score }
}

impl Shot {
    /// A picture of `frame` that belongs to no episode, with a mark if there is something to point at. `heads` is where heads
    /// must be in it.
    pub fn of(frame: &Frame, mark: Option<Mark>, heads: &[Rect], settings: &Settings) -> Self {
        let mut picture = Picture::default();
        picture.copy(frame, settings.max_width);
        picture.cover(&settings.masks);
        let nothing = Mark { label: String::new(), score: 0.0, bbox: Rect::default() };
        let faces = Faces::of(settings, heads);
        Self { mark: mark.unwrap_or(nothing), pts: frame.pts, picture, faces, map: None }
    }

    /// A heat map over a picture, at most [`MAP_WIDTH`] pixels across.
    pub fn under_map(frame: &Frame, map: HeatMap, heads: &[Rect], settings: &Settings) -> Self {
        let narrow = Settings { max_width: settings.max_width.min(MAP_WIDTH), ..settings.clone() };
        Self { map: Some(Box::new(map)), ..Self::of(frame, None, heads, &narrow) }
    }

    /// The model that must find the faces before this gives anything out; none where it already does.
    pub fn hides_faces_by(&self) -> Option<&Id> {
        match &self.faces {
            Faces::ToHide { model, .. } => Some(model),
            Faces::Shown | Faces::Hidden => None,
        }
    }

    /// Hides the faces that `find` finds in the picture, normalised, and the heads in which it finds none. Where that fails,
    /// the picture is given up: nothing is ever given out of it.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn hide_faces<E>(&mut self, find: impl FnOnce(Frame) -> Result<Vec<Rect>, E>) -> Result<(), E> {
        let Faces::ToHide { heads, .. } = &self.faces else { return Ok(()) };
        let picture = Arc::new(std::mem::take(&mut self.picture));
        let found = find(picture.to_frame())?;
        let areas = faces::areas(&found, heads);
        self.picture = Arc::unwrap_or_clone(picture);
        areas.into_iter().for_each(|area| self.picture.pixelate(area, faces::BLOCKS));
        self.faces = Faces::Hidden;
        Ok(())
    }

    /// PNG, for a map: its flat colours are larger and worse in JPEG. `None` for any other picture.
    pub fn to_png(&self) -> Option<Vec<u8>> {
        self.map.as_ref()?;
        heat::png(&self.drawn()?)
    }

    /// What is to be seen.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// JPEG with the box, the label and the score drawn on it, in the quality of `settings`. `None` while faces are to be
    /// hidden, and if the picture is too large for JPEG (65,535 pixels), which a decoder's picture is not.
    pub fn to_jpeg(&self, settings: &Settings) -> Option<Vec<u8>> {
        jpeg(&self.drawn()?, settings.quality)
    }

    /// As [`to_jpeg`](Self::to_jpeg), but in at most `max_mqtt_bytes`: quality is given up first, then size. `None` where
    /// not even a thumbnail fits.
    pub fn to_small_jpeg(&self, settings: &Settings) -> Option<Vec<u8>> {
        shrunk(self.drawn()?, settings, settings.quality)
    }

    /// Both, [`to_jpeg`](Self::to_jpeg) first. Where one serves for both, it is encoded once.
    pub fn to_jpegs(&self, settings: &Settings) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let Some(canvas) = self.drawn() else { return (None, None) };
        let full = jpeg(&canvas, settings.quality);
        let small = match &full {
            Some(bytes) if bytes.len() <= settings.max_mqtt_bytes => full.clone(),
            Some(_) => shrunk(canvas, settings, settings.quality.saturating_sub(1)),
            None => shrunk(canvas, settings, settings.quality),
        };
        (full, small)
    }

    /// What may be given out; none while faces are to be hidden.
    fn drawn(&self) -> Option<Canvas> {
        if self.hides_faces_by().is_some() {
            return None;
        }
        let Picture { width, height, .. } = self.picture;
        let mut canvas = Canvas { width, height, rgb: self.picture.to_rgb() };
        if let Some(map) = &self.map {
            heat::draw(&mut canvas, map);
        }
        if !self.mark.label.is_empty() {
            canvas.mark(self.mark.bbox, &format!("{} {:.0}%", self.mark.label, self.mark.score * 100.0));
        }
        Some(canvas)
    }

    /// How long before `now` it was captured.
    pub fn age(&self, now: MediaTime) -> Duration {
        now.since(self.pts)
    }
}

/// The canvas in at most `max_mqtt_bytes`, and in at most `best` quality: quality is given up first, then size. `None` where
/// not even a thumbnail fits.
fn shrunk(mut canvas: Canvas, settings: &Settings, mut best: u8) -> Option<Vec<u8>> {
    let fits = |bytes: &Vec<u8>| bytes.len() <= settings.max_mqtt_bytes;
    loop {
        let qualities = [settings.quality, 70, 55, WORST_QUALITY];
        let tried = qualities.into_iter().filter(|quality| *quality <= best);
        if let Some(bytes) = tried.filter_map(|quality| jpeg(&canvas, quality)).find(fits) {
            return Some(bytes);
        }
        if canvas.width <= NARROWEST {
            return None;
        }
        canvas = canvas.scaled((canvas.width * 3 / 4).max(NARROWEST));
        best = settings.quality;
    }
}

/// The camera's pictures have one colour for four pixels already, so the file loses nothing by having no more.
fn jpeg(canvas: &Canvas, quality: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(canvas.rgb.len() / 8);
    let (width, height) = (u16::try_from(canvas.width).ok()?, u16::try_from(canvas.height).ok()?);
    let mut encoder = Encoder::new(&mut bytes, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&canvas.rgb, width, height, ColorType::Rgb).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOX: Rect = Rect::new(0.3, 0.2, 0.6, 0.9);

    /// A picture full of noise, which JPEG makes hardly smaller.
    fn noisy(width: u32, height: u32, seed: u64) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        let chroma = width.div_ceil(2) * height.div_ceil(2) * 2;
        Frame::from_i420(width, height, (0..width * height + chroma).map(|_| random.u8(..)).collect()).unwrap()
    }

    fn flat(luma: u8) -> Frame {
        let mut bytes = vec![luma; 320 * 180];
        bytes.extend(vec![128; 160 * 90 * 2]);
        Frame::from_i420(320, 180, bytes).unwrap()
    }

    fn decoded(jpeg: &[u8]) -> image::RgbImage {
        image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).unwrap().to_rgb8()
    }

    #[test]
    fn the_best_picture_of_each_episode_is_kept() {
        let mut shots = Snapshots::new(&Settings::default());
        assert!(shots.consider("e1", (&flat(50), &[]), "person", 0.5, BOX));
        assert!(!shots.consider("e1", (&flat(60), &[]), "person", 0.52, BOX), "not clearly better");
        assert!(shots.consider("e1", (&flat(70), &[]), "person", 0.6, BOX));
        assert!(
            !shots.consider("e1", (&flat(80), &[]), "person", 0.62, Rect::new(0.0, 0.2, 0.3, 0.9)),
            "cut off by the edge"
        );
        assert!(shots.consider("e2", (&flat(90), &[]), "vehicle", 0.4, BOX));
        let jpeg = shots.best("e1").unwrap().to_jpeg(&Settings::default()).unwrap();
        // Grey 70 in limited range is (70 - 16) * 255 / 219 = 63.
        assert!(decoded(&jpeg).get_pixel(300, 10).0.iter().all(|v| v.abs_diff(63) <= 3));
        assert_eq!(shots.take("e1").unwrap().mark().score, 0.6);
        assert!(shots.take("e1").is_none());
        shots.forget("e2");
        assert_eq!(shots.open(), 0);
    }

    #[test]
    fn as_many_episodes_as_allowed_are_held_and_the_stalest_goes() {
        let mut shots = Snapshots::new(&Settings { max_open: 2, ..Settings::default() });
        shots.consider("a", (&flat(50), &[]), "person", 0.5, BOX);
        shots.consider("b", (&flat(50), &[]), "person", 0.5, BOX);
        shots.consider("a", (&flat(50), &[]), "person", 0.7, BOX);
        shots.consider("c", (&flat(50), &[]), "person", 0.5, BOX);
        assert_eq!(["a", "b", "c"].map(|e| shots.best(e).is_some()), [true, false, true]);
    }

    #[test]
    fn the_file_shows_the_picture_the_box_and_its_colours() {
        let mut shots = Snapshots::new(&Settings::default());
        shots.consider("e", (&flat(100), &[]), "person", 0.87, BOX);
        let picture = decoded(&shots.take("e").unwrap().to_jpeg(&Settings::default()).unwrap());
        assert_eq!(picture.dimensions(), (320, 180));
        // Four pixels share a colour, so a line of two pixels takes a little of what is beside it.
        let near =
            |x: u32, y: u32, rgb: [u8; 3]| picture.get_pixel(x, y).0.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 60);
        assert!(near(97, 100, [255, 196, 0]), "left edge: {:?}", picture.get_pixel(97, 100));
        assert!(near(140, 100, [98, 98, 98]), "inside: {:?}", picture.get_pixel(140, 100));
    }

    #[test]
    fn encoded_for_both_it_is_what_it_would_be_for_each() {
        for max_mqtt_bytes in [2_000, 30_000, 1 << 20] {
            let settings = Settings { max_mqtt_bytes, ..Settings::default() };
            let shot = Shot::of(&noisy(320, 180, 3), None, &[], &settings);
            assert_eq!(shot.to_jpegs(&settings), (shot.to_jpeg(&settings), shot.to_small_jpeg(&settings)));
        }
    }

    #[test]
    fn nothing_is_given_out_of_a_picture_whose_faces_are_not_hidden() {
        let model = Id::new("faces").unwrap();
        let settings = Settings { hide_faces: Some(model.clone()), ..Settings::default() };
        let mut shots = Snapshots::new(&settings);
        shots.consider("e", (&noisy(320, 180, 5), &[]), "person", 0.5, BOX);
        let shot = shots.take("e").unwrap();
        for mut shot in [shot, Shot::of(&noisy(320, 180, 5), None, &[], &settings)] {
            assert_eq!(shot.hides_faces_by(), Some(&model));
            assert_eq!(shot.to_jpegs(&settings), (None, None));
            assert_eq!((shot.to_jpeg(&settings), shot.to_small_jpeg(&settings)), (None, None));
            assert_eq!(shot.clone().hide_faces(|_| Err::<Vec<Rect>, _>("nobody looks")), Err("nobody looks"));
            assert_eq!(shot.to_jpegs(&settings), (None, None));
            shot.hide_faces(|_| Ok::<_, ()>(Vec::new())).unwrap();
            assert!(shot.hides_faces_by().is_none() && shot.to_jpeg(&settings).is_some());
        }
    }

    #[test]
    fn what_was_found_and_the_heads_without_a_face_are_a_mosaic() {
        let settings = Settings { hide_faces: Some(Id::new("faces").unwrap()), ..Settings::default() };
        let head = Rect::new(0.1, 0.2, 0.3, 0.6);
        let mut shot = Shot::of(&noisy(320, 180, 6), None, &[head], &settings);
        let before = shot.picture.to_rgb();
        shot.hide_faces(|frame| {
            assert_eq!((frame.width, frame.height), (320, 180));
            Ok::<_, ()>(vec![Rect::new(0.6, 0.4, 0.7, 0.6)])
        })
        .unwrap();
        let after = shot.picture.to_rgb();
        let changed = |x: usize, y: usize| before[(y * 320 + x) * 3..][..3] != after[(y * 320 + x) * 3..][..3];
        let share = |columns: std::ops::Range<usize>, rows: std::ops::Range<usize>| {
            let all = columns.len() * rows.len();
            let found = rows.flat_map(|y| columns.clone().map(move |x| (x, y))).filter(|&(x, y)| changed(x, y));
            found.count() as f64 / all as f64
        };
        assert!(share(34..94, 38..106) > 0.9, "the head");
        assert!(share(192..224, 72..108) > 0.9, "the face");
        assert_eq!(share(110..170, 0..180), 0.0, "between them");
    }

    #[test]
    fn a_picture_without_an_object_is_only_a_picture() {
        let shot = Shot::of(&flat(100), None, &[], &Settings::default());
        let picture = decoded(&shot.to_jpeg(&Settings::default()).unwrap());
        assert!(picture.pixels().all(|p| p.0.iter().all(|v| v.abs_diff(98) <= 3)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_picture_for_mqtt_never_exceeds_its_size(
            max_mqtt_bytes in 200usize..60_000, width in 16u32..500, height in 16u32..300, quality in 1u8..=100, seed in 0u64..99,
        ) {
            let settings = Settings { max_mqtt_bytes, quality, ..Settings::default() };
            let mark = Mark { label: "person".to_owned(), score: 0.5, bbox: BOX };
            let shot = Shot::of(&noisy(width, height, seed), Some(mark), &[], &settings);
            match shot.to_small_jpeg(&settings) {
                Some(jpeg) => {
                    prop_assert!(jpeg.len() <= max_mqtt_bytes);
                    prop_assert!(decoded(&jpeg).width() <= width);
                }
                // A thumbnail of noise 96 pixels across, and as high as the widest aspect here makes it.
                None => prop_assert!(max_mqtt_bytes < 40_000, "{max_mqtt_bytes} bytes would do"),
            }
        }
    }
}
