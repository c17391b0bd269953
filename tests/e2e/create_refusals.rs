//! What `mng create` refuses, each time without a trace, and the words that scripts get.

use std::fs;

use insta::assert_snapshot;
use mng_tests::TestEnv;

#[test]
fn machine_output_has_what_scripts_need() {
    let env = TestEnv::new();
    let made =
        env.mng("create alpha --type command --no-connect --format json -- sleep 1000").success().json();
    assert_eq!(made["agent_id"], env.agent_id("alpha"));
    assert_eq!(made["agent_name"], "alpha");
    assert_eq!(made["host_name"], "localhost");
    assert_eq!(made["branch"], "mng/alpha");
    assert_eq!(made["work_dir"], env.record("alpha")["work_dir"]);
    assert_eq!(made["is_reused"], false);
    let host_id = fs::read_to_string(env.state_dir().join("host_id")).unwrap();
    assert_eq!(made["host_id"], host_id.trim());

    let lines = env.mng("create beta --type command --no-connect --jsonl -- sleep 1000").success().jsonl();
    let kinds: Vec<String> = lines
        .iter()
        .map(|line| {
            let part = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", part("event"), part("kind"), part("step")).trim_end().to_owned()
        })
        .collect();
    assert_snapshot!(kinds.join("\n"), @r"
    progress plan
    progress started preparing
    progress completed preparing
    progress started transferring_project
    progress completed transferring_project
    progress started provisioning
    progress completed provisioning
    progress started starting_agent
    progress completed starting_agent
    created
    ");
    let plan: Vec<&str> =
        lines[0]["steps"].as_array().unwrap().iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(plan, ["preparing", "transferring_project", "provisioning", "starting_agent"]);
    assert_eq!(lines.last().unwrap()["agent_name"], "beta");

    let failed = env.mng("create beta --type command --no-connect --json -- sleep 1000").exits(1).json();
    assert_eq!(failed["error"]["error_class"], "DuplicateAgentNameError");
    let failed = env.mng("create beta --type command --no-connect --jsonl -- sleep 1").exits(1).jsonl();
    assert_eq!(failed.last().unwrap()["event"], "error");
    env.mng("create gamma --type command --no-connect -q -- sleep 1000").success().prints_no("Done");
    env.mng("create x --type command --no-connect --format {name} -- sleep 1").exits(2);
}

#[test]
fn names_are_checked_before_anything_is_made() {
    let env = TestEnv::new();
    let before = (env.repo().fingerprint(), env.state_fingerprint());
    let long = "a".repeat(300);
    for name in ["a b", "a.b", "a/b", "..", "-x", "x-", "é", "🦀", "$(x)", long.as_str()] {
        let run =
            env.mng_args(&["create", "--no-connect", "--type", "command", "-n", name, "--", "sleep", "9"]);
        run.exits(2);
    }
    assert_eq!((env.repo().fingerprint(), env.state_fingerprint()), before);
    // An address without a name: one is made up.
    env.mng("create --type command --no-connect -- sleep 1000").success();
    let name = env.agent_names().remove(0);
    assert_eq!(name.split('-').count(), 3, "{name}");
    assert!(env.repo().has_branch(&format!("mng/{name}")));
}

#[test]
fn bad_input_changes_nothing() {
    let env = TestEnv::new();
    env.create("taken");
    env.repo().git("branch mng/used");
    let before = (env.repo().fingerprint(), env.state_fingerprint());
    let cases = [
        ("taken command -- sleep 9", 1, "an agent named `taken` exists"),
        ("used command -- sleep 9", 1, "the branch `mng/used` exists already"),
        ("x command --branch main:taken/../x -- sleep 9", 2, "cannot be the name of a new branch"),
        ("x command --branch nowhere: -- sleep 9", 1, "no branch, tag or commit `nowhere`"),
        ("x command --branch main -- sleep 9", 1, "git checks a branch out only once"),
        ("x command", 1, "needs a command to run"),
        ("x nosuchtype -- sleep 9", 1, "there is no agent type `nosuchtype`"),
        ("x --type command other -- sleep 9", 2, "two types are given"),
        ("x command --provider nowhere -- sleep 9", 1, "there is no provider `nowhere`"),
        ("x command --provider docker -- sleep 9", 1, "`docker` is not compiled into this mng"),
        ("x@nowhere command -- sleep 9", 1, "there is no host `nowhere`"),
        ("x command --new-host -- sleep 9", 1, "a new host needs a provider"),
        ("x command --idle-timeout 5m -- sleep 9", 1, "`--idle-timeout` is for new hosts"),
        ("x command -b --cpu=3 -- sleep 9", 1, "`--build-arg` is for new hosts"),
        ("x command -t nowhere -- sleep 9", 1, "no create template `nowhere`"),
        ("x command --from nobody -- sleep 9", 1, "no agent matches `nobody`"),
        ("x command --from ./nowhere -- sleep 9", 1, "is no directory"),
        ("x command --transfer rsync -- sleep 9", 1, "would copy the repository"),
        ("x command --transfer sideways -- sleep 9", 2, "sideways"),
        ("x command --update -- sleep 9", 2, "needs `--reuse`"),
        ("x command --foreground -- sleep 9", 1, "is for headless types"),
        ("x headless_command -- sleep 9", 1, "add `--foreground`"),
        ("x command --adopt c1 -- sleep 9", 1, "has none"),
        ("x command --env NOEQUALS -- sleep 9", 2, "has no `=`"),
        ("x command --env 9X=1 -- sleep 9", 2, "cannot be the name of a variable"),
        ("x command --env-file nowhere.env -- sleep 9", 2, "cannot read the env file"),
        ("x command --upload-file nowhere:there -- sleep 9", 1, "cannot upload `nowhere`"),
        ("x command --label nolabel -- sleep 9", 2, "expected KEY=VALUE"),
        ("x command -w agent=top -- sleep 9", 2, "the agent's own window"),
        ("x command --message a --message-file b -- sleep 9", 2, "--message-file"),
        ("x command --message-file nowhere -- sleep 9", 2, "cannot read"),
        ("x command --edit-message -- sleep 9", 2, "needs a terminal"),
        ("x command --user root -- sleep 9", 1, "`--user` is not supported yet"),
        ("x command --depth 1 -- sleep 9", 1, "for a git URL"),
        ("x command --no-such-option", 2, "--no-such-option"),
        ("x command --name y -- sleep 9", 2, "named twice"),
        ("x:/a command --target-path /b -- sleep 9", 2, "contradicts"),
    ];
    for (line, code, words) in cases {
        env.mng(&format!("create --no-connect {line}")).exits(code).says(&[words]);
        let after = (env.repo().fingerprint(), env.state_fingerprint());
        assert_eq!(after, before, "`create {line}` changed something");
    }
    env.repo().write("dirty.txt", "x");
    env.mng("create x command --no-connect -- sleep 9").exits(1).says(&["uncommitted changes: dirty.txt"]);
    assert_eq!(env.agent_names(), ["taken"]);
}

#[test]
fn places_that_are_no_source() {
    let env = TestEnv::without_repo();
    let create = "create x command --no-connect -- sleep 9";
    env.mng(create).exits(1).says(&["is not in a git repository", "--from"]);
    let empty = env.root().join("empty");
    fs::create_dir(&empty).unwrap();
    env.repo_at(&empty).git("init -q");
    env.command(create).cwd(&empty).run().exits(1).says(&["has no commits"]);
    assert!(env.agent_names().is_empty());

    let repo = env.new_repo("repo");
    env.command("create y command --no-connect -- sleep 1000").cwd(repo.path()).run().success();
    let state = env.state_dir();
    for dir in ["agents", "worktrees", ""] {
        env.command(&format!(
            "create x command --no-connect --from {} -- sleep 9",
            state.join(dir).display()
        ))
        .cwd(repo.path())
        .run()
        .exits(1)
        .says(&["mng's own state"]);
    }
    let home = env.home();
    env.command(&format!("create x command --no-connect --from {} -- sleep 9", home.display()))
        .cwd(repo.path())
        .run()
        .exits(1)
        .says(&["contains mng's own state"]);
    assert_eq!(env.agent_names(), ["y"]);
}

#[test]
fn a_git_url_is_cloned_and_a_failed_clone_leaves_nothing() {
    let env = TestEnv::new();
    let origin = env.new_repo("origin.git");
    let url = format!("file://{}", origin.path().display());
    env.command(&format!("create alpha command --no-connect --from {url} -- sleep 1000"))
        .cwd(env.home())
        .run()
        .success();
    assert_eq!(env.work_dir("alpha").branch(), "mng/alpha");
    let clones: Vec<_> = fs::read_dir(env.state_dir().join("clones")).unwrap().flatten().collect();
    assert_eq!(clones.len(), 1);
    assert!(clones[0].file_name().to_string_lossy().starts_with("alpha-"));
    env.mng(&format!("create alpha command --no-connect --from {url} -- sleep 9")).exits(1);
    env.mng("create beta command --no-connect --from file:///nowhere.git -- sleep 9").exits(1);
    assert_eq!(fs::read_dir(env.state_dir().join("clones")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(env.state_dir().join("tmp")).unwrap().count(), 0);
}
