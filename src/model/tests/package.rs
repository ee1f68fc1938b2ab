//! What makes a package refused, each with its own reason.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::Facts;
use super::super::keys::{PublicKey, SecretKey, Trust};
use super::super::manifest::{
    Compatible, Expected, Golden, GoldenPicture, Manifest, Preprocess, Profile, SCHEMA, SessionOptions, Task, Tensor,
    Thresholds, Version,
};
use super::super::package::{Blob, add_signature, write};
use super::super::policy::{Accepted, Admitted, Hardware, Refusal, Terms, admit};
use super::write::{graph, model, node};
use crate::vocab::Id;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(format!("key {number}"), [number; 32])
}

fn trust(keys: &[u8], threshold: u32) -> Trust {
    Trust { threshold, keys: keys.iter().map(|&n| key(n).public()).collect() }
}

fn onnx() -> Vec<u8> {
    model(&graph(&[node("Relu", &["x"], &["y"], &[])]))
}

fn manifest() -> Manifest {
    let facts = Facts::parse(&onnx()).unwrap();
    Manifest {
        schema: SCHEMA,
        name: Id::new("street").unwrap(),
        version: Version::new(1, 2, 3),
        release: 7,
        security_version: 4,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        compatible: Compatible {
            architectures: vec!["x86_64".into()],
            agent_min: Some(Version::new(0, 1, 0)),
            agent_max: Some(Version::new(1, 0, 0)),
        },
        task: Task::Detect,
        family: "yolov8".into(),
        labels: vec!["person".into()],
        thresholds: Thresholds { score: 0.4, nms_iou: 0.45, max_detections: 100 },
        preprocess: Preprocess {
            fit: "centre".into(),
            padding: 114.0,
            order: "rgb".into(),
            mean: [0.0; 3],
            std: [255.0; 3],
        },
        profiles: vec![Profile {
            provider: "cpu".into(),
            file: "model.onnx".into(),
            inputs: Tensor::of(&facts.inputs),
            outputs: Tensor::of(&facts.outputs),
            session: SessionOptions::default(),
        }],
        files: Vec::new(),
        golden: Golden {
            score_tolerance: 0.05,
            min_iou: 0.9,
            pictures: vec![GoldenPicture {
                picture: "a.png".into(),
                model: "model.onnx".into(),
                detections: vec![Expected { label: "person".into(), score: 0.9, bbox: [0.1, 0.1, 0.5, 0.5] }],
            }],
        },
        limits: None,
        metrics: [("map".to_owned(), 0.1 + 0.2)].into(),
        calibration: [].into(),
        training: [("parent".to_owned(), "none".to_owned())].into(),
        licence: "Apache-2.0".into(),
    }
}

fn blobs() -> Vec<Blob> {
    [("model.onnx", onnx()), ("a.png", b"a picture".to_vec())]
        .map(|(name, content)| Blob { name: name.into(), content })
        .to_vec()
}

fn packed(manifest: Manifest, signers: &[u8]) -> Vec<u8> {
    let signers: Vec<SecretKey> = signers.iter().map(|&n| key(n)).collect();
    write(manifest, &blobs(), &signers).unwrap()
}

fn terms() -> Terms {
    Terms {
        trust: Some(trust(&[1], 1)),
        hardware: Hardware {
            architecture: "x86_64".into(),
            providers: BTreeSet::from(["cpu".to_owned(), "cuda".to_owned()]),
            agent: Version::new(0, 5, 0),
        },
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
        security_floor: 4,
        accepted: BTreeMap::new(),
    }
}

fn code(bytes: &[u8], terms: &Terms) -> &'static str {
    admit(bytes, terms).map_or_else(|refusal| refusal.code(), |_| "admitted")
}

#[test]
fn a_package_that_is_as_it_should_be_is_admitted_with_all_that_it_says() {
    let bytes = packed(manifest(), &[1, 2]);
    let Admitted { package, signers, is_trusted, is_expired, facts } = admit(&bytes, &terms()).unwrap();
    assert!(is_trusted && !is_expired);
    assert_eq!(signers.iter().copied().collect::<BTreeSet<PublicKey>>(), trust(&[1, 2], 1).keys);
    assert_eq!(package.manifest.metrics["map"].to_bits(), (0.1f64 + 0.2).to_bits());
    assert_eq!(package.blob("a.png"), Some(&b"a picture"[..]));
    assert_eq!(facts[0].sha256, package.manifest.files[0].sha256);
    assert_eq!(package.blob("../../etc/passwd"), None);
}

#[test]
fn each_way_of_being_wrong_has_its_own_reason() {
    let good = packed(manifest(), &[1]);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let manifest_at = |text: &str| good.windows(text.len()).position(|w| w == text.as_bytes()).unwrap();
    assert_eq!(code(&changed(manifest_at("\"security_version\":4") + 19, b'9'), &terms()), "bad-signature");
    assert_eq!(code(&changed(good.len() - 1, b'?'), &terms()), "changed-content");
    assert_eq!(code(&changed(0, b'?'), &terms()), "not-a-package");
    assert_eq!(code(&changed(8, 2), &terms()), "unknown-format");
    assert_eq!(code(&changed(20, 1), &terms()), "damaged");
    assert_eq!(code(&good[..good.len() - 1], &terms()), "truncated");
    assert_eq!(code(&good[..20], &terms()), "truncated");
    assert_eq!(code(&[good.clone(), vec![0]].concat(), &terms()), "trailing-bytes");
    assert_eq!(code(&packed(manifest(), &[]), &terms()), "unsigned");
    assert_eq!(code(&packed(manifest(), &[2]), &terms()), "not-trusted");
    assert_eq!(code(&good, &Terms { trust: Some(trust(&[1, 2], 2)), ..terms() }), "too-few-signatures");
    assert_eq!(code(&good, &Terms { now: "2027-01-01T00:00:00Z".parse().unwrap(), ..terms() }), "expired");
    assert_eq!(code(&good, &Terms { security_floor: 5, ..terms() }), "older-security-version");
    let on = |change: fn(&mut Hardware)| {
        let mut hardware = terms().hardware;
        change(&mut hardware);
        code(&good, &Terms { hardware, ..terms() })
    };
    assert_eq!(on(|hardware| hardware.architecture = "aarch64".into()), "wrong-architecture");
    assert_eq!(on(|hardware| hardware.providers.clear()), "wrong-provider");
    assert_eq!(on(|hardware| hardware.agent = Version::new(0, 0, 9)), "agent-too-old");
    assert_eq!(on(|hardware| hardware.agent = Version::new(1, 0, 1)), "agent-too-new");
    assert_eq!(code(b"hello", &terms()), "not-a-package");
}

#[test]
fn a_second_signature_meets_a_threshold_of_two() {
    let both = add_signature(&packed(manifest(), &[1]), &key(2)).unwrap();
    assert_eq!(code(&both, &Terms { trust: Some(trust(&[1, 2], 2)), ..terms() }), "admitted");
    assert_eq!(both, packed(manifest(), &[2, 1]), "it does not matter who signs first");
    let mut spoilt = packed(manifest(), &[1]);
    *spoilt.last_mut().unwrap() ^= 1;
    assert!(add_signature(&spoilt, &key(2)).is_err(), "nobody signs what was changed");
}

#[test]
fn without_anybody_to_trust_a_package_is_admitted_and_said_to_be_untrusted() {
    let terms = Terms { trust: None, ..terms() };
    for signers in [&[][..], &[2]] {
        assert!(!admit(&packed(manifest(), signers), &terms).unwrap().is_trusted);
    }
}

#[test]
fn what_was_accepted_in_time_goes_on_after_it_has_expired() {
    let bytes = packed(manifest(), &[1]);
    let digest = admit(&bytes, &terms()).unwrap().package.digest;
    let accepted = BTreeMap::from([("street".to_owned(), Accepted { digest, security_version: 4 })]);
    let late = Terms { now: "2030-01-01T00:00:00Z".parse().unwrap(), accepted, ..terms() };
    assert!(admit(&bytes, &late).unwrap().is_expired);
    let other = packed(Manifest { release: 8, ..manifest() }, &[1]);
    assert_eq!(code(&other, &late), "expired");
    let in_time = Terms { now: terms().now, security_floor: 0, ..late };
    assert_eq!(code(&packed(Manifest { security_version: 3, ..manifest() }, &[1]), &in_time), "older-security-version");
    let other_model = Manifest { name: Id::new("other").unwrap(), security_version: 3, ..manifest() };
    assert_eq!(code(&packed(other_model, &[1]), &in_time), "admitted", "each model counts by itself");
}

#[test]
fn a_manifest_that_contradicts_itself_or_the_files_is_refused() {
    let fault = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        write(manifest, &blobs(), &[key(1)]).map(|_| ()).unwrap_err()
    };
    let text = |error: &dyn std::error::Error| {
        std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    let said = |change| text(&fault(change));
    assert!(said(|m| m.schema = 2).contains("schema: found 2"));
    assert!(said(|m| m.expires = Some(m.created)).contains("expires: must be after"));
    assert!(said(|m| m.thresholds.score = 1.5).contains("thresholds.score: found 1.5"));
    assert!(said(|m| m.thresholds.score = f64::NAN).contains("thresholds.score"));
    assert!(said(|m| m.labels.clear()).contains("labels: found 0"));
    assert!(said(|m| m.labels = vec!["a\nb".into()]).contains("labels: must be a line"));
    assert!(said(|m| m.profiles[0].file = "b.onnx".into()).contains("not among `files`"));
    assert!(said(|m| m.profiles[0].session.disabled_optimizers = vec!["a;b".into()]).contains("disabled_optimizers"));
    assert!(said(|m| m.golden.pictures[0].detections[0].label = "cat".into()).contains("label"));
    assert!(said(|m| m.preprocess.fit = "crop".into()).contains("preprocess.fit"));
    let mut other = manifest();
    other.profiles[0].outputs[0].name = "z".into();
    assert_eq!(code(&packed(other, &[1]), &terms()), "other-tensors");
}

#[test]
fn a_hostile_or_broken_model_in_a_signed_package_is_refused_all_the_same() {
    let with = |content: Vec<u8>| {
        let mut blobs = blobs();
        blobs[0].content = content;
        code(&write(manifest(), &blobs, &[key(1)]).unwrap(), &terms())
    };
    assert_eq!(with(b"# notes".to_vec()), "not-onnx");
    let custom = node("Relu", &["x"], &["y"], &[super::write::text(7, "my.domain")]);
    assert_eq!(with(model(&graph(&[custom]))), "hostile-model");
}

#[test]
fn an_unknown_key_in_a_signed_manifest_is_refused() {
    // Whoever signs may write what he likes; a program that does not know a key must not act as if it did.
    let good = packed(manifest(), &[1]);
    let length = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    let text = String::from_utf8(good[32..32 + length].to_vec()).unwrap();
    let resigned = |text: &str| {
        let mut bytes = good[..32].to_vec();
        bytes[12..16].copy_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(key(1).public().as_bytes());
        bytes.extend_from_slice(key(1).sign(super::super::keys::Purpose::Package, text.as_bytes()).as_bytes());
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        let blobs = good.len() - (32 + length + 96).next_multiple_of(64);
        bytes.extend_from_slice(&good[good.len() - blobs..]);
        let size = bytes.len() as u64;
        bytes[24..32].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    assert_eq!(code(&resigned(&text), &terms()), "admitted");
    assert_eq!(
        code(&resigned(&text.replace("{\"calib", "{\"c\":1,\"calib").replacen('{', "{\"a\":1,", 1)), &terms()),
        "bad-manifest"
    );
    assert_eq!(code(&resigned(&text.replace(",\"version\"", ", \"version\"")), &terms()), "bad-manifest");
    assert_eq!(code(&resigned(&text.replace("\"offset\":128", "\"offset\":64")), &terms()), "damaged");
    assert_eq!(code(&resigned(&text.replace("\"size\":9}", "\"size\":99}")), &terms()), "truncated");
    assert_eq!(code(&resigned(&text.replace("\"size\":9}", "\"size\":8}")), &terms()), "trailing-bytes");
}

#[test]
fn no_byte_can_be_changed_in_any_way_without_being_noticed() {
    let good = packed(manifest(), &[1]);
    assert_eq!(code(&good, &terms()), "admitted");
    for at in 0..good.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            assert_ne!(code(&bytes, &terms()), "admitted", "byte {at} of {}", good.len());
        }
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed_even_where_strangers_have_signed_too(at in any::<usize>(), byte in any::<u8>()) {
        let good = packed(manifest(), &[1, 2]);
        let mut bytes = good.clone();
        let at = at % bytes.len();
        bytes[at] = byte;
        // Every signature must hold, that of a stranger too, so there is no place that is harmless.
        prop_assert!(bytes == good || code(&bytes, &terms()) != "admitted");
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(admit(&bytes, &terms()).is_err());
        let framed = [&super::super::package::MAGIC[..], &bytes].concat();
        prop_assert!(admit(&framed, &terms()).is_err());
    }

    #[test]
    fn a_package_that_is_cut_anywhere_is_truncated(cut in any::<usize>()) {
        let good = packed(manifest(), &[1]);
        let kept = cut % good.len();
        let refused = admit(&good[..kept], &terms());
        let expected = if kept < 8 { "not-a-package" } else { "truncated" };
        prop_assert_eq!(refused.err().map(|r: Refusal| r.code()), Some(expected));
    }
}
