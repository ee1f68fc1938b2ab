//! Galleries by hand: people are enrolled from photographs, removed, listed and looked for.

use std::path::{Path, PathBuf};

use crate::base::clock::{Clock, SharedClock};
use crate::detect::embed::Embedder;
use crate::detect::{self, DetectError, Detector, LibrarySearch, PhotographError, Picture, RuntimeError, Settings};
use crate::identify::gallery::audit::Action;
use crate::identify::gallery::{Change, EnrolError, Key, Template};
use crate::identify::{self, Embedding, OtherSpace, Quality, RecogniseError, Shortfall, Sighting};
use crate::vocab::{Id, Identity, Measure, WallTime};

pub use crate::detect::embed::EmbeddingFamily as Family;
pub use crate::identify::gallery::audit::Line;
pub use crate::identify::gallery::{Enrolment, Gallery, Head, KeyError, Store, StoreError, look};
pub use crate::identify::{Limits, Policy, Recogniser};

/// Which models look, and what a face must come up to.
#[derive(Debug, Clone)]
pub struct Models {
    /// The face detector.
    pub detector: Settings,
    /// The embedding model.
    pub embedder: Settings,
    /// How that is fed, where its file does not tell.
    pub family: Option<Family>,
    /// What a face must come up to.
    pub limits: Limits,
}

/// Why something could not be done with a gallery.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// ONNX Runtime cannot be loaded.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] DetectError),
    /// The models do not fit each other, or fail.
    #[error(transparent)]
    Recognise(#[from] RecogniseError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The gallery cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody is not enrolled.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The gallery is of another model.
    #[error(transparent)]
    Space(#[from] OtherSpace),
    /// A photograph cannot be read.
    #[error("cannot read the photograph {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no photograph.
    #[error("cannot use the photograph {path}")]
    Photograph {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PhotographError,
    },
    /// A photograph does not show exactly one face.
    #[error("{path} shows {found} faces, must show exactly one")]
    Faces {
        /// The file.
        path: PathBuf,
        /// How many.
        found: usize,
    },
    /// The face will not do.
    #[error("the face in {path} will not do: {}", told(shortfalls))]
    Quality {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        shortfalls: Vec<Shortfall>,
    },
    /// Nobody has this id.
    #[error("nobody in the gallery has the id {0}")]
    Nobody(Id),
}

impl GalleryError {
    /// Whether the machine is at fault, not what was given.
    pub fn is_the_machines(&self) -> bool {
        use StoreError::{Random, Read, Write};
        matches!(
            self,
            Self::Runtime(_)
                | Self::Model(DetectError::Run { .. })
                | Self::Key(KeyError::Write { .. } | KeyError::Random)
                | Self::Store(Read { .. } | Write { .. } | Random)
        )
    }
}

fn told(shortfalls: &[Shortfall]) -> String {
    shortfalls.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A photograph with exactly one face that will do.
#[derive(Debug, Clone)]
pub struct Portrait {
    /// The photograph.
    pub path: PathBuf,
    /// The face's vector.
    pub embedding: Embedding,
    /// Its figures beside their limits.
    pub measures: Vec<Measure>,
    /// How good it is, 0..1.
    pub worth: f32,
}

/// A face of a photograph, and who it is.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The face.
    pub sighting: Sighting,
    /// What it lacks; then nobody is looked for.
    pub shortfalls: Vec<Shortfall>,
    /// Who it is, where it will do.
    pub identity: Option<Identity>,
}

/// Makes a key in a new file.
///
/// # Errors
/// When there is such a file already, or it cannot be written.
pub fn keygen(path: &Path) -> Result<(), GalleryError> {
    Key::create(path)?;
    Ok(())
}

/// The gallery in `path`, and what opens it.
///
/// # Errors
/// When the key cannot be read.
pub fn store(path: &Path, key: &Path) -> Result<Store, GalleryError> {
    Ok(Store::new(path, Key::read(key)?))
}

/// Makes both models ready.
///
/// # Errors
/// When ONNX Runtime or one of the models cannot be used, or they do not fit.
pub fn open(search: &LibrarySearch, models: &Models, clock: &SharedClock) -> Result<Recogniser, GalleryError> {
    detect::runtime::load(search)?;
    let detector = Detector::open(&models.detector, clock.clone())?;
    let embedder = Embedder::open(&models.embedder, models.family, clock.clone())?;
    Ok(Recogniser::new(detector, embedder, models.limits)?)
}

/// The portrait in a photograph.
///
/// # Errors
/// When the file is no photograph, does not show exactly one face, or that will not do.
pub fn portrait(recogniser: &mut Recogniser, path: &Path) -> Result<Portrait, GalleryError> {
    let picture = photograph(path)?;
    let mut sightings = Vec::new();
    recogniser.look(&picture, &mut sightings)?;
    let [sighting] = sightings[..] else {
        return Err(GalleryError::Faces { path: path.to_owned(), found: sightings.len() });
    };
    let quality = judged(recogniser, &picture, &sighting).map_err(|error| match error {
        Unjudged::Short(shortfalls) => GalleryError::Quality { path: path.to_owned(), shortfalls },
        Unjudged::Failed(error) => error.into(),
    })?;
    let embedding = recogniser.describe()?;
    let limits = recogniser.limits();
    let (measures, worth) = (quality.measures(limits), quality.worth(limits));
    Ok(Portrait { path: path.to_owned(), embedding, measures, worth })
}

/// Enrols a person by portraits of him.
///
/// # Errors
/// When a portrait looks like somebody else or not like the others, or the gallery cannot be changed.
pub fn enrol(
    store: &Store,
    space: &str,
    enrolment: Enrolment,
    portraits: &[Portrait],
    policy: &Policy,
    who: &str,
    clock: &dyn Clock,
) -> Result<Gallery, GalleryError> {
    let now = WallTime::from_unix_nanos(clock.unix_nanos());
    let faces: Vec<(Embedding, Template)> = portraits.iter().map(template).collect();
    let detail = format!("vectors: {}", faces.len());
    let change =
        Change { who: who.to_owned(), at: now, action: Action::Enrol, person: Some(enrolment.id.clone()), detail };
    store.change(space, change, |gallery| {
        gallery.enrol(enrolment, &faces, policy.threshold, now).map_err(GalleryError::from)
    })
}

fn template(portrait: &Portrait) -> (Embedding, Template) {
    let name = portrait.path.file_name().map(|name| name.to_string_lossy().chars().take(80).collect::<String>());
    let vector = portrait.embedding.unit().to_vec();
    let template = Template { vector, worth: portrait.worth, source: name.unwrap_or_default() };
    (portrait.embedding.clone(), template)
}

/// Forgets a person.
///
/// # Errors
/// When nobody has this id, or the gallery cannot be changed.
pub fn remove(store: &Store, id: &Id, who: &str, clock: &dyn Clock) -> Result<Gallery, GalleryError> {
    // One that is not there is not made for the sake of a removal.
    let space = store.read()?.space;
    let change = Change {
        who: who.to_owned(),
        at: WallTime::from_unix_nanos(clock.unix_nanos()),
        action: Action::Remove,
        person: Some(id.clone()),
        detail: "with all vectors".to_owned(),
    };
    store.change(
        &space,
        change,
        |gallery| {
            if gallery.remove(id) { Ok(()) } else { Err(GalleryError::Nobody(id.clone())) }
        },
    )
}

/// Looks for everybody who is in a photograph, and notes that in the log.
///
/// # Errors
/// When the file is no photograph, or the gallery cannot be read or is of another model.
pub fn find(
    recogniser: &mut Recogniser,
    store: &Store,
    path: &Path,
    policy: &Policy,
    who: &str,
    clock: &dyn Clock,
) -> Result<Vec<Matched>, GalleryError> {
    let gallery = store.read()?;
    let now = WallTime::from_unix_nanos(clock.unix_nanos());
    let picture = photograph(path)?;
    let mut sightings = Vec::new();
    recogniser.look(&picture, &mut sightings)?;
    let mut all = Vec::new();
    for sighting in sightings {
        let matched = match judged(recogniser, &picture, &sighting) {
            Ok(quality) => {
                let embedding = recogniser.describe()?;
                let identity = identify::identify(&gallery, &embedding, policy, now)?;
                Matched { sighting: Sighting { quality, ..sighting }, shortfalls: Vec::new(), identity: Some(identity) }
            }
            Err(Unjudged::Short(shortfalls)) => Matched { sighting, shortfalls, identity: None },
            Err(Unjudged::Failed(error)) => return Err(error.into()),
        };
        all.push(matched);
    }
    let found = |matched: &Matched| Some(matched.identity.as_ref()?.person.as_ref()?.id.clone());
    let known: Vec<Id> = all.iter().filter_map(found).collect();
    let change = Change {
        who: who.to_owned(),
        at: now,
        action: Action::Match,
        person: known.first().cloned(),
        detail: format!("faces: {}, known: {}", all.len(), known.len()),
    };
    store.note(&gallery, change)?;
    Ok(all)
}

/// Why a face has no whole quality, or not one that will do.
enum Unjudged {
    Short(Vec<Shortfall>),
    Failed(RecogniseError),
}

fn judged(recogniser: &mut Recogniser, picture: &Picture, sighting: &Sighting) -> Result<Quality, Unjudged> {
    let sighting = recogniser.refine(picture, sighting).map_err(Unjudged::Failed)?;
    let quality = recogniser.judge(picture, &sighting).map_err(Unjudged::Failed)?;
    let shortfalls = quality.shortfalls(recogniser.limits());
    if shortfalls.is_empty() { Ok(quality) } else { Err(Unjudged::Short(shortfalls)) }
}

fn photograph(path: &Path) -> Result<Picture, GalleryError> {
    let bytes = std::fs::read(path).map_err(|source| GalleryError::Read { path: path.to_owned(), source })?;
    detect::photograph(&bytes).map_err(|source| GalleryError::Photograph { path: path.to_owned(), source })
}

/// The user of the system who runs this, by name where `/etc/passwd` has one.
pub fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
