//! Opening a detector: the file or package is read and checked, each provider is tried in turn with the file that is for
//! it, and one that came in a package must see in its golden pictures what the package says.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::base::clock::SharedClock;
use crate::model::golden::{self, Seen};
use crate::model::manifest::{GoldenPicture, Manifest};

use super::detector::{Detector, Timing};
use super::error::DetectError;
use super::families::Family;
use super::letterbox::{Fit, Order, Preprocess};
use super::picture::{Picture, PictureError, RgbPicture};
use super::provider::{Attempt, Provider, ProviderChoice};
use super::runtime;
use super::settings::{LabelSource, Settings};
use super::source::{ModelFile, Opened, Source};

/// What it took to look at the golden pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoldenReport {
    /// The pictures that were seen rightly, and how long each look took.
    pub pictures: Vec<(String, Timing)>,
}

impl Detector {
    /// Reads the model, opens it on what the settings ask for, recognises its family, and shows it the golden pictures:
    /// the one that every model is shown, and those of its package.
    ///
    /// With a provider that is not `required`, the CPU runs what that provider refuses, and
    /// [`provider`](Self::provider) says so; it never happens silently.
    ///
    /// # Errors
    /// When a setting is out of range, the file is unreadable, no ONNX model or package, one that must not be used, of no
    /// known family, no provider runs it, or what it makes of a golden picture is impossible or wrong.
    pub fn open(settings: &Settings, clock: SharedClock) -> Result<Self, DetectError> {
        settings.check()?;
        runtime::loaded().ok_or(DetectError::NoRuntime)?;
        let source = Source::read(settings, &*clock)?;
        let settings = match &source.package {
            Some(package) => completed(settings, &package.manifest)?,
            None => settings.clone(),
        };
        let mut attempts = Vec::new();
        for provider in candidates(&settings) {
            let Some(file) = source.file(provider).filter(|file| may_run(provider, file, &settings)) else {
                let refusal = Some("the package has no file for it".to_owned());
                attempts.extend(source.package.as_ref().map(|_| Attempt { provider, refusal }));
                continue;
            };
            let opened = Self::open_on(&file.settings(&settings), file, provider, &attempts, clock.clone());
            match opened.and_then(|detector| proven(detector, &source, file)) {
                Ok(detector) => return Ok(detector),
                Err(DetectError::Provider { attempts: all, .. }) => attempts = all,
                // On the CPU the blame for wrong results lies with the model.
                Err(error @ DetectError::Golden { .. }) if provider != Provider::Cpu => {
                    attempts.push(Attempt { provider, refusal: Some(error.to_string()) });
                }
                Err(error) => return Err(error),
            }
        }
        Err(DetectError::Provider { path: settings.file, asked: settings.provider, attempts })
    }
}

/// The providers to try, in order.
pub(super) fn candidates(settings: &Settings) -> Vec<Provider> {
    match settings.provider {
        ProviderChoice::Auto => {
            Provider::auto_order(false).filter(|provider| provider.is_built_in()).chain([Provider::Cpu]).collect()
        }
        ProviderChoice::One(Provider::Cpu) => vec![Provider::Cpu],
        ProviderChoice::One(provider) if settings.required => vec![provider],
        ProviderChoice::One(provider) => vec![provider, Provider::Cpu],
    }
}

/// Whether `auto` tries a provider with this file: some have no 8-bit convolutions. One that is named is tried anyway.
pub(super) fn may_run(provider: Provider, file: &ModelFile, settings: &Settings) -> bool {
    settings.provider != ProviderChoice::Auto
        || provider == Provider::Cpu
        || Provider::auto_order(file.facts.is_quantised()).any(|p| p == provider)
}

/// The settings with what the package says where they say nothing.
pub(super) fn completed(settings: &Settings, manifest: &Manifest) -> Result<Settings, DetectError> {
    let family: Family = manifest.family.parse().map_err(|_| DetectError::Manifest {
        path: settings.file.clone(),
        key: "family",
        says: manifest.family.clone(),
        found: format!("one of {}", Family::names().collect::<Vec<_>>().join(", ")),
    })?;
    let labels = settings.labels.clone().unwrap_or_else(|| LabelSource::Names(manifest.labels.clone()));
    Ok(Settings { family: settings.family.or(Some(family)), labels: Some(labels), ..settings.clone() })
}

/// The detector, once it was seen to be what its package says.
fn proven(mut detector: Detector, source: &Source, file: &ModelFile) -> Result<Detector, DetectError> {
    let Some(package) = &source.package else { return Ok(detector) };
    let (says, found) = (&package.manifest.preprocess, told_preprocess(&detector.preprocess()));
    if *says != found {
        return Err(DetectError::Manifest {
            path: detector.settings().file.clone(),
            key: "preprocess",
            says: format!("{says:?}"),
            found: format!("{found:?}"),
        });
    }
    if package.facts.is_expired {
        let name = &package.facts.name;
        tracing::warn!(package = name, "the model package has expired; it was accepted in time and goes on");
    }
    let report = look_at_golden(&mut detector, package, file)?;
    detector.came_from(package.facts.clone(), report);
    Ok(detector)
}

fn look_at_golden(detector: &mut Detector, package: &Opened, file: &ModelFile) -> Result<GoldenReport, DetectError> {
    let (golden, labels) = (package.golden(), &package.manifest.labels);
    let mut report = GoldenReport::default();
    for expected in golden.pictures.iter().filter(|picture| picture.model == file.name) {
        let failed = |detector: &Detector, reason: String| DetectError::Golden {
            path: detector.settings().file.clone(),
            provider: detector.provider().obtained.as_str(),
            picture: expected.picture.clone(),
            reason,
        };
        let picture = find(package, expected).map_err(|reason| failed(detector, reason))?;
        let mut found = Vec::new();
        let timing = detector.detect_as(&picture, &package.facts.thresholds, &mut found)?;
        let seen: Vec<Seen<'_>> = found
            .iter()
            .filter_map(|d| Some(Seen { label: labels.get(usize::from(d.class))?, score: d.score, bbox: d.bbox }))
            .collect();
        golden::compare(&expected.detections, &seen, golden, package.facts.thresholds.score)
            .map_err(|difference| failed(detector, difference.to_string()))?;
        report.pictures.push((expected.picture.clone(), timing));
    }
    Ok(report)
}

fn find(package: &Opened, wanted: &GoldenPicture) -> Result<Picture, String> {
    let bytes = package.pictures.iter().find(|(name, _)| *name == wanted.picture).map(|(_, bytes)| bytes.as_slice());
    photograph(bytes.unwrap_or_default()).map_err(|error| error.to_string())
}

/// Why bytes are no photograph.
#[derive(Debug, thiserror::Error)]
pub enum PhotographError {
    /// They are no JPEG or PNG, or a damaged one.
    #[error("it cannot be decoded as JPEG or PNG: {0}")]
    Decode(#[from] image::ImageError),
    /// The picture is too large.
    #[error(transparent)]
    Size(#[from] PictureError),
}

/// The photograph that `bytes` are, JPEG or PNG, the way up that its camera noted, as every viewer shows it.
///
/// # Errors
/// When they are none.
pub fn photograph(bytes: &[u8]) -> Result<Picture, PhotographError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(image::ImageError::from)?;
    let mut decoder = reader.into_decoder()?;
    // A file without this note is upright.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let pixels = picture.into_rgb8();
    let (width, height) = pixels.dimensions();
    Ok(Picture::Rgb(RgbPicture::new(width, height, pixels.into_raw())?))
}

/// How a manifest says how a picture becomes the input.
pub fn told_preprocess(preprocess: &Preprocess) -> crate::model::manifest::Preprocess {
    let fit = match preprocess.fit {
        Fit::Stretch => "stretch",
        Fit::TopLeft(_) => "top-left",
        Fit::Centre(_) => "centre",
    };
    let order = match preprocess.order {
        Order::Rgb => "rgb",
        Order::Bgr => "bgr",
    };
    crate::model::manifest::Preprocess {
        fit: fit.to_owned(),
        padding: f64::from(preprocess.fit.padding()),
        order: order.to_owned(),
        mean: preprocess.mean.map(f64::from),
        std: preprocess.std.map(f64::from),
    }
}
