//! From a checked configuration to each room's own settings.

use std::path::PathBuf;
use std::time::Duration;

use super::access::{Password, PasswordError};
use super::check::ENVELOPE_KIB;
use super::document::{self, Isolation, Provider, Transport};
use super::ready::{Camera, Evidence, FaceModel, History, Identify, LabelSource, Model, Mqtt, Reidentify, Spool};
use crate::vocab::{Id, IdError, Labels, Secret};
use crate::{behaviour, camera, decode, detect, evidence, history, mqtt, scene, spool, track};

/// Why a camera's source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// The URL is not one that `decode` understands.
    #[error(transparent)]
    Url(#[from] decode::SourceError),
    /// Its password cannot be read.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Camera {
    /// Where its pictures come from, with the password read from its file.
    ///
    /// # Errors
    /// When the password file cannot be read.
    pub fn decode_source(&self) -> Result<decode::Source, SourceFault> {
        let source = match self.source.file() {
            Some(path) => decode::Source::file(path),
            None => decode::Source::parse(self.source.url().as_str())?,
        };
        let Some(login) = &self.login else { return Ok(source) };
        let password = login.password.as_ref().map_or(Ok(Secret::new("")), |p| p.read())?;
        Ok(source.with_credentials(&login.username, password))
    }

    /// How it is kept connected.
    pub fn camera_settings(&self) -> camera::Settings {
        let decode = decode::Settings {
            transport: match self.transport {
                Transport::Tcp => decode::Transport::Tcp,
                Transport::Udp => decode::Transport::Udp,
                Transport::Auto => decode::Transport::Auto,
            },
            latency: self.latency,
            decoder: self.decoder.clone().map_or(decode::DecoderChoice::Auto, decode::DecoderChoice::Named),
            threads: u32::from(self.threads),
            max_fps: None,
            verify_tls: self.verify_tls,
            process: (self.isolation == Isolation::Process).then(decode::Settings::own_process),
        };
        camera::Settings { decode, enabled: self.enabled, stall: self.stall, ..camera::Settings::default() }
    }

    /// What is watched in the picture as a whole.
    pub fn scene_settings(&self) -> scene::Settings {
        scene::Settings {
            motion: scene::MotionSettings {
                step: self.motion.threshold,
                area: self.motion.area,
                hold: self.motion.hold,
                masks: self.motion.mask.clone(),
                ..scene::MotionSettings::default()
            },
            picture: scene::PictureSettings {
                frozen: self.picture.frozen,
                covered: self.picture.covered,
                black: self.picture.black,
                frozen_after: self.frozen_after,
                covered_after: self.covered_after,
                black_luma: self.picture.black_luma as f32,
                ..scene::PictureSettings::default()
            },
            conditions: self.condition_settings(),
            background: self.needs_background().then(|| scene::BackgroundSettings {
                // A background is compared with over minutes and not over a second: it must depart further.
                step: self.motion.threshold * 1.5,
                masks: self.motion.mask.clone(),
                moving: self.detects_motion(),
                standing: self.tells_of_objects(),
                ..scene::BackgroundSettings::default()
            }),
        }
    }

    /// What may ail a picture that is looked at.
    fn condition_settings(&self) -> scene::ConditionSettings {
        let picture = &self.picture;
        scene::ConditionSettings {
            ptz: self.ptz,
            defocused: picture.defocused,
            defocused_after: Duration::from_secs_f64(picture.defocused_seconds),
            defocused_ratio: picture.defocused_ratio as f32,
            moved: picture.moved,
            moved_after: Duration::from_secs_f64(picture.moved_seconds),
            moved_fit: picture.moved_fit as f32,
            degraded: picture.degraded,
            degraded_after: Duration::from_secs_f64(picture.degraded_seconds),
            degraded_share: picture.degraded_share as f32,
            day_night: picture.day_night,
            learn: Duration::from_secs_f64(picture.learn_seconds),
            relearn: Duration::from_secs_f64(picture.relearn_seconds),
        }
    }

    /// Whether anything of it is about what the background model finds.
    fn needs_background(&self) -> bool {
        self.detects_motion() || self.tells_of_objects()
    }

    fn tells_of_objects(&self) -> bool {
        self.rules.iter().any(|rule| rule.kind.needs_background())
    }

    /// Its zones, lines and rules.
    pub fn behaviour_settings(&self) -> behaviour::Settings {
        behaviour::Settings {
            zones: self.zones.clone(),
            lines: self.lines.clone(),
            rules: self.rules.clone(),
            suppress: self.suppress.clone(),
            ground: self.ground.clone(),
            ..behaviour::Settings::default()
        }
    }
}

impl Model {
    /// How it is run. The detector reports everything that the tracker can use: weak detections continue a track, and
    /// only those above [`Model::threshold`] begin one.
    pub fn detect_settings(&self, cache_dir: Option<PathBuf>) -> detect::Settings {
        let thresholds = self.thresholds();
        detect::Settings {
            threshold: thresholds.score as f32,
            nms_iou: thresholds.nms_iou as f32,
            max_detections: thresholds.max_detections as usize,
            provider: provider(self.provider),
            device: self.device.clone(),
            required: self.required,
            threads: self.threads,
            family: self.family.0,
            labels: self.labels.as_ref().map(|labels| match labels {
                LabelSource::Names(names) => detect::LabelSource::Names(names.clone()),
                LabelSource::File(path) => detect::LabelSource::File(path.clone()),
            }),
            input: self.input,
            cache_dir,
            trust: self.trust.clone(),
            require_signed: self.require_signed,
            isolation: isolation(self.isolation),
            ..detect::Settings::new(self.name.clone(), &self.file)
        }
    }

    /// The same model out of the package `file`: what the configuration says of another file's form is not true of it.
    pub fn from_package(&self, file: PathBuf) -> Self {
        Self { file, family: document::Family::default(), labels: None, input: None, ..self.clone() }
    }

    /// The same model with what its package says where the configuration says nothing.
    pub fn completed(&self, package: Option<&detect::Thresholds>) -> Self {
        let package = package.copied().unwrap_or_default();
        Self {
            threshold: self.threshold.or(Some(package.score as f32)),
            nms: self.nms.or(Some(package.nms_iou as f32)),
            max_detections: self.max_detections.or(Some(package.max_detections as usize)),
            ..self.clone()
        }
    }

    /// The score with which a track may begin.
    pub fn score(&self) -> f32 {
        self.threshold.unwrap_or(detect::Thresholds::default().score as f32)
    }

    /// What the detector reports: everything that the tracker can use.
    pub fn thresholds(&self) -> detect::Thresholds {
        let usual = detect::Thresholds::default();
        detect::Thresholds {
            score: f64::from(self.score().min(track::Settings::default().low_score)),
            nms_iou: self.nms.map_or(usual.nms_iou, f64::from),
            max_detections: self.max_detections.and_then(|n| u32::try_from(n).ok()).unwrap_or(usual.max_detections),
        }
    }

    /// How its detections are followed.
    pub fn track_settings(&self, labels: &Labels) -> track::Settings {
        track::Settings {
            high_score: self.score(),
            start_score: self.score(),
            confusable: track::confusable(labels),
            ..track::Settings::default()
        }
    }
}

fn isolation(isolation: Isolation) -> detect::Isolation {
    match isolation {
        Isolation::None => detect::Isolation::None,
        Isolation::Process => detect::Isolation::process(),
    }
}

fn provider(provider: Provider) -> detect::ProviderChoice {
    use detect::Provider as Known;
    detect::ProviderChoice::One(match provider {
        Provider::Auto => return detect::ProviderChoice::Auto,
        Provider::Cpu => Known::Cpu,
        Provider::Cuda => Known::Cuda,
        Provider::Tensorrt => Known::TensorRt,
        Provider::Nvrtx => Known::NvRtx,
        Provider::Openvino => Known::OpenVino,
        Provider::Qnn => Known::Qnn,
        Provider::Acl => Known::Acl,
        Provider::Xnnpack => Known::Xnnpack,
        Provider::Coreml => Known::CoreMl,
        Provider::Migraphx => Known::MiGraphX,
        Provider::Cann => Known::Cann,
        Provider::Vitis => Known::Vitis,
        Provider::Webgpu => Known::WebGpu,
        Provider::Onednn => Known::OneDnn,
        Provider::Directml => Known::DirectMl,
    })
}

impl Identify {
    /// How the face detector is run.
    ///
    /// # Errors
    /// Never: its name is an id.
    pub fn detector_settings(&self) -> Result<detect::Settings, IdError> {
        self.detector.settings("faces")
    }

    /// How the embedding model is run.
    ///
    /// # Errors
    /// Never: its name is an id.
    pub fn embedder_settings(&self) -> Result<detect::Settings, IdError> {
        self.embedder.settings("embedder")
    }
}

impl Reidentify {
    /// How the embedding model is run.
    ///
    /// # Errors
    /// Never: its name is an id.
    pub fn embedder_settings(&self) -> Result<detect::Settings, IdError> {
        self.embedder.settings("reidentify")
    }
}

impl FaceModel {
    fn settings(&self, name: &str) -> Result<detect::Settings, IdError> {
        Ok(detect::Settings {
            threshold: self.threshold,
            provider: provider(self.provider),
            threads: self.threads,
            input: self.input,
            isolation: isolation(self.isolation),
            ..detect::Settings::new(Id::new(name)?, &self.file)
        })
    }
}

impl Evidence {
    /// How pictures are kept.
    pub fn evidence_settings(&self) -> evidence::Settings {
        evidence::Settings {
            folder: self.folder.clone(),
            quota_bytes: self.quota,
            max_mqtt_bytes: self.snapshot_max,
            ..evidence::Settings::default()
        }
    }
}

impl History {
    /// How tracks are kept, where they are.
    pub fn history_settings(&self) -> Option<history::Settings> {
        let History { folder, keep, quota } = self.clone();
        (!keep.is_zero()).then_some(history::Settings { folder, keep, quota_bytes: quota })
    }
}

impl Mqtt {
    /// How the broker is reached. Passwords and certificates are read by the session, at each connect.
    pub fn session_settings(&self) -> mqtt::Settings {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let identity = self.tls.as_ref().and_then(|tls| tls.identity.as_ref());
        mqtt::Settings {
            url: format!("{scheme}://{host}:{}", self.port),
            username: self.login.as_ref().map(|login| login.username.clone()),
            password_file: self.login.as_ref().and_then(|login| match &login.password {
                Some(Password::File(path)) => Some(path.clone()),
                _ => None,
            }),
            ca_file: self.tls.as_ref().and_then(|tls| tls.ca_file.clone()),
            cert_file: identity.map(|i| i.cert_file.clone()),
            key_file: identity.map(|i| i.key_file.clone()),
            delivery: match self.delivery {
                document::Delivery::Broker => mqtt::Delivery::Broker,
                document::Delivery::Hub => mqtt::Delivery::Hub,
            },
            keep_alive: self.keep_alive,
            max_packet: self.max_packet,
            window: self.inflight,
            ..mqtt::Settings::default()
        }
    }
}

impl Spool {
    /// How much it may hold; the folder is [`Spool::folder`].
    pub fn spool_settings(&self, max_packet: usize) -> spool::Settings {
        spool::Settings {
            alert_bytes: self.alert,
            event_bytes: self.event,
            telemetry_bytes: self.telemetry,
            // What a packet says besides its payload: header, topic and packet id.
            record_bytes: max_packet.saturating_sub(ENVELOPE_KIB as usize * 1024),
            ..spool::Settings::default()
        }
    }
}
