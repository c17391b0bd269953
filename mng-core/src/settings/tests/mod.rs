//! The whole engine on real files.

mod editing;
mod layers;
mod problems;
mod world;
