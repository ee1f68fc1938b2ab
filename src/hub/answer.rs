//! How the hub's own API answers: JSON, and for what fails `{"error": "a sentence"}` with a fitting status.

use std::fmt::Display;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::AccessError;
use super::accounts::AccountError;
use super::blobs::BlobError;
use super::clips::ClipError;
use super::database::DatabaseError;
use super::events::export::ExportError;
use super::events::live::LiveError;
use super::events::query::QueryError;
use super::events::verdicts::VerdictError;
use super::fleet::FleetError;
use super::galleries::GalleryError;
use super::registry::RegistryError;
use super::rollouts::RolloutError;
use super::suppressions::SuppressionError;

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    sentence: String,
}

/// When something that is away may be asked for again, in seconds.
pub(super) const RETRY_AFTER: u16 = 10;

impl Refusal {
    /// The request itself is wrong.
    pub(super) fn invalid(sentence: impl Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence: sentence.to_string() }
    }

    /// What was asked for is not there.
    pub(super) fn missing(sentence: impl Display) -> Self {
        Self { status: StatusCode::NOT_FOUND, sentence: sentence.to_string() }
    }
}

impl Refusal {
    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, for a person.
    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The hub itself fails: the log says why.
    pub(super) fn internal(doing: &str, error: &dyn Display) -> Self {
        tracing::error!(doing, %error, "a request failed");
        let sentence = format!("the hub failed while {doing}; its log says why");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, sentence }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        let status = match &error {
            BlobError::Disk { source, .. } | BlobError::Folder { source, .. } => {
                let cause = format!("{error}: {source}");
                return Self::internal("working on a file", &cause);
            }
            BlobError::Bucket(_) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "a request failed at the bucket");
                let sentence = "the bucket of the hub's packages does not answer; its log says why".to_owned();
                return Self { status: StatusCode::SERVICE_UNAVAILABLE, sentence };
            }
            BlobError::Damaged { .. } => return Self::internal("working on a file", &error),
            BlobError::Offset { .. } | BlobError::Busy => StatusCode::CONFLICT,
            BlobError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BlobError::Digest { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            BlobError::Missing { .. } => StatusCode::NOT_FOUND,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let status = match error {
            RegistryError::Blob(error) => return error.into(),
            RegistryError::Access(error) => return error.into(),
            RegistryError::Database(error) => return error.into(),
            RegistryError::Broken { reason } => return Self::internal("checking a package", &reason),
            RegistryError::NoModel { .. } | RegistryError::NoVersion { .. } => StatusCode::NOT_FOUND,
            RegistryError::NoFile { .. }
            | RegistryError::Leaving { .. }
            | RegistryError::Pointed { .. }
            | RegistryError::OnItsWay { .. } => StatusCode::CONFLICT,
            RegistryError::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            RegistryError::Name(_) => StatusCode::BAD_REQUEST,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Database(error) => error.into(),
            error => Self::invalid(error),
        }
    }
}

impl From<LiveError> for Refusal {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Query(error) => error.into(),
            LiveError::Full => Self { status: StatusCode::SERVICE_UNAVAILABLE, sentence: error.to_string() },
            LiveError::Cursor | LiveError::Limit => Self::invalid(error),
        }
    }
}

impl From<ExportError> for Refusal {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Query(error) => error.into(),
            ExportError::Full => Self { status: StatusCode::SERVICE_UNAVAILABLE, sentence: error.to_string() },
            ExportError::Format(_) | ExportError::Page => Self::invalid(error),
            ExportError::Json(_) | ExportError::Parquet(_) | ExportError::Broken(_) => {
                Self::internal("exporting events", &error)
            }
        }
    }
}

impl From<VerdictError> for Refusal {
    fn from(error: VerdictError) -> Self {
        match error {
            VerdictError::Database(error) => error.into(),
            VerdictError::Access(error) => error.into(),
            VerdictError::NoEpisode { .. } | VerdictError::None { .. } => Self::missing(error),
            VerdictError::Label | VerdictError::Text => Self::invalid(error),
        }
    }
}

impl From<ClipError> for Refusal {
    fn from(error: ClipError) -> Self {
        let status = match error {
            ClipError::Blob(error) => return error.into(),
            ClipError::Access(error) => return error.into(),
            ClipError::Database(error) => return error.into(),
            ClipError::Broken(error) => return Self::internal("working on the file of a clip", &error),
            ClipError::Unannounced | ClipError::About(_) => StatusCode::BAD_REQUEST,
            ClipError::NoMp4 | ClipError::Overflow { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ClipError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ClipError::NoClip { .. } | ClipError::NoEpisode { .. } => StatusCode::NOT_FOUND,
            ClipError::Offset { .. } | ClipError::NoBroker => StatusCode::CONFLICT,
            ClipError::Away => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<FleetError> for Refusal {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Database(error) => error.into(),
            FleetError::Access(error) => error.into(),
            FleetError::NoAgent { .. } => Self::missing(error),
            FleetError::Labels => Self::invalid(error),
        }
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        let status = match error {
            AccountError::Access(error) => return error.into(),
            AccountError::Database(error) => return error.into(),
            AccountError::File { .. } | AccountError::Run { .. } | AccountError::Reload { .. } => {
                return Self::internal("writing the files for the broker", &error);
            }
            AccountError::NoAccount { .. } => StatusCode::NOT_FOUND,
            AccountError::NonePending { .. }
            | AccountError::OfHub { .. }
            | AccountError::OfAgent { .. }
            | AccountError::NoHub => StatusCode::CONFLICT,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<RolloutError> for Refusal {
    fn from(error: RolloutError) -> Self {
        let status = match error {
            RolloutError::Registry(error) => return error.into(),
            RolloutError::Database(error) => return error.into(),
            RolloutError::Access(error) => return error.into(),
            RolloutError::NoRollout { .. } => StatusCode::NOT_FOUND,
            RolloutError::Terms(_) | RolloutError::Whom | RolloutError::What | RolloutError::Purpose => {
                StatusCode::BAD_REQUEST
            }
            RolloutError::Overlay { .. } | RolloutError::Sign(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RolloutError::Unknown(_) | RolloutError::NotAdmitted(_) | RolloutError::Nobody => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            RolloutError::NoBroker | RolloutError::Busy { .. } | RolloutError::State { .. } => StatusCode::CONFLICT,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<SuppressionError> for Refusal {
    fn from(error: SuppressionError) -> Self {
        let status = match error {
            SuppressionError::Rollout(error) => return error.into(),
            SuppressionError::Fleet(error) => return error.into(),
            SuppressionError::Access(error) => return error.into(),
            SuppressionError::Database(error) => return error.into(),
            SuppressionError::NoProposal { .. } => StatusCode::NOT_FOUND,
            SuppressionError::Until | SuppressionError::Reason => StatusCode::BAD_REQUEST,
            SuppressionError::Foreign { .. } | SuppressionError::Unreadable => StatusCode::CONFLICT,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<GalleryError> for Refusal {
    fn from(error: GalleryError) -> Self {
        let status = match error {
            GalleryError::Registry(error) => return error.into(),
            GalleryError::Fleet(error) => return error.into(),
            GalleryError::Access(error) => return error.into(),
            GalleryError::Database(error) => return error.into(),
            GalleryError::NoGallery { .. } => StatusCode::NOT_FOUND,
            GalleryError::NoFile { .. } | GalleryError::NotNewer { .. } => StatusCode::CONFLICT,
            GalleryError::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, sentence: error.to_string() }
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let status = match &error {
            AccessError::Unknown => StatusCode::UNAUTHORIZED,
            AccessError::Role { .. } | AccessError::NotOfAgent { .. } => StatusCode::FORBIDDEN,
            AccessError::NoSuchToken { .. } => StatusCode::NOT_FOUND,
            AccessError::Taken { .. } | AccessError::LastAdmin { .. } => StatusCode::CONFLICT,
            AccessError::Chance { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            AccessError::Database(_) => return broken(&error),
        };
        Self { status, sentence: error.to_string() }
    }
}

/// PostgreSQL's SQLSTATE for a text that holds what no text there can, which is a NUL: the caller's fault.
const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";

fn is_text(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| match cause.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Database(fault)) => fault.code().as_deref() == Some(CHARACTER_NOT_IN_REPERTOIRE),
        _ => false,
    })
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        broken(&error)
    }
}

/// The database fails: the log says why, the caller only that it is not its fault.
fn broken(error: &(dyn std::error::Error + 'static)) -> Refusal {
    if is_text(error) {
        return Refusal::invalid("a text holds a character that cannot be stored, such as NUL");
    }
    let cause = error.source().map(ToString::to_string);
    tracing::error!(error = %error, cause, "a request failed at the database");
    let sentence = "the hub's database does not answer; its log says why".to_owned();
    Refusal { status: StatusCode::SERVICE_UNAVAILABLE, sentence }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = refused(self.status, &self.sentence);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
        }
        response
    }
}

/// A refusal with its reason.
pub(super) fn refused(status: StatusCode, reason: &dyn Display) -> Response {
    (status, Json(json!({ "error": reason.to_string() }))).into_response()
}
