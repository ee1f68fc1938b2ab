//! `vedette gallery`: people who are known by their faces, in a file that is sealed.

mod publish;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::base::clock::{Clock, SystemClock};
use crate::toolchain::detect::{ProviderChoice, Settings};
use crate::toolchain::gallery::{self, Enrolment, GalleryError, Limits, Matched, Models, Policy, Recogniser, Store};
use crate::vocab::{Id, Measure, WallTime};

use super::{Failure, onnx_runtime};

/// Keep a gallery of people who are known by their faces: enrol, list, remove, and look for somebody.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette gallery keygen gallery.key                                 0600, never printed; without it nothing opens
  vedette gallery enrol people.gallery --key gallery.key --detector yunet.onnx --embedder face.onnx \\
      --id e-1042 --name 'Ada Lovelace' --list staff --expires 365d ada-1.jpg ada-2.jpg
  vedette gallery list people.gallery --key gallery.key
  vedette gallery match people.gallery --key gallery.key --detector yunet.onnx --embedder face.onnx visitor.jpg
  vedette gallery remove people.gallery --key gallery.key e-1042
  vedette gallery log people.gallery --key gallery.key               who did what and when; refuses a log that was changed
  vedette gallery publish people.gallery --hub https://hub.example --token-file my.token

A gallery holds vectors and no pictures, encrypted with the key. Vectors are of one embedding model and are compared with \
those of no other. Every change and every match stands in the audit log beside the gallery.

Exit status: 0 done, 1 failed, 2 refused: no face in a photograph or more than one, a face that is too small, blurred or \
turned away, somebody who looks like somebody else, a gallery that the key does not open.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the key of a gallery.
    #[command(after_help = "Example:\n  vedette gallery keygen gallery.key")]
    Keygen {
        /// The file of the key; there must be none yet.
        file: PathBuf,
    },
    /// Enrol a person from photographs that each show his face alone, or add photographs of one who is known.
    #[command(after_help = "Example:
  vedette gallery enrol people.gallery --key gallery.key --detector yunet.onnx --embedder face.onnx \\
      --id e-1042 --name 'Ada Lovelace' --list staff --expires 365d ada-1.jpg ada-2.jpg")]
    Enrol(EnrolArgs),
    /// List the people of a gallery, a JSON line each.
    #[command(after_help = "Example:\n  vedette gallery list people.gallery --key gallery.key")]
    List(GalleryArgs),
    /// Forget a person, with all vectors.
    #[command(after_help = "Example:\n  vedette gallery remove people.gallery --key gallery.key e-1042")]
    Remove {
        #[command(flatten)]
        gallery: GalleryArgs,
        /// The person's id.
        id: Id,
    },
    /// Say who is in photographs, a JSON line for each face.
    #[command(after_help = "Example:
  vedette gallery match people.gallery --key gallery.key --detector yunet.onnx --embedder face.onnx visitor.jpg")]
    Match {
        #[command(flatten)]
        gallery: GalleryArgs,
        #[command(flatten)]
        models: ModelArgs,
        /// JPEG or PNG files.
        #[arg(required = true, value_name = "PHOTO")]
        photographs: Vec<PathBuf>,
    },
    /// Print the audit log, once it is seen to be whole.
    #[command(after_help = "Example:\n  vedette gallery log people.gallery --key gallery.key")]
    Log(GalleryArgs),
    /// Send a gallery, sealed as it is, to the hub, from which agents take it; only one that is newer than the one there.
    #[command(after_help = "Example:
  vedette gallery publish people.gallery --hub https://hub.example --token-file my.token")]
    Publish(publish::Publish),
    /// Delete a gallery at the hub; agents keep what they have.
    #[command(after_help = "Example:
  vedette gallery withdraw people --hub https://hub.example --token-file my.token")]
    Withdraw(publish::Withdraw),
}

#[derive(Debug, clap::Args)]
struct EnrolArgs {
    #[command(flatten)]
    gallery: GalleryArgs,
    #[command(flatten)]
    models: ModelArgs,
    /// The person's id: events and the audit log name it, so that it should say no more than it must.
    #[arg(long)]
    id: Id,
    /// The person's name for people; the id by default.
    #[arg(long)]
    name: Option<String>,
    /// A watch list that names the person; may be given several times.
    #[arg(long, value_name = "LIST")]
    list: Vec<Id>,
    /// From when on the person is forgotten: so many days from now, such as 365d, or a day, such as 2027-01-31.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    expires: Option<Expiry>,
    /// JPEG or PNG files, each with this person's face and no other.
    #[arg(required = true, value_name = "PHOTO")]
    photographs: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct GalleryArgs {
    /// The gallery's file.
    gallery: PathBuf,
    /// The file of its key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// It came from the hub, on an agent's box: it can be listed and searched, not changed.
    #[arg(long)]
    from_hub: bool,
}

#[derive(Debug, clap::Args)]
struct ModelArgs {
    /// The face detector: one that tells five points, such as YuNet.
    #[arg(long, value_name = "FILE")]
    detector: PathBuf,
    /// The embedding model: a face of 112x112 to a vector.
    #[arg(long, value_name = "FILE")]
    embedder: PathBuf,
    /// How the embedding model is fed: arcface, sface or mobilefacenet; told from the file by default.
    #[arg(long, value_name = "FAMILY")]
    family: Option<gallery::Family>,
    /// Execution provider of both models.
    #[arg(long, default_value = "auto")]
    provider: ProviderChoice,
    /// The least likeness of one person's faces, as a cosine.
    #[arg(long, value_name = "COSINE", default_value_t = Policy::default().threshold)]
    threshold: f32,
    /// By how much the likeness must exceed that of anybody else.
    #[arg(long, value_name = "COSINE", default_value_t = Policy::default().margin)]
    margin: f32,
    /// The least size of a face, in pixels of its shorter side.
    #[arg(long, value_name = "PIXELS", default_value_t = Limits::default().size_px)]
    min_size: f32,
    /// The least sharpness of a face, as the variance of its Laplacian.
    #[arg(long, value_name = "VARIANCE", default_value_t = Limits::default().sharpness)]
    min_sharpness: f32,
}

/// When somebody is forgotten.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    Days(u32),
    /// In seconds since 1970-01-01 UTC.
    At(i64),
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| *days > 0) {
        return Ok(Expiry::Days(days));
    }
    let day = text.parse::<jiff::civil::Date>();
    let moment = day.and_then(|day| jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)));
    let moment = moment.map_err(|_| "write a number of days such as 365d, or a day such as 2027-01-31".to_owned())?;
    Ok(Expiry::At(moment.as_second()))
}

impl Expiry {
    fn at(self, now: WallTime) -> i64 {
        match self {
            Self::Days(days) => now.unix_nanos().div_euclid(1_000_000_000) + i64::from(days) * 86_400,
            Self::At(at) => at,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Refused when a photograph, a face, the key or the gallery cannot be used; failed when the machine cannot.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Keygen { file } => {
            gallery::keygen(&file).map_err(told)?;
            print(&json!({ "file": file }))
        }
        What::Enrol(args) => enrol(args),
        What::List(args) => list(&args),
        What::Remove { gallery, id } => {
            let store = gallery.store()?;
            let left = gallery::remove(&store, &id, &who(), &SystemClock).map_err(told)?;
            print(&json!({ "removed": id, "revision": left.revision, "people": left.people.len() }))
        }
        What::Match { gallery, models, photographs } => find(&gallery, &models, &photographs),
        What::Log(args) => log(&args),
        What::Publish(args) => publish::publish(&args),
        What::Withdraw(args) => publish::withdraw(&args),
    }
}

fn told(error: GalleryError) -> Failure {
    if error.is_the_machines() { Failure::Running(error.into()) } else { Failure::Refused(error.into()) }
}

fn print(line: &Value) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{line}").context("cannot write to stdout")?;
    Ok(())
}

/// Who is at the keyboard, for the audit log.
fn who() -> String {
    let operator = gallery::operator();
    match std::env::var("SUDO_USER") {
        Ok(user) if !user.is_empty() && user != operator => {
            format!("{} as {operator}", user.chars().take(64).collect::<String>())
        }
        _ => operator,
    }
}

impl GalleryArgs {
    fn store(&self) -> Result<Store, Failure> {
        let store = gallery::store(&self.gallery, &self.key).map_err(told)?;
        Ok(if self.from_hub { store.received() } else { store })
    }
}

impl ModelArgs {
    fn policy(&self) -> Policy {
        Policy { threshold: self.threshold, margin: self.margin }
    }

    fn open(&self) -> Result<Recogniser, Failure> {
        let name = |text: &str| Id::new(text).context("the name of a model").map_err(Failure::Running);
        let settings = |name: Id, file: &Path| Settings {
            provider: self.provider,
            required: self.provider != ProviderChoice::Auto,
            ..Settings::new(name, file)
        };
        let models = Models {
            detector: Settings { threshold: 0.7, ..settings(name("faces")?, &self.detector) },
            embedder: settings(name("embedder")?, &self.embedder),
            family: self.family,
            limits: Limits { size_px: self.min_size, sharpness: self.min_sharpness, ..Limits::default() },
        };
        gallery::open(&onnx_runtime::search(None), &models, &SystemClock::shared()).map_err(told)
    }
}

fn enrol(args: EnrolArgs) -> Result<(), Failure> {
    let store = args.gallery.store()?;
    if args.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 128) {
        return Err(Failure::Refused(anyhow!("a name has 1 to 128 bytes")));
    }
    let mut recogniser = args.models.open()?;
    let portraits = args.photographs.iter().map(|path| gallery::portrait(&mut recogniser, path));
    // One that will not do keeps all from being enrolled: nobody is left half known.
    let portraits = portraits.collect::<Result<Vec<_>, _>>().map_err(told)?;
    let now = WallTime::from_unix_nanos(SystemClock.unix_nanos());
    let expires = args.expires.map(|expiry| expiry.at(now));
    if expires.is_some_and(|expires| WallTime::from_unix_nanos(expires.saturating_mul(1_000_000_000)) <= now) {
        return Err(Failure::Refused(anyhow!("`--expires` lies in the past")));
    }
    let enrolment = Enrolment { id: args.id.clone(), name: args.name, lists: args.list, expires };
    let policy = args.models.policy();
    let gallery = gallery::enrol(&store, recogniser.space(), enrolment, &portraits, &policy, &who(), &SystemClock)
        .map_err(told)?;
    let faces: Vec<Value> = portraits
        .iter()
        .map(|p| json!({ "photo": p.path, "worth": rounded(p.worth), "measures": measures(&p.measures) }))
        .collect();
    print(&json!({
        "enrolled": args.id, "vectors": gallery.person(&args.id).map(|person| person.templates.len()),
        "space": gallery.space, "revision": gallery.revision, "faces": faces,
    }))
}

fn list(args: &GalleryArgs) -> Result<(), Failure> {
    let gallery = args.store()?.read().map_err(|error| told(error.into()))?;
    let now = WallTime::from_unix_nanos(SystemClock.unix_nanos());
    let time = |seconds: i64| WallTime::from_unix_nanos(seconds.saturating_mul(1_000_000_000)).to_rfc3339();
    print(&json!({ "space": gallery.space, "revision": gallery.revision, "people": gallery.people.len() }))?;
    for person in &gallery.people {
        let sources: Vec<&str> = person.templates.iter().map(|template| template.source.as_str()).collect();
        print(&json!({
            "id": person.id, "name": person.name, "lists": person.lists, "vectors": person.templates.len(),
            "sources": sources, "created": time(person.created), "expires": person.expires.map(time),
            "has_expired": person.has_expired(now),
        }))?;
    }
    Ok(())
}

fn find(args: &GalleryArgs, models: &ModelArgs, photographs: &[PathBuf]) -> Result<(), Failure> {
    let store = args.store()?;
    let mut recogniser = models.open()?;
    for path in photographs {
        let faces =
            gallery::find(&mut recogniser, &store, path, &models.policy(), &who(), &SystemClock).map_err(told)?;
        if faces.is_empty() {
            print(&json!({ "photo": path, "faces": 0 }))?;
        }
        for face in &faces {
            print(&described(path, face, recogniser.limits()))?;
        }
    }
    Ok(())
}

fn described(path: &Path, face: &Matched, limits: &Limits) -> Value {
    let Matched { sighting, shortfalls, identity } = face;
    let bbox = <[f32; 4]>::from(sighting.bbox).map(|edge| f64::from(edge.round()));
    let lacks: Vec<String> = shortfalls.iter().map(ToString::to_string).collect();
    let identity = identity.as_ref().map(|identity| {
        json!({
            "person": identity.person.as_ref().map(|person| person.id.clone()),
            "name": identity.person.as_ref().map(|person| person.name.clone()),
            "lists": identity.person.as_ref().map(|person| person.lists.clone()),
            "score": rounded(identity.score), "threshold": rounded(identity.threshold),
            "margin": rounded(identity.margin), "least_margin": rounded(identity.least_margin),
            "space": identity.space, "gallery": identity.gallery,
        })
    });
    json!({
        "photo": path, "box_px": bbox, "score": rounded(sighting.score), "lacks": lacks,
        "measures": measures(&sighting.quality.measures(limits)), "identity": identity,
    })
}

fn measures(measures: &[Measure]) -> Value {
    measures.iter().map(|measure| (measure.name.clone(), json!([measure.value, measure.limit]))).collect()
}

fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

fn log(args: &GalleryArgs) -> Result<(), Failure> {
    let store = args.store()?;
    // Whether it is whole, only the gallery knows.
    store.read().map_err(|error| told(error.into()))?;
    let lines = store.lines().map_err(|error| told(error.into()))?;
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| out.write_all(line.to_text().as_bytes())).context("cannot write to stdout")?;
    Ok(())
}
