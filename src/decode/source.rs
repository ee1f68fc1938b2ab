//! Where a stream comes from: the text an installer writes, checked, with its password moved out of sight.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use super::street::Show;
use crate::vocab::Secret;

/// Where pictures come from: `rtsp://`, `rtsps://`, `v4l2:///dev/video0`, `file:///clip.mp4`, the path of a file, or
/// `scene://street`, the street that this program draws itself, with any of `?seed=1&width=768&height=432&fps=10`
/// and of `&lights=on&rain=on&stander=on&things=on`.
///
/// A user name and password in the URL are moved into fields of their own: they are given to the RTSP client as
/// properties and are part of no text this program writes. `Display` also hides what looks like a password in the
/// path or query, as some cameras want it there.
#[derive(Clone, PartialEq)]
pub struct Source {
    place: Place,
    user: Option<String>,
    password: Option<Secret>,
}

#[derive(Clone, PartialEq)]
pub(super) enum Place {
    Rtsp(Url),
    File(PathBuf),
    Device(PathBuf),
    Scene(Scene),
}

/// What is drawn for `scene://street`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub seed: u64,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub show: Show,
}

/// Why a text is not a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The text is empty.
    #[error("a source must not be empty; write an rtsp:// URL or the path of a file")]
    Empty,
    /// It has a scheme, and it is none of ours.
    #[error(
        "{scheme}:// is not a source; it is one of rtsp://, rtsps://, file://, v4l2://, scene:// or the path of a file"
    )]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// An RTSP URL that cannot be parsed. The text is left out, as it may hold a password.
    #[error("the {scheme}:// URL cannot be read: {fault}")]
    Malformed {
        /// `rtsp` or `rtsps`.
        scheme: String,
        /// What the parser says.
        fault: String,
    },
    /// An RTSP URL without a host.
    #[error("the {scheme}:// URL names no host")]
    NoHost {
        /// `rtsp` or `rtsps`.
        scheme: String,
    },
    /// `file://` or `v4l2://` with nothing behind it, or with a path that is not absolute.
    #[error("{scheme}:// needs an absolute path, such as {example}")]
    NoPath {
        /// `file` or `v4l2`.
        scheme: String,
        /// What a right one looks like.
        example: &'static str,
    },
    /// `scene://` with a name or a parameter that it does not have.
    #[error(
        "scene:// does not know {found}; it is scene://street, with any of ?seed=, width= and height= (16 to 4096), fps= (1 to 240), lights=, rain=, stander= and things= (on or off)"
    )]
    Scene {
        /// The first part that is wrong.
        found: String,
    },
}

impl Source {
    /// Reads what an installer wrote.
    ///
    /// # Errors
    /// When it is empty, has an unknown scheme, or names no host or path.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SourceError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::file(text));
        };
        match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("rtsp" | "rtsps") => Self::rtsp(scheme, rest),
            "file" => absolute("file", rest, "file:///srv/clip.mp4").map(Self::file),
            "v4l2" => absolute("v4l2", rest, "v4l2:///dev/video0").map(|path| Self::at(Place::Device(path))),
            "scene" => Scene::parse(rest).map(|scene| Self::at(Place::Scene(scene))),
            scheme => Err(SourceError::Scheme { scheme: scheme.chars().take(20).collect() }),
        }
    }

    /// The file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::File(path.into()))
    }

    /// The same place with these credentials instead of any in the URL.
    #[must_use]
    pub fn with_credentials(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.user = Some(user.into());
        self.password = Some(password);
        self
    }

    /// Whether it has no end and its own pace: everything but a file.
    pub fn is_live(&self) -> bool {
        !matches!(self.place, Place::File(_))
    }

    /// The path, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it has a user name, in the URL or set.
    pub fn has_credentials(&self) -> bool {
        self.user.is_some()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// `text`, which a library wrote about this source, without its password and without the secrets of its URL.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Place::Rtsp(url) = &self.place {
            text = text.replace(url.as_str(), &hide_parameters(url.as_str()));
        }
        if let Some(password) = self.password.as_ref().filter(|p| p.expose().len() > 2) {
            text = text.replace(password.expose(), HIDDEN);
        }
        hide_userinfo(&hide_parameters(&text))
    }

    fn at(place: Place) -> Self {
        Self { place, user: None, password: None }
    }

    fn rtsp(scheme: &str, rest: &str) -> Result<Self, SourceError> {
        let mut url = Url::parse(&format!("{scheme}://{rest}"))
            .map_err(|fault| SourceError::Malformed { scheme: scheme.into(), fault: fault.to_string() })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(SourceError::NoHost { scheme: scheme.into() });
        }
        let user = (!url.username().is_empty()).then(|| percent_decoded(url.username()));
        let password = url.password().map(|p| Secret::new(percent_decoded(p)));
        // Both can only fail for a URL without a host, which was refused above.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { place: Place::Rtsp(url), user, password })
    }
}

impl Scene {
    fn parse(text: &str) -> Result<Self, SourceError> {
        let wrong = |found: &str| SourceError::Scene { found: found.chars().take(40).collect() };
        let (name, parameters) = text.split_once('?').unwrap_or((text, ""));
        if !["", "street"].contains(&name.trim_end_matches('/')) {
            return Err(wrong(name));
        }
        let mut scene = Self { seed: 1, width: 768, height: 432, fps: 10.0, show: Show::default() };
        let switch = |value: &str, of: &mut bool| {
            *of = value == "on";
            ["on", "off"].contains(&value)
        };
        for parameter in parameters.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let set = match key {
                "seed" => value.parse().map(|seed| scene.seed = seed).is_ok(),
                "width" => value.parse().map(|width| scene.width = width).is_ok(),
                "height" => value.parse().map(|height| scene.height = height).is_ok(),
                "fps" => value.parse().map(|fps| scene.fps = fps).is_ok(),
                "lights" => switch(value, &mut scene.show.lights),
                "rain" => switch(value, &mut scene.show.rain),
                "stander" => switch(value, &mut scene.show.stander),
                "things" => switch(value, &mut scene.show.things),
                _ => false,
            };
            let sides = 16..=4096;
            if !set
                || !sides.contains(&scene.width)
                || !sides.contains(&scene.height)
                || !(1.0..=240.0).contains(&scene.fps)
            {
                return Err(wrong(parameter));
            }
        }
        Ok(scene)
    }
}

impl FromStr for Source {
    type Err = SourceError;
    fn from_str(text: &str) -> Result<Self, SourceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Rtsp(url) => f.write_str(&hide_parameters(url.as_str())),
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Device(path) => write!(f, "v4l2://{}", path.display()),
            Place::Scene(Scene { seed, width, height, fps, show }) => {
                write!(f, "scene://street?seed={seed}&width={width}&height={height}&fps={fps}")?;
                let Show { lights, rain, stander, things } = *show;
                let parts = [("lights", lights), ("rain", rain), ("stander", stander), ("things", things)];
                parts.iter().filter(|(_, is_on)| *is_on).try_for_each(|(key, _)| write!(f, "&{key}=on"))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

const HIDDEN: &str = "***";

/// Words that, before a `=`, say that a secret follows.
const SECRET_WORDS: &[&str] = &["password", "passwd", "pass", "pwd", "pw", "token", "auth", "key", "secret"];

fn absolute(scheme: &str, rest: &str, example: &'static str) -> Result<PathBuf, SourceError> {
    if rest.len() > 1 && rest.starts_with('/') {
        Ok(PathBuf::from(percent_decoded(rest)))
    } else {
        Err(SourceError::NoPath { scheme: scheme.into(), example })
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Hides the value of everything that looks like `…password=value`, in a query or, as some cameras have it, in a path.
fn hide_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        out.push_str(before);
        let name = before[..equals].to_ascii_lowercase();
        rest = after;
        if SECRET_WORDS.iter().any(|word| name.ends_with(word)) {
            let end = after.find(['&', '/', ';', ' ', '"', '\'', '#']).unwrap_or(after.len());
            out.push_str(HIDDEN);
            rest = &after[end..];
        }
    }
    out.push_str(rest);
    out
}

/// Hides `user:password@` after every `://` in a text.
fn hide_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        out.push_str(before);
        let authority = after.find(['/', ' ', '"', '\'']).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_source_is_understood() {
        assert!(Source::parse("rtsp://10.0.0.5:8554/stream2").unwrap().is_live());
        assert!(Source::parse("RTSPS://cam.example/stream").unwrap().is_live());
        assert!(Source::parse("v4l2:///dev/video0").unwrap().is_live());
        assert_eq!(Source::parse("clips/a b.mp4").unwrap().path(), Some(Path::new("clips/a b.mp4")));
        assert_eq!(Source::parse("file:///srv/a%20b.mp4").unwrap().path(), Some(Path::new("/srv/a b.mp4")));
        assert!(!Source::parse("/srv/clip.mp4").unwrap().is_live());
    }

    #[test]
    fn what_cannot_be_a_source_is_refused_with_what_can() {
        assert_eq!(Source::parse("  "), Err(SourceError::Empty));
        let scheme = |text: &str| Source::parse(text).unwrap_err().to_string();
        assert!(scheme("http://cam/x").contains("http:// is not a source"));
        assert!(scheme("rtsp://").contains("cannot be read") || scheme("rtsp://").contains("names no host"));
        assert!(scheme("file://clip.mp4").contains("file:///srv/clip.mp4"));
        assert!(scheme("v4l2://").contains("v4l2:///dev/video0"));
        assert!(!scheme("rtsp://u:hunter2@:x/").contains("hunter2"));
    }

    #[test]
    fn a_scene_has_defaults_and_knows_what_it_does_not_know() {
        let show = |text: &str| Source::parse(text).map(|s| s.to_string());
        assert_eq!(show("scene://").unwrap(), "scene://street?seed=1&width=768&height=432&fps=10");
        assert_eq!(
            show("scene://street?seed=7&fps=2.5").unwrap(),
            "scene://street?seed=7&width=768&height=432&fps=2.5"
        );
        assert_eq!(
            show("scene://?things=on&rain=off&lights=on").unwrap(),
            "scene://street?seed=1&width=768&height=432&fps=10&lights=on&things=on"
        );
        for text in [
            "scene://street?rain=hard",
            "scene://beach",
            "scene://street?sed=1",
            "scene://?width=8",
            "scene://?fps=NaN",
            "scene://?seed=-1",
        ] {
            assert!(matches!(show(text), Err(SourceError::Scene { .. })), "{text}");
        }
    }

    #[test]
    fn credentials_leave_the_url_and_are_never_shown() {
        let source = Source::parse("rtsp://ad%40min:hunt%3Aer2@10.0.0.5/live").unwrap();
        assert_eq!(source.user(), Some("ad@min"));
        assert_eq!(source.password().unwrap().expose(), "hunt:er2");
        assert_eq!(source.to_string(), "rtsp://10.0.0.5/live");
        assert_eq!(format!("{source:?}"), "Source(rtsp://10.0.0.5/live)");
        let later = source.with_credentials("viewer", Secret::new("other"));
        assert_eq!(later.password().unwrap().expose(), "other");
    }

    #[test]
    fn a_password_in_path_or_query_is_hidden() {
        let show = |text: &str| Source::parse(text).unwrap().to_string();
        assert_eq!(
            show("rtsp://c/cam?channel=1&user=a&pwd=xyz&subtype=0"),
            "rtsp://c/cam?channel=1&user=a&pwd=***&subtype=0"
        );
        assert_eq!(show("rtsp://c/user=admin_password=tlJwpbo6_channel=1.sdp"), "rtsp://c/user=admin_password=***");
    }

    #[test]
    fn a_text_of_a_library_is_cleaned() {
        let source = Source::parse("rtsp://u:hunter2@cam/live?token=abc").unwrap();
        let text =
            source.redact("could not open rtsp://u:hunter2@cam/live?token=abc (hunter2) rtsp://cam/live?token=abc");
        assert_eq!(text, "could not open rtsp://cam/live?token=*** (***) rtsp://cam/live?token=***");
    }

    proptest! {
        #[test]
        fn no_password_survives_in_any_text(password in "[A-Za-z0-9!$_.-]{6,20}", path in "[a-z0-9/]{0,20}") {
            prop_assume!(!path.contains(&password));
            let source = Source::parse(&format!("rtsp://user:{password}@camera.example/{path}")).unwrap();
            prop_assert_eq!(source.password().unwrap().expose(), password.as_str());
            let shown = format!("{source} {source:?}");
            let text = format!("x rtsp://user:{password}@camera.example/{path} {password}");
            prop_assert!(!shown.contains(&password));
            prop_assert!(!source.redact(&text).contains(&password));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            if let Ok(source) = Source::parse(&text) {
                let _ = source.redact(&text);
            }
        }
    }
}
