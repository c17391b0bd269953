//! What `--dry-run` prints, the same for every command over agents.

use std::io;

use mng_core::operations::resolve::ResolvedAgent;
use serde::Serialize;
use serde_json::Value;

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui};

/// The agents that a command would act on.
#[derive(Debug, Serialize)]
pub(crate) struct DryRun {
    dry_run: bool,
    agents: Vec<DryRunAgent>,
    count: usize,
    #[serde(skip)]
    title: String,
}

#[derive(Debug, Serialize)]
struct DryRunAgent {
    id: String,
    name: String,
    host_id: String,
    host_name: String,
    provider: String,
    /// Null where nobody had to look.
    state: Option<String>,
}

impl DryRun {
    /// `title` is the human heading, such as `Would stop:`.
    pub(crate) fn new(title: impl Into<String>, agents: &[ResolvedAgent]) -> Self {
        Self::with_states(title, agents.iter().map(|agent| (agent, None)))
    }

    /// As [`DryRun::new`], with what each agent is doing.
    pub(crate) fn with_states<'a>(
        title: impl Into<String>,
        agents: impl IntoIterator<Item = (&'a ResolvedAgent, Option<String>)>,
    ) -> Self {
        let agents: Vec<DryRunAgent> = agents
            .into_iter()
            .map(|(agent, state)| DryRunAgent {
                id: agent.record.id.to_string(),
                name: agent.record.name.to_string(),
                host_id: agent.host.info.id.to_string(),
                host_name: agent.host.info.name.to_string(),
                provider: agent.host.info.provider.to_string(),
                state,
            })
            .collect();
        Self { dry_run: true, count: agents.len(), agents, title: title.into() }
    }

    /// Prints it and ends the command well.
    pub(crate) fn show(&self, ui: &mut Ui) -> CliResult {
        ui.result(self)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Render for DryRun {
    fn event(&self) -> &'static str {
        "dry_run"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("{}", self.title))?;
        for agent in &self.agents {
            out.line(format_args!("  - {} (on host {})", agent.name, agent.host_id))?;
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Value> {
        self.agents.iter().map(crate::ui::to_json).collect()
    }
}
