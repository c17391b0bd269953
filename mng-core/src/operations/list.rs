//! Every agent of every provider, with its state.

mod view;

pub use view::{AgentView, Cpu, ErrorRow, HostView, IdleView, Resource};
