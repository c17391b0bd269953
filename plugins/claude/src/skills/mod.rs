//! The skills of the agent types that are Claude Code with one skill.

use std::path::Path;

use mng_core::Result;
use mng_core::hosts::Host;

use crate::claude_type::{ClaudeType, Flavor};

impl ClaudeType {
    /// Name and text of the skill that comes with the type.
    pub(crate) fn skill(&self) -> Option<(&'static str, &'static str)> {
        match self.flavor {
            Flavor::CodeGuardian => Some(("code-guardian", include_str!("code-guardian.md"))),
            Flavor::FixmeFairy => Some(("fixme-fairy", include_str!("fixme-fairy.md"))),
            Flavor::Terminal | Flavor::Headless => None,
        }
    }
}

/// Writes the type's skill into the agent's own directory, in place of one of the person's of that name.
///
/// # Errors
/// It cannot be written.
pub(crate) async fn install(kind: &ClaudeType, host: &Host, config_dir: &Path) -> Result<()> {
    let Some((name, text)) = kind.skill() else { return Ok(()) };
    let dir = config_dir.join("skills").join(name);
    // A link to the person's skill: writing through it would change theirs.
    if host
        .transport
        .stat(&dir)
        .await?
        .is_some_and(|stat| stat.kind == mng_core::transports::FileKind::Symlink)
    {
        host.transport.remove_file(&dir).await?;
    }
    host.transport.write_volatile(&dir.join("SKILL.md"), text.as_bytes(), 0o600).await
}
