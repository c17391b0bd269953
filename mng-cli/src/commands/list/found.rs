//! What was found, and what could not be.

use mng_core::model::error::Subject;
use mng_core::model::time::Time;
use mng_core::operations::list::{AgentView, ErrorRow, Part};
use mng_core::operations::resolve::ResolveError;
use mng_core::{Error, Result};

use super::view::View;
use crate::args::OnError;
use crate::exit::ExitCode;
use crate::ui::{Style, Ui};

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// To be printed.
    pub(super) agents: Vec<AgentView>,
    pub(super) errors: Vec<ErrorRow>,
    pub(super) warnings: Vec<String>,
    /// Every agent and host seen, for the completion cache.
    pub(super) names: Vec<String>,
    pub(super) hosts: Vec<String>,
    /// Agents that passed, printed ones included.
    pub(super) count: usize,
    /// Which of the names asked for were seen.
    is_seen: Vec<bool>,
}

impl Found {
    /// Takes over what one provider has and drops what was not asked for.
    ///
    /// # Errors
    /// The first failure, if it is to end the listing.
    pub(super) fn take(&mut self, view: &View, part: Part) -> Result<()> {
        self.errors.extend(part.errors);
        if view.on_error == OnError::Abort
            && let Some(index) = self.errors.iter().position(|row| row.is_counted)
        {
            return Err(self.errors.swap_remove(index).error);
        }
        self.hosts.extend(part.hosts.iter().map(|host| host.view.name.to_string()));
        let now = Time::now();
        for agent in part.agents {
            if view.is_whole() {
                self.names.push(agent.record.name.to_string());
            } else if !self.is_named(view, &agent) || !view.filter.keeps(&agent, now, &mut self.warnings) {
                continue;
            }
            self.count += 1;
            self.agents.push(agent);
        }
        Ok(())
    }

    fn is_named(&mut self, view: &View, agent: &AgentView) -> bool {
        let Some(named) = &view.named else { return true };
        self.is_seen.resize(named.len(), false);
        let mut is_meant = false;
        for (address, is_seen) in named.iter().zip(&mut self.is_seen) {
            if agent.is_meant_by(address) {
                *is_seen = true;
                is_meant = true;
            }
        }
        is_meant
    }

    /// Error rows for names that were asked for and are nobody's.
    pub(super) fn add_unmatched(&mut self, view: &View) {
        let named = view.named.as_deref().unwrap_or_default();
        self.is_seen.resize(named.len(), false);
        let missing: Vec<_> = named.iter().zip(&self.is_seen).filter(|(_, is_seen)| !**is_seen).collect();
        for (address, _) in missing {
            let error = ResolveError::NotFound {
                targets: vec![address.to_string()],
                is_by_id: address.is_by_id(),
                is_pinned: false,
                asked: Vec::new(),
                damaged: 0,
            };
            self.errors.push(ErrorRow::new(error.into()));
        }
    }
}

/// 0 unless somebody who was asked for could not be listed; 6 if all of those did not answer, else 1.
pub(super) fn exit_code(errors: &[ErrorRow]) -> ExitCode {
    let mut counted = errors.iter().filter(|row| row.is_counted).peekable();
    if counted.peek().is_none() {
        ExitCode::SUCCESS
    } else if counted.all(|row| row.is_provider_inaccessible) {
        ExitCode::new(6)
    } else {
        ExitCode::OTHER
    }
}

/// The block of errors on standard error. Json has them in its object, jsonl a line for each.
pub(super) fn show_errors(ui: &mut Ui, errors: &[ErrorRow]) -> Result<(), Error> {
    if ui.is_json() || errors.is_empty() {
        return Ok(());
    }
    if ui.is_jsonl() {
        return errors.iter().try_for_each(|row| ui.event("error", row));
    }
    let console = ui.console();
    console.line(&crate::ui::paint("Errors:", Style::Error, console.has_colours()));
    for row in errors.iter().filter(|row| row.is_counted) {
        console.line(&format!("  {}", line(row)));
    }
    Ok(())
}

/// `docker: cannot reach … — start the daemon (disable: mng config set …)`.
fn line(row: &ErrorRow) -> String {
    let is_of_host = row.subject.host_id.is_some();
    let mut line = match &row.subject {
        Subject { agent_id: Some(agent), .. } => format!("{agent}: "),
        // The message names it.
        Subject { host_id: Some(_), .. } if row.is_provider_inaccessible => String::new(),
        Subject { host_id: Some(host), .. } => format!("{host}: "),
        Subject { provider_name: Some(provider), .. } => format!("{provider}: "),
        Subject { .. } => String::new(),
    };
    line.push_str(&row.error.to_string());
    for cause in row.error.causes() {
        line.push_str(": ");
        line.push_str(&cause);
    }
    if let Some(hint) = row.error.hint() {
        line.push_str(" \u{2014} ");
        line.push_str(&hint);
    }
    if let (true, Some(provider)) = (row.is_provider_inaccessible && !is_of_host, &row.subject.provider_name)
    {
        line.push_str(&format!(
            " (disable: mng config set --scope user providers.{provider}.is_enabled false)"
        ));
    }
    line
}
