//! Signed model packages, from making one to running it, and what is refused on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vedette::base::clock::{SimulatedClock, SystemClock};
use vedette::detect::{
    Accepted, DetectError, Detector, LibrarySearch, Provider, ProviderChoice, Settings, photograph, runtime,
};
use vedette::model::keys::SecretKey;
use vedette::model::manifest::Manifest;
use vedette::model::package::{self, Blob, Envelope};
use vedette::model::{hostile, policy::Refusal};
use vedette::vocab::{Id, Secret};

use crate::detect::yolov8;
use crate::support::{clips, data};

const DRAFT: &str = "\
name: street-dogs
version: 1.2.3
release: 7
security_version: 4
created: 2026-01-01T00:00:00Z
expires: 2100-01-01T00:00:00Z
compatible: { agent_min: 0.1.0 }
thresholds: { score: 0.5 }
limits: { memory_mib: 4096, inference_ms: 60000 }
metrics: { map: 0.335 }
training: { parent: none, pictures: drawn }
licence: Apache-2.0
";

/// A folder with a model that sees a dog in every picture, a golden picture, keys and a draft.
struct Bench {
    folder: tempfile::TempDir,
}

/// `None` without ONNX Runtime, after saying so.
fn bench() -> Option<Bench> {
    let Some(library) = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).filter(|path| path.exists()) else {
        println!("SKIPPED {}: VEDETTE_ORT names no library", std::thread::current().name().unwrap_or("test"));
        return None;
    };
    runtime::load(&LibrarySearch { from_env: Some(library), ..LibrarySearch::default() }).unwrap();
    let bench = Bench { folder: tempfile::tempdir().unwrap() };
    bench.write("dog.onnx", &yolov8().bytes());
    bench.write("draft.yaml", DRAFT.as_bytes());
    std::fs::create_dir(bench.path("golden")).unwrap();
    let grey = image::RgbImage::from_pixel(128, 64, image::Rgb([128, 128, 128]));
    grey.save(bench.path("golden/grey yard.png")).unwrap();
    for key in ["release", "second"] {
        bench.runs(&["keys", "new", &format!("{key}.key")]);
        let public = bench.runs(&["keys", "public", &format!("{key}.key")]);
        bench.write(&format!("{key}.pub"), &public.stdout);
    }
    Some(bench)
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn vedette(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("CREDENTIALS_DIRECTORY").output().unwrap()
    }

    /// Runs a command that must succeed.
    fn runs(&self, arguments: &[&str]) -> Output {
        let output = self.vedette(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        output
    }

    /// Runs a command that must succeed, and reads its answer.
    fn answer(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.runs(arguments).stdout).unwrap()
    }

    /// Makes `dogs.vedette`, signed by `release.key`.
    fn package(&self) -> Value {
        let model = ["model", "package", "--manifest", "draft.yaml", "--model", "dog.onnx", "--golden", "golden"];
        self.answer(&[&model[..], &["--key", "release.key", "-o", "dogs.vedette"]].concat())
    }

    /// Verifies `file` and returns exit status and reason.
    fn verify(&self, file: &str, more: &[&str]) -> (Option<i32>, String) {
        let output = self.vedette(&[&["model", "verify", file], more].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["ok"].as_bool(), Some(output.status.success()), "{answer}");
        let text = answer["text"].as_str().unwrap_or_default();
        // What programs read, people read too.
        assert!(String::from_utf8_lossy(&output.stderr).contains(text), "{answer}");
        (output.status.code(), answer["reason"].as_str().unwrap_or("in order").to_owned())
    }

    /// Writes `dogs.vedette` again with another manifest, signed by the same key, as its maker could.
    fn remade(&self, name: &str, change: impl FnOnce(&mut Manifest)) {
        let bytes = self.read("dogs.vedette");
        let mut package = Envelope::parse(&bytes).unwrap().open().unwrap();
        let blob = |name: &String| Blob { name: name.clone(), content: package.blob(name).unwrap().to_vec() };
        let blobs: Vec<Blob> = package.manifest.files.iter().map(|file| blob(&file.name)).collect();
        change(&mut package.manifest);
        let key = String::from_utf8(self.read("release.key")).unwrap();
        let key = SecretKey::from_file(&Secret::new(key)).unwrap();
        self.write(name, &package::write(package.manifest, &blobs, &[key]).unwrap());
    }

    fn settings(&self, file: &str) -> Settings {
        let provider = ProviderChoice::One(Provider::Cpu);
        Settings { provider, ..Settings::new(Id::new("dogs").unwrap(), self.path(file)) }
    }
}

fn refusal(opened: Result<Detector, DetectError>) -> &'static str {
    match opened {
        Err(DetectError::Package { source, .. }) => source.code(),
        other => panic!("expected a refused package, found {other:?}"),
    }
}

#[test]
fn a_package_is_made_verified_and_runs_like_the_file_in_it() {
    let Some(bench) = bench() else { return };
    let made = bench.package();
    assert_eq!((made["name"].as_str(), made["family"].as_str()), (Some("street-dogs"), Some("yolov8")));
    let verified = bench.answer(&["model", "verify", "dogs.vedette", "--trust", "release.pub"]);
    assert_eq!((&verified["trusted"], &verified["digest"]), (&Value::Bool(true), &made["digest"]));
    assert_eq!(verified["labels"], serde_json::json!(["cat", "dog"]));
    assert_eq!(verified["profiles"][0]["run"]["golden"], 1);
    let detect = |model: &str, more: &[&str]| {
        bench.answer(&[&["detect", "--model", model, "golden/grey yard.png"], more].concat())["detections"].clone()
    };
    assert_eq!(detect("dogs.vedette", &["--trust", "release.pub"]), detect("dog.onnx", &[]));
    // The dog has a score of 0.9, and a second one beside it 0.6.
    assert_eq!(detect("dogs.vedette", &["--threshold", "0.95"]), serde_json::json!([]));
    bench.remade("strict.vedette", |manifest| {
        manifest.thresholds.score = 0.95;
        manifest.golden.pictures[0].detections.clear();
    });
    assert_eq!(detect("strict.vedette", &[]), serde_json::json!([]), "the package's own threshold");
    assert_eq!(detect("strict.vedette", &["--threshold", "0.4"]), detect("dog.onnx", &[]));
    let facts = Detector::open(&bench.settings("dogs.vedette"), SystemClock::shared()).unwrap().facts();
    assert_eq!((facts.name.as_str(), facts.version.as_str()), ("street-dogs", "1.2.3"));
    assert_eq!(Some(facts.sha256.as_str()), verified["profiles"][0]["sha256"].as_str());
}

#[test]
fn each_way_in_which_a_package_is_wrong_is_refused_with_its_own_reason() {
    let Some(bench) = bench() else { return };
    bench.package();
    let good = bench.read("dogs.vedette");
    let trusted = ["--trust", "release.pub"];
    assert_eq!(bench.verify("dogs.vedette", &trusted), (Some(0), "in order".to_owned()));
    let refused = |bytes: &[u8], more: &[&str]| {
        bench.write("wrong.vedette", bytes);
        let (status, reason) = bench.verify("wrong.vedette", &[&trusted[..], &["--no-run"], more].concat());
        assert_eq!(status, Some(2), "{reason}");
        reason
    };
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        bytes
    };
    let length = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    assert_eq!(refused(&changed(3), &[]), "not-a-package");
    assert_eq!(refused(&changed(8), &[]), "unknown-format");
    assert_eq!(refused(&changed(40), &[]), "bad-signature");
    assert_eq!(refused(&changed(32 + length + 40), &[]), "bad-signature");
    assert_eq!(refused(&changed(good.len() - 5), &[]), "changed-content");
    assert_eq!(refused(&good[..good.len() / 2], &[]), "truncated");
    assert_eq!(refused(&[&good[..], b"more"].concat(), &[]), "trailing-bytes");
    assert_eq!(refused(b"hello\n", &[]), "not-a-package");
    assert_eq!(refused(&good, &["--now", "2100-01-01T00:00:00Z"]), "expired");
    assert_eq!(refused(&good, &["--installed-security-version", "5"]), "older-security-version");
    assert_eq!(refused(&good, &["--hardware", "agent=0.0.9"]), "agent-too-old");
    let strangers = bench.verify("dogs.vedette", &["--trust", "second.pub"]);
    assert_eq!(strangers, (Some(2), "not-trusted".to_owned()));
    bench.remade("arm.vedette", |manifest| manifest.compatible.architectures = vec!["aarch64".into()]);
    let elsewhere = ["--hardware", "architecture=x86_64", "--no-run"];
    assert_eq!(bench.verify("arm.vedette", &elsewhere), (Some(2), "wrong-architecture".to_owned()));
    bench.remade("gpu.vedette", |manifest| manifest.profiles[0].provider = "tensorrt".into());
    let cpu = ["--hardware", "providers=cpu+cuda", "--no-run"];
    assert_eq!(bench.verify("gpu.vedette", &cpu), (Some(2), "wrong-provider".to_owned()));
    bench.remade("swapped.vedette", |manifest| manifest.profiles[0].outputs[0].name = "output1".into());
    assert_eq!(bench.verify("swapped.vedette", &[]), (Some(2), "other-tensors".to_owned()));
}

#[test]
fn a_model_that_does_not_see_what_its_package_says_fails() {
    let Some(bench) = bench() else { return };
    bench.package();
    let score = |found: f64| {
        bench.remade("other.vedette", |manifest| manifest.golden.pictures[0].detections[0].score = found);
        bench.verify("other.vedette", &[])
    };
    assert_eq!(score(0.92), (Some(0), "in order".to_owned()), "within the tolerance");
    assert_eq!(score(0.8), (Some(1), "golden-mismatch".to_owned()));
    match Detector::open(&bench.settings("other.vedette"), SystemClock::shared()) {
        Err(DetectError::Golden { picture, reason, .. }) => {
            assert_eq!(picture, "golden-001-grey-yard.png");
            assert!(reason.starts_with("dog 0.80 is expected and not seen; the nearest has score 0.90"), "{reason}");
        }
        other => panic!("expected a golden mismatch, found {other:?}"),
    }
    bench.remade("other.vedette", |manifest| manifest.golden.pictures[0].detections.clear());
    assert_eq!(bench.verify("other.vedette", &[]), (Some(1), "golden-mismatch".to_owned()));
    bench.remade("other.vedette", |manifest| manifest.preprocess.order = "bgr".into());
    assert_eq!(bench.verify("other.vedette", &[]), (Some(1), "manifest-mismatch".to_owned()));
    bench.remade("other.vedette", |manifest| {
        manifest.limits =
            manifest.limits.map(|limits| vedette::model::manifest::Limits { inference_ms: 1e-6, ..limits });
    });
    assert_eq!(bench.verify("other.vedette", &[]), (Some(1), "over-limit".to_owned()));
    assert_eq!(bench.verify("other.vedette", &["--no-run"]), (Some(0), "in order".to_owned()));
}

#[test]
fn each_provider_gets_the_file_that_is_for_it() {
    let Some(bench) = bench() else { return };
    let mut other = yolov8();
    other.metadata.push(("note", "for another provider"));
    bench.write("other.onnx", &other.bytes());
    let models = ["--model", "dog.onnx", "--model", "other.onnx:tensorrt"];
    let package = ["model", "package", "--manifest", "draft.yaml", "--golden", "golden", "-o", "dogs.vedette"];
    bench.runs(&[&package[..], &models].concat());
    let verified = bench.answer(&["model", "verify", "dogs.vedette"]);
    let profiles = verified["profiles"].as_array().unwrap();
    assert_eq!((&profiles[0]["provider"], &profiles[0]["run"]["provider"]), (&"any".into(), &"cpu".into()));
    assert_eq!(profiles[1]["not_run"].as_str(), Some("this machine has no tensorrt"));
    let opened = |provider| {
        let settings = Settings { provider: ProviderChoice::One(provider), ..bench.settings("dogs.vedette") };
        Detector::open(&settings, SystemClock::shared()).unwrap()
    };
    let cpu = opened(Provider::Cpu);
    assert_eq!(Some(cpu.facts().sha256.as_str()), profiles[0]["sha256"].as_str());
    let fallen = opened(Provider::TensorRt);
    assert_eq!((fallen.facts().sha256, fallen.provider().obtained), (cpu.facts().sha256, Provider::Cpu));
    assert_eq!(fallen.provider().warnings.len(), 1, "{:?}", fallen.provider().warnings);
    let mut cat = yolov8();
    cat.metadata = vec![("task", "detect"), ("names", "{0: 'dog', 1: 'cat'}"), ("stride", "32")];
    bench.write("other.onnx", &cat.bytes());
    let output = bench.vedette(&[&package[..], &models].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("has another list of labels"), "{text}");
}

#[test]
fn a_detector_remembers_what_was_accepted_before_it() {
    let Some(bench) = bench() else { return };
    bench.package();
    let open = |settings: &Settings, now: i64| Detector::open(settings, SimulatedClock::at(now * 1_000_000_000));
    let (summer, too_late) = (1_780_000_000, 4_200_000_000);
    let settings = bench.settings("dogs.vedette");
    let package = open(&settings, summer).unwrap().package().unwrap().clone();
    assert!(!package.is_expired && !package.is_trusted);
    assert_eq!(refusal(open(&settings, too_late)), "expired");
    let remembered = |security_version| {
        let kept = Accepted { digest: package.digest.clone(), security_version };
        Settings { accepted: BTreeMap::from([("street-dogs".to_owned(), kept)]), ..settings.clone() }
    };
    assert!(open(&remembered(4), too_late).unwrap().package().unwrap().is_expired);
    assert_eq!(refusal(open(&remembered(5), summer)), "older-security-version");
}

#[test]
fn where_signatures_are_required_nothing_else_runs() {
    let Some(bench) = bench() else { return };
    bench.package();
    let open = |file: &str, trust: Option<&str>| {
        let trust = trust.map(|name| bench.path(name));
        let settings = Settings { trust, require_signed: true, ..bench.settings(file) };
        Detector::open(&settings, SystemClock::shared())
    };
    assert!(open("dogs.vedette", Some("release.pub")).unwrap().package().unwrap().is_trusted);
    assert_eq!(refusal(open("dogs.vedette", Some("second.pub"))), "not-trusted");
    assert!(matches!(open("dog.onnx", Some("release.pub")), Err(DetectError::NotAPackage { .. })));
    assert!(matches!(open("dogs.vedette", None), Err(DetectError::NobodyTrusted { .. })));
    assert!(matches!(open("dogs.vedette", Some("dog.onnx")), Err(DetectError::ReadTrust { .. })));
    assert!(matches!(open("dogs.vedette", Some("draft.yaml")), Err(DetectError::Trust { .. })));
}

#[test]
fn a_key_is_replaced_by_one_that_it_vouches_for() {
    let Some(bench) = bench() else { return };
    bench.package();
    let first = bench.answer(&["keys", "rotate", "old.json", "--add", "release.key", "--sign", "release.key"]);
    assert_eq!((&first["version"], &first["in_force"]), (&1.into(), &true.into()));
    std::fs::copy(bench.path("old.json"), bench.path("new.json")).unwrap();
    let rotate = ["keys", "rotate", "new.json", "--add", "second.pub", "--remove", "release", "--sign", "second.key"];
    let second = bench.answer(&rotate);
    assert_eq!((&second["version"], &second["in_force"]), (&2.into(), &false.into()), "the old key has not signed yet");
    let list = |file: &str, after: &str| bench.vedette(&["keys", "list", file, "--after", after]).status.code();
    assert_eq!(list("new.json", "old.json"), Some(2));
    bench.runs(&["keys", "sign", "new.json", "--key", "release.key"]);
    assert_eq!((list("new.json", "old.json"), list("old.json", "new.json")), (Some(0), Some(2)));
    assert_eq!(bench.verify("dogs.vedette", &["--trust", "old.json"]), (Some(0), "in order".to_owned()));
    assert_eq!(bench.verify("dogs.vedette", &["--trust", "new.json"]), (Some(2), "not-trusted".to_owned()));
    bench.runs(&["keys", "sign", "dogs.vedette", "--key", "second.key"]);
    assert_eq!(bench.verify("dogs.vedette", &["--trust", "new.json"]), (Some(0), "in order".to_owned()));
}

#[test]
fn secret_keys_are_never_printed_and_must_be_their_owners_alone() {
    let Some(bench) = bench() else { return };
    let text = String::from_utf8(bench.read("release.key")).unwrap();
    let seed = serde_json::from_str::<Value>(&text).unwrap()["seed"].as_str().unwrap().to_owned();
    for arguments in
        [&["keys", "public", "release.key"][..], &["keys", "new", "release.key"], &["keys", "list", "release.key"]]
    {
        let output = bench.vedette(arguments);
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains(&seed), "{arguments:?}");
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(bench.path("release.key"), open).unwrap();
    let output = bench.vedette(&["keys", "public", "release.key"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("chmod 600"), "{text}");
}

#[test]
fn a_draft_or_a_model_that_cannot_be_used_makes_no_package() {
    let Some(bench) = bench() else { return };
    let refused = |draft: &str, model: &str| {
        bench.write("draft.yaml", draft.as_bytes());
        let arguments = ["model", "package", "--manifest", "draft.yaml", "--model", model, "-o", "out.vedette"];
        let output = bench.vedette(&arguments);
        assert_eq!(output.status.code(), Some(2), "{draft}");
        assert!(!bench.path("out.vedette").exists() && !bench.path(".out.vedette.new").exists());
        let text = String::from_utf8(output.stderr).unwrap();
        text.find("vedette: ").map(|at| text[at..].to_owned()).unwrap()
    };
    assert!(refused(&DRAFT.replace("licence", "license"), "dog.onnx").contains("unknown field `license`"));
    assert!(refused(&DRAFT.replace("1.2.3", "one"), "dog.onnx").contains("is no version"));
    assert!(refused(&format!("{DRAFT}name: again\n"), "dog.onnx").contains("found the key a second time"));
    assert!(refused(&DRAFT.replace("2100", "2020"), "dog.onnx").contains("expires: must be after"));
    assert!(refused(DRAFT, "dog.onnx:abacus").contains("abacus"));
    assert!(refused(DRAFT, "draft.yaml").contains("found a text file"));
}

#[test]
fn an_onnx_file_that_asks_for_more_than_a_runtime_should_give_is_refused_everywhere() {
    let Some(bench) = bench() else { return };
    let mut bytes = yolov8().bytes();
    let at = bytes.windows(9).position(|word| word == b"ReduceMax").unwrap();
    bytes[at..at + 9].copy_from_slice(b"EPContext");
    bench.write("evil.onnx", &bytes);
    let output = bench.vedette(&["detect", "--model", "evil.onnx", "golden/grey yard.png"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("is the operator \"EPContext\""), "{text}");
    let opened = Detector::open(&bench.settings("evil.onnx"), SystemClock::shared());
    assert!(matches!(opened, Err(DetectError::Hostile { .. })), "{opened:?}");
    bench.package();
    let with = |content: Vec<u8>| {
        let bytes = bench.read("dogs.vedette");
        let package = Envelope::parse(&bytes).unwrap().open().unwrap();
        let picture = "golden-001-grey-yard.png";
        let blobs = [("any.onnx", content), (picture, package.blob(picture).unwrap().to_vec())]
            .map(|(name, content)| Blob { name: name.into(), content });
        bench.write("evil.vedette", &package::write(package.manifest, &blobs, &[]).unwrap());
        refusal(Detector::open(&bench.settings("evil.vedette"), SystemClock::shared()))
    };
    assert_eq!(with(bytes), "hostile-model");
    assert_eq!(with(b"# notes".to_vec()), "not-onnx");
    let error = Refusal::Unsigned;
    assert!(error.to_string().contains("vedette keys sign"));
}

#[test]
fn events_of_a_packaged_model_name_it_and_its_version() {
    let Some(bench) = bench() else { return };
    bench.package();
    let caps = "format=I420,width=128,height=64,framerate=25/1";
    let encoder = "x264enc key-int-max=25 bframes=0 ! h264parse ! matroskamux";
    clips::make(bench.folder.path(), "clip.mkv", 50, caps, encoder);
    let configure = |file: &str, trust: &str| {
        let text = format!(
            "agent: {{ id: test, state_dir: {} }}\nmqtt: {{ url: \"mqtt://localhost\" }}\n\
             runtime: {{ trust: {trust}, require_signed: true }}\n\
             models: {{ dogs: {{ file: {file}, provider: cpu }} }}\n\
             cameras:\n  - id: door\n    url: \"./clip.mkv\"\n    detect: {{ model: dogs, motion_gate: false }}\n    \
             zones: [{{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}]\n    \
             rules: [{{ id: any, kind: intrusion, zone: all, labels: [dog] }}]\n",
            bench.path("state").display()
        );
        bench.write("site.yaml", text.as_bytes());
        bench.vedette(&["replay", "-c", "site.yaml", "--camera", "door", "--input", "clip.mkv"])
    };
    let output = configure("dogs.vedette", "release.pub");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let alert = events.into_iter().find(|event| event["type"].as_str().is_some_and(|t| t.contains("alert"))).unwrap();
    let model = &alert["data"]["model"];
    assert_eq!((model["name"].as_str(), model["version"].as_str()), (Some("street-dogs"), Some("1.2.3")), "{alert:#}");
    assert_eq!(model["threshold"].as_f64(), Some(0.5), "the package's own");
    for (file, trust, reason) in
        [("dogs.vedette", "second.pub", "nobody is trusted"), ("dog.onnx", "release.pub", "only signed")]
    {
        let output = configure(file, trust);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(reason), "{text}");
    }
}

#[test]
fn a_real_detector_is_packaged_with_photographs_and_passes_its_own_golden_check() {
    let (Some(bench), Some(model), Some(photographs)) =
        (bench(), data::find("models/detect/yolox_nano_416.onnx"), data::find("images/coco_val64/images"))
    else {
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(photographs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    std::fs::create_dir(bench.path("street")).unwrap();
    for file in files.iter().take(4) {
        std::fs::copy(file, bench.path("street").join(file.file_name().unwrap())).unwrap();
    }
    let model = model.display().to_string();
    let package = ["model", "package", "--manifest", "draft.yaml", "--golden", "street", "--key", "release.key"];
    bench.runs(&[&package[..], &["--model", &model, "-o", "people.vedette"]].concat());
    let verified = bench.answer(&["model", "verify", "people.vedette", "--trust", "release.pub"]);
    assert_eq!((verified["family"].as_str(), &verified["profiles"][0]["run"]["golden"]), (Some("yolox"), &4.into()));
    let bytes = bench.read("people.vedette");
    let package = Envelope::parse(&bytes).unwrap().open().unwrap();
    let seen: usize = package.manifest.golden.pictures.iter().map(|picture| picture.detections.len()).sum();
    assert!(seen >= 4, "only {seen} objects in four photographs");
    // A photograph that is another one is noticed.
    let mut swapped = package.manifest.clone();
    let names: Vec<String> = swapped.files.iter().map(|file| file.name.clone()).collect();
    let mut blobs: Vec<Blob> =
        names.iter().map(|name| Blob { name: name.clone(), content: package.blob(name).unwrap().to_vec() }).collect();
    let last = blobs.len() - 1;
    (blobs[1].content, blobs[last].content) = (blobs[last].content.clone(), blobs[1].content.clone());
    swapped.files.clear();
    bench.write("swapped.vedette", &package::write(swapped, &blobs, &[]).unwrap());
    assert_eq!(bench.verify("swapped.vedette", &[]), (Some(1), "golden-mismatch".to_owned()));
    assert!(photograph(&blobs[1].content).is_ok());
}

#[test]
fn detectors_that_people_really_use_pass_the_checks_of_hostile_files() {
    let Some(folder) = data::find("models") else { return };
    let mut looked_at = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "onnx") {
                assert_passes(&path);
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 7, "only {looked_at} models were found");
}

fn assert_passes(path: &Path) {
    let checked = hostile::check(&std::fs::read(path).unwrap());
    assert_eq!(checked, Ok(()), "{}", path.display());
}
