//! What earlier transfers wrote into a directory: no work of anybody there, as long as it is unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Side;
use super::hashes::{contents, hex};
use crate::hosts::git::word;
use crate::model::error::Result;

/// Sixteen hexadecimal digits for a text of any length.
pub(crate) fn short_name(text: impl AsRef<str>) -> String {
    hex(&Sha256::digest(text.as_ref().as_bytes()))[..16].to_owned()
}

/// `{path: content}`, paths relative to the directory; an empty content says that the path was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest(BTreeMap<String, String>);

impl Manifest {
    /// Where the manifest of a directory lies.
    fn path(side: &Side) -> Result<PathBuf> {
        let name = short_name(word(&side.dir)?);
        Ok(side.layout.root().join("sync").join(format!("{name}.json")))
    }

    /// What is remembered of the side's directory. A damaged file counts as none: then its files are
    /// somebody's work, which is the safe side.
    pub(super) async fn read(side: &Side) -> Result<Self> {
        let bytes = side.transport.read(&Self::path(side)?).await?.unwrap_or_default();
        Ok(Self(serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    fn knows(&self, path: &Path) -> Option<&String> {
        self.0.get(path.to_str()?)
    }

    /// Those of the paths whose content is still what a transfer wrote.
    pub(super) async fn unchanged(&self, side: &Side, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let known: Vec<PathBuf> = paths.iter().filter(|path| self.knows(path).is_some()).cloned().collect();
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let now = contents(side, &side.dir, &known).await?;
        let unchanged = known.into_iter().zip(now);
        Ok(unchanged
            .filter(|(path, now)| now.is_some() && self.knows(path) == now.as_ref())
            .map(|(path, _)| path)
            .collect())
    }

    /// Remembers a transfer that wrote and deleted these paths; of what was known before stays what is still
    /// unchanged and uncommitted (`ours`). The contents are read at the source: what somebody changes at the
    /// destination meanwhile is not ours.
    pub(super) async fn record(
        &self,
        source: &Side,
        destination: &Side,
        ours: &[PathBuf],
        written: &[PathBuf],
        deleted: &[PathBuf],
    ) -> Result<()> {
        let mut next = BTreeMap::new();
        for name in ours.iter().filter_map(|path| path.to_str()) {
            next.extend(self.0.get(name).map(|content| (name.to_owned(), content.clone())));
        }
        let contents = contents(source, &source.dir, written).await?;
        for (path, content) in written.iter().zip(contents) {
            if let (Some(name), Some(content)) =
                (path.to_str(), content.filter(|content| !content.is_empty()))
            {
                next.insert(name.to_owned(), content);
            }
        }
        for name in deleted.iter().filter_map(|path| path.to_str()) {
            next.insert(name.trim_end_matches('/').to_owned(), String::new());
        }
        if next == self.0 {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&next).expect("a map of texts is JSON");
        destination.transport.write(&Self::path(destination)?, &bytes, 0o600).await
    }
}
