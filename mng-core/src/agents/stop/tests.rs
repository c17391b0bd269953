//! Stops against real processes that do their best to stay.

use std::collections::HashSet;
use std::fs;
use std::time::Instant;

use super::*;
use crate::agents::processes::{ProcessTable, mark_of};
use crate::agents::testing::{PrivateHost, block, eventually, here_and_far};
use crate::model::ids::AgentId;

/// Pids of live processes that run a program by this name with a mark of this host dir, or whose number a
/// test has written to a file in its work dir.
fn alive(private: &PrivateHost, pids: &[i32]) -> Vec<i32> {
    let table = block(ProcessTable::read(&private.host)).unwrap();
    pids.iter().copied().filter(|pid| table.get(*pid).is_some_and(|process| !process.is_zombie)).collect()
}

/// The pids that programs have written to the file `pids` in the work dir, once there are `count`.
fn pids(private: &PrivateHost, count: usize) -> Vec<i32> {
    let read = || -> Vec<i32> {
        private.read("work/pids").lines().filter_map(|line| line.trim().parse().ok()).collect()
    };
    eventually("all programs run", || read().len() >= count);
    read()
}

fn stop(private: &PrivateHost, record: &AgentRecord, grace: Duration) -> Vec<Failure> {
    block(async { stop_agent(&private.host, &private.lock().await, record, grace).await }).unwrap()
}

const LONG: Duration = Duration::from_secs(20);

/// Detached, orphaned twice, immune to hang-ups, without the mark.
const STUBBORN: &str = r"echo $$ >>pids
    setsid nohup sh -c 'echo $$ >>pids; exec sleep 999' >/dev/null 2>&1 &
    (setsid sh -c '(sh -c '\''echo $$ >>pids; exec sleep 999'\'' &)' &)
    env -i sh -c 'echo $$ >>pids; exec /bin/sleep 999' &
    exec sleep 999";

here_and_far! {
    fn nothing_of_an_agent_stays(private) {
        let mut record = private.agent("a1", STUBBORN);
        record.additional_commands = vec![crate::model::record::ExtraWindow {
            command: "(sh -c 'echo $$ >>pids; exec sleep 999' &); exec sleep 999".into(),
            window_name: None,
        }];
        let other = private.agent("a2", "sh -c 'echo $$ >other; exec sleep 999'");
        private.start(&other).unwrap();
        eventually("the other agent runs", || private.read("work/other").ends_with('\n'));
        private.start(&record).unwrap();
        let running = pids(&private, 5);
        assert_eq!(alive(&private, &running).len(), 5);
        let start = Instant::now();
        assert_eq!(stop(&private, &record, LONG), []);
        assert!(start.elapsed() < LONG / 2, "nobody made us wait: {:?}", start.elapsed());
        assert_eq!(alive(&private, &running), [] as [i32; 0]);
        assert_eq!(private.tmux(&["list-sessions", "-F", "#{session_name}"]), "mng-a2\n");
        let other_pid: i32 = private.read("work/other").trim().parse().unwrap();
        assert_eq!(alive(&private, &[other_pid]), [other_pid]);
        if let Some(groups) = groups(&private.host) {
            assert!(!groups.of(&record.id).exists());
        }
        assert_eq!(stop(&private, &record, LONG), [], "and again, for nothing");
    }
}

#[test]
fn nothing_stays_where_there_are_no_control_groups() {
    let private = PrivateHost::new();
    let record = private.agent("a1", STUBBORN);
    private.start(&record).unwrap();
    let running = pids(&private, 4);
    let failures = block(async {
        let sessions = Tmux::on(&private.host).sessions().await.unwrap();
        let mut hunt = hunt_for(&private.host, &record, sessions.iter().next()).await.unwrap();
        hunt.groups = None;
        hunt.end(LONG).await.unwrap()
    });
    assert_eq!(failures, []);
    assert_eq!(alive(&private, &running), [] as [i32; 0]);
    assert!(private.tmux(&["list-sessions"]).is_empty());
}

here_and_far! {
    fn a_program_may_end_in_its_own_way(private) {
        let record = private.agent(
            "a1",
            "trap 'sleep 0.3; echo bye >farewell; exit 5' TERM; echo $$ >>pids; while :; do sleep 0.02; done",
        );
        private.start(&record).unwrap();
        pids(&private, 1);
        assert_eq!(stop(&private, &record, LONG), []);
        assert_eq!(private.read("work/farewell"), "bye\n");
        let launch = private.read(private.host.layout.agent(&record.id).join(LAUNCH_FILE));
        assert_eq!(LaunchFile::read(&launch).exit_code, Some(5));
    }
}

here_and_far! {
    fn who_does_not_end_is_killed_after_the_grace(private) {
        let record = private.agent("a1", "trap '' TERM HUP; echo $$ >>pids; while :; do sleep 0.02; done");
        private.start(&record).unwrap();
        let running = pids(&private, 1);
        let grace = Duration::from_millis(400);
        let start = Instant::now();
        assert_eq!(stop(&private, &record, grace), []);
        assert!(start.elapsed() >= grace);
        assert_eq!(alive(&private, &running), [] as [i32; 0]);
    }
}

here_and_far! {
    fn a_stopped_program_is_woken_to_end(private) {
        let record = private.agent("a1", "echo $$ >>pids; kill -STOP $$; sleep 600");
        private.start(&record).unwrap();
        let running = pids(&private, 1);
        let start = Instant::now();
        assert_eq!(stop(&private, &record, LONG), []);
        assert!(start.elapsed() < LONG / 2);
        assert_eq!(alive(&private, &running), [] as [i32; 0]);
    }
}

here_and_far! {
    fn processes_that_multiply_are_caught(private) {
        let record = private.agent(
            "a1",
            "spawn() { trap '' TERM; while :; do (setsid sleep 0.5 &); sleep 0.02; done; }; (spawn &); echo $$ >>pids; sleep 600",
        );
        private.start(&record).unwrap();
        pids(&private, 1);
        assert_eq!(stop(&private, &record, Duration::from_millis(300)), []);
        assert_eq!(block(crate::agents::processes::Marked::read(&private.host)).unwrap().marks, []);
    }
}

here_and_far! {
    /// A tmux server that the agent starts by itself lives in its tree and carries its mark.
    fn a_tmux_server_and_its_other_sessions_are_spared(private) {
        let nested = private.path("nested");
        fs::create_dir(&nested).unwrap();
        let inner = format!("env MNG_AGENT_ID={} sh -c 'echo $$ >>pids; exec sleep 999'", AgentId::generate());
        let command = format!(
            "TMUX= TMUX_TMPDIR={} tmux -f /dev/null new-session -d -s other {} && echo $$ >>pids && exec sleep 999",
            nested.display(),
            crate::model::shell::quote(&inner)
        );
        let record = private.agent("a1", &command);
        private.start(&record).unwrap();
        let running: HashSet<i32> = pids(&private, 2).into_iter().collect();
        assert_eq!(stop(&private, &record, LONG), []);
        let left = alive(&private, &running.into_iter().collect::<Vec<_>>());
        assert_eq!(left.len(), 1, "the other agent's process stays");
        assert!(mark_of(left[0]).is_some_and(|mark| mark.agent != record.id));
        let ended = std::process::Command::new("tmux")
            .env("TMUX_TMPDIR", &nested)
            .env_remove("TMUX")
            .arg("kill-server")
            .status()
            .unwrap();
        assert!(ended.success(), "its server lives");
    }
}

here_and_far! {
    fn an_agent_whose_server_was_killed_is_ended_too(private) {
        let record =
            private.agent("a1", "trap '' HUP; (setsid sh -c 'echo $$ >>pids; exec sleep 999' &); sleep 999");
        private.start(&record).unwrap();
        let running = pids(&private, 1);
        private.tmux(&["kill-server"]);
        assert_eq!(alive(&private, &running), running);
        assert_eq!(stop(&private, &record, LONG), []);
        assert_eq!(alive(&private, &running), [] as [i32; 0]);
    }
}

here_and_far! {
    fn leftovers_are_ended_before_the_next_start(private) {
        let record = private.agent("a1", "(setsid sh -c 'echo $$ >>pids; exec sleep 999' &); sleep 999");
        private.start(&record).unwrap();
        let first = pids(&private, 1);
        private.tmux(&["kill-server"]);
        private.start_with(&record, |request| request.is_new = false).unwrap();
        let second = pids(&private, 2);
        assert_eq!(alive(&private, &first), [] as [i32; 0]);
        assert_eq!(alive(&private, &second[1..]), second[1..]);
    }
}

here_and_far! {
    fn another_agents_session_of_the_same_name_stays(private) {
        let first = private.agent("a1", "echo $$ >>pids; exec sleep 999");
        private.start(&first).unwrap();
        let running = pids(&private, 1);
        let second = private.agent("a1", "sleep 999");
        assert_eq!(stop(&private, &second, LONG), []);
        assert_eq!(alive(&private, &running), running);
        assert_eq!(private.tmux(&["list-sessions"]).lines().count(), 1);
    }
}

here_and_far! {
    fn strays_are_those_whose_record_is_provably_gone(private) {
        let kept = private.agent("kept", "(setsid sh -c 'echo $$ >>pids; exec sleep 999' &); sleep 999");
        let gone = private.agent("gone", "(setsid sh -c 'echo $$ >>pids; exec sleep 999' &); sleep 999");
        let made = private.agent("made", "(setsid sh -c 'echo $$ >>pids; exec sleep 999' &); sleep 999");
        for record in [&kept, &gone, &made] {
            private.start(record).unwrap();
        }
        let running = pids(&private, 3);
        assert_eq!(block(strays(&private.host)).unwrap(), []);
        let layout = &private.host.layout;
        // Damaged is not gone, and neither is half made.
        fs::write(layout.agent_record(&kept.id), "{").unwrap();
        fs::create_dir_all(layout.journal()).unwrap();
        fs::write(layout.journal().join(format!("{}.json", made.id)), "{}").unwrap();
        for id in [&gone.id, &made.id] {
            fs::remove_dir_all(layout.agent(id)).unwrap();
        }
        let found = block(strays(&private.host)).unwrap();
        assert!(found.iter().all(|stray| stray.agent == gone.id), "{found:?}");
        assert!(found.iter().any(|stray| running.contains(&stray.process.pid)), "{found:?}");
        let failures =
            block(async { end_strays(&private.host, &private.lock().await, &found, LONG).await }).unwrap();
        assert_eq!(failures, []);
        assert_eq!(block(strays(&private.host)).unwrap(), []);
        assert_eq!(alive(&private, &running).len(), 2);
        let sessions = private.tmux(&["list-sessions", "-F", "#{session_name}"]);
        assert_eq!(sessions, "mng-kept\nmng-made\n");
        fs::rename(layout.agents(), private.path("elsewhere")).unwrap();
        fs::remove_dir_all(layout.journal()).unwrap();
        assert_eq!(block(strays(&private.host)).unwrap(), [], "no agents directory proves nothing");
    }
}
