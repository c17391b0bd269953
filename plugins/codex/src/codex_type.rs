//! The agent type `codex`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mng_core::agents::input::Input;
use mng_core::agents::mirror::WatchedFile;
use mng_core::agents::sight::Sight;
use mng_core::agents::transcript::TranscriptSource;
use mng_core::agents::type_state::StateProbe;
use mng_core::agents::types::{AgentType, Launch, TypeCapabilities, TypeSite};
use mng_core::agents::usage::UsageSource;
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, Result};

use crate::config::Config;
use crate::evidence::CodexInput;
use crate::home::{AgentFiles, HOME, ROOT_SESSION};
use crate::probe::{self, CodexProbe};
use crate::transcript::CodexTranscript;
use crate::usage::CodexUsage;
use crate::{adopt, install, launch, provision, trust};

/// Codex in its terminal UI.
#[derive(Debug)]
pub(crate) struct CodexType {
    config: Config,
}

impl CodexType {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }

    /// Where codex refuses to set up its sandbox: every command of the model would fail.
    fn check_place(&self, site: &TypeSite<'_>) -> Result<()> {
        if self.config.is_full_access() || !site.host.is_local() {
            return Ok(());
        }
        let set = site.env.get("TMPDIR").or_else(|| site.caller.env.get_non_empty("TMPDIR"));
        let temp = trust::canonical(Path::new(set.unwrap_or("/tmp")));
        let root = trust::canonical(site.host.layout.root());
        if !root.starts_with(&temp) {
            return Ok(());
        }
        Err(Error::input(
            format!(
                "codex cannot run commands in its sandbox when its home lies below `{}`, as `{}` does",
                temp.display(),
                root.display()
            ),
            "move the state directory with `MNG_HOST_DIR`, or set \
             `agent_types.codex.sandbox_mode = \"danger-full-access\"`",
        ))
    }
}

/// A home of the person's choice would hide the agent's conversations from us.
fn check_env(site: &TypeSite<'_>) -> Result<()> {
    match site.env.get("CODEX_HOME") {
        Some(home) if !Path::new(home).ends_with(HOME) => Err(Error::input(
            "an agent of type `codex` has a `CODEX_HOME` of its own",
            "leave the variable out; `agent_types.codex.config_overrides` changes the agent's configuration",
        )),
        _ => Ok(()),
    }
}

#[async_trait]
impl AgentType for CodexType {
    fn name(&self) -> &str {
        "codex"
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities {
            unattended: true,
            tracks_activity: true,
            transcript: true,
            resume: true,
            ..TypeCapabilities::default()
        }
    }

    fn process_names(&self) -> Vec<String> {
        vec!["codex".to_owned()]
    }

    fn command_line(&self, launch: &Launch) -> Result<String> {
        Ok(launch::line(&self.config, launch))
    }

    fn kept_items(&self) -> Vec<PathBuf> {
        if !self.config.own.preserve_on_destroy {
            return Vec::new();
        }
        vec![Path::new(HOME).join("sessions"), PathBuf::from(ROOT_SESSION)]
    }

    async fn check(&self, site: &TypeSite<'_>) -> Result<()> {
        check_env(site)?;
        self.check_place(site)?;
        adopt::resolve(site)?;
        install::ensure(&self.config, site).await?;
        trust::ensure(&self.config, site).await
    }

    async fn provision(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
        provision::provision(&self.config, site, record).await
    }

    async fn before_start(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        // The launch script reads what is written down here. Nobody may have looked since the last message,
        // and at another machine a look writes nothing down.
        let mut sight = Sight::of(&record.id, probe::WATCHED.to_vec());
        sight.refresh(site.host).await?;
        let seen = sight.dir(site.host);
        let files = AgentFiles(&seen);
        match (probe::find_front(files), probe::recorded_thread(files)) {
            (Some(found), _) => {
                let state_dir = site.host.layout.agent(&record.id);
                for (path, line) in probe::to_record(AgentFiles(&state_dir), &seen, &found) {
                    site.host.transport.write_volatile(&path, line.as_bytes(), 0o600).await?;
                }
            }
            (None, Some(thread)) => site.events.warning(format!(
                "conversation {thread} of agent {} is gone: it starts a new one",
                record.name
            )),
            (None, None) => {}
        }
        Ok(())
    }

    async fn adopt(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        adopt::adopt(site, record).await
    }

    fn takes_first_message(&self) -> bool {
        true
    }

    fn state_probe(&self) -> Option<Arc<dyn StateProbe>> {
        Some(Arc::new(CodexProbe))
    }

    fn input(&self) -> Option<Arc<dyn Input>> {
        Some(Arc::new(CodexInput))
    }

    fn transcript(&self) -> Option<Arc<dyn TranscriptSource>> {
        Some(Arc::new(CodexTranscript { is_kept: self.config.own.emit_common_transcript }))
    }

    fn usage(&self) -> Option<Arc<dyn UsageSource>> {
        Some(Arc::new(CodexUsage))
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        probe::WATCHED.to_vec()
    }

    fn is_ready(&self, state_dir: &Path) -> Option<bool> {
        probe::is_ready(state_dir)
    }
}
