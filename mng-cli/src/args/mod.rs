//! Argument groups that several commands share. Each has a `resolve` that checks what the parser could not
//! and hands back plain data; none looks at agents or hosts.

mod common;
mod explicit;
mod filters;
mod message;
mod on_error;
mod seconds;
mod sync;
mod targets;

pub(crate) use common::CommonArgs;
pub(crate) use explicit::{Explicit, augment as augment_explicit};
pub(crate) use filters::{ExpressionArgs, FilterArgs, Filters, LabelMatch};
pub(crate) use message::{MessageArgs, StdinUse};
pub(crate) use on_error::OnError;
pub(crate) use seconds::seconds;
pub(crate) use sync::{AgentEnd, RuleArgs, SyncModeArg, UncommittedArg};
pub(crate) use targets::{SelectArgs, SessionArgs, TargetArgs, Targets, read_names};
