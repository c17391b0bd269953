//! A path in a manifest: any bytes, readable where they are text.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// JSON: a string, or the list of its bytes when it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct EntryPath(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(Vec<u8>),
}

impl EntryPath {
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for EntryPath {
    fn from(path: P) -> Self {
        Self(path.into())
    }
}

impl AsRef<Path> for EntryPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl From<Form> for EntryPath {
    fn from(form: Form) -> Self {
        Self(match form {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

impl From<EntryPath> for Form {
    fn from(path: EntryPath) -> Self {
        match path.0.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.0.as_os_str().as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_and_text_stays_text() {
        let odd = EntryPath::from(OsString::from_vec(vec![b'a', 0xff, b'\n']));
        let json = serde_json::to_string(&odd).unwrap();
        assert_eq!(serde_json::from_str::<EntryPath>(&json).unwrap(), odd);
        let plain = EntryPath::from("a b/ü");
        assert_eq!(serde_json::to_string(&plain).unwrap(), "\"a b/ü\"");
        assert_eq!(serde_json::from_str::<EntryPath>("\"a b/ü\"").unwrap(), plain);
    }
}
