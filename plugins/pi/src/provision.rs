//! What the program finds in the agent's state dir: a configuration directory of its own, our extension, the
//! launch script.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mng_core::agents::output_style;
use mng_core::agents::types::TypeSite;
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::storage::replace_link;
use mng_core::transports::ExecRequest;
use mng_core::{Error, Result};

use crate::config::{PiConfig, UpdatePolicy};

/// `PI_CODING_AGENT_DIR`, relative to the state dir.
pub(crate) const CONFIG: &str = "plugin/pi_coding";
pub(crate) const SESSIONS: &str = "plugin/pi_coding/sessions";
/// Holds the path of the session file in use; our extension keeps it up to date.
pub(crate) const SESSION_FILE: &str = "pi_session_file";
/// There while a start is not to go on with the last conversation.
const NO_RESUME: &str = "plugin/pi_coding/no_resume";

const EXTENSION: &str = include_str!("files/mng_pi_lifecycle.ts");
const LAUNCH: &str = include_str!("files/launch_pi.sh");

const DIR_VARIABLE: &str = "PI_CODING_AGENT_DIR";

/// The program reads these and never writes them unasked: linked on this machine.
const LINKED: [&str; 10] = [
    "models.json",
    "keybindings.json",
    "AGENTS.md",
    "SYSTEM.md",
    "skills",
    "prompts",
    "extensions",
    "themes",
    "agents",
    "bin",
];
/// The program writes what its user chooses: the agent has a copy, made once.
const COPIED: [&str; 1] = ["settings.json"];
const AUTH: &str = "auth.json";
const NPM: &str = "npm";
const APPENDED: &str = "APPEND_SYSTEM.md";

/// Copying installed packages.
const COPY_LIMIT: Duration = Duration::from_secs(120);

/// Variables of which one lets the program reach a model.
const KEYS: [&str; 5] =
    ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY", "OPENROUTER_API_KEY"];

/// # Errors
/// A file cannot be read or written, or there is no such output style.
pub(crate) async fn provision(own: &PiConfig, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
    let transport = &site.host.transport;
    let state_dir = site.host.layout.agent(&record.id);
    let at = |name: &str| state_dir.join(name);
    let dir = at(CONFIG);
    transport.create_dir(&dir).await?;
    let user = user_dir(site);
    if let Some(user) = user.as_deref() {
        if own.sync_home_settings {
            provide_settings(own, site, user, &dir).await?;
        }
        if own.sync_auth {
            provide_login(site, user, &dir).await?;
        }
    }
    write_appended(own, site, record, user.as_deref(), &dir).await?;
    transport.write_volatile(&at("commands/mng_pi_lifecycle.ts"), EXTENSION.as_bytes(), 0o755).await?;
    transport.write_volatile(&at("commands/launch_pi.sh"), LAUNCH.as_bytes(), 0o755).await?;
    if own.resume_session {
        transport.remove_file(&at(NO_RESUME)).await?;
    } else {
        transport.write_volatile(&at(NO_RESUME), b"", 0o600).await?;
    }
    warn_without_login(site, &dir).await?;
    let mut vars = EnvVars::new();
    vars.set(DIR_VARIABLE, dir.to_string_lossy())?;
    // Unset counts as never: an update under a running agent is nobody's wish.
    if matches!(own.update_policy, None | Some(UpdatePolicy::Never)) {
        vars.set("PI_SKIP_VERSION_CHECK", "1")?;
    }
    Ok(vars)
}

/// The person's own configuration directory on the controller. That of an agent that runs mng is not a person's.
pub(crate) fn user_dir(site: &TypeSite<'_>) -> Option<PathBuf> {
    let env = &site.caller.env;
    let set = env.get_non_empty(DIR_VARIABLE).map(PathBuf::from);
    let set = set.filter(|dir| dir.is_absolute() && !dir.ends_with(CONFIG));
    set.or_else(|| env.get_non_empty("HOME").map(|home| Path::new(home).join(".pi/agent")))
}

async fn provide_settings(own: &PiConfig, site: &TypeSite<'_>, user: &Path, dir: &Path) -> Result<()> {
    for name in COPIED {
        copy_once(site, &user.join(name), &dir.join(name)).await?;
    }
    if !site.host.is_local() {
        for name in ["models.json", "keybindings.json", "AGENTS.md", "SYSTEM.md"] {
            copy_once(site, &user.join(name), &dir.join(name)).await?;
        }
        return Ok(());
    }
    for name in LINKED {
        if user.join(name).exists() {
            replace_link(&user.join(name), &dir.join(name))?;
        }
    }
    let (theirs, ours) = (user.join(NPM), dir.join(NPM));
    if own.share_home_npm_dir && theirs.exists() {
        return replace_link(&theirs, &ours);
    }
    if theirs.exists() && site.host.transport.stat(&ours).await?.is_none() {
        let words = ["cp".into(), "-R".into(), theirs.to_string_lossy(), ours.to_string_lossy()];
        let request = ExecRequest::new(words).timeout(Some(COPY_LIMIT));
        site.host.transport.exec(request).await?.check("cp")?;
    }
    Ok(())
}

async fn provide_login(site: &TypeSite<'_>, user: &Path, dir: &Path) -> Result<()> {
    let (theirs, ours) = (user.join(AUTH), dir.join(AUTH));
    if !theirs.exists() {
        return Ok(());
    }
    if site.host.is_local() {
        return replace_link(&theirs, &ours);
    }
    copy_once(site, &theirs, &ours).await
}

/// Copies a file of the controller that is there, unless the agent has its own already.
async fn copy_once(site: &TypeSite<'_>, from: &Path, to: &Path) -> Result<()> {
    if !from.is_file() || site.host.transport.stat(to).await?.is_some() {
        return Ok(());
    }
    let bytes =
        std::fs::read(from).map_err(|error| Error::io(format!("read `{}`", from.display()), error))?;
    site.host.transport.write_volatile(to, &bytes, 0o600).await
}

/// What is added to the system prompt: what the person adds always, then what the settings ask for.
async fn write_appended(
    own: &PiConfig,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    user: Option<&Path>,
    dir: &Path,
) -> Result<()> {
    let blocks = &own.append_system_prompt;
    let ours =
        output_style::instructions(site.host, &record.work_dir, blocks, own.output_style.as_deref()).await?;
    let theirs = user.filter(|_| own.sync_home_settings).map(|user| user.join(APPENDED));
    let theirs = theirs.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let parts: Vec<&str> = [theirs.trim_end(), &ours].into_iter().filter(|part| !part.is_empty()).collect();
    let place = dir.join(APPENDED);
    if parts.is_empty() {
        return site.host.transport.remove_file(&place).await;
    }
    site.host.transport.write_volatile(&place, parts.join("\n\n").as_bytes(), 0o600).await
}

async fn warn_without_login(site: &TypeSite<'_>, dir: &Path) -> Result<()> {
    let transport = &site.host.transport;
    let has_key =
        KEYS.iter().any(|key| site.env.get(key).is_some() || site.caller.env.get_non_empty(key).is_some());
    // Models of one's own bring their keys along.
    if has_key
        || transport.stat(&dir.join(AUTH)).await?.is_some()
        || transport.stat(&dir.join("models.json")).await?.is_some()
    {
        return Ok(());
    }
    site.events.warning(format!(
        "pi may reach no model: none of {} is set, and nobody has logged in; start `pi` once and use its `/login`",
        KEYS.join(", ")
    ));
    Ok(())
}
