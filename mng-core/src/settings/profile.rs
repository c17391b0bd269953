//! The active profile: the user's settings, id and provider state.

use std::path::PathBuf;

use toml_edit::DocumentMut;

use super::environment::EnvSnapshot;
use super::locate::Locations;
use super::parse;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::random_hex;
use crate::storage;

/// A profile; its directory may not exist yet when only `config.toml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// 32 hex digits when we made it; any name that a person chose otherwise.
    pub id: String,
    pub dir: PathBuf,
}

impl Profile {
    fn new(locations: &Locations, id: &str) -> Self {
        Self { id: id.to_owned(), dir: locations.base.join("profiles").join(id) }
    }

    /// The user-scope settings file.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.dir.join("settings.toml")
    }

    /// State of a backend in this profile: keys, host records.
    #[must_use]
    pub fn provider_dir(&self, backend: &str) -> PathBuf {
        self.dir.join("providers").join(backend)
    }

    /// Whether this profile has used a backend: its directory exists and is not empty.
    #[must_use]
    pub fn has_used(&self, backend: &str) -> bool {
        std::fs::read_dir(self.provider_dir(backend)).is_ok_and(|mut dir| dir.next().is_some())
    }
}

/// The active profile, if there is one. Creates nothing: listing, help and completion use this.
///
/// # Errors
/// `config.toml` cannot be read or parsed, or it names an impossible directory.
pub fn find_profile(locations: &Locations, env: &EnvSnapshot) -> Result<Option<Profile>> {
    if let Some(id) = env.get_non_empty("MNG_PROFILE") {
        return Ok(Some(Profile::new(locations, checked_id(id, "MNG_PROFILE")?)));
    }
    let path = pointer_file(locations);
    // An unreadable pointer is an error and never a new profile: that would hide all the user has.
    let Some(document) = parse::read_document(locations, &path)? else { return Ok(None) };
    match pointer(&document) {
        Some(id) => {
            let from = locations.contract_home(&path);
            Ok(Some(Profile::new(locations, checked_id(id, &format!("`profile` in `{from}`"))?)))
        }
        None => Ok(None),
    }
}

/// The active profile, made if there is none. Two processes that race agree on one profile.
///
/// # Errors
/// As [`find_profile`]; or the data root cannot be written.
pub fn ensure_profile(locations: &Locations, env: &EnvSnapshot) -> Result<Profile> {
    if let Some(profile) = find_profile(locations, env)? {
        storage::create_private_dir(&profile.dir)?;
        return Ok(profile);
    }
    let path = pointer_file(locations);
    let id = random_hex();
    let made = if path.exists() {
        // The file is there without a profile: somebody's other keys stay. Whoever renames last would win,
        // so the lock makes the second one see the first.
        let _lock = storage::FileLock::acquire(&lock_file(locations), None)?;
        let mut document = parse::read_document(locations, &path)?.unwrap_or_default();
        if pointer(&document).is_none() {
            document["profile"] = toml_edit::value(id.as_str());
            storage::write_atomic(&path, document.to_string().as_bytes(), 0o600)?;
            true
        } else {
            false
        }
    } else {
        storage::create_new(&path, format!("profile = \"{id}\"\n").as_bytes(), 0o600)?
    };
    let profile = if made {
        Profile::new(locations, &id)
    } else {
        find_profile(locations, env)?.ok_or_else(|| {
            Error::plain(ErrorClass::Config, format!("`{}` names no profile", locations.contract_home(&path)))
        })?
    };
    storage::create_private_dir(&profile.dir)?;
    Ok(profile)
}

/// The user id of a profile, made on first use: 32 lowercase hex digits that keep the cloud resources of
/// several installations apart.
///
/// # Errors
/// `MNG_USER_ID` contradicts the stored id, or the file cannot be read or written.
pub fn user_id(profile: &Profile, env: &EnvSnapshot) -> Result<String> {
    let path = profile.dir.join("user_id");
    let wanted = env.get_non_empty("MNG_USER_ID").map(str::trim);
    loop {
        if let Some(bytes) = storage::read_optional(&path)? {
            let stored = String::from_utf8_lossy(&bytes).trim().to_owned();
            return match wanted {
                Some(wanted) if wanted != stored => Err(Error::hinted(
                    ErrorClass::Config,
                    format!("MNG_USER_ID is `{wanted}`, but this profile's user id is `{stored}`"),
                    "unset MNG_USER_ID, or choose another profile with MNG_PROFILE",
                )),
                _ => Ok(stored),
            };
        }
        let id = wanted.map_or_else(random_hex, str::to_owned);
        if storage::create_new(&path, id.as_bytes(), 0o600)? {
            return Ok(id);
        }
    }
}

fn pointer_file(locations: &Locations) -> PathBuf {
    locations.base.join("config.toml")
}

fn lock_file(locations: &Locations) -> PathBuf {
    locations.base.join("profiles").join(".lock")
}

fn pointer(document: &DocumentMut) -> Option<&str> {
    document.get("profile")?.as_str().filter(|id| !id.is_empty())
}

fn checked_id<'a>(id: &'a str, from: &str) -> Result<&'a str> {
    let is_plain = !id.starts_with('.') && !id.contains(['/', '\0']);
    if is_plain {
        Ok(id)
    } else {
        Err(Error::input(
            format!("{from} is `{id}`, which is no profile id"),
            "a profile id is the name of a directory in `profiles`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn places(dir: &Path) -> (Locations, EnvSnapshot) {
        let env: EnvSnapshot = [("HOME", dir.to_str().unwrap())].into_iter().collect();
        (Locations::find(&env, Path::new("/"), None).unwrap(), env)
    }

    #[test]
    fn looking_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (locations, env) = places(dir.path());
        assert_eq!(find_profile(&locations, &env).unwrap(), None);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_profile_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let (locations, env) = places(dir.path());
        let made = ensure_profile(&locations, &env).unwrap();
        assert_eq!(made.id.len(), 32);
        assert!(made.dir.is_dir());
        assert_eq!(ensure_profile(&locations, &env).unwrap(), made);
        assert_eq!(find_profile(&locations, &env).unwrap(), Some(made));
    }

    #[test]
    fn racing_first_runs_agree() {
        for prepared in [None, Some("# mine\nother = 1\n")] {
            let dir = tempfile::tempdir().unwrap();
            let (locations, env) = places(dir.path());
            if let Some(text) = prepared {
                std::fs::create_dir(&locations.base).unwrap();
                std::fs::write(pointer_file(&locations), text).unwrap();
            }
            let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
                let run = || scope.spawn(|| ensure_profile(&locations, &env).unwrap().id);
                let threads: Vec<_> = (0..16).map(|_| run()).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(ids.len(), 1);
            let text = std::fs::read_to_string(pointer_file(&locations)).unwrap();
            assert!(text.starts_with(prepared.unwrap_or_default()), "other keys stay: {text}");
        }
    }

    #[test]
    fn a_broken_pointer_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (locations, env) = places(dir.path());
        std::fs::create_dir(&locations.base).unwrap();
        std::fs::write(pointer_file(&locations), "profile = \n").unwrap();
        let error = ensure_profile(&locations, &env).unwrap_err();
        assert_eq!(error.class(), ErrorClass::ConfigParse);
        assert_eq!(std::fs::read_to_string(pointer_file(&locations)).unwrap(), "profile = \n");
    }

    #[test]
    fn the_environment_chooses_a_profile() {
        let dir = tempfile::tempdir().unwrap();
        let (locations, mut env) = places(dir.path());
        env.0.insert("MNG_PROFILE".into(), "other".into());
        assert_eq!(ensure_profile(&locations, &env).unwrap().id, "other");
        assert!(!pointer_file(&locations).exists());
        env.0.insert("MNG_PROFILE".into(), "../x".into());
        assert!(find_profile(&locations, &env).is_err());
    }

    #[test]
    fn a_user_id_is_kept_and_a_contradiction_named() {
        let dir = tempfile::tempdir().unwrap();
        let (locations, mut env) = places(dir.path());
        let profile = ensure_profile(&locations, &env).unwrap();
        let id = user_id(&profile, &env).unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(user_id(&profile, &env).unwrap(), id);
        env.0.insert("MNG_USER_ID".into(), "someone".into());
        let error = user_id(&profile, &env).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("MNG_USER_ID is `someone`, but this profile's user id is `{id}`")
        );
        std::fs::remove_file(profile.dir.join("user_id")).unwrap();
        assert_eq!(user_id(&profile, &env).unwrap(), "someone");
    }
}
