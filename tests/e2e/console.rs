//! The session of the README, as a person types it.

use mng_tests::TestEnv;

#[test]
fn a_session_from_create_to_gc() {
    let env = TestEnv::new();
    let untouched = env.repo().fingerprint();

    let echo = "while read l; do echo got:$l; done";
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", echo]).success();
    assert_eq!(env.work_dir("a1").branch(), "mng/a1");
    env.mng("create a2 --type command --no-connect --transfer none -- sleep 1000").success();
    assert_eq!(env.work_dir("a2").path(), env.repo().path());

    let table = env.mng("list").success();
    for name in ["a1", "a2"] {
        let row = table
            .lines()
            .into_iter()
            .find(|line| line.starts_with(name))
            .expect("one row an agent")
            .to_owned();
        for cell in ["RUNNING", "localhost", "repo"] {
            assert!(row.contains(cell), "{row} lacks {cell}");
        }
    }
    env.bash("mng list --format json | grep -c '\"name\":\"a[12]\"'").run().success();
    let listed = env.listed();
    assert_eq!(listed.len(), 2);
    for agent in listed.values() {
        assert_eq!(agent["state"], "RUNNING");
        assert_eq!(agent["labels"]["project"], "repo");
        assert_eq!(agent["host"]["name"], "localhost");
    }
    let ids = env
        .mng_args(&["list", "--include", r#"name.startsWith("a") && state == "RUNNING""#, "--ids"])
        .success();
    let mut ids: Vec<String> = ids.lines().into_iter().map(str::to_owned).collect();
    ids.sort();
    let mut expected = [env.agent_id("a1"), env.agent_id("a2")];
    expected.sort();
    assert_eq!(ids, expected);

    let text = r#"hello; $(touch x) "q""#;
    env.mng_args(&["message", "a1", "-m", text]).success();
    env.eventually("the message arrives", |env| {
        env.mng("capture a1").success().stdout.contains(&format!("got:{text}"))
    });
    assert!(!env.work_dir("a1").has("x"), "a part of the message was executed");

    let log = env.mng_args(&["exec", "a1", "git log --oneline -1"]).success();
    assert!(log.stdout.trim_end().ends_with("first"), "{log}");
    let rows = env.bash("echo a1 | mng exec - pwd --format jsonl").run().success().jsonl();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["event"], "exec_result");
    assert_eq!(rows[0]["agent"], "a1");
    assert_eq!(rows[0]["stdout"].as_str().unwrap(), env.work_dir("a1").path().to_string_lossy());

    env.mng("stop a1").success();
    assert_eq!(env.state_of("a1"), "STOPPED");
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
    env.mng("rename a1 b1").success();
    assert!(env.has_session("mng-b1"));
    let terminal = env.terminal("connect b1");
    env.eventually("a client is attached", |env| !env.tmux(&["list-clients", "-t", "=mng-b1:"]).is_empty());
    terminal.wait_for("You are attached");
    terminal.press(&["Enter"]);
    terminal.wait_until("no greeting", |screen| !screen.contains("You are attached"));
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("b1"), "RUNNING");

    env.mng("clone b1 c1").success();
    assert_eq!(env.work_dir("c1").branch(), "mng/c1");
    env.mng("destroy b1 c1 a2 --force").success();
    env.mng("gc").success();
    assert_eq!(env.sessions(), Vec::<String>::new());
    assert_eq!(env.repo().worktrees(), [env.repo().path()]);
    assert_eq!(env.repo().branches(), ["main", "mng/a1", "mng/c1"], "destroy keeps branches without -b");
    assert!(env.listed().is_empty());

    env.repo().git("branch --quiet -D mng/a1 mng/c1");
    assert_eq!(env.repo().fingerprint(), untouched, "the user's own checkout is as it was");
}

/// The script that the README names runs as it stands.
#[test]
fn the_try_script_works() {
    let env = TestEnv::without_repo();
    let script = format!("{}/../scripts/try.sh", env!("CARGO_MANIFEST_DIR"));
    let run = env.bash(&format!("MNG=$(readlink -f \"$(command -v mng)\") bash '{script}'")).run().success();
    run.prints("you said: hello; $(touch x) \"quoted\"");
    assert!(!env.state_dir().exists(), "it used the person's own state directory");
}
