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
