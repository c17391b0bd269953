//! What the value of an argument names.

use clap::{Arg, ValueHint};

/// Where candidates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agents,
    /// Agents, and hosts once `@` is typed.
    AgentsAndHosts,
    Hosts,
    AgentTypes,
    Templates,
    Providers,
    Plugins,
    Branches,
    /// A settings key, a segment at a time.
    SettingsKey,
    /// The value for the settings key typed before.
    SettingsValue,
    /// `KEY=VALUE` of the settings.
    Assignment,
    Format,
    /// The parser's own possible values.
    Choices,
    Files,
    Unknown,
}

/// Commands whose positionals may name a host beside an agent.
const AGENTS_OR_HOSTS: &[&str] = &["destroy", "event", "transcript", "logs", "snapshot"];

/// The kind of an argument, by the command and the argument's id.
pub(super) fn kind_of(path: &[&str], arg: &Arg) -> Kind {
    if !arg.get_possible_values().is_empty() {
        return Kind::Choices;
    }
    let command = path.first().copied().unwrap_or_default();
    match (command, arg.get_id().as_str()) {
        (_, "setting") => Kind::Assignment,
        (_, "format") => Kind::Format,
        (_, "enable_plugin" | "disable_plugin") => Kind::Plugins,
        ("config", "key") => Kind::SettingsKey,
        ("config", "value") => Kind::SettingsValue,
        ("plugin", _) if arg.is_positional() => Kind::Plugins,
        (_, "branch" | "base_branch" | "base") => Kind::Branches,
        ("create" | "clone" | "migrate", "type" | "agent_type" | "kind") | (_, "type") => Kind::AgentTypes,
        (_, "template") => Kind::Templates,
        (_, "provider") => Kind::Providers,
        (_, "host" | "hosts" | "target_host") if arg.get_long() == Some("host") => Kind::Hosts,
        (_, "agent") => Kind::Agents,
        _ if names_agents(arg) && AGENTS_OR_HOSTS.contains(&command) => Kind::AgentsAndHosts,
        _ if names_agents(arg) => Kind::Agents,
        _ if names_files(arg) => Kind::Files,
        _ => Kind::Unknown,
    }
}

/// Positionals say in their value name what they take: `AGENT`, `AGENT|HOST`, `TARGET`.
fn names_agents(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    arg.is_positional()
        && names.iter().any(|name| {
            let name = name.to_uppercase();
            ["AGENT", "TARGET", "SOURCE", "CURRENT"].iter().any(|word| name.starts_with(word))
        })
}

fn names_files(arg: &Arg) -> bool {
    let hint = arg.get_value_hint();
    let is_hinted = matches!(
        hint,
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath | ValueHint::ExecutablePath
    );
    let names = arg.get_value_names().unwrap_or_default();
    is_hinted || names.iter().any(|name| matches!(name.as_str(), "PATH" | "FILE" | "DIR"))
}
