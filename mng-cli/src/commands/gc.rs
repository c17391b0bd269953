//! `mng gc`

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use clap::Args;
use mng_core::model::event::Events;
use mng_core::model::names::ProviderName;
use mng_core::model::printing::size;
use mng_core::operations::discover::Scope;
use mng_core::operations::gc::{GcReport, GcRequest, Kind, WorkDirItem, gc};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde_json::Value;

use crate::args::OnError;
use crate::exit::{CliResult, ExitCode};
use crate::follow::until_interrupted;
use crate::ui::{Out, Progress, Render, Ui, with_event};

/// Remove what nobody needs any more
///
/// Removes work dirs that mng made and no agent uses, what killed commands left half-made, processes of
/// agents that are gone, rotated logs, caches, and undo data older than `rescue_keep`. Each host is looked at
/// under its lock. What would be lost with a work dir is kept for `mng undo` first. What is unknown is never
/// taken for unused.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng gc --dry-run\n\nOnly leftover work dirs:\n$ mng gc --work-dirs\n\nSee also: destroy, undo, resource_cleanup"
)]
pub(crate) struct GcArgs {
    /// Only clean this provider's hosts; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "all_providers")]
    provider: Vec<String>,

    /// Clean all active providers, which is the default
    #[arg(long)]
    all_providers: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Whether the first failure ends the clean-up
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnError::Abort, ignore_case = true)]
    on_error: OnError,

    /// Clean again every so many seconds, until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", value_parser = crate::args::seconds)]
    watch: Option<Duration>,

    #[command(flatten)]
    kinds: KindArgs,
}

/// Without any of these, everything is cleaned.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Only these kinds")]
struct KindArgs {
    /// Everything that belongs to agents and hosts
    #[arg(long)]
    all_agent_resources: bool,

    /// Work dirs that no agent uses, and clones they were made from
    #[arg(long)]
    work_dirs: bool,

    /// What killed commands left half-made
    #[arg(long)]
    remains: bool,

    /// Processes of agents that are gone
    #[arg(long)]
    processes: bool,

    /// Idle hosts without agents
    #[arg(long)]
    machines: bool,

    /// Snapshots of destroyed hosts
    #[arg(long)]
    snapshots: bool,

    /// Volumes that belong to no host
    #[arg(long)]
    volumes: bool,

    /// Rotated logs older than 30 days
    #[arg(long)]
    logs: bool,

    /// Build caches of providers
    #[arg(long)]
    build_cache: bool,

    /// Undo data older than `rescue_keep`
    #[arg(long)]
    undo: bool,
}

impl KindArgs {
    fn kinds(self) -> BTreeSet<Kind> {
        const OF_AGENTS: [Kind; 6] =
            [Kind::Process, Kind::Remains, Kind::WorkDir, Kind::Machine, Kind::Snapshot, Kind::Volume];
        let asked = [
            (self.work_dirs, Kind::WorkDir),
            (self.remains, Kind::Remains),
            (self.processes, Kind::Process),
            (self.machines, Kind::Machine),
            (self.snapshots, Kind::Snapshot),
            (self.volumes, Kind::Volume),
            (self.logs, Kind::Log),
            (self.build_cache, Kind::BuildCache),
            (self.undo, Kind::Undo),
        ];
        let mut kinds: BTreeSet<Kind> =
            asked.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, kind)| kind).collect();
        if self.all_agent_resources {
            kinds.extend(OF_AGENTS);
        }
        if kinds.is_empty() { Kind::ALL.into_iter().collect() } else { kinds }
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: GcArgs) -> CliResult {
    let providers = args.provider.iter().map(|name| name.parse::<ProviderName>());
    let request = GcRequest {
        scope: Scope::of(providers.collect::<Result<Vec<_>, _>>()?),
        kinds: args.kinds.kinds(),
        is_dry_run: args.dry_run,
        is_aborting: args.on_error == OnError::Abort,
    };
    let Some(pause) = args.watch else { return once(ui, ctx, &request).await };
    if ui.is_json() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "`--watch` does not go with json, which is one object",
            "use `--format jsonl`",
        ));
    }
    let again = async {
        loop {
            once(ui, ctx, &request).await?;
            tokio::time::sleep(pause).await;
        }
    };
    until_interrupted(again, true).await?;
    Ok(ExitCode::SUCCESS)
}

async fn once(ui: &mut Ui, ctx: &Ctx, request: &GcRequest) -> CliResult {
    let work = async |events: Events| gc(ctx, request, &events).await;
    let report = ui.with_items(Progress::new("Cleaning").infos_in_jsonl(), work, show_item).await?;
    ui.result(&report)?;
    Ok(ExitCode::new(report.exit_code))
}

/// One thing that went or would go, as soon as it is known.
fn show_item(ui: &mut Ui, item: Value) -> Result<(), Error> {
    if ui.is_jsonl() {
        return ui.json_line(&item);
    }
    match item["message"].as_str() {
        Some(message) if ui.is_human() => ui.human(|out| out.line(format_args!("{message}"))),
        _ => Ok(()),
    }
}

impl Render for GcReport {
    fn event(&self) -> &'static str {
        "summary"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let title = if self.dry_run { "Garbage Collection (Dry Run)" } else { "Garbage Collection Results" };
        if self.total() > 0 {
            out.blank()?;
        }
        out.line(format_args!("{title}"))?;
        out.line(format_args!("{}", "=".repeat(40)))?;
        let counts = [
            ("Stray processes", self.processes_destroyed.len()),
            ("Remains of killed commands", self.remains_destroyed.len()),
        ];
        for (name, count) in counts {
            if count > 0 {
                out.line(format_args!("{name}: {count}"))?;
            }
        }
        dirs(out, "Work directories", &self.work_dirs_destroyed, self.dry_run)?;
        dirs(out, "Source directories", &self.source_dirs_destroyed, self.dry_run)?;
        let counts = [
            ("Machines", self.machines_destroyed.len()),
            ("Machine records", self.machines_deleted.len()),
            ("Snapshots", self.snapshots_destroyed.len()),
            ("Volumes", self.volumes_destroyed.len()),
        ];
        for (name, count) in counts {
            if count > 0 {
                out.line(format_args!("{name}: {count}"))?;
            }
        }
        for (name, files) in [("Logs", &self.logs_destroyed), ("Build cache", &self.build_cache_destroyed)] {
            if !files.is_empty() {
                let bytes = files.iter().map(|file| file.size_bytes).sum();
                out.line(format_args!("{name}: {} ({})", files.len(), freed(bytes, self.dry_run)))?;
            }
        }
        for (name, count) in [
            ("Provider resources", self.provider_resources_destroyed.len()),
            ("Expired undo entries", self.undo_expired.len()),
        ] {
            if count > 0 {
                out.line(format_args!("{name}: {count}"))?;
            }
        }
        match (self.total(), self.dry_run) {
            (0, _) => out.line(format_args!("No resources found to destroy"))?,
            (total, false) => out.line(format_args!("Destroyed {total} resource(s) total"))?,
            (total, true) => out.line(format_args!("Would destroy {total} resource(s) total"))?,
        }
        out.failures(&self.failures)
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![with_event("summary", &self.summary())]
    }
}

fn dirs(out: &mut Out<'_>, name: &str, dirs: &[WorkDirItem], is_dry_run: bool) -> io::Result<()> {
    if dirs.is_empty() {
        return Ok(());
    }
    let local = dirs.iter().filter(|dir| dir.is_local).count();
    let bytes = dirs.iter().map(|dir| dir.size_bytes).sum();
    out.line(format_args!("{name}: {} ({local} local, {})", dirs.len(), freed(bytes, is_dry_run)))
}

fn freed(bytes: u64, is_dry_run: bool) -> String {
    let verb = if is_dry_run { "would free" } else { "freed" };
    format!("{verb} {}", size(bytes))
}

#[cfg(test)]
mod tests {
    use mng_core::model::failure::{Failure, FailureCategory};
    use mng_core::operations::gc::{FileItem, ProcessItem};
    use serde_json::json;

    use super::*;
    use crate::ui::testing::rendered;
    use crate::ui::to_json;

    fn report() -> GcReport {
        let host = format!("host-{:0>32}", 1);
        let dir = |path: &str| WorkDirItem {
            path: path.into(),
            size_bytes: 12_288,
            host_id: host.parse().unwrap(),
            provider_name: ProviderName::stored("local"),
            is_local: true,
            created_at: None,
        };
        GcReport {
            work_dirs_destroyed: vec![dir("/h/worktrees/a"), dir("/h/worktrees/b")],
            logs_destroyed: vec![FileItem { path: "/h/x.1".into(), size_bytes: 5, created_at: None }],
            processes_destroyed: vec![ProcessItem {
                pid: 4711,
                name: "sleep".into(),
                agent_id: "agent-1".into(),
                host_id: host.parse().unwrap(),
                provider_name: ProviderName::stored("local"),
            }],
            ..GcReport::default()
        }
    }

    #[test]
    fn what_a_person_reads() {
        insta::assert_snapshot!(rendered(&report()), @r"
        ---- stdout

        Garbage Collection Results
        ========================================
        Stray processes: 1
        Work directories: 2 (2 local, freed 24.0 KB)
        Logs: 1 (freed 5 B)
        Destroyed 4 resource(s) total
        ---- stderr
        ");
        insta::assert_snapshot!(rendered(&GcReport { dry_run: true, ..GcReport::default() }), @r"
        ---- stdout
        Garbage Collection (Dry Run)
        ========================================
        No resources found to destroy
        ---- stderr
        ");
        let failure = Failure::new(FailureCategory::LocalStateRemains, "cannot remove `/h/x`: disk on fire");
        let failed = GcReport { failures: vec![failure], dry_run: true, ..report() };
        insta::assert_snapshot!(rendered(&failed), @r"
        ---- stdout

        Garbage Collection (Dry Run)
        ========================================
        Stray processes: 1
        Work directories: 2 (2 local, would free 24.0 KB)
        Logs: 1 (would free 5 B)
        Would destroy 4 resource(s) total
        ---- stderr
        WARNING: 1 cleanup failure(s) remain:
          - [LOCAL_STATE_REMAINS] cannot remove `/h/x`: disk on fire
        ");
    }

    #[test]
    fn the_json_contract() {
        let keys: Vec<String> = to_json(&report()).as_object().unwrap().keys().cloned().collect();
        insta::assert_snapshot!(keys.join(" "), @"processes_destroyed remains_destroyed work_dirs_destroyed source_dirs_destroyed machines_destroyed machines_deleted snapshots_destroyed volumes_destroyed logs_destroyed build_cache_destroyed provider_resources_destroyed undo_expired errors failures failure_count exit_code dry_run");
        insta::assert_snapshot!(to_json(&report().work_dirs_destroyed[0]), @r#"{"path":"/h/worktrees/a","size_bytes":12288,"host_id":"host-00000000000000000000000000000001","provider_name":"local","is_local":true,"created_at":null}"#);
        insta::assert_snapshot!(report().jsonl()[0], @r#"{"event":"summary","total_count":4,"total_size_bytes":24581,"work_dirs_count":2,"source_dirs_count":0,"machines_count":0,"machine_record_count":0,"snapshots_count":0,"volumes_count":0,"logs_count":1,"build_cache_count":0,"provider_resources_count":0,"processes_count":1,"remains_count":0,"undo_count":0,"errors_count":0,"errors":[],"failures":[],"dry_run":false}"#);
    }

    #[test]
    fn an_item_is_a_line_for_people_and_an_object_for_programs() {
        let item = json!({"event": "destroyed", "message": "Destroyed log: /x", "resource_type": "log"});
        let (mut ui, screen) = crate::ui::testing::ui();
        show_item(&mut ui, item.clone()).unwrap();
        ui.set_format(crate::ui::Format::Jsonl);
        show_item(&mut ui, item.clone()).unwrap();
        ui.set_format(crate::ui::Format::Json);
        show_item(&mut ui, item).unwrap();
        insta::assert_snapshot!(screen.stdout(), @r#"
        Destroyed log: /x
        {"event":"destroyed","message":"Destroyed log: /x","resource_type":"log"}
        "#);
    }

    #[test]
    fn kinds_restrict() {
        assert_eq!(KindArgs::default().kinds().len(), Kind::ALL.len());
        let kinds = KindArgs { logs: true, undo: true, ..KindArgs::default() }.kinds();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [Kind::Log, Kind::Undo]);
    }
}
