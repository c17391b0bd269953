//! `.claude.json`: what keeps every dialog of a start away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::model::env_file::EnvVars;
use mng_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value, json};

use crate::places::{self, UserClaude};

/// Keys of a project's entry that say what is allowed there; the rest is history and figures.
const PROJECT_KEYS: [&str; 11] = [
    "allowedTools",
    "mcpServers",
    "mcpContextUris",
    "enabledMcpjsonServers",
    "disabledMcpjsonServers",
    "enableAllProjectMcpServers",
    "ignorePatterns",
    "dontCrawlDirectory",
    "hasClaudeMdExternalIncludesApproved",
    "hasClaudeMdExternalIncludesWarningShown",
    "hasCompletedProjectOnboarding",
];

/// Top-level keys that tell of other projects.
const FOREIGN_KEYS: [&str; 4] = ["projects", "history", "githubRepoPaths", "claudeCodeFirstTokenDate"];

const TRUST: &str = "hasTrustDialogAccepted";

/// What an agent's file is made of.
pub(crate) struct Wanted<'a> {
    /// Real path.
    pub(crate) work_dir: &'a Path,
    /// Real path of what the work comes from.
    pub(crate) source: &'a Path,
    /// API keys that may reach the program, from every route.
    pub(crate) api_keys: &'a BTreeSet<String>,
    /// Some login or key is there.
    pub(crate) has_credential: bool,
    /// Nobody sits in front of it.
    pub(crate) is_unattended: bool,
    pub(crate) is_yes: bool,
    /// The login is none of the agent's business.
    pub(crate) without_login: bool,
}

/// The file of an isolated agent. `own`: the one that it has already, which it goes on with.
pub(crate) fn isolated(
    own: Option<Map<String, Value>>,
    user: Option<Map<String, Value>>,
    wanted: &Wanted<'_>,
) -> Map<String, Value> {
    let source_entry = user.as_ref().and_then(|user| entry_of(user, wanted.source)).cloned();
    let is_onboarded =
        user.as_ref().is_some_and(|user| user.get("hasCompletedOnboarding") == Some(&true.into()));
    let mut config = match (own, user) {
        (Some(own), _) => own,
        (None, Some(mut user)) => {
            for key in FOREIGN_KEYS {
                user.shift_remove(key);
            }
            user
        }
        (None, None) => generated(),
    };
    if wanted.without_login {
        config.shift_remove("primaryApiKey");
        config.shift_remove("oauthAccount");
    }
    for key in ["hasAcknowledgedCostThreshold", "hasSeenAutoDefaultNudge", "hasSeenAutoDefaultNotice"] {
        config.insert(key.into(), true.into());
    }
    config.insert("diffSidebarOpen".into(), false.into());
    config.insert("lspRecommendationDisabled".into(), true.into());
    if wanted.is_unattended || wanted.is_yes || is_onboarded || wanted.has_credential {
        config.insert("hasCompletedOnboarding".into(), true.into());
        config.insert("effortCalloutDismissed".into(), true.into());
    }
    if wanted.is_unattended {
        config.insert("bypassPermissionsModeAccepted".into(), true.into());
    }
    approve_keys(&mut config, wanted.api_keys);
    let projects = config.entry("projects").or_insert_with(|| json!({}));
    if !projects.is_object() {
        *projects = json!({});
    }
    let entry = &mut projects[wanted.work_dir.to_string_lossy().as_ref()];
    if !entry.is_object() {
        *entry = json!({});
        for key in PROJECT_KEYS {
            if let Some(value) = source_entry.as_ref().and_then(|source| source.get(key)) {
                entry[key] = value.clone();
            }
        }
    }
    entry[TRUST] = true.into();
    config
}

/// What a first start of the program would leave, as far as it matters.
fn generated() -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("numStartups".into(), 1.into());
    config.insert("installMethod".into(), "native".into());
    config.insert("autoUpdates".into(), false.into());
    config
}

/// The program asks about an API key unless it knows its end.
fn approve_keys(config: &mut Map<String, Value>, keys: &BTreeSet<String>) {
    let responses = config.entry("customApiKeyResponses").or_insert_with(|| json!({}));
    if !responses.is_object() {
        *responses = json!({});
    }
    let approved = responses["approved"].as_array().cloned().unwrap_or_default();
    let mut approved: Vec<Value> = approved.into_iter().filter(Value::is_string).collect();
    for key in keys {
        let end = Value::from(end_of(key));
        if !approved.contains(&end) {
            approved.push(end);
        }
    }
    *responses = json!({ "approved": approved, "rejected": [] });
}

/// The last 20 characters.
fn end_of(key: &str) -> &str {
    let cut = key.char_indices().rev().nth(19).map_or(0, |(at, _)| at);
    &key[cut..]
}

/// API keys that may reach the program: the agent's environment, the host's env file, this process's
/// environment (a tmux server may hand it down), and the person's file.
///
/// # Errors
/// The host's env file cannot be read.
pub(crate) async fn api_keys(
    site: &TypeSite<'_>,
    user: Option<&Map<String, Value>>,
) -> Result<BTreeSet<String>> {
    const KEY: &str = "ANTHROPIC_API_KEY";
    let host_env = site.host.transport.read(&site.host.layout.env()).await?.unwrap_or_default();
    let host_env = EnvVars::parse(&String::from_utf8_lossy(&host_env)).unwrap_or_default();
    let primary = user.and_then(|user| user.get("primaryApiKey")).and_then(Value::as_str);
    let keys = [site.env.get(KEY), host_env.get(KEY), site.caller.env.get(KEY), primary];
    Ok(keys.into_iter().flatten().map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect())
}

/// Whether the program would ask about trust in this directory: it trusts one that was accepted, one below
/// it, and the worktrees of a repository that was accepted.
pub(crate) fn is_trusted(config: &Map<String, Value>, dir: &Path) -> bool {
    let is_accepted = |dir: &Path| {
        config
            .get("projects")
            .and_then(|projects| projects.get(dir.to_string_lossy().as_ref()))
            .is_some_and(|entry| entry[TRUST] == true)
    };
    dir.ancestors().any(|dir| is_accepted(dir) || main_repository(dir).is_some_and(|main| is_accepted(&main)))
}

/// The entry of a directory, or of the nearest one above it.
fn entry_of<'c>(config: &'c Map<String, Value>, dir: &Path) -> Option<&'c Value> {
    let projects = config.get("projects")?;
    let entry = |dir: &Path| projects.get(dir.to_string_lossy().as_ref());
    dir.ancestors().find_map(|dir| entry(dir).or_else(|| entry(&main_repository(dir)?)))
}

/// The work tree of the repository that `dir` is a git worktree of; `None` if it is none.
fn main_repository(dir: &Path) -> Option<PathBuf> {
    let pointer = dir.join(".git");
    if !pointer.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(pointer).ok()?;
    let git_dir = dir.join(text.strip_prefix("gitdir:")?.trim());
    let common = std::fs::read_to_string(git_dir.join("commondir")).ok()?;
    let common = places::real(&git_dir.join(common.trim()));
    (common.file_name()? == ".git").then(|| common.parent().map(Path::to_path_buf)).flatten()
}

/// Notes in the person's own file what keeps the dialogs away: for an agent that shares their directory. A
/// file that says so already is not touched.
///
/// # Errors
/// It is locked for too long, is no JSON object, or cannot be written.
pub(crate) async fn note_in_users(site: &TypeSite<'_>, user: &UserClaude, wanted: &Wanted<'_>) -> Result<()> {
    const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
    let beside = |suffix: &str| {
        let mut name = user.global.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let transport = &site.host.transport;
    let _lock = transport.lock(&beside(".lock"), Some(LOCK_WAIT), Box::new(|| ())).await?;
    let bytes = places::read_file(&user.global)?;
    let before = match &bytes {
        None => Map::new(),
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| {
            Error::hinted(
                ErrorClass::UserInput,
                format!("`{}` is no JSON object: {error}", user.global.display()),
                "start `claude` once by hand; it repairs its file",
            )
        })?,
    };
    let mut after = before.clone();
    for key in [
        "hasAcknowledgedCostThreshold",
        "hasCompletedOnboarding",
        "effortCalloutDismissed",
        "hasSeenAutoDefaultNudge",
    ] {
        after.insert(key.into(), true.into());
    }
    if !is_trusted(&after, wanted.work_dir) {
        let projects = after.entry("projects").or_insert_with(|| json!({}));
        projects[wanted.work_dir.to_string_lossy().as_ref()][TRUST] = true.into();
    }
    let known: Vec<Value> = after
        .get("customApiKeyResponses")
        .and_then(|responses| responses["approved"].as_array())
        .cloned()
        .unwrap_or_default();
    if wanted.api_keys.iter().any(|key| !known.contains(&end_of(key).into())) {
        approve_keys(&mut after, wanted.api_keys);
    }
    if after == before {
        return Ok(());
    }
    if let Some(bytes) = &bytes {
        transport.write(&beside(".bak"), bytes, 0o600).await?;
    }
    // A link stays one.
    transport.write(&places::real(&user.global), &places::to_json(&after), 0o600).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn wanted<'a>(work_dir: &'a str, source: &'a str, api_keys: &'a BTreeSet<String>) -> Wanted<'a> {
        Wanted {
            work_dir: Path::new(work_dir),
            source: Path::new(source),
            api_keys,
            has_credential: false,
            is_unattended: false,
            is_yes: false,
            without_login: false,
        }
    }

    #[test]
    fn an_agent_knows_its_own_project_only() {
        let user = json!({
            "hasCompletedOnboarding": true, "theme": "dark", "history": ["x"], "githubRepoPaths": {"a": "b"},
            "projects": {
                "/src": {"hasTrustDialogAccepted": true, "allowedTools": ["Bash(ls)"], "history": ["secret"]},
                "/other": {"hasTrustDialogAccepted": true},
            },
        });
        let keys = BTreeSet::from(["sk-ant-0123456789abcdefghij".to_owned()]);
        let config = isolated(None, Some(object(user)), &wanted("/w", "/src", &keys));
        assert_eq!(
            Value::from(config),
            json!({
                "hasCompletedOnboarding": true, "theme": "dark", "hasAcknowledgedCostThreshold": true,
                "hasSeenAutoDefaultNudge": true, "hasSeenAutoDefaultNotice": true, "diffSidebarOpen": false,
                "lspRecommendationDisabled": true, "effortCalloutDismissed": true,
                "customApiKeyResponses": {"approved": ["0123456789abcdefghij"], "rejected": []},
                "projects": {"/w": {"allowedTools": ["Bash(ls)"], "hasTrustDialogAccepted": true}},
            })
        );
    }

    #[test]
    fn an_agent_goes_on_with_the_file_that_it_has() {
        let keys = BTreeSet::new();
        let own = object(json!({"numStartups": 7, "projects": {"/w": {"lastCost": 3}, "/x": {}}}));
        let config = Value::from(isolated(Some(own), Some(Map::new()), &wanted("/w", "/w", &keys)));
        assert_eq!(config["numStartups"], 7);
        assert_eq!(config["projects"]["/w"], json!({"lastCost": 3, "hasTrustDialogAccepted": true}));
        assert!(config["projects"]["/x"].is_object());
    }

    #[test]
    fn onboarding_is_skipped_only_where_somebody_has_done_it_or_can_log_in() {
        let keys = BTreeSet::new();
        let plain = wanted("/w", "/w", &keys);
        assert_eq!(isolated(None, None, &plain).get("hasCompletedOnboarding"), None);
        for wanted in [
            Wanted { has_credential: true, ..wanted("/w", "/w", &keys) },
            Wanted { is_yes: true, ..wanted("/w", "/w", &keys) },
            Wanted { is_unattended: true, ..wanted("/w", "/w", &keys) },
        ] {
            assert_eq!(isolated(None, None, &wanted)["hasCompletedOnboarding"], true);
        }
    }

    #[test]
    fn short_keys_and_odd_letters_do_no_harm() {
        assert_eq!(end_of("short"), "short");
        assert_eq!(end_of("ééééééééééééééééééééX"), "éééééééééééééééééééX");
    }

    #[test]
    fn trust_reaches_down_and_to_worktrees() {
        let dir = tempfile::tempdir().unwrap();
        let root = places::real(dir.path());
        let (main, tree) = (root.join("main"), root.join("tree"));
        std::fs::create_dir_all(main.join(".git/worktrees/tree")).unwrap();
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        std::fs::write(main.join(".git/worktrees/tree/commondir"), "../..\n").unwrap();
        std::fs::write(tree.join(".git"), format!("gitdir: {}/.git/worktrees/tree\n", main.display()))
            .unwrap();
        let config = object(json!({"projects": {main.to_str().unwrap(): {"hasTrustDialogAccepted": true}}}));
        assert!(is_trusted(&config, &main));
        assert!(is_trusted(&config, &main.join("deep/below")));
        assert!(is_trusted(&config, &tree.join("sub")));
        assert!(!is_trusted(&config, &root));
        assert!(!is_trusted(&Map::new(), &main));
    }
}
