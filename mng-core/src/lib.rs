//! The engine of mng: the model, the extension points and the operations. It knows no back end and no
//! screen.
//!
//! Modules are layers; imports point down this list only (a test holds them):
//! `operations`, `plugins`, `agents`, `hosts`, `providers`, `transports`, `settings`, `storage`, `model`.

pub mod agents;
pub mod hosts;
pub mod model;
pub mod operations;
pub mod plugins;
pub mod providers;
pub mod settings;
pub mod storage;
pub mod transports;

#[doc(hidden)]
pub use inventory;
pub use model::error::{Error, ErrorClass, Explain, Result, Scope, Subject};
