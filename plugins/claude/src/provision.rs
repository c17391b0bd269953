//! Writing an agent's configuration into its state dir.

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::hosts::Host;
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, Result};
use serde_json::{Map, Value};

use crate::claude_type::ClaudeType;
use crate::global_config::{self, Wanted};
use crate::places::{self, CONFIG_DIR, ISOLATED_DIR, MANAGED_SETTINGS, ORIGINAL_CONFIG_DIR, UserClaude};
use crate::resources;
use crate::settings_file::{self, SettingsInput};
use crate::{command, hooks, launch, repo_settings, skills};

/// Variables that log the program in, or say that somebody else does.
const LOGINS: [&str; 6] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
];

impl ClaudeType {
    /// Whether a new agent has a configuration directory of its own. Agents elsewhere always do, and so do
    /// those that bring a skill: it does not belong among the person's.
    pub(crate) fn isolates(&self, host: &Host) -> bool {
        self.config.own.isolate_local_config_dir || self.skill().is_some() || !host.is_local()
    }

    /// As [`ClaudeType::isolates`], for an agent that exists: it stays as it was made.
    pub(crate) fn is_isolated(&self, host: &Host, record: &AgentRecord) -> bool {
        command::is_sharing(&record.command).map_or_else(|| self.isolates(host), |is_sharing| !is_sharing)
    }

    /// What the program is told as its directory; `None`: the default one.
    pub(crate) fn config_dir(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Option<PathBuf> {
        if self.is_isolated(site.host, record) {
            return Some(site.host.layout.agent(&record.id).join(ISOLATED_DIR));
        }
        let explicit = site.env.get(CONFIG_DIR).map(PathBuf::from);
        explicit
            .or_else(|| UserClaude::find(site.caller.env).filter(|user| user.is_moved).map(|user| user.dir))
    }

    pub(crate) fn syncs_home_settings(&self) -> bool {
        self.config.own.sync_home_settings.unwrap_or(!self.is_headless())
    }
}

/// Writes all of it; idempotent. Returns what the environment gains.
///
/// # Errors
/// The configuration does not fit, or a file cannot be read or written.
pub(crate) async fn provision(
    kind: &ClaudeType,
    site: &TypeSite<'_>,
    record: &AgentRecord,
) -> Result<EnvVars> {
    let mut env = EnvVars::new();
    // The work dir first: an output style may come with it.
    repo_settings::bring(kind, site, record).await?;
    let user = UserClaude::find(site.caller.env);
    if kind.is_isolated(site.host, record) {
        let dir = site.host.layout.agent(&record.id).join(ISOLATED_DIR);
        isolate(kind, site, record, user.as_ref(), &dir).await?;
        env.set(CONFIG_DIR, dir.to_string_lossy())?;
        if let Some(user) = &user {
            env.set(ORIGINAL_CONFIG_DIR, user.dir.to_string_lossy())?;
        }
        if kind.never_updates() {
            env.set("DISABLE_AUTOUPDATER", "1")?;
        }
    } else {
        share(kind, site, record, user.as_ref()).await?;
        if let Some(dir) = kind.config_dir(site, record) {
            env.set(CONFIG_DIR, dir.to_string_lossy())?;
        }
    }
    // As root the program refuses to skip its permission prompts, unless it is told that nothing can break.
    if !site.host.is_local() || rustix::process::geteuid().is_root() {
        env.set("IS_SANDBOX", "1")?;
    }
    hooks::write_script(site, record).await?;
    launch::write_script(kind, site, record).await?;
    Ok(env)
}

/// The agent's own directory.
async fn isolate(
    kind: &ClaudeType,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    user: Option<&UserClaude>,
    dir: &Path,
) -> Result<()> {
    let transport = &site.host.transport;
    let own = &kind.config.own;
    transport.create_dir(dir).await?;
    let mut has_login = false;
    if let Some(user) = user {
        has_login = resources::provide_credentials(kind, site.host, user, dir).await?;
        resources::provide_resources(kind, site.host, user, dir).await?;
    }
    skills::install(kind, site.host, dir).await?;

    let input = SettingsInput::gather(kind, site, user)?;
    let settings = settings_file::isolated(kind, input, &record.work_dir)?;
    transport.write_volatile(&dir.join("settings.json"), &places::to_json(&settings), 0o600).await?;

    let global = match user {
        Some(user) => Some(user.read_global(site)?),
        None => None,
    };
    let known = if own.sync_claude_json { global.clone() } else { None };
    let api_keys = global_config::api_keys(site, global.as_ref()).await?;
    let has_credential = has_login || !api_keys.is_empty() || is_logged_in(site, global.as_ref(), &settings);
    if !has_credential {
        site.events
            .warning("no login of Claude Code is found; `claude /login` in the agent's terminal makes one");
    }
    let wanted = Wanted {
        work_dir: &real_on(site, &record.work_dir),
        source: &places::real(site.source),
        api_keys: &api_keys,
        has_credential,
        is_unattended: !site.host.is_local(),
        is_yes: site.is_yes,
        without_login: !own.sync_claude_credentials,
    };
    let path = dir.join(".claude.json");
    let before = transport.read(&path).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let config = global_config::isolated(before, known, &wanted);
    transport.write_volatile(&path, &places::to_json(&config), 0o600).await
}

/// The person's directory, with our hooks from a file beside it.
async fn share(
    kind: &ClaudeType,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    user: Option<&UserClaude>,
) -> Result<()> {
    let settings = settings_file::managed(kind, &record.work_dir)?;
    let path = site.host.layout.agent(&record.id).join(MANAGED_SETTINGS);
    site.host.transport.write_volatile(&path, &places::to_json(&settings), 0o600).await?;
    let Some(user) = user else {
        return Err(Error::input(
            "an agent that shares your `~/.claude` needs to know where it is, and `HOME` is not set",
            "set `HOME`, or `isolate_local_config_dir = true`",
        ));
    };
    let global = user.read_global(site)?;
    let wanted = Wanted {
        work_dir: &real_on(site, &record.work_dir),
        source: &places::real(site.source),
        api_keys: &global_config::api_keys(site, Some(&global)).await?,
        has_credential: true,
        is_unattended: false,
        is_yes: site.is_yes,
        without_login: false,
    };
    global_config::note_in_users(site, user, &wanted).await
}

/// The program looks up directories by their real paths.
fn real_on(site: &TypeSite<'_>, path: &Path) -> PathBuf {
    if site.host.is_local() { places::real(path) } else { path.to_path_buf() }
}

fn is_logged_in(site: &TypeSite<'_>, global: Option<&Map<String, Value>>, settings: &Value) -> bool {
    let in_file =
        |key: &str| global.is_some_and(|global| global.get(key).is_some_and(|value| !value.is_null()));
    LOGINS.iter().any(|name| site.env.get(name).is_some() || site.caller.env.get_non_empty(name).is_some())
        || ["primaryApiKey", "oauthAccount"].into_iter().any(in_file)
        || settings.get("apiKeyHelper").is_some()
}
