//! What the program finds in the agent's state dir: its configuration, the login, our plug-in, the launch script.

use std::path::{Path, PathBuf};

use mng_core::agents::output_style;
use mng_core::agents::types::TypeSite;
use mng_core::model::env_file::EnvVars;
use mng_core::model::ids::random_hex;
use mng_core::model::record::AgentRecord;
use mng_core::storage::replace_link;
use mng_core::{Error, Result};
use serde_json::{Map, Value, json};

use crate::config::{OpencodeConfig, UpdatePolicy};

/// `OPENCODE_CONFIG_DIR`, relative to the state dir.
const CONFIG: &str = "plugin/opencode/config";
/// `XDG_DATA_HOME`: conversations, logins, logs.
pub(crate) const DATA: &str = "plugin/opencode/data";
/// `XDG_STATE_HOME`: what was typed, the model that was chosen last.
const STATE: &str = "plugin/opencode/state";
/// Stands in for the person's configuration home where their OpenCode configuration is not to count.
const XDG_CONFIG: &str = "plugin/opencode/xdg_config";
/// The password of the program's HTTP interface.
pub(crate) const PASSWORD: &str = "plugin/opencode/server_password";
/// What is added to the system prompt.
const INSTRUCTIONS: &str = "plugin/opencode/config/mng-instructions.md";

const PLUGIN: &str = include_str!("files/mng.js");
const LAUNCH: &str = include_str!("files/launch_opencode.sh");

/// # Errors
/// A file cannot be read or written, or there is no such output style.
pub(crate) async fn provision(
    own: &OpencodeConfig,
    site: &TypeSite<'_>,
    record: &AgentRecord,
) -> Result<EnvVars> {
    let transport = &site.host.transport;
    let state_dir = site.host.layout.agent(&record.id);
    let at = |name: &str| state_dir.join(name);
    let blocks = &own.append_system_prompt;
    let text =
        output_style::instructions(site.host, &record.work_dir, blocks, own.output_style.as_deref()).await?;
    if text.is_empty() {
        transport.remove_file(&at(INSTRUCTIONS)).await?;
    } else {
        transport.write_volatile(&at(INSTRUCTIONS), text.as_bytes(), 0o600).await?;
    }
    let user = User::find(site);
    let base = if site.host.is_local() { Map::new() } else { user.global_config(own, site) };
    let instructions = (!text.is_empty()).then(|| at(INSTRUCTIONS));
    let config = config_file(own, base, instructions.as_deref());
    let mut bytes = serde_json::to_vec_pretty(&config).unwrap_or_default();
    bytes.push(b'\n');
    transport.write_volatile(&at(CONFIG).join("opencode.json"), &bytes, 0o600).await?;
    transport.write_volatile(&at(CONFIG).join("plugin/mng.js"), PLUGIN.as_bytes(), 0o600).await?;
    transport.write_volatile(&at("commands/launch_opencode.sh"), LAUNCH.as_bytes(), 0o755).await?;
    if transport.stat(&at(PASSWORD)).await?.is_none() {
        transport.write_volatile(&at(PASSWORD), random_hex().as_bytes(), 0o600).await?;
    }
    provide_login(own, site, &user, &state_dir).await?;
    if own.sync_global_config {
        provide_choices(site, &user, &at(STATE)).await?;
    }
    stand_in(own, site, &user, &at(XDG_CONFIG)).await?;
    let mut vars = EnvVars::new();
    for (name, value) in [("OPENCODE_CONFIG_DIR", CONFIG), ("XDG_DATA_HOME", DATA), ("XDG_STATE_HOME", STATE)]
    {
        vars.set(name, at(value).to_string_lossy())?;
    }
    Ok(vars)
}

/// Where the agent's program keeps its data; the person may have set it otherwise.
pub(crate) fn data_home(site: &TypeSite<'_>, state_dir: &Path) -> PathBuf {
    site.env.get("XDG_DATA_HOME").map_or_else(|| state_dir.join(DATA), PathBuf::from)
}

/// The `opencode.json`: what the person has, what the settings ask for, their overrides last.
fn config_file(own: &OpencodeConfig, base: Map<String, Value>, instructions: Option<&Path>) -> Value {
    let mut config = Map::new();
    config.insert("$schema".into(), json!("https://opencode.ai/config.json"));
    config.extend(base);
    if own.auto_allow_permissions {
        config.insert("permission".into(), json!({ "*": "allow" }));
    }
    // Unset counts as never: an update under a running agent is nobody's wish.
    if matches!(own.update_policy, None | Some(UpdatePolicy::Never)) {
        config.insert("autoupdate".into(), json!(false));
    }
    if let Some(path) = instructions {
        // The program joins the lists of all its configuration files.
        let list = config.entry("instructions").or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!(path));
        }
    }
    config.extend(own.config_overrides.clone());
    Value::Object(config)
}

/// The person's own OpenCode directories on the controller.
#[derive(Clone, Debug, Default)]
struct User {
    config_home: Option<PathBuf>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl User {
    fn find(site: &TypeSite<'_>) -> Self {
        let env = &site.caller.env;
        let home = env.get_non_empty("HOME").map(PathBuf::from);
        // The variables of an agent that runs mng are not a person's.
        let dir = |name: &str, usual: &str| {
            let set = env.get_non_empty(name).map(PathBuf::from);
            let set = set.filter(|dir| dir.is_absolute() && !is_an_agents(dir));
            set.or_else(|| home.as_ref().map(|home| home.join(usual)))
        };
        Self {
            config_home: dir("XDG_CONFIG_HOME", ".config"),
            data: dir("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("opencode")),
            state: dir("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("opencode")),
        }
    }

    /// Their global configuration, for a host that does not have it.
    fn global_config(&self, own: &OpencodeConfig, site: &TypeSite<'_>) -> Map<String, Value> {
        let Some(home) = self.config_home.as_ref().filter(|_| own.sync_global_config) else {
            return Map::new();
        };
        let path = home.join("opencode/opencode.json");
        let Ok(bytes) = std::fs::read(&path) else { return Map::new() };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            site.events.warning(format!("`{}` is left out: it is not plain JSON: {error}", path.display()));
            Map::new()
        })
    }
}

fn is_an_agents(dir: &Path) -> bool {
    [DATA, STATE, XDG_CONFIG].iter().any(|own| dir.ends_with(own))
}

/// Links or copies the login. Without one there is nothing to share.
async fn provide_login(
    own: &OpencodeConfig,
    site: &TypeSite<'_>,
    user: &User,
    state_dir: &Path,
) -> Result<()> {
    let Some(theirs) = user.data.as_ref().map(|dir| dir.join("auth.json")) else { return Ok(()) };
    let ours = state_dir.join(DATA).join("opencode/auth.json");
    if !theirs.exists() {
        return Ok(());
    }
    if site.host.is_local() && own.symlink_auth {
        return replace_link(&theirs, &ours);
    }
    let there = site.host.transport.stat(&ours).await?;
    if site.host.is_local() && std::fs::symlink_metadata(&ours).is_ok_and(|meta| meta.is_symlink()) {
        // A copy must not be written through the link of earlier settings.
        site.host.transport.remove_file(&ours).await?;
    } else if there.is_some() {
        // The agent's own login may be newer.
        return Ok(());
    }
    copy(site, &theirs, &ours).await
}

/// The model and the looks that the person chose last; the agent's own choices stay.
async fn provide_choices(site: &TypeSite<'_>, user: &User, state: &Path) -> Result<()> {
    let Some(theirs) = &user.state else { return Ok(()) };
    for name in ["model.json", "kv.json"] {
        let (from, to) = (theirs.join(name), state.join("opencode").join(name));
        if from.exists() && site.host.transport.stat(&to).await?.is_none() {
            copy(site, &from, &to).await?;
        }
    }
    Ok(())
}

async fn copy(site: &TypeSite<'_>, from: &Path, to: &Path) -> Result<()> {
    let bytes =
        std::fs::read(from).map_err(|error| Error::io(format!("read `{}`", from.display()), error))?;
    site.host.transport.write_volatile(to, &bytes, 0o600).await
}

/// Where the person's OpenCode configuration is not to count: a configuration home with links to all the rest
/// of theirs.
async fn stand_in(own: &OpencodeConfig, site: &TypeSite<'_>, user: &User, place: &Path) -> Result<()> {
    let theirs = user.config_home.as_ref().filter(|_| site.host.is_local() && !own.sync_global_config);
    let Some(theirs) = theirs else { return site.host.transport.remove_tree(place).await };
    site.host.transport.create_dir(place).await?;
    let Ok(entries) = std::fs::read_dir(theirs) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name() != "opencode" {
            replace_link(&entry.path(), &place.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(value: Value) -> OpencodeConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_overrides_come_last() {
        let base = serde_json::from_value(json!({"model": "a/b", "instructions": ["x.md"]})).unwrap();
        let own = own(json!({
            "auto_allow_permissions": true,
            "config_overrides": {"autoupdate": "notify", "model": "c/d"},
        }));
        insta::assert_json_snapshot!(config_file(&own, base, Some(Path::new("/A/i.md"))), @r#"
        {
          "$schema": "https://opencode.ai/config.json",
          "model": "c/d",
          "instructions": [
            "x.md",
            "/A/i.md"
          ],
          "permission": {
            "*": "allow"
          },
          "autoupdate": "notify"
        }
        "#);
    }

    #[test]
    fn only_a_policy_lets_the_program_update_itself() {
        let updates = |policy: Value| {
            config_file(&own(json!({ "update_policy": policy })), Map::new(), None).get("autoupdate").cloned()
        };
        assert_eq!(updates(Value::Null), Some(json!(false)));
        assert_eq!(updates(json!("NEVER")), Some(json!(false)));
        assert_eq!(updates(json!("AUTO")), None);
        assert_eq!(updates(json!("ASK")), None);
    }
}
