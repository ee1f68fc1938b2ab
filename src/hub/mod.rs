//! The hub: the centre that agents report to, and that keeps, serves and rolls out models.

pub mod serving;
