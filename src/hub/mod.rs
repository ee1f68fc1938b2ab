//! The hub: the centre that knows every agent, stores every event, and keeps, serves and rolls out models.
//!
//! ```text
//!   HTTP ─┬─▶ guard (token, role) ──┬──▶ api ──┬──▶ access    tokens, the record of changes ──▶ database
//!         │                         │          ╰──▶ registry  models, versions, aliases ──▶ database, blobs
//!         │                         ╰──▶ serving  /v2, /v1, /predict, /metrics ──▶ detect      ╰─ shelf ─╯
//!         ╰─▶ dashboard (session, role)  /ui: the same for people, by the same rooms
//!
//!   broker ──▶ intake ──┬──▶ events  alerts, events, pictures ──▶ database, files
//!      ◀── ack ─────────╯╰─▶ fleet   which agents there are, what they have ──▶ database
//!      ◀── command clip ───── clips   asked for here, handed in by agents over HTTP ──▶ database, files
//!      ◀── desired ────────── rollouts  packages on their way to agents ──▶ database
//!      ◀── passwd, acl ────── accounts  who may log in there, and say what ──▶ database
//!
//!   galleries  sealed, for agents that ask for them ──▶ database, blobs
//!
//!   verdicts ──▶ suppressions  what false alerts have in common, proposed ──▶ rollouts
//! ```
//!
//! A resource is a file or folder of its own with its statements, its rules and its routes. What they share is
//! [`database`]: one pool, one set of SQL statements that SQLite and PostgreSQL both take. [`app`] puts it together.

pub mod access;
pub mod accounts;
mod answer;
mod api;
mod app;
pub mod blobs;
mod broker;
mod callers;
pub mod clips;
mod dashboard;
pub mod database;
mod door;
pub mod events;
pub mod fleet;
pub mod galleries;
mod guard;
pub mod intake;
pub mod registry;
mod rest;
pub mod rollouts;
pub mod serving;
mod settings;
pub mod suppressions;
mod upkeep;

pub use api::{ROUTES, Route};
pub use app::{Hub, HubError, keep_first_token};
pub use broker::Broker;
pub use dashboard::{ROUTES as PAGES, Route as Page};
pub use door::{Tls, TlsError};
pub use guard::{Need, needs};
pub use rest::read_rest;
pub use settings::{Settings, SettingsError};
