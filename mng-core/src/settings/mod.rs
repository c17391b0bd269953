//! Settings: where they are found, how five layers become one, what every key means, and how they are
//! edited without losing a comment.
//!
//! Layers, lowest first: built-in defaults, the user's file, the project's file, the project's local file,
//! the environment, `-S KEY=VALUE`. Each is read as a raw tree, the trees are merged by one algebra, and
//! only the result becomes typed: typed partial configurations once reset every sibling of a key that a
//! higher layer touched.

mod active;
mod check;
mod core;
mod document;
mod duration;
pub mod edit;
mod entries;
mod environment;
mod known;
mod lift;
mod listing;
mod load;
pub mod locate;
mod merge;
mod parameters;
mod parse;
mod patch;
mod problem;
pub mod profile;
mod shape;
mod surfaces;
mod tree;
mod types;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use self::core::{
    CoreSettings, ExtraPathMode, ImplicitProviders, LogLevel, LoggingSettings, RetrySettings, TmuxSettings,
    WindowSize,
};
pub use active::{ActiveProvider, ConfiguredProvider, ProviderChoice, active_providers};
pub use duration::{DurationText, Seconds};
pub use edit::{EditRefused, Edited, Editor, WriteForm};
pub use entries::{AgentTypeBase, PluginBase, ProviderBase};
pub use environment::{EnvSnapshot, VARIABLES, Variable};
pub use known::{BackendSchema, FieldSchema, KnownNames, PluginSchema, TypeSchema};
pub use listing::{FoundValue, ListedValue, Listing, SchemaRow, ScopePath, human_value};
pub use load::{LoadRequest, Settings, load};
pub use locate::{ConfigScope, Locations};
pub use parameters::CommandParam;
pub use parse::TomlProblem;
pub use patch::{ApplyPatchError, MERGE_MAP, PatchLoss, apply_patch};
pub use problem::{Problem, ProblemKind, SettingsError};
pub use profile::{Profile, ensure_profile, find_profile, user_id};
pub use tree::{Layer, MergeOp, Origin};
pub use types::{AgentTypeEntries, AgentTypeError, ResolvedType, resolve_agent_type};
pub use values::{CreateTemplate, ProviderEntry, TemplateValue};
