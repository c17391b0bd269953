//! One verb a module: what the commands do. A request goes in, a report comes out, progress goes to a channel
//! of events. Nothing here prints, exits or knows the command line.

pub mod archive;
pub mod ask;
pub mod capture;
pub mod cleanup;
pub mod completion_cache;
pub mod connect;
pub mod create;
pub mod destroy;
pub mod discover;
pub mod discovery_stream;
pub mod edit;
pub mod events;
pub mod exec;
pub mod file;
pub mod gc;
pub mod git_sync;
pub mod label;
pub mod limit;
pub mod list;
pub mod logs;
pub mod message;
pub mod observe;
pub mod pair;
pub mod passage;
pub mod preserved;
pub mod provision;
pub mod pull;
pub mod push;
mod relaunch;
pub mod rename;
pub mod resolve;
pub mod rsync;
pub mod select;
pub mod start;
pub mod states;
pub mod stop;
pub mod sync;
pub mod transcript;
pub mod undo;
pub mod usage;
pub mod why;

#[cfg(test)]
mod fixture;
