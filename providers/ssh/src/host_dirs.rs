//! Where mng's state lies on each machine. Only the machine knows its home directory: it is asked once, and
//! the answer kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mng_core::storage;
use mng_core::transports::{ExecRequest, Transport};
use mng_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};

/// Where older versions kept state that nobody gave a place.
const OLD: &str = "/tmp/mng";

/// Prints the home directory, and `old` if [`OLD`] has state of ours: in `/tmp` anybody could have put it there.
const LOCATE: &str = r#"printf 'home=%s\n' "$HOME"
if [ -n "$1" ] && [ -e "$1/data.json" ] && [ -O "$1" ]; then echo old; fi"#;

/// Answers, by host.
#[derive(Debug)]
pub(crate) struct HostDirs {
    /// `None`: nothing is kept beyond this process.
    file: Option<PathBuf>,
    known: Mutex<Option<BTreeMap<String, Known>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Whom and where it was asked: another machine, or another user, has another home.
    endpoint: String,
    home: PathBuf,
}

impl HostDirs {
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// The host dir that the settings mean. One round trip to a host that was never asked.
    ///
    /// # Errors
    /// The host cannot be asked, or says nothing of its home directory.
    pub(crate) async fn locate(
        &self,
        host: &str,
        endpoint: &str,
        configured: Option<&str>,
        transport: &dyn Transport,
    ) -> Result<PathBuf> {
        let below = match configured {
            None => Path::new(".mng"),
            Some(dir) => match dir.strip_prefix('~') {
                Some(rest) => Path::new(rest.trim_start_matches('/')),
                None => return Ok(PathBuf::from(dir)),
            },
        };
        if let Some(home) = self.home(host, endpoint) {
            return Ok(home.join(below));
        }
        let old = if configured.is_none() { OLD } else { "" };
        let request = ExecRequest::sh(LOCATE, [old]).idempotent();
        let output = transport.exec(request).await?.check("look for the home directory")?;
        let text = output.stdout_text();
        if text.lines().any(|line| line == "old") {
            // Not kept: it may be gone with the next boot.
            return Ok(PathBuf::from(OLD));
        }
        let home =
            text.lines().find_map(|line| line.strip_prefix("home=")).filter(|home| home.starts_with('/'));
        let home = PathBuf::from(home.ok_or_else(|| {
            Error::hinted(
                ErrorClass::Host,
                format!("host `{host}` does not say where the home directory of `{endpoint}` is"),
                "name a directory: `host_dir` in the provider's settings",
            )
        })?);
        self.keep(host, Known { endpoint: endpoint.to_owned(), home: home.clone() });
        Ok(home.join(below))
    }

    fn home(&self, host: &str, endpoint: &str) -> Option<PathBuf> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| self.read());
        known.get(host).filter(|known| known.endpoint == endpoint).map(|known| known.home.clone())
    }

    fn read(&self) -> BTreeMap<String, Known> {
        let bytes = self.file.as_ref().and_then(|file| storage::read_optional(file).ok().flatten());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// It can be asked again at any time, so trouble is no error, and of two processes that learn something at
    /// the same moment one may be forgotten.
    fn keep(&self, host: &str, answer: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.read();
        all.insert(host.to_owned(), answer);
        if let Some(file) = &self.file {
            let bytes = serde_json::to_vec_pretty(&all).expect("keys are strings");
            if let Err(error) = storage::write_volatile(file, &bytes, 0o600) {
                tracing::debug!(%error, "the home directory is not kept");
            }
        }
        *known = Some(all);
    }

    /// What was kept may not hold any more: the host is asked again.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use mng_core::transports::LocalTransport;

    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn the_home_directory_is_asked_once_per_endpoint() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p/host_dirs.json");
        let home = std::env::home_dir().unwrap();
        let dirs = HostDirs::new(Some(file.clone()));
        let locate = |dirs: &HostDirs, endpoint: &str, configured: Option<&str>| {
            block(dirs.locate("box", endpoint, configured, &LocalTransport)).unwrap()
        };
        assert_eq!(locate(&dirs, "me@box", Some("/srv/mng")), Path::new("/srv/mng"));
        assert!(!file.exists(), "nobody had to be asked");
        assert_eq!(locate(&dirs, "me@box", Some("~/work/mng")), home.join("work/mng"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(home.to_str().unwrap(), "/kept")).unwrap();
        dirs.forget();
        assert_eq!(locate(&dirs, "me@box", Some("~")), Path::new("/kept"));
        assert_eq!(locate(&HostDirs::new(Some(file)), "me@box", Some("~/x")), Path::new("/kept/x"));
        assert_eq!(locate(&dirs, "other@box", Some("~/x")), home.join("x"));
    }
}
