//! End-to-end tests of the real binary, one module a verb.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod capture;
mod connect;
mod exec;
mod harness;
mod layers;
mod plugin;
mod start;
mod why;
