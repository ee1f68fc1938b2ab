//! What recognising a face costs beside its two models: the whole way of the agent from the part of a picture in which the
//! face must be to who it is, against what the models' inferences took in the same looks.
//!
//! In processor time of one thread, so that a busy machine does not spoil it. Needs ONNX Runtime (`VEDETTE_ORT`) and the
//! shared test data; says so and measures nothing without them. Ends with 1 when the limit is exceeded.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use image::imageops::{FilterType, resize};
use image::{ImageReader, RgbImage};
use rustix::time::{ClockId, clock_gettime};
use vedette::base::clock::{Clock, SharedClock};
use vedette::detect::embed::Embedder;
use vedette::detect::{Detector, LibrarySearch, Picture, Provider, ProviderChoice, Settings, runtime};
use vedette::identify::gallery::{Gallery, Person, Template};
use vedette::identify::{Limits, Policy, Recogniser, Sighting, identify};
use vedette::vocab::{Frame, FrameBytes, Id, PixelFormat, Plane, WallTime};

/// The most that a look may take, in times of what its inferences take.
const LIMIT: f64 = 1.3;
const DETECTOR: &str = "models/face/face_detection_yunet_2026may.onnx";
const EMBEDDER: &str = "models/face/mobilefacenet.onnx";
const PHOTOGRAPH: &str = "faces/compreface/007_B.jpg";
/// As large as the configuration has it where it says nothing.
const INPUT: (u32, u32) = (320, 320);
/// The shorter sides of faces in the picture, in pixels: from the smallest that will do to one close by.
const SIZES: [u32; 4] = [48, 96, 192, 384];
const LOOKS: usize = 60;
const PEOPLE: usize = 200;
/// The picture of the camera.
const CAMERA: (u32, u32) = (1920, 1080);

type Fault = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(missing) => {
            println!("SKIPPED faces: {missing}");
            ExitCode::SUCCESS
        }
    }
}

fn measure() -> Result<bool, Fault> {
    let data = std::env::var_os("VEDETTE_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let clock: SharedClock = Arc::new(ThreadTime);
    let mut recogniser = recogniser(&data, &clock)?;
    let photograph = ImageReader::open(data.join(PHOTOGRAPH))?.decode()?.to_rgb8();
    let whole = Picture::Frame(frame(&photograph, 1.0, PixelFormat::I420)?);
    let mut sightings = Vec::new();
    recogniser.look(&whole, &mut sightings)?;
    let face = *sightings.first().ok_or("no face in the photograph")?;
    let gallery = gallery(&recogniser)?;
    println!("{:<28} {:>8} {:>8} {:>8} {:>8} {:>8}  ms; times", "", "find", "align", "describe", "compare", "models");
    let mut holds = true;
    for size in SIZES {
        for format in [PixelFormat::Nv12, PixelFormat::I420] {
            let scale = size as f32 / face.quality.size_px;
            let scene =
                Scene { frame: frame(&photograph, scale, format)?, face: face.bbox.centre().into(), scale, size };
            let looks: Vec<Look> =
                (0..LOOKS).map(|at| scene.look(at, &mut recogniser, &gallery, &clock)).collect::<Result<_, _>>()?;
            holds &= tell(&format!("a face of {size} px in {format:?}"), &looks);
        }
    }
    Ok(holds)
}

/// A camera's picture with a face in it.
struct Scene {
    frame: Frame,
    /// The middle of the face in the photograph, and by how much that was scaled.
    face: [f32; 2],
    scale: f32,
    size: u32,
}

/// What one look took.
struct Look {
    find: Duration,
    align: Duration,
    describe: Duration,
    compare: Duration,
    models: Duration,
}

impl Scene {
    /// One look as the agent's thread for faces takes it. Boxes tremble, so that hardly two parts have one size.
    fn look(&self, at: usize, by: &mut Recogniser, known: &Gallery, clock: &SharedClock) -> Result<Look, Fault> {
        let ([x, y], side) = (self.face.map(|place| place * self.scale), self.size as f32);
        let tremble = (at % 8) as u32 * 2;
        let (left, top) = ((x - 1.5 * side).max(0.0) as u32, (y - side).max(0.0) as u32);
        let mut sightings: Vec<Sighting> = Vec::new();
        by.take_cost();
        let start = clock.mono();
        let part =
            self.frame.part(left + tremble, top, 3 * self.size, 4 * self.size + tremble).ok_or("no such part")?;
        let picture = Picture::Frame(part);
        by.look(&picture, &mut sightings)?;
        let limits = *by.limits();
        let sighting = *sightings.first().ok_or("the face is not found")?;
        let found = clock.mono();
        let quality = by.judge(&picture, &sighting)?;
        let worth = quality.worth(&limits);
        let aligned = clock.mono();
        let embedding = by.describe()?;
        let described = clock.mono();
        let identity = identify(known, &embedding, &Policy::default(), WallTime::default())?;
        let compared = clock.mono();
        assert!(worth >= 0.0 && identity.person.is_none(), "the gallery holds nobody but strangers");
        let cost = by.take_cost();
        Ok(Look {
            find: found - start,
            align: aligned - found,
            describe: described - aligned,
            compare: compared - described,
            models: Duration::from_micros(cost.detect_us + cost.embed_us),
        })
    }
}

impl Look {
    fn times(&self) -> f64 {
        (self.find + self.align + self.describe + self.compare).as_secs_f64() / self.models.as_secs_f64()
    }
}

/// Prints the medians; whether the limit is kept.
fn tell(name: &str, looks: &[Look]) -> bool {
    let median = |of: &dyn Fn(&Look) -> f64| {
        let mut values: Vec<f64> = looks.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let millis = |part: fn(&Look) -> Duration| median(&|look| part(look).as_secs_f64() * 1e3);
    let parts =
        [millis(|l| l.find), millis(|l| l.align), millis(|l| l.describe), millis(|l| l.compare), millis(|l| l.models)];
    let times = median(&Look::times);
    let [find, align, describe, compare, models] = parts;
    let verdict = if times <= LIMIT { "pass" } else { "FAIL" };
    println!(
        "{name:<28} {find:>8.3} {align:>8.3} {describe:>8.3} {compare:>8.3} {models:>8.3}  {times:.3} of {LIMIT} {verdict}"
    );
    times <= LIMIT
}

fn recogniser(data: &Path, clock: &SharedClock) -> Result<Recogniser, Fault> {
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).filter(|path| path.exists());
    let library = library.ok_or("needs ONNX Runtime, named by VEDETTE_ORT")?;
    runtime::load(&LibrarySearch { from_env: Some(library), ..LibrarySearch::default() })?;
    let settings = |name: &str, file: &str| -> Result<Settings, Fault> {
        let path = Some(data.join(file)).filter(|path| path.exists());
        let path = path.ok_or_else(|| format!("needs {file} of the shared test data"))?;
        Ok(Settings { provider: ProviderChoice::One(Provider::Cpu), ..Settings::new(Id::new(name)?, path) })
    };
    let detector = Settings { threshold: 0.7, input: Some(INPUT), ..settings("faces", DETECTOR)? };
    let detector = Detector::open(&detector, clock.clone())?;
    let embedder = Embedder::open(&settings("embedder", EMBEDDER)?, None, clock.clone())?;
    Ok(Recogniser::new(detector, embedder, Limits::default())?)
}

/// Strangers, three vectors each.
fn gallery(recogniser: &Recogniser) -> Result<Gallery, Fault> {
    let mut chance = fastrand::Rng::with_seed(3);
    let mut template = || {
        let vector: Vec<f32> = (0..128).map(|_| chance.f32() - 0.5).collect();
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        Template { vector: vector.iter().map(|v| v / length).collect(), worth: 1.0, source: String::new() }
    };
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let id = Id::new(&format!("stranger-{number}"))?;
        let templates = vec![template(), template(), template()];
        people.push(Person { id, name: String::new(), lists: Vec::new(), created: 0, expires: None, templates });
    }
    Ok(Gallery { space: recogniser.space().to_string(), people, ..Gallery::default() })
}

/// The photograph, scaled, in the upper left of a camera's picture; where it is larger, the picture is.
fn frame(photograph: &RgbImage, scale: f32, format: PixelFormat) -> Result<Frame, Fault> {
    let scaled = |side: u32| ((side as f32 * scale) as u32).max(1);
    let small = resize(photograph, scaled(photograph.width()), scaled(photograph.height()), FilterType::Triangle);
    let (width, height) = (CAMERA.0.max(small.width()) & !1, CAMERA.1.max(small.height()) & !1);
    let luma = |x: u32, y: u32| yuv(&small, x, y)[0];
    let mut planes = vec![(0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| luma(x, y)).collect()];
    let halves: Vec<[u8; 3]> = (0..height / 2)
        .flat_map(|y| (0..width / 2).map(move |x| (x, y)))
        .map(|(x, y)| yuv(&small, 2 * x, 2 * y))
        .collect();
    match format {
        PixelFormat::Nv12 => planes.push(halves.iter().flat_map(|[_, u, v]| [*u, *v]).collect()),
        PixelFormat::I420 => {
            planes.push(halves.iter().map(|[_, u, _]| *u).collect());
            planes.push(halves.iter().map(|[_, _, v]| *v).collect());
        }
    }
    let chroma = if format == PixelFormat::Nv12 { width } else { width / 2 } as usize;
    Ok(Frame::new(width, height, format, Arc::new(Planes { planes, strides: [width as usize, chroma, chroma] })))
}

/// BT.601 in limited range; grey beside the photograph.
fn yuv(picture: &RgbImage, x: u32, y: u32) -> [u8; 3] {
    let [r, g, b] = picture.get_pixel_checked(x, y).map_or([90.0; 3], |pixel| pixel.0.map(f32::from));
    let luma = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
    let (u, v) = (128.0 - 0.148 * r - 0.291 * g + 0.439 * b, 128.0 + 0.439 * r - 0.368 * g - 0.071 * b);
    [luma, u, v].map(|value| value.round() as u8)
}

struct Planes {
    planes: Vec<Vec<u8>>,
    strides: [usize; 3],
}

impl FrameBytes for Planes {
    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { data: &self.planes[index], stride: self.strides[index] }
    }
}

/// The processor time of the thread that asks; its models run on that thread alone.
struct ThreadTime;

impl Clock for ThreadTime {
    fn mono(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn unix_nanos(&self) -> i64 {
        0
    }

    fn is_synchronised(&self) -> bool {
        true
    }
}
