//! The file that answers Tab: names of agents and hosts, and the words that settings add. The first two keys
//! are those of the Python original.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::settings::{EnvSnapshot, Locations};
use crate::storage;

const FILE: &str = ".completion_cache.json";

/// What completion offers. Lists are sorted, each entry once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionCache {
    pub names: Vec<String>,
    pub updated_at: String,
    pub hosts: Vec<String>,
    pub agent_types: Vec<String>,
    pub templates: Vec<String>,
    pub providers: Vec<String>,
}

/// Where the file lies: in the data root, or in `MNG_COMPLETION_CACHE_DIR`.
#[must_use]
pub fn path(locations: &Locations, env: &EnvSnapshot) -> PathBuf {
    match env.get_non_empty("MNG_COMPLETION_CACHE_DIR") {
        Some(dir) => PathBuf::from(dir).join(FILE),
        None => locations.base.join(FILE),
    }
}

impl CompletionCache {
    /// What the file holds; empty when there is none or it cannot be read: it is a cache.
    #[must_use]
    pub fn read(locations: &Locations, env: &EnvSnapshot) -> Self {
        let bytes = storage::read_optional(&path(locations, env)).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn sorted(mut self) -> Self {
        for list in [
            &mut self.names,
            &mut self.hosts,
            &mut self.agent_types,
            &mut self.templates,
            &mut self.providers,
        ] {
            list.sort_unstable();
            list.dedup();
        }
        self
    }
}

/// Takes over the agents and hosts of a listing that left none out. The file is written only when it
/// changes, and never made in a data root that does not exist: looking creates nothing. A failure is logged:
/// no command fails for its cache.
pub fn replace(ctx: &Ctx, names: impl IntoIterator<Item = String>, hosts: impl IntoIterator<Item = String>) {
    let (agent_types, templates, providers) = configured_words(ctx);
    let fresh = CompletionCache {
        names: names.into_iter().collect(),
        updated_at: String::new(),
        hosts: hosts.into_iter().collect(),
        agent_types,
        templates,
        providers,
    };
    write_if_changed(ctx, fresh.sorted());
}

/// Takes agents' names out and puts others in, after a create, a destroy or a rename.
pub fn change(ctx: &Ctx, gone: &[&str], new: &[&str]) {
    let mut cache = CompletionCache::read(&ctx.locations, &ctx.env);
    cache.names.retain(|name| !gone.contains(&name.as_str()));
    cache.names.extend(new.iter().map(|name| (*name).to_owned()));
    write_if_changed(ctx, cache.sorted());
}

fn write_if_changed(ctx: &Ctx, fresh: CompletionCache) {
    let path = path(&ctx.locations, &ctx.env);
    let old = CompletionCache::read(&ctx.locations, &ctx.env);
    let fresh = CompletionCache { updated_at: old.updated_at.clone(), ..fresh };
    if fresh == old || !path.parent().is_some_and(std::path::Path::is_dir) {
        return;
    }
    let fresh = CompletionCache { updated_at: Time::now().with_offset(), ..fresh };
    let written = serde_json::to_vec(&fresh)
        .map_err(|error| crate::Error::io("encode the completion cache", std::io::Error::other(error)))
        .and_then(|bytes| storage::write_volatile(&path, &bytes, 0o600));
    if let Err(error) = written {
        tracing::debug!(%error, "completion cache not written");
    }
}

/// Agent types, templates and providers that can be typed.
fn configured_words(ctx: &Ctx) -> (Vec<String>, Vec<String>, Vec<String>) {
    let types = ctx.registry.agent_types().map(|def| def.name.to_owned());
    let types = types.chain(ctx.settings.agent_types().into_keys()).collect();
    let providers = ctx.registry.backends().map(|backend| backend.name.to_owned());
    let providers = providers.chain(ctx.settings.providers().into_keys()).collect();
    (types, ctx.settings.create_template_names(), providers)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::operations::fixture::context_in;

    #[test]
    fn nothing_is_made_where_nothing_is_and_nothing_written_when_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = context_in(dir.path());
        let file = path(&ctx.locations, &ctx.env);
        replace(&ctx, ["a".to_owned()], []);
        assert!(!file.exists(), "no data root yet");

        fs::create_dir_all(&ctx.locations.base).unwrap();
        replace(&ctx, ["b".to_owned(), "a".into(), "b".into()], ["localhost".to_owned()]);
        let read = || CompletionCache::read(&ctx.locations, &ctx.env);
        assert_eq!(
            (read().names, read().hosts),
            (vec!["a".to_owned(), "b".into()], vec!["localhost".to_owned()])
        );
        let before = fs::read(&file).unwrap();
        replace(&ctx, ["a".to_owned(), "b".into()], ["localhost".to_owned()]);
        assert_eq!(fs::read(&file).unwrap(), before, "the time alone is no change");

        change(&ctx, &["a"], &["c"]);
        assert_eq!(read().names, ["b", "c"]);
        assert_eq!(read().hosts, ["localhost"]);
    }

    #[test]
    fn the_file_of_the_original_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = context_in(dir.path());
        fs::create_dir_all(&ctx.locations.base).unwrap();
        fs::write(
            path(&ctx.locations, &ctx.env),
            r#"{"names":["x"],"updated_at":"2026-11-22T13:31:00+00:00"}"#,
        )
        .unwrap();
        assert_eq!(CompletionCache::read(&ctx.locations, &ctx.env).names, ["x"]);
    }
}
