//! Settings: where they are found, how five layers become one, what every key means, and how they are
//! edited without losing a comment.
//!
//! Layers, lowest first: built-in defaults, the user's file, the project's file, the project's local file,
//! the environment, `-S KEY=VALUE`. Each is read as a raw tree, the trees are merged by one algebra, and
//! only the result becomes typed: typed partial configurations once reset every sibling of a key that a
//! higher layer touched.

mod core;
mod duration;
mod environment;
mod interim;
pub mod locate;
mod parse;
pub mod profile;

pub use self::core::{
    CoreSettings, ExtraPathMode, ImplicitProviders, LogLevel, LoggingSettings, RetrySettings, TmuxSettings,
    WindowSize,
};
pub use duration::{DurationText, Seconds, format_duration, parse_duration};
pub use environment::{EnvSnapshot, VARIABLES, Variable};
pub use interim::Settings;
pub use locate::{ConfigScope, Locations};
pub use parse::TomlProblem;
pub use profile::{Profile, ensure_profile, find_profile, user_id};
