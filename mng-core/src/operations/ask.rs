//! Asking a model how to use mng.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agents::answer::{AnswerCommand, AnswerSite};
use crate::model::error::{Error, ErrorClass, Result};
use crate::plugins::Ctx;
use crate::storage;
use crate::transports::{Chunk, ExecRequest, LocalTransport, Transport as _};

/// The type that answers.
const TYPE: &str = "headless_claude";
/// A model that has not come to its end by then will not.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of what the program complains about is kept, in bytes.
const COMPLAINT: usize = 16 * 1024;

#[derive(Clone, Debug)]
pub struct AskRequest {
    /// What the model is to know.
    pub system_prompt: String,
    pub question: String,
}

/// Asks, and hands on the text of the answer as it comes. No agent is made, and the directory that the program
/// works in is removed, however it ends.
///
/// # Errors
/// The program is missing, says that it failed, gives no answer, or takes too long.
pub async fn ask(ctx: &Ctx, request: &AskRequest, on_text: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
    let no_type = || {
        Error::hinted(
            ErrorClass::UnknownAgentType,
            format!("nobody is here to answer: `{TYPE}` is not part of this mng, or switched off"),
            "`mng help` lists all commands and topics",
        )
    };
    let name = TYPE.parse().map_err(|_| no_type())?;
    let agent_type = ctx.agent_type(&name).map_err(|_| no_type())?;
    let private = PrivateDir::make(ctx)?;
    let (work_dir, system_prompt) = (private.path.join("work"), private.path.join("system-prompt"));
    storage::create_private_dir(&work_dir)?;
    storage::write_volatile(&system_prompt, request.system_prompt.as_bytes(), 0o600)?;
    let site =
        AnswerSite { env: &ctx.env, dir: &private.path, work_dir: &work_dir, system_prompt: &system_prompt };
    let command = agent_type.answer(&site)?.ok_or_else(no_type)?;
    let mut reader = agent_type.headless_output();
    let mut complaint = Vec::new();
    let exec = ExecRequest::sh(command.script.clone(), command.args.clone())
        .cwd(work_dir.clone())
        .envs(command.env.clone())
        .stdin(request.question.as_bytes())
        .timeout(Some(LIMIT));
    let mut on_chunk = |chunk: Chunk| match chunk {
        Chunk::Stdout(bytes) => {
            let text = reader.take(&bytes);
            if !text.is_empty() {
                on_text(&text);
            }
        }
        Chunk::Stderr(bytes) => {
            complaint.extend_from_slice(&bytes);
            let surplus = complaint.len().saturating_sub(COMPLAINT);
            complaint.drain(..surplus);
        }
    };
    let ended = LocalTransport.exec_streaming(exec, &mut on_chunk).await;
    give_back(&command)?;
    let ended = ended?;
    if ended.is_timed_out {
        let seconds = LIMIT.as_secs();
        return Err(Error::plain(ErrorClass::CommandTimeout, format!("no answer within {seconds} s")));
    }
    let rest = reader.finish(&String::from_utf8_lossy(&complaint))?;
    if !rest.is_empty() {
        on_text(&rest);
    }
    Ok(())
}

/// Saves what the program has put in the place of a link.
fn give_back(command: &AnswerCommand) -> Result<()> {
    for (link, target) in &command.links {
        if std::fs::symlink_metadata(link).is_ok_and(|meta| meta.is_file())
            && let Some(bytes) = storage::read_optional(link)?
        {
            storage::write_atomic(target, &bytes, 0o600)?;
        }
    }
    Ok(())
}

/// A directory that nobody else can look into, removed when it is dropped.
struct PrivateDir {
    path: PathBuf,
}

impl PrivateDir {
    fn make(ctx: &Ctx) -> Result<Self> {
        let place = ctx.env.get_non_empty("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let name = format!("mng-ask-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let path = place.join(name);
        make_new(&path).map_err(|error| Error::io(format!("make `{}`", path.display()), error))?;
        Ok(Self { path })
    }
}

/// Unlike `create_private_dir`, fails if the path exists: others can write to the temporary directory.
fn make_new(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // The temporary directory is swept by the system as well.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_login_goes_to_the_person() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link"), dir.path().join("login"));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let command =
            AnswerCommand { links: vec![(link.clone(), target.clone())], ..AnswerCommand::default() };
        give_back(&command).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "new").unwrap();
        give_back(&command).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
    }
}
