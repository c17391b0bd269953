//! The command line of mng: parses, calls one operation of the engine, renders what it reports.

mod args;
mod commands;
mod exit;
mod follow;
mod selection;
mod ui;
