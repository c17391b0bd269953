//! Agents: their types, how they start, what state they are in, how they end.

pub mod tmux;
pub mod types;

#[cfg(test)]
pub(crate) mod testing;
