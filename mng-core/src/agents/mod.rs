//! Agents: their types, how they start, what state they are in, how they end.

pub mod types;
