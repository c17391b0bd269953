//! Hosts that answer beside hosts that do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::model::error::{Error, ErrorClass};
use crate::model::names::HostName;
use crate::model::state::{AgentState, HostState};
use crate::operations::fixture::{agent_at, block, context, host_at};
use crate::providers::{Capabilities, DiscoveredHost, HostResources, Provider};
use crate::transports::{LocalTransport, Transport};

/// A provider whose hosts are directories of this machine. How each answers is in its name.
#[derive(Debug)]
struct Pool {
    name: ProviderName,
    root: PathBuf,
    hosts: Vec<&'static str>,
}

#[async_trait]
impl Provider for Pool {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        "pool"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn discover_hosts(&self) -> Result<Vec<DiscoveredHost>> {
        let host = |(index, name): (usize, &&str)| DiscoveredHost {
            id: format!("host-{index:032x}").parse().unwrap(),
            name: HostName::stored(name.split('-').next().unwrap()),
            provider: self.name.clone(),
            host_dir: self.root.join(name.split('-').next().unwrap()),
            ..host_at(&self.root).info
        };
        Ok(self.hosts.iter().enumerate().map(host).collect())
    }

    async fn transport(&self, host: &DiscoveredHost) -> Result<Arc<dyn Transport>> {
        match self.hosts.iter().find_map(|name| name.strip_prefix(host.name.as_str())?.strip_prefix('-')) {
            Some("frozen") => std::future::pending().await,
            Some("cut") => Err(Error::plain(ErrorClass::HostConnection, "connection refused")),
            Some("stranger") => Err(Error::hinted(
                ErrorClass::HostAuthentication,
                "the host key has changed",
                "look who answers there",
            )),
            _ => Ok(Arc::new(LocalTransport)),
        }
    }

    async fn resources(&self, _host: &DiscoveredHost) -> Result<HostResources> {
        Ok(HostResources::default())
    }

    fn last_seen_dir(&self) -> Option<PathBuf> {
        Some(self.root.join("last_seen"))
    }
}

fn listing(root: &Path, hosts: &[&'static str], on_part: &mut (dyn FnMut(&Part) + Send)) -> Listing {
    let name = ProviderName::stored("pool");
    let mut ctx = context().with_provider(Arc::new(Pool {
        name: name.clone(),
        root: root.to_path_buf(),
        hosts: hosts.to_vec(),
    }));
    ctx.limits.probe = Duration::from_millis(300);
    let request = ListRequest::in_scope(discover::Scope::of([name]));
    let mut listing = Listing::default();
    block(stream(&ctx, &request, &mut |part| {
        on_part(&part);
        listing.add(part);
        Ok(())
    }))
    .unwrap();
    listing
}

fn agents(listing: &Listing, host: &str) -> Vec<(String, AgentState)> {
    let mut agents: Vec<_> = listing
        .agents
        .iter()
        .filter(|agent| agent.host.name.as_str() == host)
        .map(|agent| (agent.record.name.to_string(), agent.state))
        .collect();
    agents.sort();
    agents
}

#[test]
fn lost_hosts_hold_up_nobody_and_their_agents_are_shown_as_last_seen() {
    let dir = tempfile::tempdir().unwrap();
    for (host, agent) in [("a", "one"), ("b", "two"), ("b", "three"), ("c", "four"), ("d", "five")] {
        agent_at(&host_at(&dir.path().join(host)), agent);
    }
    let all = listing(dir.path(), &["a", "b", "c", "d"], &mut |_| {});
    assert_eq!(all.agents.len(), 5);
    assert!(all.errors.is_empty());

    let started = std::time::Instant::now();
    let mut order = Vec::new();
    let lost = listing(dir.path(), &["a-frozen", "b-cut", "c", "d-stranger"], &mut |part| {
        order.push((part.hosts[0].view.name.to_string(), part.is_last, started.elapsed()));
    });
    assert_eq!(order.last().map(|(name, is_last, _)| (name.as_str(), *is_last)), Some(("a", true)));
    assert!(
        order[..3].iter().all(|(_, is_last, at)| !is_last && *at < Duration::from_millis(250)),
        "{order:?}"
    );

    let state =
        |name: &str| lost.hosts.iter().find(|host| host.view.name.as_str() == name).unwrap().view.state;
    assert_eq!(state("a"), HostState::Unknown);
    assert_eq!(state("b"), HostState::Unknown);
    assert_eq!(state("c"), HostState::Running);
    assert_eq!(state("d"), HostState::Unauthenticated);
    assert_eq!(agents(&lost, "a"), [("one".to_owned(), AgentState::Unknown)]);
    let two: Vec<_> = agents(&lost, "b").into_iter().map(|(name, _)| name).collect();
    assert_eq!(two, ["three", "two"]);
    assert_eq!(agents(&lost, "c"), [("four".to_owned(), AgentState::Stopped)]);
    let one = lost.agents.iter().find(|agent| agent.record.name.as_str() == "one").unwrap();
    assert!(one.state_age.is_some_and(|age| age < 60.0), "{:?}", one.state_age);
    assert!(one.state_reason.as_deref().unwrap().ends_with("it was STOPPED"), "{:?}", one.state_reason);
    assert!(lost.resolved(one).is_none());

    assert!(lost.errors.iter().all(|row| row.is_provider_inaccessible && row.is_counted));
    let mut told: Vec<String> = lost
        .errors
        .iter()
        .map(|row| {
            let text = row.error.to_string();
            let text = text.split(" shown as last seen ").next().unwrap_or_default();
            format!("{} {text}", row.error.class())
        })
        .collect();
    told.sort();
    insta::assert_snapshot!(told.join("\n"), @r"
    CommandTimeoutError host `a.pool`: no answer within 0 s; the work may still be going on; its 1 agent is
    HostAuthenticationError host `d.pool`: the host key has changed; its 1 agent is
    HostConnectionError host `b.pool`: connection refused; its 2 agents are
    ");
    assert_eq!(lost.unread.len(), 3);
}

#[test]
fn a_host_that_answers_again_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("a"));
    let agent = agent_at(&host, "one");
    listing(dir.path(), &["a"], &mut |_| {});
    std::fs::remove_dir_all(host.layout.agent(&agent.record.id)).unwrap();
    assert_eq!(listing(dir.path(), &["a-cut"], &mut |_| {}).agents.len(), 1);
    assert!(listing(dir.path(), &["a"], &mut |_| {}).agents.is_empty());
    assert!(listing(dir.path(), &["a-cut"], &mut |_| {}).agents.is_empty(), "it is gone for good");
}

#[test]
fn another_machine_under_an_old_name_inherits_no_agents() {
    let dir = tempfile::tempdir().unwrap();
    agent_at(&host_at(&dir.path().join("b")), "one");
    listing(dir.path(), &["a", "b"], &mut |_| {});
    // `b` is the first host now, so its id is another.
    assert!(listing(dir.path(), &["b-cut"], &mut |_| {}).agents.is_empty());
}
