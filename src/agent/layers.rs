//! The two layers of the configuration in force: the file as it was read last, and the overlay over it. Pure.
//!
//! The file is kept as it was read, so that an overlay is laid over what is in force and not over what somebody is editing,
//! and what was in force can be had again whatever has become of the file meanwhile.

use crate::config::{self, Config, Faults, Folders, Overlay};

/// The layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    file: Vec<u8>,
    folders: Folders,
    /// What is to lie over the file.
    overlay: Option<Overlay>,
    /// Why it does not.
    unfit: Option<String>,
}

/// A configuration with what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Layered {
    /// What is in force.
    pub config: Config,
    /// What comes to it.
    pub layers: Layers,
}

impl Layers {
    /// A file alone.
    pub fn new(file: Vec<u8>, folders: Folders) -> Self {
        Self { file, folders, overlay: None, unfit: None }
    }

    /// What the file with `overlay` comes to.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn with(&self, overlay: Option<&Overlay>) -> Result<Config, Faults> {
        config::load_with(&self.file, overlay, &self.folders).map(|loaded| loaded.config)
    }

    /// Lays `overlay` over the file.
    ///
    /// # Errors
    /// When it does not fit; then nothing is changed.
    pub fn lay(&mut self, overlay: Option<Overlay>) -> Result<Config, Faults> {
        let config = self.with(overlay.as_ref())?;
        (self.overlay, self.unfit) = (overlay, None);
        Ok(config)
    }

    /// Lays what was committed over the file, if there is anything. Where it does not fit or cannot even be read, the file
    /// counts more, and it is kept in mind.
    ///
    /// # Errors
    /// When the file itself is faulty; then nothing lies over it.
    pub fn restore(&mut self, committed: Option<Result<Overlay, String>>) -> Result<Config, Faults> {
        let (overlay, why) = match committed.transpose() {
            Ok(overlay) => match self.lay(overlay.clone()) {
                Ok(config) => return Ok(config),
                Err(faults) => (overlay, super::rollout::told(&faults)),
            },
            Err(why) => (None, why),
        };
        tracing::error!(why, "the hub's overlay does not lie over the file; the file alone is in force");
        (self.overlay, self.unfit) = (overlay, Some(why));
        self.with(None)
    }

    /// Takes a file that was read anew. The overlay is laid over it again; where it no longer fits, the file counts more.
    ///
    /// # Errors
    /// When the file itself is faulty; then nothing is changed.
    pub fn renew(&mut self, file: Vec<u8>) -> Result<Config, Faults> {
        let renewed = Self { file, ..self.clone() };
        let result = renewed.with(self.overlay.as_ref());
        let (config, unfit) = match (result, &self.overlay) {
            // What could not even be read stays so.
            (Ok(config), None) => (config, self.unfit.clone()),
            (Ok(config), Some(_)) => (config, None),
            (Err(faults), None) => return Err(faults),
            (Err(faults), Some(_)) => (renewed.with(None)?, Some(super::rollout::told(&faults))),
        };
        *self = Self { unfit, ..renewed };
        Ok(config)
    }

    /// What lies over the file now.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_ref().filter(|_| self.unfit.is_none())
    }

    /// Why what is to lie over the file does not.
    pub fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(camera: &str, fps: u32) -> Vec<u8> {
        format!(
            "agent: {{ id: gate }}\nmqtt: {{ url: \"mqtt://a\" }}\nmodels: {{ people: {{}} }}\ncameras:\n  - id: {camera}\n    \
             url: rtsp://10.0.0.5/a\n    detect: {{ model: people, fps: {fps} }}\n"
        )
        .into_bytes()
    }

    fn layers() -> Layers {
        Layers::new(file("door", 5), Folders { config: "/etc/vedette".into(), credentials: None })
    }

    fn overlay(fps: u32) -> Option<Overlay> {
        Some(Overlay::read(&format!("cameras: {{ door: {{ detect: {{ fps: {fps} }} }} }}")).unwrap())
    }

    fn fps(config: &Config) -> f64 {
        config.cameras[0].detect.as_ref().unwrap().fps
    }

    #[test]
    fn an_overlay_is_laid_taken_away_and_laid_over_a_file_that_was_read_anew() {
        let mut layers = layers();
        assert_eq!(fps(&layers.lay(overlay(2)).unwrap()), 2.0);
        let renewed = layers.renew(file("door", 9)).unwrap();
        assert_eq!((fps(&renewed), layers.overlay().is_some()), (2.0, true));
        assert_eq!(fps(&layers.lay(None).unwrap()), 9.0);
        assert_eq!(layers.overlay(), None);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut layers = layers();
        layers.lay(overlay(2)).unwrap();
        let before = layers.clone();
        assert!(layers.lay(overlay(900)).is_err());
        assert!(layers.renew(b"agent: {}".to_vec()).is_err());
        assert_eq!(layers, before);
    }

    #[test]
    fn the_file_counts_more_than_an_overlay_that_no_longer_fits_until_it_fits_again() {
        let mut layers = layers();
        layers.lay(overlay(2)).unwrap();
        assert_eq!(fps(&layers.renew(file("gate", 7)).unwrap()), 7.0);
        assert_eq!(layers.overlay(), None);
        assert!(
            layers.unfit().unwrap().starts_with("overlay:1:12: cameras.door: found `door`"),
            "{:?}",
            layers.unfit()
        );
        assert_eq!(fps(&layers.renew(file("door", 7)).unwrap()), 2.0);
        assert_eq!((layers.unfit(), layers.overlay().is_some()), (None, true));
    }

    #[test]
    fn what_was_committed_is_restored_or_kept_in_mind() {
        let mut layers = layers();
        assert_eq!(fps(&layers.restore(overlay(2).map(Ok)).unwrap()), 2.0);
        let strange = Overlay::read("cameras: { gate: { detect: { fps: 3 } } }").unwrap();
        assert_eq!(fps(&layers.restore(Some(Ok(strange))).unwrap()), 5.0);
        assert!(layers.unfit().unwrap().contains("found `gate`"));
        assert_eq!(fps(&layers.renew(file("gate", 7)).unwrap()), 3.0, "it fits now");
        assert_eq!(fps(&layers.restore(Some(Err("damaged".to_owned()))).unwrap()), 7.0);
        assert_eq!((layers.unfit(), layers.overlay()), (Some("damaged"), None));
        assert_eq!(fps(&layers.restore(None).unwrap()), 7.0);
        assert_eq!(layers.unfit(), None);
    }
}
