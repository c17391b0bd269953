//! The same looks at this machine and at one that is treated like another.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::agents::judge::{Judgement, judge};
use crate::agents::mirror::FilePart;
use crate::agents::testing::{PrivateHost, block, eventually, here_and_far};
use crate::agents::type_state::{ProbeHandle, StateProbe, TypeLook, TypeState};
use crate::model::error::ErrorClass;
use crate::model::record::HostRecord;
use crate::model::state::AgentState;

fn probe(private: &PrivateHost, agents: Option<&[AgentId]>, usage: bool) -> HostFacts {
    let traits = |record: &AgentRecord| TypeTraits { is_known: true, ..TypeTraits::unknown(record) };
    let request = ProbeRequest {
        agents,
        usage,
        activity: true,
        resources: false,
        watched: &Vec::new,
        primary_window: "agent",
        traits: &traits,
    };
    block(probe_host(&private.host, &request)).unwrap()
}

fn judged(private: &PrivateHost, record: &AgentRecord) -> Judgement {
    let facts = probe(private, Some(std::slice::from_ref(&record.id)), false);
    judge(&facts.agents[0])
}

#[test]
fn an_empty_host_is_not_entered() {
    let private = PrivateHost::with_env([("PATH", "/nonexistent")]);
    let facts = probe(&private, None, false);
    assert!(facts.agents.is_empty() && facts.damaged.is_empty() && facts.is_locked == Some(false));
    assert!(facts.boot_time.unwrap() < facts.at);
}

here_and_far! {
    fn a_life_is_followed_from_start_to_stop(private) {
        let record = private.agent("a1", "while ! [ -e end ]; do sleep 0.02; done; exit 4");
        assert_eq!(judged(&private, &record).state, AgentState::Stopped);
        private.start(&record).unwrap();
        // From the very first moment on.
        assert_eq!(judged(&private, &record).state, AgentState::Running);
        eventually("it has its process", || judged(&private, &record).pid.is_some());
        let judgement = judged(&private, &record);
        assert_eq!((judgement.state, judgement.decided_by), (AgentState::Running, "launch"));
        fs::write(private.path("work/end"), "").unwrap();
        eventually("it is done", || judged(&private, &record).state == AgentState::Done);
        eventually("its exit code is told", || {
            judged(&private, &record).reason == "its program has ended with exit code 4"
        });
        // Again, by hand.
        fs::remove_file(private.path("work/end")).unwrap();
        private.tmux(&["send-keys", "-t", "=mng-a1:", "Up", "Enter"]);
        eventually("it runs again", || judged(&private, &record).state == AgentState::Running);
        block(async {
            crate::agents::stop_agent(&private.host, &private.lock().await, &record, Duration::from_secs(9))
                .await
        })
        .unwrap();
        assert_eq!(judged(&private, &record).state, AgentState::Stopped);
    }
}

here_and_far! {
    /// The original types the command into the shell and writes no launch file.
    fn an_agent_that_another_program_started_is_seen(private) {
        let record = private.agent("a1", "sleep 600");
        private.tmux(&["new-session", "-d", "-s", "mng-a1", "bash --norc"]);
        eventually("its shell waits", || judged(&private, &record).state == AgentState::Done);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "sleep 600", "Enter"]);
        eventually("it runs", || judged(&private, &record).state == AgentState::Running);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "C-c", ""]);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "tail -f /dev/null", "Enter"]);
        eventually("something else runs", || judged(&private, &record).pid.is_none());
    }
}

here_and_far! {
    fn damaged_and_half_made_agents_hide_nobody(private) {
        let good = private.agent("good", "sleep 600");
        let bad = private.agent("bad", "sleep 600");
        fs::write(private.host.layout.agent_record(&bad.id), "{\"id\":").unwrap();
        fs::create_dir(private.host.layout.agent(&AgentId::generate())).unwrap();
        fs::create_dir(private.host.layout.agents().join("not-an-agent")).unwrap();
        let facts = probe(&private, None, false);
        assert_eq!(facts.agents.iter().map(|agent| &agent.record.id).collect::<Vec<_>>(), [&good.id]);
        assert_eq!(facts.damaged.len(), 1);
        assert_eq!(facts.damaged[0].0, bad.id);
        assert_eq!(facts.damaged[0].1.class(), ErrorClass::CorruptedAgentData);
    }
}

#[test]
fn what_tmux_does_not_say_is_unknown() {
    let bin = tempfile::tempdir().unwrap();
    let private = PrivateHost::with_env([("PATH", bin.path().to_str().unwrap())]);
    let record = private.agent("a1", "sleep 600");
    let judgement = judged(&private, &record);
    assert_eq!(judgement.state, AgentState::Unknown);
    assert!(judgement.reason.starts_with("cannot see its session: "), "{}", judgement.reason);
}

here_and_far! {
    fn usage_is_measured_where_it_is_asked_for(private) {
        let record = private.agent("a1", "for i in $(seq 200000); do :; done; touch ready; sleep 600");
        let idle = private.agent("a2", "sleep 600");
        private.start(&record).unwrap();
        eventually("it has worked", || private.path("work/ready").exists());
        let facts = probe(&private, None, true);
        let of = |id: &AgentId| facts.agents.iter().find(|agent| &agent.record.id == id).unwrap().usage;
        assert_eq!(of(&idle.id), None);
        let usage = of(&record.id).unwrap();
        assert!(usage.cpu > Duration::from_millis(20), "{usage:?}");
        assert!(usage.memory > 500_000, "{usage:?}");
        assert_eq!(probe(&private, None, false).agents[0].usage, None);
    }
}

here_and_far! {
    fn a_held_lock_and_a_url_are_seen(private) {
        let record = private.agent("a1", "sleep 600");
        let status = private.host.layout.agent(&record.id).join("status");
        fs::create_dir(&status).unwrap();
        fs::write(status.join("url"), "http://localhost:8000\nsecond line\n").unwrap();
        let _held = block(private.lock());
        let facts = probe(&private, None, false);
        assert!(facts.is_locked == Some(true) && facts.locked_time.is_some());
        assert_eq!(facts.agents[0].url.as_deref(), Some("http://localhost:8000"));
    }
}

#[test]
fn the_boot_time_of_a_mac_is_read() {
    assert_eq!(read_boottime("{ sec = 1700000000, usec = 1234 } Tue Nov 14"), Some(1.7e9));
    assert_eq!(read_boottime(""), None);
}

#[test]
fn what_the_tmux_of_another_machine_does_not_say_is_unknown() {
    let bin = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let private = PrivateHost::far_with_env([("PATH", &path)]);
    let record = private.agent("a1", "sleep 600");
    let tmux = bin.path().join("tmux");
    fs::write(&tmux, "#!/bin/sh\necho 'server too busy' >&2; exit 1\n").unwrap();
    fs::set_permissions(&tmux, fs::Permissions::from_mode(0o755)).unwrap();
    let judgement = judged(&private, &record);
    assert_eq!(judgement.state, AgentState::Unknown);
    assert_eq!(judgement.reason, "cannot see its session: tmux on host `localhost` failed: server too busy");
    // One whose answer ends in the middle, as if the line were cut.
    fs::write(&tmux, "#!/bin/sh\nkill -9 $PPID\n").unwrap();
    let traits = |record: &AgentRecord| TypeTraits::unknown(record);
    let request = ProbeRequest {
        agents: None,
        usage: false,
        activity: true,
        resources: false,
        watched: &Vec::new,
        primary_window: "agent",
        traits: &traits,
    };
    let error = block(probe_host(&private.host, &request)).unwrap_err();
    assert_eq!(error.to_string(), "cannot look into host `localhost`: the answer was cut short");
}

/// Ages are those of the host's own clock, and its record and resources come in the same round trip.
#[test]
fn all_of_another_machine_comes_at_once() {
    let bin = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let private = PrivateHost::far_with_env([("PATH", &path)]);
    let date = bin.path().join("date");
    fs::write(&date, "#!/bin/sh\necho 4102444800.250000000\n").unwrap();
    fs::set_permissions(&date, fs::Permissions::from_mode(0o755)).unwrap();
    let record = HostRecord::new(private.host.info.id.clone(), "elsewhere");
    fs::write(private.host.layout.record(), serde_json::to_vec(&record).unwrap()).unwrap();
    let request = ProbeRequest {
        agents: None,
        usage: false,
        activity: true,
        resources: true,
        watched: &Vec::new,
        primary_window: "agent",
        traits: &TypeTraits::unknown,
    };
    let facts = block(probe_host(&private.host, &request)).unwrap();
    assert_eq!(facts.at.to_string(), "2100-01-01T00:00:00.250000Z");
    assert_eq!(facts.record.unwrap().unwrap().host_name.as_deref(), Some("elsewhere"));
    let resources = facts.resources.unwrap();
    assert!(resources.cpu_count.unwrap() > 0 && resources.memory_gb.unwrap() > 0.1, "{resources:?}");
    assert!(resources.disk_gb.unwrap() > 0.1, "{resources:?}");
    assert!(facts.uptime.unwrap() > Duration::ZERO);
}

/// Names with every letter, links, pipes and directories where files should be.
#[test]
fn hostile_files_of_another_machine_do_not_block_or_mislead() {
    let private = PrivateHost::far();
    let record = private.agent("a1", "sleep 600");
    let dir = private.host.layout.agent(&record.id);
    fs::create_dir_all(dir.join("w/a b")).unwrap();
    for name in ["w/good", "w/b\nad", "w/$(touch pwned)", "w/-n"] {
        fs::write(dir.join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", dir.join("w/zero")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(dir.join("status")).status().unwrap().success());
    assert!(std::process::Command::new("mkfifo").arg(dir.join("launch")).status().unwrap().success());
    let watched = || vec![WatchedFile::new("w/*", FilePart::Whole), WatchedFile::new("*", FilePart::Ends)];
    let request = ProbeRequest {
        agents: None,
        usage: false,
        activity: true,
        resources: false,
        watched: &watched,
        primary_window: "agent",
        traits: &|record| TypeTraits {
            probe: Some(ProbeHandle(Arc::new(Nothing))),
            ..TypeTraits::unknown(record)
        },
    };
    let mut mirrors = Mirrors::default();
    let facts = block(probe_host_into(&private.host, &request, &mut mirrors)).unwrap();
    assert_eq!(facts.agents.len(), 1);
    let shown = mirrors.state_dir(&private.host, &record.id).unwrap();
    let names = fs::read_dir(shown.join("w")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["-n", "good", "zero"]);
    assert_eq!(fs::read(shown.join("w/good")).unwrap(), b"x");
    assert_eq!(fs::metadata(shown.join("w/zero")).unwrap().len(), 0);
    assert!(!dir.join("pwned").exists() && !private.path("h/pwned").exists());
}

#[derive(Debug)]
struct Nothing;

impl StateProbe for Nothing {
    fn look(&self, _look: &mut TypeLook<'_>) -> Option<TypeState> {
        None
    }
}
