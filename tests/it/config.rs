//! The configuration from outside: faulty files with every fault that is expected of them, examples that must load, and
//! the schema that documents every key.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use vedette::behaviour::RuleKind;
use vedette::config::{self, Folders, Loaded, Password, Weight};
use vedette::detect::Isolation;
use vedette::vocab::FiringKind;

/// What every faulty file that holds a password calls it.
const CANARY: &str = "hunter2-canary";

fn folders() -> Folders {
    Folders { config: "/etc/vedette".into(), credentials: Some("/run/credentials/vedette.service".into()) }
}

fn load(text: &str) -> Result<Loaded, String> {
    config::load(text.as_bytes(), &folders()).map_err(|faults| faults.render("f.yaml"))
}

/// The YAML files of a folder of the repository, in order.
fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// A small configuration, with `lines` below its only camera.
fn with_camera_lines(lines: &str) -> String {
    format!(
        "agent: {{ id: a }}\nmqtt: {{ url: \"mqtt://localhost\" }}\nmodels: {{ people: {{ file: p.onnx }} }}\n\
         cameras:\n  - id: door\n    url: rtsp://10.0.0.5/a\n    detect: {{ model: people }}\n{lines}"
    )
}

#[test]
fn every_faulty_configuration_gives_all_its_faults() {
    let files = yaml_files("tests/it/config/faulty");
    assert!(files.len() >= 50, "found only {} faulty configurations", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&file).unwrap();
        let faults = config::load(&bytes, &folders()).expect_err(&name);
        let text = faults.render(&format!("{name}.yaml"));
        assert!(faults.any_errors(), "{name}: refused, but without an error");
        assert!(!text.contains(CANARY), "{name} shows a password:\n{text}");
        assert!(!serde_json::to_string(&faults.iter().collect::<Vec<_>>()).unwrap().contains(CANARY), "{name}");
        assert!(!text.contains("fault of the program"), "{name}: schema and types disagree\n{text}");
        let in_order = faults.iter().map(|f| (f.line, f.column)).collect::<Vec<_>>();
        assert!(in_order.is_sorted(), "{name}: {in_order:?}");
        insta::with_settings!({ snapshot_path => "config/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn the_configuration_of_the_readme_loads() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 1);
    let loaded = config::load(blocks[0].as_bytes(), &folders());
    let loaded = loaded.unwrap_or_else(|faults| panic!("\n{}", faults.render("README.md")));
    assert_eq!(loaded.config.cameras[0].rules.len(), 4);
    assert_eq!(loaded.warnings.render("README.md"), "");
}

#[test]
fn every_example_in_the_repository_loads() {
    let files = yaml_files("systemd/examples");
    assert_eq!(files.len(), 8, "{files:?}");
    for file in &files {
        let loaded = config::load(&fs::read(file).unwrap(), &folders());
        let loaded = loaded.unwrap_or_else(|faults| panic!("\n{}", faults.render(&file.display().to_string())));
        let warnings = loaded.warnings.render(&file.display().to_string());
        assert_eq!(warnings, "", "an example must not teach what draws a warning");
    }
}

#[test]
fn what_the_package_installs_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/debian/vedette.yaml");
    let loaded = config::load(&fs::read(file).unwrap(), &folders()).unwrap();
    assert_eq!(loaded.warnings.render("vedette.yaml"), "");
}

#[test]
fn the_example_of_behaviours_has_every_kind_of_rule() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/examples/behaviours.yaml");
    let config = load(&fs::read_to_string(file).unwrap()).unwrap().config;
    let rules = config.cameras.iter().flat_map(|camera| &camera.rules);
    let shown: Vec<FiringKind> = rules.map(|rule| rule.kind.of_firings()).collect();
    let missing: Vec<_> = FiringKind::ALL.into_iter().filter(|kind| !shown.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let mut kinds = FiringKind::ALL.map(|kind| kind.as_str().to_owned()).to_vec();
    kinds.sort();
    assert_eq!(documented_choices("FiringKind"), kinds);
}

#[test]
fn the_configuration_of_the_documentation_loads_and_says_what_it_should() {
    let text = r#"
agent: { id: gate-north, site: plant-3, state_dir: /var/lib/vedette }
mqtt:
  url: mqtts://broker.example:8883
  username: gate-north
  password_file: mqtt.password
  ca_file: ca.pem
  cert_file: agent.pem
  key_file: agent.key
  delivery: broker
  compat: []
models:
  people: { file: models/vedette-nano.int8.onnx, threshold: 0.4, provider: auto, required: false }
cameras:
  - id: door
    url: rtsp://10.0.0.5/stream2
    username: viewer
    password_file: door.password
    transport: tcp
    detect: { model: people, fps: 5, motion_gate: true }
    zones: [ { id: yard, polygon: [[0.1,0.2],[0.9,0.2],[0.9,0.95],[0.1,0.95]] } ]
    lines: [ { id: gate, from: [0.2,0.8], to: [0.8,0.8] } ]
    rules:
      - { id: night-yard, kind: intrusion, zone: yard, labels: [person], severity: alert, schedule: "22:00-06:00" }
      - { id: hang-around, kind: loitering, zone: yard, labels: [person], seconds: 60 }
      - { id: in-out, kind: line-crossing, line: gate, labels: [person, vehicle] }
"#;
    let Loaded { config, warnings } = load(text).unwrap();
    assert_eq!(warnings.iter().count(), 0);
    assert_eq!(config.revision.len(), 12);
    assert_eq!((config.mqtt.host.as_str(), config.mqtt.port), ("broker.example", 8883));
    let tls = config.mqtt.tls.unwrap();
    let identity = tls.identity.unwrap();
    assert_eq!(tls.ca_file.unwrap(), Path::new("/etc/vedette/ca.pem"));
    assert_eq!(identity.cert_file, Path::new("/etc/vedette/agent.pem"));
    assert_eq!(identity.key_file, Path::new("/run/credentials/vedette.service/agent.key"));
    let camera = &config.cameras[0];
    let login = camera.login.clone().unwrap();
    assert_eq!(login.username, "viewer");
    let file = PathBuf::from("/run/credentials/vedette.service/door.password");
    assert_eq!(login.password, Some(Password::File(file)));
    assert_eq!(config.evidence.folder, Path::new("/var/lib/vedette/evidence"));
    assert_eq!(config.models[0].file, Path::new("/etc/vedette/models/vedette-nano.int8.onnx"));
    assert!(matches!(camera.rules[1].kind, RuleKind::Loitering { seconds, .. } if seconds.as_secs() == 60));
}

#[test]
fn models_run_in_the_agent_unless_they_are_to_have_processes_of_their_own() {
    let isolation = |sections: &str| {
        let loaded = load(&format!("{}{sections}", with_camera_lines(""))).unwrap();
        loaded.config.models[0].detect_settings(None).isolation
    };
    assert_eq!(isolation(""), Isolation::None);
    assert_eq!(isolation("runtime: { isolation: none }\n"), Isolation::None);
    assert_eq!(isolation("runtime: { isolation: process }\n"), Isolation::process());
    let faults = load(&format!("{}runtime: {{ isolation: both }}\n", with_camera_lines(""))).unwrap_err();
    assert!(faults.contains("runtime.isolation") && faults.contains("process"), "{faults}");
}

#[test]
fn a_secret_in_a_url_is_taken_out_of_it_and_never_shown() {
    let text = with_camera_lines("")
        .replace("rtsp://10.0.0.5/a", "rtsp://viewer:hunter2%2Dcanary@10.0.0.5/a?token=hunter2-canary");
    let loaded = load(&text).unwrap();
    let camera = &loaded.config.cameras[0];
    assert!(!format!("{loaded:?}").contains(CANARY), "{loaded:?}");
    assert!(!camera.source.to_string().contains(CANARY));
    assert_eq!(camera.source.url().as_str(), "rtsp://10.0.0.5/a?token=hunter2-canary");
    let password = camera.login.clone().unwrap().password.unwrap().read().unwrap();
    assert_eq!(password.expose(), CANARY);
    let warnings: Vec<_> = loaded.warnings.iter().map(|f| (f.weight, f.path.as_str())).collect();
    assert_eq!(warnings, [(Weight::Warning, "cameras[0].url")]);
}

#[test]
fn password_files_hold_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &[u8]| {
        let path = folder.path().join("password");
        fs::write(&path, content).unwrap();
        Password::File(path).read().map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    };
    assert_eq!(read(b"hunter2-canary\n").unwrap(), CANARY);
    assert_eq!(read(b"hunter2-canary\r\n").unwrap(), CANARY);
    assert_eq!(read(b" with blanks \n").unwrap(), " with blanks ");
    for content in [&b""[..], b"\n", b"two\nlines\n", b"\xff\xfe", b"nul\0", &[b'x'; 5000]] {
        let error = read(content).unwrap_err();
        assert!(error.contains("does not hold one line"), "{error}");
    }
    // It may be the password itself.
    let gone = Password::File(folder.path().join(CANARY)).read().unwrap_err();
    assert!(!format!("{gone} {gone:?}").contains(CANARY), "{gone:?}");
}

#[test]
fn fifty_mebibytes_are_refused_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    fs::write(&path, format!("agent: {{ id: {} }}\n", "x".repeat(50 << 20))).unwrap();
    let error = config::load_file(&path, &folders()).unwrap_err();
    let config::LoadError::Faulty { faults, .. } = &error else { panic!("{error}") };
    assert!(faults.render("f").contains("at most 1 MiB"), "{}", faults.render("f"));
    // A device that never ends is cut at the same place.
    assert!(matches!(config::load_file(Path::new("/dev/zero"), &folders()), Err(config::LoadError::Faulty { .. })));
    let gone = config::load_file(&folder.path().join("gone.yaml"), &folders()).unwrap_err();
    assert!(gone.to_string().contains("gone.yaml"), "{gone}");
}

#[test]
fn a_scalar_just_below_the_limit_is_read_and_refused_for_its_length() {
    let text = with_camera_lines(&format!("    decoder: {}\n", "x".repeat(1_000_000)));
    let faults = load(&text).unwrap_err();
    assert!(faults.contains("cameras[0].decoder: found a text of 1000000 characters, must be 1 to 64"), "{faults}");
    assert!(faults.len() < 1000);
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let faults = config::load(b"agent:\n  id: caf\xe9\n", &folders()).unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert_eq!((fault.line, fault.column), (2, 10));
}

#[test]
fn a_flood_of_faults_is_counted_not_told() {
    let text = with_camera_lines(&(0..500).map(|i| format!("    key-{i}: 1\n")).collect::<String>());
    let faults = config::load(text.as_bytes(), &folders()).unwrap_err();
    assert_eq!((faults.iter().count(), faults.errors()), (100, 500));
    assert!(faults.render("f").ends_with("f: and 400 more\n"));
}

#[test]
fn aliases_repeat_whole_values() {
    let lines = "    zones: [{ id: a, polygon: &p [[0, 0], [1, 0], [1, 1]] }, { id: b, polygon: *p }]\n";
    let zones = load(&with_camera_lines(lines)).unwrap().config.cameras.remove(0).zones;
    assert_eq!(zones[0].polygon, zones[1].polygon);
}

#[test]
fn without_credentials_secrets_lie_beside_the_configuration() {
    let folders = Folders { credentials: None, ..folders() };
    let text = with_camera_lines("    username: me\n    password_file: p\n");
    let loaded = config::load(text.as_bytes(), &folders).unwrap();
    let login = loaded.config.cameras[0].login.clone().unwrap();
    assert_eq!(login.password, Some(Password::File("/etc/vedette/p".into())));
}

#[test]
fn a_model_of_which_nothing_is_said_is_the_bundled_one() {
    let text = "agent: { id: a }\nmqtt: { url: \"mqtt://b\" }\nmodels: { people: {} }\ncameras:\n  - { id: door, url: \"rtsp://c\", detect: { model: people } }\n";
    let loaded = load(text).unwrap();
    assert_eq!(loaded.config.models[0].file, Path::new("bundled:vedette-nano"), "and no file of the folder");
    assert_eq!(config::missing_files(&loaded.config), Vec::<String>::new());
}

#[test]
fn the_revision_names_the_bytes() {
    assert_eq!(config::revision(b""), "e3b0c44298fc");
    let (a, b) = (with_camera_lines(""), with_camera_lines("    # the same, but for this\n"));
    let (a, b) = (load(&a).unwrap().config, load(&b).unwrap().config);
    assert_ne!(a.revision, b.revision);
    assert_eq!(a.cameras, b.cameras);
}

/// Every subschema with its place, such as `/$defs/Camera/properties/url`.
fn subschemas<'s>(schema: &'s Value, place: &str, into: &mut Vec<(String, &'s Value)>) {
    match schema {
        Value::Object(map) => {
            into.push((place.to_owned(), schema));
            map.iter().for_each(|(key, inner)| subschemas(inner, &format!("{place}/{key}"), into));
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, s)| subschemas(s, &format!("{place}/{i}"), into)),
        _ => {}
    }
}

#[test]
fn every_key_is_documented_with_its_default() {
    let schema = config::schema();
    let mut all = Vec::new();
    subschemas(&schema, "", &mut all);
    let mut keys = 0;
    for (place, record) in all.iter().filter(|(_, s)| s["properties"].is_object() && s["type"] == "object") {
        assert_eq!(record["additionalProperties"], false, "{place} must refuse unknown keys");
        let required: Vec<&str> =
            record["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in record["properties"].as_object().unwrap() {
            keys += 1;
            let meaning = property["description"].as_str().unwrap_or_default();
            assert!(meaning.len() > 15, "{place}: {key} has no meaning");
            let section = property["$ref"].is_string() && property["default"].is_null();
            let documented =
                required.contains(&key.as_str()) || !property["default"].is_null() || meaning.contains("Default: ");
            assert!(documented || section, "{place}: {key} has no default");
        }
    }
    assert!(keys > 80, "found only {keys} keys");
}

#[test]
fn the_reference_has_every_key_and_is_a_configuration() {
    let written = config::reference();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/reference.yaml");
    if std::env::var_os("VEDETTE_WRITE_REFERENCE").is_some() {
        fs::write(&file, &written).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    assert!(
        committed == written,
        "systemd/reference.yaml is out of date: set VEDETTE_WRITE_REFERENCE=1 and run this test"
    );
    let loaded = load(&written).unwrap_or_else(|faults| panic!("\n{faults}"));
    assert_eq!(loaded.warnings.render("reference.yaml"), "");
    // What is written out as a default is the default.
    let camera = &loaded.config.cameras[0];
    let short = with_camera_lines("").replace("id: a }", "id: gate-north }");
    let default = &load(&short).unwrap().config.cameras[0];
    assert_eq!((camera.stall, camera.transport, &camera.motion), (default.stall, default.transport, &default.motion));
    assert_eq!(camera.detect, default.detect);
}

#[test]
fn documented_defaults_are_those_of_the_rooms() {
    let config = load(&with_camera_lines("")).unwrap().config;
    let camera = &config.cameras[0];
    let (stream, decode) = (vedette::camera::Settings::default(), vedette::decode::Settings::default());
    assert_eq!((camera.enabled, camera.stall), (stream.enabled, stream.stall));
    assert_eq!((camera.latency, camera.verify_tls), (decode.latency, decode.verify_tls));
    assert_eq!(u32::from(camera.threads), decode.threads);
    assert_eq!((camera.decoder.is_none(), decode.decoder), (true, vedette::decode::DecoderChoice::Auto));
    let scene = vedette::scene::Settings::default();
    assert_eq!((camera.frozen_after, camera.covered_after), (scene.picture.frozen_after, scene.picture.covered_after));
    let documented = camera.scene_settings();
    assert_eq!((documented.picture, documented.conditions), (scene.picture.clone(), scene.conditions.clone()));
    let motion = &camera.motion;
    assert_eq!((motion.threshold, motion.area, motion.hold), (scene.motion.step, scene.motion.area, scene.motion.hold));
    let (model, detect) = (&config.models[0], vedette::detect::Settings::new(camera.id.clone(), ""));
    assert_eq!((model.threads, model.required), (detect.threads, detect.required));
    let filled = model.completed(None);
    assert_eq!((filled.threshold, filled.nms), (Some(detect.threshold), Some(detect.nms_iou)));
    assert_eq!(filled.max_detections, Some(detect.max_detections));
    assert_eq!((&model.trust, model.require_signed), (&detect.trust, detect.require_signed));
    let mqtt = vedette::mqtt::Settings::default();
    assert_eq!((config.mqtt.keep_alive, config.mqtt.inflight), (mqtt.keep_alive, mqtt.window));
    assert_eq!(config.mqtt.max_packet, mqtt.max_packet);
    let evidence = vedette::evidence::Settings::default();
    let documented = (config.evidence.quota, config.evidence.snapshot_max);
    assert_eq!(documented, (evidence.quota_bytes, evidence.max_mqtt_bytes));
    let spool = vedette::spool::Settings::default();
    let documented = (config.spool.alert, config.spool.event, config.spool.telemetry);
    assert_eq!(documented, (spool.alert_bytes, spool.event_bytes, spool.telemetry_bytes));
}

/// The words that the schema allows for a choice, sorted.
fn documented_choices(of: &str) -> Vec<String> {
    let schema = config::schema();
    let choice = &schema["$defs"][of];
    let described = choice["oneOf"].as_array().into_iter().flatten();
    let plain = choice["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(described.clone().flat_map(|c| c["enum"].as_array().into_iter().flatten()));
    let words = plain.chain(described.map(|c| &c["const"])).filter_map(Value::as_str).map(str::to_owned);
    let mut words: Vec<String> = words.collect();
    words.sort();
    words
}

#[test]
fn providers_and_families_are_those_of_the_room() {
    let mut providers = vedette::detect::ProviderChoice::NAMES.map(str::to_owned).to_vec();
    providers.sort();
    assert_eq!(documented_choices("Provider"), providers);
    let mut families: Vec<String> = vedette::detect::Family::names().map(str::to_owned).collect();
    families.push("auto".to_owned());
    families.sort();
    assert_eq!(documented_choices("Family"), families);
}

/// Runs `vedette check` with these arguments; its exit status, stdout and stderr.
fn check(arguments: &[&str], file: &Path) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vedette"));
    let output = command.arg("check").args(arguments).arg("-c").arg(file).env_remove("CREDENTIALS_DIRECTORY").output();
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_says_ok_and_counts() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/examples/site.yaml");
    let (status, said, warned) = check(&[], &file);
    assert_eq!(status, 0, "{warned}");
    assert!(said.starts_with("ok: 4 cameras, 7 rules, 1 model (revision "), "{said}");
    assert!(warned.contains("camera gate.password_file: No such file"), "{warned}");
}

#[test]
fn the_command_refuses_with_status_2_and_puts_faults_where_they_belong() {
    let faulty = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config/faulty/many-faults.yaml");
    let (status, said, warned) = check(&[], &faulty);
    assert_eq!((status, said.as_str()), (2, ""));
    assert!(warned.contains("many-faults.yaml:12:35: cameras[0].detect.fps: found 0, must be 0.1 to 60\n"), "{warned}");

    let (status, said, _) = check(&["--json"], &faulty);
    let result: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &result["ok"]), (2, &Value::Bool(false)));
    let fault = result["faults"].as_array().unwrap().iter().find(|f| f["path"] == "cameras[0].detect.fps").unwrap();
    assert_eq!((&fault["line"], &fault["column"], &fault["weight"]), (&12.into(), &35.into(), &"error".into()));

    let (status, _, warned) = check(&[], Path::new("/nonexistent/vedette.yaml"));
    assert_eq!(status, 2);
    assert!(warned.contains("/nonexistent/vedette.yaml") && warned.contains("No such file"), "{warned}");
}

#[test]
fn the_command_lays_an_overlay_over_the_file_and_tells_faults_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vedette.yaml");
    let state = folder.path().join("state");
    let text = format!(
        "agent: {{ id: gate, state_dir: {} }}\nmqtt: {{ url: \"mqtt://localhost\" }}\nhub: {{ url: \"https://hub.example\", \
         token_file: token, keys: [\"ed25519:{}\"] }}\ncameras: [ {{ id: door, url: \"rtsp://10.0.0.5/a\" }} ]\n",
        state.display(),
        "0123456789abcdef".repeat(4)
    );
    fs::write(&file, &text).unwrap();
    let overlay = folder.path().join("overlay.yaml");
    let with = ["--overlay", overlay.to_str().unwrap()];
    fs::write(&overlay, "cameras: { \"*\": { stall_seconds: 9 } }\n").unwrap();
    let (status, said, warned) = check(&with, &file);
    assert_eq!((status, said.contains(", with the overlay ")), (0, true), "{said}{warned}");
    fs::write(&overlay, "cameras:\n  shed: { stall_seconds: 900 }\n").unwrap();
    let (status, _, warned) = check(&with, &file);
    assert_eq!(status, 2);
    assert!(warned.starts_with("overlay:2:3: cameras.shed: found `shed`, must be a camera of this agent"), "{warned}");
    let (_, said, _) = check(&[&with[..], &["--json"]].concat(), &file);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["faults"][0]["layer"], "overlay");

    // What a hub brought into force, and a ledger that nobody can read.
    let in_force = "cameras: { door: { stall_seconds: 9 } }";
    let named = vedette::wire::OverlayRef::of(in_force);
    fs::create_dir_all(state.join("overlays")).unwrap();
    fs::write(state.join(format!("overlays/{}.yaml", named.sha256)), in_force).unwrap();
    let slot = serde_json::json!({
        "wish": {"rollout": "config-1", "overlay": named}, "revision": 1, "stage": "committed", "starts": 0, "reason": "",
        "active": named, "previous": null, "unfit": null, "evidence": null, "quarantined": [],
    });
    let ledger = serde_json::json!({"sequence": 1, "revision": 1, "slots": {}, "config": slot});
    fs::write(state.join("rollout.json"), ledger.to_string()).unwrap();
    let (_, said, _) = check(&["--json"], &file);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["overlay"], named.sha256);
    fs::write(&file, text.replace("id: door", "id: gate")).unwrap();
    let (status, said, warned) = check(&[], &file);
    assert_eq!((status, said.contains("overlay")), (0, false), "the file counts more: {said}");
    assert!(
        warned.contains("warning: the hub's overlay does not lie over it") && warned.contains("`door`"),
        "{warned}"
    );
    fs::write(state.join("rollout.json"), "{").unwrap();
    assert_eq!(check(&[], &file).0, 0);
    assert_eq!(fs::read(state.join("rollout.json")).unwrap(), b"{", "a check changes nothing");
}

/// Pieces that a hand, a script or an attacker may leave in a configuration.
const PIECES: [&str; 26] = [
    "",
    " ",
    "\n",
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    "'",
    "\"",
    "#",
    "%",
    "\u{0}",
    "~",
    ".nan",
    "-1e999",
    "true",
    "\u{feff}",
    "\u{1b}[2J",
    "\u{202e}",
];

/// A text from the repository with some of its bytes replaced by pieces.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for folder in ["systemd/examples", "tests/it/config/faulty"] {
        texts.extend(yaml_files(folder).iter().map(|file| fs::read(file).unwrap()));
    }
    let edit = (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(&PIECES[..]));
    (prop::sample::select(texts), prop::collection::vec(edit, 1..6)).prop_map(|(mut text, edits)| {
        for (at, length, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.bytes());
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_file_holds_it_is_loaded_or_its_faults_are_told(bytes in damaged()) {
        match config::load(&bytes, &folders()) {
            Ok(loaded) => prop_assert!(!loaded.warnings.any_errors() && !loaded.config.cameras.is_empty()),
            Err(faults) => {
                let text = faults.render("f");
                prop_assert!(faults.any_errors(), "{text}");
                prop_assert!(!text.contains("fault of the program"), "schema and types disagree: {text}");
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
                prop_assert!(faults.iter().all(|f| f.line > 0 && f.column > 0));
            }
        }
    }
}

#[test]
fn what_is_asked_for_and_not_there_yet_is_told() {
    let text = with_camera_lines("").replace("mqtt://localhost\"", "mqtt://localhost\", compat: [frigate]");
    let warnings = load(&text).unwrap().warnings.render("f.yaml");
    assert!(warnings.contains("mqtt.compat: found topics for other programs, which this version"), "{warnings}");
}
