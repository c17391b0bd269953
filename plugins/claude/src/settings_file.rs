//! An agent's `settings.json`: the person's own, our hooks, the patch from the configuration, the style.

use std::path::Path;

use mng_core::agents::types::TypeSite;
use mng_core::settings::{ApplyPatchError, apply_patch};
use mng_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value, json};

use crate::claude_type::ClaudeType;
use crate::hooks;
use crate::places::{self, UserClaude};

/// What the settings are made of, besides the configuration.
pub(crate) struct SettingsInput {
    /// The person's `settings.json`, if it counts.
    pub(crate) home: Option<Map<String, Value>>,
    /// Nobody sits in front of it: a remote host.
    pub(crate) is_unattended: bool,
}

impl SettingsInput {
    /// # Errors
    /// The person's settings cannot be read.
    pub(crate) fn gather(kind: &ClaudeType, site: &TypeSite<'_>, user: Option<&UserClaude>) -> Result<Self> {
        let home = match user.filter(|_| kind.syncs_home_settings()) {
            Some(user) => Some(user.read_settings(site)?).filter(|settings| !settings.is_empty()),
            None => None,
        };
        Ok(Self { home, is_unattended: !site.host.is_local() })
    }
}

/// The settings of an isolated agent.
///
/// # Errors
/// The patch does not fit; there is no output style of that name.
pub(crate) fn isolated(kind: &ClaudeType, input: SettingsInput, work_dir: &Path) -> Result<Value> {
    let mut settings = input.home.unwrap_or_else(|| {
        let mut settings = Map::new();
        settings.insert("skipDangerousModePermissionPrompt".into(), true.into());
        settings
    });
    if settings.get("disableAllHooks") == Some(&Value::Bool(true)) {
        // That the person's own hooks are off must not turn ours off.
        settings.shift_remove("disableAllHooks");
        settings.shift_remove("hooks");
    }
    if input.is_unattended {
        settings.insert("skipDangerousModePermissionPrompt".into(), true.into());
        settings.insert("fastMode".into(), false.into());
        settings.insert("feedbackSurveyRate".into(), 0.into());
        settings.insert("feedbackDrafts".into(), "off".into());
    }
    finish(kind, settings, work_dir)
}

/// The settings that an agent in the person's own directory gets on top of theirs.
///
/// # Errors
/// As [`isolated`].
pub(crate) fn managed(kind: &ClaudeType, work_dir: &Path) -> Result<Value> {
    finish(kind, Map::new(), work_dir)
}

fn finish(kind: &ClaudeType, mut settings: Map<String, Value>, work_dir: &Path) -> Result<Value> {
    hooks::add_to(&mut settings, hooks::table(kind));
    let own = &kind.config.own;
    let patch = Value::Object(own.settings_overrides.clone());
    let field = format!("agent_types.{}.settings_overrides", kind.flavor.name());
    let mut settings = apply_patch(&Value::Object(settings), &patch).map_err(|error| match error {
        ApplyPatchError::Loss(loss) => Error::hinted(
            ErrorClass::ConfigStructure,
            format!("`{field}`: {loss}"),
            format!("say what is meant:\n{}", loss.merge_map().replacen('[', &format!("[{field}."), 1)),
        ),
        other => Error::plain(ErrorClass::ConfigStructure, format!("`{field}`: {other}")),
    })?;
    if let Some(style) = &own.output_style {
        check_style(style, work_dir)?;
        settings["outputStyle"] = json!(style);
    }
    Ok(settings)
}

/// A style is a Markdown file whose front matter names it.
fn check_style(wanted: &str, work_dir: &Path) -> Result<()> {
    let dir = work_dir.join(".claude/output-styles");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ext| ext == "md")
            && let Some(text) = places::read_file(&path)?
            && let Some(name) = front_matter_name(&String::from_utf8_lossy(&text))
        {
            names.push(name);
        }
    }
    if names.iter().any(|name| name == wanted) {
        return Ok(());
    }
    names.sort();
    let known = if names.is_empty() {
        format!("`{}` holds no style", dir.display())
    } else {
        format!("styles there: {}", names.join(", "))
    };
    Err(Error::input(format!("there is no output style `{wanted}` in the work dir"), known))
}

/// The `name:` between the two `---` lines at the head of a Markdown file.
fn front_matter_name(text: &str) -> Option<String> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    (lines.next()?.trim_end() == "---").then_some(())?;
    let line =
        lines.take_while(|line| line.trim_end() != "---").find_map(|line| line.strip_prefix("name:"))?;
    let name = line.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(unquoted.unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claude_type::Flavor;
    use crate::config::Config;

    fn kind(config: Value) -> ClaudeType {
        ClaudeType { flavor: Flavor::Terminal, config: Config::read("claude", &config).unwrap() }
    }

    fn home(value: Value) -> SettingsInput {
        SettingsInput { home: value.as_object().cloned(), is_unattended: false }
    }

    #[test]
    fn the_persons_hooks_stay_and_ours_come_once() {
        let mine =
            json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]}, "model": "m"});
        let dir = Path::new("/none");
        let once = isolated(&kind(Value::Null), home(mine), dir).unwrap();
        assert_eq!(once["model"], "m");
        let stop = once["hooks"]["Stop"].as_array().unwrap();
        assert_eq!(stop.len(), 2);
        assert_eq!(stop[0]["hooks"][0]["command"], "mine");
        assert_eq!(isolated(&kind(Value::Null), home(once.clone()), dir).unwrap(), once);
    }

    #[test]
    fn switched_off_hooks_of_the_person_do_not_switch_off_ours() {
        let mine = json!({"disableAllHooks": true, "hooks": {"Stop": [{"hooks": []}]}});
        let settings = isolated(&kind(Value::Null), home(mine), Path::new("/none")).unwrap();
        assert_eq!(settings.get("disableAllHooks"), None);
        assert_eq!(settings["hooks"]["Stop"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_patch_is_put_on_top_and_says_what_it_would_drop() {
        let base = || home(json!({"permissions": {"allow": ["Bash(ls)"], "deny": ["WebFetch"]}}));
        let dir = Path::new("/none");
        let patch = json!({"settings_overrides": {
            "permissions": {"allow": ["Bash(just *)"]}, "__mng_merge": {"permissions.allow": "extend"},
        }});
        let settings = isolated(&kind(patch), base(), dir).unwrap();
        assert_eq!(
            settings["permissions"],
            json!({"allow": ["Bash(ls)", "Bash(just *)"], "deny": ["WebFetch"]})
        );
        assert_eq!(settings.get("__mng_merge"), None);

        let narrow = json!({"settings_overrides": {"permissions": {"allow": ["Bash(just *)"]}}});
        let error = isolated(&kind(narrow), base(), dir).unwrap_err();
        assert!(error.hint().unwrap().contains("__mng_merge"), "{error:?} {:?}", error.hint());
    }

    #[test]
    fn a_style_is_found_by_its_front_matter() {
        let dir = tempfile::tempdir().unwrap();
        let styles = dir.path().join(".claude/output-styles");
        std::fs::create_dir_all(&styles).unwrap();
        std::fs::write(styles.join("x.md"), "---\ndescription: d\nname: \"Terse One\"\n---\nname: no\n")
            .unwrap();
        let with = |style: &str| kind(json!({"output_style": style}));
        let none = || SettingsInput { home: None, is_unattended: false };
        let settings = isolated(&with("Terse One"), none(), dir.path()).unwrap();
        assert_eq!(settings["outputStyle"], "Terse One");
        let error = isolated(&with("terse one"), none(), dir.path()).unwrap_err();
        assert_eq!(error.hint().unwrap(), "styles there: Terse One");
    }

    #[test]
    fn permissions_are_granted_only_if_the_configuration_says_so() {
        let hooks = |config| isolated(&kind(config), home(json!({"a": 1})), Path::new("/none")).unwrap();
        let granting = |settings: Value| settings["hooks"]["PermissionRequest"].to_string().contains("allow");
        assert!(!granting(hooks(Value::Null)));
        assert!(granting(hooks(json!({"auto_allow_permissions": true}))));
    }
}
