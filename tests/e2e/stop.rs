//! Stop ends everything that the agent started, and nothing else.

use std::fs;

use mng_tests::{TestEnv, processes_carrying, processes_matching};

/// A number of seconds that no other test sleeps for, so that its processes can be told by their arguments.
fn unique_sleep() -> String {
    format!("9{:06}.{}", fastrand::u32(..1_000_000), std::process::id())
}

#[test]
fn a_double_forked_process_ends_with_its_agent() {
    let env = TestEnv::new();
    let stray = unique_sleep();
    let program = format!("sh -c 'setsid nohup sleep {stray} & exec sleep {stray}'");
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", &program]).success();
    env.eventually("both processes run", |_| processes_matching(&format!("sleep {stray}")).len() >= 2);
    let id = env.agent_id("a1");
    env.mng("stop a1").success();
    assert!(processes_matching(&stray).is_empty(), "{:?}", processes_matching(&stray));
    assert!(env.processes_of(&id).is_empty(), "{:?}", env.processes_of(&id));
    assert!(!env.has_session("mng-a1"));
}

#[test]
fn an_orphan_without_the_mark_in_its_environment_ends_too() {
    let env = TestEnv::new();
    let stray = unique_sleep();
    // Cleared environment, own session, parent gone: only a cgroup still knows whose it is.
    let program = format!("sh -c '(env -i setsid sleep {stray} &) ; exec sleep 1000'");
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", &program]).success();
    env.eventually("the orphan runs", |_| !processes_matching(&stray).is_empty());
    let has_cgroup = fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| text.contains("cgroup2"))
        && rustix_is_root();
    env.mng("stop a1").success();
    if has_cgroup {
        assert!(processes_matching(&stray).is_empty(), "{:?}", processes_matching(&stray));
    }
    for process in processes_matching(&stray) {
        process.kill();
    }
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

#[test]
fn a_program_that_ignores_term_is_killed_after_the_grace() {
    let env = TestEnv::new();
    let program = "trap '' TERM HUP; echo armed; while :; do sleep 0.1; done";
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", program]).success();
    env.eventually("the trap is set", |env| env.screen("mng-a1").contains("armed"));
    let id = env.agent_id("a1");
    let run = env.mng("stop a1 -S stop_grace_seconds=1").success();
    assert!(run.elapsed.as_secs_f64() < 10.0, "it took {:?}", run.elapsed);
    assert!(env.processes_of(&id).is_empty());
}

#[test]
fn a_program_that_tidies_up_on_term_gets_the_time_to() {
    let env = TestEnv::new();
    let program =
        "trap 'sleep 0.5; echo tidy > tidied; exit 0' TERM; echo armed; while :; do sleep 0.1; done";
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", program]).success();
    env.eventually("the trap is set", |env| env.screen("mng-a1").contains("armed"));
    env.mng("stop a1").success();
    assert_eq!(env.work_dir("a1").read("tidied"), "tidy\n");
}

#[test]
fn stop_keeps_uncommitted_work() {
    let env = TestEnv::new();
    env.create("alpha");
    env.work_dir("alpha").write("notes.txt", "half a thought");
    env.mng("stop alpha").success().prints("Stopped agent: alpha").prints("Successfully stopped 1 agent(s)");
    env.eventually("alpha has no session", |env| !env.has_session("mng-alpha"));
    assert_eq!(env.work_dir("alpha").read("notes.txt"), "half a thought");
    assert_eq!(env.work_dir("alpha").branch(), "mng/alpha");
}

#[test]
fn a_name_that_begins_another_stops_only_itself() {
    let env = TestEnv::new();
    env.create("foo-bar");
    env.create("foo-bar-2");
    // `foo` has no session: a prefix match would end the others.
    env.create("foo");
    env.mng("stop foo").success();
    env.mng("stop foo").success();
    assert_eq!(env.sessions(), ["mng-foo-bar", "mng-foo-bar-2"]);
}

#[test]
fn stopping_a_stopped_agent_succeeds_and_an_unknown_one_fails() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    env.mng("stop a1").success();
    env.mng("stop a1 nobody").exits(1).says(&["nobody"]);
    env.mng("stop").exits(2);
}

#[test]
fn an_unknown_name_beside_a_known_one_stops_nothing() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1 nobody").exits(1).says(&["nobody"]);
    assert!(env.has_session("mng-a1"));
}

#[test]
fn stop_all_takes_done_agents_too() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("create a2 --type command --no-connect -- true").success();
    env.create("a3");
    env.mng("stop a3").success();
    env.eventually("a2 is done", |env| env.state_of("a2") == "DONE");
    let report = env.mng("stop --all --format json").success().json();
    let mut stopped: Vec<&str> =
        report["stopped_agents"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    stopped.sort_unstable();
    assert_eq!(stopped, ["a1", "a2"]);
    assert_eq!(report["count"], 2);
    assert_eq!(report["failure_count"], 0);
    assert_eq!(env.sessions(), Vec::<String>::new());
}

#[test]
fn a_dry_run_changes_nothing_and_says_so_in_json() {
    let env = TestEnv::new();
    env.create("a1");
    let plan = env.mng("stop a1 --dry-run --format json").success().json();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["agents"][0]["name"], "a1");
    assert_eq!(plan["count"], 1);
    assert!(env.has_session("mng-a1"));
    env.mng("stop a1 --dry-run").success().prints("Would stop:").prints("a1");
}

#[test]
fn stop_takes_a_session_name_and_names_from_stdin() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("stop --session mng-a1").success();
    assert_eq!(env.sessions(), ["mng-a2"]);
    env.mng("stop --session other-a2").exits(1);
    env.command("stop -").stdin("\n a2 \n\n").run().success();
    assert_eq!(env.sessions(), Vec::<String>::new());
    let nothing = env.command("stop -").stdin("").run().success();
    assert_eq!(nothing.stdout, "");
}

#[test]
fn stop_with_archive_labels_the_agent_and_start_takes_the_label_away() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1 --archive").success();
    let at = env.record("a1")["labels"]["archived_at"].as_str().unwrap().to_owned();
    assert!(at.ends_with("+00:00"), "{at}");
    assert_eq!(env.mng("list --active --ids").success().stdout, "");
    env.mng("start a1").success();
    assert!(env.record("a1")["labels"].get("archived_at").is_none());
}

#[test]
fn the_local_host_is_not_stopped() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1 --stop-host").exits(1).says(&["local host"]);
    assert!(env.has_session("mng-a1"));
}

/// An agent that creates agents is no owner of them: ending it must not end theirs, also when the tmux server
/// was first started from inside it.
#[test]
fn an_agent_created_by_an_agent_outlives_it() {
    let env = TestEnv::new();
    let (server, inner_sleep) = (env.root().join("t2"), unique_sleep());
    fs::create_dir(&server).unwrap();
    let program = format!(
        "env -u TMUX TMUX_TMPDIR={} mng create inner --type command --no-connect --transfer none -- sleep {inner_sleep}; \
         echo created; sleep 1000",
        server.display()
    );
    env.mng_args(&["create", "outer", "--type", "command", "--no-connect", "--", &program]).success();
    env.eventually("the inner agent runs", |_| !processes_matching(&inner_sleep).is_empty());
    env.eventually("create has ended", |env| env.screen("mng-outer").contains("created"));
    env.mng("stop outer").success();
    assert!(!processes_matching(&inner_sleep).is_empty(), "stopping `outer` ended `inner`");
    let on_server = |line: &str| env.command(line).env("TMUX_TMPDIR", &server).run();
    on_server("list").success().prints("inner");
    on_server("stop inner").success();
    assert!(processes_matching(&inner_sleep).is_empty());
    on_server("destroy inner --force").success();
    let _ = env.bash(&format!("TMUX_TMPDIR={} tmux kill-server", server.display())).run();
}

/// Two state directories on one machine: an agent id in the environment is not enough to call a process ours.
#[test]
fn processes_of_another_state_directory_are_left_alone() {
    let env = TestEnv::new();
    env.create("a1");
    let (id, foreign) = (env.agent_id("a1"), unique_sleep());
    let line = format!("MNG_AGENT_ID={id} MNG_HOST_DIR=/somewhere/else exec sleep {foreign}");
    let other = env.bash(&line).spawn();
    env.eventually("the foreign process runs", |_| {
        processes_carrying("MNG_AGENT_ID", &id).iter().any(|process| process.command.contains(&foreign))
    });
    env.mng("stop a1").success();
    env.mng("gc").success();
    assert!(!processes_matching(&foreign).is_empty(), "a process of another state directory was ended");
    other.signal(rustix::process::Signal::KILL);
    let _ = other.wait();
}
