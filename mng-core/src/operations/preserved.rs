//! What destroyed agents left for good: the archives in `H/preserved/` of this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hosts::Layout;
use crate::model::address::{AgentAddress, HostAddress};
use crate::model::ids::{AgentId, HostId};
use crate::model::names::{AgentName, HostName, ProviderName};
use crate::model::time::Time;
use crate::operations::resolve::is_host_of;
use crate::plugins::Ctx;
use crate::storage::read_optional;

/// The name of an archive's table of contents.
pub(super) const MANIFEST: &str = "manifest.json";
/// The layout of archives that this version writes; one with a higher number is left alone.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Whose archive it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    pub host_id: String,
    pub host_name: String,
    pub provider_name: String,
    pub agent_id: String,
    pub agent_name: String,
    pub agent_type: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// What was kept lies below under the paths that it had in the state dir.
    pub dir: PathBuf,
    pub identity: Identity,
    pub preserved_at: Option<Time>,
}

impl Archive {
    /// Whether an address means it.
    #[must_use]
    pub fn matches(&self, address: &AgentAddress) -> bool {
        let Ok(id) = self.identity.agent_id.parse::<AgentId>() else { return false };
        address.agent.matches(&AgentName::stored(&self.identity.agent_name), &id)
            && address.host.as_ref().is_none_or(|host| self.is_on(host))
    }

    fn is_on(&self, host: &HostAddress) -> bool {
        let Ok(id) = self.identity.host_id.parse::<HostId>() else { return false };
        let name = HostName::stored(&self.identity.host_name);
        is_host_of(host, &id, &name, &ProviderName::stored(&self.identity.provider_name))
    }

    /// `NAME (ID)`, and when it was kept.
    #[must_use]
    pub fn title(&self) -> String {
        let kept = self.preserved_at.map(|at| format!(", {at}")).unwrap_or_default();
        format!("{} ({}{kept})", self.identity.agent_name, self.identity.agent_id)
    }
}

/// The archives that can be read, by directory name. One with a table of contents that is damaged or newer than
/// this program is left out.
#[must_use]
pub fn archives(ctx: &Ctx) -> Vec<Archive> {
    archives_in(&Layout::new(ctx.settings.host_dir()).preserved())
}

fn archives_in(dir: &Path) -> Vec<Archive> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs.into_iter().filter_map(read).collect()
}

#[derive(Deserialize)]
struct Head {
    schema_version: u32,
    preserved_at: Option<Time>,
    identity: Identity,
}

fn read(dir: PathBuf) -> Option<Archive> {
    let Some(bytes) = read_optional(&dir.join(MANIFEST)).ok()? else { return legacy(dir) };
    let head: Head = serde_json::from_slice(&bytes).ok()?;
    let is_known = head.schema_version <= SCHEMA_VERSION;
    is_known.then_some(Archive { dir, identity: head.identity, preserved_at: head.preserved_at })
}

/// An archive from before there were tables of contents: its directory's name tells whose it is.
fn legacy(dir: PathBuf) -> Option<Archive> {
    let name = dir.file_name()?.to_str()?.to_owned();
    let (agent_name, rest) = name.split_at(name.rfind("--agent-")?);
    let mut parts = rest.split("--").skip(1);
    let agent_id = parts.next()?.parse::<AgentId>().ok()?;
    let identity = Identity {
        host_id: parts.next().unwrap_or_default().to_owned(),
        host_name: String::new(),
        provider_name: String::new(),
        agent_id: agent_id.to_string(),
        agent_name: agent_name.to_owned(),
        agent_type: String::new(),
        labels: BTreeMap::new(),
    };
    Some(Archive { dir, identity, preserved_at: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "agent-00000000000000000000000000000001";

    #[test]
    fn archives_tell_whose_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, manifest: Option<&str>| {
            let archive = dir.path().join(name);
            std::fs::create_dir(&archive).unwrap();
            if let Some(manifest) = manifest {
                std::fs::write(archive.join(MANIFEST), manifest).unwrap();
            }
        };
        make(&format!("old--one--{ID}"), None);
        make(&format!("damaged--{ID}"), Some("{"));
        make(&format!("future--{ID}"), Some(r#"{"schema_version":2}"#));
        make("nobody", None);
        make(
            &format!("told--{ID}"),
            Some(&format!(
                r#"{{"schema_version":1,"preserved_at":"2026-11-25T00:00:00Z","items":[],"identity":{{"host_id":"host-00000000000000000000000000000002",
                "host_name":"gpu","provider_name":"docker","agent_id":"{ID}","agent_name":"told","agent_type":"claude","labels":{{}}}}}}"#
            )),
        );
        let found = archives_in(dir.path());
        let names: Vec<&str> = found.iter().map(|archive| archive.identity.agent_name.as_str()).collect();
        assert_eq!(names, ["old--one", "told"]);
        assert_eq!(found[1].title(), format!("told ({ID}, 2026-11-25T00:00:00Z)"));
        let matches = |index: usize, text: &str| found[index].matches(&text.parse().unwrap());
        assert!(matches(1, "told") && matches(1, ID) && matches(1, "told@gpu.docker"));
        assert!(!matches(1, "other") && !matches(1, "told@other") && !matches(0, "told"));
        assert!(archives_in(&dir.path().join("none")).is_empty());
    }
}
