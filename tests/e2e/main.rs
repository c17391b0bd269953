//! End-to-end tests of the real binary, one module a verb.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod capture;
mod cleanup;
mod clone;
mod config;
mod connect;
mod console;
mod create;
mod create_refusals;
mod create_setup;
mod create_undo;
mod destroy;
mod docs;
mod exec;
mod frame;
mod gc;
mod harness;
mod help;
mod killed;
mod label;
mod layers;
mod list;
mod message;
mod output;
mod parallel;
mod plugin;
mod python_state;
mod refuses;
mod rename;
mod safety;
mod start;
mod stop;
mod teardown;
mod transfer;
mod undo;
mod why;
