//! `create`: from what a person asked for to a running agent.
//!
//! Resolution comes first and changes nothing: type, source, target, transfer, branch. Then, under the
//! host's lock, each step arms its undo before it acts, so that an error, Ctrl-C or a kill leaves nothing
//! half-made and never touches what this run did not make.

mod checks;
pub(crate) mod env;
pub mod journal;
mod kind;
mod labels;
mod request;
mod source;
mod target;
mod templates;
mod transfer;

pub use request::{
    AgentOptions, CreateRequest, FileEdit, FileUpload, HostOptions, Provisioning, TransferChoice,
    TransferOptions,
};
pub use templates::{Applied, TemplateRules, apply as apply_templates};
