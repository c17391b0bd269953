//! The program's conversations on disk: finding them, and giving them to an agent (`--adopt`).

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::hosts::Host;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, ErrorClass, Result};

use crate::claude_type::ClaudeType;
use crate::places::{self, ISOLATED_DIR, UserClaude};
use crate::start;

/// Whether a text can be a session's id, and so part of a file's name.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The files of a session below a `projects` directory; empty ones hold nothing to continue.
pub(crate) fn find(projects: &Path, id: &str) -> Vec<PathBuf> {
    let name = format!("{id}.jsonl");
    let dirs = std::fs::read_dir(projects).into_iter().flatten().flatten();
    let files = dirs.map(|dir| dir.path().join(&name));
    let mut found: Vec<PathBuf> =
        files.filter(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0)).collect();
    found.sort();
    found
}

/// Copies a session of the controller, with what its sub-agents and tools left, into a directory of the host.
///
/// # Errors
/// Another file lies in the way, or one cannot be read or written.
pub(crate) async fn copy(host: &Host, session: &Path, target: &Path) -> Result<()> {
    let Some(name) = session.file_name() else { return Ok(()) };
    let mut left = vec![(session.to_path_buf(), target.join(name))];
    if let Some(id) = session.file_stem() {
        left.push((session.with_extension(""), target.join(id)));
    }
    while let Some((from, to)) = left.pop() {
        let Ok(meta) = std::fs::metadata(&from) else { continue };
        if meta.is_dir() {
            for entry in std::fs::read_dir(&from).into_iter().flatten().flatten() {
                left.push((entry.path(), to.join(entry.file_name())));
            }
            continue;
        }
        let Some(bytes) = places::read_file(&from)? else { continue };
        match host.transport.read(&to).await? {
            None => host.transport.write(&to, &bytes, 0o600).await?,
            // The agent may have gone on with it.
            Some(there) if there.starts_with(&bytes) => {}
            Some(_) => {
                return Err(Error::hinted(
                    ErrorClass::UserInput,
                    format!(
                        "cannot copy conversation `{}`: `{}` is another one",
                        from.display(),
                        to.display()
                    ),
                    "move one of the two away",
                ));
            }
        }
    }
    Ok(())
}

/// The file that a person means by a path or an id.
///
/// # Errors
/// There is none, or there are several.
pub(crate) fn resolve(site: &TypeSite<'_>, text: &str) -> Result<PathBuf> {
    if text.contains('/') || text.ends_with(".jsonl") {
        let path = Path::new(text);
        let is_session = path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0)
            && path.extension().is_some_and(|ext| ext == "jsonl")
            && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_id);
        return if is_session {
            Ok(places::real(path))
        } else {
            Err(Error::input(
                format!("`--adopt {text}`: there is no conversation of Claude Code in that file"),
                "name a file `…/projects/DIRECTORY/ID.jsonl`, or an id alone",
            ))
        };
    }
    if !is_id(text) {
        return Err(Error::input(
            format!("`--adopt {text}`: a path or an id is expected"),
            "ids look like 01234567-89ab-cdef-0123-456789abcdef",
        ));
    }
    let mut found = Vec::new();
    for store in stores(site) {
        found.extend(find(&store, text).iter().map(|file| places::real(file)));
    }
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::input(
            format!("`--adopt {text}`: there is no conversation of that id here"),
            "your own lie in `~/.claude/projects`; a file can be named by its path",
        )),
        several => {
            let paths: Vec<String> = several.iter().map(|path| format!("`{}`", path.display())).collect();
            Err(Error::input(
                format!("`--adopt {text}`: there are {} conversations of that id", several.len()),
                format!("name one of these files: {}", paths.join(", ")),
            ))
        }
    }
}

/// Every `projects` directory here: the person's, those of the agents, and those kept of destroyed ones.
fn stores(site: &TypeSite<'_>) -> Vec<PathBuf> {
    let mut stores = Vec::new();
    stores.extend(UserClaude::find(site.caller.env).map(|user| user.dir.join("projects")));
    let layout = mng_core::hosts::Layout::new(site.caller.settings.host_dir().to_path_buf());
    for dir in [layout.agents(), layout.preserved()] {
        let agents = std::fs::read_dir(dir).into_iter().flatten().flatten();
        stores.extend(agents.map(|agent| agent.path().join(ISOLATED_DIR).join("projects")));
    }
    stores
}

/// Gives the agent the conversations of [`TypeSite::adopt`]; it continues the last one.
///
/// # Errors
/// One cannot be found or copied.
pub(crate) async fn adopt(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let Some(projects) = start::projects_dir(kind, site, record) else { return Ok(()) };
    let state_dir = site.host.layout.agent(&record.id);
    let work_dir =
        if site.host.is_local() { places::real(&record.work_dir) } else { record.work_dir.clone() };
    let own_folder = places::encoded_dir(&work_dir);
    let mut history = String::new();
    let mut last = None;
    for text in site.adopt {
        let session = resolve(site, text)?;
        let their_folder = session.parent().and_then(Path::file_name).unwrap_or_default();
        let folder = own_folder.as_ref().map_or(their_folder.into(), PathBuf::from);
        copy(site.host, &session, &projects.join(folder)).await?;
        if let Some(id) = session.file_stem().and_then(|stem| stem.to_str()) {
            history.push_str(&format!("{id} adopted\n"));
            last = Some(id.to_owned());
        }
    }
    if let Some(id) = last {
        let transport = &site.host.transport;
        transport.write(&state_dir.join("claude_session_id_history"), history.as_bytes(), 0o600).await?;
        transport.write(&state_dir.join("claude_session_id"), format!("{id}\n").as_bytes(), 0o600).await?;
    }
    Ok(())
}
