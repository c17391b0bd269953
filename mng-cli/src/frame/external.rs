//! `mng-foo` executables on PATH as commands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mng_core::plugins::Ctx;
use mng_core::settings::EnvSnapshot;
use mng_core::{Error, ErrorClass};

const PREFIX: &str = "mng-";

/// The executables `mng-NAME` on PATH, by name; the first directory wins, as in a shell.
pub(crate) fn on_path(env: &EnvSnapshot) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for dir in std::env::split_paths(env.get("PATH").unwrap_or_default()) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            if !file_name.as_bytes().starts_with(PREFIX.as_bytes()) {
                continue;
            }
            let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            if !name.is_empty() && is_executable(&entry.path()) {
                found.entry(name.to_owned()).or_insert_with(|| entry.path());
            }
        }
    }
    found
}

/// The executable of one command, without reading whole directories.
pub(crate) fn find(env: &EnvSnapshot, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let file_name = format!("{PREFIX}{name}");
    std::env::split_paths(env.get("PATH").unwrap_or_default())
        .map(|dir| dir.join(&file_name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Becomes the executable; returns only if that fails.
pub(crate) fn exec(ctx: &Ctx, name: &str, path: &Path, words: &[OsString]) -> Error {
    let plugins = ctx.settings.plugins();
    let config = plugins.get(name);
    if config.and_then(|config| config.get("enabled")).and_then(serde_json::Value::as_bool) == Some(false) {
        return Error::hinted(
            ErrorClass::Plugin,
            format!("`{}` is disabled", path.display()),
            format!("mng plugin enable {name}"),
        );
    }
    let mut command = Command::new(path);
    command.args(words).env("MNG_HOST_DIR", &ctx.locations.base);
    if let Ok(program) = std::env::current_exe() {
        command.env("MNG_BIN", program);
    }
    if let Some(profile) = &ctx.profile {
        command.env("MNG_PROFILE_DIR", &profile.dir);
    }
    if let Some(root) = &ctx.locations.project_root {
        command.env("MNG_PROJECT_ROOT", root);
    }
    if let Some(config) = config {
        command.env("MNG_PLUGIN_CONFIG", config.to_string());
    }
    Error::io(format!("run `{}`", path.display()), command.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_count_and_the_first_directory_wins() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        let put = |dir: &Path, name: &str, mode: u32| {
            let path = dir.join(name);
            std::fs::write(&path, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put(one.path(), "mng-a", 0o755);
        put(one.path(), "mng-text", 0o644);
        put(two.path(), "mng-a", 0o755);
        put(two.path(), "mng-b", 0o755);
        let path = std::env::join_paths([one.path(), Path::new("/nonexistent"), two.path()]).unwrap();
        let env: EnvSnapshot = [("PATH", path.to_str().unwrap())].into_iter().collect();
        let found = on_path(&env);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found["a"], one.path().join("mng-a"));
        assert_eq!(find(&env, "b"), Some(two.path().join("mng-b")));
        assert_eq!(find(&env, "text"), None);
        assert_eq!(find(&env, "../mng-b"), None);
    }
}
