//! The whole engine on real files.

mod editing;
mod fuzz;
mod layers;
mod problems;
mod world;
