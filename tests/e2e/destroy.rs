//! Destroy ends an agent and what belongs to it, and keeps a way back.

use insta::assert_snapshot;
use mng_tests::TestEnv;

#[test]
fn destroy_removes_session_work_dir_and_record() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let (id, work_dir) = (env.agent_id("a1"), env.work_dir("a1"));
    let state_dir = env.agent_dir("a1");
    env.mng("destroy a1 --force").success().prints("a1").prints("Successfully destroyed 1 agent(s)");
    assert_eq!(env.agent_names(), ["a2"]);
    assert_eq!(env.sessions(), ["mng-a2"]);
    assert!(!work_dir.path().exists());
    assert!(!state_dir.exists());
    assert!(env.processes_of(&id).is_empty());
    assert!(env.repo().has_branch("mng/a1"), "the branch stays without -b");
    let host = std::fs::read_to_string(env.state_dir().join("data.json")).unwrap();
    assert!(!host.contains(&*work_dir.path().to_string_lossy()), "the work dir is no longer registered");
}

#[test]
fn a_running_agent_needs_force() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("destroy a1").exits(2).says(&["--force"]);
    let error = env.mng("destroy a1 --format json").exits(2).json();
    assert_eq!(error["exit_code"], 2);
    let terminal = env.terminal("destroy a1");
    terminal
        .wait_until("an end or a question", |screen| screen.contains("[y/N]") || screen.contains("--force"));
    if terminal.screen().contains("[y/N]") {
        terminal.type_text("y");
        terminal.press(&["Enter"]);
    }
    assert_eq!(terminal.wait_exit(), 1);
    assert!(terminal.screen().contains("--force"), "{}", terminal.screen());
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn a_yes_at_the_terminal_destroys_a_stopped_agent() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    let terminal = env.terminal("destroy a1");
    terminal.wait_for("[y/N]");
    terminal.type_text("y");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert!(env.agent_names().is_empty());
}

#[test]
fn prompts_go_to_stderr_and_json_stays_json() {
    let env = TestEnv::new();
    env.create("a1");
    let report = env.mng("destroy a1 --force --format json").success().json();
    assert_eq!(report["destroyed_agents"], serde_json::json!(["a1"]));
    assert_eq!(report["count"], 1);
    assert_eq!(report["failure_count"], 0);
    assert_eq!(report["exit_code"], 0);
    env.create("a2");
    let lines = env.mng("destroy a2 --force --format jsonl").success().jsonl();
    assert_eq!(lines.last().unwrap()["event"], "destroy_result");
}

#[test]
fn an_unknown_name_stops_everything_without_force_and_nothing_with_it() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    env.mng("destroy a1 nobody").exits(1).says(&["nobody"]);
    assert_eq!(env.agent_names(), ["a1"]);
    let report = env.mng("destroy a1 nobody --force --format json").success().json();
    assert_eq!(report["destroyed_agents"], serde_json::json!(["a1"]));
    assert_eq!(report["not_found"], serde_json::json!(["nobody"]));
    assert!(env.agent_names().is_empty());
}

#[test]
fn a_missing_id_has_an_exit_code_of_its_own() {
    let env = TestEnv::new();
    env.mng("exec agent-00000000000000000000000000000000 true").exits(8);
    env.mng("exec nobody true").exits(1);
    env.mng("exec agent-123 true").exits(1);
}

#[test]
fn dash_b_deletes_the_branch_that_create_made() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("destroy a1 --force -b").success();
    assert_eq!(env.repo().branches(), ["main"]);
}

#[test]
fn a_dry_run_lists_and_does_nothing() {
    let env = TestEnv::new();
    env.create("a1");
    let plan = env.mng("destroy a1 --dry-run --format json").success().json();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["count"], 1);
    let agent = &plan["agents"][0];
    assert_eq!((&agent["name"], &agent["state"]), (&"a1".into(), &"RUNNING".into()));
    assert_eq!(agent["id"], env.agent_id("a1").as_str());
    assert_eq!(env.state_of("a1"), "RUNNING");
    env.mng("destroy a1 --dry-run").success().prints("Would destroy 1 agent(s):");
}

#[test]
fn the_local_host_is_not_destroyed() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("destroy @localhost --force").exits(1).says(&["local host"]);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn destroy_all_and_by_filter() {
    let env = TestEnv::new();
    for name in ["a1", "a2", "b1"] {
        env.create(name);
    }
    env.mng_args(&["destroy", "--force", "--include", r#"name.startsWith("a")"#]).success();
    assert_eq!(env.agent_names(), ["b1"]);
    env.mng("destroy --all").exits(2);
    env.mng("destroy --all --force").success();
    assert!(env.agent_names().is_empty());
    env.mng("destroy").exits(2);
}

#[test]
fn an_agent_finds_its_own_session_after_a_rename_behind_its_back() {
    let env = TestEnv::new();
    env.create("a1");
    env.tmux(&["rename-session", "-t", "=mng-a1:", "elsewhere"]);
    assert_eq!(env.state_of("a1"), "RUNNING", "the session is known by its id");
    env.mng("destroy a1 --force").success();
    assert!(env.sessions().is_empty());
}

/// A foreign session of the same name is not ours to use or to end.
#[test]
fn a_session_of_somebody_else_is_left_alone() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    env.tmux(&["new-session", "-d", "-s", "mng-a1", "sleep 1000"]);
    env.tmux(&["set-option", "-t", "=mng-a1:", "@mng_agent_id", "agent-00000000000000000000000000000000"]);
    env.mng("start a1").exits(1).says(&["mng-a1"]);
    env.mng("destroy a1 --force").success();
    assert_eq!(env.sessions(), ["mng-a1"]);
}

#[test]
fn what_a_person_reads_of_destroy_and_undo() {
    let env = TestEnv::new();
    env.create("fix-auth");
    env.work_dir("fix-auth").write("notes", "half a thought\n");
    assert_snapshot!(env.mng("destroy fix-auth --dry-run"), @r"
    exit 0
    ---- stdout
    Would destroy 1 agent(s):
      - fix-auth@localhost
          1 untracked file, not committed
          it is RUNNING: only with --force
    ---- stderr
    ");
    assert_snapshot!(env.mng("destroy fix-auth"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng destroy [OPTIONS] [AGENT...]
    Try `mng destroy --help` for help.

    Error: destroying needs a yes, and nobody can be asked here
      hint: add `--force`
    ");
    assert_snapshot!(env.mng("destroy fix-auth --force"), @r"
    exit 0
    ---- stdout
    Destroyed agent: fix-auth
    Successfully destroyed 1 agent(s)
    ---- stderr
    to bring it back: mng undo fix-auth
    ");
    assert_snapshot!(env.mng("undo"), @r"
    exit 0
    ---- stdout
    Restored agent: fix-auth
    Restored branch: mng/fix-auth
    Restored work dir: $STATE/worktrees/fix-auth-<hex>
    ---- stderr
    it is stopped; to go on: mng start fix-auth
    ");
    assert_snapshot!(env.mng("stop fix-auth"), @r"
    exit 0
    ---- stdout
    Stopped agent: fix-auth
    Successfully stopped 1 agent(s)
    ---- stderr
    ");
    assert_snapshot!(env.mng("start fix-auth"), @r"
    exit 0
    ---- stdout
    Started agent: fix-auth
    Successfully started 1 agent(s)
    ---- stderr
    ");
}
