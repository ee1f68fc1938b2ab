//! Models served over real HTTP.

mod clients;
mod detection;
pub mod graphs;
mod http;
mod loading;
mod measure;
mod protocol;
mod scheduling;
mod tensorflow;
mod upstream;
