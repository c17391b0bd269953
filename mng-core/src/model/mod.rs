//! Pure data: ids, names, addresses, states, records, errors. No I/O.

pub mod address;
pub mod base64;
pub mod branch;
pub mod cancel;
pub mod duration;
pub mod env_file;
pub mod error;
pub mod event;
pub mod failure;
pub mod field_path;
pub mod fields;
pub mod filter;
pub mod ids;
pub mod name_styles;
pub mod names;
pub mod order;
pub mod printing;
pub mod record;
pub mod shell;
pub mod state;
pub mod suggest;
pub mod template;
pub mod time;
pub mod window;
