//! The session that an agent goes on with: recorded in its state dir, and made before the program's first
//! start, so that the program always opens it and the first message has a place.

use std::path::{Path, PathBuf};

use mng_core::Result;
use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;
use mng_core::model::time::Time;
use serde_json::{Value, json};

use crate::provision::data_home;

/// Holds the id of the session that was last in use; our plug-in keeps it up to date.
pub(crate) const ROOT_SESSION: &str = "opencode_root_session";

/// Sessions that the launch script imports, as the program exports them: `SESSION.json`.
pub(crate) const SEEDS: &str = "plugin/opencode/seed";

/// Makes sure that there is a session to start with.
///
/// # Errors
/// The state dir cannot be read or written.
pub(crate) async fn before_start(site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let transport = &site.host.transport;
    let state_dir = site.host.layout.agent(&record.id);
    let root = state_dir.join(ROOT_SESSION);
    let seeds = state_dir.join(SEEDS);
    let is_seeded = transport.list_dir(&seeds).await?.iter().any(|name| name.starts_with("ses_"));
    let is_recorded = transport.stat(&root).await?.is_some();
    let database = data_home(site, &state_dir).join("opencode/opencode.db");
    let is_there = transport.stat(&database).await?.is_some();
    if is_recorded && !is_there && !is_seeded {
        transport.remove_file(&root).await?;
        site.events.warning(format!(
            "the conversation of agent `{}` is gone (`{}` is missing); a new one begins",
            record.name,
            database.display()
        ));
    }
    if is_seeded || (is_recorded && is_there) {
        return Ok(());
    }
    let id = new_id();
    let session = empty(&id, &record.work_dir);
    transport.write_volatile(&seed_path(&seeds, &id), session.to_string().as_bytes(), 0o600).await
}

pub(crate) fn seed_path(seeds: &Path, id: &str) -> PathBuf {
    seeds.join(format!("{id}.json"))
}

/// Ids of sessions: `ses_` and 26 letters or digits.
fn new_id() -> String {
    let tail: String = (0..26).map(|_| fastrand::alphanumeric()).collect();
    format!("ses_{tail}")
}

/// A session without messages, as `opencode import` of 1.18.33 takes it. Its title is one that the program
/// replaces by its own once something was said.
fn empty(id: &str, work_dir: &Path) -> Value {
    let now = Time::now().timestamp();
    let milliseconds = now.as_millisecond();
    json!({
        "info": {
            "id": id,
            "slug": "mng",
            "projectID": "global",
            "directory": work_dir,
            "title": format!("New session - {now:.3}"),
            "version": "1.18.33",
            "time": { "created": milliseconds, "updated": milliseconds },
        },
        "messages": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_session_has_the_programs_shape() {
        let id = new_id();
        assert!(id.len() == 30 && id[4..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        let session = empty(&id, Path::new("/w"));
        let title = session["info"]["title"].as_str().unwrap();
        // The program knows its own default titles by this shape.
        assert!(
            title.starts_with("New session - 20") && title.ends_with('Z') && title.len() == 38,
            "{title}"
        );
        assert_eq!(session["info"]["directory"], "/w");
    }
}
