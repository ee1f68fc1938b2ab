//! Brings a clip to the hub in pieces, going on where the hub says that it stopped.
//!
//! ```text
//!   HEAD  …/clips/{agent}/{sha256}   how much is there?
//!   PATCH …/clips/{agent}/{sha256}   the next piece, at that offset; the first one says what it is
//! ```
//!
//! A piece that is lost on the way costs that piece: after any break the hub is asked again. The hub checks the whole
//! against its SHA-256; what does not match is sent once more, as something may have happened on the way.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use ureq::Body;
use ureq::http::Response;

use super::{Client, ClientError, MOST_RESUMES};

/// The largest piece, in bytes.
const PIECE: usize = 1 << 20;

/// A clip and what the hub is told of it.
#[derive(Debug, Clone, Copy)]
pub struct ClipUpload<'a> {
    /// Whose it is.
    pub agent: &'a str,
    /// SHA-256 of its bytes, in hex.
    pub sha256: &'a str,
    /// How many bytes it has.
    pub bytes: u64,
    /// The camera that sent it.
    pub camera: &'a str,
    /// The first episode that it shows; empty where somebody asked for it.
    pub episode: &'a str,
    /// When its first picture was captured, RFC 3339.
    pub begins: &'a str,
    /// When its last picture was captured, RFC 3339.
    pub ends: &'a str,
    /// The file.
    pub file: &'a Path,
}

/// What the hub says to a piece or a question.
enum Said {
    /// It has so many bytes.
    Has(u64),
    /// It has all of it, and found it right.
    Complete,
    /// What it had was another file; it has forgotten it.
    Mismatch,
}

impl Client {
    /// Brings a clip to the hub, whatever of it is there already.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses, when it got another file twice, or the file cannot be read.
    pub fn upload_clip(&self, clip: &ClipUpload<'_>) -> Result<(), ClientError> {
        let failed = |source| ClientError::File { doing: "reading", path: clip.file.to_owned(), source };
        let mut file = File::open(clip.file).map_err(failed)?;
        let (mut breaks, mut mismatches, mut piece) = (0, 0, Vec::new());
        let mut said = self.has(clip);
        loop {
            said = match said {
                Ok(Said::Complete) => return Ok(()),
                Ok(Said::Has(offset)) if offset >= clip.bytes => return Ok(()),
                Ok(Said::Has(offset)) => {
                    read_piece(&mut file, offset, clip.bytes, &mut piece).map_err(failed)?;
                    let sent = self.send_piece(clip, offset, &piece);
                    if matches!(sent, Ok(Said::Has(now)) if now > offset) {
                        breaks = 0;
                    } else {
                        breaks += 1;
                    }
                    sent
                }
                Ok(Said::Mismatch) if mismatches == 0 => {
                    mismatches += 1;
                    Ok(Said::Has(0))
                }
                Ok(Said::Mismatch) => return Err(ClientError::Mismatch { sha256: clip.sha256.to_owned() }),
                Err(error) if error.may_pass() && breaks < MOST_RESUMES => {
                    tracing::debug!(%error, "a piece of a clip broke off");
                    breaks += 1;
                    self.has(clip)
                }
                Err(error) => return Err(error),
            };
            if breaks > MOST_RESUMES {
                return Err(ClientError::BrokeOff);
            }
        }
    }

    fn has(&self, clip: &ClipUpload<'_>) -> Result<Said, ClientError> {
        let place = place(clip);
        let result = self.agent.head(self.url(&place)).header("Authorization", self.bearer()).call();
        let response = result.map_err(|source| self.unreached("asking", &place, source))?;
        match response.status().as_u16() {
            404 => Ok(Said::Has(0)),
            _ => self.said(&place, response),
        }
    }

    fn send_piece(&self, clip: &ClipUpload<'_>, offset: u64, piece: &[u8]) -> Result<Said, ClientError> {
        let place = place(clip);
        let mut request = self.agent.patch(self.url(&place)).header("Authorization", self.bearer());
        request =
            request.header("Upload-Offset", offset.to_string()).header("Content-Type", "application/octet-stream");
        if offset == 0 {
            let bytes = clip.bytes.to_string();
            let facts = [
                ("bytes", bytes.as_str()),
                ("camera", clip.camera),
                ("episode", clip.episode),
                ("begins", clip.begins),
                ("ends", clip.ends),
                ("mime", "video/mp4"),
            ];
            request = request.query_pairs(facts);
        }
        let response = request.send(piece).map_err(|source| self.unreached("sending to", &place, source))?;
        self.said(&place, response)
    }

    fn said(&self, place: &str, response: Response<Body>) -> Result<Said, ClientError> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_complete = header("Upload-Complete") == Some("?1");
        let offset = header("Upload-Offset").and_then(|text| text.parse::<u64>().ok());
        match (response.status().as_u16(), offset) {
            (200 | 204, _) if is_complete => Ok(Said::Complete),
            (200 | 204 | 409, Some(offset)) => Ok(Said::Has(offset)),
            (422, _) => Ok(Said::Mismatch),
            _ => {
                let refused = self.answer("sending to", place, Ok(response));
                let status = 502;
                let sentence = "it does not say how much it has of the clip".to_owned();
                Err(refused.err().unwrap_or(ClientError::Refused { status, sentence }))
            }
        }
    }

    fn unreached(&self, doing: &'static str, place: &str, source: ureq::Error) -> ClientError {
        ClientError::Reach { doing, url: self.url(place), source: Box::new(source) }
    }
}

fn place(clip: &ClipUpload<'_>) -> String {
    format!("/api/v1/clips/{}/{}", clip.agent, clip.sha256)
}

fn read_piece(file: &mut File, offset: u64, bytes: u64, piece: &mut Vec<u8>) -> io::Result<()> {
    let length = bytes.saturating_sub(offset).min(PIECE as u64);
    file.seek(SeekFrom::Start(offset))?;
    piece.resize(usize::try_from(length).unwrap_or(PIECE), 0);
    file.read_exact(piece)
}
