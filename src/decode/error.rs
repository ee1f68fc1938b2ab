//! Why a stream ended or never began, told apart as far as it changes what to do next.

use gstreamer as gst;
use gstreamer::glib;

use super::Source;

/// Why no pictures come. No text holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// GStreamer cannot be used at all.
    #[error("GStreamer cannot start: {detail}")]
    Gstreamer {
        /// What GStreamer says.
        detail: String,
    },
    /// An element that is always needed is not installed.
    #[error("the GStreamer element {element} is missing; install the package that has it, such as {package}")]
    MissingElement {
        /// The element.
        element: String,
        /// The Debian package.
        package: &'static str,
    },
    /// The server wants a user name and password, or other ones (401, 403).
    #[error("{source_name} refuses the user name or password")]
    AuthFailed {
        /// The source, without secrets.
        source_name: String,
    },
    /// The file, or the path on the server, does not exist (404).
    #[error("{source_name} does not exist: {detail}")]
    NotFound {
        /// The source, without secrets.
        source_name: String,
        /// What the server or the system says.
        detail: String,
    },
    /// The server cannot be reached or does not answer as it should.
    #[error("{source_name} cannot be reached: {detail}")]
    Network {
        /// The source, without secrets.
        source_name: String,
        /// What failed.
        detail: String,
    },
    /// A live stream has ended: the server closed it or is gone.
    #[error("{source_name} ended the stream")]
    Lost {
        /// The source, without secrets.
        source_name: String,
    },
    /// It holds no video, or none that can be decoded here.
    #[error("{source_name} cannot be decoded: {detail}")]
    Unsupported {
        /// The source, without secrets.
        source_name: String,
        /// What was found and what was tried.
        detail: String,
    },
    /// A decoder exists but does not work with this stream; another may.
    #[error("the decoder {decoder} does not work for {source_name}: {detail}")]
    Decoder {
        /// The source, without secrets.
        source_name: String,
        /// The GStreamer element.
        decoder: String,
        /// What it says.
        detail: String,
    },
    /// The data are damaged or cut short beyond what a decoder can skip.
    #[error("{source_name} is damaged: {detail}")]
    Damaged {
        /// The source, without secrets.
        source_name: String,
        /// What is wrong with them.
        detail: String,
    },
    /// Nothing has come for too long.
    #[error("{source_name} has delivered nothing for {seconds} s")]
    Silent {
        /// The source, without secrets.
        source_name: String,
        /// How long.
        seconds: u64,
    },
    /// It sends without an end what is no picture: an RTSP answer of any length would be taken into memory.
    #[error("{source_name} sends without an end what is no picture, {bytes} bytes of it so far")]
    Flood {
        /// The source, without secrets.
        source_name: String,
        /// How much it was.
        bytes: u64,
    },
    /// Something else inside GStreamer.
    #[error("{source_name} failed: {detail}")]
    Other {
        /// The source, without secrets.
        source_name: String,
        /// What GStreamer says.
        detail: String,
    },
}

/// The element that reported an error, as far as it tells what the error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reporter<'a> {
    /// The source element: network, file or device.
    Origin,
    /// The decoder of this name.
    Decoder(&'a str),
    /// Anything in between.
    Between,
}

/// What an error message of GStreamer means. `debug` is its second, longer text.
pub(super) fn classify(source: &Source, reporter: Reporter<'_>, error: &glib::Error, debug: &str) -> DecodeError {
    let source_name = source.to_string();
    let detail = source.redact(&one_line(error.message(), debug));
    let is = |kind: gst::ResourceError| error.matches(kind);
    if let Reporter::Decoder(decoder) = reporter {
        return DecodeError::Decoder { source_name, decoder: decoder.to_owned(), detail };
    }
    if is(gst::ResourceError::NotAuthorized) || mentions(debug, &["(401)", "(403)", "Unauthorized", "Forbidden"]) {
        return DecodeError::AuthFailed { source_name };
    }
    if is(gst::ResourceError::NotFound) || mentions(debug, &["(404)"]) {
        return DecodeError::NotFound { source_name, detail };
    }
    if error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::StreamError::WrongType) {
        return DecodeError::Unsupported { source_name, detail };
    }
    match reporter {
        Reporter::Origin if source.is_live() => DecodeError::Network { source_name, detail },
        Reporter::Between if error.is::<gst::StreamError>() => DecodeError::Damaged { source_name, detail },
        _ => DecodeError::Other { source_name, detail },
    }
}

fn mentions(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// The message, and the last line of the longer text, which is where elements put the cause.
fn one_line(message: &str, debug: &str) -> String {
    match debug.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(cause) if cause != message && debug.lines().count() > 1 => format!("{message} {cause}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::parse("rtsp://viewer:hunter2@cam/live").unwrap()
    }

    fn classified(kind: impl glib::error::ErrorDomain, reporter: Reporter<'_>, debug: &str) -> DecodeError {
        classify(&source(), reporter, &glib::Error::new(kind, "It failed."), debug)
    }

    #[test]
    fn errors_that_need_different_treatment_are_told_apart() {
        use gst::{ResourceError, StreamError};
        let origin = Reporter::Origin;
        assert!(matches!(classified(ResourceError::NotAuthorized, origin, ""), DecodeError::AuthFailed { .. }));
        assert!(matches!(
            classified(ResourceError::Read, origin, "x\nForbidden (403)"),
            DecodeError::AuthFailed { .. }
        ));
        assert!(matches!(classified(ResourceError::NotFound, origin, ""), DecodeError::NotFound { .. }));
        assert!(matches!(classified(ResourceError::OpenRead, origin, "refused"), DecodeError::Network { .. }));
        assert!(matches!(classified(StreamError::Demux, Reporter::Between, ""), DecodeError::Damaged { .. }));
        assert!(matches!(
            classified(StreamError::CodecNotFound, Reporter::Between, ""),
            DecodeError::Unsupported { .. }
        ));
        let stuck = classified(StreamError::Decode, Reporter::Decoder("vah264dec"), "");
        assert!(matches!(stuck, DecodeError::Decoder { decoder, .. } if decoder == "vah264dec"));
    }

    #[test]
    fn no_error_shows_the_password() {
        let debug = "gstrtspsrc.c(1): open:\nfailed on rtsp://viewer:hunter2@cam/live with hunter2";
        let shown = classified(gst::ResourceError::OpenRead, Reporter::Origin, debug).to_string();
        assert_eq!(shown, "rtsp://cam/live cannot be reached: It failed. failed on rtsp://cam/live with ***");
    }
}
