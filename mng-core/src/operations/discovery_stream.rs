//! What a whole listing of a provider saw, for programs that follow `events/mng/discovery`: one snapshot
//! each time that it differs from the last.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value, json};

use super::list::{AgentView, ListedHost, Part};
use crate::hosts::{EventStream, Layout};
use crate::model::error::Result;
use crate::model::names::ProviderName;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::storage;

const SOURCE: &str = "mng/discovery";
/// Beside the stream: the last snapshot's fingerprint, by provider.
const FINGERPRINTS: &str = ".fingerprints.json";
const ROTATE_ABOVE: u64 = 50 << 20;

/// Gathers what a listing hands out until each provider is complete.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// Of the providers with several hosts, those heard of so far.
    open: BTreeMap<ProviderName, Seen>,
}

/// What a provider has. `is_spoiled`: something could not be seen.
#[derive(Debug, Default)]
struct Seen {
    hosts: Vec<ListedHost>,
    agents: Vec<AgentView>,
    is_spoiled: bool,
}

impl Snapshots {
    /// Takes a part of a whole listing. With a provider's last one a snapshot of it is appended, unless the
    /// last snapshot says the same. Nothing is written for a provider with errors, of which this may not be
    /// all, nor where there is no state dir yet. Trouble is logged: no listing fails for it.
    pub fn note(&mut self, ctx: &Ctx, part: &Part) {
        let (Some(provider), Some(started_at)) = (&part.provider, part.started_at) else { return };
        let is_spoiled = !part.errors.is_empty();
        let mut before = self.open.remove(provider);
        if !part.is_last {
            let seen = self.open.entry(provider.clone()).or_default();
            *seen = before.unwrap_or_default();
            seen.hosts.extend(part.hosts.iter().cloned());
            seen.agents.extend(part.agents.iter().cloned());
            seen.is_spoiled |= is_spoiled;
            return;
        }
        let is_spoiled = is_spoiled || before.as_ref().is_some_and(|before| before.is_spoiled);
        let (hosts, agents) = match &mut before {
            None => (&part.hosts, &part.agents),
            Some(before) => {
                before.hosts.extend(part.hosts.iter().cloned());
                before.agents.extend(part.agents.iter().cloned());
                (&before.hosts, &before.agents)
            }
        };
        let layout = Layout::new(ctx.settings.host_dir());
        if is_spoiled || hosts.is_empty() || !layout.root().is_dir() {
            return;
        }
        if let Err(error) = write(&layout, provider, hosts, agents, started_at) {
            tracing::debug!(%error, "discovery snapshot not written");
        }
    }
}

fn write(
    layout: &Layout,
    provider: &ProviderName,
    hosts: &[ListedHost],
    agents: &[AgentView],
    started_at: Time,
) -> Result<()> {
    let mut stream = EventStream::new(layout.root(), SOURCE);
    stream.rotate_above = Some(ROTATE_ABOVE);
    stream.keep = 1;
    let path = stream.path().with_file_name(FINGERPRINTS);
    let bytes = storage::read_optional(&path)?.unwrap_or_default();
    let mut known: BTreeMap<String, String> = serde_json::from_slice(&bytes).unwrap_or_default();
    let fresh = fingerprint(hosts, agents);
    if known.get(provider.as_str()) == Some(&fresh) {
        return Ok(());
    }
    stream.append_local("DISCOVERY_PROVIDER", snapshot(provider, hosts, agents, started_at))?;
    known.insert(provider.to_string(), fresh);
    storage::write_volatile(&path, json!(known).to_string().as_bytes(), 0o600)
}

/// Changes when a host or an agent comes, goes or is renamed, or when what its record says of it to others
/// does.
fn fingerprint(hosts: &[ListedHost], agents: &[AgentView]) -> String {
    let mut hasher = DefaultHasher::new();
    let mut hosts: Vec<_> =
        hosts.iter().map(|host| (&host.view.id, &host.view.name, host.view.state)).collect();
    hosts.sort_unstable();
    hosts.hash(&mut hasher);
    let mut agents: Vec<_> = agents.iter().collect();
    agents.sort_unstable_by(|a, b| a.record.id.cmp(&b.record.id));
    for agent in agents {
        let record = &agent.record;
        (&agent.host.id, &record.id, &record.name, &record.agent_type, &record.labels).hash(&mut hasher);
        (&record.work_dir, &record.command, record.create_time).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn snapshot(
    provider: &ProviderName,
    hosts: &[ListedHost],
    agents: &[AgentView],
    started_at: Time,
) -> Map<String, Value> {
    let agents: Vec<Value> = agents
        .iter()
        .map(|agent| {
            json!({
                "host_id": agent.host.id,
                "agent_id": agent.record.id,
                "agent_name": agent.record.name,
                "provider_name": provider,
                "certified_data": agent.record,
            })
        })
        .collect();
    let hosts: Vec<Value> = hosts
        .iter()
        .map(|host| {
            json!({
                "host_id": host.view.id,
                "host_name": host.view.name,
                "provider_name": provider,
                "host_state": host.view.state,
            })
        })
        .collect();
    let fields = json!({
        "provider_name": provider,
        "agents": agents,
        "hosts": hosts,
        "provider": { "name": provider },
        "error": null,
        "unknown_host_ids": [],
        "unknown_agent_ids": [],
        "discovery_started_at": started_at,
        "discovery_finished_at": Time::now(),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::fixture::{agent_at, block, context, host_at};
    use crate::operations::list::from_host;

    #[test]
    fn a_snapshot_is_written_only_when_something_changed() {
        let dir = tempfile::tempdir().unwrap();
        let host = host_at(dir.path());
        let provider = ProviderName::stored("local");
        let stream = EventStream::new(dir.path(), SOURCE);
        let look = || {
            let part = block(from_host(&context(), &host));
            write(&host.layout, &provider, &part.hosts, &part.agents, Time::now()).unwrap();
            block(stream.read(&host)).unwrap()
        };
        agent_at(&host, "a");
        assert_eq!(look().len(), 1);
        assert_eq!(look().len(), 1, "nothing changed");
        agent_at(&host, "b");
        let events = look();
        assert_eq!(events.len(), 2);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "DISCOVERY_PROVIDER");
        let mut names: Vec<&str> = last["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|agent| agent["agent_name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(last["agents"][0]["certified_data"]["type"], "command");
        assert_eq!(last["hosts"][0]["host_state"], "RUNNING");
    }
}
