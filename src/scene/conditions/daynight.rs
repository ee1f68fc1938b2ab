//! Whether the camera sees by day or by night, told from its chroma: with the infrared filter out, cameras deliver grey.
//!
//! Some thousand samples of the chroma planes are read. How far they depart from grey, on average, is above 2 levels for most
//! scenes in colour, and below 1 for a grey one, whatever the codec made of it. But a yard of asphalt is grey by day as well:
//! so nothing is known before there has been colour for [`LEARN`], and a scene that never has any says nothing. An agent
//! that starts at night therefore knows the mode from the morning on.

use std::time::Duration;

use crate::vocab::{DayNight, Frame, MediaTime, PixelFormat};

/// Samples across and down.
const SAMPLES: (usize, usize) = (48, 27);
/// Colourfulness below which there is no colour, and above which there is, in levels of chroma.
const GREY: f32 = 1.0;
const COLOUR: f32 = 2.0;
/// How long there must have been colour before anything is known.
const LEARN: Duration = Duration::from_secs(30);
/// How long either must last from then on. A camera takes a second or two for the switch and its exposure.
const CONFIRM: Duration = Duration::from_secs(4);

/// Watches for the switch.
#[derive(Debug, Default)]
pub struct DayNightWatch {
    mode: Option<DayNight>,
    /// What the picture has looked like, and since when.
    lately: Option<(DayNight, MediaTime)>,
}

impl DayNightWatch {
    /// Looks at the next picture, of this colourfulness. Returns the mode when it has become known, or changed.
    pub fn step(&mut self, now: MediaTime, colour: f32) -> Option<DayNight> {
        let looks = match () {
            () if colour < GREY => DayNight::Night,
            () if colour > COLOUR => DayNight::Day,
            // In between, it is what it was.
            () => self.lately.map(|(looks, _)| looks)?,
        };
        let since = match self.lately {
            Some((before, since)) if before == looks => since,
            _ => now,
        };
        self.lately = Some((looks, since));
        let is_news = match self.mode {
            None => looks == DayNight::Day && now.since(since) >= LEARN,
            Some(mode) => mode != looks && now.since(since) >= CONFIRM,
        };
        if is_news {
            self.mode = Some(looks);
        }
        is_news.then_some(looks)
    }

    /// Whether its pictures have lately looked otherwise than it is known to see.
    pub fn is_in_doubt(&self) -> bool {
        self.mode.is_some() && self.lately.map(|(looks, _)| looks) != self.mode
    }

    /// What it sees by, once known.
    pub fn mode(&self) -> Option<DayNight> {
        self.mode
    }
}

/// How far the picture's colours depart from grey, on average, in levels of chroma.
pub fn colourfulness(frame: &Frame) -> f32 {
    let (width, height) = (frame.width as usize / 2, frame.height as usize / 2);
    let (first, second) = match frame.format {
        PixelFormat::Nv12 => (frame.plane(1), frame.plane(1)),
        PixelFormat::I420 => (frame.plane(1), frame.plane(2)),
    };
    // In NV12 the two lie side by side.
    let (pace, beside) = match frame.format {
        PixelFormat::Nv12 => (2, 1),
        PixelFormat::I420 => (1, 0),
    };
    let (mut sum, mut count) = (0u32, 0u32);
    for row in (0..SAMPLES.1).map(|row| (2 * row + 1) * height / (2 * SAMPLES.1)) {
        for column in (0..SAMPLES.0).map(|column| (2 * column + 1) * width / (2 * SAMPLES.0)) {
            let u = first.data.get(row * first.stride + column * pace);
            let v = second.data.get(row * second.stride + column * pace + beside);
            let (Some(u), Some(v)) = (u, v) else { continue };
            sum += u32::from(u.abs_diff(128)) + u32::from(v.abs_diff(128));
            count += 2;
        }
    }
    sum as f32 / count.max(1) as f32
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vocab::{FrameBytes, Plane};

    struct SideBySide(Vec<u8>, Vec<u8>);

    impl FrameBytes for SideBySide {
        fn plane(&self, index: usize) -> Plane<'_> {
            Plane { data: if index == 0 { &self.0 } else { &self.1 }, stride: 64 }
        }
    }

    #[test]
    fn both_layouts_of_chroma_give_the_same_colour() {
        let mut bytes = vec![90; 64 * 36 * 3 / 2];
        bytes[64 * 36..64 * 36 + 32 * 18].fill(118);
        bytes[64 * 36 + 32 * 18..].fill(134);
        let planar = Frame::from_i420(64, 36, bytes).unwrap();
        let chroma = (0..64 * 18).map(|i| if i % 2 == 0 { 118 } else { 134 }).collect();
        let woven = Frame::new(64, 36, PixelFormat::Nv12, Arc::new(SideBySide(vec![90; 64 * 36], chroma)));
        assert_eq!((colourfulness(&planar), colourfulness(&woven)), (8.0, 8.0));
    }

    /// What the watch says of these colours, a second apart.
    fn modes(colours: impl IntoIterator<Item = f32>) -> Vec<(usize, DayNight)> {
        let mut watch = DayNightWatch::default();
        let mut see = |(second, colour): (usize, f32)| {
            let at = MediaTime::from_millis(second as u64 * 1000);
            Some((second, watch.step(at, colour)?))
        };
        colours.into_iter().enumerate().filter_map(&mut see).collect()
    }

    #[test]
    fn the_switch_is_told_after_four_seconds_and_what_lies_between_changes_nothing() {
        let day = [5.0; 32].into_iter();
        let dull = [1.5; 20].into_iter();
        let lamp = [0.2, 0.2, 5.0, 0.2, 0.1, 5.0].into_iter();
        let night = [0.1; 10].into_iter();
        let told = modes(day.chain(dull).chain(lamp).chain(night).chain([9.0; 5]));
        assert_eq!(told, [(30, DayNight::Day), (62, DayNight::Night), (72, DayNight::Day)]);
    }

    #[test]
    fn a_scene_without_colour_says_nothing_whatever_passes_through_it() {
        assert_eq!(modes((0..600).map(|second| if second % 60 < 20 { 4.0 } else { 0.1 })), []);
    }
}
