//! pi as an agent type.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mng_core::Result;
use mng_core::agents::input::Input;
use mng_core::agents::install::{Installer, Program};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::TranscriptSource;
use mng_core::agents::types::{AgentType, Launch, TypeCapabilities, TypeSite};
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::model::shell::quote;

use crate::config::Config;
use crate::input::InboxInput;
use crate::transcript::Sessions;
use crate::{adopt, provision};

pub(crate) const NAME: &str = "pi-coding";

/// The script that provisioning writes, as the line names it.
const SCRIPT: &str = "sh \"$MNG_AGENT_STATE_DIR/commands/launch_pi.sh\"";

#[derive(Debug)]
pub(crate) struct PiType {
    pub(crate) config: Config,
}

#[async_trait]
impl AgentType for PiType {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities {
            headless: false,
            unattended: true,
            tracks_activity: true,
            transcript: true,
            resume: self.config.own.resume_session,
        }
    }

    fn process_names(&self) -> Vec<String> {
        vec!["pi".into()]
    }

    /// The complete line: the launch script, the program as shell text in one word, its arguments.
    fn command_line(&self, launch: &Launch) -> Result<String> {
        let base = launch.command_override.as_ref().or(self.config.command.as_ref());
        let base = base.map(|base| base.trim()).filter(|base| !base.is_empty()).unwrap_or("pi");
        let mut line = format!("{SCRIPT} {}", quote(base));
        // What the settings say is shell text; what the person typed are words.
        let settings = self.config.cli_args.iter().map(|arg| arg.as_str().into());
        for word in settings.chain(launch.args.iter().map(|arg| quote(arg))) {
            line.push(' ');
            line.push_str(&word);
        }
        Ok(line)
    }

    fn kept_items(&self) -> Vec<PathBuf> {
        if !self.config.own.preserve_on_destroy {
            return Vec::new();
        }
        vec![provision::SESSIONS.into(), provision::SESSION_FILE.into()]
    }

    async fn check(&self, site: &TypeSite<'_>) -> Result<()> {
        for text in site.adopt {
            adopt::resolve(site, text)?;
        }
        let own = &self.config.own;
        if !own.check_installation {
            return Ok(());
        }
        let program = Program {
            title: "pi",
            agent_type: NAME,
            binary: "pi",
            home_path: None,
            command: self.config.command.as_deref(),
            version: own.version.as_deref(),
            installer: Installer::Npm { package: "@earendil-works/pi-coding-agent" },
        };
        program.ensure(site).await
    }

    async fn provision(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
        provision::provision(&self.config.own, site, record).await
    }

    async fn adopt(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        adopt::adopt(site, record).await
    }

    /// Our extension hands it over itself.
    fn takes_first_message(&self) -> bool {
        true
    }

    fn input(&self) -> Option<Arc<dyn Input>> {
        Some(Arc::new(InboxInput))
    }

    fn transcript(&self) -> Option<Arc<dyn TranscriptSource>> {
        Some(Arc::new(Sessions { is_kept: self.config.own.emit_common_transcript }))
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new("pi_session_started", FilePart::Time)]
    }

    fn is_ready(&self, state_dir: &Path) -> Option<bool> {
        Some(state_dir.join("pi_session_started").exists())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_is_quoted() {
        let line = |config, args: &[&str]| {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let launch = Launch { command_override: None, args };
            PiType { config: Config::read(&config).unwrap() }.command_line(&launch).unwrap()
        };
        assert_eq!(line(json!({}), &[]), "sh \"$MNG_AGENT_STATE_DIR/commands/launch_pi.sh\" pi");
        assert_eq!(
            line(json!({"command": "my pi", "cli_args": ["--model", "'x y'"]}), &["--thinking", "$a b"]),
            "sh \"$MNG_AGENT_STATE_DIR/commands/launch_pi.sh\" 'my pi' --model 'x y' --thinking '$a b'"
        );
    }

    #[test]
    fn what_the_program_cannot_do_is_refused() {
        let error = Config::read(&json!({"auto_allow_permissions": false})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`agent_types.pi-coding.auto_allow_permissions` cannot be false: pi runs its tools without asking"
        );
        assert!(Config::read(&json!({"version": "1 2"})).is_err());
    }
}
