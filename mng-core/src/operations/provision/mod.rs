//! Setting up an agent's surroundings: the steps that `create` and `mng provision` share.

mod steps;

pub use steps::ProvisionError;
pub(crate) use steps::{Place, check_uploads, run};
