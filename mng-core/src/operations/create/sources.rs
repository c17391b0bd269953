//! Clones of git URLs that agents work from (`H/clones`), remembered in the host's record for gc: a clone
//! that no agent's repository is any more may go.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::record::HostRecord;

/// Under `plugin.mng`: the original refuses keys that it does not know at the top.
const KEY: &str = "generated_source_dirs";

/// The clones that a host's record names.
#[must_use]
pub fn generated_source_dirs(record: &HostRecord) -> Vec<PathBuf> {
    let list = record.plugin.get("mng").and_then(|ours| ours.get(KEY)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from).collect()
}

/// Changes the list; sorted, each entry once, gone when empty.
fn set(record: &mut HostRecord, mut dirs: Vec<PathBuf>) {
    dirs.sort();
    dirs.dedup();
    let ours = record.plugin.entry("mng").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(ours) = ours else { return };
    if dirs.is_empty() {
        ours.remove(KEY);
        if ours.is_empty() {
            record.plugin.remove("mng");
        }
    } else {
        let dirs = dirs.iter().map(|dir| Value::from(dir.to_string_lossy())).collect();
        ours.insert(KEY.into(), Value::Array(dirs));
    }
}

/// Adds a clone to a record that is about to be written.
pub(super) fn remember_in(record: &mut HostRecord, dir: &Path) {
    let mut dirs = generated_source_dirs(record);
    dirs.push(dir.to_path_buf());
    set(record, dirs);
}

/// Takes a clone out of the host's record, after it was removed.
///
/// # Errors
/// The record cannot be read or written.
pub async fn forget(host: &Host, lock: &HostLock, dir: &Path) -> Result<()> {
    if !generated_source_dirs(&host.read_record().await?).iter().any(|known| known == dir) {
        return Ok(());
    }
    host.update_record(lock, |record| {
        let mut dirs = generated_source_dirs(record);
        dirs.retain(|known| known != dir);
        set(record, dirs);
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_leaves_no_trace_when_it_is_empty() {
        let mut record = HostRecord::new(crate::model::ids::HostId::generate(), "localhost");
        let before = record.clone();
        remember_in(&mut record, Path::new("/b"));
        remember_in(&mut record, Path::new("/a"));
        remember_in(&mut record, Path::new("/b"));
        assert_eq!(generated_source_dirs(&record), [Path::new("/a"), Path::new("/b")]);
        set(&mut record, Vec::new());
        assert_eq!(record, before);
    }
}
