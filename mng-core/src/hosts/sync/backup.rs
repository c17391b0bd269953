//! References that keep what a transfer overwrites. They are never removed by mng.

use super::stash;
use crate::hosts::git::Git;
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::model::time::Time;
use crate::storage::fault;

/// A new name, `refs/mng/backup/<utc>-<8 hex>`.
pub(super) fn new_name() -> String {
    let now = Time::now().timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("refs/mng/backup/{now}-{}", &random_hex()[..8])
}

/// Sets changes aside as the stash does, but under a reference of ours instead of an entry in the person's
/// stash. `None`: there was nothing.
pub(super) async fn of_changes(
    git: &Git<'_>,
    why: &str,
    paths: Option<&[std::path::PathBuf]>,
) -> Result<Option<String>> {
    let Some(oid) = stash::push(git, why, paths).await? else { return Ok(None) };
    fault::point("sync.backup_stashed");
    let name = new_name();
    let zero = "0".repeat(oid.len());
    git.check(git.command(["update-ref", "-m", why, &name, &oid, &zero])).await?;
    fault::point("sync.backup_named");
    stash::drop_entry(git, &oid).await?;
    Ok(Some(name))
}

/// Keeps every reference but ours below a new name, whole commands before the first of them is moved.
pub(super) async fn of_references(git: &Git<'_>) -> Result<Option<String>> {
    let listed = git.text(["for-each-ref", "--format=%(objectname) %(refname)"]).await?;
    let base = new_name();
    let mut input = String::new();
    for line in listed.lines() {
        let Some((oid, name)) = line.split_once(' ') else { continue };
        if let Some(short) = name.strip_prefix("refs/").filter(|short| !short.starts_with("mng/")) {
            input.push_str(&format!("create {base}/{short} {oid}\n"));
        }
    }
    if input.is_empty() {
        return Ok(None);
    }
    git.check(git.command(["update-ref", "--stdin"]).stdin(input)).await?;
    Ok(Some(base))
}
