//! The tags of this machine: `providers/local/labels.json`, as the Python original writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mng_core::storage;
use mng_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Tag {
    key: String,
    value: String,
}

fn path(host_dir: &Path) -> PathBuf {
    host_dir.join("providers/local/labels.json")
}

/// All tags; none without the file.
pub(crate) fn read(host_dir: &Path) -> Result<BTreeMap<String, String>> {
    let path = path(host_dir);
    let Some(bytes) = storage::read_optional(&path)? else { return Ok(BTreeMap::new()) };
    let tags: Vec<Tag> = serde_json::from_slice(&bytes).map_err(|error| {
        Error::hinted(
            ErrorClass::HostDataSchema,
            format!("the tags of this machine are damaged: `{}`: {error}", path.display()),
            "mend the JSON, or move the file away",
        )
    })?;
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// Replaces all tags.
pub(crate) fn write(host_dir: &Path, tags: &BTreeMap<String, String>) -> Result<()> {
    let tags: Vec<Tag> =
        tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
    let bytes = serde_json::to_vec_pretty(&tags)
        .map_err(|error| Error::io("encode the tags", std::io::Error::other(error)))?;
    storage::write_atomic(&path(host_dir), &bytes, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_in_the_form_of_the_original() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
        let tags = BTreeMap::from([("team".to_owned(), "a b".to_owned())]);
        write(dir.path(), &tags).unwrap();
        assert_eq!(read(dir.path()).unwrap(), tags);
        let text = std::fs::read_to_string(path(dir.path())).unwrap();
        assert_eq!(text, "[\n  {\n    \"key\": \"team\",\n    \"value\": \"a b\"\n  }\n]");
        std::fs::write(path(dir.path()), "[").unwrap();
        assert_eq!(read(dir.path()).unwrap_err().class(), ErrorClass::HostDataSchema);
    }
}
