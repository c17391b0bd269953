//! The whole engine on real files.

mod layers;
mod problems;
mod world;
