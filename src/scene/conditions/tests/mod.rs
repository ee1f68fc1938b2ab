//! Faults that must be told, and near misses that must not, in pictures drawn for the purpose.

mod faults;
mod misses;
mod rates;
mod studio;
