//! The hub: the centre that knows every agent, stores every event, and keeps, serves and rolls out models.
//!
//! ```text
//!   agents ──MQTT──▶ intake ──▶ events ──▶ database ◀── registry ◀── HTTP ◀── people, scripts, agents
//!                        ╰────▶ fleet  ──▶     │                      │
//!                                              ╰── blobs (files by their SHA-256)
//! ```
//!
//! A resource is a file or folder of its own with its statements, its rules and its routes. What they share is
//! [`database`]: one pool, one set of SQL statements that SQLite and PostgreSQL both take.

pub mod access;
pub mod database;
pub mod serving;
