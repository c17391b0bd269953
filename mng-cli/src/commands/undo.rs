//! `mng undo`

use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mng_core::model::{duration, shell};
use mng_core::operations::undo::{EntryView, Only, UndoReport, UndoRequest, entries, preview, undo};
use mng_core::plugins::Ctx;
use serde::Serialize;
use serde_json::Value;

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Cell, Out, Render, Table, Ui, to_json, with_event};

/// Bring back what was destroyed
///
/// Restores the newest destroy of this repository that was not undone yet, or the one named: the agent,
/// stopped, with its transcripts; its branch; its files, also untracked ones. Nothing is overwritten: a name
/// or branch that is taken meanwhile gets `-restored`. Values of environment variables are not kept. What
/// can be brought back expires after `rescue_keep` with `mng gc`.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng undo\n\nWhat there is, and one of it:\n$ mng undo --list\n$ mng undo alpha\n\nSee also: destroy, gc, start"
)]
pub(crate) struct UndoArgs {
    /// An undo id, or the name or id of the agent
    #[arg(value_name = "ID_OR_NAME", conflicts_with = "list")]
    what: Option<String>,

    /// Say what can be brought back, newest first
    #[arg(long)]
    list: bool,

    /// Bring back only this part
    #[arg(long, value_name = "PART", value_enum, ignore_case = true)]
    only: Option<Part>,

    /// Say what would come back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Agent,
    Branch,
    Files,
}

impl Part {
    fn only(part: Option<Self>) -> Only {
        match part {
            None => Only::All,
            Some(Self::Agent) => Only::Agent,
            Some(Self::Branch) => Only::Branch,
            Some(Self::Files) => Only::Files,
        }
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: UndoArgs) -> CliResult {
    if args.list {
        ui.result(&UndoList::new(entries(ctx).await?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let request = UndoRequest { what: args.what, only: Part::only(args.only) };
    if args.dry_run {
        let entry = preview(ctx, &request).await?;
        ui.result(&UndoDryRun { dry_run: true, entries: vec![entry], count: 1 })?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = ui.with_progress("Restoring", async |events| undo(ctx, request, &events).await).await?;
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for UndoReport {
    fn event(&self) -> &'static str {
        "undo_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if let Some(name) = &self.agent_name {
            out.line(format_args!("Restored agent: {name}"))?;
        }
        if let Some(branch) = &self.branch {
            out.line(format_args!("Restored branch: {branch}"))?;
        }
        if let Some(path) = &self.work_dir {
            out.line(format_args!("Restored work dir: {path}"))?;
        }
        for note in &self.notes {
            out.warning(format_args!("{note}"));
        }
        let Some(name) = &self.agent_name else { return Ok(()) };
        let name = shell::quote(name);
        if !self.missing_env.is_empty() {
            out.warning(format_args!(
                "values of variables were not kept: {}; give them again: mng provision {name} --env NAME=VALUE",
                self.missing_env.join(", ")
            ));
        }
        out.note(format_args!("it is stopped; to go on: mng start {name}"));
        Ok(())
    }

    fn rows(&self) -> Vec<Value> {
        vec![to_json(self)]
    }
}

/// What `--list` prints.
#[derive(Debug, Serialize)]
struct UndoList {
    entries: Vec<EntryView>,
    count: usize,
}

impl UndoList {
    fn new(entries: Vec<EntryView>) -> Self {
        Self { count: entries.len(), entries }
    }
}

impl Render for UndoList {
    fn event(&self) -> &'static str {
        "undo_list"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.entries.is_empty() {
            out.note(format_args!("nothing can be brought back"));
            return Ok(());
        }
        let mut table = Table::new(["ID", "AGENT", "DESTROYED", "EXPIRES", "BRANCH", "CHANGED", "FROM"]);
        for entry in &self.entries {
            table.row(cells(entry));
        }
        out.table(&table)
    }

    fn rows(&self) -> Vec<Value> {
        self.entries.iter().map(to_json).collect()
    }

    fn jsonl(&self) -> Vec<Value> {
        self.entries.iter().map(|entry| with_event("undo_entry", entry)).collect()
    }
}

fn cells(entry: &EntryView) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let expires = match entry.expires_in_seconds {
        0 => "with the next gc".to_owned(),
        seconds => format!("in {}", duration::human(Duration::from_secs(seconds))),
    };
    let agent = match (&entry.agent_name, entry.restored.is_empty()) {
        (None, _) => dash(),
        (Some(name), true) => name.clone(),
        (Some(name), false) => format!("{name} (is back)"),
    };
    [
        entry.undo_id.clone(),
        agent,
        format!("{} ago", duration::human(Duration::from_secs(entry.age_seconds))),
        expires,
        entry.branch.clone().unwrap_or_else(dash),
        entry.changed_files.to_string(),
        place(entry).unwrap_or_else(dash),
    ]
    .map(Cell::from)
    .into()
}

/// The repository as people call it, or where the agent worked.
fn place(entry: &EntryView) -> Option<String> {
    let repository = entry.repository.as_deref();
    let repository = repository.map(|path| path.strip_suffix("/.git").unwrap_or(path).to_owned());
    repository.or_else(|| entry.work_dir.clone())
}

/// What `--dry-run` prints.
#[derive(Debug, Serialize)]
struct UndoDryRun {
    dry_run: bool,
    entries: Vec<EntryView>,
    count: usize,
}

impl Render for UndoDryRun {
    fn event(&self) -> &'static str {
        "dry_run"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for entry in &self.entries {
            out.line(format_args!("Would restore undo entry {}:", entry.undo_id))?;
            if let Some(name) = &entry.agent_name {
                out.line(format_args!("  agent: {name}"))?;
            }
            if let Some(branch) = &entry.branch {
                out.line(format_args!("  branch: {branch}"))?;
            }
            if let Some(path) = entry.work_dir.as_ref().filter(|_| entry.has_files) {
                out.line(format_args!("  work dir: {path}"))?;
            }
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Value> {
        self.entries.iter().map(to_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::rendered;

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let report = UndoReport {
            undo_id: "0123abcd".into(),
            agent_id: Some("agent-1".into()),
            agent_name: Some("b1".into()),
            host_id: "host-1".into(),
            branch: Some("mng/b1".into()),
            work_dir: Some("/w/b1".into()),
            missing_env: vec!["API_TOKEN".into(), "OTHER".into()],
            notes: vec!["a merge was in progress: its files are back, the merge itself is not".into()],
        };
        insta::assert_snapshot!(rendered(&report), @"
        ---- stdout
        Restored agent: b1
        Restored branch: mng/b1
        Restored work dir: /w/b1
        ---- stderr
        WARNING: a merge was in progress: its files are back, the merge itself is not
        WARNING: values of variables were not kept: API_TOKEN, OTHER; give them again: mng provision b1 --env NAME=VALUE
        it is stopped; to go on: mng start b1
        ");
    }

    #[test]
    fn an_empty_list_is_no_error() {
        insta::assert_snapshot!(rendered(&UndoList::new(Vec::new())), @"
        ---- stdout
        ---- stderr
        nothing can be brought back
        ");
        assert_eq!(to_json(&UndoList::new(Vec::new()))["entries"], serde_json::json!([]));
    }
}
