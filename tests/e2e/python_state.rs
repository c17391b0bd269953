//! State directories of the Python original: ours lists, messages, stops, starts, renames and destroys what
//! stands in them, and leaves them readable for the original.

use mng_tests::{PythonTree, TestEnv};

/// A program that is no shell: the original's own rules call a loop of its shell DONE.
const ECHO: &str = "sed -u s/^/got:/";

#[test]
fn its_agents_are_listed_with_their_states() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let started = tree.agent_in_worktree("started", "sleep 1000");
    let _ = tree.agent_in_worktree("stopped", "sleep 1000");
    let in_place = tree.agent_in_place("in-place", "sleep 1001", env.repo().path());
    tree.start(&started);
    tree.start(&in_place);
    env.eventually("both are seen running", |env| {
        env.state_of("started") == "RUNNING" && env.state_of("in-place") == "RUNNING"
    });
    let listed = env.listed();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed["stopped"]["state"], "STOPPED");
    assert_eq!(listed["started"]["id"], started.id.as_str());
    assert_eq!(listed["started"]["host"]["id"], tree.host_id.as_str());
    assert_eq!(listed["started"]["host"]["name"], "localhost", "`@local` is its older spelling");
    assert_eq!(listed["started"]["labels"]["project"], "repo");
    assert_eq!(listed["started"]["command"], "sleep 1000");
    assert_eq!(listed["started"]["create_time"], "2026-11-22T13:31:00.712323Z");
    env.mng("list --include 'type == \"command\" || type == \"generic\"' --ids").success();
    tree.assert_readable_by_the_original();
}

#[test]
fn a_program_that_ended_is_done() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a1", "true");
    tree.start(&agent);
    env.eventually("it is done", |env| env.state_of("a1") == "DONE");
}

#[test]
fn messages_connections_stop_and_start() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a1", ECHO);
    tree.start(&agent);
    env.eventually("it runs", |env| env.state_of("a1") == "RUNNING");
    env.mng_args(&["message", "a1", "-m", "hello $(touch x)"]).success();
    env.eventually("it arrives", |env| {
        env.mng("capture a1").success().stdout.contains("got:hello $(touch x)")
    });
    let exec = env.mng("exec a1 'echo $GREETING'").success();
    assert_eq!(exec.stdout, "hello there\n", "its env file is read as a shell reads it");
    let terminal = env.terminal("connect a1");
    env.eventually("attached", |env| !env.tmux(&["list-clients", "-t", "=mng-a1:"]).is_empty());
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    env.mng("stop a1").success();
    assert!(!env.has_session("mng-a1"));
    assert!(env.processes_of(&agent.id).is_empty());
    env.mng("start a1").success();
    env.eventually("it runs again", |env| env.state_of("a1") == "RUNNING");
    env.mng_args(&["message", "a1", "-m", "again"]).success();
    env.eventually("it arrives", |env| env.mng("capture a1").success().stdout.contains("got:again"));
    tree.assert_readable_by_the_original();
    assert_eq!(env.record("a1")["type"], "generic", "the original knows no other word for it");
}

#[test]
fn destroy_takes_its_worktree_and_keeps_its_branch() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a1", "sleep 1000");
    let in_place = tree.agent_in_place("in-place", "sleep 1001", env.repo().path());
    tree.start(&agent);
    tree.start(&in_place);
    env.repo_at(&agent.work_dir).write("untracked", "x");
    let users = env.repo().status();
    env.mng("destroy a1 in-place --force").success();
    assert!(!agent.work_dir.exists());
    assert!(!agent.state_dir.exists());
    assert!(env.repo().has_branch("mng/a1-local"));
    assert!(env.repo().has("README.md"), "the directory of an agent in place is the user's");
    assert_eq!(env.repo().status(), users);
    assert_eq!(tree.host_record()["generated_work_dirs"], serde_json::json!([]));
    assert!(env.sessions().is_empty());
    tree.assert_readable_by_the_original();
    env.mng("undo a1").success();
    assert_eq!(env.work_dir("a1").read("untracked"), "x");
}

#[test]
fn what_ours_writes_beside_its_agents_stays_readable() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let _ = tree.agent_in_worktree("theirs", "sleep 1000");
    env.create("ours");
    env.mng("create from-url --type command --no-connect -- sleep 1000 --help").success();
    let upstream = env.new_repo("upstream");
    env.mng(&format!(
        "create cloned --type command --no-connect --from file://{} -- sleep 1000",
        upstream.path().display()
    ))
    .success();
    env.mng("label theirs ours -l x=y").success();
    env.mng("rename theirs renamed").success();
    env.mng("limit renamed --start-on-boot").success();
    env.mng("limit --host localhost --idle-timeout 2h").success();
    env.mng("stop ours").success();
    env.mng("destroy from-url --force").success();
    env.mng("gc").success();
    tree.assert_readable_by_the_original();
    let host = tree.host_record();
    assert_eq!(host["host_id"], tree.host_id.as_str());
    assert_eq!(host["idle_timeout_seconds"], 7200);
    assert!(!env.state_dir().join("volumes").exists(), "the original's gc deletes what stands there");
    assert!(!env.state_dir().join("hosts").exists(), "the original takes it for volumes");
}

/// Names that only the original allowed: tmux turns dots and colons of a session name into underscores.
#[test]
fn a_name_that_tmux_rewrites_is_found() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a.b", "sleep 1000");
    env.tmux(&["new-session", "-d", "-s", "mng-a_b", "-c", &agent.work_dir.to_string_lossy(), "sleep 1000"]);
    env.eventually("it is running", |env| env.state_of("a.b") == "RUNNING");
    env.mng(&format!("stop {}", agent.id)).success();
    assert!(env.sessions().is_empty());
}

#[test]
fn old_and_odd_records_are_read() {
    let env = TestEnv::new();
    let tree = PythonTree::new(&env);
    let agent = tree.agent_in_worktree("a1", "sleep 1000");
    let path = agent.state_dir.join("data.json");
    // The oldest form: only what readers may require, windows as plain strings.
    std::fs::write(
        &path,
        format!(
            "{{\"id\":\"{}\",\"name\":\"a1\",\"type\":\"vanished-type\",\"work_dir\":\"{}\",\
             \"create_time\":\"2026-11-22T13:31:00+00:00\",\"command\":\"sleep 1000\",\"additional_commands\":[\"sleep 1001\"]}}",
            agent.id,
            agent.work_dir.display()
        ),
    )
    .unwrap();
    assert_eq!(env.listed()["a1"]["type"], "vanished-type");
    env.mng("start a1").success();
    env.eventually("it runs", |env| {
        ["RUNNING", "RUNNING_UNKNOWN_AGENT_TYPE"].contains(&env.state_of("a1").as_str())
    });
    assert_eq!(env.tmux(&["list-windows", "-t", "=mng-a1:"]).lines().count(), 2);
    env.mng("destroy a1 --force").success();
    assert!(env.sessions().is_empty());
}
