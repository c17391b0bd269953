//! `work_dir_extra_paths`: files beside the repository that every new work dir gets, shared or copied.

use std::path::{Component, Path, PathBuf};

use super::route::Route;
use super::rsync;
use super::{WorkDirError, WorkDirPlan};
use crate::hosts::git::word;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::settings::ExtraPathMode;
use crate::transports::{ExecRequest, FileKind};

/// Links (target, link, parent of the link), three words each.
const LINK: &str = r#"
while [ $# -gt 2 ]; do
    mkdir -p -- "$3" && ln -s -- "$1" "$2" || exit
    shift 3
done
"#;

/// Refuses keys that would leave the work dir. Before anything is made.
pub(super) fn check<'a>(paths: impl IntoIterator<Item = &'a String>) -> Result<()> {
    for path in paths {
        let is_inside = !path.is_empty()
            && Path::new(path)
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_inside {
            return Err(WorkDirError::ExtraPathEscapes { path: path.clone() }.into());
        }
    }
    Ok(())
}

/// One batch of links and one rsync, whatever the number of paths.
///
/// Sharing ends at the host's border: between two hosts everything is copied.
pub(super) async fn apply(route: &Route<'_>, plan: &WorkDirPlan, events: &Events) -> Result<()> {
    let host = route.target;
    let mut links: Vec<String> = Vec::new();
    let mut copies: Vec<PathBuf> = Vec::new();
    for (path, mode) in &plan.extra_paths {
        let relative: PathBuf =
            Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
        let from = plan.source.join(&relative);
        if route.source.transport.stat(&from).await?.is_none() {
            events
                .warning(format!("`{path}` in `work_dir_extra_paths` is not in `{}`", plan.source.display()));
            continue;
        }
        match mode {
            ExtraPathMode::Share if !route.is_together() => copies.push(relative),
            ExtraPathMode::Copy => copies.push(relative),
            ExtraPathMode::Share => {
                let link = plan.path.join(&relative);
                match host.transport.stat(&link).await?.map(|stat| stat.kind) {
                    None => {
                        let parent = link.parent().unwrap_or(&plan.path);
                        links.extend([word(&from)?, word(&link)?, word(parent)?]);
                    }
                    Some(FileKind::Symlink) => {}
                    Some(_) => return Err(WorkDirError::ExtraPathTaken { path: path.clone() }.into()),
                }
            }
        }
    }
    if !links.is_empty() {
        host.transport.exec(ExecRequest::sh(LINK, links)).await?.check("ln")?;
    }
    rsync::copy_listed(route, &plan.source, &plan.path, &copies, "copy `work_dir_extra_paths`").await
}
