//! End-to-end tests of the real binary, one module a verb.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod capture;
mod clone;
mod config;
mod connect;
mod create;
mod create_refusals;
mod create_setup;
mod create_undo;
mod destroy;
mod docs;
mod exec;
mod frame;
mod harness;
mod layers;
mod parallel;
mod plugin;
mod safety;
mod start;
mod stop;
mod transfer;
mod why;
