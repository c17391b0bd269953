//! What exists on this machine, as far as local files tell.

use std::path::Path;
use std::process::{Command as Process, Stdio};

use clap::Command;
use mng_core::hosts::Layout;
use mng_core::operations::completion_cache::{self, CompletionCache};
use mng_core::plugins::{Linked, Plugin};
use mng_core::settings::{Editor, EnvSnapshot, LoadRequest, Locations, SchemaRow};
use serde::Deserialize;

use super::candidates::Candidate;
use crate::help::summary;
use crate::{cli, frame};

/// Where names come from.
pub(super) trait World {
    fn agents(&self) -> Vec<String>;
    fn hosts(&self) -> Vec<String>;
    fn agent_types(&self) -> Vec<String>;
    fn templates(&self) -> Vec<String>;
    fn providers(&self) -> Vec<String>;
    fn plugins(&self) -> Vec<String>;
    fn branches(&self) -> Vec<String>;
    /// Commands that are not built in.
    fn other_commands(&self) -> Vec<Candidate>;
    fn plugin_command(&self, word: &str) -> Option<Command>;
    fn settings_keys(&self) -> Vec<SettingsKey>;
}

/// A key of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingsKey {
    /// Dotted.
    pub(super) name: String,
    pub(super) description: String,
    /// The words it takes, where they are few.
    pub(super) choices: Vec<String>,
}

/// This machine.
pub(super) struct Local<'a> {
    env: &'a EnvSnapshot,
    locations: Option<Locations>,
}

impl<'a> Local<'a> {
    pub(super) fn new(env: &'a EnvSnapshot) -> Self {
        let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
        Self { env, locations: Locations::find(env, &cwd, None).ok() }
    }

    fn cache(&self) -> CompletionCache {
        let locations = self.locations.as_ref();
        locations.map(|locations| CompletionCache::read(locations, self.env)).unwrap_or_default()
    }

    /// The names in the records of this machine's agents. Left out when the cache is younger than the last
    /// create or destroy, which both move a directory: then it holds them all.
    fn recorded_names(&self) -> Vec<String> {
        let Some(locations) = &self.locations else { return Vec::new() };
        let agents = Layout::new(&locations.base).agents();
        let changed = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let cache = completion_cache::path(locations, self.env);
        if let (Some(cached), Some(moved)) = (changed(&cache), changed(&agents))
            && cached > moved
        {
            return Vec::new();
        }
        let entries = std::fs::read_dir(agents).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let bytes = std::fs::read(entry.path().join("data.json")).ok()?;
                serde_json::from_slice::<Named>(&bytes).ok().map(|record| record.name)
            })
            .collect()
    }

    fn linked(&self) -> Vec<Box<dyn Plugin>> {
        let linked = Linked::collect().map(|linked| linked.iter().collect::<Vec<_>>()).unwrap_or_default();
        linked.into_iter().map(|descriptor| (descriptor.make)()).collect()
    }
}

impl SettingsKey {
    fn of(row: SchemaRow) -> Self {
        let choices = match row.kind.as_str() {
            "bool" => vec!["true".to_owned(), "false".to_owned()],
            words if words.contains('|') => words.split('|').map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self { name: row.key, description: row.description, choices }
    }
}

/// What completion needs of a record.
#[derive(Deserialize)]
struct Named {
    name: String,
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

impl World for Local<'_> {
    fn agents(&self) -> Vec<String> {
        let mut names = self.cache().names;
        names.extend(self.recorded_names());
        unique(names)
    }

    fn hosts(&self) -> Vec<String> {
        let mut hosts = self.cache().hosts;
        hosts.push("localhost".to_owned());
        unique(hosts)
    }

    fn agent_types(&self) -> Vec<String> {
        let mut types = self.cache().agent_types;
        types.extend(
            self.linked().iter().flat_map(|plugin| plugin.agent_types()).map(|def| def.name.to_owned()),
        );
        unique(types)
    }

    fn templates(&self) -> Vec<String> {
        self.cache().templates
    }

    fn providers(&self) -> Vec<String> {
        let mut providers = self.cache().providers;
        let backends = self.linked().into_iter().flat_map(|plugin| plugin.backends());
        providers.extend(backends.map(|backend| backend.name.to_owned()));
        unique(providers)
    }

    fn plugins(&self) -> Vec<String> {
        let mut plugins: Vec<String> = frame::external_commands(self.env).into_keys().collect();
        if let Ok(linked) = Linked::collect() {
            plugins.extend(linked.iter().map(|descriptor| descriptor.name.to_owned()));
        }
        unique(plugins)
    }

    fn branches(&self) -> Vec<String> {
        // git itself, because worktrees, packed refs and reftables are its own affair.
        let git = Process::new("git")
            .args(["for-each-ref", "--count=500", "--format=%(refname:short)", "refs/heads", "refs/remotes"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let text = git.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn other_commands(&self) -> Vec<Candidate> {
        let commands = self.linked().into_iter().flat_map(|plugin| plugin.commands());
        let mut found: Vec<Candidate> =
            commands.map(|def| Candidate::new(def.command.get_name(), summary(&def.command))).collect();
        let external = frame::external_commands(self.env);
        found.extend(
            external.into_iter().map(|(name, path)| Candidate::new(name, path.display().to_string())),
        );
        found
    }

    fn plugin_command(&self, word: &str) -> Option<Command> {
        let commands = self.linked().into_iter().flat_map(|plugin| plugin.commands());
        commands.map(|def| def.command).find(|command| command.get_name() == word)
    }

    fn settings_keys(&self) -> Vec<SettingsKey> {
        let (Some(locations), Ok(linked)) = (&self.locations, Linked::collect()) else { return Vec::new() };
        let known = linked.known_names(cli::settings_keys());
        let request = LoadRequest { locations, env: self.env, overrides: &[], known: &known };
        let rows = Editor::new(request).schema().unwrap_or_default();
        rows.into_iter().filter(|row| !row.key.contains("NAME")).map(SettingsKey::of).collect()
    }
}
