//! Claude Code as an agent type.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mng_core::Result;
use mng_core::agents::answer::{AnswerCommand, AnswerSite};
use mng_core::agents::input::Input;
use mng_core::agents::mirror::WatchedFile;
use mng_core::agents::output::HeadlessOutput;
use mng_core::agents::transcript::TranscriptSource;
use mng_core::agents::type_state::StateProbe;
use mng_core::agents::types::{AgentType, Launch, TypeCapabilities, TypeSite};
use mng_core::agents::usage::UsageSource;
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use serde_json::Value;

use crate::config::{Config, UpdatePolicy};
use crate::input::ClaudeInput;
use crate::state::ClaudeProbe;
use crate::stream::StreamOutput;
use crate::transcript::ClaudeTranscript;
use crate::usage::ClaudeUsage;
use crate::{ask, check, command, conversations, provision, start, state};

/// Which of the types it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Terminal,
    Headless,
    CodeGuardian,
    FixmeFairy,
}

impl Flavor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Terminal => "claude",
            Self::Headless => "headless_claude",
            Self::CodeGuardian => "code-guardian",
            Self::FixmeFairy => "fixme-fairy",
        }
    }
}

#[derive(Debug)]
pub(crate) struct ClaudeType {
    pub(crate) flavor: Flavor,
    pub(crate) config: Config,
}

impl ClaudeType {
    /// # Errors
    /// The table is malformed.
    pub(crate) fn build(flavor: Flavor, config: &Value) -> Result<Arc<dyn AgentType>> {
        Ok(Arc::new(Self { flavor, config: Config::read(flavor.name(), config)? }))
    }

    /// Nobody has asked the program to look for newer versions of itself.
    pub(crate) fn never_updates(&self) -> bool {
        self.config.own.update_policy.unwrap_or(UpdatePolicy::Never) == UpdatePolicy::Never
    }

    pub(crate) fn is_headless(&self) -> bool {
        self.flavor == Flavor::Headless
    }
}

#[async_trait]
impl AgentType for ClaudeType {
    fn name(&self) -> &str {
        self.flavor.name()
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities {
            headless: self.is_headless(),
            unattended: true,
            tracks_activity: !self.is_headless(),
            transcript: true,
            resume: !self.is_headless(),
        }
    }

    fn process_names(&self) -> Vec<String> {
        vec!["claude".into()]
    }

    fn blocked_marker(&self) -> Option<&'static str> {
        Some("permissions_waiting")
    }

    fn command_line(&self, launch: &Launch) -> Result<String> {
        command::command_line(self, launch)
    }

    async fn provision(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
        provision::provision(self, site, record).await
    }

    fn restart_command_line(&self, record: &AgentRecord) -> String {
        start::restart_command_line(self, record)
    }

    async fn check(&self, site: &TypeSite<'_>) -> Result<()> {
        check::check(self, site).await
    }

    async fn before_start(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        start::before_start(self, site, record).await
    }

    async fn adopt(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        conversations::adopt(self, site, record).await
    }

    fn takes_first_message(&self) -> bool {
        true
    }

    fn usage(&self) -> Option<Arc<dyn UsageSource>> {
        Some(Arc::new(ClaudeUsage))
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        state::WATCHED.to_vec()
    }

    fn is_ready(&self, state_dir: &Path) -> Option<bool> {
        (!self.is_headless()).then(|| state_dir.join("session_started").exists())
    }

    fn state_probe(&self) -> Option<Arc<dyn StateProbe>> {
        (!self.is_headless()).then(|| Arc::new(ClaudeProbe) as Arc<dyn StateProbe>)
    }

    fn input(&self) -> Option<Arc<dyn Input>> {
        let answers = self.config.own.sensibly_deal_with_dialogs.clone();
        (!self.is_headless()).then(|| Arc::new(ClaudeInput { answers }) as Arc<dyn Input>)
    }

    fn transcript(&self) -> Option<Arc<dyn TranscriptSource>> {
        Some(Arc::new(ClaudeTranscript { is_kept: self.config.own.emit_common_transcript }))
    }

    fn headless_output(&self) -> Box<dyn HeadlessOutput> {
        Box::new(StreamOutput::default())
    }

    fn answer(&self, site: &AnswerSite<'_>) -> Result<Option<AnswerCommand>> {
        if self.is_headless() { ask::answer(self, site).map(Some) } else { Ok(None) }
    }

    fn kept_items(&self) -> Vec<PathBuf> {
        if !self.config.own.preserve_sessions_on_destroy {
            return Vec::new();
        }
        let mut kept = vec!["claude_session_id_history".into(), "claude_session_id".into()];
        if self.config.own.isolate_local_config_dir {
            kept.push("plugin/claude/anthropic/projects".into());
        }
        kept
    }
}
