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
pub(crate) static TOPICS: &[HelpTopic] = &[topic!("address", ["addr"], "How to point at agents and hosts")];

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
