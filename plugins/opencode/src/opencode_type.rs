//! OpenCode as an agent type.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mng_core::Result;
use mng_core::agents::input::Input;
use mng_core::agents::install::{Installer, Program};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::TranscriptSource;
use mng_core::agents::type_state::StateProbe;
use mng_core::agents::types::{AgentType, Launch, TypeCapabilities, TypeSite};
use mng_core::model::env_file::EnvVars;
use mng_core::model::record::AgentRecord;
use mng_core::model::shell::quote;

use crate::config::Config;
use crate::input::HttpInput;
use crate::probe::Probe;
use crate::transcript::Messages;
use crate::{provision, seed};

/// The script that provisioning writes, as the line names it.
const SCRIPT: &str = "sh \"$MNG_AGENT_STATE_DIR/commands/launch_opencode.sh\"";

#[derive(Debug)]
pub(crate) struct OpencodeType {
    pub(crate) config: Config,
}

impl OpencodeType {
    /// The program as shell text.
    fn base<'a>(&'a self, given: Option<&'a String>) -> &'a str {
        let base = given.or(self.config.command.as_ref()).map(|base| base.trim());
        base.filter(|base| !base.is_empty()).unwrap_or("opencode")
    }
}

#[async_trait]
impl AgentType for OpencodeType {
    fn name(&self) -> &str {
        "opencode"
    }

    fn capabilities(&self) -> TypeCapabilities {
        TypeCapabilities {
            headless: false,
            unattended: true,
            tracks_activity: true,
            transcript: true,
            resume: true,
        }
    }

    fn process_names(&self) -> Vec<String> {
        vec!["opencode".into()]
    }

    /// The complete line: the launch script, the program as shell text in one word, its arguments.
    fn command_line(&self, launch: &Launch) -> Result<String> {
        let mut line = format!("{SCRIPT} {}", quote(self.base(launch.command_override.as_ref())));
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
        let data = Path::new(provision::DATA).join("opencode");
        let mut kept: Vec<PathBuf> = vec![seed::ROOT_SESSION.into()];
        for name in ["opencode.db", "opencode.db-wal", "opencode.db-shm", "storage"] {
            kept.push(data.join(name));
        }
        kept
    }

    async fn check(&self, site: &TypeSite<'_>) -> Result<()> {
        let own = &self.config.own;
        if !own.check_installation {
            return Ok(());
        }
        let program = Program {
            title: "OpenCode",
            agent_type: "opencode",
            binary: "opencode",
            home_path: Some(".opencode/bin/opencode"),
            command: self.config.command.as_deref(),
            version: own.version.as_deref(),
            installer: Installer::Script {
                address: "https://opencode.ai/install",
                version_variable: Some("VERSION"),
            },
        };
        program.ensure(site).await
    }

    async fn provision(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<EnvVars> {
        provision::provision(&self.config.own, site, record).await
    }

    async fn before_start(&self, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        seed::before_start(site, record).await
    }

    fn takes_first_message(&self) -> bool {
        true
    }

    fn state_probe(&self) -> Option<Arc<dyn StateProbe>> {
        Some(Arc::new(Probe))
    }

    fn input(&self) -> Option<Arc<dyn Input>> {
        Some(Arc::new(HttpInput))
    }

    fn transcript(&self) -> Option<Arc<dyn TranscriptSource>> {
        Some(Arc::new(Messages { is_kept: self.config.own.emit_common_transcript }))
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new("opencode_ready", FilePart::Time)]
    }

    fn is_ready(&self, state_dir: &Path) -> Option<bool> {
        Some(state_dir.join("opencode_ready").exists())
    }

    fn blocked_marker(&self) -> Option<&'static str> {
        Some("permissions_waiting")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(config: serde_json::Value, launch: &Launch) -> String {
        OpencodeType { config: Config::read(&config).unwrap() }.command_line(launch).unwrap()
    }

    #[test]
    fn every_word_is_quoted() {
        assert_eq!(
            line(json!({}), &Launch::default()),
            "sh \"$MNG_AGENT_STATE_DIR/commands/launch_opencode.sh\" opencode"
        );
        let launch = Launch { command_override: None, args: vec!["--model".into(), "a b/$c".into()] };
        assert_eq!(
            line(json!({"command": "my opencode", "cli_args": ["--agent", "'x y'"]}), &launch),
            "sh \"$MNG_AGENT_STATE_DIR/commands/launch_opencode.sh\" 'my opencode' --agent 'x y' --model 'a b/$c'"
        );
    }

    #[test]
    fn conversations_outlive_the_agent_where_that_is_wanted() {
        let kept = |config| OpencodeType { config: Config::read(&config).unwrap() }.kept_items();
        assert!(kept(json!({})).contains(&"plugin/opencode/data/opencode/opencode.db-wal".into()));
        assert!(kept(json!({"preserve_on_destroy": false})).is_empty());
    }

    #[test]
    fn a_version_is_checked_before_it_reaches_an_installer() {
        assert!(Config::read(&json!({"version": "1.18.33"})).is_ok());
        let error = Config::read(&json!({"version": "1; rm -rf /"})).unwrap_err();
        assert_eq!(error.to_string(), "`agent_types.opencode.version`: `1; rm -rf /` is no version");
    }
}
