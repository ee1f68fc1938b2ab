//! The hub as a whole: who may do what, on both databases, and the program itself.

mod access;
mod program;
