use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::hosts::Host;
use crate::model::ids::AgentId;
use crate::operations::fixture::{agent_at, block, context, host_at};

/// Makes a file that was last written so many days ago.
fn old_file(path: &Path, days: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    let then = SystemTime::now() - std::time::Duration::from_secs(days * 86_400 + 60);
    file.set_modified(then).unwrap();
}

fn sweep(host: &Host, kind: Kind, is_dry_run: bool) -> GcReport {
    let request = GcRequest { kinds: [kind].into(), is_dry_run, ..GcRequest::everything() };
    block(host::sweep(&context(), host, &request, &Events::none())).unwrap()
}

fn names(items: &[RemainsItem]) -> Vec<&str> {
    items.iter().map(|item| item.name.as_str()).collect()
}

#[test]
fn a_state_dir_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("h"));
    assert_eq!(sweep(&host, Kind::Log, false).total(), 0);
    assert!(!dir.path().join("h").exists());
}

#[test]
fn only_old_rotated_logs_go() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("events/logs/mng");
    for (name, days) in [
        ("events.jsonl", 90),
        ("events.jsonl.20260101000000000000", 31),
        ("events.jsonl.20261120000000000000", 29),
        ("notes.txt", 90),
    ] {
        old_file(&logs.join(name), days);
    }
    old_file(&dir.path().join("events/messages/events.jsonl.20260101"), 90);
    let host = host_at(dir.path());
    let dry = sweep(&host, Kind::Log, true);
    assert_eq!((dry.logs_destroyed.len(), fs::read_dir(&logs).unwrap().count()), (1, 4));
    assert!(!host.layout.lock().exists(), "looking takes no lock");
    let real = sweep(&host, Kind::Log, false);
    assert_eq!(real.logs_destroyed[0].path, logs.join("events.jsonl.20260101000000000000"));
    assert_eq!(fs::read_dir(&logs).unwrap().count(), 3);
    assert!(dir.path().join("events/messages/events.jsonl.20260101").exists(), "events are no logs");
}

#[test]
fn half_made_state_goes_and_what_may_be_under_way_stays() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(dir.path());
    let agent = agent_at(&host, "a");
    let killed = AgentId::generate();
    fs::create_dir_all(host.layout.tmp().join(killed.as_str())).unwrap();
    old_file(&host.layout.tmp().join("rsync-files-from-1.txt"), 0);
    old_file(&host.layout.tmp().join("rsync-files-from-2.txt"), 2);
    let hex = "0123456789abcdef0123456789abcdef";
    let state = host.layout.agent(&agent.record.id);
    old_file(&state.join(format!(".data.json.{hex}.tmp")), 2);
    old_file(&state.join(format!(".env.{hex}.tmp")), 0);
    old_file(&state.join(".mine.tmp"), 90);
    let report = sweep(&host, Kind::Remains, false);
    let data = format!(".data.json.{hex}.tmp");
    assert_eq!(names(&report.remains_destroyed), [killed.as_str(), "rsync-files-from-2.txt", data.as_str()]);
    assert!(state.join("data.json").exists() && state.join(".mine.tmp").exists());
    assert!(state.join(format!(".env.{hex}.tmp")).exists());
}

/// Writes the host's record with these registered work dirs.
fn register(host: &Host, dirs: &[&Path]) {
    let lock = block(host.lock(None, &Events::none())).unwrap();
    block(host.update_record(&lock, |record| {
        record.generated_work_dirs = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    }))
    .unwrap();
}

fn registered(host: &Host) -> Vec<std::path::PathBuf> {
    block(host.read_record()).unwrap().generated_work_dirs
}

#[test]
fn a_work_dir_that_no_agent_uses_goes_and_can_be_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("h"));
    let agent = agent_at(&host, "a");
    let unused = host.layout.worktrees().join("unused");
    fs::create_dir_all(&unused).unwrap();
    fs::write(unused.join("notes.txt"), "half a thought").unwrap();
    let gone = host.layout.worktrees().join("gone");
    register(&host, &[&agent.record.work_dir, &unused, &gone]);
    let dry = sweep(&host, Kind::WorkDir, true);
    assert_eq!(dry.work_dirs_destroyed.len(), 1);
    assert!(unused.exists() && registered(&host).len() == 3, "a dry run changes nothing");

    let real = sweep(&host, Kind::WorkDir, false);
    let paths: Vec<&Path> = real.work_dirs_destroyed.iter().map(|item| item.path.as_path()).collect();
    assert_eq!((paths, real.failures.len()), (vec![unused.as_path()], 0));
    assert_eq!(real.work_dirs_destroyed[0].size_bytes, 14);
    assert!(!unused.exists() && agent.record.work_dir.exists());
    assert_eq!(registered(&host), std::slice::from_ref(&agent.record.work_dir));
    let kept = block(crate::hosts::rescue::list(&host)).unwrap();
    assert_eq!(kept.len(), 1, "its content is kept for undo");
}

#[test]
fn a_record_that_cannot_be_read_keeps_every_work_dir() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("h"));
    let unused = host.layout.worktrees().join("unused");
    fs::create_dir_all(&unused).unwrap();
    register(&host, &[&unused]);
    let damaged = host.layout.agent(&AgentId::generate());
    old_file(&damaged.join("data.json"), 1);
    let report = sweep(&host, Kind::WorkDir, false);
    assert_eq!((report.total(), unused.exists()), (0, true));
}

#[test]
fn expired_undo_entries_go() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("h"));
    let unused = host.layout.worktrees().join("unused");
    fs::create_dir_all(&unused).unwrap();
    fs::write(unused.join("notes.txt"), "x").unwrap();
    register(&host, &[&unused]);
    sweep(&host, Kind::WorkDir, false);
    assert_eq!(sweep(&host, Kind::Undo, false).undo_expired.len(), 0, "it is young");
    let mut ctx = context();
    ctx.settings.core.rescue_keep = crate::settings::DurationText(std::time::Duration::ZERO);
    let request = GcRequest { kinds: [Kind::Undo].into(), ..GcRequest::everything() };
    let report = block(host::sweep(&ctx, &host, &request, &Events::none())).unwrap();
    assert_eq!(report.undo_expired.len(), 1);
    assert!(block(crate::hosts::rescue::list(&host)).unwrap().is_empty());
}

#[test]
fn a_destroy_that_was_killed_is_finished_unless_the_agent_runs() {
    use crate::agents::testing::{PrivateHost, eventually};
    let private = PrivateHost::new();
    let (stopped, running) = (private.agent("stopped", "true"), private.agent("running", "sleep 100"));
    for record in [&stopped, &running] {
        fs::write(private.host.layout.agent(&record.id).join("destroying"), "").unwrap();
    }
    private.tmux(&["new-session", "-d", "-s", "mng-running", "exec sleep 100"]);
    let ctx = context();
    let agent = super::super::resolve::ResolvedAgent { host: private.host.clone(), record: running.clone() };
    eventually("it runs", || {
        block(super::super::observe::look_at(&ctx, &agent)).unwrap().1.state.is_running_like()
    });
    let (events, mut heard) = Events::channel();
    let request = GcRequest { kinds: [Kind::Remains].into(), ..GcRequest::everything() };
    let report = block(host::sweep(&ctx, &private.host, &request, &events)).unwrap();
    assert_eq!(names(&report.remains_destroyed), ["stopped"]);
    assert!(!private.host.layout.agent(&stopped.id).exists());
    assert!(private.host.layout.agent(&running.id).exists());
    let mut warnings = Vec::new();
    while let Ok(event) = heard.try_recv() {
        if let Event::Warning(text) = event {
            warnings.push(text);
        }
    }
    assert_eq!(
        warnings,
        ["agent `running` was being destroyed and runs: `mng destroy running --force` ends it"]
    );
}

#[test]
fn a_clone_goes_when_nobody_needs_it_and_all_of_it_is_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_at(&dir.path().join("h"));
    let git = |at: &Path, args: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
            .args(args)
            .current_dir(at)
            .env("HOME", dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let origin = dir.path().join("origin");
    fs::create_dir_all(&origin).unwrap();
    git(&origin, &["init", "-q"]);
    git(&origin, &["commit", "-q", "--allow-empty", "-m", "one"]);
    let clone = host.layout.clones().join("repo");
    fs::create_dir_all(host.layout.clones()).unwrap();
    git(dir.path(), &["clone", "-q", origin.to_str().unwrap(), clone.to_str().unwrap()]);
    let remember = || {
        let lock = block(host.lock(None, &Events::none())).unwrap();
        block(host.update_record(&lock, |record| {
            record.plugin.insert("mng".into(), serde_json::json!({ "generated_source_dirs": [clone] }));
        }))
        .unwrap();
    };
    remember();
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "mine"]);
    assert_eq!(sweep(&host, Kind::WorkDir, false).total(), 0, "a commit is nowhere else");
    git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/pushed"]);
    fs::write(clone.join("untracked"), "x").unwrap();
    assert_eq!(sweep(&host, Kind::WorkDir, false).total(), 0, "a file is nowhere else");
    fs::remove_file(clone.join("untracked")).unwrap();
    let report = sweep(&host, Kind::WorkDir, false);
    assert_eq!((report.source_dirs_destroyed.len(), clone.exists()), (1, false));
    assert!(block(host.read_record()).unwrap().plugin.is_empty());
}
