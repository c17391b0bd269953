use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::model::error::ErrorClass;
use crate::model::names::HostName;
use crate::transports::LocalTransport;

const A1: &str = "agent-00000000000000000000000000000001";
const A2: &str = "agent-00000000000000000000000000000002";
const A3: &str = "agent-00000000000000000000000000000003";
const H1: &str = "host-00000000000000000000000000000001";
const H2: &str = "host-00000000000000000000000000000002";

fn info(id: &str, name: &str, provider: &str) -> DiscoveredHost {
    DiscoveredHost {
        id: id.parse().unwrap(),
        name: HostName::stored(name),
        provider: ProviderName::stored(provider),
        state: HostState::Running,
        host_dir: PathBuf::from("/nowhere"),
        tags: BTreeMap::new(),
    }
}

fn entry(id: &str, name: &str) -> AgentEntry {
    let record = serde_json::json!({
        "id": id, "name": name, "type": "command", "work_dir": "/w",
        "create_time": "2026-11-22T13:31:00Z", "command": "sleep 9",
    });
    AgentEntry { id: id.parse().unwrap(), record: Ok(serde_json::from_value(record).unwrap()) }
}

fn damaged(id: &str) -> AgentEntry {
    AgentEntry {
        id: id.parse().unwrap(),
        record: Err(Error::plain(
            ErrorClass::CorruptedAgentData,
            format!("the record of agent `{id}` is damaged"),
        )),
    }
}

/// `fix` twice on two hosts, and `other` on this machine, which was renamed.
fn world() -> Vec<(Host, Vec<AgentEntry>)> {
    let host = |info| Host::new(info, Arc::new(LocalTransport), "mng-");
    vec![
        (host(info(H2, "desk", "local")), vec![entry(A1, "fix"), entry(A2, "other")]),
        (host(info(H1, "gpu", "docker")), vec![entry(A3, "fix")]),
    ]
}

fn resolve_in(world: Vec<(Host, Vec<AgentEntry>)>, targets: &[&str]) -> Resolution {
    let targets: Vec<AgentOrHost> = targets.iter().map(|text| text.parse().unwrap()).collect();
    let mut found = Resolution { asked: vec![ProviderName::stored("local")], ..Resolution::default() };
    take_matches(&mut found, world, &targets);
    found
}

fn addresses(found: &Resolution) -> Vec<String> {
    found.matches.iter().map(ResolvedAgent::address).collect()
}

fn told(error: &Error) -> String {
    format!("{} {}\n{error}\nhint: {}", error.exit_code(), error.class(), error.hint().unwrap_or_default())
}

#[test]
fn a_name_means_every_agent_that_has_it_in_the_order_of_the_targets() {
    let found = resolve_in(world(), &["other", "fix", A1]);
    assert_eq!(addresses(&found), ["other@desk.local", "fix@desk.local", "fix@gpu.docker"]);
    assert!(found.missing.is_empty());
}

#[test]
fn a_host_narrows_and_this_machine_answers_to_its_old_names() {
    assert_eq!(addresses(&resolve_in(world(), &["fix@gpu"])), ["fix@gpu.docker"]);
    assert_eq!(addresses(&resolve_in(world(), &["fix@.docker"])), ["fix@gpu.docker"]);
    for text in ["fix@localhost", "fix@@local", "fix@desk", "fix@desk.local", "fix@localhost.local"] {
        assert_eq!(addresses(&resolve_in(world(), &[text])), ["fix@desk.local"], "{text}");
    }
    assert!(addresses(&resolve_in(world(), &["fix@local.docker"])).is_empty());
}

#[test]
fn hosts_are_targets_of_their_own() {
    let found = resolve_in(world(), &["@gpu", H1, "other"]);
    assert_eq!(found.hosts.len(), 1);
    assert_eq!(addresses(&found), ["other@desk.local"]);
}

#[test]
fn groups_come_in_lock_order() {
    let found = resolve_in(world(), &["fix", "other"]);
    let groups: Vec<(String, usize)> =
        found.by_host().iter().map(|group| (group.host.info.id.to_string(), group.records.len())).collect();
    assert_eq!(groups, [(H1.to_owned(), 1), (H2.to_owned(), 2)]);
}

#[test]
fn a_missing_name_is_1_and_a_missing_id_is_8() {
    let gone = "agent-0000000000000000000000000000000f";
    insta::assert_snapshot!(told(&resolve_in(world(), &["fxi", "b"]).all_found().unwrap_err()), @r"
    1 AgentNotFoundError
    agent not found: no agent matches `fxi`, `b`
    hint: `mng list` shows the agents there are (asked: local)
    ");
    assert_eq!(resolve_in(world(), &[gone]).all_found().unwrap_err().exit_code(), 8);
    assert_eq!(resolve_in(world(), &[gone, "fxi"]).all_found().unwrap_err().exit_code(), 1);
    let host = resolve_in(world(), &["@nope"]).all_found().unwrap_err();
    assert_eq!((host.class(), host.exit_code()), (ErrorClass::HostNotFound, 1));
    assert_eq!(host.to_string(), "host not found: no host matches `@nope`");
    let pinned = format!("{gone}@{H1}.docker");
    insta::assert_snapshot!(told(&resolve_in(world(), &[&pinned]).all_found().unwrap_err()), @r"
    8 AgentNotFoundOnHostError
    agent not found: no agent matches `agent-0000000000000000000000000000000f@host-00000000000000000000000000000001.docker`
    hint: only the host in the address was read; leave `@HOST` out to search all
    ");
}

#[test]
fn nothing_is_absent_while_somebody_is_silent() {
    let mut found = resolve_in(world(), &["alpha"]);
    found.failures.push(ProviderFailure {
        provider: ProviderName::stored("modal"),
        error: Error::plain(ErrorClass::ProviderUnavailable, "cannot reach provider `modal`"),
        is_configured: true,
    });
    insta::assert_snapshot!(told(&found.all_found().unwrap_err()), @r"
    6 ProviderUnavailableError
    cannot tell whether agent `alpha` exists: provider `modal` did not answer
    hint: `mng list --provider modal` shows why
    ");
}

#[test]
fn a_damaged_record_is_named_and_not_taken_for_absence() {
    let mut world = world();
    let broken = "agent-0000000000000000000000000000000a";
    world[0].1.push(damaged(broken));
    let found = resolve_in(world, &[broken]);
    assert_eq!(found.damaged.len(), 1);
    assert_eq!(found.all_found().unwrap_err().class(), ErrorClass::CorruptedAgentData);
}

#[test]
fn several_matches_are_listed_whole() {
    let found = resolve_in(world(), &["fix"]);
    let matches = found.matches.iter().map(ResolvedAgent::full_address).collect();
    let error: Error = ResolveError::Ambiguous { target: "fix".into(), matches }.into();
    insta::assert_snapshot!(told(&error), @r"
    1 UserInputError
    `fix` matches several: fix@desk.local (agent-00000000000000000000000000000001), fix@gpu.docker (agent-00000000000000000000000000000003)
    hint: say which one, for example `fix@desk.local`; ids and hosts: `mng list --addrs`
    ");
}

#[test]
fn only_named_providers_are_asked_when_all_targets_name_one() {
    let scope = |texts: &[&str]| {
        let targets: Vec<AgentOrHost> = texts.iter().map(|text| text.parse().unwrap()).collect();
        scope_of(&targets)
    };
    let named = |names: &[&str]| discover::Scope::of(names.iter().map(|name| ProviderName::stored(*name)));
    assert_eq!(scope(&["a@x.docker", "@y.docker"]), named(&["docker"]));
    assert_eq!(scope(&["a@local", "a@x.docker"]), named(&["docker", "local"]));
    assert_eq!(scope(&["a@x", "a@x.docker"]), discover::Scope::Active);
    assert_eq!(scope(&["a", "a@x.docker"]), discover::Scope::Active);
}
