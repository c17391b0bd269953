//! The topics of `mng help`: the pages of `docs/`.

use mng_core::plugins::HelpTopic;

macro_rules! topic {
    ($name:literal, $aliases:expr, $summary:literal) => {
        HelpTopic {
            name: $name,
            aliases: &$aliases,
            summary: $summary,
            body: include_str!(concat!("../../docs/", $name, ".md")),
        }
    };
}

/// The built-in topics, by name.
#[rustfmt::skip]
pub(crate) static TOPICS: &[HelpTopic] = &[
    topic!("address", ["addr", "addresses"], "How to point at agents and hosts"),
    topic!("agent_types", [], "What kind of program an agent runs"),
    topic!("coding_agents", [], "Claude Code, Codex, OpenCode and pi as agents"),
    topic!("agents", [], "What an agent is, from making to ending it"),
    topic!("api", ["scripting"], "Using mng from scripts"),
    topic!("claude", [], "Claude Code as an agent"),
    topic!("common", ["format", "templates"], "Output, settings and options of all commands"),
    topic!("docker_usage", [], "Docker: not in this build"),
    topic!("environment_variables", ["env", "environment"], "Variables that mng reads and sets"),
    topic!("exit_codes", [], "What exit codes mean"),
    topic!("filters", ["cel"], "How to choose agents by what is known of them"),
    topic!("hosts", [], "Machines and containers that run agents"),
    topic!("idle_detection", ["idle"], "What counts as idle"),
    topic!("messages", ["receipts"], "What arrives at an agent, and how one knows that it did"),
    topic!("modal_usage", [], "Modal: not in this build"),
    topic!("moving_data", ["sync", "uncommitted"], "Getting work to agents and back without losing any"),
    topic!("multi_target", ["targets"], "How to act on several agents"),
    topic!("plugins", [], "What mng is made of, and how to add to it"),
    topic!("provider_backends", ["backends"], "The kinds of hosts that mng can make"),
    topic!("providers", [], "Which providers are asked"),
    topic!("provisioning", [], "What happens before an agent starts"),
    topic!("resource_cleanup", [], "What stays when agents end"),
    topic!("snapshot", ["snapshots"], "Keeping the disk of a host"),
    topic!("ssh", ["ssh_hosts"], "Machines reached by ssh as hosts"),
    topic!("states", ["state"], "What the states mean, and why"),
    topic!("transcripts", ["atif"], "Reading what agents and their users said"),
    topic!("undo", ["rescue"], "Getting back what was destroyed"),
    topic!("usage_cron_recipes", ["usage_recipes"], "Starting work when a rate limit allows it"),
];

/// The page with links to its neighbours as addresses that work anywhere, pinned to this version.
pub(super) fn with_absolute_links(body: &str) -> String {
    let base = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/v", env!("CARGO_PKG_VERSION"), "/docs/");
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find("](") {
        let (before, after) = rest.split_at(at + 2);
        out.push_str(before);
        let is_relative =
            !after.starts_with('#') && !after.split(')').next().unwrap_or_default().contains("://");
        if is_relative {
            out.push_str(base);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_change() {
        let text = with_absolute_links("[a](hosts.md) [b](https://x.y/z) [c](#part)");
        assert_eq!(
            text,
            "[a](https://github.com/mng-project/mng/blob/v0.1.0/docs/hosts.md) [b](https://x.y/z) [c](#part)"
        );
    }

    #[test]
    fn every_page_begins_with_its_title() {
        for topic in TOPICS {
            assert!(topic.body.starts_with("# "), "{}", topic.name);
            assert!(topic.summary.len() < 60, "{}", topic.name);
        }
    }
}
