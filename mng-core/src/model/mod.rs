//! Pure data: ids, names, addresses, states, records, errors. No I/O.

pub mod error;
pub mod ids;
pub mod names;
pub mod record;
pub mod state;
pub mod time;
