//! The program's home of one agent: its configuration, the person's login, the launch script.

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::transports::ExecRequest;
use mng_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::config::Config;
use crate::home::AgentFiles;
use crate::launch;
use crate::output_style;
use crate::user_config::{UserHome, set_trusted};

/// Keys of the person's own configuration that hold for agents too: whom to ask, and with which tools.
const TABLES: [&str; 2] = ["model_providers", "mcp_servers"];

/// Makes the private home, and links the person's login into it. `$1` is the home, `$2` the login.
///
/// A link is replaced in one step and never written through.
const MAKE_HOME: &str = r#"
umask 077
mkdir -p "$1" && chmod 700 "$1" || exit 1
: >>"$1/.personality_migration" || exit 1
[ -n "$2" ] || exit 0
[ "$(readlink "$1/auth.json")" = "$2" ] && exit 0
ln -s "$2" "$1/.auth.json.$$" && mv -f "$1/.auth.json.$$" "$1/auth.json"
"#;

/// Writes the home and the launch script of an agent. Returns what its environment needs.
///
/// # Errors
/// The person's own configuration is malformed, an output style is missing, or something cannot be written.
pub(crate) async fn provision(config: &Config, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
    let transport = &site.host.transport;
    let state_dir = site.host.layout.agent(&record.id);
    let files = AgentFiles(&state_dir);
    let home = files.home();
    let user = UserHome::of(site.caller);
    let own = match &user {
        Some(user) => user.config()?,
        None => DocumentMut::new(),
    };
    let style = match &config.own.output_style {
        Some(name) => Some(output_style::read(site.host, &record.work_dir, name).await?),
        None => None,
    };
    let model = offered_model(config, site, user.as_ref());
    let text = compose(&Composition {
        config,
        user: &own,
        model,
        style: style.as_deref(),
        work_dir: &canonical_work_dir(site, record).await?,
        log_dir: &home.join("log"),
    })?;
    // Other machines have no such file to link to.
    let login = user.filter(|_| site.host.is_local()).map(|user| user.path("auth.json"));
    let login = login.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let request = ExecRequest::sh(MAKE_HOME, [home.to_string_lossy().into_owned(), login]);
    transport.exec(request).await?.check("make the home of codex")?;
    transport.write_volatile(&home.join("config.toml"), text.as_bytes(), 0o600).await?;
    transport.write_volatile(&state_dir.join(launch::SCRIPT), launch::SCRIPT_TEXT.as_bytes(), 0o755).await?;
    let mut vars = EnvVars::new();
    vars.set("CODEX_HOME", home.to_string_lossy())
        .map_err(|error| Error::plain(ErrorClass::Agent, error.to_string()))?;
    Ok(vars)
}

/// The work dir as codex sees it, which resolves links.
async fn canonical_work_dir(site: &TypeSite<'_>, record: &AgentRecord) -> Result<PathBuf> {
    if site.host.is_local() {
        return Ok(crate::trust::canonical(&record.work_dir));
    }
    let script = "cd -P -- \"$1\" && pwd -P";
    let request = ExecRequest::sh(script, [record.work_dir.to_string_lossy().into_owned()]).idempotent();
    let output = site.host.transport.exec(request).await?.check("find the work dir")?;
    Ok(PathBuf::from(output.stdout_text().trim_end_matches('\n')))
}

/// The model of the settings, unless the account does not offer it and the settings allow another. What is
/// offered stands in the person's `models_cache.json`; without one nothing is known.
fn offered_model<'c>(config: &'c Config, site: &TypeSite<'_>, user: Option<&UserHome>) -> Option<&'c str> {
    let model = config.own.model.as_deref()?;
    if !config.own.fall_back_to_account_default_model {
        return Some(model);
    }
    let cache = user.and_then(|user| std::fs::read(user.path("models_cache.json")).ok());
    let Some(offered) = cache.as_deref().and_then(models) else { return Some(model) };
    if offered.iter().any(|slug| slug == model) {
        return Some(model);
    }
    site.events.warning(format!("model `{model}` is not offered to your account: using its default"));
    None
}

fn models(cache: &[u8]) -> Option<Vec<String>> {
    let cache: Value = serde_json::from_slice(cache).ok()?;
    let slugs = cache.get("models")?.as_array()?.iter();
    let slugs: Vec<String> =
        slugs.filter_map(|model| model.get("slug")?.as_str().map(str::to_owned)).collect();
    (!slugs.is_empty()).then_some(slugs)
}

/// What a `config.toml` is made of.
struct Composition<'a> {
    config: &'a Config,
    /// The person's own.
    user: &'a DocumentMut,
    /// Of the settings.
    model: Option<&'a str>,
    /// Body of the output style.
    style: Option<&'a str>,
    work_dir: &'a Path,
    log_dir: &'a Path,
}

/// The agent's `config.toml`.
fn compose(from: &Composition<'_>) -> Result<String> {
    let own = &from.config.own;
    let mut made = DocumentMut::new();
    // Links to one login; the keychain of macOS would not be shared.
    made["cli_auth_credentials_store"] = value("file");
    made["check_for_update_on_startup"] = value(false);
    made["log_dir"] = value(from.log_dir.to_string_lossy().as_ref());
    made["sandbox_mode"] = value(own.sandbox_mode.as_str());
    if own.auto_allow_permissions {
        made["approval_policy"] = value("never");
    }
    let scalars = [("model", from.model), ("model_reasoning_effort", own.model_reasoning_effort.as_deref())];
    let may_inherit = |key: &str| key != "model" || own.model.is_none();
    for (key, set) in scalars {
        match (set, from.user.get(key).and_then(Item::as_str)) {
            (Some(set), _) => made[key] = value(set),
            (None, Some(inherited)) if may_inherit(key) => made[key] = value(inherited),
            (None, _) => {}
        }
    }
    if let Some(provider) = from.user.get("model_provider").and_then(Item::as_str) {
        made["model_provider"] = value(provider);
    }
    if let Some(text) = instructions(&own.append_system_prompt, from.style) {
        made["developer_instructions"] = value(text);
    }
    made["notice"] = table([
        ("hide_full_access_warning", value(true)),
        ("hide_world_writable_warning", value(true)),
        ("hide_rate_limit_model_nudge", value(true)),
    ]);
    // A daemon of its own would outlive the agent.
    made["features"] = table([("daemon_auto_start", value(false))]);
    // An adopted conversation may have been begun elsewhere; the agent works in its own work dir.
    made["tui"] = table([("screen_reader_detection_done", value(true)), ("resume_cwd", value("current"))]);
    for key in TABLES {
        if let Some(item) = from.user.get(key) {
            made[key] = item.clone();
        }
    }
    set_trusted(&mut made, from.work_dir);
    apply(&mut made, &own.config_overrides)?;
    Ok(format!("# mng writes this file anew whenever it provisions the agent.\n{made}"))
}

fn table<const N: usize>(entries: [(&str, Item); N]) -> Item {
    let mut table = Table::new();
    for (key, item) in entries {
        table.insert(key, item);
    }
    Item::Table(table)
}

/// Blocks of text, a blank line between them, then the output style.
fn instructions(blocks: &[String], style: Option<&str>) -> Option<String> {
    let parts: Vec<&str> =
        blocks.iter().map(String::as_str).chain(style).filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// Puts keys last: each replaces what was there, whole.
fn apply(made: &mut DocumentMut, overrides: &Map<String, Value>) -> Result<()> {
    for (key, json) in overrides {
        let item = to_item(json).ok_or_else(|| {
            Error::plain(
                ErrorClass::ConfigStructure,
                format!("`agent_types.codex.config_overrides.{key}` has no counterpart in TOML"),
            )
        })?;
        made.insert(key, item);
    }
    Ok(())
}

/// The TOML of a JSON value; `None` for null and what contains it, and for numbers that TOML cannot hold.
fn to_item(json: &Value) -> Option<Item> {
    match json {
        Value::Object(map) => {
            let mut table = Table::new();
            for (key, json) in map {
                table.insert(key, to_item(json)?);
            }
            Some(Item::Table(table))
        }
        scalar => Some(Item::Value(to_value(scalar)?)),
    }
}

fn to_value(json: &Value) -> Option<toml_edit::Value> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) if !number.is_u64() => float.into(),
            _ => return None,
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            let items: Option<toml_edit::Array> = items.iter().map(to_value).collect();
            toml_edit::Value::Array(items?)
        }
        Value::Object(map) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, json) in map {
                table.insert(key, to_value(json)?);
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    fn composed(config: Value, user: &str, style: Option<&str>) -> String {
        let config = Config::read(&config).unwrap();
        compose(&Composition {
            config: &config,
            user: &user.parse().unwrap(),
            model: config.own.model.as_deref(),
            style,
            work_dir: Path::new("/src/dir one"),
            log_dir: Path::new("/state/log"),
        })
        .unwrap()
    }

    #[test]
    fn the_least_that_an_agent_needs() {
        assert_snapshot!(composed(json!({}), "", None), @r#"
        # mng writes this file anew whenever it provisions the agent.
        cli_auth_credentials_store = "file"
        check_for_update_on_startup = false
        log_dir = "/state/log"
        sandbox_mode = "workspace-write"

        [notice]
        hide_full_access_warning = true
        hide_world_writable_warning = true
        hide_rate_limit_model_nudge = true

        [features]
        daemon_auto_start = false

        [tui]
        screen_reader_detection_done = true
        resume_cwd = "current"

        [projects."/src/dir one"]
        trust_level = "trusted"
        "#);
    }

    #[test]
    fn the_persons_providers_come_along_and_overrides_come_last() {
        let user = r#"
model = "house-model" # mine
model_provider = "house"
approval_policy = "never"
[model_providers.house]
base_url = "http://127.0.0.1:1/v1"
[mcp_servers.files]
command = "files"
args = ["--root", "/"]
[projects."/secret"]
trust_level = "trusted"
"#;
        let config = json!({
            "model_reasoning_effort": "high", "auto_allow_permissions": true, "sandbox_mode": "danger-full-access",
            "append_system_prompt": ["Be kind.", "Be brief."],
            "config_overrides": {
                "tui": {"theme": "dark", "nested": {"list": [1, 2.5, {"a": "b"}]}}, "model_provider": "other",
            },
        });
        assert_snapshot!(composed(config, user, Some("# Style\n")), @r#"
        # mng writes this file anew whenever it provisions the agent.
        cli_auth_credentials_store = "file"
        check_for_update_on_startup = false
        log_dir = "/state/log"
        sandbox_mode = "danger-full-access"
        approval_policy = "never"
        model = "house-model"
        model_reasoning_effort = "high"
        model_provider = "other"
        developer_instructions = """
        Be kind.

        Be brief.

        # Style
        """

        [notice]
        hide_full_access_warning = true
        hide_world_writable_warning = true
        hide_rate_limit_model_nudge = true

        [features]
        daemon_auto_start = false

        [tui]
        theme = "dark"

        [tui.nested]
        list = [1, 2.5, { a = "b" }]
        [model_providers.house]
        base_url = "http://127.0.0.1:1/v1"
        [mcp_servers.files]
        command = "files"
        args = ["--root", "/"]

        [projects."/src/dir one"]
        trust_level = "trusted"
        "#);
    }

    #[test]
    fn the_result_is_toml_that_says_the_same() {
        let made =
            composed(json!({"config_overrides": {"a.b": {"c d": "x\ny"}, "n": -1}}), "model = 'm'", None);
        let read: DocumentMut = made.parse().unwrap();
        assert_eq!(read["a.b"]["c d"].as_str(), Some("x\ny"));
        assert_eq!((read["n"].as_integer(), read["model"].as_str()), (Some(-1), Some("m")));
    }

    #[test]
    fn what_toml_cannot_hold_is_refused() {
        let config = Config::read(&json!({"config_overrides": {"x": [null]}})).unwrap();
        let error = apply(&mut DocumentMut::new(), &config.own.config_overrides).unwrap_err();
        assert_eq!(error.to_string(), "`agent_types.codex.config_overrides.x` has no counterpart in TOML");
    }

    #[test]
    fn offered_models_are_read_from_the_programs_cache() {
        assert_eq!(models(br#"{"models":[{"slug":"a"},{"slug":"b"}]}"#), Some(vec!["a".into(), "b".into()]));
        for nothing in [&b"{}"[..], b"x", br#"{"models":[]}"#, br#"{"models":[{"name":"a"}]}"#] {
            assert_eq!(models(nothing), None);
        }
    }
}
