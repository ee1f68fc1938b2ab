//! Who may do what: roles, the tokens that show them, the sessions of browsers, and the record of every change.
//!
//! There is no password that everybody knows: the first start makes one token with the role of an admin and shows it
//! once. Of a token only its SHA-256 is kept. That is enough for a secret of 256 random bits, which nobody can guess, and
//! makes checking one a single look into an index.

mod audit;
mod failures;
mod role;
pub(super) mod secret;
mod sessions;
mod settings;
mod tokens;

pub use audit::{Audit, Change, Looked, Record};
pub use failures::Failures;
pub use role::{Role, UnknownRole};
pub use sessions::{Session, Sessions, nonce};
pub use settings::Settings;
pub use tokens::{AccessError, Caller, TokenFacts, Tokens};
