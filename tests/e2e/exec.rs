//! One command in an agent's place.

use mng_tests::TestEnv;

#[test]
fn output_exit_code_and_streams_are_the_commands_own() {
    let env = TestEnv::new();
    env.create("a1");
    let run = env.mng_args(&["exec", "a1", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!(run.stdout, "out\n");
    assert!(run.stderr.contains("err"));
    let quiet = env.mng("exec a1 'printf %s binary'").success();
    assert_eq!(quiet.stdout, "binary", "`mng exec a cat f > f` is clean");
    env.mng("stop a1").success();
    env.mng("exec a1 true").success();
}

#[test]
fn it_runs_in_the_agents_directory_with_its_environment() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--env",
        "X=a b'c$d",
        "--",
        "sleep 1000",
    ])
    .success();
    let run = env
        .mng_args(&["exec", "a1", "pwd; printf '%s\\n' \"$MNG_AGENT_NAME\" \"$X\" \"$MNG_AGENT_ID\""])
        .success();
    let work_dir = env.work_dir("a1");
    assert_eq!(run.lines(), [&*work_dir.path().to_string_lossy(), "a1", "a b'c$d", &env.agent_id("a1")]);
    let elsewhere = env.mng("exec a1 --cwd / pwd").success();
    assert_eq!(elsewhere.stdout, "/\n");
    env.mng("exec a1 --cwd /no/such/dir pwd").exits(1).says(&["/no/such/dir"]);
}

#[test]
fn several_agents_in_the_order_of_the_arguments() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let report = env
        .mng_args(&["exec", "a2", "a1", "test $MNG_AGENT_NAME = a1 && echo yes", "--format", "json"])
        .exits(1)
        .json();
    let results = report["results"].as_array().unwrap();
    assert_eq!(results[0]["agent"], "a2");
    assert_eq!((&results[0]["success"], &results[0]["exit_code"]), (&false.into(), &1.into()));
    assert_eq!(results[1]["agent"], "a1");
    assert_eq!((&results[1]["success"], &results[1]["stdout"]), (&true.into(), &"yes".into()));
    assert_eq!(report["total_executed"], 2);
    assert_eq!(report["failed_agents"], serde_json::json!([]));
    let human = env.mng("exec a1 a2 'echo $MNG_AGENT_NAME'").success();
    assert_eq!(human.stdout, "--- a1 ---\na1\n--- a2 ---\na2\n");
    let rows = env.mng("exec --all pwd --format '{agent}:{success}'").success();
    let mut rows: Vec<_> = rows.lines().into_iter().map(str::to_owned).collect();
    rows.sort();
    assert_eq!(rows, ["a1:true", "a2:true"]);
}

#[test]
fn a_timeout_kills_the_command_and_is_said() {
    let env = TestEnv::new();
    env.create("a1");
    let mark = format!("7{:06}.5", fastrand::u32(..1_000_000));
    let report = env
        .mng_args(&["exec", "a1", &format!("sleep {mark}"), "--timeout", "0.5", "--format", "json"])
        .exits(1)
        .json();
    let result = &report["results"][0];
    assert_eq!((&result["success"], &result["timed_out"]), (&false.into(), &true.into()));
    env.eventually("the command is gone", |_| {
        mng_tests::processes_matching(&format!("sleep {mark}")).is_empty()
    });
    env.mng("exec a1 'sleep 5' --timeout 0.2").exits(1);
    env.mng("exec a1 true --timeout never").exits(2);
}

#[test]
fn output_streams_as_it_comes() {
    let env = TestEnv::new();
    env.create("a1");
    let gate = env.root().join("gate");
    let line = format!("echo first; while [ ! -e '{}' ]; do sleep 0.05; done; echo second", gate.display());
    let terminal = env.terminal_of(env.command_args(&["exec", "a1", &line, "--stream"]), (80, 24));
    terminal.wait_for("first");
    assert!(!terminal.screen().contains("second"));
    std::fs::write(gate, "").unwrap();
    terminal.wait_for("second");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_local_host_has_no_outer_machine() {
    let env = TestEnv::new();
    env.create("a1");
    let report = env.mng("exec a1 pwd --outer --format json").json();
    assert_eq!(report["total_skipped"], 1, "{report}");
    env.mng("exec a1 pwd --outer --missing-outer abort").exits(1);
    env.mng("exec pwd").exits(2);
    env.mng("exec nobody pwd").exits(1).says(&["nobody"]);
}
