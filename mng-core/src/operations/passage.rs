//! A program of this machine that talks to a host, for the command line to run with its own streams.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::hosts::sync::Reach;

/// What is to be run. The way to the host is open for as long as this lives.
#[derive(Debug)]
pub struct Passage {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub unset: Vec<String>,
    pub cwd: PathBuf,
    /// The other end.
    pub path: PathBuf,
    pub host_id: String,
    pub reach: Reach,
}
