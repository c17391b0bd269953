//! A home directory with a profile `p` and a project.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::error::{Error, Result};
use crate::settings::{
    BackendSchema, ConfigScope, EnvSnapshot, FieldSchema, KnownNames, LoadRequest, Locations, PluginSchema,
    Settings, TypeSchema, find_profile, load,
};

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DockerConfig {
    /// Daemon to talk to.
    host: String,
    build_timeout_seconds: u32,
    #[schemars(extend("x-mng-replace-only" = true))]
    allowed_ssh_cidrs: Vec<String>,
    security_group: SecurityGroup,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct SecurityGroup {
    name: String,
    rules: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ClaudeConfig {
    version: Option<String>,
    #[schemars(schema_with = "patch")]
    settings_overrides: Value,
}

fn patch(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-mng-patch": true })
}

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) env: EnvSnapshot,
    pub(super) known: KnownNames,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proj/.git")).unwrap();
        let env = [("HOME", dir.path().to_str().unwrap()), ("MNG_PROFILE", "p")].into_iter().collect();
        Self { dir, env, known: known() }
    }

    pub(super) fn locations(&self) -> Locations {
        Locations::find(&self.env, &self.dir.path().join("proj"), None).unwrap()
    }

    pub(super) fn path(&self, scope: ConfigScope) -> PathBuf {
        let locations = self.locations();
        let profile = find_profile(&locations, &self.env).unwrap();
        locations.settings_file(scope, profile.as_ref()).unwrap()
    }

    pub(super) fn write(&self, scope: ConfigScope, text: &str) -> &Self {
        let path = self.path(scope);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn user(&self, text: &str) -> &Self {
        self.write(ConfigScope::User, text)
    }

    pub(super) fn project(&self, text: &str) -> &Self {
        self.write(ConfigScope::Project, text)
    }

    pub(super) fn local(&self, text: &str) -> &Self {
        self.write(ConfigScope::Local, text)
    }

    pub(super) fn set_env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.0.insert(name.into(), value.into());
        self
    }

    pub(super) fn load(&self) -> Result<Settings> {
        self.load_with(&[])
    }

    pub(super) fn load_with(&self, overrides: &[&str]) -> Result<Settings> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        load(&LoadRequest {
            locations: &self.locations(),
            env: &self.env,
            overrides: &overrides,
            known: &self.known,
        })
    }

    /// The failure as a person sees it.
    pub(super) fn failure(&self) -> String {
        shown(&self.load().unwrap_err())
    }

    /// One merged value.
    pub(super) fn value(&self, key: &str) -> Value {
        self.load().unwrap().merged().pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap()
    }
}

pub(super) fn shown(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n  hint: {hint}"),
        None => error.to_string(),
    }
}

pub(super) fn known() -> KnownNames {
    let plugin = |name: &str, aliases: &[&str]| PluginSchema {
        name: name.into(),
        aliases: aliases.iter().map(|alias| (*alias).into()).collect(),
        is_default_enabled: true,
        fields: FieldSchema::Open,
    };
    KnownNames {
        backends: vec![
            BackendSchema {
                name: "docker".into(),
                plugin: Some("docker".into()),
                fields: FieldSchema::of::<DockerConfig>(),
            },
            BackendSchema { name: "local".into(), plugin: None, fields: FieldSchema::Names(&[]) },
        ],
        agent_types: vec![
            TypeSchema {
                name: "claude".into(),
                aliases: vec!["cl".into()],
                plugin: Some("claude".into()),
                fields: FieldSchema::of::<ClaudeConfig>(),
            },
            TypeSchema {
                name: "command".into(),
                aliases: vec![],
                plugin: None,
                fields: FieldSchema::Names(&["tracks_activity"]),
            },
        ],
        plugins: vec![plugin("docker", &[]), plugin("claude", &[]), plugin("board", &["kanpan"])],
        commands: ["create", "list", "config", "plugin", "snapshot_create", "snapshot_list"]
            .map(Into::into)
            .into(),
        parameters: [("create".to_owned(), vec!["type".to_owned(), "env".to_owned(), "connect".to_owned()])]
            .into(),
    }
}
